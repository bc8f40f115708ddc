"""What a training step of n2d2 spends outside the engine: in Python, and waiting for data."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

import n2d2
from batches import batches
from measure import GROUP_S
from networks import NETWORKS
from ours import LEARNING_RATE, MOMENTUM, N2d2Training

PYTHON_GOAL_US = 60
CALIBRATION = 2000
STIMULI = 4096


class Eager(NamedTuple):
    """A training step whose Python part is measured."""

    network: str
    batch: int

    @property
    def key(self) -> str:
        """What the command line and the files call it."""
        return f"overheads-python-{self.network}-{self.batch}"


class Reading(NamedTuple):
    """A training that reads its data, transformed on the fly or as it is."""

    network: str
    batch: int
    transformed: bool

    @property
    def key(self) -> str:
        """What the command line and the files call it."""
        return f"overheads-data-{self.network}-{self.batch}{'-transformed' if self.transformed else ''}"


EAGER = (Eager("lenet", 1), Eager("lenet", 32))
READING = (Reading("lenet", 32, False), Reading("lenet", 256, False), Reading("mobilenet32", 64, True))
OVERHEADS = (*EAGER, *READING)


class CoreClock:
    """A profile function of the interpreter that adds up the time inside functions and methods of `n2d2._core`.

    Constructors and attributes of its classes count as Python: the interpreter does not report them.
    """

    def __init__(self, now: Callable[[], int] = time.perf_counter_ns) -> None:
        self.passed_ns = self.calls = 0
        self._now = now
        self._depth = 0
        self._begin = 0

    def __call__(self, frame: FrameType, event: str, function: Any) -> None:
        """Take note of an event."""
        if event == "c_call":
            if _of_core(function):
                self._depth += 1
                if self._depth == 1:
                    self._begin = self._now()
        elif event in {"c_return", "c_exception"}:
            now = self._now()
            if _of_core(function):
                self._depth -= 1
                if self._depth == 0:
                    self.passed_ns += now - self._begin
                    self.calls += 1


def _of_core(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    module: str | None = getattr(owner, "__name__", None) if isinstance(owner, type(sys)) else type(owner).__module__
    return module is not None and module.startswith("n2d2._core")


def _observed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the microseconds inside the engine and the calls into it each time that some work is done."""
    clock = CoreClock()
    sys.setprofile(clock)
    try:
        for _ in range(times):
            work()
    finally:
        sys.setprofile(None)
    return clock.passed_ns / 1e3 / times, clock.calls / times


def python_part(eager: Eager, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the microseconds of a step, those inside the engine, and what is left for Python.

    On one thread, so that what the observer costs puts no other thread to sleep. Steps are timed unobserved; in turn
    with them others are observed. What it costs to observe a call is that of the shortest one, and taken off.
    """
    threads = n2d2.global_variables.nb_threads
    n2d2.global_variables.nb_threads = 1
    try:
        network = NETWORKS[eager.network]
        step = N2d2Training(network, batches(network, eager.batch)).step
        start = time.perf_counter()
        step()
        times = 10
        while time.perf_counter() - start < GROUP_S:
            step()
        whole: list[float] = []
        inside: list[float] = []
        calls = 0.0
        cost = min(_observed(n2d2._core.isa, CALIBRATION)[0] for _ in range(3))
        end = time.perf_counter() + rounds * seconds
        while len(whole) < rounds or time.perf_counter() < end:
            start = time.perf_counter()
            for _ in range(times):
                step()
            whole.append(1e6 * (time.perf_counter() - start) / times)
            passed, calls = _observed(step, times)
            inside.append(passed - calls * cost)
    finally:
        n2d2.global_variables.nb_threads = threads
    step_us, core_us = statistics.median(whole), statistics.median(inside)
    return {"step_us": step_us, "core_us": core_us, "python_us": step_us - core_us, "calls": calls}


class _Reader(n2d2.provider.Provider):
    """Notes how long reading takes; begins again, in another order, when the partition is read."""

    def __init__(self, provider: n2d2.provider.DataProvider) -> None:
        super().__init__()
        self._provider = provider
        self.waited_s = 0.0
        provider.set_batch()

    def read_batch(self) -> n2d2.Tensor:
        start = time.perf_counter()
        if self._provider.all_batchs_provided():
            self._provider.set_batch()
        x = self._provider.read_batch()
        self.waited_s += time.perf_counter() - start
        return x

    def labels_array(self) -> Any:
        return self._provider.labels_array()

    def stimuli_ids(self) -> Any:
        return self._provider.stimuli_ids()


def _provider(reading: Reading) -> n2d2.provider.DataProvider:
    network = NETWORKS[reading.network]
    channels, height, width = network.size
    database: n2d2.database.AbstractDatabase
    if network.size == (1, 28, 28):
        database = n2d2.database.Digits()
    else:
        generator = np.random.default_rng(1)
        images = generator.integers(0, 256, (STIMULI, channels, height, width), dtype=np.uint8)
        database = numpy = n2d2.database.Numpy(random_partitioning=False)
        numpy.load(list(images), generator.integers(0, network.classes, STIMULI).astype(np.int32), partition="Learn")
    provider = n2d2.provider.DataProvider(database, [width, height, channels], batch_size=reading.batch)
    if reading.transformed:
        provider.add_on_the_fly_transformation(n2d2.transform.PadCrop(width + 8, height + 8))
        provider.add_on_the_fly_transformation(n2d2.transform.PadCrop(width, height))
        provider.add_on_the_fly_transformation(n2d2.transform.Flip(random_horizontal_flip=True))
    provider.set_partition("Learn")
    return provider


def _steps(reading: Reading) -> Iterator[float]:
    """Train without end; yield the seconds that have been waited for data after each step."""
    n2d2.global_variables.seed = 1
    container = NETWORKS[reading.network].ours()
    container.set_solver(n2d2.solver.SGD(learning_rate=LEARNING_RATE, momentum=MOMENTUM))
    reader = _Reader(_provider(reading))
    target = n2d2.target.Score(reader)
    while True:
        loss = target(container(reader.read_batch()))
        loss.back_propagate()
        loss.update()
        yield reader.waited_s


def waiting_part(reading: Reading, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the milliseconds of a step that reads its data, and the share of it that is waited for them."""
    steps = _steps(reading)
    before = 0.0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        before = next(steps)
    done, waited = 0, before
    begin = now = time.perf_counter()
    while not done or now - begin < rounds * seconds:
        waited = next(steps)
        done += 1
        now = time.perf_counter()
    return {"step_ms": 1e3 * (now - begin) / done, "share": (waited - before) / (now - begin), "steps": done}


def measured(key: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure what has a key.

    Raises:
        ValueError: Nothing has it.
    """
    for overhead in OVERHEADS:
        if overhead.key == key:
            if isinstance(overhead, Eager):
                return python_part(overhead, rounds, seconds)
            return waiting_part(overhead, rounds, seconds)
    raise ValueError(f"there is no {key!r}; there are {', '.join(overhead.key for overhead in OVERHEADS)}")
