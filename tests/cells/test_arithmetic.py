"""Arithmetic with broadcasting: values of NumPy, summed gradients, constants, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import Arithmetic, Conv

OPERATIONS: dict[str, Any] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power, "Min": np.minimum,
    "Max": np.maximum, "Mod": np.mod, "Fmod": np.fmod, "Mean": lambda a, b: (a + b) / 2,
}  # fmt: skip
SHAPES = [
    ((2, 3, 4, 5), (2, 3, 4, 5)),
    ((2, 9, 4, 5), (2, 9, 1, 1)),
    ((9, 1, 1), (2, 9, 4, 5)),
    ((2, 1), (3,)),
    ((1,), (2,)),
]


def sums(array: Any, shape: tuple[int, ...]) -> Any:
    array = array.sum(tuple(range(array.ndim - len(shape))))
    return array.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_values(operation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(4)
    a, b = (np.asarray(rng.uniform(0.5, 2.0, s), np.float32) for s in shapes)
    expected = OPERATIONS[operation](a, b)
    y = Arithmetic(operation=operation)([Tensor.from_numpy(a), Tensor.from_numpy(b)])
    np.testing.assert_allclose(y.to_numpy(), expected, rtol=1e-5, atol=1e-6)
    for first in (False, True):
        constant, x = (a, b) if first else (b, a)
        y = Arithmetic(operation=operation, constant=constant, constant_first=first)(Tensor.from_numpy(x))
        np.testing.assert_allclose(y.to_numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gradients_are_summed_over_repeated_axes(shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(5)
    a, b = (np.asarray(rng.normal(size=s), np.float32) for s in shapes)
    cell = Arithmetic(operation="Mul")
    y = cell([Tensor.from_numpy(a), Tensor.from_numpy(b)])
    gy = rng.normal(size=y.shape())
    y.back_propagate(gy)
    np.testing.assert_allclose(cell.get_diffoutputs(0).to_numpy(), sums(gy * b, a.shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cell.get_diffoutputs(1).to_numpy(), sums(gy * a, b.shape), rtol=1e-4, atol=1e-5)


def test_inside_a_network() -> None:
    conv, scale = Conv(2, 3, [1, 1], name="c"), Arithmetic(operation="Mul", constant=[[[1.0]], [[0.0]], [[2.0]]])
    y = scale(conv(Tensor([2, 2, 3, 3], value=1.0)))
    y.back_propagate(np.ones((2, 3, 3, 3)))
    assert [conv.get_diffinputs()[0, c, 0, 0] for c in range(3)] == [1.0, 0.0, 2.0]
    # A matrix is one stimulus of rank 2 for this cell, and [n, c, 1, 1] for others.
    x = Tensor([2, 2], value=1.0)
    assert Conv(2, 3, [1, 1])(x).shape() == [2, 3, 1, 1]
    assert scale(x).shape() == [3, 2, 2]
    assert Arithmetic(operation="Add", constant=1)(x).shape() == [2, 2]


def test_errors() -> None:
    two = [Tensor([2, 3]), Tensor([3, 2])]
    text = "a: shapes of the inputs: expected sizes that are equal or 1, counted from the last axis, "
    expected = text + r"got \[\[2, 3\], \[3, 2\]\]"
    with pytest.raises(ValueError, match=expected):
        Arithmetic(name="a")(two)
    with pytest.raises(ValueError, match="a: operands: expected two inputs, or one and a `constant`, got 1 inputs"):
        Arithmetic(name="a")(Tensor([2, 3]))
    with pytest.raises(TypeError, match="a: parameter `constant` must be an array of numbers, got str"):
        Arithmetic(constant="x", name="a")
    with pytest.raises(
        ValueError, match=r"a: parameter `constant` has the shape \[0\], expected an array of at most 6"
    ):
        Arithmetic(constant=[], name="a")
    with pytest.raises(ValueError, match="a: parameter `constant` is missing"):
        Arithmetic(constant_first=True, name="a")
    with pytest.raises(ValueError, match='a: parameter `operation` is "Plus", expected one of Add'):
        Arithmetic(operation="Plus", name="a")
