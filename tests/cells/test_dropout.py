"""Dropout: probability, modes, reproducibility, errors."""

from __future__ import annotations

import pytest

import n2d2
from n2d2 import Tensor
from n2d2.cells import Dropout


def test_probability_and_scale() -> None:
    drop, x = Dropout(dropout=0.25), Tensor([10, 1000], value=3.0)
    y = drop(x).to_numpy()
    assert set(y.ravel().tolist()) == {0.0, 4.0}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    drop.dropout = 0
    assert drop.dropout == 0.0
    assert list(drop(x)) == list(x)
    drop.dropout = 0.9
    assert list(drop.test()(x)) == list(x)


def test_the_same_seed_name_and_step_drop_the_same() -> None:
    x = Tensor([1, 64], value=1.0)
    runs = []
    for _ in range(2):
        n2d2.global_variables.seed = 3
        drop = Dropout(name="again")
        runs.append([list(drop(x)), list(drop(x))])
    n2d2.global_variables.seed = 1
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


@pytest.mark.parametrize(
    ("value", "kind"), [(1.5, ValueError), (-0.1, ValueError), ("a", TypeError), (True, TypeError)]
)
def test_errors(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="e: parameter `dropout` "):
        Dropout(dropout=value, name="e")
    drop = Dropout(name="e")
    with pytest.raises(kind, match="e: parameter `dropout` "):
        drop.dropout = value
    assert drop.dropout == 0.5
