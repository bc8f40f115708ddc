"""The activation layer."""

from __future__ import annotations

import pytest

from n2d2 import Tensor
from n2d2.activation import Rectifier, Tanh
from n2d2.cells import Activation


def test_it_works_on_a_copy() -> None:
    x = Tensor([1, 3])
    x.set_values([[-1, 0, 2]])
    cell = Activation(Rectifier(), name="relu")
    assert list(cell(x)) == [0.0, 0.0, 2.0]
    assert list(x) == [-1.0, 0.0, 2.0]
    assert (
        str(Activation(Tanh(), name="t")) == "'t' Activation(Frame<float>)(activation=Tanh(alpha=1.0, quantizer=None))"
    )


@pytest.mark.parametrize("wrong", [None, "Rectifier", Rectifier])
def test_it_needs_an_activation_function(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"Activation_\d+: parameter `activation` must be an"):
        Activation(wrong)
    cell = Activation(Rectifier())
    with pytest.raises(TypeError, match="parameter `activation` must be an"):
        cell.activation = wrong
    assert isinstance(cell.activation, Rectifier)
