"""Pools: `MaxPool`, `AveragePool`, `GlobalMaxPool`, `GlobalAveragePool`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.array_pool import average_pool_by_numpy, max_pool_by_numpy, needs_numpy
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.window import padded, read_axes, read_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node
    from n2d2.onnx.window import Window


@reads("GlobalMaxPool", "GlobalAveragePool")
def global_pool(node: Node) -> Data:
    """The largest value or the average of each channel."""
    from n2d2.cells.pool import GlobalPool2d

    x = node.data(0)
    if x.rank < 2:
        node.unsupported(f"an input with {x.rank} axes", "[batch, channels, ...]")
    pooling = "Max" if node.op == "GlobalMaxPool" else "Average"
    return node.call(GlobalPool2d(pooling=pooling, name=node.importer.free_name(node.name)), x)


def _outputs(node: Node, window: Window) -> list[int]:
    """Sizes of the output; with `ceil_mode` a last window may stick out if it starts inside."""
    if not node.attribute("ceil_mode", 0):
        return window.outputs()
    sizes = []
    for axis in (0, 1):
        stride = window.stride[axis]
        count = -(-window.room(axis) // stride) + 1
        if (count - 1) * stride >= window.size[axis] + window.begin[axis]:
            count -= 1
        sizes.append(count)
    return sizes


def _pooled(node: Node, x: Data, window: Window, pooling: str, outputs: list[int]) -> Data:
    """Pools with the padding of the file, which may differ on both sides and be overrun by the last window.

    The cell has one padding for both sides: it gets one so wide that every wanted window is among its own, and those
    that nobody wants are cropped.
    """
    from n2d2.cells.pool import Pool2d

    padding, first = [0, 0], [0, 0]
    for axis in (0, 1):
        size, kernel, stride = window.size[axis], window.kernel[axis], window.stride[axis]
        while True:
            padding[axis] = window.begin[axis] + first[axis] * stride
            made = (size + 2 * padding[axis] - kernel) // stride + 1
            if size + 2 * padding[axis] >= kernel and made >= outputs[axis] + first[axis]:
                break
            first[axis] += 1
    made_sizes = [
        (s + 2 * p - k) // t + 1 for s, p, k, t in zip(window.size, padding, window.kernel, window.stride, strict=True)
    ]
    arguments = node.arguments("Pool")
    cell = Pool2d(
        window.kernel,
        pooling=pooling,
        stride_dims=window.stride,
        padding_dims=padding,
        name=node.importer.free_name(node.name),
        **arguments,
    )
    axes = x.rank - 2
    y = node.call(cell, x, shape=[*x.shape[:2], *made_sizes[:axes]])
    last = [m - o - f for m, o, f in zip(made_sizes, outputs, first, strict=True)]
    if not any(first + last):
        return y
    return padded(node, y, [-f for f in first], [-n for n in last], f"{node.name}_crop")


@reads("MaxPool")
def max_pool(node: Node) -> Data | Sequence[Data]:
    """The largest value of each window; padding never wins."""
    x = node.data(0)
    if node.wants(1) or needs_numpy(node, x):
        return max_pool_by_numpy(node)
    node.ignore("storage_order")
    window = read_window(node, x, node.attribute("kernel_shape", [0] * read_axes(node, x)))
    return _pooled(node, x, window, "Max", _outputs(node, window))


@reads("AveragePool")
def average_pool(node: Node) -> Data:
    """The average of each window, over the image or over its padding too (`count_include_pad`)."""
    x = node.data(0)
    if needs_numpy(node, x):
        return average_pool_by_numpy(node)
    window = read_window(node, x, node.attribute("kernel_shape", [0] * read_axes(node, x)))
    outputs = _outputs(node, window)
    include = bool(node.attribute("count_include_pad", 0))
    y = _pooled(node, x, window, "Average", outputs)
    counts = [_counts(window, axis, outputs[axis], include) for axis in (0, 1)]
    area = window.kernel[0] * window.kernel[1]
    factor = (area / np.outer(*counts)).astype(np.float32)
    if (factor == 1).all():
        return y
    from n2d2.onnx.operators.arithmetic import with_constant

    return with_constant(node, "Mul", y, factor[: outputs[0], : outputs[1]].reshape(y.shape[2:]))


def _counts(window: Window, axis: int, outputs: int, include: bool) -> NDArray[np.int64]:
    """How many rows (or columns) each window averages over."""
    start = np.arange(outputs) * window.stride[axis] - window.begin[axis]
    end = start + window.kernel[axis]
    low = -window.begin[axis] if include else 0
    high = window.size[axis] + (window.end[axis] if include else 0)
    counts: NDArray[np.int64] = np.maximum(np.minimum(end, high) - np.maximum(start, low), 1)
    return counts


@writes(cells.GlobalPool2d)
def write_global_pool(call: CellCall) -> Operand:
    """One number a channel."""
    operator = "GlobalMaxPool" if call.cell.pooling == "Max" else "GlobalAveragePool"
    return call.node(operator, [call.image()], sizes=call.sizes)


@writes(cells.Pool)
def write_pool(call: CellCall) -> Operand:
    """Each channel by itself; with a mapping, the channels of an output are combined behind that."""
    x, connected = call.image(), call.cell._connected
    if connected is None or (
        connected.shape[0] == connected.shape[1] and np.array_equal(connected, np.eye(len(connected)))
    ):
        return _written_windows(call, x, "")
    sources = [np.flatnonzero(column) for column in connected.T]
    if not all(len(s) for s in sources):
        call.not_expressible("its mapping connects an output to no channel", "connect it, or leave the output out")
    y = _written_windows(call, x, "channels")
    if call.cell.pooling == "Average":
        weights = (connected.T / [[len(s)] for s in sources])[:, :, None, None]
        return call.node("Conv", [y, call.constant(weights, "mapping")], sizes=call.sizes)
    most = max(map(len, sources))
    # An output with fewer channels reads its last one several times.
    table = np.stack([np.pad(s, (0, most - len(s)), mode="edge") for s in sources])
    read = [
        call.node("Gather", [y, call.constant(row, f"channels_{i}", np.int64)], f"gather_{i}", call.sizes, axis=1)
        for i, row in enumerate(table.T)
    ]
    return call.node("Max", read) if most > 1 else read[0]


def _written_windows(call: CellCall, x: Operand, suffix: str) -> Operand:
    """The pool of each channel."""
    cell = call.cell
    kernel, stride, padding = cell.pool_dims, cell.stride_dims, cell.padding_dims
    sizes = (x.sizes[0], *call.sizes[1:])
    inside = all(p < k for p, k in zip(padding, kernel, strict=True))
    if cell.pooling == "Average":
        if not inside:  # ONNX wants something of the image in each window.
            x, padding = _surrounded(call, x, padding, padding, "padded"), [0, 0]
        pads = [*padding, *padding]
        include = {"count_include_pad": 1} if any(padding) else {}
        return call.node("AveragePool", [x], suffix, sizes, kernel_shape=kernel, strides=stride, pads=pads, **include)
    if inside:
        pads = [*padding, *padding]
        return call.node("MaxPool", [x], suffix, sizes, kernel_shape=kernel, strides=stride, pads=pads)
    return _windows_in_image(call, x, suffix, sizes)


def _windows_in_image(call: CellCall, x: Operand, suffix: str, sizes: tuple[int, ...]) -> Operand:
    """Pools where there is something of the image in the window; the others give 0 in the engine."""
    cell = call.cell
    before, behind, begin, end = [0, 0], [0, 0], [0, 0], [0, 0]
    for axis in (0, 1):
        kernel, stride, padding = cell.pool_dims[axis], cell.stride_dims[axis], cell.padding_dims[axis]
        size, outputs = x.sizes[1 + axis], sizes[1 + axis]
        first = max(0, (padding - kernel) // stride + 1)
        last = min(outputs - 1, (size - 1 + padding) // stride)
        if first > last:
            call.not_expressible("none of its windows has something of the image", "give it less padding")
        before[axis], behind[axis] = first, outputs - 1 - last
        begin[axis] = padding - first * stride
        end[axis] = max(0, (last - first) * stride + kernel - size - begin[axis])
    if min(begin) < 0:
        x = _surrounded(call, x, [min(0, b) for b in begin], [0, 0], "cropped")
        begin = [max(0, b) for b in begin]
    made = (sizes[0], *(n - b - a for n, b, a in zip(sizes[1:], before, behind, strict=True)))
    pads, stride = [*begin, *end], cell.stride_dims
    y = call.node("MaxPool", [x], "inside", made, kernel_shape=cell.pool_dims, strides=stride, pads=pads)
    return _surrounded(call, y, before, behind, suffix)


def _surrounded(call: CellCall, x: Operand, begin: Sequence[int], end: Sequence[int], suffix: str) -> Operand:
    """Zeros around an image; negative sizes crop."""
    height, width = (n + b + e for n, b, e in zip(x.sizes[1:], begin, end, strict=True))
    pads = call.constant([0, 0, *begin, 0, 0, *end], f"{suffix or 'border'}_pads", np.int64)
    return call.node("Pad", [x, pads], suffix, (x.sizes[0], height, width), mode="constant")
