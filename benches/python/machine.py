"""What the figures were measured on and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import child
import n2d2

PACKAGES = ("torch", "torchvision", "jax", "jaxlib", "onnxruntime", "openvino", "numpy")


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def description(threads: int) -> dict[str, Any]:
    """Return processor, versions and settings."""
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "threads": threads,
        "isa": n2d2._core.isa(),
        "python": platform.python_version(),
        "n2d2": n2d2.__version__,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "settings": child.settings(threads, keep_memory=True),
    }
