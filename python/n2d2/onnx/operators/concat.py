"""Joining: `Concat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2.onnx.node import Data
from n2d2.onnx.rearrange import places, rearranged
from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Node, Value


@reads("Concat")
def concat(node: Node) -> Data:
    """Joins along an axis: channels by an Activation cell without activation, other axes by a table."""
    from n2d2 import activation
    from n2d2.cells.activation import Activation

    given = [node.value(i) for i in range(len(node.values))]
    rank = len(given[0].shape)
    axis = node.axis(node.attribute("axis", 1), rank)
    values = [v for v in given if isinstance(v, Data)]
    if len(given) == 1:
        return node.renamed(values[0])
    if len(values) < len(given):
        return _with_constants(node, given, axis)
    if axis != 1 or rank > 4:
        return rearranged(node, values, np.concatenate(places(*values), axis))
    cell = Activation(activation.Linear(), name=node.importer.free_name(node.name))
    return node.call(cell, *values)


def _with_constants(node: Node, given: list[Value], axis: int) -> Data:
    """Joins values of which some are constants, which are added where the data leave zeros."""
    from n2d2.onnx.operators.arithmetic import broadcast

    values = [v for v in given if isinstance(v, Data)]
    tables = iter(places(*values))
    index = np.concatenate([next(tables) if isinstance(v, Data) else np.full(v.shape, -1) for v in given], axis)
    added = np.concatenate([np.zeros(v.shape) if isinstance(v, Data) else v for v in given], axis)
    if not added.any():
        return rearranged(node, values, index)
    y = rearranged(node, values, index, name=f"{node.name}_data")
    return broadcast(node, "Add", [y], added)
