"""Operators without a useful derivative: casts, comparisons, logic, places of values, quantisation.

NumPy computes them, and no gradient goes through them: see `n2d2.onnx.array_cell.ArrayCell`. Casts between types of
floating point change nothing and let gradients pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2.onnx.array_cell import computed, with_constants
from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from n2d2.onnx.node import Data, Node, Value

    Array = NDArray[Any]


def _plain(dtype: np.dtype[Any]) -> bool:
    """True for the numbers of NumPy itself."""
    return dtype.kind in "iub" or dtype.name in ("float16", "float32", "float64")


def _dtype(node: Node, kind: int) -> np.dtype[Any]:
    import onnx

    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    except (KeyError, ValueError):
        dtype = np.dtype(object)
    if not _plain(dtype):
        name = onnx.TensorProto.DataType.Name(kind) if kind in onnx.TensorProto.DataType.values() else str(kind)
        node.unsupported(f"a cast to {name}", "casts between float, int, uint and bool")
    return dtype


def _cast(node: Node, x: Data, dtype: np.dtype[Any]) -> Data:
    if not _plain(x.dtype):
        node.unsupported(f"a cast from {x.dtype}", "casts between float, int, uint and bool")
    if x.dtype == dtype or (x.dtype.kind == "f" and dtype.kind == "f" and dtype.itemsize >= x.dtype.itemsize):
        return node.renamed(x)
    return computed(node, lambda a: a.astype(dtype), x)


@reads("Cast")
def cast(node: Node) -> Data:
    """Another element type; floats are cut towards zero."""
    node.ignore("saturate", "round_mode")
    return _cast(node, node.data(0), _dtype(node, node.attribute("to", 1)))


@reads("CastLike")
def cast_like(node: Node) -> Value:
    """The element type of another value."""
    node.ignore("saturate", "round_mode")
    dtype = node.value(1).dtype
    if not _plain(np.dtype(dtype)):
        node.unsupported(f"a cast to {dtype}", "casts between float, int, uint and bool")
    x = node.value(0)
    return x.astype(dtype) if isinstance(x, np.ndarray) else _cast(node, x, np.dtype(dtype))


_BINARY: dict[str, Callable[..., Array]] = {
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
}


@reads(*_BINARY)
def binary(node: Node) -> Data:
    """Comparisons and logic of two values, with broadcasting."""
    return with_constants(node, _BINARY[node.op])


@reads("Not", "BitwiseNot", "IsNaN")
def unary(node: Node) -> Data:
    """Logic of one value."""
    functions = {"Not": np.logical_not, "BitwiseNot": np.bitwise_not, "IsNaN": np.isnan}
    return computed(node, functions[node.op], node.data(0))


@reads("IsInf")
def is_inf(node: Node) -> Data:
    """Infinite values, of one sign or of both."""
    negative, positive = node.attribute("detect_negative", 1), node.attribute("detect_positive", 1)
    return computed(
        node, lambda a: np.isinf(a) & (((a < 0) & bool(negative)) | ((a > 0) & bool(positive))), node.data(0)
    )


@reads("BitShift")
def bit_shift(node: Node) -> Data:
    """Bits to the left or to the right."""
    left = node.attribute("direction", "LEFT") == "LEFT"
    return with_constants(node, np.left_shift if left else np.right_shift)


@reads("Where")
def where(node: Node) -> Data:
    """One value or another; no gradient goes through it."""

    def chosen(condition: Array, x: Array, y: Array) -> Array:
        return np.where(condition, x, y)

    return with_constants(node, chosen)


@reads("ArgMax", "ArgMin")
def arg(node: Node) -> Data:
    """The place of the largest or smallest value along an axis."""
    x = node.data(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    keep, last = bool(node.attribute("keepdims", 1)), bool(node.attribute("select_last_index", 0))
    find = np.argmax if node.op == "ArgMax" else np.argmin

    def places(a: Array) -> Array:
        found = a.shape[axis] - 1 - find(np.flip(a, axis), axis=axis) if last else find(a, axis=axis)
        return np.expand_dims(found, axis) if keep else found

    return computed(node, places, x)


def divide_integers(node: Node) -> Data:
    """Quotients without what is behind the point; no gradient goes through it."""

    def quotients(a: Array, b: Array) -> Array:
        with np.errstate(divide="ignore"):
            whole: Array = np.floor_divide(a, b)
        rounded: Array = whole + ((np.remainder(a, np.where(b == 0, 1, b)) != 0) & ((a < 0) != (b < 0)))
        return rounded

    return with_constants(node, quotients)


def gather_by(node: Node) -> Data:
    """Parts of an axis that are chosen at run time; no gradient goes through it."""
    axis = node.axis(node.attribute("axis", 0), len(node.value(0).shape))
    return with_constants(node, lambda a, index: np.take(a, index.astype(np.int64), axis))


@reads("CumSum", constants=(1,))
def cum_sum(node: Node) -> Data:
    """Sums of the values up to each one."""
    x = node.data(0)
    axis = node.axis(int(node.constant(1).ravel()[0]), x.rank)
    exclusive, reverse = node.attribute("exclusive", 0), node.attribute("reverse", 0)

    def sums(a: Array) -> Array:
        a = np.flip(a, axis) if reverse else a
        total = np.cumsum(a, axis=axis, dtype=a.dtype)
        total = total - a if exclusive else total
        return np.flip(total, axis) if reverse else total

    return computed(node, sums, x)


@reads("TopK", constants=(1,))
def top_k(node: Node) -> Sequence[Value]:
    """The largest or smallest values along an axis and their places."""
    x = node.data(0)
    axis = node.axis(node.attribute("axis", -1), x.rank)
    largest = bool(node.attribute("largest", 1))
    node.ignore("sorted")
    count = int(node.constant(1).ravel()[0]) if node.opset >= 10 else node.attribute("k", 1)

    def places(a: Array) -> Array:
        keys = a if not largest else -a.astype(np.float64)
        order: Array = np.argsort(keys, axis=axis, kind="stable")
        return np.take(order, np.arange(count), axis=axis)

    values = computed(node, lambda a: np.take_along_axis(a, places(a), axis), x)
    return [values, computed(node, places, x, output=1)]


@reads("OneHot", constants=(1, 2))
def one_hot(node: Node) -> Data:
    """A row of one value with another at the place of each index."""
    indices = node.data(0)
    depth = int(node.constant(1).ravel()[0])
    off, on = node.constant(2).ravel()[:2]
    axis = node.axis(node.attribute("axis", -1), indices.rank + 1)

    def rows(a: Array) -> Array:
        places = a.astype(np.int64)
        places = np.expand_dims(np.where(places < 0, places + depth, places), axis)
        shape = [1] * places.ndim
        shape[axis] = depth
        result: Array = np.where(places == np.arange(depth).reshape(shape), on, off)
        return result

    return computed(node, rows, indices)


def gather_at(node: Node) -> Data:
    """Values at places that are known at run time only; no gradient goes through it."""
    if node.op == "GatherElements":
        axis = node.axis(node.attribute("axis", 0), len(node.value(0).shape))

        def elements(a: Array, index: Array) -> Array:
            return np.take_along_axis(a, np.where(index < 0, index + a.shape[axis], index), axis)

        return with_constants(node, elements)
    batch_dims = node.attribute("batch_dims", 0)

    def places(a: Array, index: Array) -> Array:
        lead = np.indices(index.shape[:batch_dims]).reshape(batch_dims, -1) if batch_dims else None
        if lead is None:
            return np.asarray(a[tuple(np.moveaxis(index, -1, 0))])
        rows = [a[tuple(b)][tuple(np.moveaxis(index[tuple(b)], -1, 0))] for b in lead.T]
        return np.stack(rows).reshape(*index.shape[:batch_dims], *rows[0].shape)

    return with_constants(node, places)


_QUANTISED = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}


def _along(values: Array, like: Array, axis: int, block: int) -> Array:
    """A scale for everything, for each place of an axis, or for each block of it, in the shape of the data."""
    if values.ndim <= 1 and values.size == 1:
        return values.reshape(())
    if block:
        return np.repeat(values, block, axis=axis)[tuple(slice(n) for n in like.shape)]
    shape = [1] * like.ndim
    shape[axis] = values.size
    return values.reshape(shape)


@reads("QuantizeLinear", "DequantizeLinear", constants=(1, 2))
def quantize(node: Node) -> Data:
    """`round(x / scale) + zero_point`, saturated, and `(x - zero_point) * scale`."""
    x = node.data(0)
    scale = node.constant(1)
    zero = node.optional_constant(2)
    axis = node.axis(node.attribute("axis", 1), x.rank) if scale.size > 1 else 0
    block = node.attribute("block_size", 0)
    node.ignore("saturate", "output_dtype", "precision")
    kept = node.importer.dtype_of(node.outputs[0])
    if scale.dtype.kind != "f" or scale.dtype.itemsize < 2:
        node.unsupported(f"a scale of type {scale.dtype}", "float, float16 and double")
    if node.op == "QuantizeLinear":
        if kept.name not in _QUANTISED:
            node.unsupported(f"quantisation to {kept}", ", ".join(_QUANTISED))
        low, high = _QUANTISED[kept.name]

        def quantised(a: Array) -> Array:
            offset = 0 if zero is None else _along(zero.astype(np.int32), a, axis, block)
            return np.clip(np.rint(a / _along(scale, a, axis, block)) + offset, low, high).astype(kept)

        return computed(node, quantised, x)
    if x.dtype.name not in {*_QUANTISED, "int32"}:
        node.unsupported(f"quantised values of type {x.dtype}", ", ".join([*_QUANTISED, "int32"]))

    def restored(a: Array) -> Array:
        offset = 0 if zero is None else _along(zero.astype(np.int32), a, axis, block)
        result: Array = ((a.astype(np.int32) - offset) * _along(scale, a, axis, block)).astype(kept)
        return result

    return computed(node, restored, x)


@reads("DynamicQuantizeLinear")
def dynamic_quantize(node: Node) -> Sequence[Value]:
    """Quantisation to 8 bits by the range of the batch."""
    x = node.data(0)

    def range_of(a: Array) -> tuple[np.float32, np.uint8]:
        low, high = min(np.float32(0), a.min()), max(np.float32(0), a.max())
        scale = np.float32((high - low) / np.float32(255.0)) or np.float32(1.0)
        return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))

    def values(a: Array) -> Array:
        scale, zero = range_of(a)
        return np.asarray(np.clip(np.rint(a / scale) + zero, 0, 255), np.uint8)

    return [
        computed(node, values, x),
        computed(node, lambda a: np.array(range_of(a)[0]), x, output=1),
        computed(node, lambda a: np.array(range_of(a)[1]), x, output=2),
    ]


@reads("CumProd", constants=(1,))
def cum_prod(node: Node) -> Data:
    """Products of the values up to each one."""
    x = node.data(0)
    axis = node.axis(int(node.constant(1).ravel()[0]), x.rank)
    exclusive, reverse = node.attribute("exclusive", 0), node.attribute("reverse", 0)

    def products(a: Array) -> Array:
        a = np.flip(a, axis) if reverse else a
        if exclusive:
            one = np.ones_like(np.take(a, [0], axis))
            a = np.concatenate([one, np.take(a, np.arange(a.shape[axis] - 1), axis)], axis)
        total = np.cumprod(a, axis=axis, dtype=a.dtype)
        return np.flip(total, axis) if reverse else total

    return computed(node, products, x)


@reads("Hardmax")
def hardmax(node: Node) -> Data:
    """1 at the first of the largest values along an axis, else 0."""
    x = node.data(0)
    joins = node.opset < 13
    axis = node.axis(node.attribute("axis", 1 if joins else -1), x.rank)

    def rows(a: Array) -> Array:
        flat = a.reshape(*a.shape[:axis], -1) if joins else np.moveaxis(a, axis, -1)
        best = flat.argmax(axis=-1)[..., None] == np.arange(flat.shape[-1])
        ones = best.astype(a.dtype)
        return ones.reshape(a.shape) if joins else np.moveaxis(ones, -1, axis)

    return computed(node, rows, x)
