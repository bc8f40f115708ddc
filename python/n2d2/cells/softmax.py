"""Softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class Softmax(NeuralNetworkCell):
    """Softmax layer, over the channels of each group at each pixel.

    `y_c = exp(x_c) / sum_k exp(x_k)`. With `with_loss` the gradient that arrives passes unchanged: the
    `target - output` of a target is then the gradient of the cross-entropy.

    Shape:
        Input `[n, c, h, w]`, output the same.

    Arguments:
        with_loss (bool, optional): Softmax followed by a multinomial logistic loss; may change at any time,
            default=False.
        group_size (int, optional): Channels of a group, a divisor of the number of channels; 0 for all, default=0.
        name (str, optional): Cell name, default=`Softmax_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Softmax`; ONNX `Softmax`.

    Example:
        >>> import n2d2
        >>> softmax = n2d2.cells.Softmax(with_loss=True, name="softmax")
        >>> softmax(n2d2.Tensor([1, 4], value=3.0))[0]
        0.25

    Source:
        ONNX operator `Softmax` over axis 1.
    """

    _exports = ("C", "CPP", "CPP_TensorRT")

    with_loss = Parameter[bool]("option", writable=True)
    group_size = Parameter[int]("option", int)

    def __init__(
        self,
        *,
        with_loss: bool = False,
        group_size: int = 0,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Softmax", locals())
