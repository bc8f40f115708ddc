"""Cells side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.cells.iterable import Iterable
from n2d2.error_handler import ShapeError, StateError, WrongInputType
from n2d2.interface import Interface

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell
    from n2d2.cells.plan import Step
    from n2d2.tensor import Tensor


class Layer(Iterable):
    """A layered (horizontal) ordering of cells: each takes the inputs selected for it, the outputs are bundled.

    Arguments:
        cells (list): Cells in order.
        mapping (list, optional): `mapping[input][cell]` is true where an input goes to a cell, default=None (all).
        name (str, optional): Name, default=`Layer_<n>`.

    Raises:
        WrongInputType: `cells` is not a list of cells, or `mapping` not a list of lists.
        WrongValue: Two cells have the same name.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import ElemWise, Fc, Layer, Sequence
        >>> branch = Fc(2, 2, filler=n2d2.filler.Constant(value=1.0), no_bias=True, name="branch")
        >>> residual = Sequence([Layer([branch, Sequence([])]), ElemWise(operation="Sum", name="sum")], name="block")
        >>> residual(n2d2.Tensor([1, 2], value=3.0))[0]
        9.0
    """

    def __init__(self, cells: list[Cell], mapping: list[list[Any]] | None = None, name: str | None = None) -> None:
        rows: object = [] if mapping is None else mapping
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise WrongInputType(f"{type(self).__name__}: parameter `mapping` must be a list of lists, one an input")
        super().__init__(cells, name)
        self.mapping = None if mapping is None else [list(row) for row in mapping]

    def __call__(self, inputs: Tensor | Interface) -> Interface:
        """Computes the outputs of all cells.

        Arguments:
            inputs (Tensor or Interface): One tensor, or several that `mapping` distributes.

        Raises:
            ShapeError: `mapping` does not fit the number of inputs and cells, or leaves a cell without input.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Layer, Pool
            >>> halves = Layer([Pool([1, 1], name="left"), Pool([1, 1], name="right")], mapping=[[1, 0], [0, 1]])
            >>> outputs = halves(n2d2.Interface([n2d2.Tensor([1, 3, 4, 4]), n2d2.Tensor([1, 5, 4, 4])]))
            >>> [output.shape() for output in outputs]
            [[1, 3, 4, 4], [1, 5, 4, 4]]
        """
        tensors = self._tensors(inputs)
        if not self._order:
            raise StateError(f"{self._name}: a Layer without cells has no outputs; append() one")
        mapping = self.mapping
        if mapping is not None:
            sizes = [len(row) for row in mapping]
            if sizes != [len(self._order)] * len(tensors):
                expected = f"{len(tensors)} rows (inputs) of {len(self._order)} (cells)"
                raise ShapeError(f"{self._name}: mapping: expected {expected}, got rows of {sizes}")
        outputs: list[Tensor] = []
        for j, cell in enumerate(self._order):
            selected = [t for i, t in enumerate(tensors) if mapping is None or mapping[i][j]]
            if not selected:
                raise ShapeError(f"{self._name}: mapping gives no input to cell {j}, `{cell.name}`")
            outputs.extend(cell(Interface(selected)).get_tensors())
        return Interface(outputs)

    def _plan(self, places: list[int], steps: list[Step], inputs: int) -> list[int] | None:
        if type(self).__call__ is not Layer.__call__ or self.mapping is not None or not self._order:
            return None
        outputs: list[int] = []
        for cell in self._order:
            of_cell = cell._plan(places, steps, inputs)
            if of_cell is None:
                return None
            outputs.extend(of_cell)
        return outputs
