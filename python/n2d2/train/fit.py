"""The training of a network: epochs, logs, validation, callbacks."""

from __future__ import annotations

import contextlib
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from n2d2 import _core
from n2d2.error_handler import DataError, StateError, WrongInputType, WrongValue
from n2d2.interface import Interface
from n2d2.parameters import check_bool
from n2d2.target.score import Score
from n2d2.train.callback import Callback
from n2d2.train.csv_log import CsvLog
from n2d2.train.json_lines import JsonLines
from n2d2.train.learning_rate_log import learning_rate, solvers_of
from n2d2.train.log_file import check_path
from n2d2.train.progress import Progress
from n2d2.train.run import Run

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.provider import DataProvider
    from n2d2.target.target import Target
    from n2d2.tensor import Tensor

_PARTS = ("data", "forward", "loss", "backward", "update")


def _check_number(owner: str, name: str, value: object, least: int) -> int:
    """An integer of at least `least`, or an error.

    Arguments:
        owner (str): Name of the object in the text of the error.
        name (str): Name of the argument.
        value (int): What was given.
        least (int): Least value.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongInputType(f"{owner}: {name}", type(value), int)
    if value < least:
        raise WrongValue(f"{owner}: {name}", value, f"an integer of at least {least}")
    return value


class _Options(NamedTuple):
    """The options of `DeepNetCell.fit` by the contract, which describes them."""

    learn_epoch: int
    log_epoch: int
    avg_window: int
    bench: bool
    ban_multi_device: bool
    valid_metric: str
    stop_valid: int
    log_kernels: bool

    def check(self, owner: str) -> None:
        """Raises unless all are accepted."""
        for name, least in (("learn_epoch", 1), ("log_epoch", 0), ("avg_window", 1), ("stop_valid", 0)):
            _check_number(owner, name, getattr(self, name), least)
        for name in ("bench", "ban_multi_device", "log_kernels"):
            check_bool(owner, name, getattr(self, name))
        if not isinstance(self.valid_metric, str):
            raise WrongInputType(f"{owner}: valid_metric", type(self.valid_metric), str)
        if self.valid_metric not in _core.METRICS:
            raise WrongValue(f"{owner}: valid_metric", self.valid_metric, _core.METRICS)
        if self.ban_multi_device:
            warnings.warn(f"{owner}: ban_multi_device has no effect: one device is used", UserWarning, stacklevel=4)


def _ready(model: DeepNetCell, what: str, partition: str) -> tuple[DataProvider, list[Target]]:
    """The provider and the targets of a network, or an error that says what is missing.

    Arguments:
        model (n2d2.cells.DeepNetCell): Network.
        what (str): What needs them, for the text of the error.
        partition (str): Partition that must have stimuli.
    """
    from n2d2.provider import DataProvider

    provider = model.provider
    if not isinstance(provider, DataProvider):
        got = "none" if provider is None else type(provider).__name__
        raise StateError(f"{model.name}: {what} needs an n2d2.provider.DataProvider, got {got}; call set_provider")
    if not model.targets:
        raise StateError(f"{model.name}: {what} needs a target; call set_provider, or give it to to_deepnet_cell")
    if provider.get_database().get_nb_stimuli(partition) == 0:
        raise StateError(f"{model.name}: {what}: the {partition} partition of `{provider.name}` has no stimuli")
    folders: set[Path] = set()
    for target in model.targets.values():
        if target.folder in folders:
            raise StateError(f"{model.name}: {what}: two targets are called `{target.name}`; give each its own name")
        folders.add(target.folder)
    return provider, list(model.targets.values())


@contextlib.contextmanager
def _logging_to(owner: str, targets: Sequence[Target], log_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Lets targets without a folder of their own write below `log_dir` for a while, and gives that folder."""
    if log_dir is None:
        yield Path()
        return
    folder = check_path(owner, "log_dir", log_dir)
    moved = [target for target in targets if target._log_dir == Path()]
    for target in moved:
        target._log_dir = folder
    try:
        yield folder
    finally:
        for target in moved:
            target._log_dir = Path()


def _outputs_of(model: DeepNetCell, stimuli: Tensor) -> list[Tensor]:
    """The outputs of a network that have targets, in the order of the targets."""
    result = model(stimuli)
    outputs = result.tensors if isinstance(result, Interface) else [result]
    by_name = {cell.name: output for cell, output in zip(model.get_output_cells(), outputs, strict=True)}
    return [by_name[name] for name in model.targets]


@contextlib.contextmanager
def _naming_cells(model: DeepNetCell, when: str) -> Iterator[None]:
    """Adds the name of the first cell whose output is not finite to an error about the data."""
    import numpy as np

    try:
        yield
    except DataError as error:
        for cell in model._layers():
            if cell._output is not None and not np.isfinite(cell._output.to_numpy()).all():
                raise DataError(
                    f"{error}; the first cell with an output that is not finite is `{cell.name}`, {when}"
                ) from None
        raise


class _Window:
    """A target whose loss and success are means over the last batches only."""

    def __init__(self, target: Target, batches: int) -> None:
        self._target, self._batches = target, batches

    def recent(self, window: int) -> tuple[float, float, int]:
        images = self._target.recent(window)[2]
        return (*self._target.recent(min(window, self._batches))[:2], images)


class _Training:
    def __init__(
        self, model: DeepNetCell, options: _Options, folder: Path, callbacks: Sequence[Callback], targets: list[Target]
    ) -> None:
        self.model, self.options, self.folder = model, options, folder
        self.provider = cast("DataProvider", model.provider)
        self.targets = targets
        self.run = Run(model, self.provider, targets, options.learn_epoch, folder)
        self.callbacks = [JsonLines(), CsvLog(), *callbacks]
        self.best: dict[str, float] = {}
        self.not_better = 0
        self.logged = 0
        self.validates = self.provider.get_database().get_nb_stimuli("Validation") > 0
        self.metrics: dict[str, float] = {}
        self.spent_s = dict.fromkeys(_PARTS, 0.0)

    def learn(self) -> None:
        run, options = self.run, self.options
        window = max(1, options.avg_window // self.provider.get_batch_size())
        progress = Progress(cast("Target", _Window(self.targets[0], window)), run.epochs)
        for callback in self.callbacks:
            callback.begin(run)
        for epoch in range(1, run.epochs + 1):
            run.epoch, run.batch = epoch, 0
            self.provider.set_partition("Learn")
            self.provider.set_batch(shuffle=True)
            if self.logged == epoch - 1:
                self._clear_scores()
            run.batches = len(self.provider)
            before_s = progress.learning_s
            for stimuli in progress(self._batches(), run.batches, after=self._after_epoch):
                self._learn_batch(stimuli)
                run.batch += 1
                run.step += 1
                for callback in self.callbacks:
                    callback.batch(run)
            images = self.provider.get_database().get_nb_stimuli("Learn")
            self.metrics["images_per_s"] = images / max(progress.learning_s - before_s, 1e-9)
            self.model.history.append(dict(self.metrics))
            for callback in self.callbacks:
                callback.epoch(run, dict(self.metrics))
            if run.stop:
                break
        if self.logged != run.epoch:
            note = self._log()
            self.model.history[-1].update(self.metrics)
            if note:
                print(note)
        if run.stop:
            print(f"stopped after epoch {run.epoch}: {run.reason or 'a callback asked for it'}")
        if options.bench:
            self._print_bench(progress.learning_s)

    def _clear_scores(self) -> None:
        """Lets the scores of the provider's partition begin anew."""
        for target in self.targets:
            if isinstance(target, Score):
                target.clear_score()

    def _batches(self) -> Iterator[Tensor]:
        while not self.provider.all_batchs_provided():
            start = time.perf_counter()
            stimuli = self.provider.read_batch()
            self.spent_s["data"] += time.perf_counter() - start
            yield stimuli

    def _learn_batch(self, stimuli: Tensor) -> None:
        clock = time.perf_counter
        start = clock()
        outputs = _outputs_of(self.model, stimuli)
        computed = clock()
        with _naming_cells(self.model, f"in batch {self.run.batch + 1} of epoch {self.run.epoch}"):
            losses = [target(output) for target, output in zip(self.targets, outputs, strict=True)]
        compared = clock()
        for loss in losses:
            loss.back_propagate()
        back = clock()
        if len(losses) == 1:
            losses[0].update()
        else:
            self.model.update()
        end = clock()
        times = (0.0, computed - start, compared - computed, back - compared, end - back)
        for part, spent in zip(_PARTS, times, strict=True):
            self.spent_s[part] += spent

    def _after_epoch(self) -> str:
        run, options = self.run, self.options
        loss, success, _ = self.targets[0].recent(run.batches)
        self.metrics = {"loss": loss, "success": success}
        solvers = list(solvers_of(self.model).values())
        if solvers:
            stimuli = run.epoch * self.provider.get_database().get_nb_stimuli("Learn")
            updates = run.step // getattr(solvers[0], "iteration_size", 1)
            self.metrics["learning_rate"] = learning_rate(solvers[0], updates, stimuli)
        due = run.epoch == run.epochs or (options.log_epoch > 0 and run.epoch % options.log_epoch == 0)
        return self._log() if due else ""

    def _log(self) -> str:
        """Writes the logs of an epoch and validates; returns what to say about it."""
        self.logged = self.run.epoch
        for target in self.targets:
            _log_target(target, "learning")
        if not self.validates:
            self.model.export_free_parameters(str(self.folder / "weights"), verbose=False)
            return ""
        return self._validate()

    def _validate(self) -> str:
        metric = self.options.valid_metric
        first_is_best = False
        with _evaluating(self.model, "Validation"):
            self._clear_scores()
            for stimuli in self.provider:
                with _naming_cells(self.model, f"in the validation of epoch {self.run.epoch}"):
                    for target, output in zip(self.targets, _outputs_of(self.model, stimuli), strict=True):
                        target(output)
            for i, target in enumerate(self.targets):
                # What has no classes is the better the smaller its loss.
                loss, success, _ = target.recent(0)
                has_classes = isinstance(target, Score) and not target.data_as_target
                score = cast("Score", target).get_average_score(metric) if has_classes else -loss
                better = target.name not in self.best or score > self.best[target.name]
                if better:
                    self.best[target.name] = score
                    _log_target(target, "validation", success=False)
                if i == 0:
                    first_is_best = better
                    self.metrics.update(validation_loss=loss, validation_success=success, validation_score=score)
                elif first_is_best:
                    _log_target(target, "validation-best-primary", success=False)
                if isinstance(target, Score):
                    target.log_success("validation")
        if first_is_best:
            self.not_better = 0
            self.model.export_free_parameters(str(self.folder / "weights_validation"), verbose=False)
        else:
            self.not_better += 1
            if 0 < self.options.stop_valid <= self.not_better:
                self.run.stop = True
                self.run.reason = f"{self.not_better} validations in a row were not better than the best"
        note = f"validation {100 * self.metrics['validation_success']:.2f} %"
        return f"{note}, {metric} {100 * self.metrics['validation_score']:.2f} %" + (" (best)" if first_is_best else "")

    def _print_bench(self, learning_s: float) -> None:
        total = sum(self.spent_s.values())
        images = self.run.epoch * self.provider.get_database().get_nb_stimuli("Learn")
        parts = "   ".join(f"{part} {100 * spent / total:.1f} %" for part, spent in self.spent_s.items())
        print(f"{images / learning_s:,.0f} images/s, {1e3 * learning_s / self.run.step:.3f} ms a batch: {parts}")


@contextlib.contextmanager
def _evaluating(model: DeepNetCell, partition: str) -> Iterator[None]:
    """Sets a network to test mode and its provider to a partition for a while."""
    from n2d2.cells.deepnet_cell import _testing

    provider = cast("DataProvider", model.provider)
    present = provider.get_partition()
    provider.set_partition(partition)
    try:
        with _testing(model._layers()):
            yield
    finally:
        provider.set_partition(present)


def _has_labels(target: Score) -> bool:
    """True if the target compares a label a stimulus, and not maps or data, in its last batch."""
    return not target.data_as_target and target.estimated_labels().size == len(target.estimated_labels()) * target.top_n


def _log_target(target: Target, name: str, *, success: bool = True, estimates: bool = True) -> None:
    """Writes the logs of a target for the provider's partition.

    Arguments:
        target (n2d2.target.Target): Target.
        name (str): Part of the names of the files.
        success (bool, optional): If True, the curve of the success too, default=True.
        estimates (bool, optional): If True, the estimates of the last batch too, default=True.
    """
    if not isinstance(target, Score):
        return
    if success:
        target.log_success(name)
    if target.confusion_matrix().any():
        target.log_confusion_matrix(name)
    if estimates and _has_labels(target):
        target.log_estimated_labels(name)


def _log_kernels(model: DeepNetCell, folder: Path) -> None:
    """Draws the weights of the convolutions of a network, a picture `<cell>.png` each.

    Arguments:
        model (n2d2.cells.DeepNetCell): Network.
        folder (Path): Folder to write.
    """
    from n2d2 import plots
    from n2d2.cells.conv import Conv

    for cell in model._layers():
        if isinstance(cell, Conv):
            plots.kernels(cell._handle.param("weights"), folder / f"{cell._file_stem()}.png", cell.name)


def fit(
    model: DeepNetCell,
    options: _Options,
    log_dir: str | os.PathLike[str] | None,
    callbacks: Sequence[Callback],
    restore_best: bool,
) -> None:
    """Trains a network: see `n2d2.cells.DeepNetCell.fit`.

    Arguments:
        model (n2d2.cells.DeepNetCell): Network.
        options (_Options): _Options of the contract.
        log_dir (str or Path or None): Folder of all files.
        callbacks (list of Callback): What to call.
        restore_best (bool): If True, the best parameters are read back at the end.
    """
    owner = f"{model.name}: fit"
    options.check(owner)
    check_bool(owner, "restore_best", restore_best)
    given: object = callbacks
    if not isinstance(given, (list, tuple)):
        raise WrongInputType(f"{owner}: callbacks", type(callbacks), list)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise WrongInputType(f"{owner}: a callback", type(callback), Callback)
    provider, targets = _ready(model, "fit", "Learn")
    if provider.get_database().get_nb_stimuli("Validation") == 0:
        empty = f"the Validation partition of `{provider.name}` has no stimuli"
        if restore_best:
            raise StateError(f"{owner}: restore_best is True, but {empty}")
        if options.stop_valid:
            warnings.warn(f"{owner}: stop_valid has no effect: {empty}", UserWarning, stacklevel=3)
    if not any(cell._handle.learn for cell in model._layers()):
        model.learn()
    partition = provider.get_partition()
    model.history = []
    with _logging_to(owner, targets, log_dir) as folder:
        model.export_free_parameters(str(folder / "weights_init"), verbose=False)
        training = _Training(model, options, folder, callbacks, targets)
        try:
            training.learn()
        except KeyboardInterrupt:
            model.export_free_parameters(str(folder / "weights_interrupted"), verbose=False)
            print(f"interrupted: the parameters are in {folder / 'weights_interrupted'}")
            raise
        finally:
            provider.set_partition(partition)
            for callback in training.callbacks:
                callback.end(training.run)
        if restore_best:
            best = folder / "weights_validation"
            with contextlib.redirect_stdout(None):
                model.import_free_parameters(str(best))
        if options.log_kernels:
            _log_kernels(model, folder / "kernels")
