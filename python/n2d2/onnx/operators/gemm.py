"""Matrix products with constants: `Gemm`, `MatMul`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.operators.arithmetic import broadcast, with_constant
from n2d2.onnx.operators.batch_norm import folded
from n2d2.onnx.operators.transpose import permuted
from n2d2.onnx.rearrange import of_rank
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
    """`alpha x w + beta c`: a fully connected layer, or a product of two values that are computed."""
    x, right = node.data(0), node.value(1)
    if x.rank != 2 or len(right.shape) != 2:
        node.unsupported(f"inputs with {x.rank} and {len(right.shape)} axes", "two axes")
    node.ignore("broadcast")  # It broadcasts since opset 7.
    if node.attribute("transA", 0):
        x = permuted(node, x, [1, 0], f"{node.name}_transpose")
    alpha, beta = np.float32(node.attribute("alpha", 1.0)), np.float32(node.attribute("beta", 1.0))
    turned = node.attribute("transB", 0)
    if isinstance(right, np.ndarray):
        w = node.floats(1)
        weights = (w if turned else w.T) * alpha
        bias = node.floats(2) * beta if node.has(2) and isinstance(node.value(2), np.ndarray) else None
        outputs = len(weights)
        flat = bias is not None and (bias.ndim < 2 or bias.shape[0] == 1) and bias.size in (1, outputs)
        if bias is not None and flat:
            return _dense(node, x, weights, np.broadcast_to(bias.ravel(), (outputs,)).copy())
        y = _dense(node, x, weights, None)
    else:
        y = _product(node, x, permuted(node, right, [1, 0], f"{node.name}_transpose") if turned else right)
        if alpha != 1:
            y = with_constant(node, "Mul", y, np.array(alpha))
    if not node.has(2) or beta == 0:
        return y
    added = node.value(2)
    if isinstance(added, np.ndarray):
        return with_constant(node, "Add", y, node.floats(2) * beta)
    return broadcast(node, "Add", [y, added if beta == 1 else with_constant(node, "Mul", added, np.array(beta))])


def _product(node: Node, left: Data, right: Data) -> Data:
    """The product of two values, by a MatMul cell."""
    from n2d2.cells.mat_mul import MatMul

    cell = MatMul(name=node.importer.free_name(node.name))
    return node.call(cell, of_rank(node, left), of_rank(node, right), align=False)


@reads("MatMul")
def matmul(node: Node) -> Data:
    """Matrix product; a layer whose weights learn where the second matrix is constant."""
    left, right = node.value(0), node.value(1)
    if not isinstance(left, np.ndarray) and not isinstance(right, np.ndarray):
        return _product(node, left, right)
    if isinstance(right, np.ndarray) and right.ndim == 2 and not isinstance(left, np.ndarray):
        if left.rank == 2:
            return _dense(node, left, node.floats(1).T, None)
        if left.rank in (3, 4):
            return _over_last(node, left, node.floats(1))
    return node.unsupported(
        f"factors of shapes {list(left.shape)} and {list(right.shape)}",
        "data and data, or data [batch, ..., values] and a constant matrix",
    )


@reads("MatMulInteger", constants=(1, 2, 3))
def matmul_integer(node: Node) -> Data:
    """A product of integers without their zero points, in floats, which are exact up to 2^24."""
    x, w = node.data(0), node.constant(1).astype(np.float32)
    zero = node.floats(2) if node.has(2) else np.zeros(1, np.float32)
    if node.has(3):
        w -= node.floats(3)
    if zero.any():
        rows = zero.reshape(-1, 1) if zero.ndim == 1 and zero.size > 1 else zero
        x = broadcast(node, "Sub", [x], rows, name=f"{node.name}_zero")
    node.values = [x, w]
    return matmul(node)


def _over_last(node: Node, x: Data, w: Floats) -> Data:
    """The same layer for each place of the axes between: a convolution with a kernel of one pixel."""
    from n2d2.cells.conv import Conv

    inputs, outputs = w.shape
    if x.shape[-1] != inputs:
        node.unsupported(f"{x.shape[-1]} values and weights for {inputs}", "equal counts")
    order = [0, x.rank - 1, *range(1, x.rank - 1)]
    turned = permuted(node, x, order, f"{node.name}_transpose")

    def make(no_bias: bool, **arguments: object) -> WeightedCell:
        return Conv(inputs, outputs, [1, 1], no_bias=no_bias, **arguments)  # type: ignore[arg-type]

    shape = [x.shape[0], outputs, *x.shape[1:-1]]
    y = trained(node, make, turned, np.ascontiguousarray(w.T)[:, :, None, None], None, shape)
    node.importer.remakes.pop(id(y.tensor), None)  # A bias would have to come before the axes turn back.
    back = [0, *range(2, x.rank), 1]
    return permuted(node, y, back, f"{node.name}_transpose")


@writes(cells.Fc)
def write_fc(call: CellCall) -> Operand:
    """A Gemm on the flattened input, with weights `[outputs, values]`."""
    x = call.values()
    weights, bias = folded(call)
    return call.node("Gemm", [x, *call.stored(weights, bias)], sizes=(len(weights),), transB=1)


@writes(cells.MatMul)
def write_mat_mul(call: CellCall) -> Operand:
    """Of two values of the network."""
    return call.node("MatMul", call.whole(), sizes=call.sizes)
