"""Behaviours of the target of a classifier."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from contract.cases import Array, close, draws, tensor
from contract.registry import behaviour, resolve
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.provider import TensorPlaceholder

SCORE = ["n2d2.target.Score"]

# Four stimuli of three classes: the second and the last are taken for class 0; the label of the second is its second
# best output, that of the last its worst.
OUTPUTS = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2]])
LABELS = np.array([0, 1, 1, 2])
WANTED = np.eye(3)[LABELS]


def scored(path: str, partition: str = "Test", folder: Any = ".", batches: int = 1, **named: Any) -> tuple[Any, Any]:
    """Return a target that has seen the stimuli, and its last loss tensor."""
    labels = n2d2.Tensor.from_numpy(LABELS.astype(np.int32))
    provider = TensorPlaceholder(tensor(OUTPUTS[:, :, None, None]), labels)
    provider.set_partition(partition)
    target = resolve(path)(provider, log_dir=folder, **named)
    cell = n2d2.cells.Activation(n2d2.activation.Linear(), name="last")
    for _ in range(batches):
        loss = target(cell(provider()))
    return target, loss


def loss_of(wanted: Array) -> float:
    """Return the sum of the squared errors over the batch size."""
    return float(((wanted - OUTPUTS) ** 2).sum() / 4)


@behaviour("__init__", SCORE)
def score_is_built(path: str) -> None:
    """Loss and gradient by their formula, for each option; names; labels mapping; errors."""
    make = resolve(path)
    target, loss = scored(path, name="own")
    assert target.get_name() == "own"
    assert scored(path)[0].get_name().startswith("Score_")
    close([loss[0]], [loss_of(WANTED)])
    cell = n2d2.cells.Activation(n2d2.activation.Linear())
    provider = TensorPlaceholder(tensor(OUTPUTS[:, :, None, None]), n2d2.Tensor.from_numpy(LABELS.astype(np.int32)))
    make(provider)(cell(provider())).back_propagate()
    close(cell.get_diffinputs().to_numpy()[:, :, 0, 0], WANTED - OUTPUTS, "gradient")
    options, _ = scored(path, target_value=2.0, default_value=-1.0)
    close([options.loss()], [loss_of(3 * WANTED - 1)], "target and default value")
    assert scored(path, top_n=2)[0].estimated_labels().shape == (4, 2, 1, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mapping.dat"
        file.write_text("0 1\n1 0\n2 2\n")
        mapped, _ = scored(path, labels_mapping=str(file), create_missing_labels=True)
        close([mapped.loss()], [loss_of(WANTED[:, [1, 0, 2]])], "labels 0 and 1 exchanged")
    with pytest.raises(WrongInputType, match="Score: provider must be of type Provider, got str"):
        make("provider")
    with pytest.raises(WrongValue, match="Score: `top_m` is not a parameter; did you mean `top_n`"):
        make(provider, top_m=2)
    with pytest.raises(WrongInputType, match="create_missing_labels"):
        make(provider, create_missing_labels=1)


@behaviour("N2D2", SCORE)
def engine_object(path: str) -> None:
    """One object of the engine, which keeps the losses."""
    target, _ = scored(path)
    handle = target.N2D2()
    assert handle is target.N2D2()
    close(handle.losses(), [loss_of(WANTED)])


@behaviour("loss", SCORE)
def last_loss(path: str) -> None:
    """The loss of the last batch, a float; an error before the first."""
    target, tensor_ = scored(path)
    assert isinstance(target.loss(), float)
    close([target.loss(), tensor_[0]], [loss_of(WANTED)] * 2)
    fresh = resolve(path)(target.provider, name="own")
    with pytest.raises(StateError, match="own: no batch yet; call the target with the output of a network first"):
        fresh.loss()


@behaviour("get_loss", SCORE)
def all_losses(path: str) -> None:
    """The losses of all batches."""
    target, _ = scored(path, batches=3)
    assert isinstance(target.get_loss(), list)
    close(target.get_loss(), [loss_of(WANTED)] * 3)
    assert resolve(path)(target.provider).get_loss() == []


@behaviour("get_average_score", SCORE)
def average_score(path: str) -> None:
    """The mean over the classes; an error that lists the metrics."""
    target, _ = scored(path)
    # Of the labels 0, 1 and 2, all, one half and none are found.
    close([target.get_average_score("Sensitivity")], [0.5])
    # Two of the three estimates of class 0 are wrong, that of class 1 is right, there is none of class 2.
    matrix = target.confusion_matrix()
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [1, 1, 0], [1, 0, 0]])
    accuracies = [1 - 2 / 4, 1 - 1 / 4, 1 - 1 / 4]
    close([target.get_average_score(metric="Accuracy")], [np.mean(accuracies)])
    with pytest.raises(WrongValue, match="Sensitivity, Specificity, Precision"):
        target.get_average_score("Sensitivty")
    with pytest.raises(WrongInputType, match="metric must be of type str, got int"):
        target.get_average_score(1)


@behaviour("get_average_top_n_success", SCORE)
def average_top_n(path: str) -> None:
    """The label is among the best outputs: of two, three times in four; 0 if only one is kept."""
    assert scored(path, top_n=2)[0].get_average_top_n_success() == 0.75
    assert scored(path, top_n=3)[0].get_average_top_n_success(window=1) == 1.0
    target, _ = scored(path)
    assert target.get_average_top_n_success() == 0.0
    with pytest.raises(WrongValue, match="window is -1, expected a number of batches of at least 0"):
        target.get_average_top_n_success(-1)
    with pytest.raises(WrongInputType, match="window must be of type int, got float"):
        target.get_average_top_n_success(1.0)


@behaviour("clear_success", SCORE)
def success_is_cleared(path: str) -> None:
    """The average success starts anew; the confusion matrix stays."""
    target, _ = scored(path)
    assert target.get_average_success() == 0.5
    target.clear_success()
    assert target.recent(0)[2] == 0
    assert target.confusion_matrix().sum() == 4
    assert len(target.get_loss()) == 1


@behaviour("clear_score", SCORE)
def score_is_cleared(path: str) -> None:
    """Success and confusion matrix of this partition start anew; others stay."""
    target, _ = scored(path, partition="Test")
    target.provider.set_partition("Learn")
    target.clear_score()
    target.provider.set_partition("Test")
    assert target.confusion_matrix().sum() == 4
    target.clear_score()
    assert target.recent(0)[2] == 0
    assert target.confusion_matrix().sum() == 0


@behaviour("get_parameter", SCORE)
def target_parameter(path: str) -> None:
    """The value by name; the error names the nearest parameter."""
    target, _ = scored(path, name="own", top_n=2, target_value=2.0)
    assert target.get_parameter("top_n") == 2
    assert target.get_parameter(key="target_value") == 2.0
    with pytest.raises(WrongValue, match="own: `top_m` is not a parameter; did you mean `top_n`"):
        target.get_parameter("top_m")


@behaviour("log_confusion_matrix", SCORE)
def confusion_is_written(path: str) -> None:
    """The matrix and the metrics as numbers and pictures, in the folder of the target."""
    with tempfile.TemporaryDirectory() as name:
        target, _ = scored(path, folder=name, name="own")
        target.log_confusion_matrix("run")
        folder = Path(name) / "own.Target"
        assert (folder / "ConfusionMatrix_run_score.png").read_bytes().startswith(b"\x89PNG")
        lines = (folder / "ConfusionMatrix_run.dat").read_text().splitlines()
        counts = [line.split()[:3] for line in lines if line[:1].isdigit()]
        assert [list(map(int, c)) for c in counts if c[2] != "0"] == [[0, 0, 1], [1, 0, 1], [1, 1, 1], [2, 0, 1]]
        fresh = resolve(path)(target.provider, name="fresh", log_dir=name)
        with pytest.raises(StateError, match="fresh: nothing was evaluated in partition Test"):
            fresh.log_confusion_matrix("run")
        with pytest.raises(WrongValue, match="a name without slashes"):
            target.log_confusion_matrix("a/b")


@behaviour("log_success", SCORE)
def success_is_written(path: str) -> None:
    """The learning curve as numbers and a picture, in the folder of the target."""
    with tempfile.TemporaryDirectory() as name:
        target, _ = scored(path, partition="Learn", folder=name, name="own", batches=2)
        target.log_success("run")
        folder = Path(name) / "own.Target"
        assert (folder / "Success_run.png").read_bytes().startswith(b"\x89PNG")
        lines = (folder / "Success_run.dat").read_text().splitlines()
        numbers = [[float(v) for v in line.split()] for line in lines if line[:1].isdigit()]
        close(numbers, [[0.5, 0.5], [0.5, 0.5]])
        fresh = resolve(path)(target.provider, name="fresh", log_dir=name)
        with pytest.raises(StateError, match="fresh: nothing was evaluated in partition Learn"):
            fresh.log_success("run")


@behaviour("log_stats", SCORE)
def statistics_are_written(path: str) -> None:
    """What each cell needs, in a folder; an error before the first call."""
    with tempfile.TemporaryDirectory() as name:
        labels = n2d2.Tensor.from_numpy(LABELS.astype(np.int32))
        provider = TensorPlaceholder(tensor(draws(91, (4, 5, 1, 1))), labels)
        target = resolve(path)(provider, name="own", log_dir=name)
        with pytest.raises(StateError, match="own: no batch yet"):
            target.log_stats("stats")
        target(n2d2.cells.Fc(5, 3, name="last")(provider()))
        target.log_stats("stats")
        text = json.dumps(json.loads((Path(name) / "stats" / "stats.json").read_text()))
        assert '"last"' in text
        # 5 inputs times 3 outputs, and 3 biases.
        assert "18" in text
        assert (Path(name) / "stats" / "stats.png").read_bytes().startswith(b"\x89PNG")
        with pytest.raises(WrongInputType, match="own: path must be of type str, got int"):
            target.log_stats(1)
