from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import n2d2
from n2d2.cli import main
from support.models import INI, write_ini, write_onnx

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def settings() -> object:
    threads = n2d2.global_variables.nb_threads
    yield
    n2d2.global_variables.nb_threads = threads
    n2d2.global_variables.seed = 1


@pytest.fixture(autouse=True)
def pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one test draws them: they take most of the time."""
    if request.node.name != "test_an_ini_file_trains_and_tests_and_tests_again":
        monkeypatch.setattr("n2d2.plots._save", lambda figure, path: None)


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rate_of(text: str) -> float:
    found = re.search(r"(\d+\.\d+) % of 1000 stimuli right", text)
    assert found is not None, text
    return float(found[1])


def test_an_ini_file_trains_and_tests_and_tests_again(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = write_ini(tmp_path)
    assert main(["train", model, "--epochs", "2", "--log-dir", str(out), "--threads", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    first, *_, last = captured.out.splitlines()
    assert first == f"{model}: 3,600 Learn, 400 Validation, 1,000 Test images, batches of 50, 1 threads"
    assert last == f"parameters: {out / 'weights'}   logs: {out}"
    assert rate_of(captured.out) > 70
    epochs = lines(out / "metrics.jsonl")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert all("validation_score" in epoch for epoch in epochs)
    # The file is what the network was tested with.
    assert main(["test", model, str(out / "weights"), "--log-dir", str(tmp_path / "test")]) == 0
    again = capsys.readouterr()
    assert rate_of(again.out) == rate_of(captured.out)
    assert again.err == ""
    assert list((tmp_path / "test").glob("**/ConfusionMatrix_test.png"))


def test_an_onnx_file_trains_on_data_that_are_named(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = write_onnx(tmp_path)
    command = ["train", model, "--data", "digits", "--epochs", "1", "--lr", "0.05", "--batch", "40"]
    assert main([*command, "--log-dir", str(out), "--tensorboard"]) == 0
    text = capsys.readouterr().out
    assert f"{model}: 4,000 Learn, 1,000 Test images, batches of 40" in text
    assert rate_of(text) > 50
    (epoch,) = lines(out / "metrics.jsonl")
    assert (epoch["step"], epoch["learning_rate"]) == (100, 0.05)
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))
    assert {file.name for file in (out / "weights").iterdir()} == {
        f"{cell}_{kind}.syntxt" for cell in ("conv", "fc") for kind in ("weights", "biases")
    }


def test_a_seed_gives_the_same_network_for_any_number_of_threads(capsys: Capture, tmp_path: Path) -> None:
    texts = []
    for i, (seed, threads) in enumerate([("5", "1"), ("5", "2"), ("6", "1")]):
        out = tmp_path / str(i)
        options = ["--epochs", "1", "--seed", seed, "--threads", threads, "--log-dir", str(out)]
        assert main(["train", write_ini(tmp_path), *options]) == 0
        texts.append((out / "weights/fc_weights.syntxt").read_bytes())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    capsys.readouterr()


def test_parameters_to_begin_with(capsys: Capture, tmp_path: Path) -> None:
    model = write_ini(tmp_path)
    assert main(["train", model, "--epochs", "1", "--log-dir", str(tmp_path / "a")]) == 0
    weights = str(tmp_path / "a/weights")
    assert main(["train", model, "--epochs", "1", "--weights", weights, "--log-dir", str(tmp_path / "b")]) == 0
    first, second = (lines(tmp_path / run / "metrics.jsonl")[0]["success"] for run in "ab")
    assert second > first + 0.05
    begun = tmp_path / "b/weights_init/fc_weights.syntxt"
    assert begun.read_bytes() == (tmp_path / "a/weights/fc_weights.syntxt").read_bytes()
    capsys.readouterr()


def test_data_and_batch_replace_those_of_an_ini_file(capsys: Capture, tmp_path: Path) -> None:
    options = ["--epochs", "1", "--data", "digits", "--validation", "0.5", "--log-dir", str(tmp_path / "run")]
    assert main(["train", write_ini(tmp_path), *options]) == 0
    assert "2,000 Learn, 2,000 Validation, 1,000 Test images, batches of 50" in capsys.readouterr().out
    assert (
        main(["train", write_ini(tmp_path), "--epochs", "1", "--batch", "400", "--log-dir", str(tmp_path / "b")]) == 0
    )
    assert "3,600 Learn, 400 Validation, 1,000 Test images, batches of 400" in capsys.readouterr().out
    assert lines(tmp_path / "b/metrics.jsonl")[0]["step"] == 9


def test_patience_ends_it(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--epochs", "50", "--lr", "1e-9", "--patience", "1", "--log-dir", str(out)]
    assert main(["train", write_ini(tmp_path), *options]) == 0
    assert "stopped after epoch 2: 1 validations in a row were not better than the best" in capsys.readouterr().out
    assert len(lines(out / "metrics.jsonl")) == 2


def test_options_that_need_a_validation(capsys: Capture, tmp_path: Path) -> None:
    model = write_ini(tmp_path, INI.replace("Validation=0.1\n", ""))
    assert main(["train", model, "--patience", "1"]) == 2
    assert "--patience counts validations, but there are no images to validate with" in capsys.readouterr().err
    assert main(["train", model, "--validation", "0.1"]) == 2
    assert "--validation divides the images of --data; an INI file has its own partitions" in capsys.readouterr().err


def test_a_device_that_this_version_does_not_have(capsys: Capture, tmp_path: Path) -> None:
    assert main(["train", write_ini(tmp_path), "--device", "cuda"]) == 1
    assert "Frame_CUDA" in capsys.readouterr().err
    assert n2d2.global_variables.default_model == "Frame"


def test_a_rate_that_is_too_high_names_the_cell(capsys: Capture, tmp_path: Path) -> None:
    options = ["--epochs", "3", "--lr", "1e39", "--log-dir", str(tmp_path / "run")]
    assert main(["train", write_ini(tmp_path), *options]) == 1
    err = capsys.readouterr().err
    assert "the first cell with an output that is not finite is `fc`" in err
    assert "Traceback" not in err


def test_testing_what_nobody_trained_is_a_warning(capsys: Capture, tmp_path: Path) -> None:
    assert main(["test", write_ini(tmp_path), "--log-dir", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"warning: {tmp_path / 'net.ini'}: no folder of parameters is given")
    assert rate_of(captured.out) < 40


def test_parameters_of_another_network_are_refused(capsys: Capture, tmp_path: Path) -> None:
    assert main(["test", write_ini(tmp_path), str(tmp_path / "nothing"), "--log-dir", str(tmp_path)]) == 1
    assert "fc_weights.syntxt" in capsys.readouterr().err
