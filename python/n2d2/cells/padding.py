"""Padding and cropping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class Padding(NeuralNetworkCell):
    """Padding layer: zeros around an image, each side with a width of its own; a negative width crops.

    `y[i, j] = x[i - top_pad, j - left_pad]`, 0 where that is outside the image.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, h + top_pad + bot_pad, w + left_pad + right_pad]`. Several inputs, given as
        an `n2d2.Interface`, are joined along channels.

    Arguments:
        top_pad (int): Rows added above, negative to crop, from -32768 to 32768.
        bot_pad (int): Rows added below.
        left_pad (int): Columns added on the left.
        right_pad (int): Columns added on the right.
        name (str, optional): Cell name, default=`Padding_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a size is out of range.
        ShapeError: At a call: nothing of the image would be left.

    Export:
        INI `Padding`; ONNX `Pad`.

    Example:
        >>> import n2d2
        >>> pad = n2d2.cells.Padding(1, 0, 0, -1, name="pad")
        >>> x = n2d2.Tensor([1, 1, 2, 3])
        >>> x.set_values([[[[1, 2, 3], [4, 5, 6]]]])
        >>> pad(x).to_numpy().tolist()
        [[[[0.0, 0.0], [1.0, 2.0], [4.0, 5.0]]]]

    Source:
        ONNX operator `Pad` with mode `constant`.
    """

    _exports = ("CPP", "CPP_TensorRT")
    _key_has_datatype = False

    top_pad = Parameter[int]("constructor")
    bot_pad = Parameter[int]("constructor")
    left_pad = Parameter[int]("constructor")
    right_pad = Parameter[int]("constructor")

    def __init__(
        self,
        top_pad: int,
        bot_pad: int,
        left_pad: int,
        right_pad: int,
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Padding", locals())
