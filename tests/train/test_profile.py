"""The profile of passes: what is counted, and how it is printed."""

from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import BatchNorm2d, Conv, ElemWise, Fc, Pool, Sequence
from n2d2.error_handler import NotInitialized, StateError
from n2d2.train import Profile


def test_counts_passes_arithmetic_and_bytes_of_every_cell() -> None:
    conv = Conv(3, 4, [3, 3], no_bias=True, name="conv")
    model = Sequence(
        [conv, BatchNorm2d(4, name="norm"), Pool([2, 2], stride_dims=[2, 2], name="pool"), Fc(36, 5, name="fc")]
    )
    with Profile() as profile:
        for _ in range(3):
            y = model(n2d2.Tensor([2, 3, 8, 8], value=1.0))
            y.back_propagate(np.ones((2, 5, 1, 1), np.float32))
    found = {(p.name, p.backward): p for p in profile.passes}
    assert [p.name for p in profile.passes] == ["conv", "norm", "pool", "fc", "fc", "pool", "norm", "conv"]
    assert all(p.passes == 3 and p.seconds > 0 for p in profile.passes)
    macs = 2 * 36 * 4 * 27
    assert found["conv", False].flops == 3 * 2 * macs
    # The input is a tensor that wants its gradient too.
    assert found["conv", True].flops == 3 * 4 * macs
    assert found["conv", False].bytes == 3 * 4 * (2 * 3 * 64 + 2 * 4 * 36 + 108)
    assert found["pool", False].flops == 0
    assert found["fc", True].kind == "Fc"


def test_work_between_cells_has_a_row_of_its_own() -> None:
    x = n2d2.Tensor([2, 3], value=1.0)
    with Profile() as profile:
        ElemWise(operation="Sum", activation=Rectifier(), name="sum")(n2d2.Interface([x, x]))
    assert {p.name for p in profile.passes} <= {"sum", "(between cells)"}
    assert profile.passes[0].name == "sum"


def test_nothing_is_measured_outside() -> None:
    profile = Profile()
    with pytest.raises(NotInitialized, match="nothing was measured before the end"):
        profile.table()
    fc = Fc(2, 2, name="fc")
    with profile:
        pass
    fc(n2d2.Tensor([1, 2]))
    assert profile.passes == []
    assert len(profile.table().splitlines()) == 3


def test_two_at_a_time_are_refused_and_an_error_ends_one() -> None:
    with Profile(), pytest.raises(StateError, match="another profile is running"), Profile():
        pass
    with pytest.raises(ZeroDivisionError), Profile() as profile:
        raise ZeroDivisionError
    assert profile.passes == []
    with Profile():
        pass


def test_results_are_the_same_with_a_profile() -> None:
    def step() -> bytes:
        n2d2.global_variables.seed = 2
        model = Sequence([Conv(1, 4, [3, 3], activation=Rectifier()), Fc(64, 3)])
        y = model(n2d2.Tensor.from_numpy(np.linspace(-1, 1, 8 * 36, dtype=np.float32).reshape(8, 1, 6, 6)))
        return y.to_numpy().tobytes()

    plain = step()
    with Profile():
        assert step() == plain
