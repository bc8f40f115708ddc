"""The log of a training as a table."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from n2d2.error_handler import FileError
from n2d2.files import append_text, write_text
from n2d2.train.callback import METRICS, Callback
from n2d2.train.log_file import check_path, complete_last_line, record

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from n2d2.train.run import Run

_COLUMNS = ("run", "epoch", "step", "seconds", *METRICS)


class CsvLog(Callback):
    """Appends a row an epoch to a table, which is complete after each epoch.

    The columns are `run` (when the training began), `epoch`, `step`, `seconds` and all metrics; those that an epoch
    does not have are empty. A metric without a column gets one. The rows of a training that goes on, or of another one
    in the same folder, are appended.

    Arguments:
        path (str or Path, optional): File, in the folder of the training, default="metrics.csv".

    Raises:
        WrongInputType: `path` is not a path.
        WrongValue: `path` is empty.

    Example:
        >>> import n2d2, pathlib
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=2, epoch=1, step=125)
        >>> log = CsvLog()
        >>> log.begin(run)
        >>> log.epoch(run, {"loss": 0.25, "success": 0.875})
        >>> print(pathlib.Path("metrics.csv").read_text())
        run,epoch,step,seconds,loss,success,images_per_s,learning_rate,validation_loss,validation_success,validation_score
        ...Z,1,125,...,0.25,0.875,,,,,
    """

    def __init__(self, path: str | os.PathLike[str] = "metrics.csv") -> None:
        self._path = check_path("CsvLog", "path", path)
        self._columns: list[str] = []

    def begin(self, run: Run) -> None:
        """Reads the names of the columns of a file that exists.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be read, or is no log of a training.
        """
        path = run.log_dir / self._path
        complete_last_line(path)
        rows = _rows(path)
        self._columns = rows[0] if rows else []
        if rows and not {"run", "epoch"} <= set(rows[0]):
            raise FileError(f"{path}: is no log of a training: its first line does not name the columns `run`, `epoch`")

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Appends the row of the epoch.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.

        Raises:
            FileError: The file cannot be written.
        """
        path = run.log_dir / self._path
        values = record(run, metrics)
        wanted = self._columns or list(_COLUMNS)
        wanted = [*wanted, *(name for name in values if name not in wanted)]
        row = [values.get(name, "") for name in wanted]
        if wanted == self._columns:
            append_text(path, _csv([row]))
            return
        # A file with other columns is written anew, with empty places in its old rows.
        old = [[*line, *[""] * (len(wanted) - len(line))] for line in _rows(path)[1:]]
        write_text(path, _csv([wanted, *old, row]))
        self._columns = wanted


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
