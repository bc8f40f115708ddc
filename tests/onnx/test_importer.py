"""What nodes become: which cells, with which names, and that they compute and learn what the file says."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import n2d2
from n2d2.error_handler import ModelFileError
from support.malformed_onnx import model, small_model, value

RNG = np.random.default_rng(11)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [output], **attributes)


def cells(net: Any) -> list[tuple[str, str, str | None]]:
    found = []
    for cell in net:
        activation = None if cell.activation is None else cell.activation.get_type()
        found.append((cell.get_name(), cell.get_type(), activation))
    return found


def by_runtime(proto: Any, x: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime computes, where onnx's own evaluator does not do what the operator says."""
    runtime = pytest.importorskip("onnxruntime")
    return np.asarray(runtime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0])


def by_evaluator(proto: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(ReferenceEvaluator(proto).run(None, {"x": x})[0])


def compare(proto: Any, net: Any, *shape: int, by: Any = by_evaluator) -> None:
    x = weights(*shape)
    net.test()
    output = net(n2d2.Tensor.from_numpy(x.reshape(*shape, *[1] * (4 - len(shape))))).to_numpy()
    expected = by(proto, x)
    np.testing.assert_allclose(output.reshape(expected.shape), expected, 1e-4, 1e-5)


CONV = {"w": weights(2, 2, 1, 1), "b": weights(2)}
IMAGE = [value("x", [1, 2, 4, 4])]


def test_an_activation_belongs_to_the_cell_that_it_follows() -> None:
    proto = model([node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "y")], IMAGE, CONV)
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("c", "Conv", "Rectifier")]
    compare(proto, net, 1, 2, 4, 4)


def test_an_activation_is_a_cell_where_somebody_else_reads_the_value() -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "r"), node("Add", ["c", "r"], "y")]
    proto = model(nodes, IMAGE, CONV)
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("c", "Conv", None), ("r", "Activation", "Rectifier"), ("y", "ElemWise", None)]
    compare(proto, net, 1, 2, 4, 4)


def test_an_activation_is_a_cell_behind_another_one_and_behind_the_input() -> None:
    nodes = [
        node("Tanh", ["x"], "t"),
        node("Conv", ["t", "w"], "c"),
        node("Sigmoid", ["c"], "s"),
        node("Relu", ["s"], "y"),
    ]
    proto = model(nodes, IMAGE, CONV)
    net = n2d2.onnx.load(proto)
    assert cells(net) == [
        ("t", "Activation", "Tanh"),
        ("c", "Conv", "Logistic"),
        ("y", "Activation", "Rectifier"),
    ]
    compare(proto, net, 1, 2, 4, 4)


def test_an_activation_is_a_cell_where_the_graph_returns_the_value_before_it() -> None:
    proto = model([node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "y")], IMAGE, CONV)
    proto.graph.output.append(value("c", None))
    assert cells(n2d2.onnx.load(proto)) == [("c", "Conv", None), ("y", "Activation", "Rectifier")]


@pytest.mark.parametrize(("op", "first"), [("Add", False), ("Add", True), ("Sub", False)])
def test_a_constant_added_to_each_channel_becomes_the_bias(op: str, first: bool) -> None:
    inputs = ["k", "c"] if first else ["c", "k"]
    nodes = [node("Conv", ["x", "w"], "c"), node(op, inputs, "a"), node("Relu", ["a"], "y")]
    proto = model(nodes, IMAGE, {"w": CONV["w"], "k": weights(2, 1, 1)})
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("c", "Conv", "Rectifier")]
    assert net["c"].has_bias()
    compare(proto, net, 1, 2, 4, 4)


def test_a_constant_is_added_to_a_bias_that_is_there_already() -> None:
    proto = model(
        [node("Conv", ["x", "w", "b"], "c"), node("Add", ["c", "k"], "y")], IMAGE, {**CONV, "k": weights(1, 2, 1, 1)}
    )
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("c", "Conv", None)]
    compare(proto, net, 1, 2, 4, 4)


def test_a_constant_is_no_bias_where_somebody_else_reads_the_value() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Add", ["c", "k"], "a"), node("Mul", ["a", "c"], "y")]
    proto = model(nodes, IMAGE, {"w": CONV["w"], "k": weights(2, 1, 1)})
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("c", "Conv", None), ("a", "ElemWise", None), ("y", "ElemWise", None)]
    compare(proto, net, 1, 2, 4, 4)


def test_a_subtraction_from_a_constant_and_a_zero_that_is_added() -> None:
    nodes = [node("Sub", ["k", "x"], "s"), node("Add", ["s", "z"], "a"), node("Mul", ["a", "f"], "y")]
    constants = {"k": np.float32(3), "z": np.zeros(1, np.float32), "f": weights(2, 1, 1)}
    proto = model(nodes, IMAGE, constants)
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("s", "ElemWise", None), ("y", "Scaling", None)]
    compare(proto, net, 1, 2, 4, 4)


def test_the_shape_that_exporters_compute_is_folded_and_the_batch_stays_open() -> None:
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "zero"], "n", axis=0),
        node("Unsqueeze", ["n", "axes"], "n1"),
        node("Concat", ["n1", "rest"], "target", axis=0),
        node("Reshape", ["x", "target"], "flat"),
        node("Gemm", ["flat", "v"], "y"),
    ]
    constants = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1]), "v": weights(32, 3)}
    proto = model(nodes, [value("x", ["batch", 2, 4, 4])], constants)
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("y", "Fc", None)]
    compare(proto, net, 5, 2, 4, 4)


def test_what_needs_another_shape_gets_a_reshape_with_the_name_of_the_value() -> None:
    nodes = [node("Reshape", ["x", "s"], "r"), node("Conv", ["r", "w"], "y")]
    proto = model(nodes, [value("x", [1, 8])], {"s": np.array([0, 2, 2, 2]), "w": CONV["w"]})
    net = n2d2.onnx.load(proto)
    assert cells(net) == [("r", "Reshape", None), ("y", "Conv", None)]
    compare(proto, net, 1, 8)


def test_values_may_move_between_stimuli_of_a_batch_of_fixed_size() -> None:
    nodes = [node("Reshape", ["x", "s"], "r"), node("Transpose", ["r"], "t", perm=[1, 0]), node("Relu", ["t"], "y")]
    proto = model(nodes, [value("x", [2, 6])], {"s": np.array([3, 4])})
    compare(proto, n2d2.onnx.load(proto), 2, 6)


def test_a_node_that_is_left_out_gives_its_first_input() -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("NonZero", ["c"], "n"), node("Relu", ["n"], "y")]
    net = n2d2.onnx.load(model(nodes, IMAGE, CONV), ignore_cells=["n"])
    assert cells(net) == [("c", "Conv", "Rectifier")]
    with pytest.raises(ModelFileError, match="no node makes 'other'"):
        n2d2.onnx.load(model(nodes, IMAGE, CONV), ignore_cells=["n", "other"])


def test_pads_that_differ_become_a_padding_cell_before_a_convolution_and_a_crop_behind_a_pool() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c", pads=[0, 1, 2, 3]),
        node("MaxPool", ["c"], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 2]),
    ]
    proto = model(nodes, IMAGE, {"w": CONV["w"]})
    net = n2d2.onnx.load(proto)
    assert [c[0] for c in cells(net)] == ["c_padding", "c", "y", "y_crop"]
    compare(proto, net, 2, 2, 4, 4)


POOLS = [
    {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [1, 2], "pads": [2, 0, 0, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [4, 3], "strides": [3, 2], "auto_pad": "SAME_LOWER"},
]


@pytest.mark.parametrize("attributes", POOLS)
def test_pools_with_every_kind_of_padding_learn_by_the_gradient_of_onnx_s_formula(attributes: dict[str, Any]) -> None:
    proto = model([node("MaxPool", ["x"], "y", **attributes)], [value("x", ["batch", 2, 7, 8])])
    net = n2d2.onnx.load(proto)
    compare(proto, net, 3, 2, 7, 8, by=by_runtime)
    # Each output sends its gradient to the pixel that it is equal to: all values differ.
    x = RNG.permutation(112).reshape(1, 2, 7, 8).astype(np.float32)
    tensor = n2d2.Tensor.from_numpy(x)
    y = net(tensor)
    g = weights(*y.shape())
    y.back_propagate(g)
    expected = np.zeros(112)
    for values, gradients in zip(y.to_numpy().ravel(), g.ravel(), strict=True):
        expected[np.flatnonzero(x == values)] += gradients
    first = next(iter(net))
    np.testing.assert_allclose(first.get_diffoutputs().to_numpy().ravel(), expected, 1e-5, 1e-6)


DECONVS = [
    {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    {"strides": [2, 3], "output_padding": [1, 2]},
    {"strides": [2, 2], "pads": [0, 1, 1, 0]},
    {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"strides": [3, 2], "output_shape": [12, 9]},
    {"strides": [2, 1], "dilations": [2, 2], "group": 2},
]


@pytest.mark.parametrize("attributes", DECONVS)
def test_transposed_convolutions(attributes: dict[str, Any]) -> None:
    groups = attributes.get("group", 1)
    constants = {"w": weights(4, 6 // groups, 3, 3), "b": weights(6)}
    proto = model([node("ConvTranspose", ["x", "w", "b"], "y", **attributes)], [value("x", [2, 4, 4, 5])], constants)
    compare(proto, n2d2.onnx.load(proto), 2, 4, 4, 5, by=by_runtime)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groups_of_any_size_compute_and_learn(groups: int) -> None:
    w = weights(12, 6 // groups, 3, 3)
    proto = model([node("Conv", ["x", "w"], "y", group=groups)], [value("x", [1, 6, 5, 5])], {"w": w})
    net = n2d2.onnx.load(proto)
    compare(proto, net, 2, 6, 5, 5)
    x, before = weights(2, 6, 5, 5), net["y"].N2D2().param("weights").copy()
    net.set_solver(n2d2.solver.SGD(learning_rate=1.0))
    y = net.learn()(n2d2.Tensor.from_numpy(x))
    g = weights(*y.shape())
    y.back_propagate(g)
    y.update()
    step = net["y"].N2D2().param("weights") - before
    # The weights of the file, moved by a small step, change the sum of outputs times gradients as the step says.
    change = 1e-2 * weights(*w.shape)

    def total(kernel: np.ndarray) -> float:
        moved = model([node("Conv", ["x", "w"], "y", group=groups)], [value("x", [2, 6, 5, 5])], {"w": kernel})
        return float((np.asarray(ReferenceEvaluator(moved).run(None, {"x": x})[0], float) * g).sum())

    slope = (total(w + change) - total(w - change)) / 2
    dense = np.zeros((12, 6, 3, 3))
    for o in range(12):
        start = o // (12 // groups) * (6 // groups)
        dense[o, start : start + 6 // groups] = change[o]
    own = step * (dense if step.shape[1] == 6 else change)
    assert own.sum() * 2 == pytest.approx(slope, rel=1e-3)


def test_an_imported_network_learns_as_the_same_one_made_by_hand() -> None:
    proto = small_model()
    net = n2d2.onnx.load(proto)
    known = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    relu = n2d2.activation.Rectifier()
    conv = n2d2.cells.Conv(2, 3, [3, 3], padding_dims=[1, 1], activation=relu)
    fc = n2d2.cells.Fc(12, 4, no_bias=True)
    conv.N2D2().set_param("weights", known["w"])
    conv.N2D2().set_param("bias", known["b"])
    fc.N2D2().set_param("weights", known["v"])
    pool = n2d2.cells.Pool2d([2, 2], stride_dims=[2, 2])
    own = n2d2.cells.Sequence([conv, pool, fc, n2d2.cells.Softmax(with_loss=True)])
    for trained in (net, own):
        trained.set_solver(n2d2.solver.SGD(learning_rate=0.1, momentum=0.9))
        trained.learn()
    before = conv.N2D2().param("weights").copy()
    for _ in range(3):
        x, g = weights(5, 2, 4, 4), weights(5, 4, 1, 1)
        for trained in (net, own):
            y = trained(n2d2.Tensor.from_numpy(x))
            y.back_propagate(g)
            y.update()
    assert np.abs(conv.N2D2().param("weights") - before).max() > 1e-3
    for name, cell in (("c", conv), ("g", fc)):
        np.testing.assert_array_equal(net[name].N2D2().param("weights"), cell.N2D2().param("weights"))


def test_batch_normalisation_keeps_onnx_s_weight_of_the_old_statistics() -> None:
    constants = {n: np.abs(weights(2)) for n in ("scale", "bias", "mean", "var")}
    nodes = [node("BatchNormalization", ["x", *constants], "y", momentum=0.75, epsilon=1e-3)]
    net = n2d2.onnx.load(model(nodes, IMAGE, constants))
    assert net["y"].moving_average_momentum == pytest.approx(0.25)
    assert net["y"].epsilon == pytest.approx(1e-3)
    compare(model(nodes, IMAGE, constants), net, 1, 2, 4, 4)


@pytest.mark.parametrize(
    ("opset", "axis", "shape"), [(11, 1, (2, 3, 2, 2)), (13, -1, (2, 5)), (13, 2, (2, 3, 4)), (13, 1, (2, 3, 2, 2))]
)
def test_softmax_goes_along_the_axis_of_its_version_and_rank(opset: int, axis: int, shape: tuple[int, ...]) -> None:
    proto = model([node("Softmax", ["x"], "y", axis=axis)], [value("x", shape)], opset=opset)
    compare(proto, n2d2.onnx.load(proto), *shape, by=by_runtime)


RESIZES = [
    {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    {"mode": "nearest"},
    {"mode": "linear"},
    {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    {"mode": "cubic", "cubic_coeff_a": -0.5},
    {"mode": "linear", "antialias": 1},
]


@pytest.mark.parametrize("attributes", RESIZES)
@pytest.mark.parametrize("scales", [(2.0, 3.0), (0.5, 0.6)])
def test_resizing_in_every_mode_has_the_gradient_of_a_linear_map(
    attributes: dict[str, Any], scales: tuple[float, float]
) -> None:
    constants = {"s": np.array([1, 1, *scales], np.float32)}
    proto = model([node("Resize", ["x", "", "s"], "y", **attributes)], [value("x", [1, 2, 6, 5])], constants, 18)
    net = n2d2.onnx.load(proto)
    compare(proto, net, 1, 2, 6, 5)
    x = weights(1, 2, 6, 5)
    y = net(n2d2.Tensor.from_numpy(x))
    g = weights(*y.shape())
    y.back_propagate(g)
    back = next(iter(net)).get_diffoutputs().to_numpy()
    assert float((back * x).sum()) == pytest.approx(float((y.to_numpy() * g).sum()), rel=1e-3, abs=1e-3)


def test_joins_and_transpositions_of_image_axes() -> None:
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 1, 3, 2]),
        node("Concat", ["x", "t"], "j", axis=2),
        node("Concat", ["j", "j"], "y", axis=1),
    ]
    proto = model(nodes, IMAGE)
    compare(proto, n2d2.onnx.load(proto), 2, 2, 4, 4)


UNIQUE = (
    "node 'several' (Unique): the operator Unique is not supported; replace it, or leave the node out with "
    "ignore_cells=['y']"
)


def test_what_is_wrong_is_said_with_the_node_what_was_found_and_what_is_supported() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="late"),
        helper.make_node("MaxPool", ["v"], ["s"], name="volume", kernel_shape=[1, 1, 1], auto_pad="SAME_UPPER"),
        helper.make_node("Unique", ["x"], ["y"], name="several"),
    ]
    proto = model(nodes, [*IMAGE, value("k", [2, 2, 1, 1]), value("v", [1, 1, 2, 2, 2])])
    with pytest.raises(ModelFileError) as caught:
        n2d2.onnx.load(proto)
    assert caught.value.problems == [
        "node 'late' (Conv): input 1 is computed at run time; supported: a constant; store it in the file",
        "node 'volume' (MaxPool): 'auto_pad' is SAME_UPPER of a dilated window or a volume; supported: 'pads'",
        UNIQUE,
    ]


def test_a_shape_for_an_open_input() -> None:
    proto = model([node("Relu", ["x"], "y")], [value("x", ["n", 2, "h", "w"])])
    with pytest.raises(ModelFileError, match=r"input 'x' has shape \['n', 2, 'h', 'w'\]: only the batch may be open"):
        n2d2.onnx.load(proto)
    assert n2d2.onnx.load(proto, input_shapes={"x": [1, 2, 3, 5]})(n2d2.Tensor([4, 2, 3, 5])).shape() == [4, 2, 3, 5]
    with pytest.raises(ModelFileError, match="a shape is given for input 'z', the inputs of the file are 'x'"):
        n2d2.onnx.load(proto, input_shapes={"z": [1]})


def test_several_inputs_and_outputs() -> None:
    nodes = [node("Add", ["x", "z"], "y"), node("Sub", ["x", "z"], "d")]
    proto = model(nodes, [value("x", [1, 2]), value("z", [1, 2])])
    proto.graph.output.append(value("d", None))
    net = n2d2.onnx.load(proto)
    a, b = n2d2.Tensor([3, 2], value=5.0), n2d2.Tensor([3, 2], value=2.0)
    total, difference = net(n2d2.Interface([a, b]))
    assert (total[0], difference[0]) == (7.0, 3.0)


def test_the_generator_is_not_moved() -> None:
    n2d2.global_variables.seed = 1
    first = n2d2.cells.Fc(2, 2).get_weight(0, 0)[0]
    n2d2.global_variables.seed = 1
    n2d2.onnx.load(small_model())
    assert n2d2.cells.Fc(2, 2).get_weight(0, 0)[0] == first


COMPOSED: dict[str, tuple[list[Any], tuple[int, ...], dict[str, Any]]] = {
    "a dense layer at each place": (
        [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")],
        (3, 4),
        {"w": weights(4, 5), "b": weights(5)},
    ),
    "instance normalisation": (
        [node("InstanceNormalization", ["x", "s", "b"], "y")],
        (3, 4, 4),
        {"s": weights(3), "b": weights(3)},
    ),
    "layer normalisation": (
        [node("LayerNormalization", ["x", "s", "b"], "y", axis=-1)],
        (3, 8),
        {"s": weights(8), "b": weights(8)},
    ),
    "attention": (
        [
            node("Transpose", ["x"], "t", perm=[0, 2, 1]),
            node("MatMul", ["x", "t"], "s"),
            node("Softmax", ["s"], "p", axis=-1),
            node("MatMul", ["p", "x"], "y"),
        ],
        (3, 4),
        {},
    ),
    "split and join": (
        [
            helper.make_node("Split", ["x", "n"], ["a", "b"], axis=1),
            node("Mul", ["a", "b"], "m"),
            node("Concat", ["m", "a"], "y", axis=1),
        ],
        (6, 3, 3),
        {"n": np.array([3, 3])},
    ),
    "average without padding": (
        [node("AveragePool", ["x"], "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        (3, 5, 5),
        {},
    ),
    "shuffled channels": (
        [
            node("Reshape", ["x", "s"], "r"),
            node("Transpose", ["r"], "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", ["t", "q"], "y"),
        ],
        (6, 3, 3),
        {"s": np.array([0, 2, 3, 3, 3]), "q": np.array([0, 6, 3, 3])},
    ),
    "squeeze and excitation": (
        [
            node("GlobalAveragePool", ["x"], "p"),
            node("Conv", ["p", "w"], "c"),
            node("HardSigmoid", ["c"], "s"),
            node("Mul", ["x", "s"], "y"),
        ],
        (3, 4, 4),
        {"w": weights(3, 3, 1, 1)},
    ),
    "slices with steps": (
        [node("Slice", ["x", "b", "e", "a", "s"], "y")],
        (3, 6, 5),
        {"b": np.array([1, 5]), "e": np.array([5, -9]), "a": np.array([2, 3]), "s": np.array([2, -2])},
    ),
    "reflected borders": (
        [node("Pad", ["x", "p"], "y", mode="reflect")],
        (2, 4, 4),
        {"p": np.array([0, 0, 1, 2, 0, 0, 2, 1])},
    ),
    "sums": ([node("ReduceSum", ["x", "a"], "r", keepdims=0), node("Exp", ["r"], "y")], (3, 4), {"a": np.array([1])}),
    "logarithm of a softmax": ([node("LogSoftmax", ["x"], "y", axis=-1)], (3, 4), {}),
    "a transposed NHWC input": (
        [node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], "y")],
        (4, 4, 2),
        {"w": weights(3, 2, 3, 3)},
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_networks_take_any_batch_and_send_the_gradient_back(name: str) -> None:
    nodes, shape, constants = COMPOSED[name]
    proto = model(nodes, [value("x", ["batch", *shape])], constants)
    net = n2d2.onnx.load(proto)
    compare(proto, net, 3, *shape)
    x = weights(2, *shape, *[1] * (3 - len(shape)))
    tensor = n2d2.Tensor.from_numpy(x)
    y = net(tensor)
    g, direction = weights(*y.shape()), weights(*x.shape)
    y.back_propagate(g)
    gradient = tensor._as_var("test").grad()
    assert gradient is not None

    def total(step: float) -> float:
        moved = net(n2d2.Tensor.from_numpy((x + step * direction).astype(np.float32)))
        return float((moved.to_numpy().astype(float) * g).sum())

    slope = (total(1e-2) - total(-1e-2)) / 2e-2
    scale = float(np.abs(gradient).sum())
    assert float((gradient.reshape(x.shape) * direction).sum()) == pytest.approx(slope, abs=2e-3 * scale)


def test_a_product_of_vectors_is_a_scalar() -> None:
    net = n2d2.onnx.load(model([node("MatMul", ["a", "b"], "y")], [value("a", [3]), value("b", [3])]))
    a, b = (n2d2.Tensor.from_numpy(np.array(v, np.float32)) for v in ([1, 2, 3], [4, 5, 6]))
    assert net([a, b]).to_numpy().ravel().tolist() == [32.0]
