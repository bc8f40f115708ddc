"""Containers that are lists of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from n2d2.cells.block import Block
from n2d2.error_handler import WrongInputType, WrongValue

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell


class Iterable(Block):
    """Abstract parent of Sequence and Layer: an ordered container that can be changed like a list.

    Arguments:
        cells (list): Cells in order; the same cell may appear several times.
        name (str, optional): Name, default=`<ClassName>_<n>`.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> n2d2.cells.Iterable([])
        Traceback (most recent call last):
        TypeError: Iterable is abstract: use n2d2.cells.Sequence or n2d2.cells.Layer
    """

    _changes: ClassVar[int] = 0
    """Number of changes of all containers: plans made before the last one do not hold."""

    def __init__(self, cells: list[Cell], name: str | None = None) -> None:
        if type(self) is Iterable:
            raise TypeError("Iterable is abstract: use n2d2.cells.Sequence or n2d2.cells.Layer")
        super().__init__(cells, name)
        self._order = list(cells)

    def _children(self) -> list[Cell]:
        return list(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def insert(self, index: int, cell: Cell) -> None:
        """Inserts a cell before a position.

        Arguments:
            index (int): Position, at least 0.
            cell (Cell): Cell to insert.

        Raises:
            WrongInputType: It is not a cell.
            WrongValue: The position is negative, or another cell has the same name.

        Example:
            >>> from n2d2.cells import Dropout, Fc, Sequence
            >>> model = Sequence([Fc(4, 2, name="fc")])
            >>> model.insert(0, Dropout(name="drop"))
            >>> [cell.get_name() for cell in model]
            ['drop', 'fc']
        """
        if isinstance(index, bool) or not isinstance(index, int):
            raise WrongInputType(f"{self._name}: insert: index", type(index), int)
        if index < 0:
            raise WrongValue(f"{self._name}: insert: index", index, "an integer of at least 0")
        self._check_new(cell)
        self._cells[cell.name] = cell
        self._order.insert(index, cell)
        Iterable._changes += 1

    def append(self, cell: Cell) -> None:
        """Adds a cell at the end.

        Arguments:
            cell (Cell): Cell to add.

        Raises:
            WrongInputType: It is not a cell.
            WrongValue: Another cell has the same name.

        Example:
            >>> import n2d2
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(4, 10, name="fc")])
            >>> model.append(n2d2.cells.Softmax(with_loss=True, name="softmax"))
            >>> len(model), model[-1].get_name()
            (2, 'softmax')
        """
        self.insert(len(self._order), cell)

    def index(self, cell: Cell) -> int:
        """The position of a cell.

        Arguments:
            cell (Cell): Cell to look for.

        Raises:
            WrongValue: It is not in the container.

        Example:
            >>> from n2d2.cells import Fc, Sequence
            >>> first, second = Fc(2, 2), Fc(2, 2)
            >>> Sequence([first, second]).index(second)
            1
        """
        for i, own in enumerate(self._order):
            if own is cell:
                return i
        raise WrongValue(f"{self._name}: {getattr(cell, 'name', cell)!r} is not one of its cells")

    def remove(self, cell: Cell) -> None:
        """Removes the first appearance of a cell.

        Arguments:
            cell (Cell): Cell to remove.

        Raises:
            WrongValue: It is not in the container.

        Example:
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> softmax = Softmax(name="softmax")
            >>> model = Sequence([Fc(4, 2, name="fc"), softmax])
            >>> model.remove(softmax)
            >>> list(model.get_cells())
            ['fc']
        """
        del self._order[self.index(cell)]
        Iterable._changes += 1
        if all(own is not cell for own in self._order):
            del self._cells[cell.name]
