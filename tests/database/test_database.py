"""What all databases have in common."""

from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import StateError, WrongInputType, WrongValue


def numbers(count: int) -> n2d2.database.Numpy:
    n2d2.global_variables.seed = 1
    database = n2d2.database.Numpy()
    database.load([np.full((1, 1, 1), i, np.uint8) for i in range(count)], [i % 4 for i in range(count)])
    return database


def ids(database: n2d2.database.AbstractDatabase, partition: str) -> list[int]:
    return database.N2D2().ids(partition).tolist()


def test_the_base_is_abstract() -> None:
    with pytest.raises(TypeError):
        n2d2.database.AbstractDatabase()  # type: ignore[abstract]


def test_random_partitions_are_those_of_the_original() -> None:
    database = numbers(10)
    database.partition_stimuli(1, 0, 0)
    # Recorded from the original with seed 1.
    assert ids(database, "Learn") == [4, 9, 6, 8, 0, 1, 3, 7, 2, 5]


def test_fractions_are_rounded_as_documented() -> None:
    database = numbers(5)
    database.partition_stimuli(0.5, 0.25, 0.25)
    assert [database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test", "Unpartitioned")] == [3, 1, 1, 0]
    database = numbers(10)
    database.partition_stimuli(0.2, 0.2, 0.2)
    assert [database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test", "Unpartitioned")] == [2, 2, 2, 4]


def test_order_is_kept_without_random_partitioning() -> None:
    database = numbers(4)
    database.random_partitioning = False
    database.partition_stimuli(0.5, 0.25, 0.25)
    assert [ids(database, p) for p in ("Learn", "Validation", "Test")] == [[0, 1], [2], [3]]


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    database = numbers(3)
    database.partition_stimuli(0.34, 0.0, 0.33)
    database.get_partition_summary()
    assert capsys.readouterr().out == (
        "Number of stimuli : 3\n"
        "Learn         : 1 stimuli (33.33%)\n"
        "Test          : 1 stimuli (33.33%)\n"
        "Validation    : 0 stimuli (0.0%)\n"
        "Unpartitioned : 1 stimuli (33.33%)\n"
        "\n"
    )
    n2d2.database.Database().get_partition_summary()
    assert capsys.readouterr().out == "No stimulus in the database !\n"


def test_an_empty_database_prints_nothing_as_in_the_original() -> None:
    assert str(n2d2.database.Database()) == ""
    assert n2d2.database.Database(load_data_in_memory=True).get_parameter("load_data_in_memory") is True


def test_arguments_are_checked() -> None:
    database = numbers(4)
    with pytest.raises(
        WrongValue, match=r'partition` is "learn", expected one of Learn, Validation, Test, Unpartitioned'
    ):
        database.get_nb_stimuli("learn")
    with pytest.raises(WrongInputType, match="Numpy: parameter `partition` must be a str, got int"):
        database.get_nb_stimuli(0)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match=r"learn \+ validation \+ test` is 1\.5, expected at most 1"):
        database.partition_stimuli(1.0, 0.25, 0.25)
    with pytest.raises(WrongValue, match=r"Numpy: parameter `test` is -0\.5, expected a fraction from 0 to 1"):
        database.partition_stimuli(1.0, 0.0, -0.5)
    with pytest.raises(WrongInputType, match="Numpy: validation must be of type float, got str"):
        database.partition_stimuli(0.5, "0", 0.5)  # type: ignore[arg-type]
    assert database.get_nb_stimuli("Unpartitioned") == 4
    with pytest.raises(WrongInputType, match="Numpy: label must be of type int, got str"):
        database.get_label_name("0")  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="label` is 4, expected less than the 4 labels"):
        database.get_label_name(4)
    with pytest.raises(WrongValue, match="Numpy: label is -1, expected less than the 4 labels from 0 on"):
        database.get_label_name(-1)
    with pytest.raises(WrongInputType, match="Numpy: parameter `random_partitioning` must be a bool, got int"):
        n2d2.database.Numpy(random_partitioning=1)  # type: ignore[arg-type]


def test_parameters_are_read_and_written_like_attributes() -> None:
    database = numbers(1)
    assert database.get_parameter("composite_label") == "Auto"
    database.set_parameter("random_partitioning", False)
    assert database.random_partitioning is False
    with pytest.raises(WrongValue, match="Numpy: default_label is 'x', expected '': other values are not built yet"):
        database.default_label = "x"
    with pytest.raises(StateError, match="`load_data_in_memory` is not settable after construction"):
        n2d2.database.Database().load_data_in_memory = True
