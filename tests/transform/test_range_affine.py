from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import ShapeError, WrongInputType, WrongValue
from n2d2.transform import RangeAffine


def run(image: np.ndarray, transformation: RangeAffine) -> np.ndarray:
    database = n2d2.database.Numpy()
    database.load([image], [0], "Test")
    provider = n2d2.provider.DataProvider(database, [*image.shape[:0:-1], image.shape[0]])
    provider.add_transformation(transformation)
    return provider.read_batch(0).to_numpy()[0]


def test_bytes_become_floats_that_are_not_divided_by_255() -> None:
    x = np.array([[[0, 1, 128, 255]]], np.uint8)
    np.testing.assert_array_equal(run(x, RangeAffine("Plus", 1)), x + np.float32(1))
    np.testing.assert_array_equal(run(x, RangeAffine("Divides", 255.0)), x / np.float32(255))


def test_two_operations_for_each_channel() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    mean, std = np.array([0.5, -0.25, 2.0], np.float32), np.array([0.5, 2.0, 4.0], np.float32)
    t = RangeAffine("Minus", mean.tolist(), second_operator="Divides", second_value=std.tolist())
    np.testing.assert_array_equal(run(x, t), (x - mean[:, None, None]) / std[:, None, None])


def test_truncate() -> None:
    x = np.array([[[1.0, -1.0, 3.0]]], np.float32)
    np.testing.assert_array_equal(run(x, RangeAffine("Multiplies", 1.5, truncate=True)), [[[1, -1, 4]]])


def test_arguments() -> None:
    words = "Plus, Minus, Multiplies, Divides"
    with pytest.raises(
        WrongValue, match=f'RangeAffine: parameter `first_operator` is "Divide", expected one of {words}'
    ):
        RangeAffine("Divide", 2)
    with pytest.raises(WrongValue, match=r"`first_value` is 0\.0, expected another divisor than 0"):
        RangeAffine("Divides", 0)
    with pytest.raises(WrongValue, match="`second_value` is NaN, expected finite numbers"):
        RangeAffine("Divides", 1, second_value=[float("nan")])
    with pytest.raises(WrongInputType, match="RangeAffine: parameter `first_value` must be a list of float, got a str"):
        RangeAffine("Plus", "1")
    with pytest.raises(WrongValue, match=r"`first_value` is \[\], expected a number, or one a channel"):
        RangeAffine("Plus", [])
    with pytest.raises(
        ShapeError, match=r"DataProvider_.*: stimulus 0: RangeAffine: first_value: expected 1 or 3 values"
    ):
        run(np.zeros((3, 1, 1), np.uint8), RangeAffine("Plus", [1, 2]))
