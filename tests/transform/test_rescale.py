from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.transform import Rescale


def run(image: np.ndarray, rescale: Rescale, size: list[int]) -> np.ndarray:
    database = n2d2.database.Numpy()
    database.load([image], [0], "Test")
    provider = n2d2.provider.DataProvider(database, size)
    provider.add_transformation(rescale)
    return provider.read_batch(0).to_numpy()[0]


def bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Interpolate by matrices of weights, independent of the engine."""

    def weights(n_in: int, n_out: int) -> np.ndarray:
        at = np.clip((np.arange(n_out) + 0.5) * n_in / n_out - 0.5, 0, n_in - 1)
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n_in)))

    return np.einsum("ih,chw,jw->cij", weights(x.shape[1], height), x, weights(x.shape[2], width))


def test_by_hand() -> None:
    # Four outputs of two inputs lie at -0.25 (clamped to 0), 0.25, 0.75 and 1.25 (clamped to 1).
    y = run(np.array([[[0, 8]]], np.float32), Rescale(4, 1), [4, 1, 1])
    np.testing.assert_array_equal(y, [[[0, 2, 6, 8]]])
    # The mean of 10 and 21 is 15.5: bytes are rounded half up.
    y = run(np.array([[[10, 21]]], np.uint8), Rescale(1, 1), [1, 1, 1])
    np.testing.assert_array_equal(y, [[[np.float32(16) / np.float32(255)]]])


@pytest.mark.parametrize(("height", "width"), [(9, 5), (3, 20), (6, 7), (1, 1), (13, 13)])
def test_against_numpy(height: int, width: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 6, 7)).astype(np.float32)
    y = run(x, Rescale(width, height), [width, height, 3])
    np.testing.assert_allclose(y, bilinear(x, height, width), atol=1e-6)


def test_keeping_the_ratio() -> None:
    image = np.zeros((1, 10, 20), np.uint8)
    assert run(image, Rescale(32, 20, keep_aspect_ratio=True), [32, 16, 1]).shape == (1, 16, 32)
    cover = Rescale(32, 20, keep_aspect_ratio=True, resize_to_fit=False)
    assert run(image, cover, [40, 20, 1]).shape == (1, 20, 40)


def test_arguments() -> None:
    with pytest.raises(WrongValue, match="Rescale: parameter `width` is 0, expected an integer of at least 1"):
        Rescale(0, 4)
    with pytest.raises(WrongValue, match="Rescale: parameter `height` is 40000, expected at most 32768 pixels"):
        Rescale(4, 40_000)
    with pytest.raises(WrongInputType, match=r"Rescale: parameter `width` must be an int, got a float \(4\.5\)"):
        Rescale(4.5, 4)  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="Rescale: parameter `keep_aspect_ratio` must be a bool, got a str"):
        Rescale(4, 4, keep_aspect_ratio="yes")  # type: ignore[arg-type]
