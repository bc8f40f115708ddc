"""Transpose: order of the axes, printing, errors."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import Transpose
from support import reference


def test_printing_and_reading() -> None:
    transpose = Transpose([1, 0, 2, 3], name="t")
    assert str(transpose) == "'t' Transpose(Frame<float>)(perm=[1, 0, 2, 3] | activation=None)"
    assert transpose.get_parameter("perm") == [1, 0, 2, 3]


@pytest.mark.parametrize("perm", [*permutations(range(3)), (1, 0), (0,), (2, 0, 1, 3)], ids=str)
def test_values_and_gradients(perm: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 18, 4, 5)).astype(np.float32)
    transpose, expected = Transpose(list(perm)), reference.Transpose(perm)
    y = transpose(Tensor.from_numpy(x))
    assert (y.to_numpy() == expected.forward(x)).all()
    full = [*perm, 0, 1, 2, 3][: len(perm)] + list(range(len(perm), 4))
    assert transpose.dims() == [[5, 4, 18, 2][axis] for axis in full]
    g = rng.normal(size=y.shape()).astype(np.float32)
    y.back_propagate(g)
    assert (transpose.get_diffoutputs().to_numpy() == expected.backward(g)).all()


def test_width_and_height_are_the_last_axes_of_an_array() -> None:
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert (Transpose([1, 0, 2, 3])(Tensor.from_numpy(x)).to_numpy() == x.transpose(0, 1, 3, 2)).all()


def test_inputs_are_joined_along_channels() -> None:
    a, b = Tensor([1, 2, 1, 1], value=1.0), Tensor([1, 1, 1, 1], value=2.0)
    y = Transpose([2, 1, 0])(Interface([a, b]))
    assert (y.shape(), list(y)) == ([1, 1, 1, 3], [1.0, 1.0, 2.0])


PERMUTATION = "expected a permutation of [0, 1, 2, 3], which stand for width, height, channels and batch"
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Transpose("10", name="e"), TypeError, 'e: parameter `perm` must be a list of int, got a str ("10")'),
    (lambda: Transpose([0.5, 1], name="e"), TypeError, "e: parameter `perm` must be a list of int"),
    (lambda: Transpose([], name="e"), ValueError, f"e: parameter `perm` is [], {PERMUTATION}"),
    (lambda: Transpose([0, 0, 1], name="e"), ValueError, f"e: parameter `perm` is [0, 0, 1], {PERMUTATION}"),
    (lambda: Transpose([1, 2], name="e"), ValueError, f"e: parameter `perm` is [1, 2], {PERMUTATION}"),
    (
        lambda: Transpose([0, 1, 3, 2], name="e"),
        ValueError,
        "e: parameter `perm` is [0, 1, 3, 2], expected 3, the batch, at the last place: it cannot be moved",
    ),
    (
        lambda: Transpose([1, 0], name="e").set_parameter("perm", [0, 1]),
        RuntimeError,
        "e: `perm` is an argument of the constructor",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
