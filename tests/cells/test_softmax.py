"""Softmax: groups, the loss, errors."""

from __future__ import annotations

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import Softmax


def test_printing_and_writing_of_with_loss() -> None:
    softmax = Softmax(with_loss=True, name="s")
    assert str(softmax) == "'s' Softmax(Frame<float>)(with_loss=True, group_size=0 | activation=None)"
    softmax.with_loss = False
    assert not softmax.with_loss
    softmax.set_parameter("with_loss", True)
    assert softmax.with_loss
    with pytest.raises(TypeError, match=r"s: parameter `with_loss` must be a bool, got an int \(1\)"):
        softmax.with_loss = 1
    with pytest.raises(RuntimeError, match="s: `group_size` is not settable after construction"):
        softmax.group_size = 2


def test_the_loss_passes_the_gradient() -> None:
    x, g = Tensor([1, 2], value=1.0), np.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    for with_loss, expected in ((True, [1.0, -1.0]), (False, [0.5, -0.5])):
        softmax = Softmax(with_loss=with_loss)
        softmax(x).back_propagate(g)
        assert list(softmax.get_diffoutputs()) == expected


def test_groups() -> None:
    y = Softmax(group_size=2)(Tensor([1, 4, 1, 3], value=2.0))
    assert list(y) == [0.5] * 12
    with pytest.raises(ValueError, match="three: "):
        Softmax(group_size=3, name="three")(Tensor([1, 4]))
    with pytest.raises(TypeError, match="parameter `group_size` must be an int"):
        Softmax(group_size=True)
