"""Arithmetic of several values: `Add`, `Sub`, `Mul`, `Div`, `Sum`, `Max`, `Mean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells
from n2d2.onnx.node import Data
from n2d2.onnx.registry import reads, writes
from n2d2.onnx.weights import with_bias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Constant, Node

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


def with_constant(node: Node, operation: str, x: Data, constant: Constant, first: bool = False) -> Data:
    """Combines data with a constant.

    Arguments:
        node (Node): The node.
        operation (str): `Add`, `Sub`, `Mul` or `Div`.
        x (Data): The data.
        constant (numpy.ndarray): The constant, which may have to be broadcast.
        first (bool, optional): True if the constant is the first operand, default=False.
    """
    values = _by_channel(constant, x.shape)
    if values is not None:
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
            }.get((operation, first), (zero, zero))
        if (operation, first) != ("Div", True) and np.isfinite(weight).all():
            if (weight == 1).all():
                if not shift.any():
                    return node.renamed(x)
                biased = with_bias(node, x, shift)
                if biased is not None:
                    return biased
            return _affine(node, x, weight, shift)
    return node.unsupported(
        f"{operation} of data {list(x.shape)} and a constant {list(constant.shape)}",
        "one number for all, or one a channel",
    )


def _combined(node: Node, operation: str, values: Sequence[Data], weights: Sequence[float] = (1.0,)) -> Data:
    from n2d2.cells.elem_wise import ElemWise

    shapes = [list(v.shape) for v in values]
    if any(s != shapes[0] for s in shapes):
        node.unsupported(f"{node.op} of data of shapes {shapes}", "data of one shape")
    cell = ElemWise(operation=operation, weights=list(weights), name=node.importer.free_name(node.name))
    return node.call(cell, *values)


@reads("Add", "Sub", "Mul", "Div")
def binary(node: Node) -> Data:
    """Two operands, which broadcast as in NumPy."""
    left, right = node.value(0), node.value(1)
    if isinstance(left, Data) and isinstance(right, Data):
        if node.op == "Div":
            node.unsupported("the divisor is computed at run time", "a constant")
        weights = (1.0, -1.0) if node.op == "Sub" else (1.0,)
        return _combined(node, "Prod" if node.op == "Mul" else "Sum", [left, right], weights)
    if isinstance(left, Data):
        return with_constant(node, node.op, left, node.constant(1))
    return with_constant(node, node.op, node.data(1), node.constant(0), first=True)


@reads("Sum", "Max", "Mean")
def several(node: Node) -> Data:
    """Any number of operands."""
    values = [node.data(i) for i in range(len(node.values))]
    if len(values) == 1:
        return node.renamed(values[0])
    weights = [1.0 / len(values)] * len(values) if node.op == "Mean" else [1.0]
    return _combined(node, "Max" if node.op == "Max" else "Sum", values, weights)


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
