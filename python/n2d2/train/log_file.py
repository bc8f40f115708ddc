"""What the logs of a training have in common: where they are, and the record of an epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2.error_handler import FileError, WrongInputType, WrongValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from n2d2.train.run import Run


def check_path(owner: str, name: str, path: str | os.PathLike[str]) -> Path:
    """The path of a log, or an error.

    Arguments:
        owner (str): Name of the object in the text of the error.
        name (str): Name of the argument.
        path (str or Path): Path of a file or folder.

    Raises:
        WrongInputType: It is not a path.
        WrongValue: It is empty.

    Example:
        >>> check_path("JsonLines", "path", "metrics.jsonl").name
        'metrics.jsonl'
    """
    given: object = path
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise WrongInputType(f"{owner}: {name}", type(path), (str, os.PathLike))
    if not os.fspath(path):
        raise WrongValue(f"{owner}: {name}", path, "the name of a file or folder")
    return Path(path)


def record(run: Run, metrics: Mapping[str, float]) -> dict[str, str | int | float]:
    """What a log says about an epoch: the beginning of the training, epoch, steps and seconds since then, the metrics.

    Arguments:
        run (n2d2.train.Run): State of the training.
        metrics (dict of float): The numbers of the epoch.

    Example:
        >>> import n2d2
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=10, epoch=3, step=90)
        >>> list(record(run, {"loss": 0.5}))
        ['run', 'epoch', 'step', 'seconds', 'loss']
    """
    return {"run": run.started, "epoch": run.epoch, "step": run.step, "seconds": round(run.seconds, 3), **metrics}


def complete_last_line(path: Path) -> None:
    """Ends the last line of a text file that was cut off, so that what is appended begins a line of its own.

    Arguments:
        path (Path): File; nothing happens if there is none.

    Raises:
        FileError: The file cannot be read or written.
    """
    try:
        with path.open("rb+") as file:
            if file.seek(0, os.SEEK_END) > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
