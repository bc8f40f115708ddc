"""Networks as one call of the engine: the steps of a container, and what a run of them leaves behind."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from n2d2 import _core
from n2d2.cells.explanation import ExplainedNode, Explanation
from n2d2.error_handler import Error
from n2d2.interface import Interface
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2._core import Floats
    from n2d2.cells.cell import Cell
    from n2d2.cells.neural_network_cell import NeuralNetworkCell, Pass
    from n2d2.tensor import Array, Call


class Step(NamedTuple):
    """A call of a cell: `reads` holds places, first those of the inputs, then those of the steps."""

    cell: NeuralNetworkCell
    reads: tuple[int, ...]


class Run:
    """What one run of a plan computed. Tensors and calls of single cells are made when somebody asks for them."""

    __slots__ = ("_calls", "_engine", "_inputs", "_made", "_plan")

    def __init__(self, plan: Plan, inputs: list[Tensor], engine: _core.Run) -> None:
        self._plan = plan
        self._inputs = inputs
        self._engine = engine
        # Weak: a tensor knows the run that made it.
        self._made: dict[int, weakref.ref[Tensor]] = {}
        self._calls: list[Call] | None = None

    def tensor(self, place: int) -> Tensor:
        """The tensor at a place."""
        if place < len(self._inputs):
            return self._inputs[place]
        made = self._made.get(place)
        tensor = None if made is None else made()
        if tensor is None:
            cell = self._plan.steps[place - len(self._inputs)].cell
            tensor = Tensor._from_var(self._engine.at(place), cell)
            tensor._link = (self, place)
            self._made[place] = weakref.ref(tensor)
        return tensor

    def call(self, place: int) -> Call:
        """The call that made the tensor at a place."""
        first, made = len(self._inputs), self._calls
        if made is None:
            made = []
            for i, (cell, reads) in enumerate(self._plan.steps):
                behind = [made[p - first] if p >= first else self._inputs[p]._call or self._inputs[p] for p in reads]
                made.append((cell, self._engine.at(first + i), behind, []))
            self._calls = made
        return made[place - first]

    def of(self, place: int) -> Pass:
        """What the cell at a place remembers of its call."""
        reads = self._plan.steps[place - len(self._inputs)].reads
        variables = [self._engine.at(p) for p in reads]
        return [self.tensor(p) for p in reads], self.tensor(place), variables, self._engine.at(place), self.call(place)


def _node(row: _core._NodeRow, threads: int, peak: float, triad: float) -> ExplainedNode:
    """A node with its rates."""
    name, kind, fused, kernel, dtype, shape, parameter_bytes, output_bytes, buffer, macs, moved_bytes, seconds = row
    # Of all threads, if all worked for it.
    gflops, gbytes = (rate * threads / max(seconds, 1e-9) / 1e9 for rate in (2 * macs, moved_bytes))
    return ExplainedNode(
        name,
        kind,
        tuple(fused),
        kernel,
        dtype,
        tuple(shape),
        parameter_bytes,
        output_bytes,
        buffer,
        macs,
        moved_bytes,
        1e3 * seconds,
        gflops,
        gflops / peak,
        gbytes,
        gbytes / triad,
    )


class Plan:
    """The steps of a network in an order in which each comes after what it reads, and the places of its outputs.

    A run is one call of the engine, if all cells are its own: the results are those of calling them one by one,
    to the bit, but a part of the batch goes through many cells while it is in the cache.
    """

    def __init__(self, inputs: int, steps: Sequence[Step], ends: Sequence[int]) -> None:
        self.inputs, self.steps, self.ends = inputs, tuple(steps), tuple(ends)
        self._engine: _core.Plan | None = None
        # An input is read either as it is or as images.
        ranks = [{cell._any_rank for cell, reads in self.steps if place in reads} for place in range(inputs)]
        owners = [next((cell.name for cell, reads in self.steps if p in reads), "Plan") for p in range(inputs)]
        self.readers = [(owner, True in of) for owner, of in zip(owners, ranks, strict=True)]
        """The name of the first cell that reads each input, and whether it reads it as it is."""
        direct = all(cell._direct for cell, _ in self.steps)
        if self.steps and direct and all(len(of) == 1 for of in ranks) and min(self.ends) >= inputs:
            self._engine = _core.Plan(
                [cell._handle for cell, _ in self.steps], [reads for _, reads in self.steps], inputs, self.ends
            )
            self._states = [(cell.__dict__, inputs + i) for i, (cell, _) in enumerate(self.steps)]
            self._noting = [(i, cell) for i, (cell, _) in enumerate(self.steps) if cell._notes_shapes]

    @classmethod
    def of(cls, cells: Sequence[Cell], inputs: int) -> Plan | None:
        """The plan of cells one after the other; None if one of them is made by a program of the user."""
        steps: list[Step] = []
        places = list(range(inputs))
        for cell in cells:
            of_cell = cell._plan(places, steps, inputs)
            if of_cell is None:
                return None
            places = of_cell
        return cls(inputs, steps, places)

    def is_direct(self) -> bool:
        """True if a run is one call of the engine."""
        return self._engine is not None

    def explain(self, tensors: list[Tensor]) -> Explanation | None:
        """What computes each node, and how long it takes; None if a run is not one call of the engine."""
        if self._engine is None:
            return None
        is_fused, (threads, gflops, gbytes), seconds, rows = self._engine.explain(self._given(tensors))
        return Explanation(
            tuple(_node(row, threads, gflops, gbytes) for row in rows), is_fused, 1e3 * seconds, threads, gflops, gbytes
        )

    def _given(self, tensors: list[Tensor]) -> list[_core.Var]:
        return [t._as_var(owner, any_rank) for t, (owner, any_rank) in zip(tensors, self.readers, strict=True)]

    def predict(self, arrays: list[Any]) -> list[Floats] | None:
        """The outputs for arrays, which no cell remembers; None if it takes more than a call of the engine."""
        try:
            return None if self._engine is None else self._engine.predict(arrays)
        except Error:
            return None  # The cell that finds the error says more about it.

    def outputs(self, arrays: list[Array], size: int) -> list[Array]:
        """The outputs for arrays of a number of images, at most `size` at a time, in the mode of the cells."""
        parts = []
        for at in range(0, max(len(arrays[0]), 1), size):
            batch = [array[at : at + size] for array in arrays]
            made = self.predict(batch)
            if made is None:
                made = [tensor.to_numpy(copy=True) for tensor in self.run([Tensor._wrap(array) for array in batch])]
            parts.append(made)
        if len(parts) == 1:
            return parts[0]
        import numpy as np

        return [np.concatenate(of) for of in zip(*parts, strict=True)]

    def run(self, tensors: list[Tensor]) -> list[Tensor]:
        """The outputs for some inputs."""
        if self._engine is not None:
            try:
                return self._run(self._engine, tensors)
            except Error:
                pass  # The cell that finds the error says more about it.
        values = list(tensors)
        for cell, reads in self.steps:
            read = [values[place] for place in reads]
            values.append(cell(read[0] if len(read) == 1 else Interface._of(read)))
        return [values[place] for place in self.ends]

    def _run(self, engine: _core.Plan, tensors: list[Tensor]) -> list[Tensor]:
        made = engine.call(self._given(tensors))
        run = Run(self, tensors, made)
        outputs = [run.tensor(place) for place in self.ends]
        for state, place in self._states:
            state["_pass"] = run, place
        for i, cell in self._noting:
            cell._note_shapes([made.shape(p) for p in self.steps[i].reads], made.shape(self.inputs + i))
        return outputs
