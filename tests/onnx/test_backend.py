"""The protocol by which tools of the ONNX ecosystem run models."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx.backend.base import Backend

import n2d2
from n2d2.onnx import backend
from support.malformed_onnx import model, small_model, value

CONV = model([helper.make_node("Conv", ["x", "w"], ["y"])], [value("x", [1, 1, 2, 2]), value("w", [1, 1, 1, 1])])


def test_the_backend_is_one_of_onnx() -> None:
    assert issubclass(backend.N2D2Backend, Backend)
    assert backend.supports_device("CPU")
    assert backend.supports_device("CPU:0")
    assert not backend.supports_device("CUDA")
    with pytest.raises(n2d2.error_handler.WrongValue, match="device"):
        backend.prepare(small_model(), "CUDA")


def test_a_model_runs_with_inputs_by_order_and_by_name_and_any_batch() -> None:
    prepared = backend.prepare(small_model())
    x = np.random.default_rng(1).normal(size=(5, 2, 4, 4)).astype(np.float32)
    (whole,) = prepared.run([x])
    assert whole.shape == (5, 4)
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-5)
    (one,) = prepared.run({"x": x[:1]})
    np.testing.assert_allclose(one, whole[:1], rtol=1e-5)
    np.testing.assert_array_equal(backend.run_model(small_model(), [x])[0], whole)
    with pytest.raises(n2d2.error_handler.ShapeError, match=r"the model has the inputs \['x'\], got 2"):
        prepared.run([x, x])


def test_weights_that_are_inputs_are_taken_at_the_first_run_and_when_they_change() -> None:
    prepared = backend.prepare(CONV)
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    for factor in (2, 3, 3):
        (y,) = prepared.run([x, np.full((1, 1, 1, 1), factor, np.float32)])
        np.testing.assert_array_equal(y, factor * x)


def test_one_operator() -> None:
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    x = np.array([[-3.0, 0.5, 3.0]], np.float32)
    (y,) = backend.run_node(node, [x, np.float32(-1), np.float32(2)], opset_version=13)
    assert y.tolist() == [[-1.0, 0.5, 2.0]]


def test_element_types_leave_as_the_model_says() -> None:
    add = helper.make_node("Add", ["x", "z"], ["y"])
    x = np.array([[1, 2]], np.int64)
    (y,) = backend.run_node(add, [x, x])
    assert (y.dtype, y.tolist()) == (np.int64, [[2, 4]])
    (y,) = backend.run_node(add, [x.astype(np.float64), x.astype(np.float64)])
    assert y.dtype == np.float64


def test_numbers_without_a_float_are_refused_and_not_rounded() -> None:
    add = helper.make_node("Add", ["x", "z"], ["y"])
    large = np.array([2**24 + 1], np.int64)
    with pytest.raises(
        n2d2.error_handler.DataError, match="input 'x' holds 16777217, for which single precision has no"
    ):
        backend.run_node(add, [large, large])


def test_what_is_compatible() -> None:
    assert backend.is_compatible(small_model())
    unknown = model([helper.make_node("Unique", ["x"], ["y"])], [value("x", [3])])
    assert not backend.is_compatible(unknown)
