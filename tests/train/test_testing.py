"""`DeepNetCell.run_test`: which stimuli, what is printed, and every file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import Conv, DeepNetCell, Fc, Layer, Sequence, Softmax
from n2d2.error_handler import DataError, StateError, WrongInputType, WrongValue
from n2d2.provider import DataProvider
from n2d2.target import Score

pytestmark = pytest.mark.usefixtures("own_folder", "own_settings", "quick_pictures")

# Seven stimuli of three values: the largest value is the estimated class. The third and the last are taken for others.
IMAGES = np.array(
    [
        [0.75, 0.125, 0.0],
        [0.0, 0.5, 0.25],
        [0.5, 0.25, 0.0],
        [0.125, 0.0, 0.875],
        [0.0, 0.25, 0.625],
        [0.25, 0.5, 0.125],
        [0.0, 1.0, 0.5],
    ],
    np.float32,
)
LABELS = [0, 1, 1, 2, 2, 1, 0]
RIGHT = np.array([1, 1, 0, 1, 1, 1, 0])
FIRST_ID = 2


def source(batch_size: int = 3) -> DataProvider:
    """Return a provider of the stimuli, numbered from 2 on, and of two others to learn."""
    base = n2d2.database.Numpy(random_partitioning=False)
    base.load([np.zeros((3, 1, 1), np.float32)] * 2, [0, 1], partition="Learn")
    base.load([image.reshape(3, 1, 1) for image in IMAGES], LABELS, partition="Test")
    return DataProvider(base, [1, 1, 3], batch_size=batch_size, name="source")


def identity() -> Fc:
    """Return a layer that gives its input."""
    fc = Fc(3, 3, no_bias=True, name="fc")
    for o in range(3):
        for c in range(3):
            fc.set_weight(o, c, n2d2.Tensor([1], value=float(o == c)))
    return fc


def network(batch_size: int = 3, **named: Any) -> tuple[DeepNetCell, Score]:
    provider = source(batch_size)
    target = Score(provider, name="t", **named)
    return Sequence([identity()]).to_deepnet_cell(provider, target), target


def confusion(target: Score) -> list[list[int]]:
    """Return the matrix of the Test partition."""
    with target.provider._showing("Test"):
        matrix: list[list[int]] = target.confusion_matrix().tolist()
    return matrix


def expected(places: list[int]) -> list[list[int]]:
    matrix = np.zeros((3, 3), int)
    for place in places:
        matrix[LABELS[place], IMAGES[place].argmax()] += 1
    counts: list[list[int]] = matrix.tolist()
    return counts


def classified() -> list[list[str]]:
    """Return the lines of the log of the stimuli."""
    return [line.split() for line in Path("t.Target/test/classif.log").read_text().splitlines()]


def files_below(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}


# ---- all of it ----


def test_the_whole_partition(capsys: pytest.CaptureFixture[str]) -> None:
    model, target = network()
    model.run_test()
    assert confusion(target) == expected(list(range(7))) == [[1, 1, 0], [1, 2, 0], [0, 0, 2]]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "7/7   success 71.43 %"
    assert lines[1] == "t: 71.43 % of 7 stimuli right"
    # Of the labels 0, 1 and 2: 1 of 2, 2 of 3 and 2 of 2 are found.
    sensitivity = (1 / 2 + 2 / 3 + 1) / 3
    # Of the others, 1 of 5 is taken for class 0, 1 of 4 for class 1, none for class 2.
    specificity = (4 / 5 + 3 / 4 + 1) / 3
    # Right among the estimates: 1 of 2, 2 of 3, 2 of 2; among all stimuli: 5, 5 and 7 of 7.
    precision, accuracy = (1 / 2 + 2 / 3 + 1) / 3, (5 / 7 + 5 / 7 + 1) / 3
    assert lines[2].split("   ") == [
        f"Sensitivity {100 * sensitivity:.2f} %",
        f"Specificity {100 * specificity:.2f} %",
        f"Precision {100 * precision:.2f} %",
        f"Accuracy {100 * accuracy:.2f} %",
        f"F1Score {100 * sensitivity:.2f} %",
        f"Informedness {100 * (sensitivity + specificity - 1):.2f} %",
    ]
    assert len(lines) == 3


def test_the_files() -> None:
    model, _ = network()
    model.run_test()
    names = [
        f"ConfusionMatrix_test{end}" for end in (".dat", ".csv", ".png", "_score.dat", "_score.json", "_score.png")
    ]
    names += ["Success_test.dat", "Success_test.csv", "Success_test.png", "Misclassified_test.dat", "test/classif.log"]
    assert files_below(Path()) == {f"t.Target/{name}" for name in names}


def test_every_stimulus_is_in_the_log_in_order() -> None:
    model, _ = network()
    for _ in range(2):
        model.run_test()
        rows = classified()
        assert [int(row[0]) for row in rows] == list(range(FIRST_ID, FIRST_ID + 7)), "the log of the last test only"
        assert [int(row[2]) for row in rows] == LABELS
        assert [int(row[3]) for row in rows] == IMAGES.argmax(1).tolist()
        assert [float(row[4]) for row in rows] == IMAGES.max(1).tolist()
        assert [[float(v) for v in row[5:]] for row in rows] == IMAGES.tolist()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 20])
def test_the_result_does_not_depend_on_the_batch_size(batch_size: int) -> None:
    model, target = network(batch_size)
    model.run_test()
    assert confusion(target) == expected(list(range(7)))
    assert len(classified()) == 7


def test_a_second_test_counts_anew() -> None:
    model, target = network()
    model.run_test()
    model.run_test()
    assert np.sum(confusion(target)) == 7
    with target.provider._showing("Test"):
        assert target.recent(0)[2] == 7


def test_nothing_is_learnt_and_modes_are_as_before() -> None:
    provider = source()
    fc, drop = identity(), n2d2.cells.Dropout(dropout=0.9, name="drop")
    softmax = Softmax(name="softmax").test()
    target = Score(provider, name="t")
    model = Sequence([fc, drop, softmax]).to_deepnet_cell(provider, target)
    before = fc.N2D2().param("weights").copy()
    provider.set_partition("Learn")
    model.run_test()
    assert confusion(target) == expected(list(range(7))), "nothing is dropped"
    np.testing.assert_array_equal(fc.N2D2().param("weights"), before)
    assert [cell.N2D2().learn for cell in model] == [True, True, False]
    assert provider.get_partition() == "Learn"


def test_the_learning_statistics_stay() -> None:
    model, target = network()
    model.fit(1)
    model.provider.set_partition("Learn")
    images = target.recent(0)[2]
    model.run_test()
    assert target.recent(0)[2] == images == 2


# ---- which stimuli ----


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_nb_test_takes_the_first_stimuli(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    model, target = network()
    model.run_test(nb_test=count)
    assert confusion(target) == expected(list(range(count)))
    assert [int(row[0]) - FIRST_ID for row in classified()] == list(range(count))
    assert f"t: {100 * RIGHT[:count].mean():.2f} % of {count} stimuli right" in capsys.readouterr().out


def test_more_than_there_are_is_cut_with_a_warning() -> None:
    model, target = network()
    with pytest.warns(
        UserWarning, match="run_test: nb_test is 8, but the Test partition has 7 stimuli: all are tested"
    ):
        model.run_test(nb_test=8)
    assert np.sum(confusion(target)) == 7


@pytest.mark.parametrize("place", [0, 2, 5, 6])
def test_test_index_takes_one_place(place: int) -> None:
    model, target = network()
    model.run_test(test_index=place)
    assert confusion(target) == expected([place])
    assert [int(row[0]) for row in classified()] == [FIRST_ID + place]


def test_test_id_takes_one_number_and_goes_before_test_index() -> None:
    model, target = network()
    model.run_test(test_id=FIRST_ID + 4)
    assert confusion(target) == expected([4])
    model.run_test(test_index=1, test_id=FIRST_ID + 3)
    assert confusion(target) == expected([3])


def test_a_part_of_the_partition_is_transformed_as_the_whole() -> None:
    provider = source()
    provider.add_transformation(n2d2.transform.RangeAffine("Multiplies", 2.0))
    provider.add_on_the_fly_transformation(n2d2.transform.RangeAffine("Plus", 1.0))
    model = Sequence([identity()]).to_deepnet_cell(provider, Score(provider, name="t"))
    model.run_test(nb_test=4)
    rows = np.array([[float(v) for v in row[5:]] for row in classified()])
    np.testing.assert_array_equal(rows, 2 * IMAGES[:4] + 1)


@pytest.mark.parametrize(
    ("named", "error", "text"),
    [
        (
            {"nb_test": 2, "test_index": 0},
            WrongValue,
            "nb_test is 2, expected -1 beside test_index or test_id, which nam",
        ),
        (
            {"nb_test": 2, "test_id": 3},
            WrongValue,
            "nb_test is 2, expected -1 beside test_index or test_id, which name",
        ),
        ({"nb_test": 0}, WrongValue, "nb_test is 0, expected -1 for all, or at least 1"),
        ({"nb_test": -2}, WrongValue, "nb_test is -2, expected an integer of at least -1"),
        ({"test_index": 7}, WrongValue, "test_index is 7, expected below 7, the stimuli of Test"),
        ({"test_id": 1}, WrongValue, "test_id is 1, expected the number of a stimulus of the Test partition"),
        ({"test_id": 9}, WrongValue, "test_id is 9, expected the number of a stimulus of the Test partition"),
        ({"test_index": 1.0}, WrongInputType, "test_index must be of type int, got float"),
        ({"log": 0}, WrongValue, "log is 0, expected an integer of at least 1"),
        ({"report": 0}, WrongValue, "report is 0, expected an integer of at least 1"),
        ({"report": True}, WrongInputType, "report must be of type int, got bool"),
        ({"log_outputs": -1}, WrongValue, "log_outputs is -1, expected an integer of at least 0"),
        (
            {"log_outputs": 8},
            WrongValue,
            "log_outputs is 8, expected 0 for none, or 1 to 7: the stimuli that are tested",
        ),
        (
            {"log_outputs": 1, "test_index": 2},
            WrongValue,
            "log_outputs is 1, expected 0 for none, or 3 to 3: the stimul",
        ),
        ({"log_JSON": 1}, WrongInputType, "parameter `log_JSON` must be a bool, got int"),
        ({"log_kernels": 1}, WrongInputType, "parameter `log_kernels` must be a bool, got int"),
        ({"qat_sat": 1}, WrongInputType, "parameter `qat_sat` must be a bool, got int"),
        ({"qat_sat": True}, WrongValue, "qat_sat is True, expected False: quantisation is not built yet"),
        (
            {"wt_round_mode": "RINTF"},
            WrongValue,
            "wt_round_mode is 'RINTF', expected `NONE`: quantisation is not built",
        ),
        ({"b_round_mode": "RINT"}, WrongValue, r"b_round_mode is 'RINT', expected one of \[NONE, RINTF\]"),
        ({"c_round_mode": 1}, WrongInputType, "c_round_mode must be of type str, got int"),
        (
            {"act_scaling_mode": "NONE"},
            WrongValue,
            "act_scaling_mode is 'NONE', expected `FLOAT_MULT`: quantisation is",
        ),
        (
            {"act_scaling_mode": "FLOAT"},
            WrongValue,
            r"act_scaling_mode is 'FLOAT', expected one of \[NONE, FLOAT_MULT, F",
        ),
        ({"log_dir": 3}, WrongInputType, "log_dir must be"),
    ],
)
def test_arguments_that_are_wrong(named: dict[str, Any], error: type[Exception], text: str) -> None:
    model, _ = network()
    with pytest.raises(error, match=f"run_test: {text}"):
        model.run_test(**named)
    assert not files_below(Path())


def test_what_is_missing_for_a_test() -> None:
    base = n2d2.database.Numpy()
    base.load([np.zeros((3, 1, 1), np.float32)] * 2, [0, 1], partition="Learn")
    empty = DataProvider(base, [1, 1, 3], name="empty")
    model = Sequence([identity()]).to_deepnet_cell(empty)
    with pytest.raises(StateError, match="run_test: the Test partition of `empty` has no stimuli"):
        model.run_test()
    bare = DeepNetCell(identity()(n2d2.Tensor([1, 3])).get_deepnet())
    with pytest.raises(
        StateError, match=r"run_test needs an n2d2\.provider\.DataProvider, got none; call set_provider"
    ):
        bare.run_test()


# ---- reports and logs ----


def test_a_report_after_as_many_stimuli(capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = network(batch_size=2)
    model.run_test(report=4)
    lines = capsys.readouterr().out.splitlines()
    running = [f"4/7   success {100 * RIGHT[:4].mean():.2f} %", f"7/7   success {100 * RIGHT.mean():.2f} %"]
    assert lines[:-2] == running
    model.run_test(report=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("/")[0] for line in lines[:-2]] == ["2", "4", "6", "7"]


def test_the_curve_is_written_every_so_many_stimuli(monkeypatch: pytest.MonkeyPatch) -> None:
    model, target = network(batch_size=1)
    seen: list[int] = []
    write = Score.log_success

    def counted(self: Score, path: str) -> None:
        seen.append(self.recent(0)[2])
        write(self, path)

    monkeypatch.setattr(Score, "log_success", counted)
    model.run_test(log=3)
    assert seen == [3, 6, 7], "and at the end"
    assert Path("t.Target/Success_test.csv").read_text().count("Test") >= 7
    del target


def test_json_has_a_record_for_each_stimulus() -> None:
    model, _ = network()
    model.run_test(log_JSON=True)
    records = json.loads(Path("t.Target/test.json").read_text())
    assert len(records) == 7
    for place, record in enumerate(records):
        best = int(IMAGES[place].argmax())
        assert record == {
            "id": FIRST_ID + place,
            "name": f"source[{FIRST_ID + place}]",
            "target": LABELS[place],
            "estimated": best,
            "class": record["class"],
            "value": float(IMAGES[place, best]),
        }
    assert len({(record["estimated"], record["class"]) for record in records}) == 3
    model.run_test(log_JSON=True, test_index=4)
    assert [record["id"] for record in json.loads(Path("t.Target/test.json").read_text())] == [FIRST_ID + 4]


def test_targets_in_json_are_those_of_the_labels_mapping() -> None:
    Path("mapping.dat").write_text("0 1\n1 0\n2 2\n")
    model, target = network(labels_mapping="mapping.dat")
    model.run_test(log_JSON=True)
    records = json.loads(Path("t.Target/test.json").read_text())
    assert [record["target"] for record in records] == [[1, 0, 2][label] for label in LABELS]
    assert [int(row[2]) for row in classified()] == [record["target"] for record in records]
    assert sum(record["target"] == record["estimated"] for record in records) == np.trace(confusion(target))


def test_maps_have_no_lines_but_records() -> None:
    """An output of 1 x 2 pixels: every pixel is estimated."""
    base = n2d2.database.Numpy(random_partitioning=False)
    image = np.array([[[1.0, 0.0]], [[0.0, 1.0]]], np.float32)
    base.load([image, image[::-1].copy()], [0, 1], partition="Test")
    provider = DataProvider(base, [2, 1, 2], batch_size=2, name="source")
    cell = n2d2.cells.Activation(n2d2.activation.Linear(), name="same")
    model = Sequence([cell]).to_deepnet_cell(provider, Score(provider, name="t"))
    model.run_test(log_JSON=True)
    records = json.loads(Path("t.Target/test.json").read_text())
    assert [record["estimated"] for record in records] == [[[0, 1]], [[1, 0]]]
    assert [record["target"] for record in records] == [[[0, 0]], [[1, 1]]]
    assert not Path("t.Target/test").exists()


def test_reconstructions_have_a_loss_and_no_classes(capsys: pytest.CaptureFixture[str]) -> None:
    provider = source()
    model = Sequence([identity()]).to_deepnet_cell(provider, Score(provider, name="t", data_as_target=True))
    model.run_test(log_JSON=True)
    assert capsys.readouterr().out.splitlines()[-1] == "t: loss 0.000000 of 7 stimuli"
    assert not Path("t.Target/test.json").exists()


def test_outputs_of_one_stimulus_of_every_cell() -> None:
    base = n2d2.database.Numpy(random_partitioning=False)
    images = np.arange(4 * 2 * 3 * 3, dtype=np.float32).reshape(4, 2, 3, 3) / 7 - 3
    base.load(list(images), [0, 1, 1, 0], partition="Test")
    provider = DataProvider(base, [3, 3, 2], batch_size=3, name="source")
    conv = Conv(2, 2, [2, 2], activation=Rectifier(), name="conv")
    body = Sequence([conv, Fc(8, 2, name="fc")])
    model = body.to_deepnet_cell(provider, Score(provider, name="t"))
    model.run_test(log_outputs=3)
    assert {f.name for f in Path("outputs_3").iterdir()} == {"conv.dat", "fc.dat"}
    model.test()
    y = conv(n2d2.Tensor.from_numpy(images[2:3]))
    text = Path("outputs_3/conv.dat").read_text()
    assert text.splitlines()[0] == "# conv: channels x height x width = 2 x 2 x 2"
    np.testing.assert_array_equal(np.loadtxt("outputs_3/conv.dat", dtype=np.float32).reshape(2, 2, 2), y.to_numpy()[0])
    z = body["fc"](y)
    assert isinstance(z, n2d2.Tensor)
    np.testing.assert_array_equal(np.loadtxt("outputs_3/fc.dat", dtype=np.float32), z.to_numpy().ravel())
    model.run_test(test_index=3, log_outputs=4)
    assert Path("outputs_4/conv.dat").exists()


def test_kernels_are_drawn_for_convolutions() -> None:
    provider = source()
    body = Sequence([Conv(3, 3, [1, 1], name="conv"), identity()])
    body.to_deepnet_cell(provider, Score(provider, name="t")).run_test(log_kernels=True, log_dir="run")
    assert [f.name for f in Path("run/kernels").iterdir()] == ["conv.png"]


def test_log_dir_moves_all_files() -> None:
    model, target = network()
    model.run_test(log_dir=Path("runs", "first"), log_JSON=True, log_outputs=2, log_kernels=True)
    assert [f.name for f in Path().iterdir()] == ["runs"]
    assert {f.name for f in Path("runs/first").iterdir()} == {"t.Target", "outputs_2"}
    assert target.folder == Path("t.Target")
    model, _ = network(log_dir="own")
    model.run_test(log_dir="other", log_outputs=1)
    assert {f.name for f in Path().iterdir()} == {"runs", "own", "other"}
    assert {f.name for f in Path("other").iterdir()} == {"outputs_1"}


def test_two_targets_are_tested_together(capsys: pytest.CaptureFixture[str]) -> None:
    provider = source()
    turned = Fc(3, 3, no_bias=True, name="turned")
    for o in range(3):
        for c in range(3):
            turned.set_weight(o, c, n2d2.Tensor([1], value=float(o == (c + 1) % 3)))
    targets: list[Any] = [Score(provider, name="t"), Score(provider, name="u")]
    model = Layer([identity(), turned]).to_deepnet_cell(provider, targets)
    model.run_test(log_JSON=True, nb_test=5)
    assert confusion(targets[0]) == expected(list(range(5)))
    right = np.mean([(IMAGES[place].argmax() + 1) % 3 == LABELS[place] for place in range(5)])
    out = capsys.readouterr().out
    assert f"u: {100 * right:.2f} % of 5 stimuli right" in out
    assert len(json.loads(Path("u.Target/test.json").read_text())) == 5
    assert len(json.loads(Path("t.Target/test.json").read_text())) == 5


# ---- errors on the way ----


def test_an_output_that_is_not_finite_names_cell_and_stimulus() -> None:
    model, target = network()
    model["fc"].set_weight(0, 2, n2d2.Tensor([1], value=float("nan")))
    model.provider.set_partition("Learn")
    with pytest.raises(DataError) as raised:
        model.run_test(log_dir="run")
    assert "is not finite is `fc`, in the test, in the batch that begins at stimulus 0" in str(raised.value)
    assert model.provider.get_partition() == "Learn"
    assert all(cell.N2D2().learn for cell in model)
    assert target.folder == Path("t.Target")
    assert target.provider is model.provider


def test_an_error_in_a_short_batch_gives_the_target_its_provider_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model, target = network()
    monkeypatch.setattr(Score, "log_estimated_labels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.run_test(nb_test=2)
    assert target.provider is model.provider
    assert re.fullmatch("Test", target.provider.get_partition())
