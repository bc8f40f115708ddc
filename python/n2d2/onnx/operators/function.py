"""Functions of one value: `Abs`, `Exp`, `HardSigmoid`, `Sqrt` and their like."""

from __future__ import annotations

import math
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


# The first version of the operators that has them, where it is not an old one; before it others are put together.
_FIRST = {"HardSwish": 14, "Mish": 18, "Gelu": 20}


@writes(cells.Function)
def write_function(call: CellCall) -> Operand:
    """The operator of the function's name, with the parameters that were given."""
    cell, (x,) = call.cell, call.operands
    name = cell.function
    if name == "Clip":
        bounds = [("minimum", cell.minimum), ("maximum", cell.maximum)]
        return call.node("Clip", [x, *("" if v is None else call.constant(v, word) for word, v in bounds)])
    # Swish is an operator since opset 24, which runtimes do not have yet.
    if name == "Swish" or call.opset < _FIRST.get(name, 0):
        return _composed(call, x)
    words = ("alpha", "beta", "gamma", "bias", "lambd", "approximate")
    given = {word: value for word in words if (value := getattr(cell, word)) is not None}
    return call.node(name, [x], **given)


def _composed(call: CellCall, x: Operand) -> Operand:
    """A function that this version of the operators does not have, by those that it has."""
    match call.cell.function:
        case "HardSwish":
            return call.node("Mul", [x, call.node("HardSigmoid", [x], "gate", alpha=1 / 6, beta=0.5)])
        case "Mish":
            return call.node("Mul", [x, call.node("Tanh", [call.node("Softplus", [x], "softplus")], "gate")])
        case "Swish":
            slope = call.cell.alpha
            scaled = x if slope in (None, 1) else call.node("Mul", [x, call.constant(slope, "slope")], "scaled")
            return call.node("Mul", [x, call.node("Sigmoid", [scaled], "gate")])
    return _gelu(call, x)


def _gelu(call: CellCall, x: Operand) -> Operand:
    """`x / 2 (1 + erf(x / sqrt 2))`, or with a tanh of a polynomial in place of the error function."""
    if call.cell.approximate == "tanh":
        cube = call.node("Mul", [call.node("Mul", [x, x], "square"), call.constant(0.044715, "third")], "cube")
        line = call.node("Mul", [x, call.constant(math.sqrt(2 / math.pi), "slope")], "line")
        argument = call.node("Mul", [line, call.node("Add", [cube, call.constant(1.0, "one")], "bend")], "argument")
        gate = call.node("Tanh", [argument], "gate")
    else:
        gate = call.node("Erf", [call.node("Mul", [x, call.constant(math.sqrt(0.5), "slope")], "argument")], "gate")
    half = call.node("Mul", [x, call.constant(0.5, "half")], "half")
    return call.node("Mul", [half, call.node("Add", [gate, call.constant(1.0, "one")], "raised")])
