"""Every layer once on a random tensor: output, tensors, gradients, parameters, printing."""

from __future__ import annotations

import numpy as np

import n2d2
from n2d2 import cells

n2d2.global_variables.seed = 1
rng = np.random.default_rng(5)
LAYERS = {
    "Conv": (lambda: cells.Conv(3, 4, [3, 3], stride_dims=[2, 1]), [2, 4, 2, 4], ("nb_outputs", 4)),
    "Deconv": (lambda: cells.Deconv(3, 2, [2, 2], stride_dims=[2, 2]), [2, 2, 10, 12], ("kernel_dims", [2, 2])),
    "Fc": (lambda: cells.Fc(90, 7), [2, 7, 1, 1], ("nb_inputs", 90)),
    "Dropout": (lambda: cells.Dropout(dropout=0.25), [2, 3, 5, 6], ("dropout", 0.25)),
    "ElemWise": (lambda: cells.ElemWise(operation="Sum"), [2, 3, 5, 6], ("operation", "Sum")),
    "Padding": (lambda: cells.Padding(1, 0, -1, 2), [2, 3, 6, 7], ("left_pad", -1)),
    "Softmax": (lambda: cells.Softmax(with_loss=True), [2, 3, 5, 6], ("with_loss", True)),
    "BatchNorm2d": (lambda: cells.BatchNorm2d(3), [2, 3, 5, 6], ("nb_inputs", 3)),
    "Pool": (lambda: cells.Pool([2, 2], pooling="Average"), [2, 3, 4, 5], ("pooling", "Average")),
    "Pool2d": (lambda: cells.Pool2d([2, 3], stride_dims=[2, 3]), [2, 3, 2, 2], ("stride_dims", [2, 3])),
    "GlobalPool2d": (lambda: cells.GlobalPool2d(), [2, 3, 1, 1], ("pooling", "Max")),
    "ConvDepthWise": (lambda: cells.ConvDepthWise(3, [3, 3]), [2, 3, 3, 4], ("nb_outputs", 3)),
    "ConvPointWise": (lambda: cells.ConvPointWise(3, 8), [2, 8, 5, 6], ("kernel_dims", [1, 1])),
    "Activation": (lambda: cells.Activation(n2d2.activation.Tanh()), [2, 3, 5, 6], ("activation", None)),
    "Reshape": (lambda: cells.Reshape([30, 1, 3]), [2, 3, 1, 30], ("dims", [30, 1, 3])),
    "Resize": (lambda: cells.Resize(9, 4, "BilinearTF"), [2, 3, 4, 9], ("align_corners", True)),
    "Scaling": (
        lambda: cells.Scaling(n2d2.scaling.FloatingPointScaling([0.5, 1.0, 2.0], True, [1.0, 1.0, 3.0])),
        [2, 3, 5, 6],
        ("scaling", None),
    ),
    "Transformation": (
        lambda: cells.Transformation(n2d2.transform.Rescale(4, 3)),
        [2, 3, 3, 4],
        ("transformation", None),
    ),
    "Reduce": (lambda: cells.Reduce(operation="Max", axes=[3]), [2, 3, 5, 1], ("axes", [3])),
    "Rearrange": (lambda: cells.Rearrange([3, 2, 1], [3, 1, 1], per_sample=True), [2, 3, 1, 1], ("shape", [3, 1, 1])),
    "LRN": (lambda: cells.LRN(n=3), [2, 3, 5, 6], ("n", 3)),
    "Function": (lambda: cells.Function("Exp"), [2, 3, 5, 6], ("function", "Exp")),
    "Arithmetic": (lambda: cells.Arithmetic(operation="Sum"), [2, 3, 5, 6], ("operation", "Sum")),
    "Transpose": (lambda: cells.Transpose([1, 0, 2, 3]), [2, 3, 6, 5], ("perm", [1, 0, 2, 3])),
}

classes = {name for name, thing in vars(cells.nn).items() if isinstance(thing, type)} - {"NeuralNetworkCell", "MatMul"}
assert classes == set(LAYERS), classes ^ set(LAYERS)

for name, (build, shape, (parameter, value)) in LAYERS.items():
    cell = build()
    x = n2d2.Tensor.from_numpy(rng.normal(size=(2, 3, 5, 6)).astype(np.float32))
    y = cell(x)
    assert y.shape() == shape, (name, y.shape())
    assert np.isfinite(y.to_numpy()).all(), name
    assert cell.get_inputs() is x, name
    assert cell.get_outputs() is y, name
    y.back_propagate(rng.normal(size=shape).astype(np.float32))
    y.update()
    assert cell.get_diffinputs().shape() == shape, name
    assert cell.get_diffoutputs().shape() == [2, 3, 5, 6], name
    assert any(cell.get_diffoutputs()) == (name != "Transformation"), name
    got = cell.get_parameter(parameter)
    assert got is not None if value is None else got == value, name
    source = cell.get_input_cells()
    assert str(cell).startswith(f"'{cell.get_name()}' {name}(Frame"), str(cell)
    assert str(cell).endswith(f"({source})"), str(cell)
    try:
        cell.get_parameter("nothing")
    except ValueError as error:
        assert cell.get_name() in str(error)
print("success")
