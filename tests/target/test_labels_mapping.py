from __future__ import annotations

from pathlib import Path

import pytest

from n2d2.error_handler import FileError, MissingFileError
from n2d2.target.labels_mapping import LabelsMapping, read_labels_mapping

LABELS = ["cat", "dog", "wild cat", "bird"]


def read(folder: Path, text: str, labels: list[str] = LABELS, create_missing: bool = False) -> LabelsMapping:
    file = folder / "map.dat"
    file.write_text(text, encoding="utf-8")
    return read_labels_mapping(file, labels, create_missing)


def test_names_of_several_words_quotes_and_comments(tmp_path: Path) -> None:
    text = '# all of them\ncat 0\n  "dog"   1 # barks\nwild   cat 2\n\n"bird" -1\n'
    mapping = read(tmp_path, text)
    assert mapping.targets == [0, 1, 2, -1]
    assert mapping.names == {0: "cat", 1: "dog", 2: "wild cat", -1: "bird"}
    assert mapping.ignore == -1


def test_wildcards_the_ignore_label_and_the_default(tmp_path: Path) -> None:
    mapping = read(tmp_path, "*cat 3\n* 0\ndefault 1\n")
    assert mapping.targets == [3, 1, 3, 1]
    assert mapping.ignore == 0
    assert mapping.names == {3: "cat...", 0: "*", 1: "default"}
    assert read(tmp_path, "?at 0\ndefault 1\n").targets == [0, 1, 1, 1]
    assert read(tmp_path, "[cd]* 0\ndefault 1\n", ["cat", "[cd]x"]).targets == [1, 0]


def test_missing_labels_warn_or_are_created(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"map\.dat, line 1: the database has no label 'cow'"):
        read(tmp_path, "cow 0\ndefault 1\n")
    mapping = read(tmp_path, "cow?* 0\ndefault 1\n", create_missing=True)
    assert mapping.created == ["cow_"]
    assert mapping.targets == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 0\n*cat 1\n", r"map\.dat, line 2: label 'cat' already has target 0"),
        ("default 0\ndefault 1\n", r"map\.dat, line 2: `default` was already given, with target 0"),
        ("* 0\n* 1\n", r"map\.dat, line 2: stimuli without label \(`\*`\) already have target 0"),
        ("cat 0\n", r"map\.dat: no target for label 'dog', 'wild cat', 'bird': add a line for each"),
        ("cat\n", r"map\.dat, line 1: expected a label and its target, an integer of at least -1, got 'cat'"),
        ("cat zero\n", r"line 1: expected a label and its target"),
        ("cat -2\n", r"line 1: expected a label and its target"),
        ("cat 99999999999\n", r"line 1: expected a label and its target"),
        ('"cat 0\n', r"line 1: a double quote is not closed in '\"cat 0'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read(tmp_path, text)


def test_quoted_words_may_hold_hashes_and_stand_beside_plain_ones(tmp_path: Path) -> None:
    mapping = read(tmp_path, '"no #1" 0\r\nbig "red dog" 1 # the last\r\n', ["no #1", "big red dog"])
    assert mapping.targets == [0, 1]
    assert mapping.names == {0: "no #1", 1: "big red dog"}


def test_wildcards_match_whole_labels_with_their_case(tmp_path: Path) -> None:
    labels = ["cat", "Cat", "cats", "c.t", "caat"]
    assert read(tmp_path, "c?t 1\ndefault 0\n", labels).targets == [1, 0, 0, 1, 0]
    assert read(tmp_path, "c*t 1\ndefault 0\n", labels).targets == [1, 0, 0, 1, 1]
    with pytest.warns(UserWarning, match=r"map\.dat, line 1: the database has no label 'x\*'"):
        read(tmp_path, "x* 1\ndefault 0\n", labels)


def test_an_ignored_label_and_several_of_one_target(tmp_path: Path) -> None:
    mapping = read(tmp_path, "dog -1\ncat 0\nbird 0\ndefault -1\n")
    assert mapping.targets == [0, -1, -1, 0]
    assert mapping.names == {-1: "dog...", 0: "cat..."}


def test_created_labels_are_appended_in_order_and_not_twice(tmp_path: Path) -> None:
    mapping = read(tmp_path, "cow 1\nhen 0\ndefault 2\n", create_missing=True)
    assert mapping.created == ["cow", "hen"]
    assert mapping.targets == [2, 2, 2, 2, 1, 0]
    with pytest.raises(FileError, match=r"map\.dat, line 2: label 'cow' already has target 1"):
        read(tmp_path, "cow 1\ncow 0\ndefault 2\n", create_missing=True)


def test_a_label_with_wildcards_in_the_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="has wildcards, but is also a label of the database"):
        read(tmp_path, "a* 0\ndefault 1\n", ["a*", "ab"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing\.dat: no such file"):
        read_labels_mapping(tmp_path / "nothing.dat", LABELS)
    with pytest.raises(FileError, match="cannot be read"):
        read_labels_mapping(tmp_path, LABELS)
    (tmp_path / "map.dat").write_bytes(b"caf\xe9 0\n")
    with pytest.raises(FileError, match=r"not a text file in UTF-8 \(byte 3\)"):
        read_labels_mapping(tmp_path / "map.dat", LABELS)
    with (tmp_path / "map.dat").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(FileError, match="17825792 bytes are too many"):
        read_labels_mapping(tmp_path / "map.dat", LABELS)
