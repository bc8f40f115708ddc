"""Functions of one value: `Abs`, `Exp`, `HardSigmoid`, `Sqrt` and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Data, Node

# The attributes of each, with their defaults in ONNX.
FUNCTIONS: dict[str, dict[str, Any]] = {
    "Abs": {},
    "Acos": {},
    "Acosh": {},
    "Asin": {},
    "Asinh": {},
    "Atan": {},
    "Atanh": {},
    "Ceil": {},
    "Celu": {"alpha": 1.0},
    "Cos": {},
    "Cosh": {},
    "Elu": {"alpha": 1.0},
    "Erf": {},
    "Exp": {},
    "Floor": {},
    "Gelu": {"approximate": "none"},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "HardSwish": {},
    "Log": {},
    "Mish": {},
    "Neg": {},
    "Reciprocal": {},
    "Round": {},
    "Selu": {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323},
    "Shrink": {"bias": 0.0, "lambd": 0.5},
    "Sign": {},
    "Sin": {},
    "Sinh": {},
    "Softsign": {},
    "Sqrt": {},
    "Swish": {"alpha": 1.0},
    "Tan": {},
    "ThresholdedRelu": {"alpha": 1.0},
}


@reads(*FUNCTIONS)
def function(node: Node) -> Data:
    """The function of the operator's name, by a Function cell."""
    from n2d2.cells.function import Function

    arguments = {name: node.attribute(name, default) for name, default in FUNCTIONS[node.op].items()}
    cell = Function(node.op, name=node.importer.free_name(node.name), **arguments)
    return node.call(cell, node.data(0), align=False)
