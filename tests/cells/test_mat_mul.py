"""Products of matrices: values and gradients of NumPy, errors."""

from __future__ import annotations

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import MatMul

SHAPES = [
    ((3, 4), (4, 5)),
    ((4,), (4, 2)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4, 5), (2, 1, 5, 40)),
    ((2, 1, 70, 3), (4, 3, 2)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_values_and_gradients(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.normal(size=s).astype(np.float32) for s in shapes)
    cell = MatMul()
    y = cell([Tensor.from_numpy(a), Tensor.from_numpy(b)])
    np.testing.assert_allclose(y.to_numpy(), a @ b, rtol=1e-5, atol=1e-5)
    gy = rng.normal(size=y.shape())
    y.back_propagate(gy)
    for k, x in enumerate((a, b)):
        expected = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[i] = 1.0
            expected[i] = (gy * ((step @ b) if k == 0 else (a @ step))).sum()
        np.testing.assert_allclose(cell.get_diffoutputs(k).to_numpy(), expected, rtol=1e-4, atol=1e-4)
    macs = cell.N2D2().statistics([list(s) for s in shapes])[1]
    assert macs == y.to_numpy().size * shapes[0][-1]


def test_printing_and_errors() -> None:
    cell = MatMul(name="m")
    assert str(cell) == "'m' MatMul(Frame<float>)(activation=None)"
    with pytest.raises(ValueError, match="m: inputs: expected two tensors, got 1 tensors"):
        cell(Tensor([2, 2]))
    with pytest.raises(ValueError, match="m: rows of the second input: expected 3, the columns of the first"):
        cell([Tensor([2, 3]), Tensor([2, 3])])
    with pytest.raises(TypeError, match=r"m received an input of type numpy\.ndarray"):
        cell([np.zeros((2, 2)), Tensor([2, 2])])  # type: ignore[list-item]
