"""Axes in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.activation import ActivationFunction


class Transpose(NeuralNetworkCell):
    """Transpose layer: the axes of every image in another order.

    Axes are counted in N2D2's order: width 0, height 1, channels 2, batch 3. Axis `i` of the output is axis `perm[i]`
    of the input, so that `cell.dims()[i] == input.dims()[perm[i]]`.

    Shape:
        Input `[n, c, h, w]`; output `[n, d[perm[2]], d[perm[1]], d[perm[0]]]` with `d = [w, h, c]`. Several inputs,
        given as an `n2d2.Interface`, are joined along channels.

    Arguments:
        perm (list): Permutation of `[0, 1, 2, 3]` that ends with 3, the batch; missing axes stay where they are.
        name (str, optional): Cell name, default=`Transpose_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or `perm` is no permutation or moves the batch.

    Export:
        INI `Transpose`; ONNX `Transpose`.

    Example:
        >>> import n2d2
        >>> swapped = n2d2.cells.Transpose([1, 0, 2, 3], name="swapped")
        >>> swapped(n2d2.Tensor([5, 3, 28, 32])).shape()
        [5, 3, 32, 28]

    Source:
        ONNX operator `Transpose`.
    """

    _exports = ("CPP", "CPP_TensorRT", "CPP_STM32")

    perm = Parameter[list[int]]("constructor", list)

    def __init__(
        self,
        perm: Sequence[int],
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Transpose", locals())
