from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from n2d2.error_handler import FileError, WrongInputType, WrongValue
from n2d2.train import JsonLines
from support.training import play


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_object_an_epoch_with_everything_that_is_known(tmp_path: Path) -> None:
    run = play(tmp_path, [{"loss": 0.5, "success": 0.25}, {"loss": 0.125, "validation_score": 0.75}], JsonLines())
    first, second = read(tmp_path / "metrics.jsonl")
    seconds = [first.pop("seconds"), second.pop("seconds")]
    assert first == {"run": run.started, "epoch": 1, "step": 3, "loss": 0.5, "success": 0.25}
    assert second == {"run": run.started, "epoch": 2, "step": 6, "loss": 0.125, "validation_score": 0.75}
    assert 0 <= seconds[0] <= seconds[1] < 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", run.started)


def test_the_file_is_complete_after_each_epoch(tmp_path: Path) -> None:
    seen: list[int] = []
    path = tmp_path / "logs/all.jsonl"
    play(
        tmp_path,
        [{"loss": 1.0}] * 3,
        JsonLines("logs/all.jsonl"),
        learn=lambda run: seen.append(len(read(path)) if path.exists() else 0),
    )
    assert seen == [0] * 3 + [1] * 3 + [2] * 3


def test_another_training_appends_also_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    play(tmp_path, [{"loss": 0.5}], JsonLines())
    path = tmp_path / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"run": "20')
    play(tmp_path, [{"loss": 0.25}], JsonLines())
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert [json.loads(line)["loss"] for line in (lines[0], lines[2])] == [0.5, 0.25]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_null(tmp_path: Path, value: float) -> None:
    play(tmp_path, [{"loss": value}], JsonLines())
    assert read(tmp_path / "metrics.jsonl")[0]["loss"] is None
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(FileError, match=r"metrics\.jsonl: cannot be written: Is a directory"):
        play(tmp_path, [{"loss": 0.5}], JsonLines())


def test_paths_are_checked() -> None:
    with pytest.raises(WrongInputType, match="JsonLines: path must be of type str, PathLike, got int"):
        JsonLines(3)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="JsonLines: path is '', expected the name of a file or folder"):
        JsonLines("")
