"""Facts about the package as a whole: imports, size, public names, stubs."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import n2d2
from support import public_api

ROOT = Path(__file__).parent.parent
SNAPSHOT = Path(__file__).parent / "public_api.txt"


def python(code: str) -> str:
    """Return what a fresh interpreter prints."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout


def test_import_takes_less_than_200_ms() -> None:
    # Processor time, which other programs on the machine do not stretch.
    code = "import time; t = time.process_time(); import n2d2; print(time.process_time() - t)"
    best_s = min(float(python(code)) for _ in range(7))
    assert best_s < 0.2


@pytest.mark.parametrize("package", ["onnx", "matplotlib", "PIL", "torch"])
def test_import_leaves_heavy_packages_alone(package: str) -> None:
    assert python(f"import sys, n2d2; print({package!r} in sys.modules)").strip() == "False"


@pytest.mark.slow
def test_wheel_is_small_and_for_every_python() -> None:
    """The wheel that was built last: `make test` makes it."""
    wheels = sorted((ROOT / "dist").glob("n2d2_rs-*.whl"))
    assert wheels, "make wheel builds dist/n2d2_rs-*.whl"
    assert wheels[-1].stat().st_size < 10e6
    assert "-cp310-abi3-" in wheels[-1].name


def test_public_api() -> None:
    """The public API is a reviewed file: `make api` writes it."""
    old, new = SNAPSHOT.read_text().splitlines(), list(public_api.lines())
    diff = "\n".join(difflib.unified_diff(old, new, "tests/public_api.txt", "this version", lineterm="", n=0))
    assert not diff, f"the public API has changed; if that is meant, run `make api` and review the diff:\n{diff}"


def test_everything_public_is_documented() -> None:
    missing = []
    for module in public_api.modules():
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if callable(thing) and not (thing.__doc__ or "").strip():
                missing.append(f"{module.__name__}.{name}")
    assert not missing


def catalogue(module: str) -> list[str]:
    """Return the class names of a catalogue of the engine, from its source."""
    text = (ROOT / f"crates/n2d2-core/src/{module}/mod.rs").read_text()
    (body,) = re.findall(r"^catalogue! \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)" =>', body)


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize(
    ("module", "package"),
    [("cells", "cells"), ("solver", "solver"), ("filler", "filler"), ("activation", "activation")],
)
def test_catalogue_is_complete(module: str, package: str) -> None:
    """Every kind of the engine has its Rust file and its Python class; cells have a Python file each."""
    kinds = catalogue(module)
    assert kinds
    for kind in kinds:
        rust = re.search(rf'"{kind}" => (\w+)\s*::', (ROOT / f"crates/n2d2-core/src/{module}/mod.rs").read_text())
        assert rust is not None
        path = ROOT / f"crates/n2d2-core/src/{module}/{rust[1]}.rs"
        assert path.exists() or path.with_suffix("").is_dir(), f"{kind}: {path.relative_to(ROOT)} is missing"
        if package == "cells":
            file = ROOT / f"python/n2d2/cells/{rust[1]}.py"
            assert file.exists(), f"{kind}: {file.relative_to(ROOT)} is missing"
        assert hasattr(getattr(n2d2, package), kind), f"{kind}: class n2d2.{package}.{kind} is missing"


@pytest.mark.slow
def test_stubs_match_the_extension_module() -> None:
    """The hand-written `_core.pyi` says what the compiled module has."""
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "n2d2._core",
            "--ignore-disjoint-bases",
            "--allowlist",
            "stubtest_allowlist.txt",
        ],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
