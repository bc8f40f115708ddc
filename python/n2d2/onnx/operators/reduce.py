"""Reductions: `ReduceMean`, `ReduceMax`, `ReduceSum` and their like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells
from n2d2.onnx.node import Data, engine_shape
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Node

_OPERATIONS = ("Mean", "Max", "Sum", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")


def reduced_axes(node: Node, x: Data) -> list[int]:
    """The axes that are reduced, in order."""
    given = node.optional_constant(1)
    axes = node.attribute("axes", [0][:0]) if given is None else [int(a) for a in given.ravel()]
    if not axes:
        return [] if node.attribute("noop_with_empty_axes", 0) else list(range(x.rank))
    node.ignore("noop_with_empty_axes")
    return sorted({node.axis(a, x.rank) for a in axes})


def reduced(  # noqa: PLR0917
    node: Node, x: Data, operation: str, axes: Sequence[int], name: str, shape: Sequence[int]
) -> Data:
    """Reduces some axes.

    Arguments:
        node (Node): The node that wants it.
        x (Data): The data.
        operation (str): An operation of `n2d2.cells.Reduce`.
        axes (list): Axes, in order.
        name (str): Name of the cell.
        shape (tuple): ONNX shape of the result.
    """
    from n2d2.cells.reduce import Reduce

    # Neighbours that are reduced together, or not at all, are one axis to the engine.
    sizes: list[int] = []
    own: list[int] = []
    for axis, size in enumerate(x.shape):
        if axis > 1 and (axis in axes) == (axis - 1 in axes) and len(sizes) > 1:
            sizes[-1] *= size
        else:
            sizes.append(size)
            if axis in axes:
                own.append(len(sizes) - 1)
    if len(sizes) > 4:
        node.unsupported(f"axes {list(axes)} of {x.rank}", "axes in at most three groups")
    laid = node.placed(x, sizes)
    kept = [1 if a in own else s for a, s in enumerate(sizes)]
    cell = Reduce(operation=operation, axes=own, keepdims=True, name=node.importer.free_name(name))
    y = node.call(cell, laid, shape=kept)
    assert math.prod(engine_shape(kept)) == math.prod(shape)
    return node.renamed(y, shape)


@reads(*(f"Reduce{operation}" for operation in _OPERATIONS), constants=(1,))
def reduce(node: Node) -> Data:
    """One number for all values along some axes."""
    from n2d2.cells.pool import GlobalPool2d

    x = node.data(0)
    node.ignore("keepdims", "noop_with_empty_axes")
    operation = node.op.removeprefix("Reduce")
    axes = reduced_axes(node, x)
    if not axes:
        if operation in ("Mean", "Max", "Sum", "Min", "Prod"):
            return node.renamed(x)
        # Each value by itself: an axis of size one is reduced.
        y = reduced(node, node.renamed(x, [*x.shape, 1]), operation, [x.rank], node.name, x.shape)
        return node.renamed(y)
    if operation in ("Mean", "Max") and x.rank > 2 and axes == list(range(2, x.rank)):
        pooling = "Average" if operation == "Mean" else "Max"
        return node.call(GlobalPool2d(pooling=pooling, name=node.importer.free_name(node.name)), x)
    return reduced(node, x, operation, axes, node.name, node.shape)


@reads("InstanceNormalization", constants=(1, 2))
def instance_normalization(node: Node) -> Data:
    """Brings each channel of each stimulus to mean 0 and variance 1, then scales and shifts it.

    Factors and shifts are weights and bias of a convolution of each channel by itself, so they learn.
    """
    from n2d2.cells.conv import Conv
    from n2d2.mapping import Mapping
    from n2d2.onnx.weights import trained

    x, scale, bias = node.data(0), node.floats(1).ravel(), node.floats(2).ravel()
    if x.rank < 3:
        node.unsupported(f"an input with {x.rank} axes", "[batch, channels, ...]")
    channels = x.shape[1]
    if len(scale) != channels or len(bias) != channels:
        node.unsupported(f"{len(scale)} factors and {len(bias)} shifts for {channels} channels", "one each a channel")
    flat = node.renamed(x, [*x.shape[:2], math.prod(x.shape[2:])])
    normal, _, _ = _standardised(node, flat, [2], node.attribute("epsilon", 1e-5))

    def make(no_bias: bool, **arguments: object) -> Conv:
        mapping = Mapping(nb_channels_per_group=1)
        return Conv(channels, channels, [1, 1], mapping=mapping, no_bias=no_bias, **arguments)  # type: ignore[arg-type]

    y = trained(node, make, normal, scale.reshape(channels, 1, 1, 1), bias, flat.shape)
    return node.renamed(y)


@writes(cells.Reduce)
def write_reduce(call: CellCall) -> Operand:
    """Over some axes of every stimulus."""
    cell, (x,) = call.cell, call.whole()
    rank = 1 + len(x.sizes)
    axes = sorted(range(rank) if cell.axes is None else (a % rank for a in cell.axes))
    if 0 in axes:
        call.not_expressible("it reduces the first axis, which is the batch", "reduce the axes behind it")
    if not axes:
        return _of_each(call, x)
    first = 13 if cell.operation == "Sum" else 18
    read: list[Operand | str] = [x]
    attributes: dict[str, Any] = {"keepdims": int(cell.keepdims)}
    if call.opset >= first:
        read.append(call.constant(axes, "axes", np.int64))
    else:
        attributes["axes"] = axes
    return call.node(f"Reduce{cell.operation}", read, sizes=call.sizes, **attributes)


def _of_each(call: CellCall, x: Operand) -> Operand:
    """A reduction along no axis: of each value alone."""
    match call.cell.operation:
        case "L1" | "L2":
            return call.node("Abs", [x])
        case "LogSum":
            return call.node("Log", [x])
        case "SumSquare":
            return call.node("Mul", [x, x])
    return call.node("Identity", [x])


def _standardised(node: Node, x: Data, axes: Sequence[int], epsilon: float) -> tuple[Data, Data, Data]:
    """Brings the values along some axes to mean 0 and variance 1; mean and deviation before."""
    from n2d2.onnx.operators.arithmetic import broadcast

    one = [1 if a in axes else d for a, d in enumerate(x.shape)]
    mean = reduced(node, x, "Mean", axes, f"{node.name}_mean", one)
    centred = broadcast(node, "Sub", [x, mean], name=f"{node.name}_centred")
    square = broadcast(node, "Mul", [centred, centred], name=f"{node.name}_square")
    variance = reduced(node, square, "Mean", axes, f"{node.name}_variance", one)
    shifted = broadcast(node, "Add", [variance], np.array(epsilon), name=f"{node.name}_shifted")
    root = broadcast(node, "Pow", [shifted], np.array(0.5), name=f"{node.name}_deviation")
    return broadcast(node, "Div", [centred, root], name=f"{node.name}_normalised"), mean, root


@reads("LayerNormalization")
def layer_normalization(node: Node) -> Sequence[Data]:
    """Brings the last axes of each stimulus to mean 0 and variance 1, then scales and shifts them by constants."""
    from n2d2.cells.function import Function
    from n2d2.onnx.operators.arithmetic import broadcast

    x = node.data(0)
    if x.rank > 4:
        node.unsupported(f"an input with {x.rank} axes", "at most four axes")
    node.ignore("stash_type")
    axis = node.axis(node.attribute("axis", -1), x.rank)
    y, mean, root = _standardised(node, x, list(range(axis, x.rank)), node.attribute("epsilon", 1e-5))
    for place, operation in ((1, "Mul"), (2, "Add")):
        if node.has(place):
            value, name = node.value(place), f"{node.name}_{operation.lower()}"
            if isinstance(value, Data):
                y = broadcast(node, operation, [y, value], name=name)
            else:
                y = broadcast(node, operation, [y], node.floats(place), name=name)
    made = [node.renamed(y)]
    if any(node.wants(i) for i in (1, 2)):
        cell = Function("Reciprocal", name=node.importer.free_name(f"{node.name}_reciprocal"))
        made += [mean, node.call(cell, root, shape=root.shape, align=False)]
    return made
