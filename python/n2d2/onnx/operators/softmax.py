"""Softmax: `Softmax`."""

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
    with_loss = node.is_output and axis == 1
    cell = Softmax(with_loss=with_loss, name=name)
    if axis == 0:
        node.unsupported("a softmax over the batch", "axes from 1 on")
    if joins:
        if any(d != 1 for d in x.shape[1:axis]):
            node.unsupported(f"a softmax over the last {x.rank - axis} axes together", "over all axes from 1 on")
        flat = node.renamed(x, [x.shape[0], math.prod(x.shape[1:])])
        return node.renamed(node.call(cell, flat, shape=flat.shape), x.shape)
    if axis == 1:
        return node.call(cell, x)
    order = list(range(x.rank))
    order[1], order[axis] = axis, 1
    turned = permuted(node, x, order, f"{node.name}_transpose")
    return permuted(node, node.call(cell, turned, shape=turned.shape), order, f"{node.name}_transpose")


@writes(cells.Softmax)
def write_softmax(call: CellCall) -> Operand:
    """Over the channels; those of a group get an axis of their own for a while."""
    x, size = call.joined(), call.cell.group_size
    channels, *image = x.sizes
    if size in (0, channels):
        return call.node("Softmax", [x], axis=1)
    rows = call.reshaped(x, (channels // size, size, *([] if x.flat else [math.prod(image)])), "groups")
    return call.reshaped(call.node("Softmax", [rows], "by_group", axis=2), x.sizes)
