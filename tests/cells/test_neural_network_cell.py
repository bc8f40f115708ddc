"""What all layers share: names, parameters, access to their tensors, printing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor, cells
from n2d2.activation import Linear, Rectifier
from n2d2.solver import SGD

LAYERS: dict[str, Any] = {
    "Conv": lambda **kw: cells.Conv(2, 3, [3, 3], **kw),
    "ConvDepthWise": lambda **kw: cells.ConvDepthWise(2, [3, 3], **kw),
    "ConvPointWise": lambda **kw: cells.ConvPointWise(2, 3, **kw),
    "Deconv": lambda **kw: cells.Deconv(2, 3, [3, 3], **kw),
    "Fc": lambda **kw: cells.Fc(50, 3, **kw),
    "Pool": lambda **kw: cells.Pool([2, 2], **kw),
    "Pool2d": lambda **kw: cells.Pool2d([2, 2], **kw),
    "GlobalPool2d": cells.GlobalPool2d,
    "Activation": lambda **kw: cells.Activation(Rectifier(), **kw),
    "Softmax": cells.Softmax,
    "Dropout": cells.Dropout,
    "BatchNorm2d": lambda **kw: cells.BatchNorm2d(2, **kw),
    "ElemWise": cells.ElemWise,
    "Reshape": lambda **kw: cells.Reshape([1, 1, -1], **kw),
    "Padding": lambda **kw: cells.Padding(1, 2, -1, 3, **kw),
    "Resize": lambda **kw: cells.Resize(7, 3, "BilinearTF", **kw),
    "Transpose": lambda **kw: cells.Transpose([1, 2, 0], **kw),
    "Transformation": lambda **kw: cells.Transformation(n2d2.transform.PadCrop(7, 3), **kw),
    "Scaling": lambda **kw: cells.Scaling(n2d2.scaling.FloatingPointScaling([0.5, -2.0]), **kw),
    "Reduce": lambda **kw: cells.Reduce(axes=[2], **kw),
    "Rearrange": lambda **kw: cells.Rearrange([7, -1, 7, 3], [2, 1, 2], per_sample=True, **kw),
    "LRN": cells.LRN,
    "Function": lambda **kw: cells.Function("Tanh", **kw),
    "Arithmetic": lambda **kw: cells.Arithmetic(operation="Mul", constant=[[[2.0]], [[3.0]]], **kw),
}
WITHOUT_DATATYPE = {"ElemWise", "Padding", "Resize", "Transformation"}
WITHOUT_GRADIENT = {"Transformation"}
SHAPES = {
    "Reduce": [4, 2, 1, 5],
    "Rearrange": [4, 2, 1, 2],
    "Conv": [4, 3, 3, 3],
    "ConvDepthWise": [4, 2, 3, 3],
    "ConvPointWise": [4, 3, 5, 5],
    "Deconv": [4, 3, 7, 7],
    "Fc": [4, 3, 1, 1],
    "Pool": [4, 2, 4, 4],
    "Pool2d": [4, 2, 4, 4],
    "GlobalPool2d": [4, 2, 1, 1],
    "Reshape": [4, 50, 1, 1],
    "Padding": [4, 2, 8, 7],
    "Resize": [4, 2, 3, 7],
    "Transformation": [4, 2, 3, 7],
    "Transpose": [4, 5, 2, 5],
}


def sample() -> Tensor:
    return Tensor.from_numpy(np.random.default_rng(3).normal(size=(4, 2, 5, 5)).astype(np.float32))


def test_every_layer_of_the_package_is_here() -> None:
    classes = {
        name
        for name in cells.__all__
        if name != "nn"
        and issubclass(getattr(cells, name), cells.NeuralNetworkCell)
        and name not in ("NeuralNetworkCell", "Trainable")
    }
    # A product takes two tensors: test_mat_mul.py has it.
    assert classes - {"MatMul"} == set(LAYERS)


@pytest.mark.parametrize("kind", LAYERS)
class TestEveryLayer:
    def test_call_gradients_and_tensors(self, kind: str) -> None:
        cell, x = LAYERS[kind](), sample()
        assert cell.dims() == []
        with pytest.raises(RuntimeError, match=f"{cell.name}: has no inputs and outputs before the first call"):
            cell.get_outputs()
        y = cell(x)
        assert y.shape() == SHAPES.get(kind, [4, 2, 5, 5])
        assert cell.dims() == y.dims()
        assert cell.get_nb_outputs() == y.shape()[1]
        assert cell.get_nb_channels() == 2
        assert cell.get_inputs() is x
        assert cell.get_outputs() is y
        assert y.cell is cell
        assert not y.is_leaf()
        assert cell.get_diffinputs().shape() == y.shape()
        assert not any(cell.get_diffoutputs())
        y.back_propagate(np.random.default_rng(4).normal(size=y.shape()))
        assert cell.get_diffoutputs().shape() == x.shape()
        assert any(cell.get_diffoutputs()) == (kind not in WITHOUT_GRADIENT)
        y.update()
        with pytest.raises(ValueError, match=f"{cell.name}: index is 1, expected an integer from 0 to 0"):
            cell.get_diffoutputs(1)

    def test_name_and_type(self, kind: str) -> None:
        assert LAYERS[kind](name="given").name == "given"
        first, second = LAYERS[kind](), LAYERS[kind]()
        assert first.get_type() == kind
        assert first.get_name() == first.name
        stem, n = first.name.rsplit("_", 1)
        assert (stem, second.name) == (kind, f"{kind}_{int(n) + 1}")
        assert first.N2D2() is first.N2D2()
        assert first.N2D2().name == first.name

    def test_modes(self, kind: str) -> None:
        cell = LAYERS[kind]()
        assert cell.N2D2().learn
        assert cell.test() is cell
        assert not cell.N2D2().learn
        assert cell.learn() is cell
        assert cell.N2D2().learn

    def test_parameters_are_printed_read_and_guarded(self, kind: str) -> None:
        cell = LAYERS[kind](name="p")
        key = "Frame" if kind in WITHOUT_DATATYPE else "Frame<float>"
        text = str(cell)
        assert text.startswith(f"'p' {kind}({key})(")
        for name, parameter in type(cell)._parameters.items():
            value = cell.get_parameter(name)
            printed = f"{parameter.prefix}.{value}" if parameter.prefix else str(value)
            assert f"{name}={printed}" in text
            if not parameter.writable:
                with pytest.raises(RuntimeError, match=f"p: `{name}` is "):
                    cell.set_parameter(name, value)
        cell(sample())
        assert "(['TensorPlaceholder_" in str(cell)

    def test_wrong_arguments(self, kind: str) -> None:
        with pytest.raises(ValueError, match=f"{kind}: `activatio` is not a parameter; did you mean `activation`"):
            LAYERS[kind](activatio=None)
        with pytest.raises(TypeError, match="parameter `name` must be a str, got int"):
            LAYERS[kind](name=3)
        with pytest.raises(ValueError, match='parameter `model` is "Cuda", expected one of Frame, Frame_CUDA'):
            LAYERS[kind](model="Cuda")
        with pytest.raises(RuntimeError, match="model `Frame_CUDA` needs the CUDA backend"):
            LAYERS[kind](model="Frame_CUDA")
        cell = LAYERS[kind](name="wrong")
        with pytest.raises(ValueError, match="wrong: `nme` is not a parameter"):
            cell.get_parameter("nme")
        with pytest.raises(
            AttributeError, match="wrong: `activaton` is not an attribute that can be set; did you mean"
        ):
            cell.activaton = None
        with pytest.raises(
            TypeError, match=r"wrong received an input of type numpy.ndarray, input should be of type n2d2"
        ):
            cell(np.zeros((4, 2, 5, 5)))
        with pytest.raises(TypeError, match="wrong: the input must be a tensor of datatype 'float', got 'double'"):
            cell(Tensor([4, 2, 5, 5], datatype="double"))

    def test_activation(self, kind: str) -> None:
        cell, relu = LAYERS[kind](name="act"), Rectifier(clipping=0.5)
        if kind != "Activation":
            assert cell.activation is None
            cell.set_activation(relu)
            cell.activation = None
            assert cell.get_activation() is None
        cell.activation = relu
        assert cell.activation is relu
        assert "activation=Rectifier(clipping=0.5, leak_slope=0.0, quantizer=None)" in str(cell)
        y = list(cell(sample()))
        assert min(y) >= 0.0
        assert max(y) <= 0.5
        with pytest.raises(
            TypeError, match=r"act: parameter `activation` must be an n2d2.activation.ActivationFunction"
        ):
            cell.set_activation("Rectifier")

    def test_other_sizes_follow(self, kind: str) -> None:
        cell = LAYERS[kind]()
        assert cell(sample()).shape()[0] == 4
        assert cell(Tensor([7, 2, 5, 5])).shape()[0] == 7
        if kind != "Fc":
            assert cell(Tensor([1, 2, 9, 8])).shape()[0] == 1
        assert list(cell.test()(sample())) == list(cell(sample()))


@pytest.mark.parametrize(
    ("kind", "exports"),
    [
        (cells.Conv, ["C", "CPP", "CPP_TensorRT", "CPP_STM32"]),
        (cells.Softmax, ["C", "CPP", "CPP_TensorRT"]),
        (cells.Reshape, ["CPP", "CPP_TensorRT", "CPP_STM32"]),
        (cells.Activation, ["CPP", "CPP_TensorRT"]),
        (cells.Padding, ["CPP", "CPP_TensorRT"]),
        (cells.Resize, ["C", "CPP", "CPP_TensorRT", "CPP_STM32"]),
        (cells.Scaling, ["C", "CPP", "CPP_STM32"]),
        (cells.Transformation, []),
        (cells.Transpose, ["CPP", "CPP_TensorRT", "CPP_STM32"]),
        (cells.Dropout, []),
    ],
)
def test_exports(kind: type[cells.NeuralNetworkCell], exports: list[str]) -> None:
    assert [e for e in ("C", "CPP", "CPP_TensorRT", "CPP_STM32") if kind.is_exportable_to(e)] == exports
    with pytest.raises(ValueError, match="export_name is 'ONNX', expected one of"):
        kind.is_exportable_to("ONNX")
    with pytest.raises(TypeError, match="export_name must be of type str, got int"):
        kind.is_exportable_to(1)


def test_inputs_are_printed_by_the_names_of_their_makers() -> None:
    a, b = cells.Conv(1, 2, [1, 1], name="left"), cells.Conv(1, 2, [1, 1], name="right")
    add, x = cells.ElemWise(name="add"), Tensor([1, 1, 3, 3])
    add(Interface([a(x), b(x)]))
    assert str(add).endswith("(['left', 'right'])")
    assert add.get_input_cells() == ["left", "right"]
    assert a.get_input_cells() == b.get_input_cells()


def test_back_propagate_false_stops_the_gradient_but_not_the_learning() -> None:
    first, second = cells.Fc(2, 2), cells.Fc(2, 2, back_propagate=False, solver=SGD(learning_rate=1.0))
    y = second(first(Tensor([1, 2], value=1.0)))
    before = [second.get_weight(0, 0)[0], first.get_weight(0, 0)[0]]
    y.back_propagate(np.ones(y.shape()))
    y.update()
    assert not any(second.get_diffoutputs())
    assert second.get_weight(0, 0)[0] != before[0]
    assert first.get_weight(0, 0)[0] == before[1]
    second.back_propagate = True
    second(first(Tensor([1, 2], value=1.0))).back_propagate(np.ones(y.shape()))
    assert any(second.get_diffoutputs())
    with pytest.raises(TypeError, match="parameter `back_propagate` must be a bool, got int"):
        second.back_propagate = 1


def test_a_subclass_may_have_attributes_of_its_own() -> None:
    class Scaled(cells.Fc):
        def __init__(self, factor: float) -> None:
            super().__init__(2, 2)
            self.factor = factor

    cell = Scaled(3.0)
    assert cell.factor == 3.0
    assert cell.name.startswith("Scaled_")


def test_a_shared_activation_object_may_change() -> None:
    linear = Linear()
    cell = cells.Fc(1, 1, filler=n2d2.filler.Constant(value=4.0), activation=linear)
    assert cell(Tensor([1, 1], value=1.0))[0] == 8.0
    linear.clipping = 1.0
    assert cell(Tensor([1, 1], value=1.0))[0] == 1.0
