"""Replays the ONNX models that were recorded from the original N2D2 (see golden/README.md)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import n2d2
from support.golden import FOLDER, Case, assert_close

CASES = {e["id"]: Case(e) for e in json.loads((FOLDER / "onnx" / "index.json").read_text())["cases"]}
# The original stores a Reshape where this library needs none: what follows reads the values in the same order.
WITHOUT_RESHAPE = {"ONNX/reshape"}
# The file says half_pixel, the original interpolated as if it said asymmetric.
RECORDED_IS_WRONG = {"ONNX/resize_linear"}
# onnx's evaluator normalises with its default epsilon here, and the first channels only.
EVALUATOR_IS_WRONG = {"ONNX/bn", "ONNX/op_lrn"}


def evaluated(model: Any, x: np.ndarray) -> np.ndarray:
    """Return what onnx's own evaluator computes, one stimulus after the other: some files are for a batch of one."""
    evaluator, name = ReferenceEvaluator(model), model.graph.input[0].name
    return np.concatenate([np.asarray(evaluator.run(None, {name: x[i : i + 1]})[0]) for i in range(len(x))])


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    path = FOLDER / "onnx" / case.get("model")
    proto = onnx.load(path)
    model = n2d2.onnx.load(path).test()
    x = case.get_array("x")
    if x is None:
        dims = [d.dim_value or 2 for d in proto.graph.input[0].type.tensor_type.shape.dim]
        x = np.random.default_rng(3).normal(size=dims).astype(np.float32)
        if name == "ONNX/op_sqrt":
            x = np.abs(x)
    output = model(n2d2.Tensor.from_numpy(x)).to_numpy()
    recorded = case.get_array("output")
    if recorded is not None and case.trusted("output") and name not in RECORDED_IS_WRONG:
        assert_close(output, recorded, "output")
    if name == "ONNX/op_lrn":
        conv = proto.graph.node[0]
        assert conv.op_type == "Conv"
        w = onnx.numpy_helper.to_array(proto.graph.initializer[0])[:, :, 0, 0]
        c = np.einsum("oc,nchw->nohw", w, x)
        square = np.pad(c**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
        expected = c / (1 + 1e-4 / 3 * (square[:, :-2] + square[:, 1:-1] + square[:, 2:])) ** 0.75
        np.testing.assert_allclose(output, expected, 1e-5, 1e-6)
    if name not in EVALUATOR_IS_WRONG:
        expected = evaluated(proto, x)
        np.testing.assert_allclose(output.reshape(expected.shape), expected, 1e-4, 1e-5, equal_nan=True)
    if "cells" in case.entry and case.trusted("output"):
        ours = [[cell.get_name(), cell.get_type().removesuffix("2d")] for cell in model]
        theirs = [
            [n, kind.removesuffix("2d")]
            for n, kind in case.get("cells")
            if kind != "Reshape" or name not in WITHOUT_RESHAPE
        ]
        assert ours == theirs


def test_a_pool_with_ceil_mode_which_ended_the_original() -> None:
    h = onnx.helper
    node = h.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    value = h.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 5, 5])
    graph = h.make_graph([node], "ceil", [value], [h.make_empty_tensor_value_info("y")])
    proto = h.make_model(graph, opset_imports=[h.make_opsetid("", 11)], ir_version=7)
    x = np.random.default_rng(4).normal(size=(1, 2, 5, 5)).astype(np.float32)
    output = n2d2.onnx.load(proto).test()(n2d2.Tensor.from_numpy(x)).to_numpy()
    assert output.shape == (1, 2, 3, 3)
    np.testing.assert_array_equal(output, evaluated(proto, x))
