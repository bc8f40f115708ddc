"""Reshape: order of the sizes, inference, errors."""

from __future__ import annotations

from typing import Any

import pytest

from n2d2 import Tensor
from n2d2.cells import Reshape


def test_sizes_are_width_height_channels() -> None:
    reshape = Reshape([4, 3, 2], name="r")
    assert reshape(Tensor([5, 24])).shape() == [5, 2, 3, 4]
    assert str(Reshape([4, 4, 5], name="r")) == "'r' Reshape(Frame<float>)(dims=[4, 4, 5] | activation=None)"
    assert reshape.get_parameter("dims") == [4, 3, 2]
    assert reshape.dims() == [4, 3, 2, 5]
    assert Reshape([0, -1])(Tensor([1, 2, 3, 4])).shape() == [1, 1, 6, 4]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Reshape("3", name="e"), TypeError, "e: parameter `dims` must be a list of int"),
    (lambda: Reshape([], name="e"), ValueError, "e: parameter `dims` is []"),
    (lambda: Reshape([1, 2, 3, 4], name="e"), ValueError, "e: parameter `dims` is [1, 2, 3, 4]"),
    (lambda: Reshape([-1, -1], name="e"), ValueError, "e: parameter `dims` is [-1, -1]"),
    (lambda: Reshape([7], name="e")(Tensor([1, 6])), ValueError, "e: "),
    (
        lambda: Reshape([7], name="e").set_parameter("dims", [8]),
        RuntimeError,
        "e: `dims` is an argument of the constructor",
    ),
    (
        lambda: setattr(Reshape([7], name="e"), "dims", [8]),
        AttributeError,
        "e: `dims` is not an attribute that can be set",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
