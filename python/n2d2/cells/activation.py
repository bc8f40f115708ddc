"""An activation function as a layer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import ActivationFunction
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import WrongInputType

if TYPE_CHECKING:
    from typing import Any


class Activation(NeuralNetworkCell):
    """Activation layer: applies an activation function to a copy of its input.

    Shape:
        Input `[n, c, h, w]`, output the same.

    Arguments:
        activation (n2d2.activation.ActivationFunction): Activation function.
        name (str, optional): Cell name, default=`Activation_<n>`.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: `activation` is not an activation function.

    Export:
        INI `Activation`; ONNX `Relu`, `LeakyRelu`, `Clip`, `Tanh`, `Sigmoid`, `Softplus`.

    Example:
        >>> import n2d2
        >>> relu = n2d2.cells.Activation(n2d2.activation.Rectifier(), name="relu")
        >>> relu(n2d2.Tensor([1, 2], value=-1.0))[0]
        0.0
    """

    _exports = ("CPP", "CPP_TensorRT")

    def __init__(
        self,
        activation: ActivationFunction,
        *,
        name: str | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Activation", locals())

    def _write_object(self, name: str, value: Any) -> None:
        if name == "activation" and value is None:
            raise WrongInputType(f"{self._name}: parameter `activation` must be an activation function, got None")
        super()._write_object(name, value)
