"""Who may be how far from the exact result."""

from __future__ import annotations

import numpy as np
import pytest

import check


def judge_of(exact: float, *float32: float) -> check.Judge:
    return check.Judge(lambda result: abs(result - exact), list(float32), 1e-5)


def test_distances_of_parameters_are_parts_of_the_way_from_the_start() -> None:
    start = [np.zeros((2, 2), np.float32), np.zeros(2, np.float32)]
    exact = [np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([300.0, 400.0])]
    values = [np.array([[3.0, 0.5], [0.0, 4.0]], np.float32), np.array([300.0, 400.0], np.float32)]
    # Vectors have gone a hundred times as far; they do not hide what is wrong with the weights.
    assert check.training_distance(values, exact, start) == pytest.approx(0.1)
    values[1][0] = 400.0
    assert check.training_distance(values, exact, start) == pytest.approx(0.2)
    assert check.training_distance(start, exact, start) == 1.0


def test_a_network_that_stands_still_is_where_it_was() -> None:
    start = [np.ones((1, 1), np.float32)]
    assert check.training_distance(start, [start[0].astype(np.float64)], start) == 0.0


def test_distances_of_outputs_are_parts_of_the_largest() -> None:
    exact = np.array([[0.1, 0.5], [0.2, 0.2]])
    assert check.output_distance(np.array([[0.15, 0.5], [0.2, 0.2]], np.float32), exact) == pytest.approx(0.1)


def test_values_that_are_no_numbers_are_infinitely_far() -> None:
    nan, one = np.array([[np.nan]], np.float32), np.array([[1.0]])
    assert check.output_distance(nan, one) == np.inf
    assert check.training_distance([nan], [one], [np.zeros((1, 1), np.float32)]) == np.inf


def test_a_judge_allows_four_times_the_distance_of_float32() -> None:
    judge = judge_of(1.0, 1.0005, 0.999)
    assert judge.limit == pytest.approx(0.004)
    assert judge.check("n2d2", 1.003) == pytest.approx(0.003)
    with pytest.raises(ValueError, match=r"n2d2 is 5\.0e-03 from the float64 result, at most 4\.0e-03 are allowed"):
        judge.check("n2d2", 1.005)
    with pytest.raises(ValueError, match="n2d2 is nan from"):
        judge.check("n2d2", float("nan"))


def test_a_judge_allows_the_floor_and_never_more_than_the_ceiling() -> None:
    assert judge_of(1.0, 1.0).limit == 1e-5
    assert judge_of(1.0, 3.0).limit == check.CEILING


def test_training_goes_from_judge_to_judge() -> None:
    class Counter:
        name = "counter"
        steps = finished = 0

        def step(self) -> None:
            self.steps += 1

        def finish(self) -> None:
            self.finished = self.steps

        def parameters(self) -> float:
            assert self.finished == self.steps
            return float(self.steps)

    def judge(steps: int, exact: float) -> check.Judge:
        return check.Judge(lambda result: abs(result - exact), [exact], 0.1, steps)

    assert check.check_training([judge(1, 1.0), judge(5, 5.05)], Counter()) == pytest.approx([0.0, 0.05])
    with pytest.raises(ValueError, match=r"counter, step 5, is 1\.0e\+00 from"):
        check.check_training([judge(1, 1.0), judge(5, 6.0)], Counter())
