"""`DeepNetCell.fit`: the bits of a loop by hand, logs, validation, callbacks, and what happens when it ends early."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import BatchNorm2d, Conv, DeepNetCell, Dropout, Fc, Layer, Pool, Sequence, Softmax
from n2d2.error_handler import DataError, FileError, StateError, WrongInputType, WrongValue
from n2d2.filler import Constant
from n2d2.provider import DataProvider, TensorPlaceholder
from n2d2.solver import SGD
from n2d2.target import Score
from n2d2.train import Callback, Run

pytestmark = pytest.mark.usefixtures("own_folder", "own_settings", "quick_pictures")

Weights = dict[str, np.ndarray]


def source(validation: int = 0, learn: int = 27, batch_size: int = 8, test: int = 5) -> DataProvider:
    """Return a provider of images of 6 x 6: bright above or below. The last batch is short."""
    base = n2d2.database.Numpy(random_partitioning=False)
    rng = np.random.default_rng(3)
    for partition, count in (("Learn", learn), ("Validation", validation), ("Test", test)):
        if count:
            labels = (np.arange(count) * 7 // 3) % 2
            images = rng.normal(0.0, 0.6, (count, 1, 6, 6)).astype(np.float32)
            for image, label in zip(images, labels, strict=True):
                image[:, 3 * label : 3 * label + 3] += 0.5
            base.load(list(images), labels.tolist(), partition=partition)
    return DataProvider(base, [6, 6, 1], batch_size=batch_size, name="source")


def body() -> Sequence:
    """Return a network that draws (Dropout), keeps statistics (BatchNorm2d), and has momentum."""
    n2d2.global_variables.seed = 5
    model = Sequence(
        [
            Conv(1, 4, [3, 3], activation=Rectifier(), name="conv"),
            BatchNorm2d(4, name="norm"),
            Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="pool"),
            Dropout(dropout=0.3, name="drop"),
            Fc(16, 2, name="fc"),
            Softmax(with_loss=True, name="softmax"),
        ]
    )
    model.set_solver(SGD(learning_rate=0.1, momentum=0.9))
    return model


def small(provider: DataProvider, rate: float = 0.05, **named: Any) -> DeepNetCell:
    """Return a network of one layer, whose target is `t`."""
    n2d2.global_variables.seed = 5
    fc = Fc(36, 2, solver=SGD(learning_rate=rate), name="fc")
    return Sequence([fc]).to_deepnet_cell(provider, Score(provider, name="t", **named))


def parameters(model: Any) -> Weights:
    return {
        f"{cell.name}.{name}": cell.N2D2().param(name).copy()
        for cell in model._layers()
        for name in cell.N2D2().param_names()
    }


def same_bits(a: Weights, b: Weights) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name].view(np.uint32), b[name].view(np.uint32)) for name in a)


def files_below(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}


def by_hand(
    model: Any, provider: DataProvider, epochs: int, after: Callable[[Any, DataProvider, Score], None] | None = None
) -> Weights:
    """Return the parameters after a loop as users write it."""
    target = Score(provider, name="hand")
    for _ in range(epochs):
        model.learn()
        provider.set_partition("Learn")
        provider.set_batch(shuffle=True)
        while not provider.all_batchs_provided():
            loss = target(model(provider.read_batch()))
            loss.back_propagate()
            loss.update()
        if after is not None:
            after(model, provider, target)
    return parameters(model)


def validated(model: Any, provider: DataProvider, target: Score) -> None:
    model.test()
    provider.set_partition("Validation")
    for stimuli in provider:
        target(model(stimuli))


# ---- the same as a loop by hand ----


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("validation", [0, 11])
def test_fit_gives_the_bits_of_a_loop_by_hand(validation: int, threads: int) -> None:
    n2d2.global_variables.nb_threads = threads
    hand = body()
    expected = by_hand(hand, source(validation), 3, validated if validation else None)
    n2d2.global_variables.nb_threads = 1
    model = body().to_deepnet_cell(source(validation))
    before = parameters(model)
    n2d2.global_variables.nb_threads = threads
    model.fit(3, log_epoch=1)
    assert same_bits(parameters(model), expected)
    assert not same_bits(parameters(model), before)
    assert {"norm.means", "norm.variances"} <= set(expected)


def test_logs_and_options_do_not_change_the_bits() -> None:
    model = body().to_deepnet_cell(source(11))
    model.fit(3)
    expected = parameters(model)
    other = body().to_deepnet_cell(source(11))
    provider = other.provider
    assert isinstance(provider, DataProvider)
    provider.set_prefetch("always")
    other.fit(
        3, log_epoch=1, avg_window=16, bench=True, valid_metric="F1Score", log_kernels=True, log_dir="run",
        callbacks=[Callback()],
    )  # fmt: skip
    assert same_bits(parameters(other), expected)


def test_two_trainings_continue_as_one() -> None:
    whole = body().to_deepnet_cell(source())
    whole.fit(4)
    parts = body().to_deepnet_cell(source())
    parts.fit(1)
    parts.fit(3)
    assert same_bits(parameters(parts), parameters(whole))
    assert len(parts.history) == 3


def test_one_step_by_the_formula() -> None:
    """A batch of all stimuli: the step does not depend on their order."""
    provider = source(batch_size=27)
    model = small(provider, rate=0.5)
    w, b = (model["fc"].N2D2().param(name).astype(float).reshape(2, -1) for name in ("weights", "bias"))
    provider.set_partition("Learn")
    x = provider.read_batch(0).to_numpy().reshape(27, 36).astype(float)
    wanted = np.eye(2)[provider.labels_array()]
    error = wanted - (x @ w.T + b.T)
    model.fit(1)
    after = parameters(model)
    np.testing.assert_allclose(after["fc.weights"].reshape(2, 36), w + 0.5 / 27 * error.T @ x, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after["fc.bias"].ravel(), b.ravel() + 0.5 / 27 * error.sum(0), rtol=1e-4, atol=1e-6)
    loss = (error**2).sum() / 27
    assert math.isclose(model.history[0]["loss"], loss, rel_tol=1e-5)


def test_a_short_last_batch_counts_by_its_stimuli() -> None:
    """27 stimuli in batches of 8: four steps, the last one over 3 stimuli; the mean loss is that of the stimuli."""
    provider = source()
    sizes: list[int] = []

    class Sizes(Callback):
        def batch(self, run: Run) -> None:
            sizes.append(len(run.provider.stimuli_ids()))

    model = small(provider, rate=1e-30)
    model.fit(1, callbacks=[Sizes()])
    assert sizes == [8, 8, 8, 3]
    provider.set_partition("Learn")
    target = Score(provider)
    losses = [(target(model(x)), x.shape()[0])[1] * target.loss() for x in provider]
    assert math.isclose(model.history[0]["loss"], sum(losses) / 27, rel_tol=1e-5)


def test_two_targets_learn_what_the_sum_of_their_gradients_says() -> None:
    """A shared layer without bias, and two heads: each target sends its error back through its own head."""
    provider = source(batch_size=27)
    n2d2.global_variables.seed = 5
    solver = SGD(learning_rate=0.25)
    trunk = Fc(36, 3, no_bias=True, solver=solver.copy(), name="trunk")
    heads = [Fc(3, 2, no_bias=True, solver=solver.copy(), name=name) for name in ("left", "right")]
    targets: list[Any] = [Score(provider, name="l"), Score(provider, name="r", target_value=2.0)]
    model = Sequence([trunk, Layer(heads)]).to_deepnet_cell(provider, targets)
    t, left, right = (
        cell.N2D2().param("weights").astype(float).reshape(-1, cell.nb_inputs) for cell in (trunk, *heads)
    )
    provider.set_partition("Learn")
    x = provider.read_batch(0).to_numpy().reshape(27, 36).astype(float)
    labels = np.eye(2)[provider.labels_array()]
    model.fit(1)
    h = x @ t.T
    e_left, e_right = labels - h @ left.T, 2 * labels - h @ right.T
    back = e_left @ left + e_right @ right
    after = parameters(model)
    for name, before, step in (
        ("left", left, e_left.T @ h),
        ("right", right, e_right.T @ h),
        ("trunk", t, back.T @ x),
    ):
        got = after[f"{name}.weights"].reshape(before.shape)
        np.testing.assert_allclose(got, before + 0.25 / 27 * step, rtol=1e-4, atol=1e-6, err_msg=name)
    assert {"l.Target/Success_learning.png", "r.Target/Success_learning.png"} <= files_below(Path())


def test_targets_keep_their_outputs_when_a_cell_is_removed() -> None:
    provider = source()
    n2d2.global_variables.seed = 5
    left = Sequence([Fc(36, 2, name="a"), Softmax(name="softmax")])
    right = Sequence([Fc(36, 2, name="b")])
    targets: list[Any] = [Score(provider, name="of a"), Score(provider, name="of b")]
    model = Layer([left, right]).to_deepnet_cell(provider, targets)
    model.remove("softmax")
    model.fit(1)
    for cell, target in zip(("a", "b"), targets, strict=True):
        assert target._output.cell is model[cell]


def test_an_output_without_target_learns_nothing() -> None:
    provider = source()
    x = n2d2.Tensor([1, 1, 6, 6])
    a, b = Fc(36, 2, name="a"), Fc(36, 2, name="b")
    target = Score(provider, name="t")
    model = DeepNetCell._of([a(x), b(x)], inputs=[x], provider=provider, targets={"b": target})
    before = parameters(model)
    model.fit(1)
    model.run_test()
    after = parameters(model)
    assert target._output is not None
    assert target._output.cell is b
    np.testing.assert_array_equal(after["a.weights"], before["a.weights"])
    assert not np.array_equal(after["b.weights"], before["b.weights"])


# ---- modes and partitions ----


def test_frozen_cells_in_test_mode_stay_so() -> None:
    frozen = body()
    norm, drop = frozen["norm"], frozen["drop"]
    norm.test()
    drop.test()
    model = frozen.to_deepnet_cell(source(11))
    before = parameters(model)
    model.fit(2, log_epoch=1)
    assert [cell.N2D2().learn for cell in model] == [True, False, True, False, True, True]
    after = parameters(model)
    np.testing.assert_array_equal(after["norm.means"], before["norm.means"])
    np.testing.assert_array_equal(after["norm.variances"], before["norm.variances"])
    assert not np.array_equal(after["conv.weights"], before["conv.weights"])


def test_a_network_in_test_mode_learns_all_the_same() -> None:
    expected = body().to_deepnet_cell(source())
    expected.fit(1)
    model = body().to_deepnet_cell(source())
    model.test()
    model.fit(1)
    assert same_bits(parameters(model), parameters(expected))
    assert all(cell.N2D2().learn for cell in model)


def test_the_partition_of_the_provider_is_as_before() -> None:
    for partition in ("Test", "Validation"):
        provider = source(11)
        provider.set_partition(partition)
        small(provider).fit(1)
        assert provider.get_partition() == partition


# ---- logs, validation ----


def validations(model: DeepNetCell) -> list[int]:
    return [k + 1 for k, epoch in enumerate(model.history) if "validation_score" in epoch]


@pytest.mark.parametrize(
    ("log_epoch", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (0, [5]), (1000, [5])]
)
def test_log_epoch(log_epoch: int, expected: list[int]) -> None:
    model = small(source(11))
    model.fit(5, log_epoch=log_epoch)
    assert [set(epoch) >= {"validation_loss", "validation_success"} for epoch in model.history] == [
        k in expected for k in range(1, 6)
    ]


def test_the_numbers_of_an_epoch_and_their_files() -> None:
    provider = source(11)
    model = small(provider)
    model.fit(3, log_epoch=2, log_dir="run")
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["step"] for line in lines] == [4, 8, 12]
    for line, epoch in zip(lines, model.history, strict=True):
        assert {key: line[key] for key in epoch} == epoch
    with Path("run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [epoch["loss"] for epoch in model.history]
    assert [row["validation_score"] != "" for row in rows] == [False, True, True]
    assert [epoch["learning_rate"] for epoch in model.history] == pytest.approx([0.05] * 3)
    # The last validation, again.
    model.test()
    provider.set_partition("Validation")
    target = Score(provider)
    for stimuli in provider:
        target(model(stimuli))
    last = model.history[-1]
    assert last["validation_success"] == target.get_average_success()
    assert last["validation_score"] == target.get_average_score("Sensitivity")
    assert last["validation_loss"] == pytest.approx(target.recent(0)[0], rel=1e-6)


def test_the_report_has_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    small(source(11)).fit(2, log_epoch=2, valid_metric="Accuracy")
    first, last = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d\d %"
    assert re.fullmatch(rf"epoch 1/2   loss \d\.\d{{4}}   success +{number} +[\d,]+ images/s", first)
    assert re.search(rf"images/s   validation {number}, Accuracy {number} \(best\)$", last)
    small(source()).fit(2, log_epoch=1)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_bench_says_where_the_time_goes(capsys: pytest.CaptureFixture[str]) -> None:
    small(source()).fit(2, bench=True)
    *_, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[\d,]+ images/s, \d+\.\d{3} ms a batch: (\w+ \d+\.\d %( {3})?){5}", last)
    parts = [float(part) for part in re.findall(r"(\d+\.\d) %", last)]
    assert sum(parts) == pytest.approx(100.0, abs=0.3)


def test_avg_window_is_the_mean_of_the_last_stimuli(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window of one batch of the four, the number shown is that of the last batch."""
    losses: list[float] = []

    class Losses(Callback):
        def batch(self, run: Run) -> None:
            losses.append(run.targets[0].loss())

    import io
    import sys

    text = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    small(source()).fit(1, avg_window=8, callbacks=[Losses()])
    assert f"loss {losses[-1]:.4f} " in text.getvalue()
    assert len({f"{loss:.4f}" for loss in losses}) == 4


class Weaker(Callback):
    """Sets the weights of `fc` so that the validation gets the given part of the classes right."""

    def __init__(self, turns: list[float]) -> None:
        self.turns = turns
        self.seen: list[Weights] = []

    def batch(self, run: Run) -> None:
        """After the last batch of an epoch: weights that are right, scaled by the turn of the epoch."""
        if run.batch == run.batches:
            w = np.zeros((2, 1, 6, 6), np.float32)
            w[0, :, :3], w[1, :, 3:] = 1.0, 1.0
            cell: Any = run.model["fc"]
            for o in range(2):
                for c in range(36):
                    cell.set_weight(
                        o, c, n2d2.Tensor([1], value=float(self.turns[run.epoch - 1] * w.reshape(2, 36)[o, c]))
                    )
                cell.set_bias(o, n2d2.Tensor([1], value=0.0))
            self.seen.append(parameters(run.model))


def test_the_best_parameters_are_those_of_the_best_validation() -> None:
    """Turns of 1 are right, those of -1 wrong: epochs 2 and 4 are right, and 2 was first."""
    model = small(source(11))
    weaker = Weaker([-1.0, 1.0, -1.0, 2.0])
    model.fit(4, log_epoch=1, callbacks=[weaker])
    scores = [epoch["validation_score"] for epoch in model.history]
    assert scores[1] == scores[3] > scores[0] == scores[2]
    best = small(source(11))
    best.import_free_parameters("weights_validation")
    assert same_bits(parameters(best), weaker.seen[1])
    assert same_bits(parameters(model), weaker.seen[3])
    assert not Path("weights").exists()


def test_restore_best_ends_with_the_best_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    model = small(source(11))
    weaker = Weaker([-1.0, 1.0, -1.0])
    model.fit(3, log_epoch=1, callbacks=[weaker], restore_best=True, log_dir="run")
    assert same_bits(parameters(model), weaker.seen[1])
    assert "Import" not in capsys.readouterr().out
    with pytest.raises(StateError, match="restore_best is True, but the Validation partition of `source` has no"):
        small(source()).fit(1, restore_best=True)


def test_stop_valid_stops_after_as_many_validations_that_are_not_better(capsys: pytest.CaptureFixture[str]) -> None:
    model = small(source(11))
    model.fit(20, log_epoch=1, stop_valid=2, callbacks=[Weaker([-1.0, 1.0, -1.0, 1.0] + [1.0] * 16)])
    # Epoch 2 is the best; 3 is worse and 4 equal.
    assert len(model.history) == 4
    assert "stopped after epoch 4: 2 validations in a row were not better than the best" in capsys.readouterr().out
    model = small(source(11))
    model.fit(6, log_epoch=2, stop_valid=1, callbacks=[Weaker([1.0] * 6)])
    assert len(model.history) == 4, "validations count, not epochs"
    model = small(source(11))
    model.fit(4, log_epoch=1, stop_valid=0, callbacks=[Weaker([1.0] * 4)])
    assert len(model.history) == 4


def test_stop_valid_without_validation_is_said_to_be_of_no_use() -> None:
    model = small(source())
    with pytest.warns(UserWarning, match="stop_valid has no effect: the Validation partition of `source` has no stim"):
        model.fit(1, stop_valid=3)


@pytest.mark.parametrize("metric", n2d2._core.METRICS)
def test_every_metric_validates(metric: str) -> None:
    model = small(source(11))
    model.fit(1, valid_metric=metric)
    provider = model.provider
    assert isinstance(provider, DataProvider)
    provider.set_partition("Validation")
    target = Score(provider)
    model.test()
    for stimuli in provider:
        target(model(stimuli))
    assert model.history[0]["validation_score"] == target.get_average_score(metric)


def test_reconstructions_are_better_with_a_smaller_loss() -> None:
    provider = source(11)
    n2d2.global_variables.seed = 5
    target = Score(provider, name="t", data_as_target=True)
    solver = SGD(learning_rate=0.02)
    model = Sequence([Fc(36, 36, solver=solver, name="fc")]).to_deepnet_cell(provider, target)
    model.fit(2, log_epoch=1)
    assert [epoch["validation_score"] == -epoch["validation_loss"] for epoch in model.history] == [True, True]
    assert Path("t.Target/Success_validation.png").exists()


# ---- files ----


def test_files_without_a_validation_set() -> None:
    model = small(source())
    before = parameters(model)
    model.fit(3, log_epoch=2)
    written = files_below(Path())
    assert {f for f in written if not f.startswith("t.Target")} == {
        "weights_init/fc_weights.syntxt", "weights_init/fc_biases.syntxt",
        "weights/fc_weights.syntxt", "weights/fc_biases.syntxt", "metrics.jsonl", "metrics.csv",
    }  # fmt: skip
    assert {
        "t.Target/Success_learning.png", "t.Target/Success_learning.dat", "t.Target/ConfusionMatrix_learning.png",
        "t.Target/ConfusionMatrix_learning_score.png", "t.Target/learning/classif.log",
    } <= written  # fmt: skip
    again = small(source())
    again.import_free_parameters("weights_init")
    assert same_bits(parameters(again), before)
    again.import_free_parameters("weights")
    assert same_bits(parameters(again), parameters(model))


def test_log_dir_moves_all_files() -> None:
    model = small(source(11))
    model.fit(2, log_epoch=1, log_kernels=True, log_dir=Path("runs", "first"))
    assert [f.name for f in Path().iterdir()] == ["runs"]
    names = {f.name for f in Path("runs/first").iterdir()}
    assert names == {"weights_init", "weights_validation", "metrics.jsonl", "metrics.csv", "t.Target"}
    (target,) = model.targets.values()
    assert target.folder == Path("t.Target"), "only for the time of the training"
    model.fit(1)
    assert Path("t.Target").exists()


def test_a_target_with_a_folder_of_its_own_keeps_it() -> None:
    model = small(source(11), log_dir="scores")
    model.fit(1, log_dir="run")
    assert {f.name for f in Path().iterdir()} == {"run", "scores"}
    assert not Path("run/t.Target").exists()
    assert Path("scores/t.Target/Success_validation.png").exists()


def test_kernels_are_drawn_for_convolutions() -> None:
    body().to_deepnet_cell(source()).fit(1, log_kernels=True)
    assert [f.name for f in Path("kernels").iterdir()] == ["conv.png"]
    # `quick_pictures` leaves the drawing of kernels alone.
    assert Path("kernels/conv.png").read_bytes().startswith(b"\x89PNG")


def test_the_confusion_matrix_is_that_of_the_epochs_since_the_last_log() -> None:
    model = small(source())
    model.fit(3, log_epoch=2)
    rows = Path("t.Target/ConfusionMatrix_learning.dat").read_text().splitlines()[1:]
    assert sum(int(row.split()[2]) for row in rows if row) == 27
    curve = Path("t.Target/Success_learning.dat").read_text().splitlines()
    assert len(curve) == 3 * 4


def test_the_scores_of_the_last_epochs_can_be_asked_for() -> None:
    model = small(source(11))
    model.fit(3, log_epoch=2)
    (target,) = model.targets.values()
    provider: Any = model.provider
    provider.set_partition("Learn")
    assert isinstance(target, Score)
    assert target.recent(0)[2] == 27, "the third epoch, since the second was logged"
    assert target.get_average_success() == model.history[-1]["success"]
    provider.set_partition("Validation")
    assert target.get_average_success() == model.history[-1]["validation_success"]
    passes = Path("t.Target/Success_validation.dat").read_text().splitlines()
    assert [float(line.split()[1]) for line in passes] == pytest.approx(
        [epoch["validation_success"] for epoch in model.history[1:]], abs=1e-5
    )


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_learnt() -> None:
    Path("taken").write_text("a file")
    model = small(source())
    before = parameters(model)
    with pytest.raises(FileError, match="taken"):
        model.fit(1, log_dir="taken")
    assert same_bits(parameters(model), before)


# ---- callbacks ----


class Recorder(Callback):
    def __init__(self, name: str, calls: list[str], failure: BaseException | None = None, at: str = "") -> None:
        self.name, self.calls, self.failure, self.at = name, calls, failure, at

    def _note(self, what: str, run: Run) -> None:
        self.calls.append(f"{self.name} {what} {run.epoch} {run.batch} {run.step}")
        if self.failure is not None and what == self.at:
            raise self.failure

    def begin(self, run: Run) -> None:
        assert run.model["fc"].get_type() == "Fc"
        assert (run.epochs, run.targets[0].get_name(), run.log_dir) == (2, "t", Path("run"))
        self._note("begin", run)

    def batch(self, run: Run) -> None:
        assert run.batches == 2
        self._note("batch", run)

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        assert {"loss", "success", "images_per_s", "learning_rate"} <= set(metrics)
        metrics.clear()
        self._note("epoch", run)

    def end(self, run: Run) -> None:
        self._note("end", run)


def test_callbacks_are_called_in_order() -> None:
    calls: list[str] = []
    model = small(source(learn=10))
    model.fit(2, callbacks=[Recorder("a", calls), Recorder("b", calls)], log_dir="run")
    assert [call for call in calls if call[0] == "a"] == [
        "a begin 0 0 0",
        "a batch 1 1 1", "a batch 1 2 2", "a epoch 1 2 2",
        "a batch 2 1 3", "a batch 2 2 4", "a epoch 2 2 4",
        "a end 2 2 4",
    ]  # fmt: skip
    assert [call[0] for call in calls] == ["a", "b"] * 8
    assert all("loss" in epoch for epoch in model.history), "what a callback does to its metrics is its own affair"


@pytest.mark.parametrize("at", ["begin", "batch", "epoch"])
def test_callbacks_end_after_an_exception(at: str) -> None:
    calls: list[str] = []
    provider = source(learn=10)
    model = small(provider)
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(
            2, callbacks=[Recorder("a", calls, ZeroDivisionError("mine"), at), Recorder("b", calls)], log_dir="run"
        )
    assert [call.split()[:2] for call in calls][-2:] == [["a", "end"], ["b", "end"]]
    assert provider.get_partition() == "Test"
    assert [target.folder for target in model.targets.values()] == [Path("t.Target")]


def test_ctrl_c_keeps_the_parameters_and_ends_the_callbacks(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    provider = source(learn=10)
    model = small(provider)
    with pytest.raises(KeyboardInterrupt):
        model.fit(2, callbacks=[Recorder("a", calls, KeyboardInterrupt(), "batch")], log_dir="run")
    assert calls == ["a begin 0 0 0", "a batch 1 1 1", "a end 1 1 1"]
    assert f"interrupted: the parameters are in {Path('run/weights_interrupted')}" in capsys.readouterr().out
    again = small(source(learn=10))
    again.import_free_parameters("run/weights_interrupted")
    assert same_bits(parameters(again), parameters(model))
    assert provider.get_partition() == "Test"


def test_an_interrupted_validation_leaves_modes_and_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = source(11)
    model = body().to_deepnet_cell(provider)
    monkeypatch.setattr(Score, "get_average_score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.fit(2, log_epoch=1)
    assert all(cell.N2D2().learn for cell in model)
    assert provider.get_partition() == "Test"
    assert Path("weights_interrupted/fc_weights.syntxt").exists()


class Stops(Callback):
    def __init__(self, epoch: int, reason: str = "") -> None:
        self.at, self.reason = epoch, reason

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        if run.epoch == self.at:
            run.stop, run.reason = True, self.reason


def test_a_callback_stops_a_training_which_is_logged_then(capsys: pytest.CaptureFixture[str]) -> None:
    model = small(source(11))
    model.fit(9, callbacks=[Stops(3, "enough")])
    assert len(model.history) == 3
    assert "validation_score" in model.history[-1]
    assert Path("weights_validation/fc_weights.syntxt").exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "stopped after epoch 3: enough"
    assert lines[-2].startswith("validation ")
    small(source()).fit(9, callbacks=[Stops(2)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["stopped after epoch 2: a callback asked for it"]
    assert Path("weights/fc_weights.syntxt").exists()


# ---- errors ----


def test_a_loss_that_is_not_finite_names_the_first_bad_cell() -> None:
    model = body().to_deepnet_cell(source())
    model.set_solver(SGD(learning_rate=0.0))
    conv: Any = model["fc"]
    conv.set_bias(1, n2d2.Tensor([1], value=float("inf")))
    with pytest.raises(DataError) as raised:
        model.fit(1)
    text = str(raised.value)
    assert "the first cell with an output that is not finite is `fc`, in batch 1 of epoch 1" in text
    assert "lower the learning rate, or look for bad values in the data" in text


def test_a_learning_rate_that_is_too_large_is_an_error_that_says_so() -> None:
    model = small(source(), rate=1e30)
    with pytest.raises(DataError, match=r"lower the learning rate, [\s\S]* is `fc`, in batch \d of epoch 1$"):
        model.fit(5)


def test_other_errors_of_the_data_are_left_as_they_are() -> None:
    base = n2d2.database.Numpy()
    base.load([np.zeros((1, 6, 6), np.float32)] * 2, [0, 5], partition="Learn")
    model = small(DataProvider(base, [6, 6, 1], batch_size=2))
    with pytest.raises(DataError, match="5") as raised:
        model.fit(1)
    assert "first cell" not in str(raised.value)


def test_a_validation_that_is_not_finite_names_the_epoch() -> None:
    class Breaks(Callback):
        def batch(self, run: Run) -> None:
            if run.step == 4:
                run.model["fc"].set_bias(0, n2d2.Tensor([1], value=float("nan")))

    model = small(source(11))
    with pytest.raises(DataError, match="is `fc`, in the validation of epoch 1"):
        model.fit(2, log_epoch=1, callbacks=[Breaks()])
    assert all(cell.N2D2().learn for cell in model)


@pytest.mark.parametrize(
    ("named", "error", "text"),
    [
        ({"learn_epoch": 0}, WrongValue, "fit: learn_epoch is 0, expected an integer of at least 1"),
        ({"learn_epoch": True}, WrongInputType, "fit: learn_epoch must be of type int, got bool"),
        ({"learn_epoch": 1.0}, WrongInputType, "fit: learn_epoch must be of type int, got float"),
        ({"log_epoch": -1}, WrongValue, "fit: log_epoch is -1, expected an integer of at least 0"),
        ({"avg_window": 0}, WrongValue, "fit: avg_window is 0, expected an integer of at least 1"),
        ({"stop_valid": -1}, WrongValue, "fit: stop_valid is -1, expected an integer of at least 0"),
        ({"bench": 1}, WrongInputType, "fit: parameter `bench` must be a bool, got int"),
        ({"log_kernels": "no"}, WrongInputType, "fit: parameter `log_kernels` must be a bool, got str"),
        ({"restore_best": 1}, WrongInputType, "fit: parameter `restore_best` must be a bool, got int"),
        ({"valid_metric": 1}, WrongInputType, "fit: valid_metric must be of type str, got int"),
        ({"valid_metric": "accuracy"}, WrongValue, r"fit: valid_metric is 'accuracy', expected one of \[Sensitivity, "),
        ({"callbacks": [print]}, WrongInputType, "fit: a callback must be of type"),
        ({"callbacks": Callback()}, WrongInputType, "fit: callbacks must be of type list, got Callback"),
        ({"log_dir": 3}, WrongInputType, "fit: log_dir must be"),
        ({"log_dir": ""}, WrongValue, "fit: log_dir is '', expected the name of a file or folder"),
    ],
)
def test_arguments_that_are_wrong(named: dict[str, Any], error: type[Exception], text: str) -> None:
    model = small(source(11))
    before = parameters(model)
    with pytest.raises(error, match=text):
        model.fit(**{"learn_epoch": 1, **named})
    assert same_bits(parameters(model), before)
    assert not list(Path().iterdir())


def test_ban_multi_device_is_said_to_be_of_no_use() -> None:
    model = small(source())
    with pytest.warns(UserWarning, match="ban_multi_device has no effect: one device is used"):
        model.fit(1, ban_multi_device=True)


def test_what_is_missing_for_a_training() -> None:
    bare = DeepNetCell(Fc(2, 2, weights_filler=Constant(value=1.0))(n2d2.Tensor([1, 2])).get_deepnet())
    with pytest.raises(StateError, match=r"fit needs an n2d2\.provider\.DataProvider, got none; call set_provider"):
        bare.fit(1)
    bare.set_provider(TensorPlaceholder(n2d2.Tensor([1, 2, 1, 1])))
    with pytest.raises(StateError, match="got TensorPlaceholder; call set_provider"):
        bare.fit(1)
    with pytest.raises(StateError, match="fit: the Learn partition of `source` has no stimuli"):
        small(source(learn=0)).fit(1)
    provider, x = source(), n2d2.Tensor([1, 1, 6, 6])
    without = DeepNetCell._of([Fc(36, 2)(x)], inputs=[x], provider=provider)
    with pytest.raises(StateError, match="fit needs a target; call set_provider, or give it to to_deepnet_cell"):
        without.fit(1)


def test_two_targets_of_one_name_would_write_the_same_files() -> None:
    provider = source()
    heads: list[Any] = [Fc(36, 2, name="a"), Fc(36, 2, name="b")]
    targets: list[Any] = [Score(provider, name="same"), Score(provider, name="same")]
    model = Layer(heads).to_deepnet_cell(provider, targets)
    with pytest.raises(StateError, match="fit: two targets are called `same`; give each its own name"):
        model.fit(1)
