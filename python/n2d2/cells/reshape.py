"""Reshape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.activation import ActivationFunction


class Reshape(NeuralNetworkCell):
    """Reshape layer: the same values, in channel, height, width order, in another shape.

    Shape:
        Input `[n, c, h, w]`, output `[n, dims[2], dims[1], dims[0]]`.

    Arguments:
        dims (list): `[width, height, channels]`, in this order as in N2D2; missing ones are 1, 0 keeps the size of the
            input, one -1 is inferred.
        name (str, optional): Cell name, default=`Reshape_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a size is out of range.

    Export:
        INI `Reshape`; ONNX `Reshape`.

    Example:
        >>> import n2d2
        >>> flat = n2d2.cells.Reshape([1, 1, -1], name="flat")
        >>> flat(n2d2.Tensor([2, 3, 4, 5])).shape()
        [2, 60, 1, 1]

    Source:
        ONNX operator `Reshape`.
    """

    _exports = ("CPP", "CPP_TensorRT", "CPP_STM32")

    _dims = Parameter[list[int]]("constructor", list, name="dims")

    def __init__(
        self,
        dims: Sequence[int],
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Reshape", locals())
