"""Batch normalisation: `BatchNormalization`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.array_cell import computed
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node

    Floats = NDArray[np.float32]


def _learning(node: Node, x: Data) -> Sequence[Data]:
    """A step of training as the operator defines it, with the statistics of the batch and those that move, by NumPy."""
    scale, bias, mean, variance = (node.floats(i) for i in range(1, 5))
    epsilon, momentum = node.attribute("epsilon", 1e-5), node.attribute("momentum", 0.9)
    axes = (0, *range(2, x.rank))

    def each(values: Floats) -> Floats:
        return values.reshape(-1, *[1] * (x.rank - 2))

    def normalised(a: Floats) -> Floats:
        own, spread = a.mean(axis=axes), a.var(axis=axes)
        y: Floats = each(scale) * (a - each(own)) / np.sqrt(each(spread) + epsilon) + each(bias)
        return y

    made = [computed(node, normalised, x)]
    statistics = (lambda a: a.mean(axis=axes), lambda a: a.var(axis=axes))
    for output, (old, present) in enumerate(zip((mean, variance), statistics, strict=True), 1):
        if node.wants(output):

            def moved(a: Floats, old: Floats = old, present: Callable[[Floats], Floats] = present) -> Floats:
                return old * momentum + present(a) * (1 - momentum)

            made.append(computed(node, moved, x, output=output))
    return made


@reads("BatchNormalization", constants=(1, 2, 3, 4))
def batch_normalization(node: Node) -> Data | Sequence[Data]:
    """`scale (x - mean) / sqrt(variance + epsilon) + bias`; statistics of the batch are used while n2d2 learns."""
    from n2d2.cells.batch_norm import BatchNorm2d

    x = node.data(0)
    if node.attribute("training_mode", 0) and not node.importer.learns:
        return _learning(node, x)
    if any(node.wants(i) for i in range(1, len(node.outputs))):
        node.unsupported("something reads the statistics of the batch", "the normalised output alone")
    # A model that was exported while it learns is one that learns: the network has learn() and test().
    node.ignore("training_mode")
    if node.opset < 7 and not node.attribute("is_test", 0) and not node.importer.learns:
        node.unsupported("'is_test' is 0", "1, or n2d2.onnx.load, whose networks learn")
    if node.attribute("spatial", 1) != 1:
        node.unsupported("'spatial' is 0", "1: statistics of each channel")
    if x.rank < 2:
        node.unsupported(f"an input with {x.rank} axes", "[batch, channels, ...]")
    channels = x.shape[1]
    names = ("scales", "biases", "means", "variances")
    values = {name: node.floats(i + 1).ravel() for i, name in enumerate(names)}
    wrong = {name: v.size for name, v in values.items() if v.size != channels}
    if wrong:
        node.unsupported(f"{wrong} values for {channels} channels", "one value a channel")
    if (values["variances"] < 0).any():
        node.unsupported("a variance is negative", "variances of at least 0")
    # ONNX's momentum weights the old statistics, that of the cell the new ones.
    arguments = {
        "epsilon": node.attribute("epsilon", 1e-5) or 1e-30,
        "moving_average_momentum": min(max(1.0 - node.attribute("momentum", 0.9), 0.0), 0.999999),
    } | node.arguments("BatchNorm")
    cell = BatchNorm2d(channels, name=node.importer.free_name(node.name), **arguments)
    for name, value in values.items():
        cell.N2D2().set_param(name, value)
    return node.call(cell, x)


@writes(cells.BatchNorm2d)
def write_batch_norm(call: CellCall) -> Operand:
    """With the running statistics."""
    x, handle = call.joined(), call.cell._handle
    statistics = [call.constant(handle.param(name), name) for name in ("scales", "biases", "means", "variances")]
    momentum = 1.0 - call.cell.moving_average_momentum
    return call.node("BatchNormalization", [x, *statistics], epsilon=call.cell.epsilon, momentum=momentum)


def folded(call: CellCall) -> tuple[Floats, Floats | None]:
    """Weights and bias of a cell, with the normalisation behind it if that is to become a part of them.

    With `k = scale / sqrt(variance + epsilon)` the weights are `k w` and the bias is `k (b - mean) + bias`.

    Arguments:
        call (CellCall): A call of a cell with weights `[outputs, ...]`.
    """
    handle = call.cell._handle
    weights: Floats = handle.param("weights")
    bias: Floats | None = handle.param("bias") if call.cell.has_bias() else None
    if call.norm is None:
        return weights, bias
    scale, shift, mean, variance = (
        call.norm._handle.param(name).astype(np.float64) for name in ("scales", "biases", "means", "variances")
    )
    factor = scale / np.sqrt(variance + call.norm.epsilon)
    by_output = factor.reshape(-1, *[1] * (weights.ndim - 1))
    moved = (0.0 if bias is None else bias) - mean
    return (weights * by_output).astype(np.float32), (factor * moved + shift).astype(np.float32)
