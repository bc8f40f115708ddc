"""The learning rate that the policy of a solver gives, and its log."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from n2d2.cells.trainable import Trainable
from n2d2.files import append_text, write_text
from n2d2.solver import SGD, Adam, Solver
from n2d2.train.callback import Callback
from n2d2.train.log_file import check_path

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from n2d2.cells.block import Block
    from n2d2.train.run import Run


def learning_rate(solver: Solver, updates: int = 0, stimuli: int = 0) -> float:
    """The rate of the next update of a parameter, by the policy of its solver.

    Solvers with `max_iterations` stop counting updates and stimuli there; each update is taken to have as many stimuli.

    Arguments:
        solver (n2d2.solver.Solver): Solver of the parameter.
        updates (int, optional): Updates of the parameter so far, default=0
        stimuli (int, optional): Stimuli that they learnt from, default=0

    Example:
        >>> import n2d2
        >>> solver = n2d2.solver.SGD(
        ...     learning_rate=0.8, learning_rate_policy="StepDecay", learning_rate_step_size=99, learning_rate_decay=0.5
        ... )
        >>> [learning_rate(solver, stimuli=stimuli) for stimuli in (0, 98, 99, 250)]
        [0.8, 0.8, 0.4, 0.2]
    """
    if not isinstance(solver, SGD):
        return solver.learning_rate if isinstance(solver, Adam) else math.nan
    rate, decay, policy = solver.learning_rate, solver.learning_rate_decay, solver.learning_rate_policy
    if 0 < solver.max_iterations < updates:
        updates, stimuli = solver.max_iterations, stimuli * solver.max_iterations // updates
    step = stimuli // max(solver.learning_rate_step_size, 1)
    if policy == "StepDecay":
        return float(rate * decay**step)
    if policy == "ExponentialDecay":
        return rate * math.exp(-decay * step)
    if policy == "InvTDecay":
        return rate / (1 + decay * step)
    if policy == "InvDecay":
        return float(rate * (1 + decay * updates) ** -solver.power)
    if policy == "PolyDecay":
        return float(rate * (1 - updates / max(solver.max_iterations, 1)) ** solver.power)
    if policy == "CosineDecay":
        return rate * _cosine(solver, step)
    return rate


def _cosine(solver: SGD, step: int) -> float:
    warm_up = solver.warm_up_duration
    if step < warm_up:
        return (1 - solver.warm_up_lr_frac) * step / warm_up + solver.warm_up_lr_frac
    turn = (step - warm_up) / max(solver.max_iterations - warm_up, 1)
    return max((1 - solver.min_decay) * 0.5 * (1 + math.cos(math.pi * turn)) + solver.min_decay, 0.0)


def solvers_of(model: Block) -> dict[str, Solver]:
    """The solvers of the parameters that a network learns, by `<cell>.<attribute>`, one of each group of equal ones.

    Arguments:
        model (n2d2.cells.Block): Network.

    Example:
        >>> import n2d2
        >>> layers = [n2d2.cells.Fc(2, 2, name="body"), n2d2.cells.Fc(2, 2, name="head")]
        >>> model = n2d2.cells.Sequence(layers)
        >>> list(solvers_of(model))
        ['body.weights_solver']
        >>> layers[1].solver = n2d2.solver.Adam()
        >>> list(solvers_of(model))
        ['body.weights_solver', 'head.weights_solver']
    """
    groups: dict[str, tuple[str, Solver]] = {}
    for cell in model._layers():
        if isinstance(cell, Trainable):
            for attribute, tensor in cell._solved.items():
                if tensor in cell.N2D2().param_names():
                    solver: Solver = getattr(cell, attribute)
                    text = f"{type(solver).__name__}{sorted(solver.N2D2().parameters().items())}"
                    groups.setdefault(text, (f"{cell.name}.{attribute}", solver))
    return dict(groups.values())


class LearningRateLog(Callback):
    """Writes the learning rate of each batch to a table.

    The columns are `run` (when the training began), `step` (batches learnt), `stimuli` (before this batch) and
    `learning_rate`; solvers that differ have a column each, named after the first parameter that has it. The rates
    follow the policies from the beginning of the training on. Rows are written after each epoch and at the end.

    Arguments:
        path (str or Path, optional): File, in the folder of the training, default="learning_rate.csv".
        every (int, optional): Batches between two rows, default=1

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: `path` is empty, or `every` is below 1.

    Example:
        >>> import n2d2, pathlib
        >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 2]))
        >>> solver = n2d2.solver.SGD(
        ...     learning_rate=0.8, learning_rate_policy="StepDecay", learning_rate_step_size=8, learning_rate_decay=0.5
        ... )
        >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, solver=solver)])
        >>> run = n2d2.train.Run(model, source, [], epochs=1)
        >>> log = LearningRateLog()
        >>> log.begin(run)
        >>> for run.step in (1, 2, 3):
        ...     log.batch(run)
        >>> log.end(run)
        >>> print(pathlib.Path("learning_rate.csv").read_text())
        run,step,stimuli,learning_rate
        ...Z,1,0,0.8
        ...Z,2,4,0.8
        ...Z,3,8,0.4
    """

    def __init__(self, path: str | os.PathLike[str] = "learning_rate.csv", every: int = 1) -> None:
        from n2d2.parameters import check_count

        self._path = check_path("LearningRateLog", "path", path)
        self._every = check_count("LearningRateLog", "every", every)
        self._solvers: dict[str, Solver] = {}
        self._rows: list[list[object]] = []
        self._stimuli = [0]  # After each batch, since the beginning.

    def begin(self, run: Run) -> None:
        """Looks for the solvers and begins the file.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be written.
        """
        self._solvers = solvers_of(run.model)
        self._rows = []
        self._stimuli = [0]  # After each batch, since the beginning.
        names = list(self._solvers) if len(self._solvers) > 1 else ["learning_rate"]
        write_text(run.log_dir / self._path, _csv([["run", "step", "stimuli", *names]]))

    def batch(self, run: Run) -> None:
        """Notes the rates of the batch.

        Arguments:
            run (n2d2.train.Run): State of the training.
        """
        if run.step % self._every == 0:
            rates = [self._rate(solver) for solver in self._solvers.values()]
            self._rows.append([run.started, run.step, self._stimuli[-1], *rates])
        self._stimuli.append(self._stimuli[-1] + len(run.provider.stimuli_ids()))

    def _rate(self, solver: Solver) -> float:
        updates = len(self._stimuli) - 1
        size = 1
        if isinstance(solver, SGD):
            size = solver.iteration_size
            updates = min(updates // size, solver.max_iterations or updates)
        return learning_rate(solver, updates, self._stimuli[updates * size])

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Writes the rows of the epoch.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.

        Raises:
            FileError: The file cannot be written.
        """
        del metrics
        self.end(run)

    def end(self, run: Run) -> None:
        """Writes the rows that are left.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be written.
        """
        if self._rows:
            append_text(run.log_dir / self._path, _csv(self._rows))
            self._rows = []


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
