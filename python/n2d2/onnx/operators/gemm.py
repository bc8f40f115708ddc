"""Matrix products with constants: `Gemm`, `MatMul`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.operators.batch_norm import folded
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.weights import trained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2d2.cells.weighted_cell import WeightedCell
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node

    Floats = NDArray[np.float32]


def _dense(node: Node, x: Data, weights: Floats, bias: Floats | None) -> Data:
    """A layer with weights `[outputs, inputs]` on data `[batch, inputs]`."""
    from n2d2.cells.fc import Fc

    if x.shape[1] != weights.shape[1]:
        node.unsupported(f"{x.shape[1]} values a stimulus and weights for {weights.shape[1]}", "equal counts")

    def make(no_bias: bool, **arguments: object) -> WeightedCell:
        return Fc(weights.shape[1], weights.shape[0], no_bias=no_bias, **arguments)  # type: ignore[arg-type]

    # Fc flattens what it reads: an image that was flattened before goes in as it is.
    flat = x.tensor.shape()[0] == x.shape[0]
    return trained(node, make, x, np.ascontiguousarray(weights), bias, align=not flat)


@reads("Gemm", constants=(1, 2))
def gemm(node: Node) -> Data:
    """`alpha x w + beta c`: a fully connected layer."""
    x, w = node.data(0), node.floats(1)
    if node.attribute("transA", 0):
        node.unsupported("'transA' is 1", "0", "transpose the data by a Transpose node")
    if x.rank != 2 or w.ndim != 2:
        node.unsupported(f"inputs with {x.rank} and {w.ndim} axes", "two axes")
    weights = (w if node.attribute("transB", 0) else w.T) * np.float32(node.attribute("alpha", 1.0))
    beta = np.float32(node.attribute("beta", 1.0))
    bias = node.floats(2) * beta if node.has(2) else None
    outputs = len(weights)
    if bias is None:
        return _dense(node, x, weights, None)
    if bias.ndim <= 2 and (bias.ndim < 2 or bias.shape[0] == 1) and bias.size in (1, outputs):
        return _dense(node, x, weights, np.broadcast_to(bias.ravel(), (outputs,)).copy())
    from n2d2.onnx.operators.arithmetic import with_constant

    return with_constant(node, "Add", _dense(node, x, weights, None), bias)


@reads("MatMul")
def matmul(node: Node) -> Data:
    """Matrix product; a fully connected layer where the second matrix is constant."""
    left, right = node.value(0), node.value(1)
    if isinstance(right, np.ndarray) and right.ndim == 2 and not isinstance(left, np.ndarray) and left.rank == 2:
        return _dense(node, left, node.floats(1).T, None)
    return node.unsupported(
        f"factors of shapes {list(left.shape)} and {list(right.shape)}", "data [batch, values] and a constant matrix"
    )


@writes(cells.Fc)
def write_fc(call: CellCall) -> Operand:
    """A Gemm on the flattened input, with weights `[outputs, values]`."""
    x = call.values()
    weights, bias = folded(call)
    return call.node("Gemm", [x, *call.stored(weights, bias)], sizes=(len(weights),), transB=1)
