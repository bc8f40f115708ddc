"""Activation functions: applied to each element of the output of a cell.

Derivatives are computed from the output `y`. One object may serve several cells; a change of a parameter takes effect
at the next call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from n2d2 import _core
from n2d2.parameters import CoreObject, Parameter, refuse_quantizer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ActivationFunction", "Linear", "Rectifier", "Tanh"]


class ActivationFunction(CoreObject, ABC):
    """Abstract parent of the activation functions.

    Arguments:
        quantizer (None, optional): Quantisation is not built yet, default=None.

    Raises:
        TypeError: This class itself is instantiated.
    """

    quantizer = Parameter[None]("object")

    @abstractmethod
    def __init__(self) -> None: ...

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
        """True if the activation is quantised; quantisation is not built yet."""
        return self.quantizer is not None


class Linear(ActivationFunction):
    """The identity, or a clamp to `[-clipping, clipping]`.

    Arguments:
        clipping (float, optional): Largest absolute value; 0 for none, default=0.0.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

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

    Example:
        >>> print(Tanh(alpha=0.5))
        Tanh(alpha=0.5, quantizer=None)
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
