"""Changes the range of the values of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.parameters import Parameter
from n2d2.transform.transformation import Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence


class RangeAffine(Transformation):
    """Two operations on every value: `y = (x first_operator first_value) second_operator second_value`.

    The result is a float, so the provider does not divide bytes by 255 any more.

    Arguments:
        first_operator (str): `Plus`, `Minus`, `Multiplies` or `Divides`.
        first_value (float or list): A number, or one a channel.
        second_operator (str, optional): As `first_operator`, default="Plus".
        second_value (float or list, optional): As `first_value`; None for no second operation, default=None.
        truncate (bool, optional): Drop the digits behind the point, default=False.
        apply_to (str, optional): Partitions whose stimuli are transformed, default="All".

    **Shape**: `[h, w, c]` to `[h, w, c]`.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: An operator is not known, a number is not finite, or a divisor is 0.
        ShapeError: While reading: the number of values is neither 1 nor the number of channels.

    Example:
        >>> import n2d2
        >>> print(n2d2.transform.RangeAffine("Divides", 127.5, second_operator="Minus", second_value=1.0))
        RangeAffine(first_operator=Operator.Divides, first_value=[127.5], second_operator=Operator.Minus, \
second_value=[1.0] | truncate=False)
    """

    _words = frozenset({"first_operator", "second_operator"})

    first_operator = Parameter[str]("constructor", prefix="Operator")
    first_value = Parameter["list[float]"]("constructor")
    second_operator = Parameter[str]("option", prefix="Operator")
    second_value = Parameter["list[float]"]("option")
    truncate = Parameter[bool]("config")

    def __init__(
        self,
        first_operator: str,
        first_value: float | Sequence[float],
        *,
        second_operator: str = "Plus",
        second_value: float | Sequence[float] | None = None,
        truncate: bool = False,
        apply_to: str = "All",
        **unknown: object,
    ) -> None:
        self._begin("RangeAffine", locals())
