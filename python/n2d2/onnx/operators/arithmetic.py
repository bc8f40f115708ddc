"""Arithmetic of values that broadcast: `Add`, `Sub`, `Mul`, `Div`, `Pow`, `Mod`, `PRelu`; `Sum`, `Mean`, `Min`, `Max`.

Constants become biases, factors or shifts of channels where they fit; the rest is left to Arithmetic cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.activation import Rectifier
from n2d2.onnx.node import Data, engine_shape
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.weights import with_bias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Constant, Node, Value

    Floats = NDArray[np.float32]


def _by_channel(constant: Constant, shape: Sequence[int]) -> Floats | None:
    """One number a channel, if a constant has no more than that and broadcasts to the shape of the data."""
    if constant.ndim > len(shape):
        return None
    dims = [1] * (len(shape) - constant.ndim) + list(constant.shape)
    fits = all(d == 1 or (i == 1 and d == shape[1]) for i, d in enumerate(dims))
    if not fits or not shape:
        return None
    channels = shape[1] if len(shape) > 1 else 1
    with np.errstate(over="ignore"):
        values = np.broadcast_to(np.asarray(constant, np.float32).ravel(), (channels,)).copy()
    return values if np.isfinite(values).all() else None


def _affine(node: Node, x: Data, weight: Floats, shift: Floats) -> Data:
    """`weight x + shift`, a number a channel each."""
    from n2d2.cells.elem_wise import ElemWise
    from n2d2.cells.scaling import Scaling
    from n2d2.scaling import FloatingPointScaling

    name = node.importer.free_name(node.name)
    if (weight == weight[0]).all() and (shift == shift[0]).all():
        cell = ElemWise(operation="Sum", weights=[float(weight[0])], shifts=[float(shift[0])], name=name)
        return node.call(cell, x, align=False)
    if not shift.any():
        return node.call(Scaling(FloatingPointScaling([float(w) for w in weight]), name=name), x)
    mode = {"mode": "PerChannel", "weights": [float(w) for w in weight], "shifts": [float(s) for s in shift]}
    return node.call(ElemWise(operation="Sum", name=name, **mode), x)  # type: ignore[arg-type]


def with_constant(node: Node, operation: str, x: Data, constant: Constant, *, first: bool = False) -> Data:
    """Combines data with a constant.

    Arguments:
        node (Node): The node.
        operation (str): An operation of `n2d2.cells.Arithmetic`.
        x (Data): The data.
        constant (numpy.ndarray): The constant, which may have to be broadcast.
        first (bool, optional): True if the constant is the first operand, default=False.
    """
    values = _by_channel(constant, x.shape)
    linear = ("Add", "Sub", "Mul") if first else ("Add", "Sub", "Mul", "Div")
    if values is not None and operation in linear:
        one, zero = np.ones_like(values), np.zeros_like(values)
        with np.errstate(divide="ignore"):
            weight, shift = {
                ("Add", False): (one, values),
                ("Add", True): (one, values),
                ("Sub", False): (one, -values),
                ("Sub", True): (-one, values),
                ("Mul", False): (values, zero),
                ("Mul", True): (values, zero),
                ("Div", False): (one / values, zero),
            }[operation, first]
        if np.isfinite(weight).all():
            if (weight == 1).all():
                if not shift.any():
                    return node.renamed(x)
                biased = with_bias(node, x, shift)
                if biased is not None:
                    return biased
            return _affine(node, x, weight, shift)
    return broadcast(node, operation, [x], constant, first=first)


def broadcast(
    node: Node,
    operation: str,
    values: Sequence[Data],
    constant: Constant | None = None,
    *,
    first: bool = False,
    name: str | None = None,
) -> Data:
    """Combines values of different shapes by an Arithmetic cell.

    Arguments:
        node (Node): The node that wants it.
        operation (str): An operation of `n2d2.cells.Arithmetic`.
        values (list of Data): The operands.
        constant (numpy.ndarray, optional): One more operand, default=None.
        first (bool, optional): True if the constant is the first operand, default=False.
        name (str, optional): Name of the cell, default=None (that of the node).
    """
    from n2d2.cells.arithmetic import Arithmetic

    shapes = [v.shape for v in values] + ([] if constant is None else [constant.shape])
    shape = np.broadcast_shapes(*shapes)
    rank = len(shape)
    if rank > 4 and any(v.shape != shape for v in values):
        node.unsupported(f"{operation} of shapes {[list(s) for s in shapes]}", "broadcasting of at most four axes")
    placed = [node.placed(v, [1] * (rank - v.rank) + list(v.shape)) for v in values]
    operand = None
    if constant is not None:
        with np.errstate(over="ignore"):
            operand = np.asarray(constant, np.float32)
        operand = operand.reshape([1] * (rank - operand.ndim) + list(operand.shape))
        if rank > 4:
            operand = np.broadcast_to(operand, [*operand.shape[:3], *shape[3:]])
        operand = operand.reshape(engine_shape(operand.shape))
    own = node.importer.free_name(name or node.name)
    cell = Arithmetic(operation=operation, constant=operand, constant_first=first, name=own)
    return node.call(cell, *placed, shape=shape)


def _combined(node: Node, operation: str, values: Sequence[Data], weights: Sequence[float] = (1.0,)) -> Data:
    from n2d2.cells.elem_wise import ElemWise

    cell = ElemWise(operation=operation, weights=list(weights), name=node.importer.free_name(node.name))
    return node.call(cell, *values)


@reads("Add", "Sub", "Mul", "Div", "Pow", "Mod")
def binary(node: Node) -> Data:
    """Two operands, which broadcast as in NumPy."""
    left, right = node.value(0), node.value(1)
    operation = "Fmod" if node.op == "Mod" and node.attribute("fmod", 0) else node.op
    if node.op == "Div" and node.dtype.kind in "iu":
        from n2d2.onnx.operators.logic import divide_integers

        return divide_integers(node)
    if node.opset < 7:
        right = _at_axis(node, left, right)
    if isinstance(left, Data) and isinstance(right, Data):
        if left.shape == right.shape and node.op in ("Add", "Sub", "Mul"):
            weights = (1.0, -1.0) if node.op == "Sub" else (1.0,)
            return _combined(node, "Prod" if node.op == "Mul" else "Sum", [left, right], weights)
        return broadcast(node, operation, [left, right])
    if isinstance(left, Data):
        return with_constant(node, operation, left, np.asarray(right))
    return with_constant(node, operation, node.data(1), node.constant(0), first=True)


def _at_axis(node: Node, left: Value, right: Value) -> Value:
    """The second operand with axes of size one, so that it broadcasts as it did before opset 7: from an axis on."""
    rank, own = len(left.shape), len(right.shape)
    axis = node.attribute("axis", rank - own)
    if not node.attribute("broadcast", 0) or own in (0, rank):
        return right
    shape = [*right.shape, *[1] * (rank - own - node.axis(axis, rank))]
    return node.renamed(right, shape) if isinstance(right, Data) else right.reshape(shape)


@reads("PRelu")
def prelu(node: Node) -> Data:
    """`x` above 0, else `slope x`."""
    x, slope = node.data(0), node.value(1)
    if isinstance(slope, Data):
        return broadcast(node, "PRelu", [x, slope])
    if slope.size == 1:
        return node.activated(x, Rectifier(leak_slope=float(slope.ravel()[0])))
    if node.opset < 7 and slope.ndim == 1 and x.rank > 1:
        slope = slope.reshape(-1, *[1] * (x.rank - 2))  # One a channel, before slopes could broadcast.
    return broadcast(node, "PRelu", [x], slope)


@reads("Sum", "Mean", "Min", "Max")
def several(node: Node) -> Data:
    """Any number of operands, which broadcast as in NumPy."""
    values = [node.value(i) for i in range(len(node.values))]
    data = [v for v in values if isinstance(v, Data)]
    constants = [v for v in values if not isinstance(v, Data)]
    if len(constants) > 1:
        node.unsupported(f"{len(constants)} constants", "one constant beside data")
    if len(values) == 1:
        return node.renamed(data[0])
    if not constants and all(d.shape == data[0].shape for d in data) and node.op in ("Sum", "Max"):
        return _combined(node, node.op, data)
    return broadcast(node, node.op, data, constants[0] if constants else None)


@writes(cells.ElemWise)
def write_elem_wise(call: CellCall) -> Operand:
    """Coefficients become nodes of their own, where they are not 1 and 0."""
    cell, values = call.cell, call.alike()
    count = len(values)
    weights = [*cell.weights[:count], *[1.0] * (count - len(cell.weights))]
    shifts = [*cell.shifts[:count], *[0.0] * (count - len(cell.shifts))]
    match cell.operation:
        case "Prod":
            return _reduced(call, "Mul", values)
        case "Max":
            return call.node("Max", values) if count > 1 else values[0]
        case "Sum" if cell.mode == "PerChannel":
            return _total(call, [_moved(call, x, cell.weights, cell.shifts, i) for i, x in enumerate(values)])
        case "Sum" if weights == [1.0, -1.0] and not any(shifts):
            return call.node("Sub", values)
        case "AbsSum":
            values = [call.node("Abs", [x], f"abs_{i}") for i, x in enumerate(values)]
            shifts = [0.0] * count
        case "EuclideanSum":
            values = [call.node("Mul", [x, x], f"square_{i}") for i, x in enumerate(values)]
            weights, shifts = [w * w for w in weights], [s * s for s in shifts]
    moved = [_moved(call, x, weights[i], shifts[i], i) for i, x in enumerate(values)]
    if cell.operation == "EuclideanSum":
        return call.node("Sqrt", [_total(call, moved, "squares")])
    return _total(call, moved)


def _moved(call: CellCall, x: Operand, weight: ArrayLike, shift: ArrayLike, i: int) -> Operand:
    """`weight x + shift`, numbers for all or one a channel."""
    if np.any(np.asarray(weight) != 1):
        x = call.node("Mul", [x, call.by_channel(weight, f"weight_{i}", x)], f"weighted_{i}")
    if np.any(np.asarray(shift) != 0):
        x = call.node("Add", [x, call.by_channel(shift, f"shift_{i}", x)], f"shifted_{i}")
    return x


def _total(call: CellCall, values: Sequence[Operand], suffix: str = "") -> Operand:
    """The sum."""
    if len(values) == 1:
        return values[0]
    return call.node("Add" if len(values) == 2 else "Sum", values, suffix)


def _reduced(call: CellCall, operator: str, values: Sequence[Operand]) -> Operand:
    """An operator of two operands, applied from the first one on."""
    result = values[0]
    for i, x in enumerate(values[1:], start=2):
        result = call.node(operator, [result, x], "" if i == len(values) else f"of_{i}")
    return result


@writes(cells.Arithmetic)
def write_arithmetic(call: CellCall) -> Operand:
    """The operator of the same name, but for the remainders."""
    cell = call.cell
    read: list[Operand | str] = list(call.whole())
    if cell.constant is not None:
        read.insert(0 if cell.constant_first else len(read), call.constant(cell.constant, "constant"))
    if cell.operation == "Fmod":
        return call.node("Mod", read, sizes=call.sizes, fmod=1)
    if cell.operation != "Mod":
        return call.node(cell.operation, read, sizes=call.sizes)
    # ONNX has this remainder for integers only.
    quotient = call.node("Floor", [call.node("Div", read, "quotient", call.sizes)], "floor")
    return call.node("Sub", [read[0], call.node("Mul", [read[1], quotient], "multiple", call.sizes)], sizes=call.sizes)
