"""What an exported network computes: in ONNX Runtime, and back in n2d2."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import n2d2
from n2d2 import Interface, Tensor

ort = pytest.importorskip("onnxruntime")


def arrays(shapes: list[tuple[int, ...]], batch: int) -> list[np.ndarray[Any, Any]]:
    """Random inputs, always the same."""
    rng = np.random.default_rng(3)
    return [rng.normal(size=(batch, *shape)).astype(np.float32) for shape in shapes]


def computed(model: Any, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What the engine computes in test mode."""
    tensors = [Tensor.from_numpy(a) for a in inputs]
    made = model.test()(tensors[0] if len(tensors) == 1 else Interface._of(tensors))
    return [t.to_numpy(copy=True) for t in (made.get_tensors() if isinstance(made, Interface) else [made])]


def run(proto: onnx.ModelProto, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What ONNX Runtime computes."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in proto.graph.input]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def assert_close(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
    """Accepts a relative difference of 1e-4; where large values cancel out, one of 1e-5 of the largest output."""
    largest = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5 * largest)


def check(
    model: Any, shapes: list[tuple[int, ...]], *, back: bool = True, same_bits: bool = True, **options: Any
) -> onnx.ModelProto:
    """Compares the export of a network with the network itself.

    Arguments:
        model (Block or NeuralNetworkCell): The network.
        shapes (list): Sizes of its inputs without the batch.
        back (bool, optional): True if the importer reads all operators, default=True.
        same_bits (bool, optional): True if what the importer makes computes in the same order, default=True.
        options: Arguments of `to_model`.
    """
    inputs = arrays(shapes, batch=3)
    expected = computed(model, inputs)
    for batch_size in (None, 3):
        proto = n2d2.onnx.to_model(model, input_shape=shapes, batch_size=batch_size, **options)
        onnx.checker.check_model(proto, full_check=True)
        for got, wanted, info in zip(run(proto, inputs), expected, proto.graph.output, strict=True):
            dims = info.type.tensor_type.shape.dim
            assert [d.dim_value or d.dim_param for d in dims] == [batch_size or "batch", *got.shape[1:]]
            assert_close(got, wanted)
    if back:
        loaded = n2d2.onnx.load(proto)
        for got, wanted in zip(computed(loaded, inputs), expected, strict=True):
            if same_bits:
                np.testing.assert_array_equal(got.reshape(wanted.shape), wanted)
            else:
                assert_close(got, wanted)
    return proto
