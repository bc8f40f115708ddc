"""Activation functions: parameters, printing, errors, and effect at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.activation import Linear, Logistic, Rectifier, Saturation, Softplus, Swish, Tanh


@pytest.mark.parametrize(
    ("activation", "text"),
    [
        (Linear(), "Linear(clipping=0.0, quantizer=None)"),
        (Rectifier(leak_slope=0.1, clipping=6), "Rectifier(clipping=6.0, leak_slope=0.1, quantizer=None)"),
        (Tanh(alpha=0.5), "Tanh(alpha=0.5, quantizer=None)"),
        (Logistic(with_loss=True), "Logistic(with_loss=True, quantizer=None)"),
        (Saturation(threshold=2), "Saturation(threshold=2.0, quantizer=None)"),
        (Softplus(), "Softplus(quantizer=None)"),
        (Swish(), "Swish(quantizer=None)"),
    ],
)
def test_printing(activation: n2d2.activation.ActivationFunction, text: str) -> None:
    assert str(activation) == text
    assert not activation.has_quantizer()
    assert activation.N2D2() is activation.N2D2()


def test_a_change_reaches_every_cell_that_shares_the_object() -> None:
    relu = Rectifier()
    cells = [n2d2.cells.Activation(relu), n2d2.cells.Activation(relu)]
    x = n2d2.Tensor([1, 1], value=-2.0)
    assert [cell(x)[0] for cell in cells] == [0.0, 0.0]
    relu.leak_slope = 0.25
    assert [cell(x)[0] for cell in cells] == [-0.5, -0.5]


def test_the_gradient_is_that_of_the_function_of_the_call() -> None:
    relu = Rectifier()
    cell = n2d2.cells.Activation(relu)
    y = cell(n2d2.Tensor([1, 1], value=3.0))
    relu.clipping = 1.0
    y.back_propagate(np.ones((1, 1, 1, 1)))
    assert list(cell.get_diffoutputs()) == [1.0]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: Rectifier(leak_slope="a"),
        TypeError,
        'Rectifier: parameter `leak_slope` must be a float, got a str ("a")',
    ),
    (lambda: Rectifier(leak=0.1), ValueError, "Rectifier: `leak` is not a parameter"),
    (lambda: Rectifier(leakslope=0.1), ValueError, "did you mean `leak_slope`?"),
    (lambda: Tanh(alpha=True), TypeError, "Tanh: parameter `alpha` must be a float, got a bool (true)"),
    (
        lambda: Linear(quantizer=1),
        TypeError,
        "Linear: parameter `quantizer` must be None, got int; quantisation is not built",
    ),
    (
        lambda: setattr(Linear(), "quantizer", object()),
        TypeError,
        "Linear: parameter `quantizer` must be None, got object",
    ),
    (lambda: Linear().get_parameter("alpha"), ValueError, "Linear: `alpha` is not a parameter"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
