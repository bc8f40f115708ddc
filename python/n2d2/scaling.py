"""What a `n2d2.cells.Scaling` multiplies its channels by: floats, or numbers that an integer processor can apply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from n2d2 import _core
from n2d2.error_handler import WrongInputType
from n2d2.parameters import Parameter, Parametrised, check_model, listed, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "DoubleShiftScaling",
    "FixedPointScaling",
    "FloatingPointScaling",
    "Scaling",
    "ScalingObject",
    "SingleShiftScaling",
]


def _floats(values: Any) -> list[float]:
    return [float(v) for v in listed(values)]


def _pairs(values: Any) -> list[list[int]]:
    return [[int(v) for v in pair] for pair in values]


class ScalingObject(Parametrised, ABC):
    """The abstract parent of the factors of a `n2d2.cells.Scaling`: `y = clip(round(x * factor[c]), limit[c])`.

    Rounding, of all but floating point, goes to the nearest integer, halves away from zero. Clipping limits `y` to
    `[-limit, limit]`. The gradient goes straight through the rounding: it is multiplied by the factor, and 0 where `y`
    reaches its limit.

    Arguments:
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        TypeError: This class itself is instantiated.
    """

    _mode: ClassVar[str]
    _pairwise: ClassVar[frozenset[str]] = frozenset()
    """Parameters that hold a pair for each channel, which the engine takes one number after the other."""

    @abstractmethod
    def __init__(self, *, model: str | None = None) -> None: ...

    def _start(self, given: Mapping[str, Any]) -> None:
        """Keeps the constructor's arguments once the engine has accepted them."""
        kind = self.get_type()
        refuse_unknown(kind, given["unknown"], type(self).__init__)
        check_model(kind, given["model"], None)
        self._sent: dict[str, Any] = {"mode": self._mode}
        for name in self._parameters:
            self._sent[name] = self._flat(name, given[name]) if name in self._pairwise else given[name]
        _core.Cell("Scaling", kind, self._sent)
        self._values = {name: self._normalised(name, given[name]) for name in self._parameters}

    def _flat(self, name: str, pairs: Any) -> list[int]:
        if not isinstance(pairs, (list, tuple)) or any(not isinstance(p, (list, tuple)) or len(p) != 2 for p in pairs):
            raise WrongInputType(
                f"{self.get_type()}: parameter `{name}` must be a list of pairs of int, such as [[1, 3], [2, 2]], "
                f"got {pairs!r}"
            )
        return [shift for pair in pairs for shift in pair]


Scaling = ScalingObject
"""The name that the documentation of N2D2 uses."""


class FloatingPointScaling(ScalingObject):
    """A float for each channel: `y = x * scaling_per_output[c]`.

    Arguments:
        scaling_per_output (list): Factors, one for each channel.
        is_clipped (bool, optional): Limit the output, default=False.
        clipping (list, optional): Limits above 0, one for each channel, with `is_clipped`, default=[].
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or a list is empty, out of range or of the wrong length.

    Example:
        >>> import n2d2
        >>> print(n2d2.scaling.FloatingPointScaling([0.5, 2.0]))
        FloatingPointScaling(scaling_per_output=[0.5, 2.0], is_clipped=False, clipping=[])
    """

    _mode = "FloatingPoint"

    scaling_per_output = Parameter[list[float]]("constructor", _floats)
    is_clipped = Parameter[bool]("constructor")
    clipping = Parameter[list[float]]("constructor", _floats)

    def __init__(
        self,
        scaling_per_output: Sequence[float],
        is_clipped: bool = False,
        clipping: Sequence[float] = (),
        *,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(locals())


class FixedPointScaling(ScalingObject):
    """An integer for each channel, and where its point is: `y = round(x * scaling[c] / 2^nb_fractional_bits)`.

    Arguments:
        nb_fractional_bits (int): Bits behind the point, from 0 to 62.
        scaling (list): Integers of 32 bits, one for each channel.
        is_clipped (bool, optional): Limit the output, default=False.
        clipping (list, optional): Limits above 0, floats, one for each channel, with `is_clipped`, default=[].
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or a value is out of range, or a list is empty or of the wrong length.

    Example:
        >>> import n2d2
        >>> half = n2d2.scaling.FixedPointScaling(8, [128], is_clipped=True, clipping=[127.0])
        >>> list(n2d2.cells.Scaling(half, name="half")(n2d2.Tensor([1, 1], value=5.0)))
        [3.0]
    """

    _mode = "FixedPoint"

    nb_fractional_bits = Parameter[int]("constructor")
    scaling = Parameter[list[int]]("constructor", list)
    is_clipped = Parameter[bool]("constructor")
    clipping = Parameter[list[float]]("constructor", _floats)

    def __init__(
        self,
        nb_fractional_bits: int,
        scaling: Sequence[int],
        is_clipped: bool = False,
        clipping: Sequence[float] = (),
        *,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(locals())


class SingleShiftScaling(ScalingObject):
    """A shift to the right for each channel: `y = round(x / 2^scaling[c])`.

    Arguments:
        scaling (list): Bits from -62 to 62, one for each channel; a negative one shifts to the left.
        is_clipped (bool, optional): Limit the output, default=False.
        clipping (list, optional): Shifts `s` from 0 to 62 that stand for the limits `2^s`, one for each channel, with
            `is_clipped`, default=[].
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or a list is empty, out of range or of the wrong length.

    Example:
        >>> import n2d2
        >>> quarter = n2d2.scaling.SingleShiftScaling([2], is_clipped=True, clipping=[7])
        >>> list(n2d2.cells.Scaling(quarter, name="quarter")(n2d2.Tensor([1, 1], value=-6.0)))
        [-2.0]
    """

    _mode = "SingleShift"

    scaling = Parameter[list[int]]("constructor", list)
    is_clipped = Parameter[bool]("constructor")
    clipping = Parameter[list[int]]("constructor", list)

    def __init__(
        self,
        scaling: Sequence[int],
        is_clipped: bool = False,
        clipping: Sequence[int] = (),
        *,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(locals())


class DoubleShiftScaling(ScalingObject):
    """Two shifts to the right for each channel, whose sum is rounded: `y = round(x / 2^a + x / 2^b)`.

    Arguments:
        scaling (list): Pairs `[a, b]` of bits from -62 to 62, one pair for each channel; negative ones shift to
            the left.
        is_clipped (bool, optional): Limit the output, default=False.
        clipping (list, optional): Pairs of shifts `[a, b]` from 0 to 62 that stand for the limits `2^a + 2^b`, one
            pair for each channel, with `is_clipped`, default=[].
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or a list is empty, out of range or of the wrong length.

    Example:
        >>> import n2d2
        >>> five_eighths = n2d2.scaling.DoubleShiftScaling([[1, 3]])
        >>> list(n2d2.cells.Scaling(five_eighths, name="s")(n2d2.Tensor([1, 1], value=8.0)))
        [5.0]
    """

    _mode = "DoubleShift"
    _pairwise = frozenset({"scaling", "clipping"})

    scaling = Parameter[list[list[int]]]("constructor", _pairs)
    is_clipped = Parameter[bool]("constructor")
    clipping = Parameter[list[list[int]]]("constructor", _pairs)

    def __init__(
        self,
        scaling: Sequence[Sequence[int]],
        is_clipped: bool = False,
        clipping: Sequence[Sequence[int]] = (),
        *,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(locals())
