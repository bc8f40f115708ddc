"""Block, Sequence, Layer: access, nesting, recursion, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.cells import Activation, BatchNorm2d, Block, Cell, Conv, Dropout, ElemWise, Fc, Iterable, Layer, Sequence
from n2d2.filler import Constant
from n2d2.solver import SGD, Adam

ONE = Constant(value=1.0)


def fc(name: str, nb_inputs: int = 2, nb_outputs: int = 2) -> Fc:
    return Fc(nb_inputs, nb_outputs, filler=ONE, no_bias=True, name=name)


def nested() -> Sequence:
    inner = Sequence(
        [fc("b"), Layer([fc("c"), Sequence([], name="skip")], name="split"), ElemWise(name="add")], name="inner"
    )
    return Sequence([fc("a"), inner], name="outer")


def test_access_by_name_and_index() -> None:
    model = nested()
    assert len(model) == 2
    assert model[0] is model["a"] is model.get_cell("a")
    assert model["c"].name == "c"
    assert model[-1] is model["inner"]
    assert [cell.name for cell in model] == ["a", "inner"]
    assert [name for name, _ in model.items()] == ["a", "inner"]
    assert list(model.get_cells()) == ["a", "inner", "b", "split", "c", "skip", "add"]
    assert model.index(model["inner"]) == 1


def test_values_flow_through_nested_containers() -> None:
    model = nested()
    y = model(Tensor([1, 2], value=1.0))
    assert list(y) == [4.0 + 8.0, 4.0 + 8.0]
    y.back_propagate(np.ones((1, 2, 1, 1)))
    assert list(model["a"].get_diffoutputs()) == [12.0, 12.0]


def test_an_empty_sequence_is_the_identity() -> None:
    x = Tensor([1, 2])
    assert Sequence([])(x) is x
    bundle = Interface([x])
    assert Sequence([])(bundle) is bundle


def test_printing_of_nested_containers() -> None:
    lines = str(nested()).split("\n")
    starts = [
        "'outer' Sequence(",
        "\t(0): 'a' Fc(Frame<float>)(nb_inputs=2, nb_outputs=2 | ",
        "\t(1): 'inner' Sequence(",
        "\t\t(0): 'b' Fc(",
        "\t\t(1): 'split' Layer(",
        "\t\t\t(0): 'c' Fc(",
        "\t\t\t(1): 'skip' Sequence(",
        "\t\t\t)",
        "\t\t)",
        "\t\t(2): 'add' ElemWise(",
        "\t)",
        ")",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
    assert str(Sequence([], name="empty")) == "'empty' Sequence(\n)"


def test_layer_selects_inputs_by_its_mapping() -> None:
    x, y = Tensor([1, 2], value=1.0), Tensor([1, 2], value=10.0)
    layer = Layer([Sequence([], name="s0"), Sequence([], name="s1"), fc("both", 4)], mapping=[[1, 0, 1], [0, True, 1]])
    out = layer(Interface([x, y]))
    assert isinstance(out, Interface)
    assert [list(t) for t in out] == [[1.0, 1.0], [10.0, 10.0], [22.0, 22.0]]
    with pytest.raises(
        ValueError, match="mapping: expected 1 rows \\(inputs\\) of 3 \\(cells\\), got rows of \\[3, 3\\]"
    ):
        layer(x)
    with pytest.raises(ValueError, match="mapping gives no input to cell 0, `alone`"):
        Layer([fc("alone")], mapping=[[0]])(x)
    with pytest.raises(TypeError, match="parameter `mapping` must be a list of lists"):
        Layer([fc("alone")], mapping=[1])


def test_lists_can_be_changed() -> None:
    given = [fc("a")]
    model = Sequence(given, name="net")
    model.append(fc("b"))
    model.insert(0, fc("z"))
    assert [cell.name for cell in model] == ["z", "a", "b"]
    assert len(given) == 1
    model.remove(model["a"])
    assert list(model.get_cells()) == ["z", "b"]
    with pytest.raises(ValueError, match="net: insert: index is -1, expected an integer of at least 0"):
        model.insert(-1, fc("c"))
    with pytest.raises(TypeError, match=r"net: a cell must be of type n2d2\.cells\.Cell, got str"):
        model.append("c")
    with pytest.raises(ValueError, match="net: two cells have the name `z`; give each its own"):
        model.append(fc("z"))
    with pytest.raises(ValueError, match="net: 'a' is not one of its cells"):
        model.remove(given[0])


def test_a_cell_may_appear_twice() -> None:
    twice = fc("same")
    model = Sequence([twice, twice])
    assert model(Tensor([1, 2], value=1.0))[0] == 4.0
    assert len(model) == 2
    assert list(model.get_cells()) == ["same"]
    model.remove(twice)
    assert model["same"] is twice


def test_set_solver_copies_for_every_parameter_of_the_tree() -> None:
    model = Sequence([Fc(2, 2, name="f"), Sequence([BatchNorm2d(2, name="n"), Dropout(name="d")])])
    solver = Adam(learning_rate=0.5)
    model.set_solver(solver)
    f, n = model["f"], model["n"]
    assert isinstance(f, Fc)
    assert isinstance(n, BatchNorm2d)
    held = [f.weights_solver, f.bias_solver, n.scale_solver, n.bias_solver]
    assert {str(s) for s in held} == {str(solver)}
    assert len({id(s) for s in [*held, solver]}) == 5
    model.set_solver()
    assert isinstance(f.weights_solver, SGD)
    with pytest.raises(TypeError, match=r"set_solver: solver must be of type n2d2\.solver\.Solver, got str"):
        model.set_solver("SGD")


def test_modes_and_flags_reach_the_whole_tree() -> None:
    model = nested()
    assert model.test() is model
    assert not any(c.N2D2().learn for c in model._layers())
    assert model.learn() is model
    assert all(c.N2D2().learn for c in model._layers())
    model.set_back_propagate(False)
    assert not model["c"].back_propagate
    with pytest.raises(TypeError, match="set_back_propagate: value must be of type bool, got int"):
        model.set_back_propagate(1)


def test_integral() -> None:
    assert Sequence([Activation(n2d2.activation.Rectifier())]).is_integral()
    assert not Sequence([Sequence([Conv(1, 1, [1, 1])])]).is_integral()


class Residual(Block):
    """A block of a user: attributes of its own, cells handed to the parent."""

    def __init__(self, width: int) -> None:
        self.branch = fc("branch", width, width)
        self.sum = ElemWise(name="sum")
        super().__init__([self.branch, self.sum])

    def __call__(self, x: Tensor | Interface) -> Tensor:
        super().__call__(x)
        assert isinstance(x, Tensor)
        return self.sum(Interface([x, self.branch(x)]))


def test_blocks_of_users_train() -> None:
    block = Residual(2)
    assert block.name.startswith("Residual_")
    model = Sequence([block, fc("head", 2, 1)])
    model.set_solver(SGD(learning_rate=0.05))
    x = Tensor([1, 2], value=1.0)
    for _ in range(40):
        y = model(x)
        y.back_propagate(1.0 - y.to_numpy())
        y.update()
    assert model(x)[0] == pytest.approx(1.0, abs=1e-3)
    assert block.branch.get_weight(0, 0)[0] != 1.0
    assert block[0] is block.branch
    assert [cell.name for cell in block] == ["branch", "sum"]
    assert str(block).startswith(f"'{block.name}' Residual(\n\t(0): 'branch' Fc(")
    with pytest.raises(TypeError, match=f"{block.name} received an input of type builtins.int"):
        block(3)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Sequence((fc("a"),)), TypeError, "Sequence: cells must be of type list, got tuple"),
    (lambda: Sequence([1], name="net"), TypeError, "net: a cell must be of type n2d2.cells.Cell, got int"),
    (lambda: Sequence([fc("a"), fc("a")], name="net"), ValueError, "net: two cells have the name `a`"),
    (lambda: Sequence([], name=1), TypeError, "Sequence: parameter `name` must be a str, got int"),
    (lambda: nested()["nope"], KeyError, "outer: `nope` is not one of its cells"),
    (lambda: nested()["iner"], KeyError, "did you mean `inner`?"),
    (lambda: nested()[2], IndexError, "outer: index 2 is outside the 2 cells"),
    (lambda: nested()[1.0], TypeError, "outer: an index must be of type int, str, got float"),
    (lambda: nested()(np.ones((1, 2))), TypeError, "outer received an input of type numpy.ndarray"),
    (lambda: Block([fc("a")], name="b")(Tensor([1, 2])), NotImplementedError, "b: a Block has no data flow"),
    (lambda: Iterable([]), TypeError, "Iterable is abstract"),
    (Cell, TypeError, "abstract"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
