"""Functions of one variable: values of NumPy, any rank, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import Function

X = np.array([-2.5, -1.5, -0.5, -0.25, 0.0, 0.25, 0.5, 1.5, 2.5], np.float32)
INSIDE = X / 3


@pytest.mark.parametrize(
    ("function", "options", "x", "expected"),
    [
        ("Abs", {}, X, np.abs(X)),
        ("Acos", {}, INSIDE, np.arccos(INSIDE)),
        ("Acosh", {}, X + 4, np.arccosh(X + 4)),
        ("Asinh", {}, X, np.arcsinh(X)),
        ("Atanh", {}, INSIDE, np.arctanh(INSIDE)),
        ("Ceil", {}, X, np.ceil(X)),
        ("Clip", {"minimum": -1}, X, np.maximum(X, -1)),
        ("Erf", {}, X, [math.erf(v) for v in X]),
        ("Exp", {}, X, np.exp(X)),
        ("Gelu", {}, X, [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in X]),
        ("HardSigmoid", {}, X, np.clip(0.2 * X + 0.5, 0, 1)),
        ("Log", {}, X + 3, np.log(X + 3)),
        ("Round", {}, X, np.round(X)),
        ("Sign", {}, X, np.sign(X)),
        ("Sigmoid", {}, X * 40, 1 / (1 + np.exp(-40 * X.astype(np.float64)))),
        ("Tan", {}, X, np.tan(X)),
        ("ThresholdedRelu", {"alpha": 0.5}, X, np.where(X > 0.5, X, 0)),
    ],
)
def test_values(function: str, options: dict[str, Any], x: Any, expected: Any) -> None:
    y = Function(function, **options)(Tensor.from_numpy(x.astype(np.float32)))
    np.testing.assert_allclose(y.to_numpy(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 3, 4), (2, 3, 2, 2), (1, 2, 1, 3, 2, 1)])
def test_any_rank_and_gradients(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    cell, given = Function("Sin"), Tensor.from_numpy(np.asarray(x))
    y = cell(given)
    assert y.shape() == list(shape)
    y.back_propagate(np.full(shape, 2.0))
    np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), 2 * np.cos(x), rtol=1e-6)


def test_errors() -> None:
    with pytest.raises(ValueError, match='f: parameter `function` is "Sine", expected one of Abs, Acos'):
        Function("Sine", name="f")
    with pytest.raises(ValueError, match=r"f: parameter `alpha` is 1\.0, expected nothing, Exp has no parameters"):
        Function("Exp", alpha=1.0, name="f")
    with pytest.raises(ValueError, match="f: inputs: expected one tensor, got 2 tensors"):
        Function("Exp", name="f")(Interface([Tensor([1, 2]), Tensor([1, 2])]))
    with pytest.raises(
        ValueError, match=r"f: input: expected a tensor of at most 6 axes that is not empty, got \[0, 2\]"
    ):
        Function("Exp", name="f")(Tensor([0, 2]))
