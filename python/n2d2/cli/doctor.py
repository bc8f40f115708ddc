"""`n2d2 doctor`: what the machine offers, what is missing, and how to get it."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.cli.table import size
from n2d2.global_variables import global_variables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_NEEDED = {"numpy": "", "onnx": "", "matplotlib": ""}
_EXTRAS = {"pillow": "images", "tensorboard": "tensorboard"}
_PURPOSE = {
    "numpy": "arrays",
    "onnx": "ONNX files",
    "matplotlib": "learning curves and other pictures",
    "pillow": "image files",
    "tensorboard": "to look at logs of training; writing them needs no package",
}
_VARIABLES = {
    "N2D2_DATA": "folder of the data of INI files",
    "N2D2_MODELS": "folder of model files that INI files name",
    "N2D2_ISA": "instruction set to use: portable, avx2 or avx512",
}
_FEATURES = (
    "avx",
    "fma",
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl",
    "avx512_vnni",
    "amx_tile",
    "asimd",
    "sve",
)
_LIBRARIES = {
    "libcuda.so.1": "the driver",
    "libcudart.so.13": "CUDA 13",
    "libcublas.so.13": "cuBLAS 13: pip install 'n2d2-rs[cuda]'",
    "libcudnn.so.9": "cuDNN 9: pip install 'n2d2-rs[cuda]'",
    "libnvrtc.so.13": "NVRTC 13: pip install 'n2d2-rs[cuda]'",
}


def run(options: argparse.Namespace) -> int:
    """Prints the facts.

    Arguments:
        options (argparse.Namespace): Command line.

    Returns:
        int: 0, or 1 if a package that n2d2 needs is missing.
    """
    del options
    missing = [name for name in _NEEDED if _version(name) is None]
    for title, lines in (
        ("n2d2", [f"{_core.version}, Python {platform.python_version()}, {platform.platform(terse=True)}"]),
        ("processor", _processor()),
        ("threads", _threads()),
        ("memory", _memory()),
        ("GPU", _gpu()),
        ("packages", _packages()),
        ("environment", _environment()),
    ):
        for i, line in enumerate(lines):
            print(f"{title if i == 0 else '':<12} {line}")
    print()
    if missing:
        print(f"missing: {', '.join(missing)}: pip install {' '.join(missing)}")
        return 1
    print("nothing that n2d2 needs is missing")
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    """The value of the first line `name : value`."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return ""


def _processor() -> Iterator[str]:
    text = _read("/proc/cpuinfo")
    yield _field(text, "model name") or platform.processor() or platform.machine()
    present = set((_field(text, "flags") or _field(text, "Features")).split())
    found = [name for name in _FEATURES if name in present]
    if present:
        yield f"features: {' '.join(found) or 'none of those that matter'}"
    used = _core.isa()
    note = "" if used == "avx512" else "; AVX-512 is used where the processor has avx512f, bw, dq and vl"
    wanted = os.environ.get("N2D2_ISA")
    if wanted is not None and wanted != used:
        note = f"; N2D2_ISA asks for {wanted}, which does not exist here"
    yield f"kernels in use: {used}{note}"


def _threads() -> Iterator[str]:
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:
        usable = os.cpu_count() or 1
    every = os.cpu_count()
    yield f"{global_variables.nb_threads} by default; this process may use {usable} of {every} logical processors"
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]) > 0:
        yield f"a limit of {int(quota[0]) / int(quota[1]):g} processors is set for this container"


def _memory() -> Iterator[str]:
    text = _read("/proc/meminfo")
    amounts = [_field(text, name).split() for name in ("MemTotal", "MemAvailable")]
    if all(amount and amount[0].isdigit() for amount in amounts):
        total, free = (1024 * int(amount[0]) for amount in amounts)
        yield f"{size(total)}, {size(free)} of it free"
    else:
        yield "unknown on this system"
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit():
        yield f"a limit of {size(int(limit))} is set for this container"


def _gpu() -> Iterator[str]:
    yield "not used: this version has no CUDA backend (`n2d2.global_variables.cuda_available` is False)"
    driver = _read("/proc/driver/nvidia/version").splitlines()
    if driver:
        yield f"driver: {driver[0].partition(':')[2].strip()}"
    else:
        yield "driver: missing (no /proc/driver/nvidia/version): no NVIDIA GPU, or its driver is not installed"
    devices = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    yield f"devices: {', '.join(devices) or 'none (/dev/nvidia0 does not exist)'}"
    for library, what in _LIBRARIES.items():
        yield f"{library}: " + ("found" if _loads(library) else f"missing ({what})")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[str]:
    for name in (*_NEEDED, *_EXTRAS):
        version = _version(name)
        if version is not None:
            yield f"{name} {version}"
        elif name in _NEEDED:
            yield f"{name}: MISSING, n2d2 needs it for {_PURPOSE[name]}: pip install {name}"
        else:
            yield f"{name}: not installed ({_PURPOSE[name]}): pip install 'n2d2-rs[{_EXTRAS[name]}]'"
    yield f"in {sys.prefix}"


def _environment() -> Iterator[str]:
    for name, what in _VARIABLES.items():
        yield f"{name}={os.environ[name]}" if name in os.environ else f"{name}: not set ({what})"
    for name in sorted(os.environ):
        if name.startswith("N2D2_") and name not in _VARIABLES:
            near = _core.nearest(name, list(_VARIABLES))
            yield f"{name}: set, but n2d2 does not read it" + (f"; did you mean {near}?" if near else "")
