"""A factor for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import WrongInputType
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from typing import Any

    from n2d2 import _core
    from n2d2.activation import ActivationFunction
    from n2d2.scaling import ScalingObject


def _check_scaling(owner: str, name: str, value: Any) -> ScalingObject:
    # Not at the top, so that `import n2d2` stays fast.
    from n2d2.scaling import ScalingObject

    if not isinstance(value, ScalingObject):
        raise WrongInputType(
            f"{owner}: parameter `{name}` must be an n2d2.scaling.ScalingObject, got {type(value).__name__}"
        )
    return value


class Scaling(NeuralNetworkCell):
    """Scaling layer: every channel times a factor of its own, rounded and clipped as the scaling object says.

    `y = clip(round(x * factor[c]), limit[c])`; `n2d2.scaling` has the formula of each kind of factor. Learning and test
    mode compute the same. The gradient goes straight through the rounding: `gx = gy * factor[c]`, and 0 where `y`
    reaches its limit.

    Shape:
        Input `[n, c, h, w]`, output the same.

    Arguments:
        scaling (n2d2.scaling.ScalingObject): Factors, one for each channel of the input.
        name (str, optional): Cell name, default=`Scaling_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: `scaling` is not a scaling object, or another argument has the wrong type.
        WrongValue: A name is unknown.
        ShapeError: At a call: there are more or fewer factors than channels.

    Export:
        INI `Scaling`; ONNX `Mul`, with `Floor`, `Sign`, `Min` and `Max` where values are rounded and clipped.

    Example:
        >>> import n2d2
        >>> factors = n2d2.scaling.FloatingPointScaling([0.5, 2.0])
        >>> list(n2d2.cells.Scaling(factors, name="scaled")(n2d2.Tensor([1, 2], value=3.0)))
        [1.5, 6.0]

    Source:
        The scaling modes of N2D2's quantised exports.
    """

    _exports = ("C", "CPP", "CPP_STM32")

    scaling = Parameter["ScalingObject"]("constructor", check=_check_scaling)

    def __init__(
        self,
        scaling: ScalingObject,
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Scaling", locals())

    def _make(self, kind: str, parameters: dict[str, Any]) -> _core.Cell:
        return super()._make(kind, {**parameters, **self.scaling._sent})
