"""Solvers: parameters, printing, errors, and effect at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.solver import SGD, Adam

SGD_NAMES = [
    *("clamping", "decay", "iteration_size", "learning_rate", "learning_rate_decay", "learning_rate_policy"),
    *("learning_rate_step_size", "max_iterations", "min_decay", "momentum", "polyak_momentum", "power"),
    *("warm_up_duration", "warm_up_lr_frac"),
]
ADAM_NAMES = ["beta1", "beta2", "clamping", "epsilon", "learning_rate"]


@pytest.mark.parametrize(("kind", "names"), [(SGD, SGD_NAMES), (Adam, ADAM_NAMES)])
def test_every_parameter_is_read_written_copied_and_printed(kind: type[n2d2.solver.Solver], names: list[str]) -> None:
    solver = kind()
    assert str(solver) == f"{kind.__name__}({', '.join(f'{n}={solver.get_parameter(n)}' for n in names)})"
    other = {bool: False, float: 0.125, int: 3, str: "-1:1"}
    for name in names:
        value: Any = other[type(solver.get_parameter(name))]
        if name == "learning_rate_policy":
            value = "StepDecay"
        solver.set_parameter(name, value)
        assert getattr(solver, name) == value
        assert kind(**{name: value}).get_parameter(name) == value
    copy = solver.copy()
    assert type(copy) is kind
    assert str(copy) == str(solver)
    copy.learning_rate = 0.5
    assert solver.get_parameter("learning_rate") == 0.125


def test_values_keep_their_precision_and_ints_count_as_floats() -> None:
    assert SGD(learning_rate=0.123456789).learning_rate == 0.123456789
    assert repr(SGD(learning_rate=1).learning_rate) == "1.0"
    assert SGD(learning_rate=np.float32(0.5)).learning_rate == 0.5
    assert SGD(learning_rate_policy=None).learning_rate_policy == "None"


def test_engine_object_is_stable() -> None:
    solver = SGD()
    assert solver.N2D2() is solver.N2D2()
    assert solver.get_type() == solver.N2D2().kind == "SGD"


def test_short_verbosity() -> None:
    verbosity = n2d2.global_variables.Verbosity
    n2d2.global_variables.verbosity = verbosity.short
    try:
        assert (str(SGD()), str(Adam())) == ("SGD()", "Adam()")
    finally:
        n2d2.global_variables.verbosity = verbosity.detailed


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: SGD(learning_rate="a"), TypeError, 'SGD: parameter `learning_rate` must be a float, got a str ("a")'),
    (lambda: SGD(learning_rate=True), TypeError, "SGD: parameter `learning_rate` must be a float, got a bool (true)"),
    (
        lambda: SGD(learning_rate=float("nan")),
        ValueError,
        "SGD: parameter `learning_rate` is NaN, expected a finite number",
    ),
    (lambda: SGD(iteration_size=1.5), TypeError, "SGD: parameter `iteration_size` must be an int, got a float (1.5)"),
    (lambda: SGD(iteration_size=2**70), TypeError, "which does not fit in 64 bits"),
    (lambda: SGD(polyak_momentum=1), TypeError, "SGD: parameter `polyak_momentum` must be a bool, got an int (1)"),
    (
        lambda: SGD(learning_rate_policy="Step"),
        ValueError,
        'SGD: parameter `learning_rate_policy` is "Step", expected one of',
    ),
    (lambda: SGD(learning_rate_policy=1), ValueError, 'SGD: parameter `learning_rate_policy` is "1", expected one of'),
    (lambda: SGD(clamping=1), ValueError, "SGD: parameter `clamping` is"),
    (lambda: SGD(clamping="1:0"), ValueError, "SGD: parameter `clamping` is"),
    (
        lambda: SGD(learning_rat=0.1),
        ValueError,
        "SGD: `learning_rat` is not a parameter; did you mean `learning_rate`?",
    ),
    (lambda: Adam(momentum=0.1), ValueError, "Adam: `momentum` is not a parameter"),
    (lambda: SGD(model=1), TypeError, "SGD: parameter `model` must be a str, got int"),
    (lambda: SGD(model="Frames"), ValueError, 'SGD: parameter `model` is "Frames", expected one of Frame, Frame_CUDA'),
    (lambda: SGD(model="Frame_CUDA"), RuntimeError, "SGD: model `Frame_CUDA` needs the CUDA backend"),
    (lambda: SGD(datatype="half"), ValueError, "SGD: parameter `datatype` is 'half', expected 'float'"),
    (lambda: SGD().get_parameter("rate"), ValueError, "SGD: `rate` is not a parameter"),
    (lambda: SGD().set_parameter("momentums", 1.0), ValueError, "did you mean `momentum`?"),
    (
        lambda: setattr(SGD(), "momentun", 1.0),
        AttributeError,
        "SGD: `momentun` is not an attribute that can be set; did you",
    ),
    (lambda: setattr(SGD(), "copy", 1.0), AttributeError, "SGD: `copy` is not an attribute that can be set"),
    (lambda: setattr(SGD(), "learning_rate", None), TypeError, "SGD: parameter `learning_rate` must be"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)


def test_a_refused_value_changes_nothing() -> None:
    solver = SGD(learning_rate=0.5)
    with pytest.raises(n2d2.Error):
        solver.learning_rate = "fast"
    assert solver.learning_rate == 0.5
    assert solver.N2D2().get("learning_rate") == 0.5


def weight_after_update(cell: n2d2.cells.Fc) -> float:
    y = cell(n2d2.Tensor([1, 1], value=1.0))
    y.back_propagate(np.ones((1, 1, 1, 1)))
    y.update()
    return float(cell.get_weight(0, 0)[0])


def test_a_change_takes_effect_at_the_next_update() -> None:
    solver = SGD(learning_rate=0.25)
    cell = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=0.0), solver=solver)
    assert cell.weights_solver is solver
    assert cell.bias_solver is solver
    assert weight_after_update(cell) == 0.25
    solver.learning_rate = 1.0
    assert weight_after_update(cell) == 1.25
    cell.set_solver_parameter("learning_rate", 0.0)
    assert weight_after_update(cell) == 1.25


def test_shared_solvers_keep_state_apart() -> None:
    """With one shared momentum the second cell would start with that of the first."""
    solver = SGD(learning_rate=1.0, momentum=0.5)
    zero = n2d2.filler.Constant(value=0.0)
    first, second = (n2d2.cells.Fc(1, 1, filler=zero, no_bias=True, solver=solver) for _ in range(2))
    assert [weight_after_update(first) for _ in range(3)] == [1.0, 2.5, 4.25]
    assert [weight_after_update(second) for _ in range(3)] == [1.0, 2.5, 4.25]


def test_a_new_kind_of_solver_starts_afresh() -> None:
    cell = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=0.0), no_bias=True, solver=SGD(momentum=0.9))
    weight_after_update(cell)
    before = cell.get_weight(0, 0)[0]
    cell.solver = Adam(learning_rate=0.5)
    assert weight_after_update(cell) == pytest.approx(before + 0.5, rel=1e-6)
    assert isinstance(cell.weights_solver, Adam)


def test_clamping() -> None:
    cell = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=0.0), solver=SGD(learning_rate=1.0, clamping=":0.5"))
    assert weight_after_update(cell) == 0.5


def test_a_parameter_that_one_solver_refuses_changes_none() -> None:
    fc = n2d2.cells.Fc(2, 2, weights_solver=SGD(momentum=0.5), bias_solver=Adam(), name="fc")
    with pytest.raises(n2d2.error_handler.WrongValue, match="fc: bias_solver: Adam: `momentum` is not a parameter"):
        fc.set_solver_parameter("momentum", 0.9)
    assert fc.weights_solver.momentum == 0.5
