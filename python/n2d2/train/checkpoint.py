"""Keeps the parameters of a network while it learns."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.error_handler import FileError
from n2d2.files import write_text
from n2d2.global_variables import global_variables
from n2d2.parameters import check_count
from n2d2.train.callback import Best, Callback, check_validation
from n2d2.train.log_file import check_path, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2d2.train.run import Run


class Checkpoint(Callback):
    """Writes the parameters every few epochs, and those of the best epoch.

    `epoch-<n>` holds the files of `export_free_parameters` and `checkpoint.json`: epoch, metrics, seed, version. `best`
    holds those of the best epoch. A folder is complete or not there: it is written beside its place and renamed. What
    another training left in folders of these names is replaced. `model.import_free_parameters(folder)` reads one back.

    Arguments:
        folder (str or Path, optional): Folder of all checkpoints, in the folder of the training, default="checkpoints".
        every (int, optional): Epochs between two checkpoints; the last epoch has one too, default=1
        keep (int, optional): Number of last checkpoints to keep; `best` is kept besides, default=3
        best (str, optional): Metric of the best epoch, one of `n2d2.train.METRICS`; None: keeps no best, default=None

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: `folder` is empty, `every` or `keep` is below 1, or there is no such metric.

    Example:
        >>> import n2d2, pathlib
        >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, name="fc")])
        >>> run = n2d2.train.Run(model, None, [], epochs=4)
        >>> checkpoint = Checkpoint(keep=2, best="loss")
        >>> checkpoint.begin(run)
        >>> for run.epoch, loss in enumerate((0.5, 0.2, 0.4, 0.3), 1):
        ...     checkpoint.epoch(run, {"loss": loss})
        >>> sorted(folder.name for folder in pathlib.Path("checkpoints").iterdir())
        ['best', 'epoch-0003', 'epoch-0004']
        >>> sorted(file.name for file in pathlib.Path("checkpoints/best").iterdir())
        ['checkpoint.json', 'fc_biases.syntxt', 'fc_weights.syntxt']
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] = "checkpoints",
        every: int = 1,
        keep: int = 3,
        best: str | None = None,
    ) -> None:
        self._folder = check_path("Checkpoint", "folder", folder)
        self._every = check_count("Checkpoint", "every", every)
        self._keep = check_count("Checkpoint", "keep", keep)
        self._metric = best
        self._best = None if best is None else Best("Checkpoint", best)
        self._kept: list[Path] = []
        self._metrics: dict[str, float] = {}

    def begin(self, run: Run) -> None:
        """Forgets what an earlier training wrote.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            StateError: The best epoch is that of a metric of the validation, but there are no stimuli to validate with.
        """
        if self._metric is not None:
            check_validation("Checkpoint", self._metric, run)
            self._best = Best("Checkpoint", self._metric)
        self._kept, self._metrics = [], {}

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Writes the folder of the epoch, and of the best one, and removes the oldest.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.

        Raises:
            FileError: A file cannot be written.
        """
        if run.epoch % self._every == 0 or run.epoch == run.epochs:
            self._write_last(run, metrics)
        self._metrics = metrics
        if self._best is not None and self._best.better(metrics):
            self._write(run, metrics, run.log_dir / self._folder / "best")

    def end(self, run: Run) -> None:
        """Writes the folder of the last epoch of a training that was asked to stop.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: A file cannot be written.
        """
        if run.stop and run.epoch % self._every != 0 and run.epoch != run.epochs:
            self._write_last(run, self._metrics)

    def _write_last(self, run: Run, metrics: dict[str, float]) -> None:
        path = run.log_dir / self._folder / f"epoch-{run.epoch:04d}"
        self._write(run, metrics, path)
        self._kept = [*(kept for kept in self._kept if kept != path), path]
        while len(self._kept) > self._keep:
            shutil.rmtree(self._kept.pop(0), ignore_errors=True)

    def _write(self, run: Run, metrics: dict[str, float], path: Path) -> None:
        facts = {**record(run, metrics), "seed": global_variables.seed, "n2d2": _core.version}
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()}
        with _replacing_folder(path) as temporary:
            run.model.export_free_parameters(str(temporary), verbose=False)
            write_text(temporary / "checkpoint.json", json.dumps(finite, indent=1) + "\n")


@contextlib.contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Gives a fresh folder that takes the place of `path` when the block ends without an error."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}-{os.getpid()}.old")
    try:
        for left in (temporary, old):
            if left.exists():
                shutil.rmtree(left)
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        if old.exists() and not path.exists():
            old.rename(path)
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
