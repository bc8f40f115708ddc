"""Reductions: `ReduceMean`, `ReduceMax`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Data, Node


def reduced_axes(node: Node, x: Data) -> list[int]:
    """The axes that are reduced, in order."""
    given = node.optional_constant(1)
    axes = node.attribute("axes", []) if given is None else [int(a) for a in given.ravel()]
    if not axes:
        return [] if node.attribute("noop_with_empty_axes", 0) else list(range(x.rank))
    node.ignore("noop_with_empty_axes")
    return sorted(node.axis(a, x.rank) for a in axes)


@reads("ReduceMean", "ReduceMax", constants=(1,))
def reduce(node: Node) -> Data:
    """The average or the largest value of each channel."""
    from n2d2.cells.pool import GlobalPool2d

    x = node.data(0)
    node.ignore("keepdims", "noop_with_empty_axes")
    axes = reduced_axes(node, x)
    if not axes:
        return node.renamed(x)
    if x.rank < 3 or axes != list(range(2, x.rank)):
        node.unsupported(f"axes {axes} of {x.rank}", "all axes behind the channels")
    pooling = "Average" if node.op == "ReduceMean" else "Max"
    return node.call(GlobalPool2d(pooling=pooling, name=node.importer.free_name(node.name)), x)
