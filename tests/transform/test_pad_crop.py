from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import ShapeError, WrongInputType, WrongValue
from n2d2.transform import PadCrop


def run(image: np.ndarray, pad_crop: PadCrop, size: list[int]) -> np.ndarray:
    database = n2d2.database.Numpy()
    database.load([image.astype(np.float32)], [0], "Test")
    provider = n2d2.provider.DataProvider(database, size)
    provider.add_transformation(pad_crop)
    return provider.read_batch(0).to_numpy()[0]


BORDERS = {
    "MinusOneReflectBorder": {"mode": "reflect"},
    "ReflectBorder": {"mode": "symmetric"},
    "ReplicateBorder": {"mode": "edge"},
    "WrapBorder": {"mode": "wrap"},
    "ConstantBorder": {"mode": "constant", "constant_values": 7.0},
}


@pytest.mark.parametrize("border", BORDERS)
def test_borders_against_numpy(border: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    # 5 rows: 3 at the top, 2 at the bottom; 3 columns: 2 on the left, 1 on the right.
    y = run(x, PadCrop(7, 10, border_type=border, border_value=[7.0]), [7, 10, 2])
    expected = np.pad(x, [(0, 0), (3, 2), (2, 1)], **BORDERS[border])
    np.testing.assert_array_equal(y, expected.astype(np.float32))


def test_mean_border() -> None:
    x = np.array([[[1, 2], [3, 6]], [[-1, -1], [-1, -1]]])
    y = run(x, PadCrop(2, 3, border_type="MeanBorder"), [2, 3, 2])
    np.testing.assert_array_equal(y[:, 0], [[3, 3], [-1, -1]])


def test_crops_take_less_from_the_top_left() -> None:
    x = np.arange(25).reshape(1, 5, 5)
    np.testing.assert_array_equal(run(x, PadCrop(2, 3), [2, 3, 1]), x[:, 1:4, 1:3])


def test_sizes_can_be_added() -> None:
    x = np.arange(6).reshape(1, 2, 3)
    y = run(x, PadCrop(2, 0, additive_wh=True, border_type="ConstantBorder"), [5, 2, 1])
    np.testing.assert_array_equal(y, np.pad(x, [(0, 0), (0, 0), (1, 1)]))


def test_arguments() -> None:
    with pytest.raises(
        WrongValue, match='PadCrop: parameter `border_type` is "Mirror", expected one of ConstantBorder,'
    ):
        PadCrop(4, 4, border_type="Mirror")
    with pytest.raises(WrongValue, match="PadCrop: parameter `height` is 0, expected an integer of at least 1"):
        PadCrop(4, 0)
    with pytest.raises(WrongInputType, match="PadCrop: parameter `border_value` must be a list of float, got a str"):
        PadCrop(4, 4, border_value="0")
    with pytest.raises(
        ShapeError, match="stimulus 0: PadCrop: border_value: expected 1 or 3 values for 3 channels, got 2"
    ):
        run(np.zeros((3, 2, 2)), PadCrop(4, 4, border_value=[1, 2]), [4, 4, 3])
