"""Pools that the cell `Pool` does not have: volumes, dilated windows, places of the largest values; no gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2.onnx.array_cell import computed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from n2d2.onnx.node import Data, Node

    Array = NDArray[Any]

_MAX_COPIES = 2**27
"""Most values that the windows of one stimulus may hold together."""


@dataclass(frozen=True)
class _Windows:
    kernel: list[int]
    stride: list[int]
    dilation: list[int]
    begin: list[int]
    """Padding before the first place of each axis."""
    end: list[int]
    outputs: list[int]

    def over(self, images: Array, outside: float) -> Array:
        """The values under each window, `[n, c, outputs..., taps]`; `outside` where there is no image."""
        width = [(0, 0), (0, 0)]
        for axis, size in enumerate(images.shape[2:]):
            reach = (self.outputs[axis] - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1) + 1
            width.append((self.begin[axis], max(reach - size - self.begin[axis], 0)))
        padded = np.pad(images, width, constant_values=outside)
        for axis in range(len(self.kernel)):
            place = (
                np.arange(self.outputs[axis])[:, None] * self.stride[axis]
                + np.arange(self.kernel[axis]) * self.dilation[axis]
            )
            padded = np.take(padded, place, axis=2 + 2 * axis)
        axes = len(self.kernel)
        order = [0, 1, *range(2, 2 + 2 * axes, 2), *range(3, 3 + 2 * axes, 2)]
        windows: Array = padded.transpose(order).reshape(*images.shape[:2], *self.outputs, -1)
        return windows


def needs_numpy(node: Node, x: Data) -> bool:
    """True if the cell `Pool` cannot compute the node."""
    dilations: list[int] = node.attribute("dilations", [])
    return x.rank > 4 or any(d != 1 for d in dilations)


def _windows(node: Node, x: Data) -> _Windows:
    axes = x.rank - 2
    if axes < 1:
        node.unsupported(f"an input with {x.rank} axes", "[batch, channels, ...]")
    kernel = node.attribute("kernel_shape", [0] * axes)
    stride, dilation = node.attribute("strides", [1] * axes), node.attribute("dilations", [1] * axes)
    pads = node.attribute("pads", [0] * (2 * axes))
    sizes = {"kernel_shape": (kernel, axes, 1), "strides": (stride, axes, 1), "dilations": (dilation, axes, 1)}
    for name, (values, count, least) in {**sizes, "pads": (pads, 2 * axes, 0)}.items():
        if len(values) != count or min(values) < least or max(values) > 2**15:
            node.unsupported(f"'{name}' is {values}", f"{count} numbers from {least} to {2**15}")
    auto = node.attribute("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID"):
        node.unsupported(f"'auto_pad' is {auto} of a dilated window or a volume", "'pads'")
    outputs = list(node.shape[2:])
    if math.prod(kernel) * math.prod(node.shape[1:]) > _MAX_COPIES:
        node.unsupported(f"windows of {kernel} over an output of {list(node.shape)}", "smaller ones")
    return _Windows(kernel, stride, dilation, pads[:axes], pads[axes:], outputs)


def max_pool_by_numpy(node: Node) -> Data | Sequence[Data]:
    """The largest value of each window, and its place in the tensor if it is wanted."""
    x = node.data(0)
    windows = _windows(node, x)
    node.attribute("ceil_mode", 0)
    column_major = bool(node.attribute("storage_order", 0))
    lowest = -math.inf if x.dtype.kind == "f" else float(np.iinfo(x.dtype).min)

    def largest(a: Array) -> Array:
        return np.asarray(windows.over(a, lowest).max(axis=-1))

    def places(a: Array) -> Array:
        spatial = a.shape[2:]
        own = np.arange(math.prod(spatial)).reshape(spatial, order="F" if column_major else "C")
        images = np.broadcast_to(own, a.shape)
        best = windows.over(a, lowest).argmax(axis=-1)[..., None]
        inside = np.take_along_axis(windows.over(images.astype(np.int64), -1), best, axis=-1)[..., 0]
        image = np.arange(math.prod(a.shape[:2])).reshape(*a.shape[:2], *[1] * len(spatial))
        return np.asarray(inside + image * math.prod(spatial))

    values = computed(node, largest, x)
    return [values, computed(node, places, x, output=1)] if node.wants(1) else values


def average_pool_by_numpy(node: Node) -> Data:
    """The average of each window, over the image or over its padding too (`count_include_pad`)."""
    x = node.data(0)
    windows = _windows(node, x)
    node.attribute("ceil_mode", 0)
    include = bool(node.attribute("count_include_pad", 0))

    def averages(a: Array) -> Array:
        counted = np.ones((1, 1, *a.shape[2:]), a.dtype)
        images, begin, reach = a, windows.begin, windows
        if include:
            # Padding counts, what the last window sticks out by does not.
            width = [(0, 0), (0, 0), *zip(windows.begin, windows.end, strict=True)]
            images, counted = np.pad(a, width), np.pad(counted, width, constant_values=1)
            begin = [0] * len(windows.begin)
            reach = _Windows(windows.kernel, windows.stride, windows.dilation, begin, begin, windows.outputs)
        total = reach.over(images, 0.0).sum(axis=-1)
        return np.asarray(total / np.maximum(reach.over(counted, 0.0).sum(axis=-1), 1))

    return computed(node, averages, x)
