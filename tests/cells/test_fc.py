"""Fully connected layer: order of the inputs, weights, options, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import Conv, Fc
from n2d2.filler import Constant
from n2d2.solver import SGD

ONE = Constant(value=1.0)


def test_weights_follow_channel_height_width_order() -> None:
    """After a convolution the activations lie channels-last in memory; the weights must not notice."""
    fc = Fc(12, 1, no_bias=True, filler=Constant(value=0.0))
    for i in range(12):
        fc.set_weight(0, i, Tensor([1], value=float(i)))
    x = np.random.default_rng(2).normal(size=(2, 3, 2, 2)).astype(np.float32)
    expected = (x.reshape(2, 12) * np.arange(12)).sum(1)
    assert fc(Tensor.from_numpy(x)).to_numpy().ravel() == pytest.approx(expected, rel=1e-5)
    identity = Conv(3, 3, [1, 1], no_bias=True, filler=Constant(value=0.0))
    for c in range(3):
        identity.set_weight(c, c, Tensor([1, 1], value=1.0))
    assert fc(identity(Tensor.from_numpy(x))).to_numpy().ravel() == pytest.approx(expected, rel=1e-5)
    assert [w[0] for w in fc.get_weights()[0]] == list(range(12))
    fc.set_weight(0, 5, Tensor([1], value=-1.0))
    assert fc.get_weight(0, 5)[0] == -1.0
    assert fc(Tensor.from_numpy(x))[0] == pytest.approx(expected[0] - 6 * x[0].ravel()[5], rel=1e-4)


def test_several_input_cells() -> None:
    fc = Fc(2, 1, 2, filler=ONE)
    y = fc(Interface([Tensor([1, 2], value=1.0), Tensor([1, 2], value=2.0)]))
    assert y[0] == 1 + 1 + 2 + 2 + 1
    assert len(fc.get_weights()[0]) == 4


def test_options_at_run_time() -> None:
    fc = Fc(4, 1, no_bias=True, filler=ONE, drop_connect=1, normalize=False)
    assert repr(fc.drop_connect) == "1.0"
    x = Tensor([1, 4], value=1.0)
    fc.drop_connect = 0.5
    outputs = {fc(x)[0] for _ in range(50)}
    assert outputs <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert len(outputs) > 2
    assert fc.test()(x)[0] == 4.0
    fc.learn().set_parameter("drop_connect", 1.0)
    fc.normalize = True
    assert fc(x)[0] == pytest.approx(2.0, rel=1e-6)


def test_a_step_by_hand() -> None:
    fc = Fc(2, 2, filler=ONE, solver=SGD(learning_rate=0.1))
    x = Tensor([2, 2])
    x.set_values([[1, 2], [3, 4]])
    y = fc(x)
    assert y.to_numpy().reshape(2, 2).tolist() == [[4.0, 4.0], [8.0, 8.0]]
    y.back_propagate(np.array([[1, 0], [0, 2]], np.float32).reshape(2, 2, 1, 1))
    assert fc.N2D2().grad("weights").tolist() == [[1.0, 2.0], [6.0, 8.0]]
    assert fc.N2D2().grad("bias").tolist() == [1.0, 2.0]
    assert fc.get_diffoutputs().to_numpy().reshape(2, 2).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    y.update()
    assert np.allclose(fc.N2D2().param("weights"), [[1.05, 1.1], [1.3, 1.4]])
    assert np.allclose(fc.N2D2().param("bias"), [1.05, 1.1])


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Fc(2.0, 2, name="e"), TypeError, "e: parameter `nb_inputs` must be an int, got a float (2.0)"),
    (lambda: Fc(2, 0, name="e"), ValueError, "e: parameter `nb_outputs` is 0, expected an integer of at least 1"),
    (
        lambda: Fc(2, 2, drop_connect=0.0, name="e"),
        ValueError,
        "e: parameter `drop_connect` is 0, expected a probability",
    ),
    (lambda: Fc(2, 2, drop_connect="a", name="e"), TypeError, "e: parameter `drop_connect` must be a float"),
    (lambda: Fc(2, 2, normalise=True), ValueError, "Fc: `normalise` is not a parameter; did you mean `normalize`?"),
    (lambda: Fc(2, 2, weights_export_format="OCHW", name="e"), ValueError, "is 'OCHW', expected one of OC, CO"),
    (lambda: Fc(4, 2, mapping=Tensor([4, 2], datatype="bool")), RuntimeError, "Fc: `mapping` is not built yet"),
    (lambda: Fc(4, 2, name="e")(Tensor([1, 3])), RuntimeError, "e: "),
    (lambda: Fc(4, 2, name="e").get_weight(0, 4), ValueError, "e: channel_index is 4, expected an integer from 0 to 3"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
