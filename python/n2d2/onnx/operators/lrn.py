"""Local response normalisation: `LRN`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2 import cells
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node


@reads("LRN")
def lrn(node: Node) -> Data:
    """`x (bias + alpha / size sum(x^2))^-beta`, the sum over `size` channels."""
    from n2d2.cells.lrn import LRN

    x = node.data(0)
    if x.rank < 2:
        node.unsupported(f"an input with {x.rank} axes", "[batch, channels, ...]")
    cell = LRN(
        n=node.attribute("size", 1),
        alpha=node.attribute("alpha", 1e-4),
        beta=node.attribute("beta", 0.75),
        k=node.attribute("bias", 1.0),
        name=node.importer.free_name(node.name),
    )
    return node.call(cell, x)


@writes(cells.LRN)
def write_lrn(call: CellCall) -> Operand:
    """The same formula; `k` is called `bias`."""
    cell = call.cell
    return call.node("LRN", [call.image()], size=cell.n, alpha=cell.alpha, beta=cell.beta, bias=cell.k)
