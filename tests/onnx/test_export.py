"""Export to ONNX: the checker, ONNX Runtime and our own importer agree with the engine, cell by cell and in networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

import n2d2
from n2d2 import Interface, Tensor, activation, scaling, transform
from n2d2.cells import (
    Activation,
    BatchNorm2d,
    Conv,
    ConvDepthWise,
    ConvPointWise,
    Deconv,
    Dropout,
    ElemWise,
    Fc,
    GlobalPool2d,
    Layer,
    Padding,
    Pool,
    Reshape,
    Resize,
    Scaling,
    Sequence,
    Softmax,
    Transformation,
    Transpose,
)
from n2d2.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ort = pytest.importorskip("onnxruntime")

IMAGE = (6, 9, 7)
ATOL = 1e-5
"""Of values near 1; where such values cancel out, a relative difference means nothing."""


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    n2d2.global_variables.seed = 7
    yield
    n2d2.global_variables.seed = 1


def arrays(shapes: list[tuple[int, ...]], batch: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(batch, *shape)).astype(np.float32) for shape in shapes]


def computed(model: Any, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What the engine computes in test mode."""
    tensors = [Tensor.from_numpy(a) for a in inputs]
    made = model.test()(tensors[0] if len(tensors) == 1 else Interface(tensors))
    return [t.to_numpy(copy=True) for t in (made.get_tensors() if isinstance(made, Interface) else [made])]


def run(proto: onnx.ModelProto, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What ONNX Runtime computes."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in proto.graph.input]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def check(
    model: Any, shapes: list[tuple[int, ...]], *, back: bool = True, same_bits: bool = True, **options: Any
) -> onnx.ModelProto:
    """Compares the export of a network with the network itself.

    Arguments:
        model (Block or NeuralNetworkCell): The network.
        shapes (list): Sizes of its inputs without the batch.
        back (bool, optional): True if the importer reads all operators, default=True.
        same_bits (bool, optional): True if what the importer makes computes in the same order, default=True.
        options: Arguments of `to_model`.
    """
    inputs = arrays(shapes, batch=3)
    expected = computed(model, inputs)
    for batch_size in (None, 3):
        proto = n2d2.onnx.to_model(model, input_shape=shapes, batch_size=batch_size, **options)
        onnx.checker.check_model(proto, full_check=True)
        for got, wanted, info in zip(run(proto, inputs), expected, proto.graph.output, strict=True):
            dims = info.type.tensor_type.shape.dim
            assert [d.dim_value or d.dim_param for d in dims] == [batch_size or "batch", *got.shape[1:]]
            np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-4, atol=ATOL)
    if back:
        loaded = n2d2.onnx.load(proto)
        for got, wanted in zip(computed(loaded, inputs), expected, strict=True):
            if same_bits:
                np.testing.assert_array_equal(got.reshape(wanted.shape), wanted)
            else:
                np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-4, atol=ATOL)
    return proto


def norm(channels: int, **arguments: Any) -> BatchNorm2d:
    """A normalisation with statistics of its own."""
    rng = np.random.default_rng(5)
    cell = BatchNorm2d(channels, **arguments)
    for name in ("scales", "biases", "means", "variances"):
        values = rng.uniform(0.5, 2.0, channels) if name in ("scales", "variances") else rng.normal(size=channels)
        getattr(cell, f"set_{name}")(Tensor.from_numpy(values.astype(np.float32)))
    return cell


def connections(rows: int, columns: int) -> Tensor:
    """Every output is connected to at least one channel, and in no regular way."""
    rng = np.random.default_rng(2)
    matrix = rng.random((rows, columns)) < 0.4
    matrix[rng.integers(rows, size=columns), np.arange(columns)] = True
    return Tensor.from_numpy(matrix)


CELLS: dict[str, tuple[Callable[[], Any], list[tuple[int, ...]]]] = {
    "conv": (lambda: Conv(6, 4, [3, 3]), [IMAGE]),
    "conv asymmetric": (
        lambda: Conv(6, 4, [3, 2], stride_dims=[2, 1], padding_dims=[1, 0], dilation_dims=[1, 3]),
        [IMAGE],
    ),
    "conv groups": (lambda: Conv(6, 9, [2, 3], mapping=Mapping(nb_groups=3), padding_dims=[0, 1]), [IMAGE]),
    "conv mapping": (lambda: Conv(6, 5, [3, 3], mapping=connections(6, 5), no_bias=True), [IMAGE]),
    "conv of two": (lambda: Conv(6, 4, [3, 3]), [(2, 9, 7), (4, 9, 7)]),
    "conv sub-sampled without bias": (lambda: Conv(6, 4, [2, 2], sub_sample_dims=[3, 1], no_bias=True), [IMAGE]),
    "conv of values": (lambda: Conv(5, 4, [1, 1]), [(5,)]),
    "depth-wise": (lambda: ConvDepthWise(6, [3, 3], stride_dims=[1, 2]), [IMAGE]),
    "point-wise": (lambda: ConvPointWise(6, 4, no_bias=True), [IMAGE]),
    "deconv": (lambda: Deconv(6, 4, [3, 3]), [IMAGE]),
    "deconv asymmetric": (
        lambda: Deconv(6, 4, [3, 2], stride_dims=[2, 3], padding_dims=[1, 0], dilation_dims=[1, 2]),
        [IMAGE],
    ),
    "deconv groups": (lambda: Deconv(6, 4, [2, 3], mapping=Mapping(nb_groups=2), stride_dims=[2, 1]), [IMAGE]),
    "fc": (lambda: Fc(6 * 9 * 7, 5), [IMAGE]),
    "fc of values": (lambda: Fc(4, 5, no_bias=True), [(4,)]),
    "fc mapping": (lambda: Fc(8, 5, mapping=connections(8, 5)), [(8,)]),
    "fc of two": (lambda: Fc(2 * 63 + 4 * 63, 5), [(2, 9, 7), (4, 9, 7)]),
    "fc of mixed": (lambda: Fc(2 + 4, 5), [(2,), (4, 1, 1)]),
    "max pool": (lambda: Pool([2, 3], stride_dims=[2, 1], padding_dims=[1, 2]), [IMAGE]),
    "average pool": (
        lambda: Pool([2, 3], pooling="Average", stride_dims=[1, 2], padding_dims=[0, 2]),
        [IMAGE],
    ),
    "max pool, wide padding": (lambda: Pool([2, 1], stride_dims=[1, 2], padding_dims=[3, 2]), [IMAGE]),
    "max pool, wide stride": (lambda: Pool([2, 1], stride_dims=[5, 4], padding_dims=[3, 2]), [IMAGE]),
    "average pool, wide padding": (lambda: Pool([2, 1], pooling="Average", padding_dims=[3, 2]), [IMAGE]),
    "global max": (GlobalPool2d, [IMAGE]),
    "global average": (lambda: GlobalPool2d(pooling="Average"), [IMAGE]),
    "pool of two": (lambda: Pool([2, 2]), [(2, 9, 7), (4, 9, 7)]),
    "batch norm": (lambda: norm(6), [IMAGE]),
    "batch norm, epsilon": (lambda: norm(6, epsilon=0.02, moving_average_momentum=0.4), [IMAGE]),
    "batch norm of values": (lambda: norm(6), [(6,)]),
    "padding": (lambda: Padding(1, 0, 3, 2), [IMAGE]),
    "crop": (lambda: Padding(-1, 2, 0, -3), [IMAGE]),
    "reshape": (lambda: Reshape([3, 0, -1]), [IMAGE]),
    "reshape of values": (lambda: Reshape([2, 3, 2]), [(12,)]),
    "transpose": (lambda: Transpose([2, 0, 1, 3]), [IMAGE]),
    "transpose of height and width": (lambda: Transpose([1, 0, 2, 3]), [IMAGE]),
    "nearest": (lambda: Resize(14, 27, "NearestNeighbor"), [IMAGE]),
    "nearest, smaller": (lambda: Resize(3, 13, "NearestNeighbor"), [IMAGE]),
    "bilinear corners": (lambda: Resize(5, 20, "Bilinear"), [IMAGE]),
    "bilinear centres": (lambda: Resize(16, 5, "Bilinear", align_corners=False), [IMAGE]),
    "bilinear as tensorflow": (lambda: Resize(10, 4, "BilinearTF", align_corners=False), [IMAGE]),
    "one pixel": (lambda: Resize(1, 1, "BilinearTF"), [IMAGE]),
    "softmax": (lambda: Softmax(with_loss=True), [IMAGE]),
    "softmax of values": (Softmax, [(10,)]),
    "softmax of groups": (lambda: Softmax(group_size=2), [IMAGE]),
    "softmax of groups of values": (lambda: Softmax(group_size=5), [(10,)]),
    "sum": (ElemWise, [IMAGE] * 2),
    "sum of three": (ElemWise, [IMAGE] * 3),
    "sum with coefficients": (lambda: ElemWise(weights=[2.0, -0.7, 1.0], shifts=[0.0, 1.5]), [IMAGE] * 3),
    "sum by channel": (
        lambda: ElemWise(mode="PerChannel", weights=[0.1, 0.2, 0.3, 0.4, 0.5], shifts=[1.0, 2.0]),
        [IMAGE] * 2,
    ),
    "affine": (lambda: ElemWise(weights=[0.3], shifts=[-2.0]), [IMAGE]),
    "affine of values": (lambda: ElemWise(mode="PerChannel", weights=[0.3, 2.0], shifts=[-2.0]), [(4,)]),
    "difference": (lambda: ElemWise(weights=[1.0, -1.0]), [IMAGE] * 2),
    "product": (lambda: ElemWise(operation="Prod", weights=[3.0]), [IMAGE] * 3),
    "maximum": (lambda: ElemWise(operation="Max"), [IMAGE] * 3),
    "factors": (lambda: Scaling(scaling.FloatingPointScaling([0.1, 0.2, 0.3, 4.0, 5.0, -6.0])), [IMAGE]),
    "factor of values": (lambda: Scaling(scaling.FloatingPointScaling([0.1, 0.3])), [(2,)]),
    "dropout": (lambda: Sequence([Fc(4, 5), Dropout(dropout=0.9)]), [(4,)]),
    "relu": (lambda: Activation(activation.Rectifier()), [IMAGE]),
    "joined by an activation": (lambda: Activation(activation.Linear()), [(2, 9, 7), (4, 9, 7)]),
    "relu 6": (lambda: Activation(activation.Rectifier(clipping=0.7)), [IMAGE]),
    "leaky relu": (lambda: Activation(activation.Rectifier(leak_slope=0.15)), [IMAGE]),
    "saturation": (lambda: Activation(activation.Saturation(threshold=0.6)), [IMAGE]),
    "clipped": (lambda: Activation(activation.Linear(clipping=0.6)), [IMAGE]),
    "tanh": (lambda: Activation(activation.Tanh()), [IMAGE]),
    "tanh with slope": (lambda: Activation(activation.Tanh(alpha=0.7)), [IMAGE]),
    "logistic": (lambda: Activation(activation.Logistic(with_loss=True)), [IMAGE]),
    "softplus": (lambda: Activation(activation.Softplus()), [IMAGE]),
    "activation of a cell": (lambda: Conv(6, 3, [2, 2], activation=activation.Rectifier(leak_slope=0.3)), [IMAGE]),
    "affine transformation": (
        lambda: Transformation(transform.RangeAffine("Minus", [0.5] * 6, second_operator="Multiplies", second_value=2)),
        [IMAGE],
    ),
    "rescaled": (
        lambda: Transformation(
            transform.Composite(
                [transform.Rescale(width=5, height=12), transform.Flip(horizontal_flip=True, apply_to="LearnOnly")]
            )
        ),
        [IMAGE],
    ),
}

# The importer has no cell that adds in the order of sub-sampling with a bias.
SUB_SAMPLED = [
    {"kernel_dims": [3, 2], "padding_dims": [1, 1], "sub_sample_dims": [2, 3]},
    {"kernel_dims": 2, "sub_sample_dims": 2},
]

NOT_IMPORTED: dict[str, tuple[Callable[[], Any], list[tuple[int, ...]]]] = {
    "max pool, mapping": (lambda: Pool([2, 2], mapping=connections(6, 4), padding_dims=[1, 0]), [IMAGE]),
    "average pool, mapping": (
        lambda: Pool([2, 2], pooling="Average", mapping=connections(6, 4), stride_dims=[2, 2]),
        [IMAGE],
    ),
    "nearest, unsafe scale": (lambda: Resize(29, 47, "NearestNeighbor"), [(2, 38, 22)]),
    "sum of absolute values": (lambda: ElemWise(operation="AbsSum", weights=[2.0, -1.0]), [IMAGE] * 2),
    "root of squares": (
        lambda: ElemWise(operation="EuclideanSum", weights=[2.0, 1.0], shifts=[0.0, 3.0]),
        [IMAGE] * 2,
    ),
    "clipped factors": (
        lambda: Scaling(scaling.FloatingPointScaling([2.0, 3.0], is_clipped=True, clipping=[1.0, 0.5])),
        [(2, 5, 5)],
    ),
    "fixed point": (
        lambda: Scaling(scaling.FixedPointScaling(3, [5, -11], is_clipped=True, clipping=[2.0, 2.0])),
        [(2, 5, 5)],
    ),
    "single shift": (lambda: Scaling(scaling.SingleShiftScaling([1, -2], is_clipped=True, clipping=[0, 2])), [(2,)]),
    "double shift": (lambda: Scaling(scaling.DoubleShiftScaling([[1, 3], [0, -1]])), [(2, 5, 5)]),
    "leaky relu 6": (lambda: Activation(activation.Rectifier(leak_slope=0.15, clipping=0.7)), [IMAGE]),
    "swish": (lambda: Activation(activation.Swish()), [IMAGE]),
    "truncated transformation": (
        lambda: Transformation(transform.RangeAffine("Multiplies", 3.0, truncate=True)),
        [IMAGE],
    ),
    "flipped": (lambda: Transformation(transform.Flip(horizontal_flip=True, vertical_flip=True)), [IMAGE]),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_alone(name: str) -> None:
    make, shapes = CELLS[name]
    check(make(), shapes)


@pytest.mark.parametrize("name", NOT_IMPORTED)
def test_a_cell_alone_whose_operators_are_not_read(name: str) -> None:
    make, shapes = NOT_IMPORTED[name]
    check(make(), shapes, back=False)


@pytest.mark.parametrize("sizes", SUB_SAMPLED)
def test_sub_sampling_with_bias(sizes: dict[str, Any]) -> None:
    check(Conv(6, 4, **sizes), [IMAGE], same_bits=False)


def test_weights_that_each_call_scales_are_those_of_the_next_call() -> None:
    fc = Fc(6, 5, normalize=True, name="fc").test()
    before = fc.N2D2().param("weights")
    x = arrays([(6,)], 3)
    for _ in range(2):
        proto = n2d2.onnx.to_model(fc, input_shape=[6])
        np.testing.assert_array_equal(fc.N2D2().param("weights"), before)
    np.testing.assert_allclose(run(proto, x)[0], computed(fc, x)[0][:, :, 0, 0], rtol=1e-5)


# --- networks


def residual() -> Sequence:
    """Branches of several kinds, one of them a shortcut."""
    left = Sequence(
        [
            Conv(4, 4, [3, 3], padding_dims=[1, 1], no_bias=True, name="left"),
            norm(4, name="left_norm", activation=activation.Rectifier()),
        ]
    )
    body = Sequence([ConvDepthWise(4, [3, 3], padding_dims=[1, 1], name="depth"), norm(4, name="depth_norm")])
    return Sequence(
        [
            Conv(3, 4, [3, 3], padding_dims=[1, 1], stride_dims=[2, 2], name="stem"),
            norm(4, name="stem_norm", activation=activation.Rectifier(clipping=6.0)),
            Layer([left, body, Sequence([])]),
            ElemWise(name="sum", activation=activation.Rectifier()),
            Layer(
                [
                    Pool([3, 3], padding_dims=[1, 1], name="largest"),
                    ConvPointWise(4, 2, name="point", activation=activation.Tanh()),
                ]
            ),
            Conv(6, 4, [2, 2], name="joined"),
            Dropout(name="dropout"),
            GlobalPool2d(pooling="Average", name="mean"),
            Fc(4, 5, no_bias=True, name="fc"),
            norm(5, name="fc_norm"),
            Softmax(with_loss=True, name="softmax"),
        ],
        name="residual",
    )


def decoder() -> Sequence:
    """An image becomes smaller and larger again."""
    return Sequence(
        [
            Conv(2, 6, [3, 3], stride_dims=[2, 2], padding_dims=[1, 1], name="down", activation=activation.Rectifier()),
            Deconv(6, 3, [4, 4], stride_dims=[2, 2], padding_dims=[1, 1], name="up"),
            norm(3, name="up_norm", activation=activation.Logistic()),
            Padding(0, -1, 1, 0, name="border"),
            Resize(10, 6, "Bilinear", align_corners=False, name="resized"),
            Transpose([1, 0, 2, 3], name="turned"),
            Softmax(name="softmax"),
        ],
        name="decoder",
    )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("make", "shape"), [(residual, (3, 12, 10)), (decoder, (2, 8, 8))])
def test_a_network(make: Callable[[], Sequence], shape: tuple[int, ...], fused: bool) -> None:
    proto = check(make(), [shape], fuse_batch_norm=fused, same_bits=not fused)
    kinds = [node.op_type for node in proto.graph.node]
    assert ("BatchNormalization" in kinds) is not fused
    assert "Dropout" not in kinds
