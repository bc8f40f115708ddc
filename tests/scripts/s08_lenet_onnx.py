"""An ONNX LeNet: loaded on a provider, printed, trained by fit, tested, and without its Softmax at the end."""

import contextlib
import io

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import n2d2

rng = np.random.default_rng(1)


def weights(name: str, *shape: int) -> onnx.TensorProto:
    std = (2.0 / np.prod(shape[1:])) ** 0.5
    return numpy_helper.from_array(rng.normal(0.0, std, shape).astype(np.float32), name)


graph = helper.make_graph(
    [
        helper.make_node("Conv", ["image", "w1", "b1"], ["conv1"], kernel_shape=[5, 5]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("MaxPool", ["relu1"], ["pool1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool1", "w2"], ["conv2"], kernel_shape=[5, 5]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("MaxPool", ["relu2"], ["pool2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["fc1"], transB=1),
        helper.make_node("Relu", ["fc1"], ["relu3"]),
        helper.make_node("Gemm", ["relu3", "w4", "b4"], ["fc2"], transB=1),
        helper.make_node("Softmax", ["fc2"], ["softmax"], axis=1),
    ],
    "lenet",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])],
    [helper.make_tensor_value_info("softmax", TensorProto.FLOAT, ["batch", 10])],
    [
        weights("w1", 6, 1, 5, 5),
        weights("b1", 6),
        weights("w2", 16, 6, 5, 5),
        weights("w3", 120, 256),
        weights("b3", 120),
        weights("w4", 10, 120),
        weights("b4", 10),
    ],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "lenet.onnx")

n2d2.global_variables.seed = 1
provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
model = n2d2.cells.DeepNetCell.load_from_ONNX(provider, "lenet.onnx")
text = str(model)
assert all(f"'{name}'" in text for name in ("conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "softmax")), text
assert model["softmax"].with_loss, "a Softmax at the end learns from the cross-entropy"
assert list(model.targets) == ["softmax"]
np.testing.assert_array_equal(
    model["conv1"].N2D2().param("weights"), numpy_helper.to_array(graph.initializer[0]), "weights of the file"
)

model.set_solver(n2d2.solver.SGD(learning_rate=0.02, momentum=0.9))
with contextlib.redirect_stdout(io.StringIO()) as printed:
    model.fit(1)
    model.run_test()
target = model.targets["softmax"]
provider.set_partition("Test")
# 125 steps after random weights, which would get a tenth right.
assert target.get_average_success() > 0.85, target.get_average_success()
assert "epoch 1/1" in printed.getvalue()
assert "1000/1000" in printed.getvalue()
assert (target.folder / "ConfusionMatrix_test.png").exists()

model.remove("softmax")
assert list(model.targets) == ["fc2"]
outputs = model.test()(n2d2.Tensor([1, 1, 28, 28], value=0.5))
assert outputs.shape() == [1, 10, 1, 1]
assert abs(outputs.to_numpy().sum() - 1.0) > 1e-3, "no Softmax is left"
model.summary()
print("success")
