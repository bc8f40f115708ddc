"""Operators that move, repeat or leave out values: `Slice`, `Gather`, `Split`, `Expand`, `Tile` and their like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells
from n2d2.onnx.operators.logic import gather_at, gather_by
from n2d2.onnx.rearrange import check_table, places, rearranged
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


def _ints(values: NDArray[Any]) -> list[int]:
    return [int(v) for v in values.ravel()]


@reads("Slice", constants=(1, 2, 3, 4))
def slice_(node: Node) -> Data:
    """A part of every axis, with steps."""
    x = node.data(0)
    if node.opset < 10:
        starts, ends = node.attribute("starts", [0]), node.attribute("ends", [0])
        axes, steps = node.attribute("axes", list(range(len(starts)))), [1] * len(starts)
    else:
        starts, ends = _ints(node.constant(1)), _ints(node.constant(2))
        axes = _ints(node.constant(3)) if node.has(3) else list(range(len(starts)))
        steps = _ints(node.constant(4)) if node.has(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        node.unsupported(
            f"starts {starts}, ends {ends}, axes {axes}, steps {steps}", "one of each an axis, steps not 0"
        )
    part = [slice(None)] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        part[node.axis(axis, x.rank)] = slice(start, end, step)
    return rearranged(node, [x], places(x)[0][tuple(part)])


def _wrapped(node: Node, indices: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Indices counted from the front, those outside refused."""
    found = indices.astype(np.int64)
    if found.size and (found.min() < -size or found.max() >= size):
        node.unsupported(f"an index outside of an axis of {size}", f"indices from {-size} to {size - 1}")
    return np.asarray(found % max(size, 1))


@reads("Gather")
def gather(node: Node) -> Data:
    """Parts of an axis that indices name."""
    if not isinstance(node.value(1), np.ndarray):
        return gather_by(node)
    x = node.data(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    return rearranged(node, [x], np.take(places(x)[0], _wrapped(node, node.constant(1), x.shape[axis]), axis))


@reads("GatherElements")
def gather_elements(node: Node) -> Data:
    """An element along an axis for each of the indices."""
    if not isinstance(node.value(1), np.ndarray) or isinstance(node.value(0), np.ndarray):
        return gather_at(node)
    x = node.data(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    indices = _wrapped(node, node.constant(1), x.shape[axis])
    grid: list[Any] = list(np.indices(indices.shape))
    grid[axis] = indices
    return rearranged(node, [x], places(x)[0][tuple(grid)])


@reads("GatherND")
def gather_nd(node: Node) -> Data:
    """Parts that tuples of indices name."""
    if not isinstance(node.value(1), np.ndarray) or isinstance(node.value(0), np.ndarray):
        return gather_at(node)
    x, indices = node.data(0), node.constant(1).astype(np.int64)
    same = node.attribute("batch_dims", 0)
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= x.rank - same or tuple(indices.shape[:same]) != x.shape[:same]:
        node.unsupported(f"indices of shape {list(indices.shape)} for {list(x.shape)}", "indices that fit the data")
    at: list[Any] = list(np.indices(indices.shape[:-1]))[:same]
    at += [_wrapped(node, indices[..., k], x.shape[same + k]) for k in range(depth)]
    return rearranged(node, [x], places(x)[0][tuple(at)])


@reads("Split", constants=(1,))
def split(node: Node) -> list[Data]:
    """Parts of an axis, one an output."""
    x = node.data(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    node.ignore("split", "num_outputs")
    node.optional_constant(1)
    ends = np.cumsum([node.shape_of(i)[axis] for i in range(len(node.outputs))])
    parts = np.split(places(x)[0], ends[:-1], axis)
    return [rearranged(node, [x], part, output=i) for i, part in enumerate(parts)]


@reads("Expand", constants=(1,))
def expand(node: Node) -> Data:
    """Repeats axes of size one."""
    x = node.data(0)
    node.constant(1)
    check_table(math.prod(node.shape))
    return rearranged(node, [x], np.broadcast_to(places(x)[0], node.shape))


@reads("Tile", constants=(1,))
def tile(node: Node) -> Data:
    """Repeats every axis some times."""
    x = node.data(0)
    check_table(math.prod(node.shape))
    return rearranged(node, [x], np.tile(places(x)[0], _ints(node.constant(1))))


@reads("DepthToSpace")
def depth_to_space(node: Node) -> Data:
    """Channels to blocks of pixels."""
    x, size = node.data(0), node.attribute("blocksize", 1)
    n, c, h, w = x.shape
    index = places(x)[0]
    if node.attribute("mode", "DCR") == "DCR":
        index = index.reshape(n, size, size, c // size**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        index = index.reshape(n, c // size**2, size, size, h, w).transpose(0, 1, 4, 2, 5, 3)
    return rearranged(node, [x], index.reshape(node.shape))


@reads("SpaceToDepth")
def space_to_depth(node: Node) -> Data:
    """Blocks of pixels to channels."""
    x, size = node.data(0), node.attribute("blocksize", 1)
    n, c, h, w = x.shape
    index = places(x)[0].reshape(n, c, h // size, size, w // size, size)
    order = (0, 3, 5, 1, 2, 4) if node.attribute("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return rearranged(node, [x], index.transpose(order).reshape(node.shape))


@reads("Trilu", constants=(1,))
def trilu(node: Node) -> Data:
    """The upper or lower triangle of matrices, zeros beside it."""
    x = node.data(0)
    k = int(node.constant(1).ravel()[0]) if node.has(1) else 0
    k = max(-(2**31), min(k, 2**31))
    rows, columns = np.indices(x.shape[-2:])
    inside = columns - rows >= k if node.attribute("upper", 1) else columns - rows <= k
    return rearranged(node, [x], np.where(inside, places(x)[0], -1))


@reads("ReverseSequence", constants=(1,))
def reverse_sequence(node: Node) -> Data:
    """The first elements of each sequence of a batch in reverse order."""
    x, lengths = node.data(0), _ints(node.constant(1))
    batch_axis, time_axis = node.attribute("batch_axis", 1), node.attribute("time_axis", 0)
    if sorted((batch_axis, time_axis)) != [0, 1]:
        node.unsupported(f"the axes {batch_axis} and {time_axis}", "0 and 1")
    index = np.moveaxis(places(x)[0].copy(), batch_axis, 0)
    for row, length in zip(index, lengths, strict=True):
        row[:length] = row[:length][::-1].copy()
    return rearranged(node, [x], np.moveaxis(index, 0, batch_axis))


@reads("Compress", constants=(1,))
def compress(node: Node) -> Data:
    """Parts of an axis that a constant condition chooses."""
    x = node.data(0)
    wanted = node.constant(1).astype(bool).ravel()
    axis: Any = node.attribute("axis", x.rank)
    index = np.compress(wanted, places(x)[0], None if axis == x.rank else node.axis(axis, x.rank))
    node.importer.graph.shapes[node.outputs[0]] = index.shape
    return rearranged(node, [x], index)


@writes(cells.Rearrange)
def write_rearrange(call: CellCall) -> Operand:
    """A Gather from the values of a stimulus, with the fill value behind them."""
    cell = call.cell
    if not cell.per_sample:
        call.not_expressible("its indices count the values of a whole batch", "make it with per_sample=True")
    rows = [
        o if o.flat else call.node("Flatten", [o], f"flatten_{i}", (math.prod(o.sizes),), axis=1)
        for i, o in enumerate(call.operands)
    ]
    count = sum(row.sizes[0] for row in rows)
    x = rows[0] if len(rows) == 1 else call.node("Concat", rows, "concat", (count,), axis=1)
    index = np.asarray(cell.index)
    if (index < 0).any():
        # Index -1 is the last value.
        pads, fill = call.constant([0, 0, 0, 1], "pads", np.int64), call.constant(cell.fill, "fill")
        x = call.node("Pad", [x, pads, fill], "filled", (count + 1,), mode="constant")
    taken = call.constant(index, "index", np.int64)
    if len(call.sizes) == 1:
        return call.node("Gather", [x, taken], sizes=call.sizes, axis=1)
    return call.reshaped(call.node("Gather", [x, taken], "gather", (index.size,), axis=1), call.sizes)
