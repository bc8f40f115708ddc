"""Cells whose parameters come from the file, and the constants that become a part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from n2d2.cells.weighted_cell import WeightedCell
    from n2d2.onnx.node import Data, Node

    Floats = NDArray[np.float32]


class Make(Protocol):
    """Makes a cell with or without bias."""

    def __call__(self, no_bias: bool, **arguments: object) -> WeightedCell:
        """`arguments` are further arguments of the constructor."""


def trained(  # noqa: PLR0917
    node: Node,
    make: Make,
    x: Data,
    weights: Floats,
    bias: Floats | None,
    shape: Sequence[int] | None = None,
    *,
    align: bool = True,
) -> Data:
    """Makes a cell with the parameters of the file and calls it.

    If the only reader of the output adds a constant to each channel, `with_bias` makes the cell again with a bias.

    Arguments:
        node (Node): The node.
        make (callable): Makes the cell from `no_bias` and further arguments.
        x (Data): Its input.
        weights (numpy.ndarray): Its weights, as the engine stores them.
        bias (numpy.ndarray): Its bias, None for none.
        shape (tuple, optional): ONNX shape of the output, default=None (that of the node).
        align (bool, optional): If False, the input goes in as it is, default=True.
    """
    from n2d2.filler import Constant, Normal

    name = node.importer.free_name(node.name)

    def called(values: Floats | None) -> Data:
        settings = node.arguments("Fc" if weights.ndim == 2 else "Conv")
        # Drawing values that are replaced at once would take long and move the generator.
        both = settings.pop("filler", None)
        fillers = {key: settings.pop(key, both) for key in ("weights_filler", "bias_filler")}
        no_bias = bool(settings.pop("no_bias", values is None))
        cell = make(no_bias, name=name, filler=Constant(value=0.0), **settings)
        cell.N2D2().set_param("weights", np.ascontiguousarray(weights))
        cell.weights_filler = fillers["weights_filler"] or Normal(std_dev=0.05)
        if cell.has_bias():
            cell.N2D2().set_param("bias", np.zeros(len(weights), np.float32) if values is None else values.ravel())
            cell.bias_filler = fillers["bias_filler"] or Normal(std_dev=0.05)
        return node.call(cell, x, shape=shape, align=align)

    result = called(bias)
    node.importer.remakes[id(result.tensor)] = called, bias
    return result


def with_bias(node: Node, data: Data, values: Floats) -> Data | None:
    """Adds a constant to each channel by the bias of the cell that makes the data; None where that is not possible.

    Arguments:
        node (Node): The node that adds.
        data (Data): What it adds to.
        values (numpy.ndarray): One number a channel.
    """
    called, bias = node.importer.remakes.get(id(data.tensor), (None, None))
    cell = data.tensor.cell
    if called is None or not data.sole or getattr(cell, "activation", None) is not None:
        return None
    shape = node.shape
    node.importer.forget(data)
    remade = called(values if bias is None else bias + values)
    return node.renamed(remade, shape)
