"""Padding: each side, crops, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import Padding
from support import reference


def test_printing_and_reading() -> None:
    pad = Padding(-1, -1, -1, -1, name="Padding_0")
    text = "'Padding_0' Padding(Frame)(top_pad=-1, bot_pad=-1, left_pad=-1, right_pad=-1 | activation=None)"
    assert str(pad) == text
    assert [pad.get_parameter(f"{side}_pad") for side in ("top", "bot", "left", "right")] == [-1, -1, -1, -1]
    assert pad.dims() == []
    named = Padding(top_pad=1, bot_pad=2, left_pad=3, right_pad=4)
    assert named(Tensor([5, 2, 6, 7])).shape() == [5, 2, 9, 14]
    assert named.dims() == [14, 9, 2, 5]


@pytest.mark.parametrize(
    "sides", [(1, 2, 3, 0), (-1, 1, 2, -1), (-1, -1, -1, -2), (0, 0, 0, 0), (5, -4, 0, 0), (0, 0, -7, 9)], ids=str
)
def test_values_and_gradients(sides: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 5, 4, 6)).astype(np.float32)
    pad, expected = Padding(*sides), reference.Padding(*sides)
    y = pad(Tensor.from_numpy(x))
    assert (y.to_numpy() == expected.forward(x)).all()
    g = rng.normal(size=y.shape()).astype(np.float32)
    y.back_propagate(g)
    assert (pad.get_diffoutputs().to_numpy() == expected.backward(g)).all()


def test_inputs_are_joined_along_channels() -> None:
    pad, a, b = Padding(1, 0, 0, 0), Tensor([1, 2, 1, 1], value=1.0), Tensor([1, 1, 1, 1], value=2.0)
    assert list(pad(Interface([a, b]))) == [0.0, 1.0, 0.0, 1.0, 0.0, 2.0]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Padding("1", 0, 0, 0, name="e"), TypeError, 'e: parameter `top_pad` must be an int, got a str ("1")'),
    (lambda: Padding(1, 0.5, 0, 0, name="e"), TypeError, "e: parameter `bot_pad` must be an int, got a float (0.5)"),
    (lambda: Padding(1, 0, True, 0, name="e"), TypeError, "e: parameter `left_pad` must be an int, got a bool (true)"),
    (
        lambda: Padding(1, 0, 0, 1 << 20, name="e"),
        ValueError,
        "e: parameter `right_pad` is 1048576, expected an integer from -32768 to 32768",
    ),
    (lambda: Padding(1, 0, 0, None, name="e"), TypeError, "e: parameter `right_pad` must have a value, got None"),
    (lambda: Padding(1, 0, 0, 0, datatype="float"), ValueError, "Padding: `datatype` is not a parameter"),
    (lambda: Padding(1, 0, 0, 0, bottom_pad=1), ValueError, "Padding: `bottom_pad` is not a parameter; did you mean"),
    (
        lambda: Padding(0, -2, 0, -1, name="e")(Tensor([1, 1, 2, 3])),
        ValueError,
        "e: height and width of the output: expected at least 1, got [0, 2] from [2, 3]; crop less",
    ),
    (
        lambda: Padding(1, 0, 0, 0, name="e").set_parameter("top_pad", 2),
        RuntimeError,
        "e: `top_pad` is an argument of the constructor",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
