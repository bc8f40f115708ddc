"""Convolutions: `Conv`, `ConvTranspose`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells
from n2d2.onnx.operators.batch_norm import folded
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.weights import trained
from n2d2.onnx.window import padded, read_axes, read_window, sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2d2.cells.kernel_cell import KernelCell
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node

    Floats = NDArray[np.float32]


def _kernels(node: Node, axes: int) -> Floats:
    """The weights as kernels of height and width, their size compared with the attribute."""
    w = node.floats(1)
    if w.ndim != axes + 2:
        node.unsupported(f"weights of shape {list(w.shape)}", f"weights with {axes + 2} axes")
    kernel = node.attribute("kernel_shape", list(w.shape[2:]))
    if list(kernel) != list(w.shape[2:]):
        node.unsupported(f"'kernel_shape' is {kernel}, the weights are {list(w.shape)}", "the size of the weights")
    return w.reshape(*w.shape[:2], *w.shape[2:], *[1] * (2 - axes))


def _groups(node: Node, channels: int, outputs: int) -> int:
    groups = node.attribute("group", 1)
    if groups < 1 or channels % groups or outputs % groups:
        node.unsupported(f"{groups} groups of {channels} channels and {outputs} outputs", "groups that divide both")
    return groups


def _bias(node: Node, outputs: int) -> Floats | None:
    bias = node.floats(2) if node.has(2) else None
    if bias is not None and bias.size != outputs:
        node.unsupported(f"a bias of {bias.size} values for {outputs} outputs", "one value an output")
    return bias


@reads("Conv", constants=(1, 2))
def conv(node: Node) -> Data:
    """Cross-correlation with weights `[outputs, channels / groups, height, width]`."""
    from n2d2.cells.conv import Conv
    from n2d2.mapping import Mapping

    x = node.data(0)
    w = _kernels(node, read_axes(node, x))
    outputs, channels = w.shape[0], x.shape[1]
    groups = _groups(node, channels, outputs)
    if w.shape[1] * groups != channels:
        node.unsupported(
            f"weights of shape {list(w.shape)} and {groups} groups for {channels} channels", "equal counts"
        )
    window = read_window(node, x, w.shape[2 : x.rank])
    padding = window.begin
    if window.begin != window.end:
        x = padded(node, x, window.begin, window.end, f"{node.name}_padding")
        padding = [0, 0]

    def make(no_bias: bool, **arguments: object) -> KernelCell:
        return Conv(
            channels,
            outputs,
            window.kernel,
            stride_dims=window.stride,
            padding_dims=padding,
            dilation_dims=window.dilation,
            mapping=Mapping(nb_groups=groups) if groups > 1 else None,
            no_bias=no_bias,
            **arguments,  # type: ignore[arg-type]
        )

    return trained(node, make, x, w, _bias(node, outputs))


@reads("ConvInteger", constants=(1, 2, 3))
def conv_integer(node: Node) -> Data:
    """A convolution of integers without their zero points, in floats, which are exact up to 2^24."""
    from n2d2.onnx.operators.arithmetic import broadcast

    x, w = node.data(0), node.constant(1).astype(np.float32)
    zero = node.floats(2) if node.has(2) else np.zeros(1, np.float32)
    if node.has(3):
        w -= node.floats(3).reshape(-1, *[1] * (w.ndim - 1))
    if zero.any():
        x = broadcast(node, "Sub", [x], zero, name=f"{node.name}_zero")
    node.values = [x, w]
    return conv(node)


@reads("ConvTranspose", constants=(1, 2))
def conv_transpose(node: Node) -> Data:
    """The adjoint of a convolution, with weights `[channels, outputs / groups, height, width]`."""
    from n2d2.cells.conv import Conv
    from n2d2.cells.deconv import Deconv
    from n2d2.mapping import Mapping

    x = node.data(0)
    axes = read_axes(node, x)
    w = _kernels(node, axes)
    channels = w.shape[0]
    groups = node.attribute("group", 1)
    outputs = w.shape[1] * groups
    if channels != x.shape[1]:
        node.unsupported(f"weights of shape {list(w.shape)} for {x.shape[1]} channels", "equal counts")
    groups = _groups(node, channels, outputs)
    stride, dilation = sizes(node, "strides", axes, 1), sizes(node, "dilations", axes, 1)
    begin, end = _cut(node, x, w, stride, dilation)
    blocks = w.reshape(groups, channels // groups, outputs // groups, *w.shape[2:]).swapaxes(1, 2)
    by_output = np.ascontiguousarray(blocks.reshape(outputs, channels // groups, *w.shape[2:]))
    bias = _bias(node, outputs)
    common = [max(0, min(b, e)) for b, e in zip(begin, end, strict=True)]
    rest_begin = [c - b for c, b in zip(common, begin, strict=True)]
    rest_end = [c - e for c, e in zip(common, end, strict=True)]
    crops, grows = rest_begin != [0, 0] or rest_end != [0, 0], max(rest_begin + rest_end) > 0

    def make(no_bias: bool, **arguments: object) -> KernelCell:
        return Deconv(
            channels,
            outputs,
            list(w.shape[2:]),
            stride_dims=stride,
            padding_dims=common,
            dilation_dims=dilation,
            mapping=Mapping(nb_groups=groups) if groups > 1 else None,
            no_bias=no_bias,
            **arguments,  # type: ignore[arg-type]
        )

    size = [
        (n - 1) * s + d * (k - 1) + 1 - 2 * c
        for n, s, d, k, c in zip(x.shape[2:], stride, dilation, w.shape[2:], common, strict=False)
    ]
    shape = [x.shape[0], outputs, *size[:axes]]
    y = trained(node, make, x, by_output, None if grows else bias, shape)
    if not crops:
        return y
    y = padded(node, y, rest_begin, rest_end, f"{node.name}_padding")
    if not grows or bias is None:
        return y
    # The bias belongs to the rows that are added too: it comes last, by a cell whose weights stay 1.
    from n2d2.solver import SGD

    last = Conv(
        outputs,
        outputs,
        [1, 1],
        mapping=Mapping(nb_channels_per_group=1),
        weights_solver=SGD(learning_rate=0.0),
        name=node.importer.free_name(f"{node.name}_bias"),
    )
    last.N2D2().set_param("weights", np.ones((outputs, 1, 1, 1), np.float32))
    last.N2D2().set_param("bias", bias.ravel())
    return node.call(last, y)


def _cut(node: Node, x: Data, w: Floats, stride: list[int], dilation: list[int]) -> tuple[list[int], list[int]]:
    """What is cut from the whole output before and behind; negative where it grows."""
    axes = x.rank - 2
    extra = sizes(node, "output_padding", axes, 0, 0)
    whole = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip([*x.shape[2:], 1], stride, dilation, w.shape[2:], strict=False)
    ]
    auto = node.attribute("auto_pad", "NOTSET")
    wanted: list[int] = node.attribute("output_shape", [])
    pads = node.attribute("pads", [0] * (2 * axes))
    if auto not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        node.unsupported(f"'auto_pad' is {auto}", "NOTSET, SAME_UPPER, SAME_LOWER, VALID")
    if len(pads) != 2 * axes or any(abs(p) > 2**15 for p in pads) or (wanted and len(wanted) != axes):
        node.unsupported(f"'pads' is {pads}, 'output_shape' is {wanted}", f"sizes for {axes} image axes")
    begin, end = [0, 0], [0, 0]
    for axis in range(axes):
        if wanted or auto.startswith("SAME"):
            size = wanted[axis] if wanted else x.shape[2 + axis] * stride[axis]
            total = whole[axis] + extra[axis] - size
            less, more = total // 2, total - total // 2
            begin[axis], end[axis] = (less, more) if auto == "SAME_UPPER" else (more, less)
        elif auto == "NOTSET":
            begin[axis], end[axis] = pads[axis], pads[axes + axis]
        end[axis] -= extra[axis]
    return begin, end


def _window(cell: Any) -> dict[str, Any]:
    """The attributes that Conv and ConvTranspose share."""
    return {
        "kernel_shape": cell.kernel_dims,
        "strides": cell.stride_dims,
        "pads": [*cell.padding_dims, *cell.padding_dims],
        "dilations": cell.dilation_dims,
    }


@writes(cells.Conv)
def write_conv(call: CellCall) -> Operand:
    """Sub-sampling sums blocks of outputs by a second Conv whose weights are 1."""
    x, cell = call.image(), call.cell
    weights, bias = folded(call)
    attributes = {**_window(cell), "group": x.sizes[0] // weights.shape[1]}
    if cell.sub_sample_dims == [1, 1]:
        return call.node("Conv", [x, *call.stored(weights, bias)], sizes=call.sizes, **attributes)
    full = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(
            x.sizes[1:], cell.padding_dims, cell.dilation_dims, cell.kernel_dims, cell.stride_dims, strict=True
        )
    ]
    outputs, block = len(weights), cell.sub_sample_dims
    y = call.node("Conv", [x, call.constant(weights, "weights")], "full", (outputs, *full), **attributes)
    ones = [call.constant(np.ones((outputs, 1, *block)), "blocks")]
    if bias is not None:
        ones.append(call.constant(bias, "bias"))
    missing = [m * b - n for m, b, n in zip(call.sizes[1:], block, full, strict=True)]
    pads = [0, 0, *missing]
    return call.node("Conv", [y, *ones], sizes=call.sizes, strides=block, pads=pads, group=outputs)


@writes(cells.Deconv)
def write_deconv(call: CellCall) -> Operand:
    """The weights of ConvTranspose are `[channels, outputs / groups, height, width]`."""
    x = call.image()
    weights, bias = folded(call)
    outputs, per_group, *kernel = weights.shape
    groups = x.sizes[0] // per_group
    blocks = weights.reshape(groups, outputs // groups, per_group, *kernel).swapaxes(1, 2)
    by_channel = blocks.reshape(x.sizes[0], outputs // groups, *kernel)
    return call.node(
        "ConvTranspose", [x, *call.stored(by_channel, bias)], sizes=call.sizes, group=groups, **_window(call.cell)
    )
