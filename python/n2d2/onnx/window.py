"""Windows that slide over images: what convolutions and pools have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.onnx.node import Data, Node

_AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_MAX_SIZE = 2**15


@dataclass(frozen=True)
class Window:
    """A window over height and width; images with one axis have a width of one.

    Arguments:
        size (list): Height and width of the input.
        kernel, stride, dilation (list): Of the window.
        begin, end (list): Padding before the first row and column, and behind the last.
    """

    size: list[int]
    kernel: list[int]
    stride: list[int]
    dilation: list[int]
    begin: list[int]
    end: list[int]

    @property
    def extent(self) -> list[int]:
        """What the window covers."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def room(self, axis: int) -> int:
        """Places that the window can move by."""
        return self.size[axis] + self.begin[axis] + self.end[axis] - self.extent[axis]

    def outputs(self) -> list[int]:
        """Sizes of the output; what the last window would stick out by is left over."""
        return [self.room(axis) // self.stride[axis] + 1 for axis in (0, 1)]


def read_axes(node: Node, data: Data) -> int:
    """The number of image axes of an input: one or two.

    Raises:
        Unsupported: There are others.
    """
    axes = data.rank - 2
    if axes not in (1, 2):
        node.unsupported(f"an input with {axes} image axes", "one (signals) or two (images)")
    return axes


def sizes(node: Node, name: str, axes: int, default: int | Sequence[int], least: int = 1) -> list[int]:
    """An attribute with a number for each image axis, for height and width."""
    given = node.attribute(name, [default] * axes if isinstance(default, int) else list(default))
    if len(given) != axes or any(not least <= v <= _MAX_SIZE for v in given):
        node.unsupported(f"'{name}' is {given}", f"{axes} numbers from {least} to {_MAX_SIZE}")
    return [*given, *[1 if least == 1 else 0] * (2 - axes)]


def read_window(node: Node, data: Data, kernel: Sequence[int]) -> Window:
    """The window of a node, from its attributes.

    Arguments:
        node (Node): The node.
        data (Data): What it slides over.
        kernel (list): Kernel size, one number an image axis.

    Raises:
        Unsupported: An attribute cannot be read, or the window is larger than the padded image.
    """
    axes = read_axes(node, data)
    size = [*data.shape[2:], *[1] * (2 - axes)]
    if len(kernel) != axes:
        node.unsupported(f"a kernel of size {list(kernel)} over {axes} image axes", "as many sizes as axes")
    stride, dilation = sizes(node, "strides", axes, 1), sizes(node, "dilations", axes, 1)
    padded = [*kernel, *[1] * (2 - axes)]
    begin, end = _pads(node, axes, size, padded, stride, dilation)
    window = Window(size, padded, stride, dilation, begin, end)
    if any(window.room(axis) < 0 for axis in (0, 1)):
        node.unsupported(
            f"the window of {window.extent[:axes]} is larger than the image of {size[:axes]} with its padding",
            "windows that fit",
        )
    return window


def _pads(  # noqa: PLR0917
    node: Node, axes: int, size: list[int], kernel: list[int], stride: list[int], dilation: list[int]
) -> tuple[list[int], list[int]]:
    auto = node.attribute("auto_pad", "NOTSET")
    if auto not in _AUTO:
        node.unsupported(f"'auto_pad' is {auto}", ", ".join(_AUTO))
    if auto == "NOTSET":
        pads = node.attribute("pads", [0] * (2 * axes))
        if len(pads) != 2 * axes or any(not 0 <= p <= _MAX_SIZE for p in pads):
            node.unsupported(f"'pads' is {pads}", f"{2 * axes} numbers from 0 to {_MAX_SIZE}")
        none = [0] * (2 - axes)
        return [*pads[:axes], *none], [*pads[axes:], *none]
    node.ignore("pads")
    if auto == "VALID":
        return [0, 0], [0, 0]
    total = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def padded(node: Node, data: Data, begin: Sequence[int], end: Sequence[int], name: str) -> Data:
    """Zeros around an image, by a Padding cell; negative sizes crop.

    Arguments:
        node (Node): The node that wants them.
        data (Data): The image.
        begin (list): Rows and columns before it.
        end (list): Rows and columns behind it.
        name (str): Name of the cell.
    """
    from n2d2.cells.padding import Padding

    cell = Padding(begin[0], end[0], begin[1], end[1], name=node.importer.free_name(name))
    axes = data.rank - 2
    size = [n + b + e for n, b, e in zip(data.shape[2:], begin[:axes], end[:axes], strict=True)]
    return node.call(cell, data, shape=[*data.shape[:2], *size])
