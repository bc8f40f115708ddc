"""Batch normalisation: parameters, statistics, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Tensor
from n2d2.cells import BatchNorm2d
from n2d2.solver import SGD, Adam


def test_printing() -> None:
    assert str(BatchNorm2d(6, name="bn")) == (
        "'bn' BatchNorm2d(Frame<float>)(nb_inputs=6 | back_propagate=True, epsilon=1e-05, moving_average_momentum=0.1, "
        f"activation=None, scale_solver={SGD()}, bias_solver={SGD()})"
    )


def test_statistics_share_memory() -> None:
    norm = BatchNorm2d(2, epsilon=1, name="bn")
    assert norm.epsilon == 1.0
    for name, start in (("scales", 1.0), ("biases", 0.0), ("means", 0.0), ("variances", 1.0)):
        tensor = getattr(norm, f"get_{name}")()
        assert (tensor.shape(), list(tensor)) == ([1, 2, 1, 1], [start, start])
    norm.get_variances()[0] = 3.0
    norm.get_means().to_numpy()[...] = 1.0
    y = norm.test()(Tensor([1, 2, 1, 1], value=5.0))
    assert list(y) == pytest.approx([2.0, 4 / np.sqrt(2)])


def test_learning_and_parameters_at_run_time() -> None:
    norm = BatchNorm2d(1, moving_average_momentum=0.5, solver=SGD(learning_rate=1.0))
    x = Tensor([2, 1])
    x.set_values([[1], [3]])
    y = norm(x)
    assert list(y) == pytest.approx([-1.0, 1.0], rel=1e-4)
    assert (norm.get_means()[0], norm.get_variances()[0]) == (1.0, 0.5 * 2 + 0.5)
    y.back_propagate(np.ones((2, 1, 1, 1)))
    y.update()
    assert norm.get_biases()[0] == 1.0
    norm.moving_average_momentum = 0
    norm(x)
    assert norm.get_means()[0] == 1.0
    norm.epsilon = 0.0
    assert norm.epsilon == 1e-5
    norm.scale_solver = adam = Adam()
    assert norm.scale_solver is adam
    norm.set_solver_parameter("learning_rate", 0.25)
    assert (adam.learning_rate, norm.bias_solver.get_parameter("learning_rate")) == (0.25, 0.25)
    assert norm.has_bias()
    assert not norm.has_quantizer()


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: BatchNorm2d("2", name="e"), TypeError, "e: parameter `nb_inputs` must be an int"),
    (lambda: BatchNorm2d(2, 2), RuntimeError, "BatchNorm2d: nb_input_cells must be 1, got 2"),
    (lambda: BatchNorm2d(2, epsilon=-1.0, name="e"), ValueError, "e: parameter `epsilon` is -1"),
    (
        lambda: BatchNorm2d(2, moving_average_momentum=1.0, name="e"),
        ValueError,
        "e: parameter `moving_average_momentum` is 1",
    ),
    (lambda: BatchNorm2d(2, epsilon="a", name="e"), TypeError, "e: parameter `epsilon` must be a float"),
    (lambda: BatchNorm2d(2, filler=n2d2.filler.Normal()), ValueError, "BatchNorm2d: `filler` is not a parameter"),
    (
        lambda: BatchNorm2d(2, scale_solver=1, name="e"),
        TypeError,
        "e: parameter `scale_solver` must be an n2d2.solver.Solver",
    ),
    (
        lambda: BatchNorm2d(4, name="e")(Tensor([1, 3, 2, 2])),
        ValueError,
        "e : expected an input with 4 channels got a tensor with 3 instead.",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
