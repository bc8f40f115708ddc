"""Ends a training that no longer gets better."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.parameters import check_count
from n2d2.train.callback import Best, Callback, check_validation

if TYPE_CHECKING:
    from n2d2.train.run import Run


class EarlyStopping(Callback):
    """Stops when a metric has not become better for some epochs in a row.

    Of a loss the lowest value is the best, of everything else the highest. Epochs that do not have the metric (that did
    not validate) do not count.

    Arguments:
        metric (str, optional): Name of the metric, one of `n2d2.train.METRICS`, default="validation_score".
        patience (int, optional): Epochs in a row without a better value after which the training stops, default=5
        min_delta (float, optional): Least difference that counts as better, default=0.0

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: There is no such metric, `patience` is below 1, or `min_delta` is negative or not finite.

    Example:
        >>> import n2d2
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=9)
        >>> stopping = EarlyStopping("loss", patience=2)
        >>> stopping.begin(run)
        >>> for loss in (0.5, 0.3, 0.4, 0.3):
        ...     run.epoch += 1
        ...     stopping.epoch(run, {"loss": loss})
        >>> run.stop, run.reason
        (True, 'loss has not become better than 0.3 for 2 epochs')
    """

    def __init__(self, metric: str = "validation_score", patience: int = 5, min_delta: float = 0.0) -> None:
        delta: object = min_delta
        if isinstance(delta, bool) or not isinstance(delta, (int, float)):
            raise WrongInputType("EarlyStopping: min_delta", type(delta), float)
        if not 0 <= delta < math.inf:
            raise WrongValue("EarlyStopping: min_delta", delta, "a number of at least 0")
        self._patience = check_count("EarlyStopping", "patience", patience)
        self._metric, self._min_delta = metric, float(delta)
        self._best = Best("EarlyStopping", metric, self._min_delta)
        self._worse = 0
        self._seen = 0

    def begin(self, run: Run) -> None:
        """Forgets what an earlier training reached.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            StateError: A metric of the validation is watched, but the database has no stimuli to validate with.
        """
        check_validation("EarlyStopping", self._metric, run)
        self._best = Best("EarlyStopping", self._metric, self._min_delta)
        self._worse = self._seen = 0

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Asks to stop when `patience` epochs in a row were not better.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.
        """
        better = self._best.better(metrics)
        if better is None:
            return
        self._seen += 1
        self._worse = 0 if better else self._worse + 1
        if self._worse >= self._patience and not run.stop:
            run.stop = True
            best = "any number" if self._best.value is None else f"{self._best.value:g}"
            run.reason = f"{self._metric} has not become better than {best} for {self._worse} epochs"

    def end(self, run: Run) -> None:
        """Warns if the metric was hardly ever there.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Warns:
            RuntimeWarning: More epochs than `patience` passed, but only one at most had the metric.
        """
        if run.epoch > self._patience and self._seen <= 1:
            times = "once" if self._seen else "never"
            text = (
                f"EarlyStopping: `{self._metric}` was known {times} in {run.epoch} epochs, so that it could not stop "
                "the training; fit(log_epoch=1) validates after each epoch"
            )
            warnings.warn(text, RuntimeWarning, stacklevel=2)
