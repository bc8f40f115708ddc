"""Files that are complete or not there: written beside their place, synced, then renamed over it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2.error_handler import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives the name of a temporary file that takes the place of `path` when the block ends without an error.

    Folders on the way are created. If the block fails, an old file stays as it was.

    Arguments:
        path (str or Path): File to write.

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "runs", "note.txt")
        ...     with replacing(file) as temporary:
        ...         _ = temporary.write_text("done")
        ...     file.read_text(), [f.name for f in file.parent.iterdir()]
        ('done', ['note.txt'])
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Writes a text file in UTF-8, complete or not at all.

    Arguments:
        path (str or Path): File to write.
        text (str): Its content.

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(f"{folder}/a.dat", "1 2\n")
        ...     pathlib.Path(folder, "a.dat").read_text()
        '1 2\n'
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Appends to a text file in UTF-8; the file and its folders are created if there are none.

    Arguments:
        path (str or Path): File to append to.
        text (str): What to append.

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for line in ("a\n", "b\n"):
        ...         append_text(f"{folder}/run/a.log", line)
        ...     pathlib.Path(folder, "run", "a.log").read_text()
        'a\nb\n'
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
