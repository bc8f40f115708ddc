"""Who may be how far from the exact result."""

from __future__ import annotations

import numpy as np
import pytest

import check


def test_distances_are_relative_to_the_largest_value_of_each_tensor() -> None:
    exact = [np.array([1.0, -100.0]), np.array([2.0, 1.0])]
    values = [np.array([1.5, -100.0], np.float32), np.array([2.0, 1.0], np.float32)]
    assert check.distance(values, exact) == pytest.approx(0.005)
    values[1][1] = 1.5
    assert check.distance(values, exact) == pytest.approx(0.25)


def test_values_that_are_no_numbers_are_infinitely_far() -> None:
    assert check.distance([np.array([np.nan], np.float32)], [np.array([1.0])]) == np.inf


def test_a_judge_allows_four_times_the_distance_of_float32() -> None:
    exact = [np.array([1.0])]
    judge = check.Judge(exact, [np.array([1.001], np.float32)], 1e-5)
    assert judge.limit == pytest.approx(0.004, rel=1e-3)
    assert judge.check("n2d2", [np.array([1.003], np.float32)]) == pytest.approx(0.003, rel=1e-3)
    with pytest.raises(ValueError, match=r"n2d2 is 5\.0e-03 from the float64 result, at most 4\.0e-03 are allowed"):
        judge.check("n2d2", [np.array([1.005], np.float32)])
    with pytest.raises(ValueError, match="n2d2 is inf from"):
        judge.check("n2d2", [np.array([np.nan], np.float32)])


def test_a_judge_allows_at_least_the_floor() -> None:
    exact = [np.array([1.0])]
    judge = check.Judge(exact, [np.array([1.0], np.float32)], 1e-5)
    assert judge.limit == 1e-5
