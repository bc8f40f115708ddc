"""Pooling: sizes, mappings, the whole image, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2 import Tensor
from n2d2.cells import GlobalPool2d, Pool, Pool2d
from n2d2.error_handler import ShapeError
from n2d2.mapping import Mapping


def ramp(*shape: int) -> Tensor:
    return Tensor.from_numpy(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


def test_printing() -> None:
    pool = Pool([2, 2], stride_dims=[2, 2], name="13")
    assert str(pool) == (
        "'13' Pool(Frame<float>)(pool_dims=[2, 2], stride_dims=[2, 2], padding_dims=[0, 0], pooling=Pooling.Max | "
        "activation=None)"
    )


def test_pairs_are_height_and_width() -> None:
    pool = Pool2d([3, 2], stride_dims=[1, 2], padding_dims=[1, 0])
    assert pool(Tensor([1, 1, 5, 8])).shape() == [1, 1, 5, 4]


def test_max_and_average() -> None:
    x = ramp(1, 2, 2, 2)
    assert list(Pool([2, 2])(x)) == [3.0, 7.0]
    assert list(Pool([2, 2], pooling="Average")(x)) == [1.5, 5.5]
    assert list(Pool2d([2, 2], pooling="Average", padding_dims=[1, 1], stride_dims=[2, 2])(x)) == [
        *(0.0, 0.25, 0.5, 0.75),
        *(1.0, 1.25, 1.5, 1.75),
    ]


def test_a_mapping_joins_channels() -> None:
    mapping = Tensor([2, 1], datatype="bool")
    mapping.set_values([[1], [1]])
    x = ramp(1, 2, 2, 2)
    assert list(Pool([2, 2], mapping=mapping)(x)) == [7.0]
    assert list(Pool([2, 2], mapping=mapping, pooling="Average")(x)) == [3.5]


def test_the_whole_image() -> None:
    pool = GlobalPool2d(pooling="Average", name="whole")
    assert "(pool_dims=[], stride_dims=[1, 1], padding_dims=[0, 0], pooling=Pooling.Average |" in str(pool)
    assert list(pool(ramp(1, 2, 2, 3))) == [2.5, 8.5]
    assert "(pool_dims=[2, 3]," in str(pool)
    assert list(pool(ramp(1, 1, 1, 5))) == [2.0]
    assert pool.pool_dims == [1, 5]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Pool("2", name="e"), TypeError, "e: parameter `pool_dims` must be a list of int, got a str"),
    (lambda: Pool([0, 2], name="e"), ValueError, "e: parameter `pool_dims` is [0, 2], expected"),
    (
        lambda: Pool([2, 2], pooling="Mean", name="e"),
        ValueError,
        'e: parameter `pooling` is "Mean", expected one of Max, Average',
    ),
    (lambda: Pool([2, 2], pooling=1, name="e"), TypeError, "e: parameter `pooling` must be a str, got an int (1)"),
    (
        lambda: Pool([2, 2], mapping=1),
        TypeError,
        "Pool: parameter `mapping` must be a bool Tensor [inputs, outputs], got int",
    ),
    (lambda: Pool2d([2, 2], mapping=None), RuntimeError, "Pool2d: `mapping` cannot be given"),
    (lambda: GlobalPool2d(pool_dims=[2, 2]), RuntimeError, "GlobalPool2d: `pool_dims` cannot be given"),
    (lambda: Pool([2, 2], strides=[2, 2]), ValueError, "Pool: `strides` is not a parameter"),
    (lambda: Pool([5, 5], name="e")(Tensor([1, 1, 3, 3])), ValueError, "e: "),
    (lambda: setattr(Pool([2, 2], name="e"), "pooling", "Average"), RuntimeError, "e: `pooling` is not settable"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)


@pytest.mark.parametrize("size", [2, 4])
def test_an_identity_of_another_size_is_refused(size: int) -> None:
    mapping = Mapping(nb_groups=size).create_mapping(size, size)
    cell = Pool([2, 2], mapping=mapping, name="pool")
    text = f"pool: channels of the input: expected {size}, the rows of the mapping, got 3"
    with pytest.raises(ShapeError, match=text):
        cell(Tensor([1, 3, 4, 4], value=1.0))
    assert cell(Tensor([1, size, 4, 4], value=1.0)).shape() == [1, size, 3, 3]
