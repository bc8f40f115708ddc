from __future__ import annotations

import csv
from pathlib import Path

import pytest

from n2d2.error_handler import FileError, WrongInputType
from n2d2.train import METRICS, CsvLog
from support.training import play


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_an_epoch_with_empty_places_for_what_it_lacks(tmp_path: Path) -> None:
    run = play(tmp_path, [{"loss": 0.5, "success": 0.25}, {"loss": 0.125, "validation_score": 0.75}], CsvLog())
    rows = read(tmp_path / "metrics.csv")
    assert list(rows[0]) == ["run", "epoch", "step", "seconds", *METRICS]
    assert [row["run"] for row in rows] == [run.started] * 2
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    assert [row["loss"] for row in rows] == ["0.5", "0.125"]
    assert [row["validation_score"] for row in rows] == ["", "0.75"]


def test_a_new_metric_gets_a_column_and_old_rows_stay(tmp_path: Path) -> None:
    play(tmp_path, [{"loss": 0.5}, {"loss": 0.25, "gradient": 3.0}, {"loss": 0.125}], CsvLog("log.csv"))
    rows = read(tmp_path / "log.csv")
    assert [row["gradient"] for row in rows] == ["", "3.0", ""]
    assert [row["loss"] for row in rows] == ["0.5", "0.25", "0.125"]


def test_another_training_appends_to_the_columns_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("loss,run,epoch\n0.75,before,7\n0.5,before,8")
    play(tmp_path, [{"loss": 0.25}], CsvLog())
    rows = read(path)
    assert [(row["run"], row["epoch"], row["loss"]) for row in rows[:2]] == [
        ("before", "7", "0.75"),
        ("before", "8", "0.5"),
    ]
    assert (rows[2]["epoch"], rows[2]["loss"], rows[2]["step"]) == ("1", "0.25", "3")
    play(tmp_path, [{"loss": 0.125}], CsvLog())
    assert [row["loss"] for row in read(path)] == ["0.75", "0.5", "0.25", "0.125"]


def test_files_of_something_else_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("name,price\npear,3\n")
    with pytest.raises(FileError, match=r"metrics\.csv: is no log of a training: its first line does not name"):
        play(tmp_path, [{"loss": 0.25}], CsvLog())
    assert path.read_text() == "name,price\npear,3\n"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(FileError, match=r"metrics\.csv: cannot be read: 'utf-8' codec"):
        play(tmp_path, [{"loss": 0.25}], CsvLog())


def test_paths_are_checked() -> None:
    with pytest.raises(WrongInputType, match="CsvLog: path must be of type str, PathLike, got NoneType"):
        CsvLog(None)  # type: ignore[arg-type]
