"""What is measured of the time outside the engine."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pytest

import n2d2
import overheads
from overheads import CoreClock, Eager, Reading


class Clock:
    """Each reading is ten nanoseconds after the one before it."""

    now = 0

    def __call__(self) -> int:
        self.now += 10
        return self.now


def profiled(work: Any) -> CoreClock:
    clock = CoreClock(Clock())
    sys.setprofile(clock)
    try:
        work()
    finally:
        sys.setprofile(None)
    return clock


def test_only_functions_and_methods_of_the_engine_count() -> None:
    tensor = n2d2.Tensor([2, 3]).N2D2()

    def work() -> None:
        n2d2._core.isa()
        len([time.perf_counter()])
        np.zeros(3).sum()
        tensor.cells()

    clock = profiled(work)
    assert clock.calls == 2
    assert clock.passed_ns >= 20


def test_a_call_that_fails_ends_too() -> None:
    def work() -> None:
        with pytest.raises(TypeError):
            n2d2._core.isa(1)  # type: ignore[call-arg]
        n2d2._core.isa()

    assert profiled(work).calls == 2


def test_python_is_what_a_step_takes_outside_the_engine() -> None:
    threads = n2d2.global_variables.nb_threads
    found = overheads.python_part(Eager("lenet", 1), 3, 0.02)
    assert n2d2.global_variables.nb_threads == threads
    assert found["python_us"] == pytest.approx(found["step_us"] - found["core_us"])
    assert 0 < found["core_us"] < found["step_us"]
    # The network, the target, the backward pass and the update at least.
    assert found["calls"] >= 3


def test_what_a_slow_provider_takes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = overheads.waiting_part(Reading("lenet", 1, False), 1, 0.1)
    read = n2d2.provider.DataProvider.read_batch

    def slow(provider: n2d2.provider.DataProvider) -> n2d2.Tensor:
        time.sleep(0.02)
        return read(provider)

    monkeypatch.setattr(n2d2.provider.DataProvider, "read_batch", slow)
    found = overheads.waiting_part(Reading("lenet", 1, False), 1, 0.2)
    assert 0 < fast["share"] < found["share"] < 1
    assert found["share"] > 0.5
    assert found["step_ms"] >= 20


def test_a_partition_that_is_read_begins_again() -> None:
    steps = overheads._steps(Reading("mobilenet32", 2048, True))
    waited = [next(steps) for _ in range(3)]
    assert waited == sorted(waited)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no 'overheads-none'; there are overheads-python-lenet-1, "):
        overheads.measured("overheads-none", 1, 0.1)
