"""Cells without weights on random configurations: pooling, norms, combinations, shapes, activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import n2d2
from support import reference, reference_more
from support.agreement import activation_of, agree, array, images, layers_of, pairs, seeds, sizes, smooth, tensor

kinds = st.sampled_from(["Max", "Average"])


@given(st.data(), images, kinds, pairs(1, 4), pairs(1, 3), seeds)
def test_pool(data: Any, image: Any, kind: str, dims: Any, stride: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    padding = [data.draw(st.integers(0, d - 1)) for d in dims]
    arguments = {"pooling": kind, "stride_dims": stride, "padding_dims": padding}
    x = array(random, n, c, h, w)
    cell = data.draw(st.sampled_from([n2d2.cells.Pool, n2d2.cells.Pool2d]))(dims, **arguments)
    if any(s + 2 * p < k for s, p, k in zip((h, w), padding, dims, strict=True)):
        with pytest.raises(n2d2.Error, match=cell.get_name()):
            cell(tensor(x))
        return
    agree(cell, reference.Pool(kind, tuple(dims), tuple(stride), tuple(padding)), [x], random)


@given(st.data(), images, st.integers(1, 6), kinds, pairs(1, 3), pairs(1, 3), pairs(0, 3), seeds)
def test_pool_with_mapping(
    data: Any, image: Any, outputs: int, kind: str, dims: Any, stride: Any, padding: Any, seed: int
) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    bits = data.draw(st.lists(st.booleans(), min_size=c * outputs, max_size=c * outputs))
    connected = np.array(bits).reshape(c, outputs)
    mapping = n2d2.Tensor([c, outputs], datatype="bool")
    mapping.set_values(connected.tolist())
    cell = n2d2.cells.Pool(dims, pooling=kind, stride_dims=stride, padding_dims=padding, mapping=mapping)
    x = array(random, n, c, h, w)
    if any(s + 2 * p < k for s, p, k in zip((h, w), padding, dims, strict=True)):
        with pytest.raises(n2d2.Error, match=cell.get_name()):
            cell(tensor(x))
        return
    agree(cell, reference_more.MappedPool(kind, tuple(dims), tuple(stride), tuple(padding), connected), [x], random)


@given(images, kinds, seeds)
def test_global_pool(image: Any, kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    layer = reference.Pool(kind, (image[2], image[3]))
    agree(n2d2.cells.GlobalPool2d(pooling=kind), layer, [array(random, *image)], random)


@given(images, st.integers(1, 3), st.booleans(), st.booleans(), seeds)
def test_softmax(image: Any, groups: int, with_loss: bool, whole: bool, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    size = 0 if whole else c
    cell = n2d2.cells.Softmax(with_loss=with_loss, group_size=size)
    agree(cell, reference.Softmax(with_loss, size), [array(random, n, c * groups, h, w)], random)


@given(images, st.floats(0, 1), seeds)
def test_dropout_at_test_is_the_identity(image: Any, dropout: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.Dropout(dropout=dropout).test()
    agree(cell, reference.Activation("Linear"), [array(random, *image)], random)


@given(images, st.floats(0, 0.9), seeds)
def test_dropout_while_learning_keeps_and_scales(image: Any, dropout: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.Dropout(dropout=dropout)
    x, g = array(random, *image), array(random, *image)
    output = cell(tensor(x))
    y = output.to_numpy(copy=True).astype(float)
    kept = y != 0
    np.testing.assert_allclose(y, np.where(kept, x / (1 - dropout), 0), rtol=1e-5)
    output.back_propagate(g)
    np.testing.assert_allclose(cell.get_diffoutputs().to_numpy(), np.where(kept, g / (1 - dropout), 0), rtol=1e-5)


@given(
    st.integers(2, 4),
    sizes,
    pairs(2, 9),
    st.sampled_from([0.0, 1e-3, 0.1, 1.0]),
    st.one_of(st.just(0.0), st.floats(0, 0.99)),
    st.booleans(),
    smooth,
    seeds,
)
def test_batch_norm(
    n: int, c: int, sides: Any, epsilon: float, momentum: float, learn: bool, drawn: Any, seed: int
) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.BatchNorm2d(c, epsilon=epsilon, moving_average_momentum=momentum, activation=activation_of(drawn))
    scale, bias, mean, variance = array(random, c), array(random, c), array(random, c), 0.5 + np.abs(array(random, c))
    for name, values in {"scales": scale, "biases": bias, "means": mean, "variances": variance}.items():
        cell.N2D2().set_param(name, values.astype(np.float32))
    if not learn:
        cell.test()
    layer = reference.BatchNorm(scale, bias, mean, variance, epsilon, momentum)
    gradients = {"scales": lambda: layer.grads["scale"], "biases": lambda: layer.grads["bias"]}
    chain = reference.Chain([layer, *layers_of(drawn)])
    agree(cell, chain, [array(random, n, c, *sides)], random, parameters=gradients, learn=learn)
    np.testing.assert_allclose(cell.get_means().to_numpy().ravel(), layer.mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(cell.get_variances().to_numpy().ravel(), layer.variance, rtol=1e-4, atol=1e-4)


coefficients = st.lists(st.floats(-2, 2, width=32), max_size=5)


@given(
    images,
    st.integers(1, 4),
    st.sampled_from(["Sum", "AbsSum", "EuclideanSum", "Prod", "Max"]),
    st.sampled_from(["PerLayer", "PerInput", "PerChannel"]),
    coefficients,
    coefficients,
    seeds,
)
def test_elem_wise(image: Any, cells: int, operation: str, mode: str, weights: Any, shifts: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.ElemWise(operation=operation, mode=mode, weights=weights, shifts=shifts)
    inputs = [array(random, *image) for _ in range(cells)]
    # Only the sum indexes coefficients by channel; the others take a list of channels and index it by input.
    count = cells if mode != "PerChannel" else image[1] if operation == "Sum" else max(image[1], cells)
    longer = [n for n, values in (("weights", weights), ("shifts", shifts)) if len(values) > count]
    if longer:
        with pytest.raises(n2d2.Error, match=f"{cell.get_name()}: number of `{longer[0]}`: expected at most {count}"):
            cell(n2d2.Interface([tensor(x) for x in inputs]))
        return
    layer = reference_more.Combination(operation, mode, weights, shifts)
    agree(cell, layer, inputs, random, joined=np.stack, split=list)


@given(st.data(), images, seeds)
def test_reshape(data: Any, image: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    values = c * h * w
    channels = data.draw(st.sampled_from([d for d in range(1, values + 1) if values % d == 0]))
    height = data.draw(st.sampled_from([d for d in range(1, values // channels + 1) if values // channels % d == 0]))
    output = [values // channels // height, height, channels]
    dims, kept = list(output), [w, h, c]
    for axis in data.draw(st.sets(st.integers(0, 2))):
        if output[axis] == kept[axis]:
            dims[axis] = 0
    inferred = data.draw(st.integers(-1, 2))
    if inferred >= 0:
        dims[inferred] = -1
    layer = reference_more.selection((c, h, w), np.arange(values).reshape(output[::-1]))
    agree(n2d2.cells.Reshape(dims), layer, [array(random, n, c, h, w)], random)


@given(images, st.lists(st.integers(-1, 9), min_size=1, max_size=3))
def test_reshape_to_any_dims_keeps_the_values_or_raises(image: Any, dims: list[int]) -> None:
    x = tensor(np.arange(math.prod(image)).reshape(image))
    try:
        y = n2d2.cells.Reshape(dims)(x)
    except n2d2.Error as error:
        assert "dims" in str(error)  # noqa: PT017  either outcome may come
    else:
        np.testing.assert_array_equal(y.to_numpy().ravel(), x.to_numpy().ravel())
        for got, wish, kept in zip(y.dims()[:3], [*dims, 1, 1], x.dims(), strict=False):
            assert got == (kept if wish == 0 else got if wish == -1 else wish)


@given(images, st.lists(st.integers(-4, 4), min_size=4, max_size=4), seeds)
def test_padding(image: Any, pads: Any, seed: int) -> None:
    (n, c, h, w), random = image, np.random.default_rng(seed)
    cell = n2d2.cells.Padding(*pads)
    x = array(random, n, c, h, w)
    if h + pads[0] + pads[1] < 1 or w + pads[2] + pads[3] < 1:
        with pytest.raises(n2d2.Error, match=cell.get_name()):
            cell(tensor(x))
        return
    agree(cell, reference_more.padding((c, h, w), *pads), [x], random)


@given(images, sizes, sizes, st.sampled_from(["Bilinear", "BilinearTF", "NearestNeighbor"]), st.booleans(), seeds)
def test_resize(image: Any, width: int, height: int, mode: str, align_corners: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.Resize(width, height, mode, align_corners=align_corners)
    layer = reference_more.resize(image[1:], width, height, mode, align_corners)
    agree(cell, layer, [array(random, *image)], random)


@given(images, st.permutations([0, 1, 2]), st.booleans(), seeds)
def test_transpose(image: Any, perm: Any, batch: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    cell = n2d2.cells.Transpose([*perm, 3] if batch else perm)
    agree(cell, reference_more.transpose(image[1:], perm), [array(random, *image)], random)


@st.composite
def scalings(draw: st.DrawFn, channels: int) -> tuple[Any, reference_more.Scaling]:
    """A scaling object and its reference."""

    def each(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=channels, max_size=channels))

    kind, is_clipped = draw(st.sampled_from(["Floating", "Fixed", "Single", "Double"])), draw(st.booleans())
    shifts, limits = st.integers(-4, 4), st.integers(0, 3)
    if kind in {"Floating", "Fixed"}:
        clipping = each(st.floats(0.5, 8, width=32)) if is_clipped else []
        bounds = np.array(clipping)
    else:
        pair = kind == "Double"
        clipping = each(st.lists(limits, min_size=2, max_size=2) if pair else limits) if is_clipped else []
        bounds = np.array([(2.0 ** np.atleast_1d(shift)).sum() for shift in clipping])
    match kind:
        case "Floating":
            values = each(st.floats(-2, 2, width=32))
            made = n2d2.scaling.FloatingPointScaling(values, is_clipped, clipping)
            factors = np.array(values)
        case "Fixed":
            bits, values = draw(st.integers(0, 8)), each(st.integers(-300, 300))
            made = n2d2.scaling.FixedPointScaling(bits, values, is_clipped, clipping)
            factors = np.array(values) / 2.0**bits
        case "Single":
            values = each(shifts)
            made = n2d2.scaling.SingleShiftScaling(values, is_clipped, clipping)
            factors = 2.0 ** -np.array(values, float)
        case _:
            values = each(st.lists(shifts, min_size=2, max_size=2))
            made = n2d2.scaling.DoubleShiftScaling(values, is_clipped, clipping)
            factors = (2.0 ** -np.array(values, float)).sum(axis=1)
    return made, reference_more.Scaling(factors, bounds if is_clipped else None, kind != "Floating")


@given(st.data(), images, seeds)
def test_scaling(data: Any, image: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    factors, layer = data.draw(scalings(image[1]))
    agree(n2d2.cells.Scaling(factors), layer, [array(random, *image)], random)


positive = st.floats(0.1, 3)
functions = st.one_of(
    st.fixed_dictionaries({}, optional={"clipping": positive}).map(lambda p: ("Linear", p)),
    st.fixed_dictionaries({}, optional={"clipping": positive, "leak_slope": st.floats(0, 1)}).map(
        lambda p: ("Rectifier", p)
    ),
    st.fixed_dictionaries({}, optional={"alpha": positive}).map(lambda p: ("Tanh", p)),
    st.fixed_dictionaries({}, optional={"with_loss": st.booleans()}).map(lambda p: ("Logistic", p)),
    st.fixed_dictionaries({"threshold": positive}).map(lambda p: ("Saturation", p)),
    st.sampled_from([("Softplus", {}), ("Swish", {})]),
)


@given(images, functions, st.sampled_from([0.01, 1.0, 30.0]), seeds)
def test_activation(image: Any, drawn: Any, size: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = (size * array(random, *image)).astype(np.float32).astype(float)
    agree(n2d2.cells.Activation(activation_of(drawn)), layers_of(drawn)[0], [x], random)
