"""Scaling objects: printing, types, ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.scaling import (
    DoubleShiftScaling,
    FixedPointScaling,
    FloatingPointScaling,
    Scaling,
    ScalingObject,
    SingleShiftScaling,
)


def test_printing_and_reading() -> None:
    assert Scaling is ScalingObject
    floating = FloatingPointScaling(np.array([1, 2]), True, (3, 4.5))
    assert str(floating) == (
        "FloatingPointScaling(scaling_per_output=[1.0, 2.0], is_clipped=True, clipping=[3.0, 4.5])"
    )
    assert floating.get_parameter("clipping") == floating.clipping == [3.0, 4.5]
    fixed = FixedPointScaling(8, [1, 2], False, [])
    assert str(fixed) == "FixedPointScaling(nb_fractional_bits=8, scaling=[1, 2], is_clipped=False, clipping=[])"
    assert str(SingleShiftScaling((4, -1))) == "SingleShiftScaling(scaling=[4, -1], is_clipped=False, clipping=[])"
    double = DoubleShiftScaling([(4, -1), [0, 0]], is_clipped=True, clipping=[[7, 3], [1, 1]])
    text = "DoubleShiftScaling(scaling=[[4, -1], [0, 0]], is_clipped=True, clipping=[[7, 3], [1, 1]])"
    assert str(double) == text
    assert isinstance(double, ScalingObject)
    assert double.get_type() == "DoubleShiftScaling"


def test_the_parent_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ScalingObject()  # type: ignore[abstract]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: FloatingPointScaling("1"),
        TypeError,
        'FloatingPointScaling: parameter `scaling_per_output` must be a list of float, got a str ("1")',
    ),
    (
        lambda: FloatingPointScaling([]),
        ValueError,
        "FloatingPointScaling: parameter `scaling_per_output` is [], expected a value for each channel",
    ),
    (
        lambda: FloatingPointScaling([1.0, float("nan")]),
        ValueError,
        "FloatingPointScaling: parameter `scaling_per_output` is NaN, expected finite numbers",
    ),
    (lambda: FloatingPointScaling([1.0], 1), TypeError, "parameter `is_clipped` must be a bool, got an int (1)"),
    (
        lambda: FloatingPointScaling([1.0], False, [2.0]),
        ValueError,
        "FloatingPointScaling: parameter `clipping` is a list of 1, expected [] unless `is_clipped` is true",
    ),
    (
        lambda: FloatingPointScaling([1.0, 2.0], True, [2.0]),
        ValueError,
        "`clipping` is a list for 1 channels, expected 2, one for each value of `scaling_per_output`",
    ),
    (lambda: FloatingPointScaling([1.0], True, [-2.0]), ValueError, "`clipping` is -2.0, expected numbers above 0"),
    (
        lambda: FixedPointScaling(8, [0.5]),
        TypeError,
        "FixedPointScaling: parameter `scaling` must be a list of int, got a list of float ([0.5])",
    ),
    (
        lambda: FixedPointScaling(1.5, [1]),
        TypeError,
        "FixedPointScaling: parameter `nb_fractional_bits` must be an int, got a float (1.5)",
    ),
    (
        lambda: FixedPointScaling(-1, [1]),
        ValueError,
        "FixedPointScaling: parameter `nb_fractional_bits` is -1, expected an integer of at least 0",
    ),
    (
        lambda: SingleShiftScaling([63]),
        ValueError,
        "SingleShiftScaling: parameter `scaling` is 63, expected shifts from -62 to 62",
    ),
    (
        lambda: SingleShiftScaling([1], True, [-1]),
        ValueError,
        "SingleShiftScaling: parameter `clipping` is -1, expected shifts from 0 to 62",
    ),
    (
        lambda: DoubleShiftScaling([1, 2]),
        TypeError,
        "DoubleShiftScaling: parameter `scaling` must be a list of pairs of int, such as [[1, 3], [2, 2]], got [1, 2]",
    ),
    (lambda: DoubleShiftScaling([[1, 2, 3]]), TypeError, "must be a list of pairs of int"),
    (lambda: DoubleShiftScaling(3), TypeError, "must be a list of pairs of int"),
    (
        lambda: DoubleShiftScaling([[1, 0.5]]),
        TypeError,
        "DoubleShiftScaling: parameter `scaling` must be a list of int",
    ),
    (
        lambda: SingleShiftScaling([1], cliping=[1]),
        ValueError,
        "SingleShiftScaling: `cliping` is not a parameter; did you mean `clipping`?",
    ),
    (lambda: SingleShiftScaling([1], model="Cuda"), ValueError, 'parameter `model` is "Cuda"'),
    (
        lambda: SingleShiftScaling([1]).set_parameter("scaling", [2]),
        RuntimeError,
        "SingleShiftScaling: `scaling` is an argument of the constructor",
    ),
    (lambda: SingleShiftScaling([1]).get_parameter("shift"), ValueError, "`shift` is not a parameter"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
