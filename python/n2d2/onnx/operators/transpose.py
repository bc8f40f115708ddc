"""Axes in another order: `Transpose`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2 import cells
from n2d2.onnx.rearrange import places, rearranged
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


def permuted(node: Node, data: Data, order: Sequence[int], name: str) -> Data:
    """Data whose axis `i` is axis `order[i]` of what is given.

    Arguments:
        node (Node): The node that wants it.
        data (Data): The data.
        order (list): A permutation of the axes.
        name (str): Name of the cell.
    """
    from n2d2.cells.transpose import Transpose

    shape = [data.shape[a] for a in order]
    order = list(order)
    # Axes of size one move without moving a value; the batch may have another size at run time.
    moved = [a for a in order if a == 0 or data.shape[a] != 1]
    if moved == sorted(moved) and (not order or order[0] == 0):
        return node.renamed(data, shape)
    if order[:1] != [0] or len(order) > 4:
        return rearranged(node, [data], places(data)[0].transpose(order), name=name)
    full = [*order, *range(len(order), 4)]
    cell = Transpose([3 - full[3 - i] for i in range(4)], name=node.importer.free_name(name))
    return node.call(cell, data, shape=shape)


@reads("Transpose")
def transpose(node: Node) -> Data:
    """Axis `i` of the output is axis `perm[i]` of the input."""
    x = node.data(0)
    order = node.attribute("perm", list(range(x.rank))[::-1])
    if sorted(order) != list(range(x.rank)):
        node.unsupported(f"'perm' is {order} for {x.rank} axes", "a permutation of the axes")
    return permuted(node, x, order, node.name)


@writes(cells.Transpose)
def write_transpose(call: CellCall) -> Operand:
    """The cell counts axes from the width on, ONNX from the batch on."""
    perm = [3 - axis for axis in reversed(call.cell.perm)]
    return call.node("Transpose", [call.image()], sizes=call.sizes, perm=perm)
