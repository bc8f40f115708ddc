"""Small model files for the tests of the command."""

from __future__ import annotations

from pathlib import Path

INI = """\
DefaultModel=Frame
[database]
Type=Digits_Database
Validation=0.1
[sp]
Size=28 28 1
BatchSize=50
[common]
Solvers=SGD
Solvers.LearningRate=0.05
[fc]
Input=sp
Type=Fc
NbOutputs=10
ConfigSection=common
[softmax]
Input=fc
Type=Softmax
NbOutputs=10
WithLoss=1
[softmax.Target]
"""


def write_ini(folder: Path, text: str = INI) -> str:
    """Write an INI file and return its name."""
    path = folder / "net.ini"
    path.write_text(text)
    return str(path)


def write_onnx(folder: Path, *, unsupported: bool = False, size: int = 28, channels: int = 1) -> str:
    """Write an ONNX file of a convolution, a dense layer and a softmax, and return its name."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(1)
    width = (size - 4) // 4
    weights = {
        "w1": rng.normal(0, 0.2, (4, channels, 5, 5)),
        "b1": np.zeros(4),
        "w2": rng.normal(0, 0.05, (10, 4 * width * width)),
        "b2": np.zeros(10),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["conv"], name="conv_node"),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["fc"], transB=1),
        helper.make_node("Softmax", ["fc"], ["y"], axis=1),
    ]
    if unsupported:
        nodes[1] = helper.make_node("Det", ["conv"], ["relu"], name="strange")
        nodes[4] = helper.make_node("Fancy", ["flat"], ["fc"], name="stranger", domain="org.example")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x", TensorProto.FLOAT, ["batch", channels, size, size])],
        [value("y", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tests")
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)
