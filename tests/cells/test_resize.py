"""Resize: each mode, corners, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.cells import Resize
from support import reference


def test_printing_and_reading() -> None:
    resize = Resize(16, 9, "BilinearTF", name="Resize_0")
    assert str(resize) == (
        "'Resize_0' Resize(Frame)(outputs_width=16, outputs_height=9, resize_mode=ResizeMode.BilinearTF | "
        "align_corners=True, activation=None)"
    )
    assert (resize.get_parameter("resize_mode"), resize.align_corners) == ("BilinearTF", True)
    assert resize(Tensor([2, 3, 4, 5])).shape() == [2, 3, 9, 16]
    assert resize.dims() == [16, 9, 3, 2]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("mode", ["NearestNeighbor", "Bilinear", "BilinearTF"])
def test_values_and_gradients(mode: str, align_corners: bool, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(n2d2.global_variables, "nb_threads", threads)
    rng = np.random.default_rng(1)
    for shape, width, height in (
        ((3, 17, 4, 6), 12, 8),
        ((2, 1, 5, 3), 2, 11),
        ((1, 2, 7, 9), 1, 1),
        ((1, 3, 1, 1), 4, 3),
    ):
        x = rng.normal(size=shape).astype(np.float32)
        resize = Resize(width, height, mode, align_corners=align_corners)
        expected = reference.Resize(width, height, mode, align_corners)
        y = resize(Tensor.from_numpy(x))
        np.testing.assert_allclose(y.to_numpy(), expected.forward(x.astype(float)), 1e-5, 1e-6)
        g = rng.normal(size=y.shape()).astype(np.float32)
        y.back_propagate(g)
        np.testing.assert_allclose(resize.get_diffoutputs().to_numpy(), expected.backward(g.astype(float)), 1e-5, 1e-5)


def test_alignment_may_change() -> None:
    resize, x = Resize(4, 1, "BilinearTF"), Tensor([1, 1, 1, 2])
    x.set_values([[[[0, 6]]]])
    assert list(resize(x)) == [0.0, 2.0, 4.0, 6.0]
    resize.align_corners = False
    assert list(resize(x)) == [0.0, 3.0, 6.0, 6.0]
    resize.set_parameter("align_corners", True)
    assert list(resize(x)) == [0.0, 2.0, 4.0, 6.0]


def test_inputs_are_joined_along_channels() -> None:
    a, b = Tensor([1, 2, 1, 1], value=1.0), Tensor([1, 1, 1, 1], value=2.0)
    assert list(Resize(2, 1, "NearestNeighbor")(Interface([a, b]))) == [1.0, 1.0, 1.0, 1.0, 2.0, 2.0]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: Resize(1.0, 1, "Bilinear", name="e"),
        TypeError,
        "e: parameter `outputs_width` must be an int, got a float",
    ),
    (
        lambda: Resize(3, 0, "Bilinear", name="e"),
        ValueError,
        "e: parameter `outputs_height` is 0, expected an integer of at least 1",
    ),
    (
        lambda: Resize(-3, 1, "Bilinear", name="e"),
        ValueError,
        "e: parameter `outputs_width` is -3, expected an integer",
    ),
    (
        lambda: Resize(1 << 40, 1, "Bilinear", name="e"),
        ValueError,
        "e: parameter `outputs_width` is 1099511627776, expected at most 32768 pixels",
    ),
    (
        lambda: Resize(3, 3, "Cubic", name="e"),
        ValueError,
        'e: parameter `resize_mode` is "Cubic", expected one of NearestNeighbor, Bilinear, BilinearTF',
    ),
    (lambda: Resize(3, 3, 1, name="e"), TypeError, "e: parameter `resize_mode` must be a str, got an int (1)"),
    (
        lambda: Resize(3, 3, "Bilinear", align_corners=1, name="e"),
        TypeError,
        "e: parameter `align_corners` must be a bool, got an int (1)",
    ),
    (
        lambda: setattr(Resize(3, 3, "Bilinear", name="e"), "align_corners", "yes"),
        TypeError,
        'e: parameter `align_corners` must be a bool, got a str ("yes")',
    ),
    (
        lambda: Resize(3, 3, "Bilinear", name="e").set_parameter("outputs_width", 2),
        RuntimeError,
        "e: `outputs_width` is an argument of the constructor",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
