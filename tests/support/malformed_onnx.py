"""Models that are wrong in many ways, by name, with a text that the error must have."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HUGE = 2**40


def value(name: str, shape: Any, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes: list[Any], inputs: list[Any], weights: dict[str, Any] | None = None, opset: int = 17) -> Any:
    """Return a model whose output is `y`."""
    tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in (weights or {}).items()]
    graph = helper.make_graph(nodes, "net", inputs, [value("y", None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def small_model() -> Any:
    """Return a model that is right."""
    rng = np.random.default_rng(1)
    weights = {
        "w": rng.normal(size=(3, 2, 3, 3)).astype(np.float32),
        "b": np.zeros(3, np.float32),
        "v": rng.normal(size=(4, 12)).astype(np.float32),
        "s": np.array([0, -1]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["p", "s"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    return model(nodes, [value("x", ["batch", 2, 4, 4])], weights)


def _changed(change: Any) -> Any:
    made = small_model()
    change(made)
    return made


def _dims(name: str, *dims: int) -> Any:
    def change(made: Any) -> None:
        tensor = next(t for t in made.graph.initializer if t.name == name)
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return _changed(change)


def external(location: str, **more: str) -> Any:
    """Return the small model with its first weight in another file."""

    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in {"location": location, **more}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text

    return _changed(change)


def _attribute(node: int, **attributes: Any) -> Any:
    def change(made: Any) -> None:
        target = made.graph.node[node]
        kept = [a for a in target.attribute if a.name not in attributes]
        del target.attribute[:]
        target.attribute.extend([*kept, *(helper.make_attribute(n, v) for n, v in attributes.items())])

    return _changed(change)


def _set(path: str, new: Any) -> Any:
    def change(made: Any) -> None:
        *parts, last = path.split(".")
        place = made
        for part in parts:
            place = place[int(part)] if part.isdigit() else getattr(place, part)
        if last.isdigit():
            place[int(last)] = new
        else:
            setattr(place, last, new)

    return _changed(change)


def _cycle(made: Any) -> None:
    made.graph.node[0].input[0] = "g"


def _twice(made: Any) -> None:
    made.graph.node[1].output[0] = "c"


def _no_opset(made: Any) -> None:
    del made.opset_import[:]


def _sequence(made: Any) -> None:
    made.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None))


def _chain(op: str, inputs: list[str], weights: dict[str, Any], **attributes: Any) -> Any:
    return model([helper.make_node(op, inputs, ["y"], **attributes)], [value("x", [1, 1, 2, 2])], weights)


def _constant_of(op: str, inputs: list[str], weights: dict[str, Any]) -> Any:
    """Return a model that adds a huge constant, which it computes."""
    nodes = [helper.make_node(op, inputs, ["h"]), helper.make_node("Add", ["x", "h"], ["y"])]
    return model(nodes, [value("x", [1, 1])], weights)


def malformed() -> dict[str, tuple[Any, str]]:
    """Return models and what their error must say."""
    one = np.ones(1, np.float32)
    return {
        "cycle": (_changed(_cycle), "cycle"),
        "missing input": (_set("graph.node.0.input.1", "nowhere"), "'nowhere', which nothing makes"),
        "output of nothing": (_set("graph.output.0.name", "nowhere"), "'nowhere' is made by nothing"),
        "made twice": (_changed(_twice), "makes 'c', which"),
        "no opset": (_changed(_no_opset), "opset_import"),
        "old opset": (_set("opset_import.0.version", 1), "opset) 1"),
        "new opset": (_set("opset_import.0.version", 10**6), "opset) 1000000"),
        "negative opset": (_set("opset_import.0.version", -3), "opset) -3"),
        "no ir version": (_set("ir_version", 0), "ir_version"),
        "new ir version": (_set("ir_version", 10**6), "ir_version"),
        "unknown operator": (_set("graph.node.1.op_type", "Relo"), "Relo"),
        "foreign operator": (_set("graph.node.1.domain", "com.example"), "com.example"),
        "input of a sequence": (_changed(_sequence), "sequence"),
        "input of no type": (_set("graph.input.0.type.tensor_type.elem_type", 99), "only numbers can be read"),
        "weight of strings": (_set("graph.initializer.0.data_type", TensorProto.STRING), "needs 54 strings"),
        "weight of no type": (_set("graph.initializer.0.data_type", 77), "element type 77"),
        "weight of doubles": (_set("graph.initializer.0.data_type", TensorProto.DOUBLE), "needs 432 bytes"),
        "weight too short": (_set("graph.initializer.0.raw_data", b"123"), "needs 216 bytes, the file has 3"),
        "negative size": (_dims("w", -3, 2, 3, 3), "negative size"),
        "huge weight": (_dims("w", HUGE, HUGE), "at most"),
        "weight of another shape": (_dims("w", 3, 2, 9), "conv"),
        "huge input": (_set("graph.input.0.type.tensor_type.shape.dim.2.dim_value", HUGE), "at most"),
        "negative input": (_set("graph.input.0.type.tensor_type.shape.dim.2.dim_value", -4), "input_shapes"),
        "open input": (_set("graph.input.0.type.tensor_type.shape.dim.2.dim_param", "h"), "only the batch may be open"),
        "attribute of another type": (_attribute(0, pads="same"), "pads"),
        "attribute of another length": (_attribute(0, pads=[1, 1]), "pads"),
        "huge padding": (_attribute(0, pads=[HUGE, 1, 1, 1]), ""),
        "negative padding": (_attribute(0, pads=[-1, -1, -1, -1]), "pads"),
        "stride of zero": (_attribute(0, strides=[0, 0]), ""),
        "huge stride": (_attribute(0, strides=[HUGE, HUGE]), ""),
        "huge dilation": (_attribute(0, dilations=[HUGE, HUGE]), ""),
        "no groups": (_attribute(0, group=0), ""),
        "huge groups": (_attribute(0, group=HUGE), ""),
        "kernel of zero": (_attribute(2, kernel_shape=[0, 0]), ""),
        "huge kernel": (_attribute(2, kernel_shape=[HUGE, HUGE]), ""),
        "unknown attribute": (_attribute(0, colour="red"), "colour"),
        "unknown padding": (_attribute(0, auto_pad="OTHER"), ""),
        "axis that is not there": (_attribute(5, axis=7), ""),
        "huge pads": (_chain("Pad", ["x", "p"], {"p": np.array([0, 0, HUGE, 0, 0, 0, 0, 0])}), ""),
        "huge resize": (_chain("Resize", ["x", "", "s"], {"s": np.array([1, 1, 1e12, 1], np.float32)}), ""),
        "resize to nothing": (_chain("Resize", ["x", "", "", "s"], {"s": np.array([1, 1, 0, 0])}), ""),
        "reshape of another size": (_chain("Reshape", ["x", "s"], {"s": np.array([7, 7])}), ""),
        "transposition that is none": (_chain("Transpose", ["x"], {}, perm=[0, 0, 1, 1]), ""),
        "huge expand": (_chain("Expand", ["x", "s"], {"s": np.array([1, 1, HUGE, HUGE])}), ""),
        "huge tile": (_chain("Tile", ["x", "s"], {"s": np.array([1, 1, HUGE, HUGE])}), ""),
        "huge constant": (_constant_of("ConstantOfShape", ["s"], {"s": np.array([HUGE])}), ""),
        "large constant": (_constant_of("ConstantOfShape", ["s"], {"s": np.array([2**27])}), "at most"),
        "huge expanded constant": (_constant_of("Expand", ["o", "s"], {"o": one, "s": np.array([2**20, 2**20])}), ""),
        "huge range": (
            _constant_of("Range", ["a", "b", "c"], {"a": np.array(0), "b": np.array(HUGE), "c": np.array(1)}),
            "",
        ),
        "weights that are not finite": (
            _set("graph.initializer.1.raw_data", np.array([0, np.nan, 0], np.float32).tobytes()),
            "not finite",
        ),
        "weights outside of the folder": (external("../secret.bin"), "outside of the folder"),
        "weights at an absolute path": (external("/etc/passwd"), "outside of the folder"),
        "weights in a missing file": (external("weights.bin"), "does not exist"),
        "weights in the folder itself": (external("."), "outside of the folder"),
        "weights at no number": (external("model.onnx", offset="many"), "no number"),
        "weights behind the end": (external("model.onnx", offset="1000000"), "the file has"),
        "no output": (_changed(lambda made: made.graph.ClearField("output")), "no output"),
        "nothing": (onnx.ModelProto(), ""),
    }
