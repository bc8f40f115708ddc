"""The activation layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.activation import Linear, Logistic, Rectifier, Saturation, Softplus, Swish, Tanh
from n2d2.cells import Activation, Conv
from support import reference


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


FUNCTIONS: list[tuple[Any, dict[str, Any]]] = [
    (Linear, {}),
    (Linear, {"clipping": 1.5}),
    (Rectifier, {}),
    (Rectifier, {"leak_slope": 0.1, "clipping": 2.0}),
    (Tanh, {"alpha": 0.7}),
    (Logistic, {}),
    (Logistic, {"with_loss": True}),
    (Saturation, {"threshold": 0.8}),
    (Softplus, {}),
    (Swish, {}),
]


@pytest.mark.parametrize(("function", "parameters"), FUNCTIONS)
def test_values_and_gradients_are_those_of_the_formula(function: Any, parameters: dict[str, Any]) -> None:
    """As a layer of its own, and at the end of a convolution that could apply it itself."""
    x = np.random.default_rng(1).normal(0, 3, size=(3, 5, 7, 3)).astype(np.float32)
    g = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    formula = reference.Activation(function.__name__, **parameters)
    y, gx = formula.forward(x.astype(float)), formula.backward(g.astype(float))
    activation = function(**parameters)
    identity = Conv(5, 5, [1, 1], no_bias=True, activation=activation)
    for o in range(5):
        for c in range(5):
            identity.set_weight(o, c, Tensor([1, 1], value=float(o == c)))
    for cell in (Activation(activation), identity):
        output = cell(Tensor.from_numpy(x))
        np.testing.assert_allclose(output.to_numpy(), y, rtol=2e-6, atol=1e-7)
        output.back_propagate(g)
        np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), gx, rtol=5e-6, atol=1e-6)
