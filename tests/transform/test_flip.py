from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import WrongInputType
from n2d2.transform import Flip

IMAGE = np.arange(12, dtype=np.float32).reshape(2, 2, 3)


def database(count: int) -> n2d2.database.Numpy:
    n2d2.global_variables.seed = 1
    made = n2d2.database.Numpy(random_partitioning=False)
    made.load([IMAGE] * count, [0] * count, "Test")
    return made


@pytest.mark.parametrize(
    ("flip", "expected"),
    [
        (Flip(), IMAGE),
        (Flip(horizontal_flip=True), IMAGE[:, :, ::-1]),
        (Flip(vertical_flip=True), IMAGE[:, ::-1]),
        (Flip(horizontal_flip=True, vertical_flip=True), IMAGE[:, ::-1, ::-1]),
    ],
    ids=str,
)
def test_fixed_flips(flip: Flip, expected: np.ndarray) -> None:
    provider = n2d2.provider.DataProvider(database(1), [3, 2, 2])
    provider.add_transformation(flip)
    np.testing.assert_array_equal(provider.read_batch(0).to_numpy()[0], expected)


def test_random_flips_differ_by_stimulus_and_epoch_and_repeat_with_the_seed() -> None:
    def two_epochs(seed: int, on_the_fly: bool) -> np.ndarray:
        provider = n2d2.provider.DataProvider(database(64), [3, 2, 2], batch_size=64)
        flip = Flip(random_horizontal_flip=True)
        if on_the_fly:
            provider.add_on_the_fly_transformation(flip)
        else:
            provider.add_transformation(flip)
        n2d2.global_variables.seed = seed
        return np.array([[x[0, 0, 0] for x in batch.to_numpy()] for _ in range(2) for batch in provider])

    first = two_epochs(1, on_the_fly=True)
    assert set(first.ravel()) == {0.0, 2.0}
    assert 16 <= (first == 2.0).sum(axis=1).min() <= (first == 2.0).sum(axis=1).max() <= 48
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(two_epochs(1, on_the_fly=True), first)
    assert (two_epochs(2, on_the_fly=True) != first).any()
    once = two_epochs(1, on_the_fly=False)
    np.testing.assert_array_equal(once[0], once[1])


def test_types() -> None:
    with pytest.raises(WrongInputType, match=r"Flip: parameter `horizontal_flip` must be a bool, got an int \(1\)"):
        Flip(horizontal_flip=1)  # type: ignore[arg-type]
