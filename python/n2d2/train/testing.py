"""The test of a network: scores, logs, and what one stimulus becomes in every cell."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.files import replacing, write_text
from n2d2.parameters import check_bool
from n2d2.target.score import Score
from n2d2.train.fit import (
    _check_number,
    _evaluating,
    _has_labels,
    _log_kernels,
    _log_target,
    _logging_to,
    _naming_cells,
    _outputs_of,
    _ready,
)

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.provider import DataProvider

_SCORES = ("Sensitivity", "Specificity", "Precision", "Accuracy", "F1Score", "Informedness")
_ROUND_MODES = ("NONE", "RINTF")
_SCALING_MODES = ("NONE", "FLOAT_MULT", "FIXED_MULT16", "FIXED_MULT32", "SINGLE_SHIFT", "DOUBLE_SHIFT")


class _Options(NamedTuple):
    """The options of `DeepNetCell.run_test` by the contract, which describes them."""

    log: int
    report: int
    nb_test: int
    test_index: int
    test_id: int
    qat_sat: bool
    log_kernels: bool
    wt_round_mode: str
    b_round_mode: str
    c_round_mode: str
    act_scaling_mode: str
    log_JSON: bool  # noqa: N815 - a promised name
    log_outputs: int

    def check(self, owner: str) -> None:
        """Raises unless all are accepted."""
        least = {"log": 1, "report": 1, "nb_test": -1, "test_index": -1, "test_id": -1, "log_outputs": 0}
        for name, bound in least.items():
            _check_number(owner, name, getattr(self, name), bound)
        for name in ("qat_sat", "log_kernels", "log_JSON"):
            check_bool(owner, name, getattr(self, name))
        round_modes = [(name, _ROUND_MODES, "NONE") for name in ("wt_round_mode", "b_round_mode", "c_round_mode")]
        for name, known, usual in [*round_modes, ("act_scaling_mode", _SCALING_MODES, "FLOAT_MULT")]:
            value = getattr(self, name)
            if not isinstance(value, str):
                raise WrongInputType(f"{owner}: {name}", type(value), str)
            if value not in known:
                raise WrongValue(f"{owner}: {name}", value, known)
            if value != usual:
                raise WrongValue(f"{owner}: {name}", value, f"`{usual}`: quantisation is not built yet")
        if self.qat_sat:
            raise WrongValue(f"{owner}: qat_sat", True, "False: quantisation is not built yet")
        if self.nb_test == 0:
            raise WrongValue(f"{owner}: nb_test", 0, "-1 for all, or at least 1")
        if self.nb_test > 0 and (self.test_index >= 0 or self.test_id >= 0):
            raise WrongValue(
                f"{owner}: nb_test", self.nb_test, "-1 beside test_index or test_id, which name one stimulus"
            )


def _alike(provider: DataProvider, batch_size: int) -> DataProvider:
    """A provider of the same stimuli with another batch size."""
    from n2d2.provider import DataProvider

    other = DataProvider(provider.get_database(), provider.get_size(), batch_size=batch_size, name=provider.name)
    for transformation in provider._cacheable:
        other.add_transformation(transformation)
    for transformation in provider._on_the_fly:
        other.add_on_the_fly_transformation(transformation)
    other.set_partition("Test")
    return other


def _range(options: _Options, provider: DataProvider, owner: str) -> tuple[int, int]:
    """First and last place (behind it) of the stimuli to test."""
    ids = provider.get_database().N2D2().ids("Test")
    if options.test_id >= 0:
        places = (ids == options.test_id).nonzero()[0]
        if not len(places):
            raise WrongValue(f"{owner}: test_id", options.test_id, "the number of a stimulus of the Test partition")
        return int(places[0]), int(places[0]) + 1
    if options.test_index >= 0:
        if options.test_index >= len(ids):
            raise WrongValue(f"{owner}: test_index", options.test_index, f"below {len(ids)}, the stimuli of Test")
        return options.test_index, options.test_index + 1
    if options.nb_test > len(ids):
        text = f"{owner}: nb_test is {options.nb_test}, but the Test partition has {len(ids)} stimuli: all are tested"
        warnings.warn(text, UserWarning, stacklevel=4)
    return 0, len(ids) if options.nb_test < 0 else min(options.nb_test, len(ids))


class _Test:
    def __init__(self, model: DeepNetCell, options: _Options, folder: Path, targets: list[Score]) -> None:
        self.model, self.options, self.folder, self.targets = model, options, folder, targets
        self.records: dict[str, list[dict[str, Any]]] = {target.name: [] for target in targets}

    def batch(self, provider: DataProvider, place: int) -> int:
        """Tests the batch at a place and returns its size."""
        stimuli = provider.read_batch(place)
        with _naming_cells(self.model, f"in the test, in the batch that begins at stimulus {place}"):
            for target, output in zip(self.model.targets.values(), _outputs_of(self.model, stimuli), strict=True):
                if not isinstance(target, Score):
                    continue
                present, target._provider = target._provider, provider
                try:
                    target(output)
                    if _has_labels(target):
                        target.log_estimated_labels("test")
                    if self.options.log_JSON and not target.data_as_target:
                        self._record(target, provider)
                finally:
                    target._provider = present
        count = len(provider.stimuli_ids())
        chosen = self.options.log_outputs - 1
        if place <= chosen < place + count:
            self._write_outputs(chosen - place)
        return count

    def _record(self, target: Score, provider: DataProvider) -> None:
        estimated, values, wanted = target._estimated()
        names = target.class_names()
        for k, number in enumerate(provider.stimuli_ids().tolist()):
            record: dict[str, Any] = {"id": number, "name": provider.stimulus_name(number)}
            best, right = estimated[k, 0], wanted[k].reshape(estimated.shape[2:])
            if best.size == 1:
                record["target"] = int(right.item())
                record["estimated"] = int(best.item())
                record["class"] = names[int(best.item())]
                record["value"] = float(values[k, 0].item())
            else:
                record["target"] = right.tolist()
                record["estimated"] = best.tolist()
            self.records[target.name].append(record)

    def _write_outputs(self, k: int) -> None:
        import numpy as np

        folder = self.folder / f"outputs_{self.options.log_outputs}"
        for cell in self.model._layers():
            output = cell.get_outputs().to_numpy()[k]
            with replacing(folder / f"{cell._file_stem()}.dat") as temporary:
                rows = output.reshape(-1, output.shape[-1])
                shape = " x ".join(str(n) for n in output.shape)
                np.savetxt(temporary, rows, fmt="%.9g", header=f"{cell.name}: channels x height x width = {shape}")

    def report(self, done: int, count: int) -> None:
        success = self.targets[0].recent(0)[1]
        print(f"{done}/{count}   success {100 * success:.2f} %")

    def end(self) -> None:
        for target in self.targets:
            _log_target(target, "test", estimates=False)
            if self.options.log_JSON and not target.data_as_target:
                write_text(target.folder / "test.json", json.dumps(self.records[target.name], indent=1) + "\n")
            loss, success, count = target.recent(0)
            if target.data_as_target:
                print(f"{target.name}: loss {loss:.6f} of {count} stimuli")
                continue
            print(f"{target.name}: {100 * success:.2f} % of {count} stimuli right")
            scores = ((name, target.get_average_score(name)) for name in _SCORES)
            print("   ".join(f"{name} {100 * score:.2f} %" for name, score in scores))


def run_test(model: DeepNetCell, options: _Options, log_dir: str | os.PathLike[str] | None) -> None:
    """Tests a network: see `n2d2.cells.DeepNetCell.run_test`.

    Arguments:
        model (n2d2.cells.DeepNetCell): Network.
        options (_Options): _Options of the contract.
        log_dir (str or Path or None): Folder of all files.
    """
    owner = f"{model.name}: run_test"
    options.check(owner)
    provider, all_targets = _ready(model, "run_test", "Test")
    targets = [target for target in all_targets if isinstance(target, Score)]
    first, end = _range(options, provider, owner)
    if options.log_outputs and not first < options.log_outputs <= end:
        expected = f"0 for none, or {first + 1} to {end}: the stimuli that are tested"
        raise WrongValue(f"{owner}: log_outputs", options.log_outputs, expected)
    size = provider.get_batch_size()
    with _logging_to(owner, targets, log_dir) as folder, _evaluating(model, "Test"):
        for target in targets:
            target.clear_score()
            (target.folder / "test" / "classif.log").unlink(missing_ok=True)
        test = _Test(model, options, folder, targets)
        done, reported, logged = 0, 0, 0
        while done < end - first:
            left = end - first - done
            # The last batch of a part of the partition has stimuli of the part only.
            whole = left >= size or first + done + left == provider.get_database().get_nb_stimuli("Test")
            done += test.batch(provider if whole else _alike(provider, left), first + done)
            if done // options.report > reported or done == end - first:
                reported = done // options.report
                test.report(done, end - first)
            if done // options.log > logged:
                logged = done // options.log
                for target in targets:
                    target.log_success("test")
        test.end()
        if options.log_kernels:
            _log_kernels(model, folder / "kernels")
