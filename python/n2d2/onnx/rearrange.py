"""Values at other places: every operator that only moves, repeats or leaves out values is a table of places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2.onnx.node import Data, Unsupported, engine_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.onnx.node import Node

    Places = NDArray[np.int64]


MAX_TABLE = 2**24
"""Most places in a table, of which each takes eight bytes and more."""


def places(*values: Data) -> list[Places]:
    """Numbers the elements of some values, one value behind the other.

    Example:
        >>> import numpy
        >>> x = Data(None, (2, 3), numpy.dtype("float32"))
        >>> places(x)[0].tolist()
        [[0, 1, 2], [3, 4, 5]]
    """
    made, first = [], 0
    for value in values:
        count = math.prod(value.shape)
        check_table(count)
        made.append(np.arange(first, first + count, dtype=np.int64).reshape(value.shape))
        first += count
    return made


def check_table(count: int) -> None:
    """Refuses a table that would take too much memory.

    Raises:
        Unsupported: It would.
    """
    if count > MAX_TABLE:
        raise Unsupported(f"a table of {count} places would be needed; supported: at most {MAX_TABLE}")


def rearranged(
    node: Node,
    values: Sequence[Data],
    index: Places,
    *,
    output: int = 0,
    fill: float = 0.0,
    name: str | None = None,
) -> Data:
    """A value whose elements are those at some places of others.

    Where every stimulus of the batch is treated alike, the network takes any batch size.

    Arguments:
        node (Node): The node.
        values (list of Data): What the places count, one value behind the other.
        index (numpy.ndarray): The place of each element, -1 for the value `fill`; its shape is the ONNX shape.
        output (int, optional): The output of the node that it is, default=0.
        fill (float, optional): Value where the place is -1, default=0.0.
        name (str, optional): Name of the cell, default=None (that of the output).

    Raises:
        Unsupported: Nothing is left.
    """
    if index.size == 0:
        node.unsupported(f"an output of shape {list(index.shape)}, which is empty", "values")
    if len(values) == 1 and np.array_equal(index.ravel(), np.arange(math.prod(values[0].shape))):
        moved = index.shape[:1] != values[0].shape[:1]
        if not moved:
            return node.renamed(values[0], index.shape)
    read = [value if _keeps_batch(value) else node.aligned(value) for value in values]
    cell = make(values, index, fill, node.importer.free_name(name or node.outputs[output]))
    return node.call(cell, *read, shape=index.shape, align=False)


def of_rank(node: Node, value: Data) -> Data:
    """The same data with a tensor of the ONNX shape itself, for cells that take any rank."""
    if value.tensor.shape() == list(value.shape):
        return value
    read = value if _keeps_batch(value) else node.aligned(value)
    cell = make([read], places(value)[0], 0.0, node.importer.free_name(f"{node.name}_reshape"), shape=list(value.shape))
    return node.call(cell, read, shape=value.shape, align=False)


def _keeps_batch(value: Data) -> bool:
    return value.tensor.shape()[:1] == list(value.shape[:1])


def make(
    values: Sequence[Data], index: Places, fill: float, name: str, *, shape: list[int] | None = None
) -> NeuralNetworkCell:
    """The cell; for one stimulus at a time where each is treated alike."""
    from n2d2.cells.rearrange import Rearrange

    shape = engine_shape(index.shape) if shape is None else shape
    table = _of_one_stimulus(values, index)
    arguments: dict[str, Any] = {"fill": fill} if fill else {}
    if table is None:
        sizes = [math.prod(v.shape) for v in values]
        return Rearrange(index.ravel(), shape, sizes=sizes, name=name, **arguments)
    sizes = [math.prod(v.shape[1:]) for v in values]
    return Rearrange(table.ravel(), shape[1:], sizes=sizes, per_sample=True, name=name, **arguments)


def _of_one_stimulus(values: Sequence[Data], index: Places) -> Places | None:
    """The table for one stimulus; None where stimuli are not treated alike."""
    batch = index.shape[0] if index.ndim else 0
    if not batch or any(not v.shape or v.shape[0] != batch for v in values):
        return None
    sizes = np.array([math.prod(v.shape[1:]) for v in values])
    first = np.concatenate([[0], np.cumsum(sizes * batch)])
    own_first = np.concatenate([[0], np.cumsum(sizes)])
    which = np.searchsorted(first, np.maximum(index, 0), side="right") - 1
    inside = np.maximum(index, 0) - first[which]
    stimulus, place = inside // sizes[which], inside % sizes[which] + own_first[which]
    outside = index < 0
    rows = np.arange(batch).reshape([batch] + [1] * (index.ndim - 1))
    if not np.array_equal(np.where(outside, rows, stimulus), np.broadcast_to(rows, index.shape)):
        return None
    table = np.where(outside, -1, place)
    return table[0] if (table == table[0]).all() else None
