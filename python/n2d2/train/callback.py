"""What happens beside the learning: the base of all callbacks, and the numbers that they get."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.parameters import unknown_name
from n2d2.provider import DataProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from n2d2.train.run import Run

METRICS = (
    "loss",
    "success",
    "images_per_s",
    "learning_rate",
    "validation_loss",
    "validation_success",
    "validation_score",
)
"""The numbers of an epoch; those of the validation exist only for epochs that validated."""


class Callback:
    """Called by `fit` before the first epoch, after each batch and epoch, and at the end.

    The methods of this class do nothing: a subclass defines those that it needs. `end` is called in any case, also when
    an exception ends the training.

    Example:
        >>> import n2d2
        >>> class StopWhenGood(n2d2.train.Callback):
        ...     def epoch(self, run, metrics):
        ...         if metrics["success"] > 0.9:
        ...             run.stop, run.reason = True, "good enough"
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=10)
        >>> StopWhenGood().epoch(run, {"loss": 0.1, "success": 0.95})
        >>> run.stop, run.reason
        (True, 'good enough')
    """

    def begin(self, run: Run) -> None:
        """Called once, before the first epoch.

        Arguments:
            run (n2d2.train.Run): State of the training.
        """

    def batch(self, run: Run) -> None:
        """Called after each batch was learnt.

        Arguments:
            run (n2d2.train.Run): State of the training.
        """

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Called after each epoch, with its numbers.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch, by the names in `n2d2.train.METRICS`.
        """

    def end(self, run: Run) -> None:
        """Called once, after the last epoch or when an exception ends the training.

        Arguments:
            run (n2d2.train.Run): State of the training.
        """


def check_metric(owner: str, metric: str) -> str:
    """The name of a number of an epoch, or an error that names the nearest one.

    Arguments:
        owner (str): Name of the object in the text of the error.
        metric (str): Name.

    Raises:
        WrongInputType: It is not a str.
        WrongValue: There is no such number.

    Example:
        >>> check_metric("EarlyStopping", "validation_los")
        Traceback (most recent call last):
        n2d2.error_handler.WrongValue: EarlyStopping: `validation_los` is not a metric of an epoch; did you mean \
`validation_loss`?
    """
    if not isinstance(metric, str):
        raise WrongInputType(f"{owner}: metric", type(metric), str)
    if metric not in METRICS:
        raise WrongValue(unknown_name(owner, metric, METRICS, "a metric of an epoch"))
    return metric


class Best:
    """Keeps the best value of a metric: the lowest of a loss, the highest of anything else.

    Arguments:
        owner (str): Name of the object in the text of errors.
        metric (str): Name of the metric.
        min_delta (float, optional): Least difference that counts as better, default=0.0

    Raises:
        WrongInputType: The name of the metric is not a str.
        WrongValue: There is no such metric.

    Example:
        >>> best = Best("Checkpoint", "loss")
        >>> [best.better({"loss": loss}) for loss in (0.5, 0.6, 0.4)], best.better({})
        ([True, False, True], None)
    """

    def __init__(self, owner: str, metric: str, min_delta: float = 0.0) -> None:
        self.metric = check_metric(owner, metric)
        self.value: float | None = None
        self._sign = -1.0 if metric.endswith("loss") else 1.0
        self._min_delta = min_delta

    def better(self, metrics: Mapping[str, float]) -> bool | None:
        """Whether an epoch is strictly better than the best before; None if it does not have the metric.

        Arguments:
            metrics (dict of float): The numbers of the epoch.
        """
        value = metrics.get(self.metric)
        if value is None:
            return None
        gain = None if self.value is None else self._sign * (value - self.value)
        # A value that is not a number is never better, and anything is better than none.
        if math.isnan(value) or (gain is not None and not gain > self._min_delta):
            return False
        self.value = value
        return True


def check_validation(owner: str, metric: str, run: Run) -> None:
    """Raises StateError if a metric of the validation is asked for, but no stimuli are there to validate with.

    Arguments:
        owner (str): Name of the object in the text of the error.
        metric (str): Name of the metric.
        run (n2d2.train.Run): State of the training.

    Raises:
        StateError: The partition Validation of the database is empty.
    """
    provider = run.provider
    if not metric.startswith("validation") or not isinstance(provider, DataProvider):
        return
    if not provider.get_database().get_nb_stimuli("Validation"):
        raise StateError(
            f"{owner}: `{metric}` needs stimuli in the partition Validation, which is empty; give the database a part "
            "for it (`validation=0.1`, or partition_stimuli), or watch `loss` or `success`"
        )
