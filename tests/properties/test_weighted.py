"""Conv, its two special forms, Deconv and Fc on random configurations against their reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import n2d2
from support import reference, reference_more
from support.agreement import activation_of, agree, array, images, layers_of, pairs, seeds, smooth, tensor


@st.composite
def connections(draw: st.DrawFn, channels: int, outputs: int) -> np.ndarray | None:
    """A mapping `[channels, outputs]`: none, groups, or any, rows and columns without a connection included."""
    kind = draw(st.sampled_from(["all", "groups", "any"]))
    divisors = [g for g in range(1, channels + 1) if channels % g == 0 and outputs % g == 0]
    if kind == "groups":
        groups = draw(st.sampled_from(divisors))
        return np.kron(np.eye(groups, dtype=bool), np.ones((channels // groups, outputs // groups), bool))
    if kind == "any":
        bits = draw(st.lists(st.booleans(), min_size=channels * outputs, max_size=channels * outputs))
        return np.array(bits, bool).reshape(channels, outputs)
    return None


def bool_tensor(connected: np.ndarray | None) -> Any:
    if connected is None:
        return None
    mapping = n2d2.Tensor(list(connected.shape), datatype="bool")
    mapping.set_values(connected.tolist())
    return mapping


def fill(cell: Any, layer: reference.Layer, mask: np.ndarray) -> None:
    """Give the cell the parameters of its reference."""
    for o, c in np.argwhere(mask):
        cell.set_weight(int(o), int(c), tensor(layer.params["w"][o, c].reshape(layer.params["w"].shape[2:] or (1,))))
    for o, value in enumerate(layer.params.get("b", [])):
        cell.set_bias(o, tensor([value]))


def gradients(cell: Any, layer: reference.Layer, mask: np.ndarray) -> dict[str, Any]:
    """The gradients of the reference in the engine's shape: grouped weights hold the channels of their group only."""

    def weights() -> np.ndarray:
        dims, dense = cell.N2D2().param_dims("weights"), layer.grads["w"]
        return dense if dims[1] == dense.shape[1] else dense[mask].reshape(dims)

    return {"weights": weights} | ({"bias": lambda: layer.grads["b"]} if "b" in layer.params else {})


def check(cell: Any, layer: Any, inputs: list[np.ndarray], mask: np.ndarray, drawn: Any, random: Any) -> None:
    fill(cell, layer, mask)
    chain = reference.Chain([layer, *layers_of(drawn)])
    agree(cell, chain, inputs, random, parameters=gradients(cell, layer, mask))


@given(
    st.data(),
    images,
    st.integers(1, 2),
    st.integers(1, 9),
    pairs(1, 4),
    pairs(1, 3),
    pairs(0, 3),
    pairs(1, 3),
    smooth,
    seeds,
)
def test_conv(
    data: Any,
    image: Any,
    cells: int,
    outputs: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    drawn: Any,
    seed: int,
) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    connected = data.draw(connections(c * cells, outputs))
    mask = np.ones((outputs, c * cells), bool) if connected is None else connected.T
    no_bias, back_propagate = data.draw(st.booleans()), data.draw(st.booleans())
    sub_sample = data.draw(st.sampled_from([[1, 1], [2, 1], [1, 3], [2, 2]]))
    cell = n2d2.cells.Conv(
        c,
        outputs,
        kernel,
        cells,
        stride_dims=stride,
        padding_dims=padding,
        dilation_dims=dilation,
        sub_sample_dims=sub_sample,
        mapping=bool_tensor(connected),
        no_bias=no_bias,
        back_propagate=back_propagate,
        activation=activation_of(drawn),
    )
    inputs = [array(random, n, c, h, w) for _ in range(cells)]
    if any(s + 2 * p < d * (k - 1) + 1 for s, p, d, k in zip((h, w), padding, dilation, kernel, strict=True)):
        with pytest.raises(n2d2.Error, match=cell.get_name()):
            cell(n2d2.Interface([tensor(x) for x in inputs]))
        return
    layer = reference.Conv(
        array(random, outputs, c * cells, *kernel),
        None if no_bias else array(random, outputs),
        tuple(stride),
        tuple(padding),
        tuple(dilation),
        tuple(sub_sample),
        mask.astype(float),
    )
    check(cell, layer, inputs, mask, drawn, random)


@given(st.lists(pairs(1, 4), min_size=2, max_size=4), pairs(1, 4), pairs(1, 6), st.booleans(), seeds)
def test_one_cell_on_images_of_several_sizes(
    image_sizes: Any, kernel: Any, stride: Any, depth_wise: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    padding, mask = [k - 1 for k in kernel], np.eye(2, dtype=bool) if depth_wise else np.ones((3, 2), bool)
    arguments = {"stride_dims": stride, "padding_dims": padding}
    if depth_wise:
        cell: Any = n2d2.cells.ConvDepthWise(2, kernel, **arguments)
    else:
        cell = n2d2.cells.Conv(2, 3, kernel, **arguments)
    weights, bias = array(random, *mask.shape, *kernel), array(random, len(mask))
    layer = reference.Conv(weights, bias, tuple(stride), tuple(padding), mask=mask.astype(float))
    fill(cell, layer, mask)
    for h, w in image_sizes:
        agree(cell, layer, [array(random, 2, 2, h, w)], random)


@given(images, pairs(1, 3), pairs(1, 2), pairs(1, 2), smooth, seeds)
def test_conv_depth_wise(image: Any, kernel: Any, stride: Any, padding: Any, drawn: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    cell = n2d2.cells.ConvDepthWise(
        c, kernel, stride_dims=stride, padding_dims=padding, activation=activation_of(drawn)
    )
    mask = np.eye(c, dtype=bool)
    layer = reference.Conv(
        array(random, c, c, *kernel), array(random, c), tuple(stride), tuple(padding), mask=mask.astype(float)
    )
    check(cell, layer, [array(random, n, c, h, w)], mask, drawn, random)


@given(images, st.integers(1, 9), smooth, seeds)
def test_conv_point_wise(image: Any, outputs: int, drawn: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    cell = n2d2.cells.ConvPointWise(c, outputs, activation=activation_of(drawn))
    layer = reference.Conv(array(random, outputs, c, 1, 1), array(random, outputs))
    check(cell, layer, [array(random, n, c, h, w)], np.ones((outputs, c), bool), drawn, random)


@given(st.data(), images, st.integers(1, 9), pairs(1, 4), pairs(1, 3), pairs(0, 2), pairs(1, 2), smooth, seeds)
def test_deconv(
    data: Any, image: Any, outputs: int, kernel: Any, stride: Any, padding: Any, dilation: Any, drawn: Any, seed: int
) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    connected = data.draw(connections(c, outputs))
    mask = np.ones((outputs, c), bool) if connected is None else connected.T
    no_bias = data.draw(st.booleans())
    cell = n2d2.cells.Deconv(
        c,
        outputs,
        kernel,
        stride_dims=stride,
        padding_dims=padding,
        dilation_dims=dilation,
        mapping=bool_tensor(connected),
        no_bias=no_bias,
        activation=activation_of(drawn),
    )
    x = array(random, n, c, h, w)
    layer = reference_more.Deconv(
        array(random, outputs, c, *kernel),
        None if no_bias else array(random, outputs),
        tuple(stride),
        tuple(padding),
        tuple(dilation),
        mask.astype(float),
    )
    if min(layer.size((h, w))) < 1:
        with pytest.raises(n2d2.Error, match=cell.get_name()):
            cell(tensor(x))
        return
    check(cell, layer, [x], mask, drawn, random)


@given(st.data(), images, st.integers(1, 2), st.integers(1, 9), smooth, seeds)
def test_fc(data: Any, image: Any, cells: int, outputs: int, drawn: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    no_bias, normalize = data.draw(st.booleans()), data.draw(st.booleans())
    cell = n2d2.cells.Fc(
        c * h * w,
        outputs,
        cells,
        no_bias=no_bias,
        normalize=normalize,
        drop_connect=1.0,
        back_propagate=data.draw(st.booleans()),
        activation=activation_of(drawn),
    )
    weights = array(random, outputs, c * h * w * cells)
    layer = reference.Fc(weights, None if no_bias else array(random, outputs))
    mask = np.ones(weights.shape, bool)
    fill(cell, layer, mask)
    if normalize:
        layer.params["w"] = weights / np.sqrt((weights**2).sum(axis=1, keepdims=True) + 1e-6)
    chain = reference.Chain([layer, *layers_of(drawn)])
    agree(
        cell, chain, [array(random, n, c, h, w) for _ in range(cells)], random, parameters=gradients(cell, layer, mask)
    )


@given(images, st.integers(1, 9), st.floats(0.1, 1.0), seeds)
def test_one_update_moves_by_the_gradient_over_the_batch(image: Any, outputs: int, rate: float, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    cell = n2d2.cells.Fc(c * h * w, outputs, solver=n2d2.solver.SGD(learning_rate=rate))
    layer = reference.Fc(array(random, outputs, c * h * w), array(random, outputs))
    fill(cell, layer, np.ones((outputs, c * h * w), bool))
    chain = reference.Chain([layer])
    x, g = array(random, n, c, h, w), array(random, n, outputs, 1, 1)
    output = cell(tensor(x))
    output.back_propagate(g)
    output.update()
    chain.forward(x)
    chain.backward(g)
    chain.update(reference.Sgd(rate), n)
    got = np.array([[w[0] for w in row] for row in cell.get_weights()])
    np.testing.assert_allclose(got, layer.params["w"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose([b[0] for b in cell.get_biases()], layer.params["b"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("cell", "side"),
    [
        (lambda: n2d2.cells.Conv(1, 1, [1, 1], stride_dims=[2**21] * 2, padding_dims=[2**20] * 2), 1),
        (lambda: n2d2.cells.Deconv(1, 1, [1, 1], stride_dims=[2**20] * 2, padding_dims=[2**20] * 2), 3),
    ],
)
def test_padding_beyond_reason_around_a_small_output(cell: Any, side: int) -> None:
    made = cell()
    expected = f"{made.get_name()}: images with their padding: expected at most 2147483648 values"
    with pytest.raises(n2d2.Error, match=expected):
        made(tensor(np.zeros((1, 1, side, side))))
