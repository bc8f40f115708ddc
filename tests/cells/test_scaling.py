"""Scaling: each kind of factor, modes, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.cells import Scaling
from n2d2.scaling import DoubleShiftScaling, FixedPointScaling, FloatingPointScaling, ScalingObject, SingleShiftScaling
from support import reference


def test_printing_and_reading() -> None:
    factors = FixedPointScaling(8, [1, 2])
    scaling = Scaling(factors, name="s")
    assert scaling.get_parameter("scaling") is factors
    assert str(scaling) == (
        "'s' Scaling(Frame<float>)(scaling=FixedPointScaling(nb_fractional_bits=8, scaling=[1, 2], "
        "is_clipped=False, clipping=[]) | activation=None)"
    )


KINDS: list[tuple[ScalingObject, reference.Scaling]] = [
    (FloatingPointScaling([0.5, -2.0, 3.0]), reference.Scaling([0.5, -2.0, 3.0])),
    (
        FloatingPointScaling([0.5, -2.0, 3.0], True, [4.0, 1.0, 60.0]),
        reference.Scaling([0.5, -2.0, 3.0], limits=[4.0, 1.0, 60.0]),
    ),
    (FixedPointScaling(4, [5, -40, 16]), reference.Scaling([5 / 16, -2.5, 1.0], rounds=True)),
    (
        FixedPointScaling(4, [5, -40, 16], True, [2.5, 30.0, 7.0]),
        reference.Scaling([5 / 16, -2.5, 1.0], rounds=True, limits=[2.5, 30.0, 7.0]),
    ),
    (SingleShiftScaling([0, 2, -3]), reference.Scaling([1.0, 0.25, 8.0], rounds=True)),
    (
        SingleShiftScaling([0, 2, -3], True, [3, 0, 6]),
        reference.Scaling([1.0, 0.25, 8.0], rounds=True, limits=[8.0, 1.0, 64.0]),
    ),
    (DoubleShiftScaling([[1, 3], [0, 0], [2, -1]]), reference.Scaling([0.625, 2.0, 2.25], rounds=True)),
    (
        DoubleShiftScaling([[1, 3], [0, 0], [2, -1]], True, [[2, 0], [4, 3], [5, 1]]),
        reference.Scaling([0.625, 2.0, 2.25], rounds=True, limits=[5.0, 24.0, 34.0]),
    ),
]


@pytest.mark.parametrize("learn", [True, False])
@pytest.mark.parametrize(("factors", "expected"), KINDS, ids=[str(k) for k, _ in KINDS])
def test_values_and_gradients(factors: ScalingObject, expected: reference.Scaling, learn: bool) -> None:
    rng = np.random.default_rng(1)
    # Quarters, so that many products are halves.
    x = (rng.integers(-100, 100, size=(4, 3, 5, 6)) / 4).astype(np.float32)
    scaling = Scaling(factors)
    y = (scaling.learn() if learn else scaling.test())(Tensor.from_numpy(x))
    assert (y.to_numpy() == expected.forward(x.astype(float)).astype(np.float32)).all()
    g = rng.normal(size=y.shape()).astype(np.float32)
    y.back_propagate(g)
    np.testing.assert_allclose(scaling.get_diffoutputs().to_numpy(), expected.backward(g.astype(float)), 1e-6)


def test_halves_go_away_from_zero() -> None:
    x = Tensor([4, 1])
    x.set_values([[1.0], [3.0], [-1.0], [-3.0]])
    assert list(Scaling(SingleShiftScaling([1]))(x)) == [1.0, 2.0, -1.0, -2.0]


def test_results_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Tensor.from_numpy(np.random.default_rng(1).normal(size=(40, 7, 31, 33)).astype(np.float32) * 50)
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(n2d2.global_variables, "nb_threads", threads)
        results.append(Scaling(FixedPointScaling(5, [3, 7, -9, 31, 32, 1, 0]))(x).to_numpy().copy())
    assert (results[0] == results[1]).all()


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: Scaling([1.0], name="e"),
        TypeError,
        "e: parameter `scaling` must be an n2d2.scaling.ScalingObject, got list",
    ),
    (
        lambda: Scaling(None, name="e"),
        TypeError,
        "e: parameter `scaling` must be an n2d2.scaling.ScalingObject, got None",
    ),
    (
        lambda: Scaling(FloatingPointScaling([1.0, 2.0]), name="e")(Tensor([1, 3, 2, 2])),
        ValueError,
        "e: channels of the input: expected 2, one for each value of `scaling_per_output`, got 3",
    ),
    (
        lambda: Scaling(SingleShiftScaling([1, 2]), name="e")(Interface([Tensor([1, 1]), Tensor([1, 1])])),
        ValueError,
        "e: inputs: expected one tensor, got 2 tensors",
    ),
    (
        lambda: Scaling(SingleShiftScaling([1]), name="e").set_parameter("scaling", SingleShiftScaling([2])),
        RuntimeError,
        "e: `scaling` is an argument of the constructor",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
