"""Dropout: `Dropout`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Node, Value


@reads("Dropout", constants=(1, 2))
def dropout(node: Node) -> Sequence[Value]:
    """Drops values while n2d2 learns; at test nothing changes."""
    from n2d2.cells.dropout import Dropout

    x = node.data(0)
    node.ignore("seed")
    ratio = float(node.attribute("ratio", 0.5))
    if node.has(1):
        ratio = float(np.asarray(node.constant(1)).ravel()[0])
    trains = node.optional_constant(2)
    if trains is not None and bool(trains.ravel()[0]) and ratio > 0:
        if node.wants(1):
            node.unsupported("something reads the mask of a training step", "the output alone")
        if not node.importer.learns:
            node.unsupported("'training_mode' is true", "false, or n2d2.onnx.load, whose networks learn")
    arguments = {"dropout": ratio} | node.arguments("Dropout")
    y = node.call(Dropout(name=node.importer.free_name(node.name), **arguments), x, align=False)
    return [y, np.ones(x.shape, bool)] if node.wants(1) else [y]


@writes(cells.Dropout)
def write_dropout(call: CellCall) -> Operand:
    """Nothing: at test it changes no value."""
    return call.joined()
