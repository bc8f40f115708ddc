"""Cells one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from n2d2.cells.iterable import Iterable
from n2d2.cells.plan import Plan

if TYPE_CHECKING:
    from n2d2.cells.plan import Step
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor


class Sequence(Iterable):
    """A sequential (vertical) ordering of cells: each takes the output of the one before. Empty, it is the identity.

    Arguments:
        cells (list): Cells in order.
        name (str, optional): Name, default=`Sequence_<n>`.

    Raises:
        WrongInputType: `cells` is not a list of cells.
        WrongValue: Two cells have the same name.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import Fc, Sequence
        >>> one = n2d2.filler.Constant(value=1.0)
        >>> model = Sequence([Fc(2, 3, filler=one, name="a"), Fc(3, 1, filler=one, name="b")], name="net")
        >>> y = model(n2d2.Tensor([1, 2], value=1.0))
        >>> y[0], len(model), model[1].get_name(), list(model.get_cells())
        (10.0, 2, 'b', ['a', 'b'])
    """

    _made: tuple[int, int, Plan | None] | None = None
    """Number of inputs, number of changes, and the plan that was made then."""

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output of the last cell (an Interface if that cell is a Layer).

        Arguments:
            inputs (Tensor or Interface): Input of the first cell.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Pool, Reshape, Sequence
            >>> Sequence([Pool([2, 2], stride_dims=[2, 2]), Reshape([1, 1, -1])])(n2d2.Tensor([1, 3, 8, 8])).shape()
            [1, 48, 1, 1]
        """
        tensors = self._tensors(inputs)
        plan = self._planned(len(tensors))
        if plan is not None:
            return plan.run(tensors)[0]
        x = inputs
        for cell in self._order:
            x = cell(x)
        return cast("Tensor", x)

    def _planned(self, inputs: int) -> Plan | None:
        """The plan for a number of inputs; None if only Python can compute the output, or it is an Interface."""
        if self._made is None or self._made[:2] != (inputs, Iterable._changes):
            plan = Plan.of(self._order, inputs)
            if plan is not None and (len(plan.steps) < 2 or len(plan.ends) != 1 or not plan.is_direct()):
                plan = None
            self._made = inputs, Iterable._changes, plan
        return self._made[2]

    def _plan(self, places: list[int], steps: list[Step], inputs: int) -> list[int] | None:
        if type(self).__call__ is not Sequence.__call__:
            return None
        for cell in self._order:
            of_cell = cell._plan(places, steps, inputs)
            if of_cell is None:
                return None
            places = of_cell
        return places
