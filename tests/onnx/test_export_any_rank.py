"""Export of the cells that take tensors of any rank, and of local response normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import n2d2
from n2d2 import activation
from n2d2.cells import LRN, Arithmetic, Block, Conv, Fc, Function, MatMul, Rearrange, Reduce, Sequence
from n2d2.error_handler import ModelFileError
from support.exported import arrays, assert_close, check, computed, run

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = (4, 5, 3)
BY_CHANNEL = np.array([0.5, -1.5, 2.0, 3.0], np.float32).reshape(4, 1, 1)

CELLS: dict[str, tuple[Callable[[], Any], list[tuple[int, ...]]]] = {
    "constant added": (lambda: Arithmetic(constant=BY_CHANNEL), [IMAGE]),
    "constant divided": (lambda: Arithmetic(operation="Div", constant=BY_CHANNEL, constant_first=True), [IMAGE]),
    "pixels multiplied": (
        lambda: Arithmetic(operation="Mul", constant=np.arange(15, dtype=np.float32).reshape(5, 3)),
        [IMAGE],
    ),
    "of two shapes": (lambda: Arithmetic(operation="Sub"), [IMAGE, (4, 1, 1)]),
    "mean of three": (lambda: Arithmetic(operation="Mean"), [IMAGE, (1, 5, 1), IMAGE]),
    "minimum": (lambda: Arithmetic(operation="Min", activation=activation.Tanh()), [IMAGE, IMAGE]),
    "slopes": (lambda: Arithmetic(operation="PRelu", constant=BY_CHANNEL), [IMAGE]),
    "squared": (lambda: Arithmetic(operation="Pow", constant=2.0), [IMAGE]),
    "remainder of the dividend": (lambda: Arithmetic(operation="Fmod", constant=0.3), [IMAGE]),
    "lrn": (lambda: LRN(n=3, alpha=0.5, beta=0.6, k=1.5), [IMAGE]),
    "mean of rows": (lambda: Reduce(axes=[2]), [IMAGE]),
    "sum of channels and columns": (lambda: Reduce(operation="Sum", axes=[-1, 1], keepdims=False), [IMAGE]),
    "length": (lambda: Reduce(operation="L2", axes=[1, 2, 3]), [IMAGE]),
    "shuffled": (
        lambda: Rearrange(np.random.default_rng(1).permutation(60), [3, 4, 5], per_sample=True),
        [IMAGE],
    ),
    "of two with gaps": (lambda: Rearrange([5, -1, 0, 63, 60, 60], [6], per_sample=True, fill=2.5), [IMAGE, (4,)]),
}

FUNCTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("Abs", "Atan", "Cos", "Erf", "Exp", "Floor", "Neg", "Round", "Sign", "Sinh", "Tanh")),
    *((name, {}) for name in ("Ceil", "HardSwish", "Relu", "Sigmoid", "Sin", "Softplus", "Softsign")),
    ("Celu", {"alpha": 0.7}),
    ("Clip", {"minimum": -0.3}),
    ("Clip", {"minimum": -0.3, "maximum": 0.9}),
    ("Elu", {"alpha": 0.7}),
    ("HardSigmoid", {"alpha": 0.3}),
    ("LeakyRelu", {"alpha": 0.3}),
    ("Selu", {"gamma": 1.2}),
    ("Shrink", {"bias": 0.1, "lambd": 0.4}),
    ("Swish", {"alpha": 0.6}),
    ("ThresholdedRelu", {"alpha": 0.4}),
]


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_alone(name: str) -> None:
    make, shapes = CELLS[name]
    check(make(), shapes)


@pytest.mark.parametrize(("name", "parameters"), FUNCTIONS)
def test_a_function(name: str, parameters: dict[str, float]) -> None:
    # The importer makes activations of these, whose loops round in another way.
    check(Function(name, **parameters), [IMAGE], same_bits=name not in ("Sigmoid", "Swish", "Tanh"))


@pytest.mark.parametrize(
    ("name", "parameters", "opsets"),
    [
        ("Gelu", {}, (13, 17, 20)),
        ("Gelu", {"approximate": "tanh"}, (13, 20)),
        ("HardSwish", {}, (13, 14)),
        ("Mish", {}, (13, 18)),
        ("Swish", {}, (13, 20)),
        ("Swish", {"alpha": 2.0}, (13, 20)),
    ],
)
def test_a_function_that_early_operators_do_not_have(
    name: str, parameters: dict[str, Any], opsets: tuple[int, ...]
) -> None:
    """It is put together from those that they have."""
    for opset in opsets:
        check(Function(name, **parameters), [IMAGE], same_bits=False, opset=opset)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("operation", ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare"])
def test_reductions_along_some_axes_or_none(operation: str, opset: int) -> None:
    for axes in ([], [1], [2, -1]):
        # A network of nothing but an Identity has no cell to read back.
        back = bool(axes)
        check(Reduce(operation=operation, axes=axes, keepdims=False), [IMAGE], back=back, same_bits=False, opset=opset)


def test_the_identity() -> None:
    proto = check(Sequence([Conv(4, 2, [1, 1], name="conv"), Function("Identity", name="same")]), [IMAGE])
    assert [n.name for n in proto.graph.node] == ["conv", "same"]


def test_remainder_of_the_divisor() -> None:
    """ONNX has it for integers only: it is computed in steps."""
    proto = check(Arithmetic(operation="Mod", constant=-0.3, name="mod"), [IMAGE], same_bits=False)
    assert [n.op_type for n in proto.graph.node] == ["Div", "Floor", "Mul", "Sub"]


@pytest.mark.parametrize("opset", [13, 18])
def test_reductions_changed_with_opset_18(opset: int) -> None:
    check(Reduce(operation="Max", axes=[3]), [IMAGE], opset=opset)
    check(Reduce(operation="Sum", axes=[3]), [IMAGE], opset=opset)


class Attention(Block):
    """Weights every pixel by products of matrices, behind a layer of four axes and before one of two."""

    def __init__(self) -> None:
        self.conv = Conv(4, 4, [1, 1], name="conv")
        self.rows = Rearrange(np.arange(60), [4, 15], per_sample=True, name="rows")
        self.columns = Rearrange(np.arange(60).reshape(4, 15).T.ravel(), [15, 4], per_sample=True, name="columns")
        self.product = MatMul(name="product")
        self.scale = Arithmetic(operation="Mul", constant=0.5, name="scale")
        self.largest = Reduce(operation="Max", axes=[2], keepdims=False, name="largest")
        self.values = Rearrange(np.arange(4), [4, 1, 1], per_sample=True, name="values")
        self.fc = Fc(4, 3, name="fc")
        parts = [self.conv, self.rows, self.columns, self.product, self.scale, self.largest, self.values, self.fc]
        super().__init__(parts, name="attention")

    def __call__(self, inputs: Any) -> Any:
        y = self.conv(inputs)
        weights = self.scale(self.product([self.rows(y), self.columns(y)]))
        return self.fc(self.values(self.largest(weights)))


def test_other_ranks_between_cells() -> None:
    proto = check(Attention(), [IMAGE], back=False)
    assert "MatMul" in [n.op_type for n in proto.graph.node]


def test_flat_values_get_the_axes_that_the_engine_sees() -> None:
    """Behind a Gemm there are two axes, where the engine has four: an axis of a constant must not move."""
    model = Sequence([Fc(6, 4, name="fc"), Arithmetic(constant=BY_CHANNEL, name="add"), Reduce(axes=[1], name="mean")])
    proto = n2d2.onnx.to_model(model, input_shape=[6])
    x = arrays([(6,)], 3)
    got, (wanted,) = run(proto, x)[0], computed(model, x)
    assert got.shape == wanted.shape
    assert_close(got, wanted)


def test_an_input_with_two_axes() -> None:
    check(Arithmetic(operation="Max", constant=[0.0, 0.1, 0.2]), [(3,)], back=False)


def test_what_mixes_stimuli_cannot_be_written() -> None:
    model = Sequence(
        [
            Rearrange([1, 0], [1, 2], name="whole"),
            Arithmetic(constant=np.ones((2, 1), np.float32), name="more"),
            Reduce(name="all"),
        ],
        name="net",
    )
    with pytest.raises(ModelFileError) as raised:
        n2d2.onnx.to_model(model, input_shape=[2])
    assert [p[:60] for p in raised.value.problems] == [
        "cell 'whole' (Rearrange): its indices count the values of a ",
        "cell 'more' (Arithmetic): it makes [2, 2] of one stimulus, w",
        "cell 'all' (Reduce): it reduces the first axis, which is the",
    ]
