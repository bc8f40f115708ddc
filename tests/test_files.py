from __future__ import annotations

from pathlib import Path

import pytest

from n2d2.error_handler import FileError
from n2d2.files import replacing, write_text


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.dat"
    write_text(file, "old")

    def broken() -> None:
        with replacing(file) as temporary:
            temporary.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert file.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["a.dat"]


def test_folders_are_created_and_content_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.dat"
    write_text(file, "one")
    write_text(file, "two\n")
    assert file.read_bytes() == b"two\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FileError, match=r"file/x\.dat: cannot be written: (Not a directory|File exists)"):
        write_text(tmp_path / "file" / "x.dat", "text")
    assert [f.name for f in tmp_path.iterdir()] == ["file"]
