"""Values at other places: slices, repetitions, transpositions and concatenations by one table; gradients, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import Rearrange

CASES: list[Callable[[Any], Any]] = [
    lambda x: x[:, ::-1, 1:, ::2],
    lambda x: np.transpose(x, (3, 0, 2, 1)),
    lambda x: np.tile(x, (1, 2, 1, 3)),
    lambda x: np.pad(x, ((0, 0), (1, 1), (2, 0), (0, 1)), mode="reflect"),
    lambda x: x.reshape(6, 20),
    lambda x: np.broadcast_to(x[:, :1], (2, 3, 4, 5))[None],
    lambda x: np.take(x, [2, 2, 0], axis=1),
]


@pytest.mark.parametrize("case", CASES)
def test_moves_of_numpy_and_their_gradients(case: Callable[[Any], Any]) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    index = case(np.arange(x.size).reshape(x.shape))
    cell = Rearrange(index.ravel(), list(index.shape), sizes=[x.size])
    y = cell(Tensor.from_numpy(x))
    np.testing.assert_array_equal(y.to_numpy(), case(x))
    gy = np.random.default_rng(2).normal(size=index.shape).astype(np.float32)
    y.back_propagate(gy)
    expected = np.bincount(index.ravel(), gy.ravel(), x.size).reshape(x.shape)
    np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), expected, rtol=1e-5, atol=1e-6)


def test_inputs_are_counted_one_behind_the_other() -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1), np.arange(4, dtype=np.float32).reshape(2, 2) + 10
    cell = Rearrange([9, -1, 0, 6], [4], fill=0.5)
    y = cell([Tensor.from_numpy(a), Tensor.from_numpy(b)])
    assert list(y) == [13.0, 0.5, 0.0, 10.0]
    y.back_propagate(np.array([1.0, 2.0, 3.0, 4.0]))
    assert cell.get_diffoutputs(1).to_numpy().tolist() == [[4.0, 0.0], [0.0, 1.0]]


def test_each_stimulus_by_the_same_table() -> None:
    cell = Rearrange([2, 1, 0], [1, 3, 1], per_sample=True, name="r")
    for n in (2, 5):
        x = np.random.default_rng(n).normal(size=(n, 3, 1, 1)).astype(np.float32)
        np.testing.assert_array_equal(cell(Tensor.from_numpy(x)).to_numpy()[:, 0, :, 0], x[:, ::-1, 0, 0])


def test_printing_and_errors() -> None:
    text = "'r' Rearrange(Frame<float>)(index=[1], shape=[1], sizes=[], per_sample=False, fill=0.0 | activation=None)"
    assert str(Rearrange([1], [1], name="r")) == text
    with pytest.raises(ValueError, match=r"r: parameter `shape` is \[2\], expected at most 6 sizes whose product is 1"):
        Rearrange([1], [2], name="r")
    with pytest.raises(ValueError, match="r: parameter `index` is a list with 4 in it, expected integers from -1 to 3"):
        Rearrange([4], [1], sizes=[4], name="r")
    with pytest.raises(ValueError, match=r"r: elements of each input: expected \[4\], got \[5\]"):
        Rearrange([3], [1], sizes=[4], name="r")(Tensor([5]))
    with pytest.raises(
        ValueError, match="r: elements of each input: expected at least 4, the largest index and 1, got 3"
    ):
        Rearrange([3], [1], name="r")(Tensor([3]))
