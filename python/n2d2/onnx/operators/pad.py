"""Padding: `Pad`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells
from n2d2.onnx.rearrange import check_table, places, rearranged
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.window import padded

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


_MODES = ("constant", "reflect", "edge", "wrap")


@reads("Pad", constants=(1, 2, 3))
def pad(node: Node) -> Data:
    """Values around: zeros around images by a Padding cell, the rest by a table; negative numbers crop."""
    x = node.data(0)
    mode = node.attribute("mode", "constant")
    value = node.attribute("value", 0.0)
    pads = node.attribute("pads", []) if node.opset < 11 else [int(p) for p in node.constant(1).ravel()]
    fill = node.optional_constant(2)
    if fill is not None and fill.size:
        value = float(np.asarray(fill).ravel()[0])
    axes = list(range(x.rank))
    chosen = node.optional_constant(3)
    if chosen is not None:
        axes = [node.axis(int(a), x.rank) for a in chosen.ravel()]
    if len(pads) != 2 * len(axes):
        node.unsupported(f"{len(pads)} sizes for {len(axes)} axes", "two sizes an axis")
    begin, end = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(axes):
        begin[axis], end[axis] = int(pads[i]), int(pads[i + len(axes)])
    if not any(begin + end):
        return node.renamed(x)
    image = x.rank in (3, 4) and not any(begin[:2] + end[:2])
    if mode == "constant" and value == 0 and image and max(map(abs, begin + end)) <= 2**15:
        return padded(node, x, [*begin[2:], 0][:2], [*end[2:], 0][:2], node.name)
    if mode not in _MODES:
        node.unsupported(f"mode {mode}", ", ".join(_MODES))
    inner = tuple(slice(max(-b, 0), n - max(-e, 0)) for b, e, n in zip(begin, end, x.shape, strict=True))
    around = [(max(b, 0), max(e, 0)) for b, e in zip(begin, end, strict=True)]
    check_table(math.prod(node.shape))
    index = places(x)[0][inner]
    if index.size == 0:
        node.unsupported("nothing of the value is left", "pads that leave something")
    named: Any = mode
    more: dict[str, Any] = {"constant_values": -1} if mode == "constant" else {}
    return rearranged(node, [x], np.pad(index, around, named, **more), fill=value)


@writes(cells.Padding)
def write_padding(call: CellCall) -> Operand:
    """Zeros around height and width; negative sizes crop."""
    cell = call.cell
    sizes = [0, 0, cell.top_pad, cell.left_pad, 0, 0, cell.bot_pad, cell.right_pad]
    pads = call.constant(sizes, "pads", np.int64)
    return call.node("Pad", [call.image(), pads], sizes=call.sizes, mode="constant")
