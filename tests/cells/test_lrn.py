"""Local response normalisation: against the formula, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import LRN


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_values_and_gradients(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(2, 7, 3, 2)).astype(np.float32)
    gy = rng.normal(size=x.shape)

    def formula(x: Any) -> Any:
        y = np.empty(x.shape)
        for c in range(7):
            window = x[:, max(0, c - (n - 1) // 2) : c + n // 2 + 1].astype(np.float64)
            y[:, c] = x[:, c] * (1.5 + 0.3 / n * (window**2).sum(1)) ** -0.6
        return y

    cell = LRN(n=n, alpha=0.3, beta=0.6, k=1.5)
    y = cell(Tensor.from_numpy(x))
    np.testing.assert_allclose(y.to_numpy(), formula(x), rtol=1e-5)
    y.back_propagate(gy)
    wide, gx = x.astype(np.float64), np.empty(x.shape)
    for i in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[i] = 1e-5
        gx[i] = ((formula(wide + step) - formula(wide - step)) * gy).sum() / 2e-5
    np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), gx, rtol=1e-3, atol=1e-5)


def test_printing_and_errors() -> None:
    text = "'l' LRN(Frame<float>)(n=5, alpha=0.0001, beta=0.75, k=2.0 | activation=None)"
    assert str(LRN(name="l")) == text
    with pytest.raises(ValueError, match="l: parameter `n` is 0, expected an integer of at least 1"):
        LRN(n=0, name="l")
    with pytest.raises(TypeError, match="l: parameter `beta` must be a float"):
        LRN(beta="1", name="l")
