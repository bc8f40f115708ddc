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


def test_statistics_can_be_set() -> None:
    norm = BatchNorm2d(3, epsilon=1e-9, name="bn").test()
    values = {
        "scales": [1.0, 2.0, -1.0],
        "biases": [0.5, 0.0, 1.0],
        "means": [1.0, 2.0, 3.0],
        "variances": [4.0, 1.0, 0.0],
    }
    for k, (name, numbers) in enumerate(values.items()):
        before = getattr(norm, f"get_{name}")()
        kind = (np.float32, np.float64)[k % 2]
        array = np.array(numbers, kind).reshape([3] if k < 2 else [1, 3, 1, 1])
        getattr(norm, f"set_{name}")(Tensor.from_numpy(array))
        assert list(getattr(norm, f"get_{name}")()) == list(before) == numbers
    x = Tensor.from_numpy(np.array([[3.0, 3.0, 3.0]], np.float32))
    assert list(norm(x)) == pytest.approx([1.5, 2.0, 1.0], rel=1e-6)
    norm.set_means(Tensor([3], value=3, datatype="int"))
    assert list(norm(x)) == pytest.approx([0.5, 0.0, 1.0], rel=1e-6)


@pytest.mark.parametrize("name", ["scales", "biases", "means", "variances"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, 1e300])
def test_statistics_that_cannot_be(name: str, bad: float) -> None:
    norm = BatchNorm2d(2, name="bn")
    before = list(getattr(norm, f"get_{name}")())
    tensor = Tensor.from_numpy(np.array([0.5, bad]))
    one = {"scales": "scale", "biases": "bias", "means": "mean", "variances": "variance"}[name]
    if bad == -1.0 and name != "variances":
        getattr(norm, f"set_{name}")(tensor)
        assert list(getattr(norm, f"get_{name}")()) == [0.5, -1.0]
        return
    what = "is negative: -1.0" if bad == -1.0 else f"is not finite in single precision: {bad}"
    with pytest.raises(n2d2.error_handler.DataError) as raised:
        getattr(norm, f"set_{name}")(tensor)
    assert str(raised.value) == f"bn: set_{name}: {one} 1 {what}"
    assert list(getattr(norm, f"get_{name}")()) == before


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
    (
        lambda: BatchNorm2d(2, name="e").set_means([1, 2]),
        TypeError,
        "e: set_means: means must be of type Tensor, got list",
    ),
    (
        lambda: BatchNorm2d(2, name="e").set_scales(Tensor([3])),
        ValueError,
        "e: set_scales: expected shape [2] or [1, 2, 1, 1], got [3]",
    ),
    (
        lambda: BatchNorm2d(2, name="e").set_biases(Tensor([2], datatype="bool")),
        TypeError,
        "e: set_biases: expected a tensor of numbers, got one of datatype 'bool'",
    ),
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
