"""Convolution: arguments, weights, mappings, fillers at run time, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Tensor
from n2d2.cells import Conv, ConvDepthWise, ConvPointWise
from n2d2.filler import Constant, He, Normal
from n2d2.mapping import Mapping
from n2d2.solver import SGD, Adam

SGD_TEXT = str(SGD())


def test_printing() -> None:
    assert str(Conv(1, 4, [3, 3], stride_dims=2, name="9", activation=n2d2.activation.Rectifier())) == (
        "'9' Conv(Frame<float>)(nb_inputs=1, nb_outputs=4, kernel_dims=[3, 3], sub_sample_dims=[1, 1], "
        "stride_dims=[2, 2], padding_dims=[0, 0], dilation_dims=[1, 1] | back_propagate=True, no_bias=False, "
        "outputs_remap=, weights_export_flip=False, weights_export_format=OCHW, "
        "activation=Rectifier(clipping=0.0, leak_slope=0.0, quantizer=None), "
        f"weights_solver={SGD_TEXT}, bias_solver={SGD_TEXT}, weights_filler=Normal(mean=0.0, std_dev=0.05), "
        "bias_filler=Normal(mean=0.0, std_dev=0.05), quantizer=None)"
    )


def test_pairs_are_height_and_width() -> None:
    conv = Conv(1, 1, [3, 5], padding_dims=[0, 2], stride_dims=[2, 1], dilation_dims=[1, 2])
    assert conv.get_weight(0, 0).shape() == [3, 5]
    assert conv(Tensor([1, 1, 9, 12])).shape() == [1, 1, 4, 8]
    assert (conv.kernel_dims, conv.padding_dims, conv.stride_dims) == ([3, 5], [0, 2], [2, 1])
    assert Conv(1, 1, [3]).kernel_dims == [3, 3]
    sub = Conv(1, 1, [1, 1], sub_sample_dims=[2, 3], filler=Constant(value=1.0), no_bias=True)
    y = sub(Tensor([1, 1, 4, 6], value=1.0))
    assert (y.shape(), y[0]) == ([1, 1, 2, 2], 6.0)


def test_weights_and_biases_are_copies_set_one_by_one() -> None:
    conv = Conv(2, 3, [2, 2])
    for o in range(3):
        conv.set_bias(o, Tensor([1], value=float(o)))
        for c in range(2):
            conv.set_weight(o, c, Tensor([2, 2], value=o + 10.0 * c))
    assert [b[0] for b in conv.get_biases()] == [0.0, 1.0, 2.0]
    assert conv.get_bias(2).shape() == [1]
    weights = conv.get_weights()
    assert (len(weights), len(weights[0]), weights[0][0].shape()) == (3, 2, [2, 2])
    assert [[w.mean() for w in row] for row in weights] == [[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]]
    weights[0][0][0] = 99
    copy = conv.get_weight(0, 0)
    copy[0] = 99
    assert list(conv.get_weight(0, 0)) == [0.0] * 4
    assert str(conv.get_bias(1)) == "n2d2.Tensor([\n1\n], device=cpu, datatype=f)"
    y = conv(Tensor([1, 2, 2, 2], value=1.0))
    assert list(y) == [40.0, 49.0, 58.0]


def test_a_set_weight_is_seen_by_the_next_call() -> None:
    conv = Conv(1, 20, [1, 1], no_bias=True, filler=Constant(value=1.0))
    x = Tensor([1, 1, 3, 3], value=1.0)
    assert conv(x)[0, 7, 1, 1] == 1.0
    conv.set_weight(7, 0, Tensor([1, 1], value=5.0))
    assert conv(x)[0, 7, 1, 1] == 5.0
    y = conv(x)
    y.back_propagate(np.ones(y.shape()))
    assert conv.get_diffoutputs()[0] == 24.0


@pytest.mark.parametrize(
    "mapping", [Mapping(nb_groups=2), Mapping(nb_channels_per_group=3), Mapping(nb_groups=2).create_mapping(4, 6)]
)
def test_groups(mapping: Any) -> None:
    conv = Conv(4, 6, [3, 3], mapping=mapping, no_bias=True, filler=Constant(value=1.0))
    assert conv.N2D2().param_dims("weights") == [6, 2, 3, 3]
    assert [[w.mean() for w in row] for row in conv.get_weights()] == [[1.0, 1.0, 0, 0]] * 3 + [[0, 0, 1.0, 1.0]] * 3
    conv.set_weight(5, 3, Tensor([3, 3], value=2.0))
    assert conv.get_weight(5, 3).mean() == 2.0
    assert conv.get_weight(5, 1).mean() == 0.0
    assert conv(Tensor([1, 4, 3, 3], value=1.0))[5] == 9.0 + 18.0
    conv.set_weight(5, 1, Tensor([3, 3]))
    with pytest.raises(RuntimeError, match="output 5 and channel 1 are not connected"):
        conv.set_weight(5, 1, Tensor([3, 3], value=1.0))


def test_irregular_mapping() -> None:
    mapping = Tensor([3, 2], datatype="bool")
    mapping.set_values([[1, 0], [1, 1], [0, 1]])
    conv = Conv(3, 2, [1, 1], mapping=mapping, no_bias=True, filler=Constant(value=1.0), solver=SGD(learning_rate=1.0))
    assert conv.mapping is mapping
    assert [[w[0] for w in row] for row in conv.get_weights()] == [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    y = conv(Tensor([1, 3, 1, 1], value=1.0))
    y.back_propagate(np.ones(y.shape()))
    y.update()
    assert [[w[0] for w in row] for row in conv.get_weights()] == [[2.0, 2.0, 0.0], [0.0, 2.0, 2.0]]
    conv.set_filler(He(), refill=True)
    assert conv.get_weight(0, 2)[0] == 0.0


def test_several_input_cells() -> None:
    conv = Conv(2, 1, [1, 1], 2, no_bias=True, filler=Constant(value=1.0))
    conv.set_weight(0, 3, Tensor([1, 1], value=10.0))
    a, b = Tensor([1, 2, 1, 1], value=1.0), Tensor([1, 2, 1, 1], value=2.0)
    assert conv(n2d2.Interface([a, b]))[0] == 1 + 1 + 2 + 20


def test_fillers_at_run_time() -> None:
    conv = Conv(1, 1, [1, 1], filler=Constant(value=1.0))
    conv.weights_filler = Constant(value=2.0)
    assert conv.get_weight(0, 0)[0] == 1.0
    conv.refill_weights()
    assert (conv.get_weight(0, 0)[0], conv.get_bias(0)[0]) == (2.0, 1.0)
    conv.set_bias_filler(Constant(value=3.0))
    assert conv.get_bias(0)[0] == 1.0
    conv.set_bias_filler(Constant(value=3.0), refill=True)
    conv.set_weights_filler(Constant(value=4.0), refill=True)
    assert (conv.get_weight(0, 0)[0], conv.get_bias(0)[0]) == (4.0, 3.0)
    conv.filler = shared = Constant(value=5.0)
    assert conv.weights_filler is conv.bias_filler is shared
    assert conv.get_bias(0)[0] == 3.0


def test_without_bias() -> None:
    conv = Conv(1, 2, [1, 1], no_bias=True, filler=Constant(value=1.0), bias_filler=Normal(), name="no_bias")
    assert not conv.has_bias()
    conv.set_filler(Constant(value=2.0), refill=True)
    assert conv.get_weight(1, 0)[0] == 2.0
    actions = {
        "get_bias": lambda: conv.get_bias(0),
        "get_biases": conv.get_biases,
        "set_bias": lambda: conv.set_bias(0, Tensor([1])),
        "refill_bias": conv.refill_bias,
        "set_bias_filler": lambda: conv.set_bias_filler(Normal()),
    }
    for name, action in actions.items():
        with pytest.raises(
            RuntimeError, match=f"no_bias: {name} needs a bias, and the cell was built with no_bias=True"
        ):
            action()
    conv.set_solver(Adam())
    assert isinstance(conv.bias_solver, Adam)


def test_solvers_at_run_time() -> None:
    first = SGD(learning_rate=0.5)
    conv = Conv(1, 1, [1, 1], weights_solver=first)
    assert conv.weights_solver is first
    assert conv.bias_solver.get_parameter("learning_rate") == 0.01
    conv.set_solver_parameter("learning_rate", 0.25)
    assert (first.learning_rate, conv.bias_solver.get_parameter("learning_rate")) == (0.25, 0.25)
    conv.set_bias_solver(first)
    assert conv.get_bias_solver() is conv.get_weights_solver() is first
    conv.set_weights_solver(SGD())
    assert conv.bias_solver is first
    conv.solver = adam = Adam()
    assert conv.weights_solver is conv.bias_solver is adam
    assert not conv.has_quantizer()
    with pytest.raises(AttributeError, match="`solver` can only be written; read weights_solver or bias_solver"):
        conv.solver  # noqa: B018
    with pytest.raises(AttributeError, match="`filler` can only be written"):
        conv.filler  # noqa: B018


def test_depth_wise_and_point_wise() -> None:
    depth = ConvDepthWise(3, [3, 3], no_bias=True)
    assert str(depth).startswith(
        f"'{depth.name}' ConvDepthWise(Frame<float>)(nb_inputs=3, nb_outputs=3, kernel_dims=[3, 3],"
    )
    assert depth.N2D2().param_dims("weights") == [3, 1, 3, 3]
    with pytest.raises(RuntimeError, match="ConvDepthWise: `mapping` cannot be given"):
        ConvDepthWise(3, [3, 3], mapping=None)
    point = ConvPointWise(3, 4)
    assert (point.kernel_dims, point.stride_dims, point.name.split("_")[0]) == ([1, 1], [1, 1], "ConvPointWise")
    with pytest.raises(ValueError, match="ConvPointWise: `stride_dims` is not a parameter"):
        ConvPointWise(3, 4, stride_dims=[2, 2])


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Conv("1", 1, [1, 1], name="e"), TypeError, 'e: parameter `nb_inputs` must be an int, got a str ("1")'),
    (lambda: Conv(True, 1, [1, 1], name="e"), TypeError, "e: parameter `nb_inputs` must be an int, got a bool (true)"),
    (
        lambda: Conv(0, 1, [1, 1], name="e"),
        ValueError,
        "e: parameter `nb_inputs` is 0, expected an integer of at least 1",
    ),
    (lambda: Conv(1, 1.0, [1, 1], name="e"), TypeError, "e: parameter `nb_outputs` must be an int, got a float (1.0)"),
    (lambda: Conv(1, 1, "3", name="e"), TypeError, "e: parameter `kernel_dims` must be a list of int, got a str"),
    (
        lambda: Conv(1, 1, [1, 2, 3], name="e"),
        ValueError,
        "e: parameter `kernel_dims` is [1, 2, 3], expected [height, width]",
    ),
    (
        lambda: Conv(1, 1, [1, 1.5], name="e"),
        TypeError,
        "e: parameter `kernel_dims` must be a list of int, got a list of float",
    ),
    (lambda: Conv(1, 1, [1, "a"], name="e"), TypeError, "e: parameter `kernel_dims` must be"),
    (
        lambda: Conv(1, 1, [1, 1], stride_dims=[0, 1], name="e"),
        ValueError,
        "e: parameter `stride_dims` is [0, 1], expected",
    ),
    (lambda: Conv(1, 1, [1, 1], paddin_dims=[1, 1]), ValueError, "did you mean `padding_dims`?"),
    (
        lambda: Conv(1, 1, [1, 1], no_bias=1, name="e"),
        TypeError,
        "e: parameter `no_bias` must be a bool, got an int (1)",
    ),
    (
        lambda: Conv(1, 1, [3, 5], dilation_dims=[2, 1], padding_dims=[1, 0], name="e")(Tensor([1, 1, 2, 4])),
        ValueError,
        "e: height and width of the input: expected at least 3x5 for kernel [3, 5], dilation [2, 1] and padding [1, 0]",
    ),
    (
        lambda: Conv(1, 1, [1, 1], filler=1, name="e"),
        TypeError,
        "e: parameter `filler` must be an n2d2.filler.Filler",
    ),
    (
        lambda: Conv(1, 1, [1, 1], solver=1, name="e"),
        TypeError,
        "e: parameter `solver` must be an n2d2.solver.Solver",
    ),
    (
        lambda: Conv(1, 1, [1, 1], mapping=1),
        TypeError,
        "Conv: parameter `mapping` must be a bool Tensor [inputs, outputs]",
    ),
    (lambda: Conv(1, 1, [1, 1], mapping=Tensor([1, 1])), TypeError, "got a float tensor of shape [1, 1]"),
    (
        lambda: Conv(2, 1, [1, 1], mapping=Tensor([1, 2], datatype="bool"), name="e"),
        ValueError,
        "e: parameter `mapping` is 1x2, expected a bool matrix of 2 rows (inputs) and 1 columns (outputs)",
    ),
    (lambda: Conv(1, 1, [1, 1], quantizer=1, name="e"), TypeError, "e: parameter `quantizer` must be None, got int"),
    (
        lambda: Conv(1, 1, [1, 1], weights_export_format="HWOC", name="e"),
        ValueError,
        "e: parameter `weights_export_format` is 'HWOC', expected one of OCHW, HWCO",
    ),
    (
        lambda: Conv(1, 1, [1, 1], weights_export_flip=1, name="e"),
        TypeError,
        "parameter `weights_export_flip` must be a bool",
    ),
    (
        lambda: Conv(1, 2, [1, 1], name="e").get_weight(2, 0),
        ValueError,
        "e: output_index is 2, expected an integer from 0 to 1",
    ),
    (
        lambda: Conv(1, 2, [1, 1], name="e").get_weight(0, 1),
        ValueError,
        "e: channel_index is 1, expected an integer from 0 to 0",
    ),
    (lambda: Conv(1, 2, [1, 1], name="e").get_bias(-1), ValueError, "e: output_index is -1, expected"),
    (lambda: Conv(1, 2, [1, 1], name="e").get_bias(0.0), TypeError, "e: output_index must be of type int, got float"),
    (
        lambda: Conv(1, 2, [3, 3], name="e").set_weight(0, 0, Tensor([9])),
        ValueError,
        "e: weight: expected a tensor of shape [3, 3], got [9]",
    ),
    (
        lambda: Conv(1, 2, [1, 1], name="e").set_weight(0, 0, 1.0),
        TypeError,
        "e: weight must be of type Tensor, got float",
    ),
    (
        lambda: Conv(1, 2, [1, 1], name="e").set_bias(0, Tensor([2])),
        ValueError,
        "e: bias: expected a tensor of shape [1], got",
    ),
    (lambda: Conv(2, 2, [3, 3], name="e")(Tensor([1, 3, 5, 5])), RuntimeError, "e: "),
    (lambda: Conv(2, 2, [3, 3], name="e")(Tensor([1, 2, 2, 2])), ValueError, "e: "),
    (
        lambda: setattr(Conv(1, 1, [1, 1], name="e"), "no_bias", True),
        RuntimeError,
        "e: `no_bias` is not settable after",
    ),
    (lambda: setattr(Conv(1, 1, [1, 1], name="e"), "mapping", None), AttributeError, "mapping"),
    (lambda: Conv(1, 1, [1, 1]).set_solver_parameter("rate", 1), ValueError, "SGD: `rate` is not a parameter"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
