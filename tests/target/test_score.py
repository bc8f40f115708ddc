from __future__ import annotations

import csv
import json
import re
import timeit
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import DataError, FileError, ShapeError, StateError, WrongInputType, WrongValue
from n2d2.provider import DataProvider, TensorPlaceholder
from n2d2.target import Score, Target
from support.golden import FOLDER, Case, assert_close

METRICS = [
    "Sensitivity",
    "Specificity",
    "Precision",
    "NegativePredictiveValue",
    "MissRate",
    "FallOut",
    "FalseDiscoveryRate",
    "FalseOmissionRate",
    "Accuracy",
    "F1Score",
    "Informedness",
    "Markedness",
    "IU",
]


def tensor(values: Any) -> n2d2.Tensor:
    return n2d2.Tensor.from_numpy(np.asarray(values, dtype=np.float32))


def source(outputs: Any, labels: Any, partition: str = "Learn") -> TensorPlaceholder:
    provider = TensorPlaceholder(tensor(outputs), n2d2.Tensor.from_numpy(np.asarray(labels, dtype=np.int32)))
    provider.set_partition(partition)
    return provider


class Switched(TensorPlaceholder):
    """A placeholder whose tensor and labels change from batch to batch."""

    def give(self, outputs: Any, labels: Any) -> n2d2.Tensor:
        self.__init__(tensor(outputs), n2d2.Tensor.from_numpy(np.asarray(labels, dtype=np.int32)), name=self.name)
        return self()


def switched(partition: str) -> Switched:
    provider = Switched(tensor(np.zeros((1, 1, 1, 1))), None)
    provider.set_partition(partition)
    return provider


def identity(x: n2d2.Tensor) -> n2d2.Tensor:
    return n2d2.cells.Activation(n2d2.activation.Linear())(x)


# ---- recorded from the original ----

RECORDED = {e["id"]: Case(e) for e in json.loads((FOLDER / "Target.json").read_text())}


def arguments_of(case: Case) -> dict[str, Any]:
    pairs = re.findall(r"(\w+)=([-\d.]+)", case.get("target"))
    return {name: float(value) if "." in value else int(value) for name, value in pairs}


def expected_error(
    y: np.ndarray, labels: np.ndarray, target_value: float = 1.0, default_value: float = 0.0
) -> np.ndarray:
    wanted = np.full_like(y, default_value, dtype=np.float64)
    if y.shape[1] == 1:
        wanted[labels == 1] = target_value
    else:
        wanted[np.arange(len(y)), labels] = target_value
    return wanted - y


@pytest.mark.parametrize("case", [c for c in RECORDED.values() if "provider_labels0" in c], ids=lambda c: c.name)
def test_recorded_scores(case: Case, tmp_path: Path) -> None:
    """Loss and gradient are computed in every partition, where the original left them stale outside of Learn."""
    provider = switched(case.get("partition"))
    arguments = arguments_of(case)
    target = Score(provider, log_dir=str(tmp_path), **arguments)
    top_n = arguments.pop("top_n", 1)
    cell = n2d2.cells.Softmax(with_loss=True) if "Softmax" in case.get("cell") else identity
    total = 10 if "partial" in case.name else None
    batches = sum(f"provider_data{k}" in case for k in range(20))
    for k in range(batches):
        x, labels = case[f"provider_data{k}"], case[f"provider_labels{k}"].ravel()
        # Positions behind the end of the partition held stale stimuli in the original; here the last batch is short.
        n = len(x) if total is None else min(len(x), total - k * len(x))
        x, labels = x[:n], labels[:n]
        partition = provider.get_partition()
        stimuli = provider.give(x, labels)
        provider.set_partition(partition)
        output = cell(stimuli)
        loss = target(output)
        y = output.to_numpy()
        if f"output{k}" in case:
            assert_close(y, case[f"output{k}"][:n], f"output {k}")
        error = expected_error(y, labels, **arguments)
        assert_close(target.loss(), (error**2).sum() / n, f"loss {k}")
        assert_close(loss[0], target.loss(), f"loss tensor {k}")
        assert_close(loss._loss_source.gradient(), error, f"gradient {k}")
        if provider.get_partition() == "Learn" and n == len(case[f"provider_data{k}"]):
            assert_close(target.loss(), case["losses"][k], f"recorded loss {k}")
            assert_close(loss._loss_source.gradient(), case[f"diff_in{k}"], f"recorded gradient {k}")
        np.testing.assert_array_equal(target.estimated_labels(), case[f"estimated_labels{k}"][:n])
        assert_close(target.estimated_values(), case[f"estimated_values{k}"][:n], f"estimated values {k}")
        if top_n == 1:
            assert_close(target.get_average_success(), case["average_success_after_each"][k], f"success {k}")
            assert target.get_average_top_n_success() == 0.0
        else:
            assert_close(target.get_average_top_n_success(), case["average_topn_after_each"][k], f"top-N success {k}")
    for metric, value in case.get("average_score").items():
        assert_close(target.get_average_score(metric), value, metric)
    if case.get("average_success_window3") is not None and total is None:
        assert_close(target.get_average_success(window=3), case.get("average_success_window3"), "window")
    assert len(target.get_loss()) == batches
    target.log_confusion_matrix("recorded")
    files = case.get("confusion_files")
    assert (target.folder / "ConfusionMatrix_recorded.dat").read_text() == files["matrix"]
    ours, theirs = (
        (target.folder / "ConfusionMatrix_recorded_score.dat").read_text().splitlines(),
        files["score"].splitlines(),
    )
    assert ours[0] == theirs[0]
    assert len(ours) == len(theirs)
    for our, their in zip(ours[1:], theirs[1:], strict=True):
        # The original wrote rounding noise such as -1.4e-17 where the value is 0.
        numbers = [
            [float(v) for v in re.sub(r'"[^"]*"', "", line).replace("- AVG", "").split()] for line in (our, their)
        ]
        np.testing.assert_allclose(*numbers, rtol=1e-5, atol=1e-12)


def test_recorded_placeholder_with_labels() -> None:
    case = RECORDED["Target/tensor_placeholder_labels"]
    provider = source(case["x"], case["labels"])
    target = Score(provider)
    output = n2d2.cells.Softmax()(provider())
    loss = target(output)
    assert_close(output.to_numpy(), case["output"], "output")
    assert_close(loss._loss_source.gradient(), expected_error(case["output"], case["labels"].ravel()), "gradient")
    assert_close(loss[0], (expected_error(case["output"], case["labels"].ravel()) ** 2).sum() / 4, "loss")


def test_recorded_data_as_target(tmp_path: Path) -> None:
    """Values below the range belong to the first step; the original counted them in the last one."""
    case = RECORDED["Target/data_as_target"]
    provider = switched(case.get("partition"))
    target = Score(provider, data_as_target=True, log_dir=str(tmp_path))
    for k in range(2):
        loss = target(identity(provider.give(case[f"provider_data{k}"], [0, 0])))
        assert_close(loss[0], case["losses"][k], f"loss {k}")
        assert_close(loss._loss_source.gradient(), case[f"diff_in{k}"], f"gradient {k}")
        assert_close(target.get_average_success(), case["average_success_after_each"][k], f"success {k}")
    for metric, value in case.get("average_score").items():
        assert_close(target.get_average_score(metric), value, metric)
    target.log_confusion_matrix("recorded")
    files = case.get("confusion_files")
    matrix = files["matrix"].replace("\n0 0 0 0\n", "\n0 0 3 1\n").replace("\n9 9 3 1\n", "\n9 9 0 0\n")
    empty, full = " 0 1 0 1 0 0 0\n", " 1 1 1 1 1 1 1\n"
    score = files["score"].replace('0 "0"' + empty, '0 "0"' + full).replace('9 "9"' + full, '9 "9"' + empty)
    assert (matrix != files["matrix"], score != files["score"]) == (True, True)
    assert (target.folder / "ConfusionMatrix_recorded.dat").read_text() == matrix
    assert (target.folder / "ConfusionMatrix_recorded_score.dat").read_text() == score


def test_recorded_labels_beyond_the_outputs() -> None:
    """The original ended the process."""
    case = RECORDED["Target/labels_sparse"]
    assert case.get("ours") == "raise"
    outputs, _, batch, *_ = map(int, re.findall(r"\d+", case.get("args")))
    labels = json.loads(case.get("args").partition("'labels': ")[2].rstrip("}"))
    provider = source(np.zeros((batch, outputs, 1, 1)), labels[:batch], "Test")
    with pytest.raises(DataError, match="label 7 of stimulus 0 of the batch means target 7, but the output has 5"):
        Score(provider)(provider())


# ---- loss and gradient ----


def reconstruction_error(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    bins = np.clip(np.floor((t.astype(np.float64) + 1) * 10), 0, 19).astype(int)
    return (t - y) / np.bincount(bins.ravel(), minlength=20)[bins]


def test_data_as_target_against_numpy() -> None:
    generator = np.random.default_rng(1)
    t, y = generator.uniform(-1.2, 1.2, (2, 5, 3, 4, 4)).astype(np.float32)
    provider = TensorPlaceholder(tensor(t))
    target = Score(provider, data_as_target=True, confusion_range_min=-1.0, confusion_quant_steps=7)
    loss = target(tensor(y))
    error = reconstruction_error(t, y)
    np.testing.assert_allclose(loss._loss_source.gradient(), error, rtol=1e-5)
    assert target.loss() == pytest.approx((error**2).sum() / 5, rel=1e-5)
    assert target.get_average_success() == pytest.approx(((t - y) ** 2).mean(), rel=1e-5)
    level = [np.clip(np.floor(6 * (v.astype(float) + 1) / 2 + 0.5), 0, 6).astype(int).ravel() for v in (t, y)]
    matrix = np.zeros((7, 7), int)
    np.add.at(matrix, tuple(level), 1)
    assert (target.confusion_matrix() == matrix).all()


def test_an_auto_encoder_learns_its_data(tmp_path: Path) -> None:
    n2d2.global_variables.seed = 1
    generator = np.random.default_rng(2)
    data = generator.uniform(0, 1, (8, 1, 2, 2)).astype(np.float32)
    provider = TensorPlaceholder(tensor(data))
    fc = n2d2.cells.Fc(4, 4, solver=n2d2.solver.SGD(learning_rate=1.0))
    target = Score(provider, data_as_target=True, log_dir=str(tmp_path))
    for _ in range(300):
        loss = target(fc(provider()))
        loss.back_propagate()
        loss.update()
    assert target.get_average_success(window=1) < 0.1 * target.recent(0)[1]
    target.log_success("run")
    target.log_confusion_matrix("run")
    names = {f.name for f in target.folder.iterdir()}
    assert {"Success_run.png", "ConfusionMatrix_run.csv"} <= names
    assert "Misclassified_run.dat" not in names
    rows = list(csv.DictReader((target.folder / "Success_run.csv").read_text().splitlines()))
    assert float(rows[-1]["success"]) == target.get_average_success(window=1)
    assert [float(row["loss"]) for row in rows] == target.get_loss()


def test_the_loss_trains_a_network() -> None:
    provider = source([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    fc = n2d2.cells.Fc(
        2, 2, filler=n2d2.filler.Constant(value=0.5), solver=n2d2.solver.SGD(learning_rate=0.1), no_bias=True
    )
    target = Score(provider)
    loss = target(fc(provider()))
    # y = [1.5, 1.5], [3.5, 3.5]; e = [-0.5, -1.5], [-3.5, -2.5]
    assert loss.shape() == [1]
    assert loss.is_leaf()
    assert loss[0] == (0.25 + 2.25 + 12.25 + 6.25) / 2
    loss.back_propagate()
    loss.update()
    # w += 0.1 / 2 * (e^T x): [[-11, -15], [-9, -13]]
    weights = [[fc.get_weight(o, i)[0] for i in range(2)] for o in range(2)]
    np.testing.assert_allclose(weights, 0.5 + 0.05 * np.array([[-11.0, -15.0], [-9.0, -13.0]]), rtol=1e-6)


def test_each_loss_goes_back_through_its_own_output() -> None:
    provider = source([[1.0, 0.0]], [1])
    fc = n2d2.cells.Fc(2, 2, filler=n2d2.filler.Constant(value=0.5), no_bias=True)
    target = Score(provider)
    first_output, second_output = fc(provider()), fc(provider())
    first = target(first_output)
    target(second_output)
    first.back_propagate()
    assert first_output._var.grad() is not None
    assert second_output._var.grad() is None


def test_the_loss_prints_as_a_tensor_of_the_target() -> None:
    target = Score(source([[0.5, 0.5]], [0]), name="score")
    assert str(target(target.provider())) == "n2d2.Tensor([\n0.5\n], device=cpu, datatype=float, cell='score')"
    assert str(target) == "score"


def test_a_map_of_labels_weighs_each_class_alike() -> None:
    y = np.zeros((1, 2, 2, 2), np.float32)
    target = Score(source(y, [[[0, 0], [0, 1]]]))
    loss = target(target.provider())
    expected = np.zeros((1, 2, 2, 2))
    expected[0, 0] = [[1 / 3, 1 / 3], [1 / 3, 0]]
    expected[0, 1] = [[0, 0], [0, 1]]
    np.testing.assert_allclose(loss._loss_source.gradient(), expected, rtol=1e-6)
    assert loss[0] == pytest.approx(1 / 3 + 1)
    assert target.get_average_success() == 0.5
    assert target.confusion_matrix().tolist() == [[3, 0], [1, 0]]


def test_cross_entropy_behind_a_softmax() -> None:
    provider = source([[0.0, 0.0], [np.log(3.0), 0.0]], [0, 1])
    target = Score(provider)
    target(n2d2.cells.Softmax(with_loss=True)(provider()))
    assert target.cross_entropy() == pytest.approx((np.log(2) + np.log(4)) / 2)
    target(identity(provider()))
    with pytest.raises(StateError, match="no cross-entropy: the output does not come from a Softmax"):
        target.cross_entropy()


def test_data_as_target_trains_an_auto_encoder() -> None:
    """Values 0.5 and 0.52 share a bin of 20 over [-1, 1]; the others have a bin each."""
    data = np.array([[0.5, 0.52], [-0.9, 1.0]], np.float32).reshape(2, 2, 1, 1)
    output = np.array([[0.1, 0.92], [-0.9, 0.0]], np.float32).reshape(2, 2, 1, 1)
    provider = TensorPlaceholder(tensor(data))
    provider.set_partition("Learn")
    target = Score(provider, data_as_target=True, confusion_quant_steps=3, name="auto")
    cell = n2d2.cells.Activation(n2d2.activation.Linear())
    loss = target(cell(tensor(output)))
    loss.back_propagate()
    error = np.array([[0.2, -0.2], [0.0, 1.0]])
    np.testing.assert_allclose(cell.get_diffinputs().to_numpy().reshape(2, 2), error, rtol=1e-5, atol=1e-7)
    assert loss[0] == pytest.approx((error**2).sum() / 2)
    assert target.get_average_success() == pytest.approx((0.16 + 0.5) / 2)
    # 0.5 and 0.52 are step 1 of 3 and came out as 0 and 2; 1.0 came out as 0; -0.9 belongs to the first step.
    assert target.confusion_matrix().tolist() == [[1, 0, 0], [1, 0, 1], [1, 0, 0]]
    assert target.class_names() == ["0", "1", "2"]
    with pytest.raises(StateError, match="auto: data has no labels that could be estimated"):
        target.estimated_labels()
    with pytest.raises(StateError, match="auto: data has no labels that could be estimated"):
        target.log_estimated_labels("x")
    with pytest.raises(ShapeError, match=r"auto: shape of the data, which is the target: expected \[1, 2, 1, 1\]"):
        target(cell(tensor(output[:1])))
    target.confusion_quant_steps = 4
    with pytest.raises(StateError, match=r"confusion_quant_steps is 4, but was 3 .*; call clear_score\(\) first"):
        target(cell(tensor(output)))
    target.clear_score()
    target(cell(tensor(output)))
    assert target.confusion_matrix().shape == (4, 4)


# ---- statistics ----


def test_statistics_belong_to_the_partition_of_the_moment() -> None:
    provider = source([[1.0, 0.0], [1.0, 0.0]], [0, 1], "Learn")
    target = Score(provider)
    target(provider())
    provider.set_partition("Test")
    assert target.get_average_success() == 0.0
    assert target.get_average_score("Sensitivity") == 0.0
    target(provider())
    target(provider())
    assert target.get_average_success() == 0.5
    target.clear_success()
    assert target.get_average_success() == 0.0
    assert target.confusion_matrix().sum() == 4
    target.clear_score()
    assert target.confusion_matrix().sum() == 0
    provider.set_partition("Learn")
    assert target.get_average_success() == 0.5
    assert target.recent(0) == (1.0, 0.5, 2)
    assert len(target.get_loss()) == 3


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_value(metric: str) -> None:
    target = Score(source([[1.0, 0.0], [1.0, 0.0]], [0, 1]))
    target(target.provider())
    assert -1.0 <= target.get_average_score(metric) <= 1.0


def test_top_n() -> None:
    target = Score(source([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]], [1, 2]), top_n=2)
    target(target.provider())
    assert target.get_average_top_n_success() == 0.5
    with pytest.warns(RuntimeWarning, match="top_n is 2"):
        assert target.get_average_success() == 0.0
    assert target.estimated_labels().reshape(2, 2).tolist() == [[0, 1], [0, 1]]
    assert target.estimated_values().dtype == np.float32


def test_the_table_lists_classes_and_averages() -> None:
    target = Score(source([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 1]))
    target(target.provider())
    lines = target.score_table().splitlines()
    assert lines[0].split() == [
        "class",
        "stimuli",
        "Sensitivity",
        "Specificity",
        "Precision",
        "Accuracy",
        "F1Score",
        "Informedness",
        "IU",
    ]
    assert lines[1].split() == ["0", "1", "100.00", "50.00", "50.00", "66.67", "66.67", "50.00", "50.00"]
    assert lines[-1].split()[:3] == ["average", "3", "75.00"]
    assert len({len(line) for line in lines}) == 1


def test_names_come_from_the_database_or_the_mapping(tmp_path: Path) -> None:
    provider = DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=20)
    stimuli = provider.read_batch(0)
    target = Score(provider)
    target(n2d2.cells.Fc(784, 10)(stimuli))
    assert target.class_names() == [str(i) for i in range(10)]
    (tmp_path / "map.dat").write_text("7 1\n1 1\ndefault 0\n")
    mapped = Score(provider, labels_mapping=str(tmp_path / "map.dat"))
    mapped(n2d2.cells.Fc(784, 2)(stimuli))
    assert mapped.class_names() == ["default", "7..."]
    ones = int(np.isin(provider.labels_array(), [1, 7]).sum())
    assert mapped.confusion_matrix().sum(axis=1).tolist() == [20 - ones, ones]


def test_missing_labels_are_created_in_the_database(tmp_path: Path) -> None:
    provider = DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=20)
    (tmp_path / "map.dat").write_text("letter* 1\ndefault 0\n")
    target = Score(provider, labels_mapping=str(tmp_path / "map.dat"), create_missing_labels=True)
    assert provider.label_names() == [*map(str, range(10)), "letter"]
    target(n2d2.cells.Fc(784, 2)(provider.read_batch(0)))
    assert target.class_names() == ["default", "letter"]
    assert target.confusion_matrix().sum(axis=1).tolist() == [20, 0]


# ---- construction and errors ----


def test_names_are_automatic_and_parameters_can_be_read() -> None:
    provider = source([[0.0, 1.0]], [0])
    first, second = Score(provider, target_value=2), Score(provider, default_value=-1.0)
    number = int(first.get_name().removeprefix("Score_"))
    assert second.get_name() == f"Score_{number + 1}"
    assert (first.get_parameter("target_value"), second.default_value, first.top_n) == (2.0, -1.0, 1)
    assert isinstance(first.target_value, float)
    assert second.get_parameter("labels_mapping") == ""
    with pytest.raises(WrongValue, match="`topn` is not a parameter; did you mean `top_n`"):
        first.get_parameter("topn")
    with pytest.raises(StateError, match="`top_n` is not settable"):
        first.top_n = 3


def test_parameters_that_change_between_batches() -> None:
    target = Score(source([[0.4]], [1], "Test"), name="score")
    target(target.provider())
    assert target.get_average_success() == 0.0
    target.binary_threshold = 0.25
    target.set_parameter("weak_target", -1)
    target.clear_score()
    target(target.provider())
    assert target.get_average_success() == 1.0
    assert (target.binary_threshold, target.weak_target) == (0.25, -1)
    with pytest.raises(WrongValue, match=r"`confusion_range_max` is 2.0, but has no meaning with data_as_target=False"):
        target.confusion_range_max = 2.0
    with pytest.raises(WrongInputType, match="`binary_threshold` must be a float, got a str"):
        target.binary_threshold = "high"  # type: ignore[assignment]
    assert target.confusion_range_max == 1.0
    assert target.get_current_loss() == target.loss() == pytest.approx(0.36)
    auto = Score(source([[0.4]], [1], "Test"), name="auto", data_as_target=True)
    auto.confusion_range_min = -1
    assert auto.confusion_range_min == -1.0
    with pytest.raises(WrongValue, match="confusion_range_max"):
        auto.confusion_range_max = -2.0
    with pytest.raises(WrongValue, match="`binary_threshold` is 0.25, but has no meaning with data_as_target=True"):
        auto.binary_threshold = 0.25
    assert (auto.confusion_range_max, auto.binary_threshold) == (1.0, 0.5)


DRAWN = {
    "no_display_label": (-1, 3),
    "labels_hue_offset": (0, 10),
    "estimated_labels_value_display": (True, False),
    "masked_label": (-1, 0),
    "masked_label_value": (False, True),
    "value_threshold": (0.0, 0.5),
    "image_log_format": ("jpg", "png"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_parameters_of_pictures_that_are_not_built(name: str) -> None:
    default, other = DRAWN[name]
    target = Score(source([[0.4]], [1]), name="score")
    assert target.get_parameter(name) == default
    assert type(target.get_parameter(name)) is type(default)
    setattr(target, name, default)
    with pytest.raises(WrongValue, match=f"score: parameter `{name}` is {other!r}, expected .*: others are not built"):
        setattr(target, name, other)
    with pytest.raises(WrongValue, match=f"parameter `{name}` is {other!r}"):
        Score(source([[0.4]], [1]), **{name: other})
    with pytest.raises(WrongInputType, match=name):
        setattr(target, name, None)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data_as_target": 1}, WrongInputType, "`data_as_target` must be a bool, got int"),
        (
            {"data_as_target": True, "confusion_quant_steps": 1},
            WrongValue,
            "steps` is 1, expected an integer from 2 to",
        ),
        ({"data_as_target": True, "confusion_range_min": 2.0}, WrongValue, "max` is 1, expected a number above"),
        ({"confusion_quant_steps": 5}, WrongValue, "`confusion_quant_steps` is 5, but has no meaning with data_as_tar"),
        ({"data_as_target": True, "top_n": 2}, WrongValue, "`top_n` is 2, but has no meaning with data_as_target=True"),
        ({"topn": 2}, WrongValue, "Score: `topn` is not a parameter; did you mean `top_n`"),
        ({"top_n": 0}, WrongValue, "`top_n` is 0, expected an integer of at least 1"),
        ({"top_n": 1.5}, WrongInputType, r"`top_n` must be an int, got a float \(1.5\)"),
        ({"target_value": "one"}, WrongInputType, "`target_value` must be a float, got a str"),
        ({"default_value": True}, WrongInputType, "`default_value` must be a float, got a bool"),
        ({"create_missing_labels": 1}, WrongInputType, "`create_missing_labels` must be a bool, got int"),
        ({"labels_mapping": 3}, WrongInputType, "`labels_mapping` must be a str, got int"),
        ({"labels_mapping": "/nowhere/map.dat"}, FileNotFoundError, "/nowhere/map.dat: no such file"),
        ({"name": 3}, WrongInputType, "Score: name must be of type str, got int"),
        ({"name": " "}, WrongValue, "Score: name is ' '"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Score(source([[0.0, 1.0]], [0]), **arguments)


def test_the_provider_must_be_one_and_target_is_abstract() -> None:
    with pytest.raises(WrongInputType, match="Score: provider must be of type Provider, got str"):
        Score("digits")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Target is abstract"):
        Target(source([[0.0]], [0]))


def test_bad_outputs_and_labels() -> None:
    target = Score(source([[0.0, 1.0], [0.0, np.nan]], [0, 1]), name="score")
    with pytest.raises(DataError, match="score: output 1 of stimulus 1 of the batch is NaN: lower the learning rate"):
        target(target.provider())
    target = Score(source([[0.0, 1.0]], [2]), name="score")
    with pytest.raises(
        DataError, match=r"score: label 2 of stimulus 0 of the batch means target 2, but the output has 2"
    ):
        target(target.provider())
    with pytest.raises(WrongInputType, match="score: output must be of type Tensor, got list"):
        target([0.0, 1.0])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"score: number of labels: expected 3 .*, got 1"):
        target(tensor(np.zeros((3, 4, 1, 1))))
    with pytest.raises(StateError, match="score: no batch yet"):
        target.loss()
    top = Score(source([[0.0, 1.0]], [0]), top_n=3, name="top")
    with pytest.raises(WrongValue, match="top: parameter `top_n` is 3, expected at most the number of outputs, 2"):
        top(top.provider())


def test_bad_queries(tmp_path: Path) -> None:
    target = Score(source([[0.0, 1.0]], [0]), name="score", log_dir=str(tmp_path))
    with pytest.raises(WrongValue, match='`metric` is "Recall", expected one of Sensitivity'):
        target.get_average_score("Recall")
    with pytest.raises(WrongValue, match="window is -1"):
        target.get_average_success(-1)
    with pytest.raises(WrongInputType, match="window must be of type int, got float"):
        target.get_average_success(1.0)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="nothing was evaluated in partition Learn"):
        target.log_confusion_matrix("test")
    with pytest.raises(StateError, match="nothing was evaluated in partition Learn yet"):
        target.log_success("test")
    with pytest.raises(StateError, match="no batch yet"):
        target.log_stats("stats")
    target(target.provider())
    with pytest.raises(WrongValue, match="file name is 'a/b'"):
        target.log_confusion_matrix("a/b")
    assert list(tmp_path.iterdir()) == []


# ---- files ----


def trained(folder: Path) -> Score:
    """Two learning steps, a test pass, another two and a test pass, of a small network."""
    n2d2.global_variables.seed = 1
    provider = DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=500)
    model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, name="fc"), n2d2.cells.Softmax(with_loss=True, name="softmax")])
    target = Score(provider, name="softmax/0", log_dir=str(folder))
    for _ in range(2):
        provider.set_partition("Learn")
        for start in (0, 500):
            loss = target(model(provider.read_batch(start)))
            loss.back_propagate()
            loss.update()
        provider.set_partition("Test")
        for stimuli in provider:
            target(model(stimuli))
    return target


def test_files_of_a_run(tmp_path: Path) -> None:
    target = trained(tmp_path)
    success = target.get_average_success()
    target.log_confusion_matrix("test")
    target.log_success("run")
    target.log_stats("stats")
    folder = tmp_path / "softmax_0.Target"
    assert target.folder == folder
    assert {f.name for f in folder.iterdir()} == {
        "ConfusionMatrix_test.dat",
        "ConfusionMatrix_test.csv",
        "ConfusionMatrix_test.png",
        "ConfusionMatrix_test_score.dat",
        "ConfusionMatrix_test_score.json",
        "ConfusionMatrix_test_score.png",
        "Misclassified_test.dat",
        "Success_run.dat",
        "Success_run.csv",
        "Success_run.png",
    }
    matrix = [row[1:] for row in csv.reader((folder / "ConfusionMatrix_test.csv").read_text().splitlines())][1:]
    counts = np.array(matrix, dtype=int)
    assert (counts == target.confusion_matrix()).all()
    assert np.trace(counts) / counts.sum() == pytest.approx(success)
    scores = json.loads((folder / "ConfusionMatrix_test_score.json").read_text())
    assert scores["average"]["Sensitivity"] == pytest.approx(target.get_average_score("Sensitivity"))
    assert [c["name"] for c in scores["classes"]] == [str(i) for i in range(10)]

    steps = [line.split()[0] for line in (folder / "Success_run.dat").read_text().splitlines()]
    assert steps == ["2", "4"]
    rows = list(csv.DictReader((folder / "Success_run.csv").read_text().splitlines()))
    assert [(row["partition"], row["step"]) for row in rows][:4] == [("Learn", str(i)) for i in (1, 2, 3, 4)]
    assert [row["step"] for row in rows if row["partition"] == "Test"] == ["2", "2", "4", "4"]
    assert np.mean([float(row["success"]) for row in rows[-4:]]) == pytest.approx(success)


def test_the_success_file_of_learning_has_a_line_a_batch(tmp_path: Path) -> None:
    target = trained(tmp_path)
    target.provider.set_partition("Learn")
    target.log_success("learning")
    lines = [line.split() for line in (target.folder / "Success_learning.dat").read_text().splitlines()]
    values = [float(value) for value, _ in lines]
    assert len(lines) == 4
    assert float(lines[-1][1]) == pytest.approx(np.mean(values), rel=1e-3)


def test_misclassified_stimuli_are_named(tmp_path: Path) -> None:
    """Each wrong stimulus is listed with its number in the database, and as often as it was wrong."""
    target = trained(tmp_path)
    provider = target.provider
    assert isinstance(provider, DataProvider)
    provider.set_partition("Learn")
    model = n2d2.cells.Fc(784, 10)
    target.clear_score()
    wrong: dict[int, tuple[int, int]] = {}
    for start in (500, 0, 500):
        stimuli = provider.read_batch(start)
        target(model(stimuli))
        best = target.estimated_labels().ravel()
        for i, label, estimate in zip(provider.stimuli_ids(), provider.labels_array(), best, strict=True):
            if label != estimate:
                wrong[int(i)] = (int(label), int(estimate))
    target.log_confusion_matrix("again")
    lines = (target.folder / "Misclassified_again.dat").read_text().splitlines()
    assert lines[0] == "# name target estimated count"
    twice = set(provider.stimuli_ids().tolist())
    assert lines[1:] == [
        f'{i} "{provider.name}[{i}]" {wrong[i][0]} {wrong[i][1]} {2 if i in twice else 1}' for i in sorted(wrong)
    ]
    assert len(lines) > 100


def test_estimated_labels_are_appended(tmp_path: Path) -> None:
    provider = source([[0.25, 0.75], [1.0, -0.5]], [0, -1])
    target = Score(provider, name="score", log_dir=str(tmp_path))
    with pytest.raises(StateError, match="score: no batch yet"):
        target.log_estimated_labels("run")
    for _ in range(2):
        target(provider())
        target.log_estimated_labels("run")
    lines = [f'0 "{provider.name}[0]" 0 1 0.75 0.25 0.75', f'1 "{provider.name}[1]" -1 0 1 1 -0.5']
    assert (tmp_path / "score.Target" / "run" / "classif.log").read_text().splitlines() == lines * 2
    with pytest.raises(WrongInputType, match="score: path must be of type str, got int"):
        target.log_estimated_labels(3)  # type: ignore[arg-type]
    maps = source(np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2)))
    target = Score(maps, name="maps", log_dir=str(tmp_path))
    target(maps())
    with pytest.raises(StateError, match=r"maps: outputs of shape \[1, 2, 2, 2\] are maps"):
        target.log_estimated_labels("run")


@pytest.mark.parametrize(("top_n", "name"), [(1, "x_LearningSuccess.dat"), (2, "x_LearningTopNSuccess.dat")])
def test_a_validation_file_comes_with_that_of_learning(tmp_path: Path, top_n: int, name: str) -> None:
    provider = source([[0.0, 1.0, 0.5], [0.2, 0.1, 0.0]], [0, 0])
    target = Score(provider, top_n=top_n, log_dir=str(tmp_path))
    target(provider())
    provider.set_partition("Validation")
    target(provider())
    target.log_success("x")
    assert (target.folder / name).read_text() == "0.5 0.5\n"
    assert len(list(target.folder.iterdir())) == 4


def test_statistics_of_the_network(tmp_path: Path) -> None:
    trained(tmp_path).log_stats("stats")
    folder = tmp_path / "stats"
    assert (folder / "stats.dat").read_text() == (
        "Cell ParamMemory Computing DataMemory\nfc 7850 7850 10\nsoftmax 0 0 10\n"
    )
    assert (folder / "stats_relative.dat").read_text().splitlines()[1] == "fc 100.00 100.00 50.00"
    log = (folder / "stats.log").read_text()
    assert "Total number of neurons: 20\n" in log
    assert "Total number of synapses: 7850\n" in log
    assert "Free parameters (float-32 bits): 31.4 kB   (30.6641 KiB)\n" in log
    cells = json.loads((folder / "stats.json").read_text())["cells"]
    assert cells[1] == {
        "name": "softmax", "kind": "Softmax", "parents": ["fc"], "output": [10, 1, 1], "data": 0, "params": 0,
        "macs": 0, "activations": 10,
    }  # fmt: skip
    assert (folder / "stats.png").stat().st_size > 1000
    assert (folder / "stats.csv").read_text().splitlines()[1] == "fc,Fc,,10x1x1,7850,7850,10"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = Score(source([[0.0, 1.0]], [0]), name="score", log_dir=str(tmp_path / "file"))
    target(target.provider())
    with pytest.raises(FileError, match=r"score\.Target/ConfusionMatrix_x\.dat: cannot be written"):
        target.log_confusion_matrix("x")


def test_calling_a_target_costs_microseconds() -> None:
    provider = source(np.zeros((32, 10)), np.arange(32) % 10)
    target = Score(provider)
    output = identity(provider())
    target(output)
    best = min(timeit.repeat(lambda: target(output), number=100, repeat=20)) / 100
    assert best < 100e-6, f"{best * 1e6:.1f} us"


def test_a_loss_beyond_float32_is_infinite_in_the_tensor_without_a_warning() -> None:
    target = Score(source([[1e30, 0.0]], [0]))
    loss = target(n2d2.cells.Activation(n2d2.activation.Linear())(target.provider()))
    assert loss[0] == np.inf
    assert target.loss() == pytest.approx(1e60, rel=1e-6)
