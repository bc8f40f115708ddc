"""Export to ONNX: the checker, ONNX Runtime and our own importer agree with the engine, alone and in networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

import n2d2
from n2d2 import Interface, Tensor, activation, scaling, transform
from n2d2.cells import (
    Activation,
    BatchNorm2d,
    Block,
    Conv,
    ConvDepthWise,
    ConvPointWise,
    Deconv,
    DeepNetCell,
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
from n2d2.error_handler import FileError, ModelFileError, NotInitialized, ShapeError, StateError
from n2d2.mapping import Mapping
from support.exported import arrays, assert_close, check, computed, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = (6, 9, 7)


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    n2d2.global_variables.seed = 7
    yield
    n2d2.global_variables.seed = 1


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
    "max pool, mapping": (lambda: Pool([2, 2], mapping=connections(6, 4), padding_dims=[1, 0]), [IMAGE]),
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
    "padded and cut": (lambda: Transformation(transform.PadCrop(10, 6)), [IMAGE]),
    "padded with the edge": (lambda: Transformation(transform.PadCrop(12, 12, border_type="ReplicateBorder")), [IMAGE]),
    "padded with a colour": (
        lambda: Transformation(transform.PadCrop(12, 9, border_type="ConstantBorder", border_value=[0.75])),
        [IMAGE],
    ),
    "truncated transformation": (
        lambda: Transformation(transform.RangeAffine("Multiplies", 3.0, truncate=True)),
        [IMAGE],
    ),
    "flipped": (lambda: Transformation(transform.Flip(horizontal_flip=True, vertical_flip=True)), [IMAGE]),
}

# The importer has no cell that adds in the order of sub-sampling with a bias.
SUB_SAMPLED = [
    {"kernel_dims": [3, 2], "padding_dims": [1, 1], "sub_sample_dims": [2, 3]},
    {"kernel_dims": 2, "sub_sample_dims": 2},
]


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_alone(name: str) -> None:
    make, shapes = CELLS[name]
    check(make(), shapes)


def test_average_over_channels() -> None:
    """A pool and a Conv: another order than in one cell."""
    pool = Pool([2, 2], pooling="Average", mapping=connections(6, 4), stride_dims=[2, 2])
    check(pool, [IMAGE], same_bits=False)


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


@pytest.mark.parametrize("opset", [13, 18, 21, 28])
def test_other_versions_of_the_operators(opset: int) -> None:
    proto = check(residual(), [(3, 12, 10)], opset=opset)
    assert [o.version for o in proto.opset_import] == [opset]
    check(decoder(), [(2, 8, 8)], opset=opset)


def test_names_and_weights_are_those_of_the_cells() -> None:
    conv = Conv(4, 6, [3, 2], mapping=Mapping(nb_groups=2), activation=activation.Rectifier(), name="conv/1")
    proto = n2d2.onnx.to_model(Sequence([conv, Fc(6 * 3 * 4, 2, name="fc")], name="net"), input_shape=[4, 5, 5])
    assert proto.graph.name == "net"
    assert [(n.op_type, n.name, *n.output) for n in proto.graph.node] == [
        ("Conv", "conv/1", "conv/1"),
        ("Relu", "conv/1_relu", "conv/1_relu"),
        ("Flatten", "fc_flatten", "fc_flatten"),
        ("Gemm", "fc", "fc"),
    ]
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    assert {name: array.shape for name, array in stored.items()} == {
        "conv/1_weights": (6, 2, 3, 2),
        "conv/1_bias": (6,),
        "fc_weights": (2, 72),
        "fc_bias": (2,),
    }
    np.testing.assert_array_equal(stored["conv/1_weights"][5, 1], conv.get_weight(5, 3).to_numpy())
    loaded = n2d2.onnx.load(proto)
    assert list(loaded.get_cells()) == ["conv/1", "fc"]
    assert loaded["conv/1"].activation.get_type() == "Rectifier"
    assert (proto.producer_name, proto.producer_version) == ("n2d2", n2d2.__version__)


def test_a_name_that_is_taken_gets_a_number() -> None:
    model = Sequence(
        [
            Sequence([Conv(2, 2, [1, 1], name="a", activation=activation.Rectifier())], name="one"),
            Sequence([Conv(2, 2, [1, 1], name="a", no_bias=True)], name="two"),
            Conv(2, 2, [1, 1], name="a_relu"),
            Conv(2, 2, [1, 1], name="input"),
        ]
    )
    proto = check(model, [(2, 3, 3)])
    assert [n.name for n in proto.graph.node] == ["a", "a_relu", "a_2", "a_relu_2", "input_2"]
    assert [t.name for t in proto.graph.initializer][:3] == ["a_weights", "a_bias", "a_weights_2"]


class TwoInputs(Block):
    """Two images in, both their mixture and one of them out; one cell is called twice."""

    def __init__(self) -> None:
        self.conv = Conv(2, 2, [3, 3], padding_dims=[1, 1], name="conv", activation=activation.Tanh())
        self.norm = norm(2, name="norm")
        self.total = ElemWise(weights=[1.0, 0.5], name="total")
        super().__init__([self.conv, self.norm, self.total], name="two")

    def __call__(self, inputs: Any) -> Interface:
        left, right = inputs.get_tensors()
        mixed = self.total(Interface([self.conv(left), self.norm(self.conv(right))]))
        return Interface([mixed, self.conv(left), mixed])


def test_several_inputs_and_outputs() -> None:
    shapes = [(2, 4, 5), (2, 4, 5)]
    model = TwoInputs()
    proto = check(model, shapes, back=False, input_names=["left", "right"], fuse_batch_norm=True)
    assert [i.name for i in proto.graph.input] == ["left", "right"]
    # The normalisation reads a cell with an activation, which is called more than once.
    assert [n.op_type for n in proto.graph.node].count("BatchNormalization") == 1
    assert [t.name for t in proto.graph.initializer].count("conv_weights") == 1
    assert len({o.name for o in proto.graph.output}) == 3
    assert [i.name for i in n2d2.onnx.to_model(model, input_shape=shapes).graph.input] == ["input_0", "input_1"]


def fused_kinds(*cells: Any) -> list[str]:
    proto = check(Sequence(list(cells)), [(2, 6, 6)], fuse_batch_norm=True, same_bits=False)
    return [node.op_type for node in proto.graph.node]


def test_what_is_fused() -> None:
    conv = {"nb_inputs": 2, "nb_outputs": 4, "kernel_dims": [3, 3]}
    assert fused_kinds(Conv(**conv), norm(4)) == ["Conv"]
    assert fused_kinds(Conv(**conv, no_bias=True), norm(4, activation=activation.Tanh())) == ["Conv", "Tanh"]
    assert fused_kinds(Conv(**conv, sub_sample_dims=[2, 2]), norm(4)) == ["Conv", "Conv"]
    assert fused_kinds(Deconv(**conv, mapping=Mapping(nb_groups=2)), norm(4)) == ["ConvTranspose"]
    assert fused_kinds(Fc(72, 4), norm(4), norm(4)) == ["Flatten", "Gemm", "BatchNormalization"]
    assert fused_kinds(Conv(**conv, activation=activation.Tanh()), norm(4)) == ["Conv", "Tanh", "BatchNormalization"]
    assert fused_kinds(norm(2), Conv(**conv)) == ["BatchNormalization", "Conv"]


def test_what_somebody_else_reads_is_not_fused() -> None:
    branches = Layer([Sequence([norm(2)]), Sequence([])])
    kinds = fused_kinds(Conv(2, 2, [1, 1]), branches, ElemWise())
    assert kinds == ["Conv", "BatchNormalization", "Add"]


def test_a_deepnet_cell_knows_its_sizes() -> None:
    provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=4)
    body = Sequence([Conv(1, 3, [5, 5], stride_dims=[2, 2], name="conv"), Fc(432, 10, name="fc"), Softmax(name="s")])
    model = body.to_deepnet_cell(provider)
    proto = n2d2.onnx.to_model(model)
    x = arrays([(1, 28, 28)], 3)
    assert_close(run(proto, x)[0], computed(model, x)[0])
    model.remove("s")
    assert [n.op_type for n in n2d2.onnx.to_model(model).graph.node] == ["Conv", "Flatten", "Gemm"]
    check(n2d2.onnx.load(proto), [(1, 28, 28)])
    nested = Sequence([Padding(1, 1, 1, 1, name="pad"), model], name="nested")
    result = nested(Tensor([2, 1, 26, 26]))
    n2d2.onnx.to_model(nested)
    assert model.get_deepnet() is result.get_deepnet()
    check(nested, [(1, 26, 26)])
    assert isinstance(n2d2.onnx.load(n2d2.onnx.to_model(model)), DeepNetCell)


def test_the_sizes_are_those_of_the_last_call() -> None:
    inner = Sequence([Conv(2, 3, [2, 2], name="conv"), norm(3, name="norm")], name="inner")
    outer = Sequence([Pool([2, 2], name="pool"), inner])
    outer(Tensor([5, 2, 6, 7]))
    dims = [
        [d.dim_value for d in n2d2.onnx.to_model(part, batch_size=2).graph.input[0].type.tensor_type.shape.dim]
        for part in (outer, inner, inner["norm"])
    ]
    assert dims == [[2, 2, 6, 7], [2, 2, 5, 6], [2, 3, 4, 5]]
    total = ElemWise(name="total")
    total(Interface([Tensor([3, 4]), Tensor([3, 4])]))
    assert len(n2d2.onnx.to_model(total).graph.input) == 2


def test_the_network_stays_as_it_is() -> None:
    """An export between forward pass and update changes nothing."""

    def trained(export: bool) -> list[np.ndarray[Any, Any]]:
        n2d2.global_variables.seed = 3
        model = Sequence([Fc(6, 4, name="fc", normalize=True), norm(4), Dropout(name="drop"), Fc(4, 2, name="out")])
        for step in range(3):
            y = model(Tensor.from_numpy(arrays([(6,)], 5)[0] + np.float32(step)))
            if export:
                before = model["fc"].get_outputs()
                n2d2.onnx.to_model(model)
                assert model["fc"].get_outputs() is before
                assert model["drop"].get_inputs().shape() == [5, 4, 1, 1]
            y.back_propagate(Tensor.from_numpy(np.ones((5, 2, 1, 1), np.float32)))
            y.get_deepnet().update()
        return [model[name].N2D2().param("weights") for name in ("fc", "out")]

    for plain, exported in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(plain, exported)


def test_files_are_complete_or_not_there(tmp_path: Path) -> None:
    model = Sequence([Fc(4, 3, name="fc")])
    path = tmp_path / "folder" / "model.onnx"
    n2d2.onnx.save(model, path, input_shape=[4])
    x = arrays([(4,)], 2)
    np.testing.assert_array_equal(computed(n2d2.onnx.load(path), x)[0], computed(model, x)[0])
    assert [f.name for f in path.parent.iterdir()] == ["model.onnx"]
    content = path.read_bytes()
    swish_of_nothing = Sequence([Transformation(transform.Flip(random_horizontal_flip=True))])
    with pytest.raises(ModelFileError):
        n2d2.onnx.save(swish_of_nothing, path, input_shape=[1, 2, 2])
    assert path.read_bytes() == content
    with pytest.raises(FileError, match="cannot be written"):
        n2d2.onnx.save(model, tmp_path, input_shape=[4])


# --- errors


def test_all_cells_that_cannot_be_written_are_listed() -> None:
    mapping = Tensor.from_numpy(np.array([[True, False], [True, False]]))
    flip, crop = transform.Flip(random_vertical_flip=True), transform.PadCrop(8, 8, border_type="MeanBorder")
    model = Sequence(
        [
            Transformation(flip, name="flip"),
            Conv(2, 2, [1, 1], name="conv"),
            Transformation(crop, name="crop"),
            Pool([2, 2], mapping=mapping, name="pool"),
        ],
        name="net",
    )
    with pytest.raises(ModelFileError) as raised:
        n2d2.onnx.to_model(model, input_shape=[2, 6, 6])
    assert [p[:40] for p in raised.value.problems] == [
        "cell 'flip' (Transformation): the transf",
        "cell 'crop' (Transformation): the transf",
        "cell 'pool' (Pool): its mapping connects",
    ]
    assert str(raised.value).startswith("net: cannot be written as ONNX: 3 problems\n  cell 'flip'")
    assert "Flip(" in raised.value.problems[0]
    assert "apply it to the data instead" in raised.value.problems[0]


def graph_of(nodes: list[onnx.NodeProto], outputs: list[str], opset: int = 17) -> onnx.ModelProto:
    """A model that reads `x` of shape [1, 3, 4, 5]."""
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 4, 5])
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
    limit = onnx.numpy_helper.from_array(np.float32([0.25]), "limit")
    graph = onnx.helper.make_graph(nodes, "net", [x], results, [limit])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)


def test_operators_that_numpy_computes_are_written_as_they_were() -> None:
    node = onnx.helper.make_node
    given = graph_of(
        [
            node("ArgMax", ["x"], ["place"], axis=1, keepdims=0),
            node("Greater", ["x", "limit"], ["above"]),
            node("Where", ["above", "x", "limit"], ["chosen"]),
        ],
        ["place", "chosen"],
    )
    model = n2d2.onnx.load(given)
    proto = check(model, [(3, 4, 5)])
    assert [n.op_type for n in proto.graph.node if n.op_type not in ("Cast", "Reshape")] == [
        "ArgMax",
        "Greater",
        "Where",
    ]
    x = arrays([(3, 4, 5)], 1)
    for got, wanted in zip(run(n2d2.onnx.to_model(model), x), run(given, x), strict=True):
        np.testing.assert_array_equal(got.ravel(), wanted.ravel())
    old = n2d2.onnx.load(graph_of(list(given.graph.node), ["place", "chosen"], opset=13))
    with pytest.raises(
        ModelFileError, match=r"opset 17 has another Where than opset 13.*; write the model with opset=13"
    ):
        n2d2.onnx.to_model(old)
    check(old, [(3, 4, 5)], opset=13)


def test_a_cell_that_nothing_writes_is_named() -> None:
    split = onnx.helper.make_node("TopK", ["x", "two"], ["values", "places"], axis=1)
    given = graph_of([split], ["values", "places"])
    given.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.int64), "two"))
    with pytest.raises(ModelFileError, match=r"cell 'values' \(ArrayCell\): it is a part of an operator; take it out"):
        n2d2.onnx.to_model(n2d2.onnx.load(given))


def test_a_file_ends_at_two_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2d2.onnx.exporter.MAX_BYTES", 59)
    with pytest.raises(ModelFileError, match="net: the parameters take 60 bytes; an ONNX file holds at most 59"):
        n2d2.onnx.to_model(NET, input_shape=[4])


class OfItsOwn(Block):
    """Reads a tensor that nobody gave."""

    def __init__(self) -> None:
        self.total = ElemWise(name="total")
        super().__init__([self.total], name="own")

    def __call__(self, inputs: Any) -> Any:
        return self.total(Interface([inputs, Tensor([1, 2, 3, 3])]))


NET = Sequence([Fc(4, 3, name="fc")], name="net")
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: n2d2.onnx.to_model("net"), TypeError, "onnx: the network must be of type n2d2.cells.Block"),
    (lambda: n2d2.onnx.to_model(NET), NotInitialized, "onnx: net: the sizes of its inputs are not known"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[5]), ShapeError, "fc"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=4), TypeError, "onnx: net: input_shape must be of type a list"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[1, 4]), ValueError, "onnx: net: input_shape is [1, 4], expected"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[0]), ValueError, "onnx: net: input_shape is [0], expected"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[]), ValueError, "onnx: net: input_shape is [], expected"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], opset=12), ValueError, "onnx: net: opset is 12, expected"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], opset=17.0), TypeError, "onnx: net: opset must be of type int"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], batch_size=0), ValueError, "onnx: net: parameter `batch_size`"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], fuse_batch_norm=1), TypeError, "`fuse_batch_norm`"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], input_names="x"), TypeError, "input_names must be a list of str"),
    (lambda: n2d2.onnx.to_model(NET, input_shape=[4], input_names=["x", "y"]), ValueError, "1 different names"),
    (lambda: n2d2.onnx.to_model(Sequence([]), input_shape=[4]), StateError, "to compute a tensor by cells, got Tensor"),
    (lambda: n2d2.onnx.to_model(Block([]), input_shape=[4]), NotImplementedError, "no data flow"),
    (lambda: n2d2.onnx.to_model(OfItsOwn(), input_shape=[2, 3, 3]), ModelFileError, "own: cannot be written as ONNX"),
    (lambda: n2d2.onnx.save(NET, 3), TypeError, "onnx: path must be of type str or Path, got int"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)


def test_the_last_call_of_a_block_with_several_inputs_does_not_tell_their_order() -> None:
    model = TwoInputs()
    model(Interface([Tensor([1, 2, 3, 3]), Tensor([1, 2, 3, 3])]))
    with pytest.raises(StateError, match=r"two: the last call read 2 tensors .*; give input_shape, a list of lists"):
        n2d2.onnx.to_model(model)


@pytest.mark.parametrize("name", ["lenet_tested", "mobilenet_v2_tested", "resnet18_tested"])
def test_what_was_read_is_written_again(name: str) -> None:
    """What PyTorch exported comes out of n2d2 as a file that computes the same."""
    path = Path(__file__).parent / "torch" / f"{name}.onnx"
    given = onnx.load(path)
    dims = given.graph.input[0].type.tensor_type.shape.dim
    shape = tuple(d.dim_value for d in dims[1:])
    model = n2d2.onnx.load(path)
    check(model, [shape])
    proto = n2d2.onnx.to_model(model)
    assert [i.name for i in proto.graph.input] == [i.name for i in given.graph.input]
    assert [i.name for i in n2d2.onnx.to_model(model, input_names=["image"]).graph.input] == ["image"]
    x = arrays([shape], dims[0].dim_value or 3)
    assert_close(run(proto, x)[0], run(given, x)[0])
