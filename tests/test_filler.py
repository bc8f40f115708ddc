"""Fillers: parameters, printing, errors, and when values are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.filler import Constant, He, Normal, Uniform, Xavier


@pytest.mark.parametrize(
    ("filler", "text"),
    [
        (Constant(), "Constant(value=0.0)"),
        (Constant(value=1), "Constant(value=1.0)"),
        (Normal(mean=0.1, std_dev=0.3), "Normal(mean=0.1, std_dev=0.3)"),
        (Uniform(), "Uniform(min=0.0, max=1.0)"),
        (
            Xavier(scaling=2.0, variance_norm="Average"),
            "Xavier(variance_norm=VarianceNorm.Average, distribution=Distribution.Uniform, scaling=2.0)",
        ),
        (He(scaling=2.0, variance_norm="FanOut"), "He(variance_norm=VarianceNorm.FanOut, mean_norm=0.0, scaling=2.0)"),
    ],
)
def test_printing(filler: n2d2.filler.Filler, text: str) -> None:
    assert str(filler) == text
    verbosity = n2d2.global_variables.Verbosity
    n2d2.global_variables.verbosity = verbosity.short
    try:
        assert str(filler) == text
    finally:
        n2d2.global_variables.verbosity = verbosity.detailed


def seeded_normal() -> list[float]:
    n2d2.global_variables.seed = 1
    return Normal().N2D2().fill([8]).tolist()


def test_documented_values_of_seed_1() -> None:
    documented = [1.32238, -0.0233932, 0.738361, -0.333062, 2.95292, 3.07119, 1.54673, -0.00932475]
    assert seeded_normal() == pytest.approx(documented, rel=1e-5)


def test_a_seed_drops_the_stored_half() -> None:
    first = seeded_normal()
    Normal().N2D2().fill([3])
    assert seeded_normal() == first


def test_bias_is_drawn_before_the_weights() -> None:
    n2d2.global_variables.seed = 1
    fc = n2d2.cells.Fc(2, 2, filler=Normal())
    drawn = seeded_normal()
    assert [b[0] for b in fc.get_biases()] == drawn[:2]
    assert [w[0] for row in fc.get_weights() for w in row] == drawn[2:6]


def test_each_input_cell_is_filled_on_its_own() -> None:
    n2d2.global_variables.seed = 1
    conv = n2d2.cells.Conv(1, 2, [1, 1], 2, no_bias=True, filler=Normal())
    drawn = seeded_normal()
    weights = [[w[0] for w in row] for row in conv.get_weights()]
    assert weights == [[drawn[0], drawn[2]], [drawn[1], drawn[3]]]


def test_constant_draws_nothing() -> None:
    n2d2.global_variables.seed = 1
    n2d2.cells.Fc(4, 4, filler=Constant(value=1.0))
    after = Normal().N2D2().fill([2]).tolist()
    assert after == seeded_normal()[:2]


@pytest.mark.parametrize(
    ("filler", "deviation"),
    [
        (Normal(std_dev=0.5), 0.5),
        (Uniform(min=-1.0, max=1.0), np.sqrt(1 / 3)),
        (Xavier(), np.sqrt(1 / 1000)),
        (Xavier(distribution="Normal", variance_norm="FanOut"), np.sqrt(1 / 1500)),
        (He(variance_norm="Average", scaling=3.0), 3 * np.sqrt(2 / 1250)),
    ],
)
def test_spread_of_a_convolution(filler: n2d2.filler.Filler, deviation: float) -> None:
    values = n2d2.cells.Conv(40, 60, [5, 5], weights_filler=filler, no_bias=True).N2D2().param("weights")
    assert values.shape == (60, 40, 5, 5)
    assert values.mean() == pytest.approx(0.0, abs=deviation / 50)
    assert values.std() == pytest.approx(deviation, rel=0.02)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Constant(value="a"), TypeError, 'Constant: parameter `value` must be a float, got a str ("a")'),
    (lambda: Normal(std_dev=-1.0), ValueError, "Normal: parameter `std_dev` is -1"),
    (lambda: Normal(std=1.0), ValueError, "Normal: `std` is not a parameter"),
    (lambda: Normal(stddev=1.0), ValueError, "did you mean `std_dev`?"),
    (lambda: Uniform(min=2.0), ValueError, "Uniform: parameter"),
    (
        lambda: He(variance_norm="Fan"),
        ValueError,
        'He: parameter `variance_norm` is "Fan", expected one of FanIn, Average',
    ),
    (lambda: Xavier(variance_norm=1), ValueError, 'Xavier: parameter `variance_norm` is "1", expected one of FanIn'),
    (lambda: Xavier(distribution=1), ValueError, 'Xavier: parameter `distribution` is "1", expected one of'),
    (lambda: Normal(model="Frame"), ValueError, "Normal: `model` is not a parameter"),
    (lambda: Normal(datatype="double"), ValueError, "Normal: parameter `datatype` is 'double', expected 'float'"),
    (lambda: setattr(Normal(), "mean", 1.0), RuntimeError, "Normal: `mean` is not settable after construction"),
    (lambda: Normal().get_parameter("value"), ValueError, "Normal: `value` is not a parameter"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
