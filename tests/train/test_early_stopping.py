from __future__ import annotations

import math
from pathlib import Path

import pytest

import n2d2
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.train import EarlyStopping, Run
from support.training import play


def epochs(name: str, values: list[float]) -> list[dict[str, float]]:
    return [{name: value} for value in values]


@pytest.mark.parametrize(
    ("metric", "values", "stops_at"),
    [
        ("loss", [0.5, 0.4, 0.4, 0.41, 0.3], 4),
        ("validation_loss", [0.5, 0.6, 0.4, 0.5, 0.5, 0.1], 5),
        ("success", [0.1, 0.2, 0.2, 0.2, 0.9], 4),
        ("validation_score", [0.5, 0.4, 0.6, 0.4, 0.7], None),
        ("loss", [math.nan, math.nan, 0.1], 2),
    ],
)
def test_it_stops_after_epochs_without_a_better_value(
    tmp_path: Path, metric: str, values: list[float], stops_at: int | None
) -> None:
    run = play(tmp_path, epochs(metric, values), EarlyStopping(metric, patience=2))
    assert run.epoch == (stops_at or len(values))
    assert run.stop == (stops_at is not None)


def test_it_says_why(tmp_path: Path) -> None:
    run = play(tmp_path, epochs("success", [0.5, 0.75, 0.5, 0.5, 0.5]), EarlyStopping("success", patience=3))
    assert run.reason == "success has not become better than 0.75 for 3 epochs"


def test_the_reason_of_another_callback_stays(tmp_path: Path) -> None:
    class Stops(n2d2.train.Callback):
        def epoch(self, run: Run, metrics: dict[str, float]) -> None:
            run.stop, run.reason = True, "mine"

    run = play(tmp_path, epochs("loss", [1.0]), Stops(), EarlyStopping("loss", patience=1))
    assert run.reason == "mine"


def test_small_gains_count_only_above_min_delta(tmp_path: Path) -> None:
    values = epochs("success", [0.50, 0.505, 0.509, 0.52])
    assert play(tmp_path, values, EarlyStopping("success", patience=2, min_delta=0.01)).epoch == 3
    assert play(tmp_path, values, EarlyStopping("success", patience=2)).epoch == 4


def test_epochs_without_the_metric_do_not_count(tmp_path: Path) -> None:
    score = "validation_score"
    metrics: list[dict[str, float]] = [{score: 0.5}, {}, {}, {score: 0.4}, {}, {score: 0.3}, {}]
    assert play(tmp_path, metrics, EarlyStopping(patience=2)).epoch == 6


def test_it_begins_anew_with_each_training(tmp_path: Path) -> None:
    stopping = EarlyStopping("success", patience=2)
    assert play(tmp_path, epochs("success", [0.9, 0.8]), stopping).epoch == 2
    assert play(tmp_path, epochs("success", [0.1, 0.2, 0.3]), stopping).stop is False


def test_a_metric_that_is_hardly_ever_there_is_a_warning(tmp_path: Path) -> None:
    metrics: list[dict[str, float]] = [*[{"loss": 1.0}] * 3, {"loss": 1.0, "validation_score": 0.5}]
    text = (
        r"EarlyStopping: `validation_score` was known once in 4 epochs, so that it could not stop the training; "
        r"fit\(log_epoch=1\) validates after each epoch"
    )
    with pytest.warns(RuntimeWarning, match=text):
        play(tmp_path, metrics, EarlyStopping(patience=3))


def test_no_stimuli_to_validate_with_is_an_error_before_the_first_epoch() -> None:
    model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10)])
    text = "EarlyStopping: `validation_loss` needs stimuli in the partition Validation, which is empty; give"
    for part, accepted in ((0.0, False), (0.1, True)):
        provider = n2d2.provider.DataProvider(n2d2.database.Digits(validation=part), [28, 28, 1])
        run = Run(model, provider, [], epochs=3)
        EarlyStopping("loss").begin(run)
        if accepted:
            EarlyStopping("validation_loss").begin(run)
        else:
            with pytest.raises(StateError, match=text):
                EarlyStopping("validation_loss").begin(run)


def test_arguments_are_checked() -> None:
    with pytest.raises(WrongValue, match=r"`validation_scor` is not a metric .*; did you mean `validation_score`"):
        EarlyStopping("validation_scor")
    with pytest.raises(WrongInputType, match="EarlyStopping: metric must be of type str, got int"):
        EarlyStopping(1)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="EarlyStopping: parameter `patience` is 0"):
        EarlyStopping(patience=0)
    with pytest.raises(WrongInputType, match="EarlyStopping: min_delta must be of type float, got str"):
        EarlyStopping(min_delta="small")  # type: ignore[arg-type]
    for delta in (-0.1, math.nan, math.inf):
        with pytest.raises(WrongValue, match=r"EarlyStopping: min_delta is .* expected a number of at least 0"):
            EarlyStopping(min_delta=delta)
