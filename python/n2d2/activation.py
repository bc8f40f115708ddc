"""Activation functions: applied to each element of the output of a cell.

Derivatives are computed from the output `y` (of `Swish` from the input). One object may serve several cells; a change
of a parameter takes effect at the next call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from n2d2 import _core
from n2d2.parameters import CoreObject, Parameter, refuse_quantizer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ActivationFunction",
    "Linear",
    "Logistic",
    "Rectifier",
    "Saturation",
    "Softplus",
    "Swish",
    "Tanh",
]


class ActivationFunction(CoreObject, ABC):
    """Abstract parent of the activation functions.

    Arguments:
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> shared = Rectifier()
        >>> layers = [n2d2.cells.Fc(2, 2, activation=shared) for _ in range(2)]
        >>> shared.clipping = 6.0
        >>> [layer.activation.clipping for layer in layers]
        [6.0, 6.0]
    """

    quantizer = Parameter[None]("object")

    @abstractmethod
    def __init__(self, *, quantizer: None = None, model: str | None = None, datatype: str | None = None) -> None: ...

    def _start(self, make: Callable[[str, dict[str, Any]], Any], kind: str, given: Mapping[str, Any]) -> None:
        refuse_quantizer(kind, given["quantizer"])
        super()._start(make, kind, given)
        self._values["quantizer"] = None

    def _write(self, name: str, value: object) -> None:
        if name == "quantizer":
            refuse_quantizer(self._owner(), value)
        else:
            super()._write(name, value)

    def has_quantizer(self) -> bool:
        """True if the activation is quantised; quantisation is not built yet.

        Example:
            >>> Rectifier().has_quantizer()
            False
        """
        return self.quantizer is not None


class Linear(ActivationFunction):
    """The identity, or a clamp to `[-clipping, clipping]`.

    Arguments:
        clipping (float, optional): Largest absolute value; 0 for none, default=0.0.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type, or a quantizer is given.
        WrongValue: A name or a value is not accepted.

    Example:
        >>> print(Linear(clipping=1))
        Linear(clipping=1.0, quantizer=None)
    """

    clipping = Parameter[float]("config")

    def __init__(
        self,
        *,
        clipping: float = 0.0,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Linear", locals())


class Rectifier(ActivationFunction):
    """Rectifier (ReLU): `y = x` for `x > 0`, else `leak_slope x`; then `min(y, clipping)` if `clipping > 0`.

    Arguments:
        leak_slope (float, optional): Slope for negative inputs, default=0.0.
        clipping (float, optional): Largest output; 0 for none, default=0.0.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type, or a quantizer is given.
        WrongValue: A name or a value is not accepted.

    Example:
        >>> print(Rectifier(clipping=6.0))
        Rectifier(clipping=6.0, leak_slope=0.0, quantizer=None)

    Source:
        Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """

    clipping = Parameter[float]("config")
    leak_slope = Parameter[float]("config")

    def __init__(
        self,
        *,
        leak_slope: float = 0.0,
        clipping: float = 0.0,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Rectifier", locals())


class Tanh(ActivationFunction):
    """Hyperbolic tangent: `y = tanh(alpha x)`.

    Arguments:
        alpha (float, optional): Slope at 0, default=1.0.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type, or a quantizer is given.
        WrongValue: A name or a value is not accepted.

    Example:
        >>> print(Tanh(alpha=0.5))
        Tanh(alpha=0.5, quantizer=None)

    Source:
        ONNX operator `Tanh`, with a factor before it.
    """

    alpha = Parameter[float]("config")

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Tanh", locals())


class Logistic(ActivationFunction):
    """Logistic function (sigmoid): `y = 1 / (1 + exp(-x))`, derivative `y (1 - y)`.

    With a loss the gradient goes back unchanged: behind a `Score` target, `target - y` is then minus the derivative of
    the binary cross-entropy. INI files call this form `LogisticWithLoss`.

    Arguments:
        with_loss (bool, optional): If True the gradient goes back unchanged, default=False.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Logistic`, `LogisticWithLoss`; ONNX `Sigmoid`.

    Example:
        >>> import n2d2
        >>> print(Logistic())
        Logistic(with_loss=False, quantizer=None)
        >>> n2d2.cells.Activation(Logistic())(n2d2.Tensor([1, 1]))[0]
        0.5

    Source:
        Bishop, "Pattern recognition and machine learning", 2006, section 4.3.
    """

    with_loss = Parameter[bool]("config")

    def __init__(
        self,
        *,
        with_loss: bool = False,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Logistic", locals())


class Saturation(ActivationFunction):
    """Saturation: `y = min(max(x, -threshold), threshold)`, derivative 1 strictly inside, else 0.

    Arguments:
        threshold (float, optional): Largest absolute value, above 0, default=1.0.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Saturation`; ONNX `Clip`.

    Example:
        >>> import n2d2
        >>> n2d2.cells.Activation(Saturation(threshold=2.0))(n2d2.Tensor([1, 1], value=-3.0))[0]
        -2.0

    Source:
        ONNX operator `Clip` with symmetric bounds.
    """

    threshold = Parameter[float]("config")

    def __init__(
        self,
        *,
        threshold: float = 1.0,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Saturation", locals())


class Softplus(ActivationFunction):
    """Smooth rectifier: `y = log(1 + exp(x))`, derivative `1 - exp(-y)`. Does not overflow.

    Arguments:
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: `quantizer` is not None.
        WrongValue: A name is unknown.

    Export:
        INI `Softplus`; ONNX `Softplus`.

    Example:
        >>> import n2d2
        >>> softplus = n2d2.cells.Activation(Softplus())
        >>> round(softplus(n2d2.Tensor([1, 1]))[0], 6), softplus(n2d2.Tensor([1, 1], value=1000.0))[0]
        (0.693147, 1000.0)

    Source:
        Dugas et al., "Incorporating second-order functional knowledge for better option pricing", 2000.
    """

    def __init__(
        self,
        *,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Softplus", locals())


class Swish(ActivationFunction):
    """Swish (also called SiLU): `y = x s` with `s = 1 / (1 + exp(-x))`, derivative `s + y (1 - s)`.

    Arguments:
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: `quantizer` is not None.
        WrongValue: A name is unknown.

    Export:
        INI `Swish`; ONNX `Mul` of a tensor with its `Sigmoid`.

    Example:
        >>> import n2d2
        >>> swish = n2d2.cells.Activation(Swish())
        >>> round(swish(n2d2.Tensor([1, 1], value=1.0))[0], 6)
        0.731059

    Source:
        Ramachandran, Zoph and Le, "Searching for activation functions", 2017.
    """

    def __init__(
        self,
        *,
        quantizer: None = None,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Activation, "Swish", locals())
