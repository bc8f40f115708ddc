"""Softmax: `Softmax`, `LogSoftmax`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from n2d2 import cells
from n2d2.onnx.operators.transpose import permuted
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


@reads("Softmax")
def softmax(node: Node) -> Data:
    """Along an axis; before opset 13 over all axes from it on.

    The one that makes an output of the graph passes on the gradient of the cross-entropy (`with_loss`).
    """
    from n2d2.cells.softmax import Softmax

    x = node.data(0)
    joins = node.opset < 13
    axis = node.axis(node.attribute("axis", 1 if joins else -1), x.rank)
    name = node.importer.free_name(node.name)
    if axis == 0 and not joins:
        from n2d2.cells.function import Function

        exponential = Function("Exp", name=name)
        return node.renamed(node.call(exponential, _logarithm(node, x, [0]), shape=x.shape, align=False))
    cell = Softmax(with_loss=node.is_output and axis == 1, name=name)
    if joins:
        flat = node.renamed(x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])
        return node.renamed(node.call(cell, flat, shape=flat.shape), x.shape)
    if axis == 1:
        return node.call(cell, x)
    order = list(range(x.rank))
    order[1], order[axis] = axis, 1
    turned = permuted(node, x, order, f"{node.name}_transpose")
    return permuted(node, node.call(cell, turned, shape=turned.shape), order, f"{node.name}_transpose")


def _logarithm(node: Node, x: Data, axes: list[int]) -> Data:
    """`x - log(sum(exp(x)))`."""
    from n2d2.onnx.operators.arithmetic import broadcast
    from n2d2.onnx.operators.reduce import reduced

    one = [1 if a in axes else d for a, d in enumerate(x.shape)]
    total = reduced(node, x, "LogSumExp", axes, f"{node.name}_sum", one)
    return broadcast(node, "Sub", [x, total], name=f"{node.name}_log" if node.op == "Softmax" else None)


@reads("LogSoftmax")
def log_softmax(node: Node) -> Data:
    """The logarithm of a softmax."""
    x = node.data(0)
    joins = node.opset < 13
    axis = node.axis(node.attribute("axis", 1 if joins else -1), x.rank)
    return node.renamed(_logarithm(node, x, list(range(axis, x.rank)) if joins else [axis]))


@writes(cells.Softmax)
def write_softmax(call: CellCall) -> Operand:
    """Over the channels; those of a group get an axis of their own for a while."""
    x, size = call.joined(), call.cell.group_size
    channels, *image = x.sizes
    if size in (0, channels):
        return call.node("Softmax", [x], axis=1)
    rows = call.reshaped(x, (channels // size, size, *([] if x.flat else [math.prod(image)])), "groups")
    return call.reshaped(call.node("Softmax", [rows], "by_group", axis=2), x.sizes)
