"""Activations: `Relu`, `LeakyRelu`, `Sigmoid`, `Tanh`, `Softplus`, `Clip`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import activation, cells
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


@reads("Relu")
def relu(node: Node) -> Data:
    """`max(x, 0)`."""
    return node.activated(node.data(0), activation.Rectifier())


@reads("LeakyRelu")
def leaky_relu(node: Node) -> Data:
    """`x` above 0, else `alpha x`."""
    return node.activated(node.data(0), activation.Rectifier(leak_slope=node.attribute("alpha", 0.01)))


@reads("Sigmoid")
def sigmoid(node: Node) -> Data:
    """`1 / (1 + exp(-x))`."""
    return node.activated(node.data(0), activation.Logistic())


@reads("Tanh")
def tanh(node: Node) -> Data:
    """Hyperbolic tangent."""
    return node.activated(node.data(0), activation.Tanh())


@reads("Softplus")
def softplus(node: Node) -> Data:
    """`log(1 + exp(x))`."""
    return node.activated(node.data(0), activation.Softplus())


@reads("Clip", constants=(1, 2))
def clip(node: Node) -> Data:
    """`min(max(x, minimum), maximum)`."""
    x = node.data(0)
    low, high = float(node.attribute("min", -np.inf)), float(node.attribute("max", np.inf))
    low = float(node.constant(1).ravel()[0]) if node.has(1) else low
    high = float(node.constant(2).ravel()[0]) if node.has(2) else high
    unbounded = float(np.finfo(np.float32).max)
    if low <= -unbounded and high >= unbounded:
        return node.renamed(x)
    if low == 0 and high >= unbounded:
        return node.activated(x, activation.Rectifier())
    if low == 0 and high > 0:
        return node.activated(x, activation.Rectifier(clipping=high))
    if high > 0 and low == -high:
        return node.activated(x, activation.Saturation(threshold=high))
    from n2d2.cells.function import Function

    bounds: dict[str, Any] = {"minimum": max(low, -unbounded), "maximum": min(high, unbounded)}
    return node.call(Function("Clip", name=node.importer.free_name(node.name), **bounds), x, align=False)


@writes(cells.Activation)
def write_activation(call: CellCall) -> Operand:
    """The inputs as they are; the activation follows, as behind any cell."""
    return call.joined()


def activated(call: CellCall, x: Operand) -> Operand:
    """Writes the activation of a cell, if it has one.

    Arguments:
        call (CellCall): The call of the cell.
        x (Operand): Its output before the activation.
    """

    def last(word: str) -> str:
        return "" if isinstance(call.cell, cells.Activation) else word

    def clipped(x: Operand, low: float | None, high: float, word: str) -> Operand:
        bounds = ["" if low is None else call.constant(low, "min"), call.constant(high, "max")]
        return call.node("Clip", [x, *bounds], last(word))

    match call.cell.activation:
        case None:
            return x
        case activation.Linear(clipping=limit):
            return clipped(x, -limit, limit, "clip") if limit else x
        case activation.Saturation(threshold=limit):
            return clipped(x, -limit, limit, "clip")
        case activation.Rectifier(leak_slope=0, clipping=0):
            return call.node("Relu", [x], last("relu"))
        case activation.Rectifier(leak_slope=0, clipping=limit):
            return clipped(x, 0.0, limit, "relu")
        case activation.Rectifier(leak_slope=slope, clipping=0):
            return call.node("LeakyRelu", [x], last("relu"), alpha=slope)
        case activation.Rectifier(leak_slope=slope, clipping=limit):
            leaky = call.node("LeakyRelu", [x], "leaky_relu", alpha=slope)
            return clipped(leaky, None, limit, "relu")
        case activation.Tanh(alpha=slope):
            if slope != 1:
                x = call.node("Mul", [x, call.constant(slope, "slope")], "scaled")
            return call.node("Tanh", [x], last("tanh"))
        case activation.Logistic():
            return call.node("Sigmoid", [x], last("sigmoid"))
        case activation.Softplus():
            return call.node("Softplus", [x], last("softplus"))
        case activation.Swish():
            gate = call.node("Sigmoid", [x], "sigmoid")
            return call.node("Mul", [x, gate], last("swish"))
        case other:
            return call.not_expressible(
                f"no ONNX operator is known for the activation {other.get_type()}", "use another activation"
            )
