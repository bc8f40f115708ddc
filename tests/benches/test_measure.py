"""How contenders are timed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import measure


class Clock:
    """A clock that only moves when somebody sleeps."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measure, "time", clock)
    return clock


class Sleeper:
    """A step takes some time; what is begun ends when it is waited for."""

    def __init__(self, name: str, seconds: float, clock: Clock | None = None) -> None:
        self.name = name
        self.seconds = seconds
        self.clock = clock or Clock()
        self.steps = self.waiting = 0
        self.finished_after: list[int] = []

    def step(self) -> None:
        self.steps += 1
        self.waiting += 1

    def finish(self) -> None:
        self.clock.now += self.waiting * self.seconds
        self.waiting = 0
        self.finished_after.append(self.steps)


def test_the_time_is_that_of_one_step_and_groups_are_waited_for(clock: Clock) -> None:
    sleeper = Sleeper("a", 0.005, clock)
    times = measure.times_of(sleeper, 0.1)
    assert times == pytest.approx([5.0] * len(times))
    groups = [b - a for a, b in itertools.pairwise(sleeper.finished_after)]
    assert groups[-len(times) :] == [groups[-1]] * len(times)
    assert groups[-1] * 0.005 >= measure.GROUP_S
    assert sleeper.finished_after[-1] == sleeper.steps


def test_a_long_step_is_timed_once_in_a_short_turn(clock: Clock) -> None:
    sleeper = Sleeper("a", 0.03, clock)
    assert len(measure.times_of(sleeper, 0.0)) == 1
    assert sleeper.steps == 3


def test_contenders_take_turns_and_each_begins_every_other_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "idle_share", lambda: 0.25)
    turns = []

    def clock(contender: Any, seconds: float) -> list[float]:
        turns.append((contender.name, seconds))
        # A disturbed group does not count.
        return [contender.seconds, contender.seconds, 100.0]

    duel = measure.alternate(Sleeper("n2d2", 2.0), Sleeper("other", 5.0), 3, 0.5, clock)
    assert [name for name, _ in turns] == ["n2d2", "other", "other", "n2d2", "n2d2", "other"]
    assert {seconds for _, seconds in turns} == {0.5}
    assert duel.ours_ms == (2.0, 2.0, 2.0)
    assert duel.theirs_ms == (5.0, 5.0, 5.0)
    assert duel.ratio == 2.5
    assert duel.idle == 0.25


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    duel = measure.Duel((1.0, 1.0, 4.0), (2.0, 3.0, 4.0), 0.0)
    assert duel.ratios == [1.0, 2.0, 3.0]
    assert duel.ratio == 2.0
