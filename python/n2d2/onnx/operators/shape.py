"""Other shapes for the same numbers: `Flatten`, `Reshape`, `Squeeze`, `Unsqueeze`, `Identity`; `Shape` and `Size`.

No cell stands for them: the next cell that needs another shape gets a Reshape before it, and Fc needs none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Constant, Data, Node


@reads("Flatten")
def flatten(node: Node) -> Data:
    """`[a, b, c, d]` to two axes."""
    node.ignore("axis")
    return node.renamed(node.data(0))


@reads("Reshape", constants=(1,))
def reshape(node: Node) -> Data:
    """The shape that a constant says; the first axis stays the batch."""
    node.ignore("allowzero")
    node.constant(1)
    return node.renamed(node.data(0))


@reads("Squeeze", "Unsqueeze", constants=(1,))
def squeeze(node: Node) -> Data:
    """Axes of size one less or more."""
    node.ignore("axes")
    node.optional_constant(1)
    return node.renamed(node.data(0))


@reads("Identity")
def identity(node: Node) -> Data:
    """The same."""
    return node.renamed(node.data(0))


@reads("Shape")
def shape(node: Node) -> Constant:
    """The sizes, known when the model is read; the batch counts as that of the file, or 1."""
    x = node.data(0)
    start, end = node.attribute("start", 0), node.attribute("end", x.rank)
    return np.array(x.shape[slice(start, end)], np.int64)


@reads("Size")
def size(node: Node) -> Constant:
    """The number of values, known when the model is read."""
    return np.array(math.prod(node.data(0).shape), np.int64)


@writes(cells.Reshape)
def write_reshape(call: CellCall) -> Operand:
    """The sizes of the output; the batch stays."""
    return call.reshaped(call.joined(), call.sizes)


@reads("EyeLike")
def eye_like(node: Node) -> Constant:
    """Ones on a diagonal, known when the model is read."""
    x = node.data(0)
    if x.rank != 2:
        node.unsupported(f"a value with {x.rank} axes", "two axes")
    node.ignore("dtype")
    rows, columns = x.shape
    ones: Constant = np.eye(rows, columns, k=max(-(2**31), min(node.attribute("k", 0), 2**31)))
    return ones.astype(node.dtype)


@reads("ConstantOfShape", "Range", constants=(0, 1, 2))
def made_of_sizes(node: Node) -> Constant:
    """Values whose number an input says: it must be known when the model is read, so that they are constants."""
    return node.unsupported("a size is computed at run time", "constants", "store it in the file")
