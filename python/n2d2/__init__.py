"""Train convolutional networks and prepare them for embedded hardware: the N2D2 Python API on a Rust engine.

| name | what it holds |
|---|---|
| `cells` | layers and containers |
| `solver`, `filler`, `activation`, `mapping`, `scaling` | objects that cells are built with |
| `Tensor`, `Interface`, `ConfigSection` | values that go through cells, and parameters that cells share |
| `database`, `provider`, `transform` | data |
| `target`, `train`, `plots` | loss, scores, training aids |
| `models` | networks that are known by name |
| `global_variables` | defaults, verbosity, seed, threads |
| `Error` | the base of every exception |
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from n2d2 import activation, cells, error_handler, filler, mapping, solver, utils
from n2d2._core import version as __version__
from n2d2.config import ConfigSection
from n2d2.error_handler import Error
from n2d2.global_variables import global_variables
from n2d2.interface import Interface
from n2d2.tensor import Tensor
from n2d2.utils import generate_name

if TYPE_CHECKING:
    from n2d2 import database, deepnet, ini, models, plots, provider, quantizer, scaling, target, train, transform

# Loaded when first used, so that `import n2d2` stays fast.
_LAZY = frozenset(
    {"database", "deepnet", "ini", "models", "onnx", "plots", "provider", "quantizer", "scaling", "target", "train"}
    | {"transform"}
)

__all__ = [
    "ConfigSection",
    "Error",
    "Interface",
    "Tensor",
    "__version__",
    "activation",
    "cells",
    "database",
    "deepnet",
    "error_handler",
    "filler",
    "generate_name",
    "global_variables",
    "ini",
    "mapping",
    "models",
    "plots",
    "provider",
    "quantizer",
    "scaling",
    "solver",
    "target",
    "train",
    "transform",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"n2d2.{name}")
    raise AttributeError(f"module 'n2d2' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
