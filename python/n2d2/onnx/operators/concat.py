"""Joining: `Concat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.onnx.operators.transpose import permuted
from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Data, Node


@reads("Concat")
def concat(node: Node) -> Data:
    """Joins along an axis: channels by an Activation cell without activation, image axes as channels for a while."""
    from n2d2 import activation
    from n2d2.cells.activation import Activation

    values = [node.data(i) for i in range(len(node.values))]
    rank = values[0].rank
    axis = node.axis(node.attribute("axis", 1), rank)
    if axis == 0 or rank > 4:
        node.unsupported(f"axis {axis} of {rank}", "axes behind the batch, of at most four")
    if len(values) == 1:
        return node.renamed(values[0])
    cell = Activation(activation.Linear(), name=node.importer.free_name(node.name))
    if axis == 1:
        return node.call(cell, *values)
    order = list(range(rank))
    order[1], order[axis] = axis, 1
    turned = [permuted(node, v, order, f"{node.name}_transpose") for v in values]
    shape = [node.shape[i] for i in order]
    return permuted(node, node.call(cell, *turned, shape=shape), order, f"{node.name}_transpose")
