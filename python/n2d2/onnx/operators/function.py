"""Functions of one value: `Abs`, `Exp`, `HardSigmoid`, `Sqrt` and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2 import cells
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
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


# The first version of the operators that has them, where it is not an old one.
_FIRST = {"HardSwish": 14, "Mish": 18, "Gelu": 20, "Swish": 24}


@writes(cells.Function)
def write_function(call: CellCall) -> Operand:
    """The operator of the function's name, with the parameters that were given."""
    cell, (x,) = call.cell, call.operands
    name = cell.function
    if name == "Clip":
        bounds = [("minimum", cell.minimum), ("maximum", cell.maximum)]
        return call.node("Clip", [x, *("" if v is None else call.constant(v, word) for word, v in bounds)])
    if call.opset < _FIRST.get(name, 0):
        call.not_expressible(
            f"opset {call.opset} has no operator {name}", f"write the model with opset={_FIRST[name]} or higher"
        )
    words = ("alpha", "beta", "gamma", "bias", "lambd", "approximate")
    given = {word: value for word in words if (value := getattr(cell, word)) is not None}
    return call.node(name, [x], **given)
