"""Joining: `Concat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2.onnx.rearrange import places, rearranged
from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Data, Node


@reads("Concat")
def concat(node: Node) -> Data:
    """Joins along an axis: channels by an Activation cell without activation, other axes by a table."""
    from n2d2 import activation
    from n2d2.cells.activation import Activation

    values = [node.data(i) for i in range(len(node.values))]
    rank = values[0].rank
    axis = node.axis(node.attribute("axis", 1), rank)
    if len(values) == 1:
        return node.renamed(values[0])
    if axis != 1 or rank > 4:
        return rearranged(node, values, np.concatenate(places(*values), axis))
    cell = Activation(activation.Linear(), name=node.importer.free_name(node.name))
    return node.call(cell, *values)
