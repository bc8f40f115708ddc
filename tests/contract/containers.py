"""Behaviours of Block, Sequence and Layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from contract import rows
from contract.cases import Array, call, close, tensor
from contract.registry import behaviour, resolve
from n2d2.cells import Activation, Conv, Fc, Reshape
from n2d2.error_handler import UnknownCellError, WrongInputType, WrongValue
from n2d2.filler import Constant
from n2d2.solver import SGD, Adam

CONTAINERS = sorted(rows.CONTAINERS)
BLOCK, SEQUENCE, LAYER = (f"n2d2.cells.{name}" for name in ("Block", "Sequence", "Layer"))


def linear(name: str, weight: float) -> Fc:
    """Return a layer of two values whose output is `weight` times their sum, twice."""
    return Fc(2, 2, weights_filler=Constant(value=weight), no_bias=True, name=name)


def flat(name: str) -> Reshape:
    """Return a layer without parameters."""
    return Reshape([1, 1, 2], name=name)


def tree(path: str) -> tuple[Any, Fc, Fc]:
    """Return a container of a layer and of a nested container with another, and the two layers."""
    first, second = linear("first", 2.0), linear("second", 3.0)
    inner = n2d2.cells.Sequence([flat("flat"), second], name="inner")
    return resolve(path)([first, inner], name="tree"), first, second


def step(cell: Any) -> Array:
    """Return what one step from a gradient of ones adds to each weight, for an input of ones and one stimulus."""
    output = cell(tensor(np.ones((1, 2, 1, 1))))
    before = cell.N2D2().param("weights").copy()
    output.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    output.update()
    moved: Array = cell.N2D2().param("weights") - before
    return moved


@behaviour("__init__", CONTAINERS)
def container_is_built(path: str) -> None:
    """It holds the cells under their names, has a name, and refuses what is no list of cells of different names."""
    kind = path.rpartition(".")[2]
    make: Any = resolve(path)
    first, second = linear("first", 2.0), linear("second", 3.0)
    cells = [first, second]
    made = make(cells, name="own")
    assert made.get_name() == made.name == "own"
    assert list(made) == [first, second]
    cells.clear()
    assert made.items() == [("first", first), ("second", second)], "the list is copied"
    names = [make([]).get_name() for _ in range(2)]
    assert [name.rpartition("_")[0] for name in names] == [kind, kind]
    assert names[0] != names[1]
    with pytest.raises(WrongInputType, match=f"{kind}: cells must be of type list, got tuple"):
        make((first,))
    with pytest.raises(WrongInputType, match=r"a cell must be of type n2d2\.cells\.Cell, got str"):
        make(["first"])
    with pytest.raises(WrongValue, match="own: two cells have the name `first`; give each its own"):
        make([first, linear("first", 1.0)], name="own")
    x = tensor([[[[1.0]], [[2.0]]]])
    if path == BLOCK:
        with pytest.raises(NotImplementedError, match="own: a Block has no data flow; use Sequence or Layer"):
            made(x)
    elif path == SEQUENCE:
        close(made(x), np.full((1, 2, 1, 1), 36.0), "one after the other")
        assert make([])(x) is x
    else:
        outputs = made(x)
        assert len(outputs) == 2
        close(outputs[0], np.full((1, 2, 1, 1), 6.0), "side by side")
        close(outputs[1], np.full((1, 2, 1, 1), 9.0), "side by side")
        crossed = make([first, second], mapping=[[False, True], [True, False]])
        both = crossed(n2d2.Interface([x, tensor([[[[5.0]], [[5.0]]]])]))
        close(both[0], np.full((1, 2, 1, 1), 20.0), "the second input goes to the first cell")
        close(both[1], np.full((1, 2, 1, 1), 9.0), "the first input goes to the second cell")


@behaviour("append", [SEQUENCE, LAYER])
def cell_is_appended(path: str) -> None:
    """The cell becomes the last one and takes part in the next call."""
    made = resolve(path)([linear("first", 2.0)], name="own")
    last = linear("last", 3.0)
    made.append(last)
    assert list(made) == [made["first"], last]
    assert made["last"] is last
    assert len(made) == 2
    output = made(tensor([[[[1.0]], [[2.0]]]]))
    close(output if path == SEQUENCE else output[1], np.full((1, 2, 1, 1), 36.0 if path == SEQUENCE else 9.0))
    with pytest.raises(WrongInputType, match=r"own: a cell must be of type n2d2\.cells\.Cell, got str"):
        made.append("last")
    with pytest.raises(WrongValue, match="own: two cells have the name `first`"):
        made.append(linear("first", 1.0))
    assert len(made) == 2


@behaviour("get_cell", CONTAINERS)
def cell_by_name(path: str) -> None:
    """The cell itself, nested ones too; the error names the nearest."""
    made, first, second = tree(path)
    assert made.get_cell("first") is first
    assert made.get_cell("second") is second
    assert made.get_cell(item="inner").get_type() == "Sequence"
    with pytest.raises(UnknownCellError, match="tree: `secon` is not one of its cells; did you mean `second`"):
        made.get_cell("secon")
    with pytest.raises(KeyError):
        made.get_cell("")


@behaviour("get_cells", CONTAINERS)
def cells_by_name(path: str) -> None:
    """All cells of the tree, containers before what they hold."""
    made, first, second = tree(path)
    cells = made.get_cells()
    assert list(cells) == ["first", "inner", "flat", "second"]
    assert cells["first"] is first
    assert cells["second"] is second
    assert resolve(path)([]).get_cells() == {}


@behaviour("is_integral", CONTAINERS)
def integral_parameters(path: str) -> None:
    """True without parameters, False for float parameters, nested ones too."""
    assert resolve(path)([flat("flat")]).is_integral() is True
    assert resolve(path)([]).is_integral() is True
    assert resolve(path)([linear("first", 2.0)]).is_integral() is False
    assert resolve(path)([n2d2.cells.Sequence([Conv(1, 1, [1, 1])])]).is_integral() is False


@behaviour("set_back_propagate", CONTAINERS)
def back_propagation_is_switched(path: str) -> None:
    """Off, no gradient leaves any trainable cell, but they still learn; on again, it does."""
    made, first, second = tree(path)
    for value, arrives in ((False, 0.0), (True, 1.0)):
        made.set_back_propagate(value)
        for cell, weight in ((first, 2.0), (second, 3.0)):
            assert cell.back_propagate is value
            parent = Activation(n2d2.activation.Linear())
            output = cell(call(parent, [np.ones((1, 2, 1, 1))]))
            output.back_propagate(np.ones((1, 2, 1, 1), np.float32))
            close(parent.get_diffoutputs(), np.full((1, 2, 1, 1), arrives * 2 * weight))
    made.set_back_propagate(False)
    assert step(second).any(), "the cell itself learns"
    with pytest.raises(WrongInputType, match="tree: set_back_propagate: value must be of type bool, got int"):
        made.set_back_propagate(0)


@behaviour("set_solver", CONTAINERS)
def solver_of_the_tree(path: str) -> None:
    """Every parameter of the tree gets a copy of its own, and moves by it."""
    made, first, second = tree(path)
    solver = SGD(learning_rate=0.5)
    made.set_solver(solver)
    given = [first.weights_solver, first.bias_solver, second.weights_solver, second.bias_solver]
    assert len({id(s) for s in [solver, *given]}) == 5
    assert {str(s) for s in given} == {str(solver)}
    solver.learning_rate = 100.0
    for cell in (first, second):
        close(step(cell), np.full((2, 2), 0.5))
    made.set_solver(solver=Adam(learning_rate=0.25))
    close(step(second), np.full((2, 2), 0.25), "Adam's first move is the rate")
    with pytest.raises(WrongInputType, match=r"tree: set_solver: solver must be of type n2d2\.solver\.Solver, got str"):
        made.set_solver("SGD")
