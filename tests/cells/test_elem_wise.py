"""Element-wise operations: coefficients, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Interface, Tensor
from n2d2.cells import ElemWise

A, B = Tensor([1, 2], value=3.0), Tensor([1, 2], value=-4.0)


@pytest.mark.parametrize(
    ("operation", "options", "expected"),
    [
        ("Sum", {}, [-1.0, -1.0]),
        ("Sum", {"weights": [2, 0.5], "shifts": [1]}, [5.0, 5.0]),
        ("Sum", {"weights": [2.0], "mode": "PerLayer"}, [2.0, 2.0]),
        ("Sum", {"weights": [1.0, 10.0], "mode": "PerChannel"}, [-1.0, -10.0]),
        ("AbsSum", {}, [7.0, 7.0]),
        ("EuclideanSum", {}, [5.0, 5.0]),
        ("Prod", {}, [-12.0, -12.0]),
        ("Max", {}, [3.0, 3.0]),
    ],
)
def test_operations(operation: str, options: dict[str, Any], expected: list[float]) -> None:
    assert list(ElemWise(operation=operation, **options)(Interface([A, B]))) == expected


def test_coefficients_are_completed_at_the_first_call() -> None:
    cell = ElemWise(weights=[2], name="e")
    text = (
        "'e' ElemWise(Frame)(operation=Operation.Sum, mode=CoeffMode.PerLayer, weights={}, shifts={} | activation=None)"
    )
    assert str(cell) == text.format("[2.0]", "[0.0]")
    cell(Interface([A, B]))
    assert str(cell).startswith(text.format("[2.0, 1.0]", "[0.0, 0.0]"))
    channels = ElemWise(mode="PerChannel", name="c")
    channels(Interface([A, B, A]))
    assert channels.weights == [1.0, 1.0]


def test_gradient_of_each_input() -> None:
    cell = ElemWise(operation="Max")
    cell(Interface([A, B])).back_propagate(np.ones((1, 2, 1, 1)))
    assert list(cell.get_diffoutputs(0)) == [1.0, 1.0]
    assert list(cell.get_diffoutputs(1)) == [0.0, 0.0]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: ElemWise(operation="Add", name="e"),
        ValueError,
        'e: parameter `operation` is "Add", expected one of Sum, AbsSum',
    ),
    (lambda: ElemWise(operation=1, name="e"), TypeError, "e: parameter `operation` must be a str"),
    (
        lambda: ElemWise(mode="PerPixel", name="e"),
        ValueError,
        'e: parameter `mode` is "PerPixel", expected one of PerLayer',
    ),
    (lambda: ElemWise(weights="1", name="e"), TypeError, "e: parameter `weights` must be a list of float"),
    (lambda: ElemWise(shifts=[True], name="e"), TypeError, "e: parameter `shifts` must be"),
    (lambda: ElemWise(weights=[1, 2, 3], name="e")(Interface([A, B])), ValueError, "e: "),
    (lambda: ElemWise(name="e")(Interface([A, Tensor([1, 3])])), ValueError, "e: "),
    (lambda: ElemWise(datatype="float"), ValueError, "ElemWise: `datatype` is not a parameter"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
