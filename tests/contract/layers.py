"""Behaviours that every layer has, and its constructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import n2d2
from contract import rows
from contract.cases import build, call, case_of, close, draws, expected, inputs_of, tensor
from contract.registry import behaviour, resolve
from n2d2.error_handler import NotInitialized, WrongInputType, WrongValue

PARENT = "n2d2.cells.NeuralNetworkCell"
LAYERS = rows.LAYERS
EXPORTS = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")


def concrete(path: str) -> str:
    """Return the layer that stands for an abstract parent, or the layer itself."""
    return "n2d2.cells.Reshape" if path == PARENT else path


@behaviour("N2D2", [PARENT, *LAYERS])
def engine_object(path: str) -> None:
    """One object of the engine, which carries the name and the mode of the cell."""
    cell = build(concrete(path), name="own")
    handle = cell.N2D2()
    assert handle is cell.N2D2()
    assert handle.name == "own"
    cell.test()
    assert handle.learn is False
    cell.learn()
    assert handle.learn is True


@behaviour("get_inputs", [PARENT, *LAYERS])
def input_tensor(path: str) -> None:
    """The first input of the last call; an error before."""
    cell = build(concrete(path), name="own")
    with pytest.raises(NotInitialized, match="own: has no inputs and outputs before the first call"):
        cell.get_inputs()
    call(cell, inputs_of(concrete(path)))
    close(cell.get_inputs(), inputs_of(concrete(path))[0])
    others = [-x for x in inputs_of(concrete(path))]
    call(cell, others)
    close(cell.get_inputs(), others[0], "after a second call")


@behaviour("get_outputs", [PARENT, *LAYERS])
def output_tensor(path: str) -> None:
    """The output of the last call; an error before."""
    cell = build(concrete(path), name="own")
    with pytest.raises(NotInitialized, match="own: has no inputs and outputs before the first call"):
        cell.get_outputs()
    y = call(cell, inputs_of(concrete(path)))
    assert cell.get_outputs() is y
    close(cell.get_outputs(), expected(concrete(path))[0])


def back(path: str, **named: Any) -> Any:
    """Return a layer after one call and, where it sends gradients, a back-propagation."""
    cell = build(path, **named)
    output = call(cell, inputs_of(path))
    output.back_propagate(expected(path)[1].astype(np.float32))
    return cell


@behaviour("get_diffinputs", [PARENT, *LAYERS])
def gradient_that_arrives(path: str) -> None:
    """The gradient given to the layer; zeros of its shape before a back-propagation; an error before a call."""
    path = concrete(path)
    y, g, gradients = expected(path)
    cell = build(path, name="own")
    with pytest.raises(NotInitialized, match="own: has no inputs and outputs before the first call"):
        cell.get_diffinputs()
    call(cell, inputs_of(path))
    close(cell.get_diffinputs(), np.zeros(y.shape), "before")
    if case_of(path).sends_gradient:
        if path == "n2d2.cells.Activation":
            # What arrives at the formula, inside of the activation: here that is all there is.
            close(back(path).get_diffinputs(), gradients[0])
            return
        close(back(path).get_diffinputs(), g)
        behind = back(path, activation=n2d2.activation.Tanh())
        close(behind.get_diffinputs(), g * (1 - np.tanh(y) ** 2), "inside of an activation")


@behaviour("get_diffoutputs", [PARENT, *LAYERS])
def gradient_that_leaves(path: str) -> None:
    """The gradient of each input: the transposed Jacobian; zeros before; errors before a call and for a wrong index."""
    path = concrete(path)
    _, _, gradients = expected(path)
    cell = build(path, name="own")
    with pytest.raises(NotInitialized, match="own: has no inputs and outputs before the first call"):
        cell.get_diffoutputs()
    call(cell, inputs_of(path))
    for k, gradient in enumerate(gradients):
        close(cell.get_diffoutputs(k), np.zeros(gradient.shape), "before")
    n = len(gradients)
    with pytest.raises(WrongValue, match=f"own: index is {n}, expected an integer from 0 to {n - 1}"):
        cell.get_diffoutputs(n)
    with pytest.raises(WrongInputType, match="own: index must be of type int, got float"):
        cell.get_diffoutputs(0.0)
    if case_of(path).sends_gradient:
        cell = back(path)
        close(cell.get_diffoutputs(), gradients[0], "default index")
        for k, gradient in enumerate(gradients):
            close(cell.get_diffoutputs(index=k), gradient, f"input {k}")


@behaviour("get_parameter", [PARENT, *LAYERS])
def layer_parameter(path: str) -> None:
    """The value by name, the present one; the error names the nearest parameter."""
    path = concrete(path)
    cell = build(path, name="own")
    if (parameter := case_of(path).parameter) is not None:
        key, value = parameter
        assert cell.get_parameter(key) == value
    activation = n2d2.activation.Linear(clipping=1.0)
    cell.activation = activation
    assert cell.get_parameter("activation") is activation
    with pytest.raises(WrongValue, match="own: `activatio` is not a parameter; did you mean `activation`"):
        cell.get_parameter("activatio")


@behaviour("is_exportable_to", [PARENT, *LAYERS])
def export_support(path: str) -> None:
    """The table of the exports, asked of the class; errors for names that are no export."""
    known = "" if path == PARENT else case_of(path).exports
    ask = resolve(path).is_exportable_to
    for export in EXPORTS:
        assert ask(export) is (export in known.split()), export
    with pytest.raises(WrongValue, match=r"is_exportable_to: export_name is 'CPPP', expected one of \[C, CPP"):
        ask("CPPP")
    with pytest.raises(WrongInputType, match="is_exportable_to: export_name must be of type str, got int"):
        ask(3)


@behaviour("set_activation", [PARENT, *LAYERS])
def activation_is_set(path: str) -> None:
    """The function is applied to the output from the next call on, and None takes it away."""
    path = concrete(path)
    cell, inputs, y = build(path, name="own"), inputs_of(path), expected(path)[0]
    tanh = n2d2.activation.Tanh(alpha=0.5)
    cell.set_activation(tanh)
    assert cell.activation is tanh
    if path == "n2d2.cells.Activation":
        close(call(cell, inputs), np.tanh(0.5 * inputs[0]))
    else:
        close(call(cell, inputs), np.tanh(0.5 * y))
        cell.set_activation(None)
        close(call(cell, inputs), y, "without")
    with pytest.raises(WrongInputType, match=r"own: parameter `activation` must be an n2d2\.activation"):
        cell.set_activation("Tanh")


# ---- constructors ----


@behaviour("__init__", [PARENT])
def parent_is_abstract(path: str) -> None:
    """Only subclasses can be built."""
    with pytest.raises(TypeError, match="abstract"):
        resolve(path)()


def wrong(path: str, error: type[Exception], text: str, *arguments: Any, **named: Any) -> None:
    with pytest.raises(error, match=text):
        resolve(path)(*arguments, **named)


def check_weighted(path: str, name: str) -> None:
    """Defaults of solvers and fillers, draws of the fillers, several input cells, no bias."""
    arguments = case_of(path).arguments()
    with_defaults = resolve(path)(*arguments)
    for which in ("weights", "bias"):
        assert str(getattr(with_defaults, f"{which}_filler")) == "Normal(mean=0.0, std_dev=0.05)"
        assert str(getattr(with_defaults, f"{which}_solver")) == str(n2d2.solver.SGD(learning_rate=0.01))
    filled = resolve(path)(*arguments, filler=n2d2.filler.Constant(value=0.5))
    assert set(filled.get_weight(2, 1)) == set(filled.get_bias(2)) == {0.5}
    fillers = {"weights_filler": n2d2.filler.Constant(value=2.0), "bias_filler": n2d2.filler.Constant(value=-1.0)}
    apart = resolve(path)(*arguments, **fillers)
    assert (apart.get_weight(0, 1)[0], apart.get_bias(0)[0]) == (2.0, -1.0)
    twice = resolve(path)(
        *arguments, 2, filler=n2d2.filler.Constant(value=0.5), no_bias=True, **(case_of(path).named or {})
    )
    x = draws(61, (2, 2, 4, 4))
    half = np.full(case_of(path).weights, 0.5)
    formula = case_of(path).formula
    close(call(twice, [x, x]), 2 * formula(x, half, np.zeros(3)), "two input cells")
    adam = n2d2.solver.Adam()
    assert resolve(path)(*arguments, solver=adam).weights_solver.get_type() == "Adam"
    wrong(
        path, WrongInputType, "parameter `weights_filler` must be an n2d2.filler.Filler", *arguments, weights_filler=1.0
    )
    wrong(path, WrongInputType, "`weights_solver` must be an n2d2.solver.Solver", *arguments, weights_solver="SGD")
    wrong(path, WrongInputType, f"{name}.*no_bias.*bool", *arguments, no_bias=1)


def check_conv(path: str) -> None:
    check_weighted(path, "Conv")
    one = n2d2.filler.Constant(value=1.0)
    ones = {"weights_filler": one, "bias_filler": n2d2.filler.Constant(value=0.0)}
    image = tensor(np.ones((1, 1, 4, 6)))
    # Pairs are height, width.
    assert resolve(path)(1, 1, [1, 3])(image).shape() == [1, 1, 4, 4]
    assert resolve(path)(1, 1, [1, 1], padding_dims=[2, 0])(image).shape() == [1, 1, 8, 6]
    assert resolve(path)(1, 1, [3, 1], dilation_dims=[1, 5])(image).shape() == [1, 1, 2, 6]
    close(resolve(path)(1, 1, [1, 1], sub_sample_dims=[2, 3], **ones)(image), np.full((1, 1, 2, 2), 6.0))
    mapping = n2d2.Tensor([2, 2], datatype="bool")
    mapping.set_values([[True, False], [True, True]])
    both = resolve(path)(2, 2, [1, 1], mapping=mapping, **ones)(tensor([[[[3.0]], [[4.0]]]]))
    close(both, [[[[7.0]], [[4.0]]]], "mapping")


def check_deconv(path: str) -> None:
    check_weighted(path, "Deconv")
    image = tensor(np.ones((1, 1, 4, 6)))
    assert resolve(path)(1, 1, [1, 3])(image).shape() == [1, 1, 4, 8]
    assert resolve(path)(1, 1, [3, 3], padding_dims=[1, 0])(image).shape() == [1, 1, 4, 8]
    assert resolve(path)(1, 1, [3, 1], dilation_dims=[2, 1])(image).shape() == [1, 1, 8, 6]


def check_fc(path: str) -> None:
    check_weighted(path, "Fc")
    doubled = resolve(path)(2, 1, weights_filler=n2d2.filler.Constant(value=3.0), no_bias=True, normalize=True)
    close(doubled(tensor([[1.0, 1.0]])), [[[[np.sqrt(2.0)]]]], "weights of length 1")


def check_dropout(path: str) -> None:
    x = tensor(np.ones((1, 2000, 1, 1)))
    learning = resolve(path)(dropout=0.75)
    y = learning(x).to_numpy()
    assert set(np.unique(y)) == {0.0, 4.0}
    assert 0.2 < (y > 0).mean() < 0.3
    assert resolve(path)().dropout == 0.5
    learning.get_outputs().back_propagate(np.ones(y.shape, np.float32))
    close(learning.get_diffoutputs(), y, "the gradient passes where the value did")
    wrong(path, WrongValue, "dropout", dropout=1.5)


def check_elem_wise(path: str) -> None:
    a, b = draws(71, (1, 2, 2, 2)), draws(72, (1, 2, 2, 2))
    both = [a, b]
    make = resolve(path)
    close(call(make(), both), a + b, "the default is a sum")
    close(call(make(operation="AbsSum", weights=[2.0]), both), 2 * abs(a) + abs(b))
    close(call(make(operation="EuclideanSum", shifts=[1.0, 2.0]), both), np.sqrt(a**2 + b**2 + 5))
    close(call(make(operation="Prod"), both), a * b)
    close(call(make(operation="Max"), both), np.maximum(a, b))
    by_channel = np.array([1.0, 3.0])[None, :, None, None]
    close(call(make(mode="PerChannel", weights=[1.0, 3.0]), both), by_channel * (a + b))
    wrong(path, WrongValue, "operation", operation="Sums")
    wrong(path, WrongValue, "mode", mode="PerPixel")


def check_padding(path: str) -> None:
    x = tensor(np.ones((1, 1, 2, 2)))
    assert resolve(path)(1, 2, 3, 4)(x).shape() == [1, 1, 5, 9]
    assert resolve(path)(top_pad=0, bot_pad=0, left_pad=-1, right_pad=0)(x).shape() == [1, 1, 2, 1]
    wrong(path, WrongInputType, "top_pad", 1.5, 0, 0, 0)


def check_softmax(path: str) -> None:
    x = draws(73, (2, 3, 1, 1))
    plain = resolve(path)()
    assert (plain.with_loss, plain.group_size) == (False, 0)
    e = np.exp(x)
    close(call(plain, [x]), e / e.sum(axis=1, keepdims=True), "all channels")
    with_loss = resolve(path)(with_loss=True)
    g = draws(74, (2, 3, 1, 1))
    call(with_loss, [x]).back_propagate(g.astype(np.float32))
    close(with_loss.get_diffoutputs(), g, "the gradient of the loss passes")


def check_batch_norm(path: str) -> None:
    default = resolve(path)(2)
    assert default.scale_solver.get_type() == default.bias_solver.get_type() == "SGD"
    assert (default.epsilon, default.moving_average_momentum) == (1e-5, 0.1)
    close(default.get_means(), np.zeros((1, 2, 1, 1)))
    close(default.get_variances(), np.ones((1, 2, 1, 1)))
    adam = n2d2.solver.Adam()
    assert resolve(path)(2, scale_solver=adam).scale_solver.get_type() == "Adam"
    assert resolve(path)(2, solver=adam).bias_solver.get_type() == "Adam"
    moving = resolve(path)(1, moving_average_momentum=0.5)
    moving(tensor(np.full((4, 1, 1, 1), 3.0)))
    close(moving.get_means(), [[[[1.5]]]], "half of the new mean")
    wrong(path, RuntimeError, "nb_input_cells must be 1, got 2", 2, 2)


def check_pool(path: str) -> None:
    x = tensor([[[[1.0, 2.0], [3.0, 6.0]], [[5.0, 4.0], [0.0, 7.0]]]])
    close(resolve(path)([2, 2])(x), [[[[6.0]], [[7.0]]]], "Max, each channel by itself")
    close(resolve(path)([2, 2], pooling="Average")(x), [[[[3.0]], [[4.0]]]])
    padded = resolve(path)([2, 2], pooling="Average", stride_dims=[2, 2], padding_dims=[1, 0])
    close(padded(x), [[[[0.75], [2.25]], [[2.25], [1.75]]]], "padding counts in the average")
    mapping = n2d2.Tensor([2, 1], datatype="bool")
    mapping.set_values([[True], [True]])
    close(resolve(path)([2, 2], mapping=mapping)(x), [[[[7.0]]]], "mapping")
    wrong(path, WrongValue, "pooling", [2, 2], pooling="Median")


def check_activation(path: str) -> None:
    given = n2d2.activation.Tanh()
    assert resolve(path)(given).activation is given
    wrong(path, WrongInputType, "must be an n2d2.activation.ActivationFunction", "Tanh")
    wrong(path, TypeError, "activation")


def check_reshape(path: str) -> None:
    x = tensor(np.zeros((2, 3, 4, 5)))
    assert resolve(path)([1, 1, -1])(x).shape() == [2, 60, 1, 1]
    assert resolve(path)(dims=[0, 12])(x).shape() == [2, 1, 12, 5]
    wrong(path, ValueError, "two|one|-1", [-1, -1, 1])


def check_resize(path: str) -> None:
    x = draws(75, (1, 1, 2, 2))
    # Half-pixel centres: sources at -0.25, 0.25, 0.75 and 1.25, clamped to the image.
    part = np.array([0.0, 0.25, 0.75, 1.0])
    rows_ = x[:, :, :1] * (1 - part)[None, None, :, None] + x[:, :, 1:] * part[None, None, :, None]
    y = rows_[..., :1] * (1 - part) + rows_[..., 1:] * part
    close(call(resolve(path)(4, 4, "Bilinear", align_corners=False), [x]), y, "Bilinear")
    at = np.array([0.0, 0.5, 1.0, 1.0])
    plain = x[..., :1] * (1 - at) + x[..., 1:] * at
    close(call(resolve(path)(4, 2, "BilinearTF", align_corners=False), [x]), plain, "BilinearTF")
    assert resolve(path)(3, 5, "Bilinear")(tensor(x)).shape() == [1, 1, 5, 3]
    wrong(path, WrongValue, "resize_mode", 4, 4, "Cubic")
    wrong(path, WrongInputType, "outputs_width", "4", 4, "Bilinear")


def check_scaling(path: str) -> None:
    wrong(path, WrongInputType, "scaling", [0.5, 4.0])


def check_transformation(path: str) -> None:
    x = draws(76, (2, 1, 2, 3))
    vertical = resolve(path)(transformation=n2d2.transform.Flip(vertical_flip=True))
    close(call(vertical, [x]), x[:, :, ::-1])
    close(call(resolve(path)(perm=n2d2.transform.Flip(vertical_flip=True)), [x]), x[:, :, ::-1], "the printed name")
    wrong(path, WrongInputType, "transformation", [1, 0, 2, 3])


def check_transpose(path: str) -> None:
    x = draws(77, (2, 3, 4, 5))
    close(call(resolve(path)([1, 0, 2, 3]), [x]), x.transpose(0, 1, 3, 2), "width and height")
    close(call(resolve(path)(perm=[2, 0, 1, 3]), [x]), x.transpose(0, 2, 3, 1), "channels first")
    wrong(path, ValueError, "perm", [0, 0, 2, 3])


CHECKS: dict[str, Callable[[str], None]] = {
    "Activation": check_activation,
    "BatchNorm2d": check_batch_norm,
    "Conv": check_conv,
    "Deconv": check_deconv,
    "Dropout": check_dropout,
    "ElemWise": check_elem_wise,
    "Fc": check_fc,
    "Padding": check_padding,
    "Pool": check_pool,
    "Reshape": check_reshape,
    "Resize": check_resize,
    "Scaling": check_scaling,
    "Softmax": check_softmax,
    "Transformation": check_transformation,
    "Transpose": check_transpose,
}


@behaviour("__init__", LAYERS)
def layer_is_built(path: str) -> None:
    """The formula, automatic and given names, model and datatype, and the errors; then what is the layer's own."""
    kind = path.rpartition(".")[2]
    case, make = case_of(path), resolve(path)
    close(call(build(path), inputs_of(path)), expected(path)[0])
    assert build(path, name="given").get_name() == "given"
    first, second = build(path).get_name(), build(path).get_name()
    assert first.rpartition("_")[0] == kind
    assert int(second.rpartition("_")[2]) == int(first.rpartition("_")[2]) + 1
    tanh = n2d2.activation.Tanh()
    named = {} if kind == "Activation" else {"activation": tanh}
    if named:
        assert build(path, **named).activation is tanh
        assert build(path).activation is None
    wrong(path, WrongValue, f"{kind}: `nam` is not a parameter; did you mean `name`", *case.arguments(), nam="x")
    wrong(path, WrongValue, "parameter `model` is .Cuda., expected", *case.arguments(), model="Cuda")
    if kind not in ("ElemWise", "Padding", "Resize", "Transformation"):
        wrong(path, WrongValue, "parameter `datatype` is 'half'", *case.arguments(), datatype="half")
        assert f"{kind}(Frame<float>)(" in str(make(*case.arguments(), model="Frame", datatype="float"))
    else:
        assert f"{kind}(Frame)(" in str(make(*case.arguments(), model="Frame"))
    CHECKS[kind](path)
