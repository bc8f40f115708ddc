"""Bundles of tensors."""

from __future__ import annotations

from typing import Any

import pytest

import n2d2
from n2d2 import Interface, Tensor


def test_sizes() -> None:
    a, b = Tensor([2, 3, 4, 5]), Tensor([2, 6, 4, 5])
    bundle = Interface([a, b])
    assert bundle.dims() == [5, 4, 9, 2]
    assert (bundle.dimX(), bundle.dimY(), bundle.dimZ(), bundle.dimB(), len(bundle)) == (5, 4, 9, 2, 2)
    assert bundle[1] is b
    assert list(bundle) == bundle.get_tensors()
    assert bundle.get_name().startswith("Interface_")
    assert Interface([Tensor([2, 3]), Tensor([2, 4, 1, 1])]).dims() == [1, 1, 7, 2]


def test_most_cells_join_the_channels() -> None:
    a, b = Tensor([1, 1, 2, 2], value=1.0), Tensor([1, 2, 2, 2], value=2.0)
    y = n2d2.cells.Activation(n2d2.activation.Linear())(Interface([a, b]))
    assert y.shape() == [1, 3, 2, 2]
    assert list(y) == [1.0] * 4 + [2.0] * 8


def test_tensors_of_different_graphs_are_joined_and_trained() -> None:
    one, solver = n2d2.filler.Constant(value=1.0), n2d2.solver.SGD(learning_rate=1.0)
    left, right, head = (
        n2d2.cells.Fc(n, 1, filler=one, no_bias=True, solver=solver, name=name)
        for n, name in ((1, "left"), (1, "right"), (2, "head"))
    )
    bundle = Interface([left(Tensor([1, 1], value=2.0)), right(Tensor([1, 1], value=3.0))])
    net = bundle.get_deepnet()
    assert list(net.get_cells()) == ["left", "right"]
    assert net is bundle.get_deepnet()
    y = head(bundle)
    assert [list(y.get_deepnet().get_cells()), y[0]] == [["left", "right", "head"], 5.0]
    y.back_propagate(Tensor([1, 1, 1, 1], value=1.0))
    y.update()
    assert [cell.get_weight(0, 0)[0] for cell in (left, right)] == [3.0, 4.0]


def test_the_graph_follows_a_detached_tensor() -> None:
    y = n2d2.cells.Fc(1, 1, name="behind")(Tensor([1, 1]))
    bundle = Interface([y])
    assert list(bundle.get_deepnet().get_cells()) == ["behind"]
    y.detach()
    assert list(bundle.get_deepnet().get_cells()) == []


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Interface([]), ValueError, "Interface: the list of tensors must not be empty"),
    (lambda: Interface(Tensor([1])), ValueError, "Interface: expected a list of n2d2.Tensor, got Tensor"),
    (lambda: Interface([Tensor([1]), 2]), ValueError, "expected a list of n2d2.Tensor, got a list of Tensor, int"),
    (
        lambda: Interface([Tensor([1, 2, 4, 4]), Tensor([2, 2, 4, 4])]),
        ValueError,
        "Interface: all tensors must have the same batch size, got [[1], [2]]",
    ),
    (
        lambda: Interface([Tensor([1, 2, 4, 4]), Tensor([1, 2, 4, 5])]),
        ValueError,
        "Interface: all tensors must have the same height and width, got [[4, 4], [4, 5]]",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
