"""Transformations of images inside a network, as far as they are the same for every stimulus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import cells, transform
from n2d2.onnx.operators.resize import write_linear
from n2d2.onnx.registry import writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand


_OPERATORS = {"Plus": "Add", "Minus": "Sub", "Multiplies": "Mul", "Divides": "Div"}
_ADVICE = "take it out of the network, and apply it to the data instead"


@writes(cells.Transformation)
def write_transformation(call: CellCall) -> Operand:
    """One transformation after the other, those that apply to test data."""
    x = call.image()
    leaves = [t for t in call.cell.transformation._unfolded() if t.get_apply_set() != "LearnOnly"]
    for i, leaf in enumerate(leaves):
        x = _transformed(call, x, leaf, str(i))
    return x


def _transformed(call: CellCall, x: Operand, leaf: transform.Transformation, number: str) -> Operand:
    match leaf:
        case transform.RangeAffine():
            return _affine(call, x, leaf, number)
        case transform.Rescale(keep_aspect_ratio=False, height=height, width=width):
            return write_linear(call, x, height, width, "half_pixel", number)
        case transform.Flip(random_horizontal_flip=False, random_vertical_flip=False):
            flips = (("rows", 2, leaf.vertical_flip), ("columns", 3, leaf.horizontal_flip))
            for name, axis, wanted in flips:
                if wanted:
                    order = call.constant(np.arange(x.sizes[axis - 1])[::-1], f"{name}_{number}", np.int64)
                    x = call.node("Gather", [x, order], f"flipped_{name}_{number}", axis=axis)
            return x
    return call.not_expressible(f"the transformation {leaf} has no ONNX operator here", _ADVICE)


def _affine(call: CellCall, x: Operand, leaf: transform.RangeAffine, number: str) -> Operand:
    steps = [(leaf.first_operator, leaf.first_value), (leaf.second_operator, leaf.second_value)]
    for i, (operator, values) in enumerate(steps):
        if values:
            operand = call.by_channel(values, f"operand_{number}_{i}", x)
            x = call.node(_OPERATORS[operator], [x, operand], f"affine_{number}_{i}")
    if leaf.truncate:
        whole = call.node("Floor", [call.node("Abs", [x], f"abs_{number}")], f"floor_{number}")
        x = call.node("Mul", [whole, call.node("Sign", [x], f"sign_{number}")], f"truncated_{number}")
    return x
