from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.solver import SGD, Adam
from n2d2.train import LearningRateLog, Run, learning_rate
from support.training import play

POLICIES: list[dict[str, Any]] = [
    {},
    {"learning_rate_policy": "StepDecay", "learning_rate_step_size": 8, "learning_rate_decay": 0.5},
    {"learning_rate_policy": "ExponentialDecay", "learning_rate_step_size": 4, "learning_rate_decay": 0.3},
    {"learning_rate_policy": "InvTDecay", "learning_rate_step_size": 12, "learning_rate_decay": 0.3},
    {"learning_rate_policy": "InvDecay", "power": 0.75, "learning_rate_decay": 0.3},
    {"learning_rate_policy": "PolyDecay", "power": 0.5, "max_iterations": 8},
    {"learning_rate_policy": "PolyDecay", "power": 0.5, "max_iterations": 20, "iteration_size": 2},
    {"learning_rate_policy": "CosineDecay", "learning_rate_step_size": 4, "max_iterations": 10, "warm_up_duration": 3},
    {"learning_rate_policy": "CosineDecay", "learning_rate_step_size": 2, "max_iterations": 16, "min_decay": 0.5},
    {"max_iterations": 4, "learning_rate_policy": "StepDecay", "learning_rate_step_size": 8},
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: "-".join(map(str, p.values())) or "None")
def test_the_rates_are_those_that_the_engine_uses(tmp_path: Path, policy: dict[str, Any]) -> None:
    """With a gradient of one a bias moves by the rate."""
    net = n2d2.cells.Sequence([n2d2.cells.Fc(2, 1, name="fc", solver=SGD(learning_rate=0.5, **policy))])
    source = n2d2.Tensor([4, 2], value=0.0)
    moved: list[float] = []

    def learn(run: Run) -> None:
        cell = net["fc"]
        before = float(cell.get_bias(0)[0])
        output = net(source)
        # The engine divides the sum of the gradients by the stimuli of the update.
        output.back_propagate(np.ones(output.shape(), dtype=np.float32))
        output.update()
        moved.append(float(cell.get_bias(0)[0]) - before)

    play(tmp_path, [{"loss": 1.0}] * 3, LearningRateLog(), batches=4, net=net, learn=learn)
    rows = read(tmp_path / "learning_rate.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [int(row["stimuli"]) for row in rows] == list(range(0, 48, 4))
    size = policy.get("iteration_size", 1)
    # A batch that waits for others of its update is written with the rate of that update.
    updates = moved[size - 1 :: size]
    assert updates == pytest.approx([float(row["learning_rate"]) for row in rows[size - 1 :: size]], rel=1e-4)
    assert [m for i, m in enumerate(moved) if (i + 1) % size] == [0.0] * (len(moved) - len(updates))


def test_solvers_that_differ_have_a_column_each(tmp_path: Path) -> None:
    body = n2d2.cells.Fc(2, 2, name="body", solver=SGD(learning_rate=0.25))
    head = n2d2.cells.Fc(2, 2, name="head", solver=Adam(learning_rate=0.5))
    play(tmp_path, [{"loss": 1.0}], LearningRateLog(every=2), net=n2d2.cells.Sequence([body, head]))
    (row,) = read(tmp_path / "learning_rate.csv")
    assert list(row) == ["run", "step", "stimuli", "body.weights_solver", "head.weights_solver"]
    assert list(row.values())[1:] == ["2", "4", "0.25", "0.5"]


def test_a_rate_that_another_callback_changes_is_seen(tmp_path: Path) -> None:
    net = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, name="fc", solver=SGD(learning_rate=0.25))])

    def learn(run: Run) -> None:
        if run.step == 2:
            net["fc"].weights_solver.learning_rate = 0.125

    play(tmp_path, [{"loss": 1.0}], LearningRateLog(), net=net, learn=learn)
    assert [row["learning_rate"] for row in read(tmp_path / "learning_rate.csv")] == ["0.25", "0.125", "0.125"]


def test_rows_before_an_exception_are_written(tmp_path: Path) -> None:
    def fails(run: Run) -> None:
        if run.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, [{"loss": 1.0}], LearningRateLog(), learn=fails)
    assert len(read(tmp_path / "learning_rate.csv")) == 2


def test_adam_has_one_rate() -> None:
    assert learning_rate(Adam(learning_rate=0.125), updates=7, stimuli=99) == 0.125


def test_rates_stay_where_the_engine_stops_counting() -> None:
    poly = SGD(learning_rate=0.5, learning_rate_policy="PolyDecay", power=0.5, max_iterations=8)
    assert learning_rate(poly, updates=8) == learning_rate(poly, updates=9) == 0.0
    cosine = SGD(learning_rate=0.5, learning_rate_policy="CosineDecay", learning_rate_step_size=4, max_iterations=8)
    assert learning_rate(cosine, 8, 32) == learning_rate(cosine, 16, 64) == pytest.approx(0.0, abs=1e-9)
    assert learning_rate(cosine, 4, 16) == pytest.approx(0.25)


@pytest.mark.parametrize(("size", "rates"), [(1, [0.25, 0.0, 0.0]), (2, [0.375, 0.25, 0.125])])
def test_fit_goes_on_where_the_policy_ends(tmp_path: Path, size: int, rates: list[float]) -> None:
    solver = SGD(learning_rate=0.5, learning_rate_policy="PolyDecay", power=1.0, max_iterations=8, iteration_size=size)
    body = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, solver=solver), n2d2.cells.Softmax(with_loss=True)])
    provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=1000)
    model = body.to_deepnet_cell(provider)
    model.fit(3, log_epoch=0, log_dir=tmp_path)
    assert [epoch["learning_rate"] for epoch in model.history] == rates
