"""Cells side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.cells.iterable import Iterable
from n2d2.error_handler import ShapeError, WrongInputType
from n2d2.interface import Interface

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell
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
        """
        tensors = self._tensors(inputs)
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
