"""Reductions: values of NumPy along any axes, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import Reduce

OPERATIONS: dict[str, Any] = {
    "Sum": np.sum,
    "Mean": np.mean,
    "Max": np.max,
    "Min": np.min,
    "Prod": np.prod,
    "L1": lambda x, **kw: np.abs(x).sum(**kw),
    "L2": lambda x, **kw: np.sqrt((x * x).sum(**kw)),
    "LogSum": lambda x, **kw: np.log(x.sum(**kw)),
    "LogSumExp": lambda x, **kw: np.log(np.exp(x).sum(**kw)),
    "SumSquare": lambda x, **kw: (x * x).sum(**kw),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [None, [1], [2, 3], [0, -1], []], ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_values(operation: str, axes: list[int] | None, keepdims: bool) -> None:
    x = np.random.default_rng(7).uniform(0.5, 1.5, (2, 11, 3, 4)).astype(np.float32)
    axis = None if axes is None else tuple(axes)
    expected = OPERATIONS[operation](x, axis=axis, keepdims=keepdims)
    y = Reduce(operation=operation, axes=axes, keepdims=keepdims)(Tensor.from_numpy(x))
    assert y.shape() == list(np.shape(expected))
    np.testing.assert_allclose(y.to_numpy(), expected, rtol=1e-5)


def test_gradient_and_sums_are_exact() -> None:
    cell = Reduce(operation="Mean", axes=[0, 2, 3])
    y = cell(Tensor([4, 2, 512, 512], value=0.1))
    assert list(y) == [np.float32(0.1)] * 2
    y.back_propagate(np.array([1.0, 2.0]).reshape(1, 2, 1, 1))
    assert cell.get_diffoutputs()[3, 1, 5, 6] == 2.0 / 2**20


def test_printing_and_errors() -> None:
    text = "'r' Reduce(Frame<float>)(operation=Operation.Mean, axes=[1], keepdims=True | activation=None)"
    assert str(Reduce(axes=[1], name="r")) == text
    with pytest.raises(ValueError, match=r"r: parameter `axes` is \[1, 1\], expected different integers from -6 to 5"):
        Reduce(axes=[1, 1], name="r")
    with pytest.raises(ValueError, match=r"r: `axes`: expected axes of an input \[2, 3\], got 2"):
        Reduce(axes=[2], name="r")(Tensor([2, 3]))
    with pytest.raises(ValueError, match="r: inputs: expected one tensor, got 2 tensors"):
        Reduce(name="r")(Interface([Tensor([2, 3]), Tensor([2, 3])]))
