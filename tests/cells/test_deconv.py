"""Transposed convolution: arguments, weights, mappings, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Tensor
from n2d2.cells import Deconv, Sequence
from n2d2.filler import Constant, Normal
from n2d2.mapping import Mapping
from n2d2.solver import SGD, Adam
from support import reference

SGD_TEXT = str(SGD())


def tensor(array: Any) -> Tensor:
    return Tensor.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def weights(cell: Deconv) -> np.ndarray:
    return np.stack([np.stack([w.to_numpy() for w in row]) for row in cell.get_weights()])


def test_printing() -> None:
    """As a convolution, without sub-sampling and without a quantizer."""
    assert str(Deconv(1, 4, [4, 4], stride_dims=2, padding_dims=1, name="up")) == (
        "'up' Deconv(Frame<float>)(nb_inputs=1, nb_outputs=4, kernel_dims=[4, 4], stride_dims=[2, 2], "
        "padding_dims=[1, 1], dilation_dims=[1, 1] | back_propagate=True, no_bias=False, outputs_remap=, "
        "weights_export_flip=False, weights_export_format=OCHW, activation=None, "
        f"weights_solver={SGD_TEXT}, bias_solver={SGD_TEXT}, weights_filler=Normal(mean=0.0, std_dev=0.05), "
        "bias_filler=Normal(mean=0.0, std_dev=0.05))"
    )


def test_pairs_are_height_and_width() -> None:
    cell = Deconv(1, 1, [3, 5], padding_dims=[0, 2], stride_dims=[2, 1], dilation_dims=[1, 2])
    assert cell.get_weight(0, 0).shape() == [3, 5]
    assert cell(Tensor([1, 1, 4, 8])).shape() == [1, 1, 9, 12]
    assert Deconv(1, 1, [3]).kernel_dims == [3, 3]


def test_it_undoes_the_shape_of_a_convolution() -> None:
    down = n2d2.cells.Conv(2, 5, [4, 3], stride_dims=[2, 3], padding_dims=[1, 0], dilation_dims=[1, 2])
    up = Deconv(5, 2, [4, 3], stride_dims=[2, 3], padding_dims=[1, 0], dilation_dims=[1, 2])
    assert Sequence([down, up])(Tensor([1, 2, 10, 14])).shape() == [1, 2, 10, 14]


@pytest.mark.parametrize(
    "mapping",
    [
        None,
        Mapping(nb_groups=2),
        Mapping(nb_channels_per_group=1),
        [[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]],
    ],
    ids=["all", "groups", "depthwise", "irregular"],
)
def test_a_step_agrees_with_the_reference(mapping: Any) -> None:
    connected = np.ones((4, 4), bool)
    if isinstance(mapping, Mapping):
        connected = mapping.create_mapping(4, 4).to_numpy()
    elif mapping is not None:
        connected = np.array(mapping, bool)
        table = Tensor([4, 4], datatype="bool")
        table.set_values(mapping)
        mapping = table
    cell = Deconv(
        4,
        4,
        [3, 2],
        stride_dims=[2, 1],
        padding_dims=[1, 0],
        mapping=mapping,
        filler=Normal(),
        solver=SGD(learning_rate=1.0),
    )
    w, b = weights(cell), np.array([b[0] for b in cell.get_biases()])
    assert not w[~connected.T].any()
    assert w[connected.T].all()
    layer = reference.Deconv(w, b, (2, 1), (1, 0), mask=connected.T.astype(float))
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 4, 3, 5)).astype(np.float32)
    y = cell(tensor(x))
    np.testing.assert_allclose(y.to_numpy(), layer.forward(x.astype(float)), rtol=1e-5, atol=1e-5)
    g = rng.normal(size=y.shape()).astype(np.float32)
    y.back_propagate(g)
    np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), layer.backward(g.astype(float)), rtol=1e-5, atol=1e-5)
    y.update()
    np.testing.assert_allclose(weights(cell), w + layer.grads["w"] / 2, rtol=1e-4, atol=1e-4)
    after = [b[0] for b in cell.get_biases()]
    np.testing.assert_allclose(after, b + layer.grads["b"] / 2, rtol=1e-4, atol=1e-4)


def test_several_input_cells() -> None:
    cell = Deconv(1, 1, [1, 1], 2, no_bias=True, filler=Constant(value=1.0))
    cell.set_weight(0, 1, Tensor([1, 1], value=10.0))
    assert cell(n2d2.Interface([Tensor([1, 1, 1, 1], value=1.0), Tensor([1, 1, 1, 1], value=2.0)]))[0] == 21.0


def test_without_back_propagate_the_cell_alone_learns() -> None:
    first, cell = n2d2.cells.Fc(1, 1), Deconv(1, 1, [2, 2], back_propagate=False, solver=SGD(learning_rate=1.0))
    before, own = first.get_weight(0, 0), cell.get_bias(0)[0]
    y = Sequence([first, cell])(Tensor([1, 1], value=1.0))
    y.back_propagate(np.ones(y.shape()))
    y.update()
    assert first.get_weight(0, 0) == before
    assert cell.get_bias(0)[0] == pytest.approx(own + 4.0)


def test_fillers_solvers_and_their_parameters_at_run_time() -> None:
    cell = Deconv(2, 1, [1, 1], filler=Constant(value=1.0))
    cell.set_bias_filler(Constant(value=3.0), refill=True)
    assert (cell.get_weight(0, 1)[0], cell.get_bias(0)[0]) == (1.0, 3.0)
    cell.set_weights_filler(Constant(value=2.0))
    assert cell.get_weight(0, 1)[0] == 1.0
    cell.refill_weights()
    assert (cell.get_weight(0, 1)[0], cell.get_bias(0)[0]) == (2.0, 3.0)
    cell.set_solver_parameter("learning_rate", 0.5)
    assert (cell.weights_solver.learning_rate, cell.bias_solver.learning_rate) == (0.5, 0.5)
    cell.solver = Adam()
    assert isinstance(cell.bias_solver, Adam)
    assert cell.has_bias()
    assert not cell.has_quantizer()
    assert not Deconv(1, 1, [1, 1], no_bias=True).has_bias()


def test_the_first_weights_of_a_seed() -> None:
    """Bias first, then the kernels of the first input channel for every output, as the original draws them."""
    n2d2.global_variables.seed = 1
    cell = Deconv(2, 1, [1, 1], filler=Normal())
    n2d2.global_variables.seed = 1
    assert round(cell.get_bias(0)[0], 5) == 1.32238
    assert [round(w[0], 6) for w in cell.get_weights()[0]] == [-0.023393, 0.738361]
    n2d2.global_variables.seed = 1
    two = Deconv(2, 2, [1, 1], no_bias=True, filler=Normal())
    n2d2.global_variables.seed = 1
    assert weights(two).ravel() == pytest.approx([1.32238, 0.738361, -0.0233932, -0.333062], rel=1e-5)


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (
            lambda: Deconv(1, 1, [3, 3], sub_sample_dims=[2, 2]),
            ValueError,
            "Deconv: `sub_sample_dims` is not a parameter",
        ),
        (lambda: Deconv(1, 1, [3, 3], quantizer=None), ValueError, "Deconv: `quantizer` is not a parameter"),
        (
            lambda: Deconv("1", 1, [3, 3], name="d"),
            TypeError,
            'd: parameter `nb_inputs` must be an int, got a str ("1")',
        ),
        (lambda: Deconv(1, 1, "3", name="d"), TypeError, "d: parameter `kernel_dims` must be a list of int, got a str"),
        (
            lambda: Deconv(1, 0, [3, 3], name="d"),
            ValueError,
            "d: parameter `nb_outputs` is 0, expected an integer of at",
        ),
        (
            lambda: Deconv(1, 1, [3, 3], stride_dims=[0, 1], name="d"),
            ValueError,
            "d: parameter `stride_dims` is [0, 1]",
        ),
        (
            lambda: Deconv(1, 1, [2, 2], padding_dims=3, name="d")(Tensor([1, 1, 4, 4])),
            ValueError,
            "at least 1 pixel of",
        ),
        (
            lambda: Deconv(2, 1, [2, 2], name="d")(Tensor([1, 3, 4, 4])),
            RuntimeError,
            "d: channels of the input: expected 2",
        ),
        (
            lambda: Deconv(1, 1, [2, 2]).get_weight(0, 1),
            ValueError,
            "channel_index is 1, expected an integer from 0 to 0",
        ),
        (lambda: Deconv(1, 1, [2, 2], no_bias=True).get_bias(0), RuntimeError, "get_bias needs a bias"),
    ],
)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
