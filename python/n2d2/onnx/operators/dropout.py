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
    training = node.optional_constant(2)
    if training is not None and bool(training.ravel()[0]) and ratio > 0 and node.wants(1):
        node.unsupported("it returns the mask of a training step", "the output alone")
    arguments = {"dropout": ratio} | node.arguments("Dropout")
    arguments.pop("keep_fillers", None)
    y = node.call(Dropout(name=node.importer.free_name(node.name), **arguments), x, align=False)
    return [y, np.ones(x.shape, bool)] if node.wants(1) else [y]


@writes(cells.Dropout)
def write_dropout(call: CellCall) -> Operand:
    """Nothing: at test it changes no value."""
    return call.joined()
