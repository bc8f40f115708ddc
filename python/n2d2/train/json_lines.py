"""The log of a training that programs read: a JSON object an epoch."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from n2d2.files import append_text
from n2d2.train.callback import Callback
from n2d2.train.log_file import check_path, complete_last_line, record

if TYPE_CHECKING:
    import os

    from n2d2.train.run import Run


class JsonLines(Callback):
    """Appends a JSON object an epoch to a file, which is complete after each epoch.

    The keys are `run` (when the training began), `epoch`, `step`, `seconds` and the metrics of the epoch; a number that
    is not finite is null. The lines of a training that goes on, or of another one in the same folder, are appended.

    Arguments:
        path (str or Path, optional): File, in the folder of the training, default="metrics.jsonl".

    Raises:
        WrongInputType: `path` is not a path.
        WrongValue: `path` is empty.

    Example:
        >>> import n2d2, pathlib
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=2, epoch=1, step=125)
        >>> log = JsonLines()
        >>> log.begin(run)
        >>> log.epoch(run, {"loss": 0.25, "success": 0.875})
        >>> print(pathlib.Path("metrics.jsonl").read_text())
        {"run": "...Z", "epoch": 1, "step": 125, "seconds": ..., "loss": 0.25, "success": 0.875}
    """

    def __init__(self, path: str | os.PathLike[str] = "metrics.jsonl") -> None:
        self._path = check_path("JsonLines", "path", path)

    def begin(self, run: Run) -> None:
        """Makes sure that the file ends with a complete line.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be written.
        """
        complete_last_line(run.log_dir / self._path)

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Appends the line of the epoch.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.

        Raises:
            FileError: The file cannot be written.
        """
        finite = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in record(run, metrics).items()
        }
        append_text(run.log_dir / self._path, json.dumps(finite, allow_nan=False) + "\n")
