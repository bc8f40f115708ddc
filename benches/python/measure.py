"""Times of contenders that take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

# A group of steps that are timed together is at least this long, so that reading the clock does not count.
GROUP_S = 0.02
# Thread pools of the runtimes spin for some milliseconds after their last task.
QUIET_S = 0.05


class Contender(Protocol):
    """What can be timed."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def step(self) -> None:
        """Do the work once."""

    def finish(self) -> None:
        """Wait until the work of all steps is done."""


def times_of(contender: Contender, seconds: float) -> list[float]:
    """Return the time of a step in each group of steps, in milliseconds; the first step and group only warm up."""
    contender.step()
    contender.finish()
    steps = 1
    while True:
        start = time.perf_counter()
        for _ in range(steps):
            contender.step()
        contender.finish()
        passed = time.perf_counter() - start
        if passed >= GROUP_S:
            break
        steps = max(2 * steps, int(steps * 1.2 * GROUP_S / max(passed, 1e-6)))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(steps):
            contender.step()
        contender.finish()
        times.append(1e3 * (time.perf_counter() - start) / steps)
    return times


def idle_share() -> float:
    """Return the share of a processor that the threads of this process use while nothing is asked of them."""
    time.sleep(QUIET_S)
    start, used = time.perf_counter(), time.process_time()
    time.sleep(QUIET_S)
    return (time.process_time() - used) / (time.perf_counter() - start)


class Duel(NamedTuple):
    """The times of both in each round, in milliseconds, and the largest share of a processor used between turns."""

    ours_ms: tuple[float, ...]
    theirs_ms: tuple[float, ...]
    idle: float

    @property
    def ratios(self) -> list[float]:
        """How many times faster n2d2 was in each round, in ascending order."""
        return sorted(theirs / ours for ours, theirs in zip(self.ours_ms, self.theirs_ms, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)


def alternate(
    ours: Contender,
    theirs: Contender,
    rounds: int,
    seconds: float,
    clock: Callable[[Contender, float], list[float]] = times_of,
) -> Duel:
    """Let two contenders take turns, each first in every other round; a turn counts as the median of its groups."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    idle = 0.0
    for k in range(rounds):
        pair = [("ours", ours), ("theirs", theirs)]
        for whose, contender in pair if k % 2 == 0 else reversed(pair):
            idle = max(idle, idle_share())
            times[whose].append(statistics.median(clock(contender, seconds)))
    return Duel(tuple(times["ours"]), tuple(times["theirs"]), idle)
