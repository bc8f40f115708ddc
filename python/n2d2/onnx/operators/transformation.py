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
        case transform.PadCrop(additive_wh=False, border_type=border, border_value=values):
            modes = {"MinusOneReflectBorder": "reflect", "ReplicateBorder": "edge", "ConstantBorder": "constant"}
            if modes.get(border) and len(set(values)) <= 1:
                return _placed(call, x, leaf, modes[border], number)
    return call.not_expressible(f"the transformation {leaf} has no ONNX operator here", _ADVICE)


def _placed(call: CellCall, x: Operand, leaf: transform.PadCrop, mode: str, number: str) -> Operand:
    """Around the centre of another size: what is too much is cut first."""
    more = [leaf.height - x.sizes[1], leaf.width - x.sizes[2]]
    begin = [-(-d // 2) for d in more]
    end = [d - b for d, b in zip(more, begin, strict=True)]
    if mode == "reflect" and any(max(b, e) >= n for b, e, n in zip(begin, end, x.sizes[1:], strict=True)):
        call.not_expressible(f"the border of {leaf} mirrors the image more than once", _ADVICE)
    for word, kind, sides in (
        ("cut", "constant", [min(s, 0) for s in (*begin, *end)]),
        ("padded", mode, [max(s, 0) for s in (*begin, *end)]),
    ):
        if any(sides):
            sizes = (x.sizes[0], *(n + b + e for n, b, e in zip(x.sizes[1:], sides[:2], sides[2:], strict=True)))
            read: list[Operand | str] = [
                x,
                call.constant([0, 0, *sides[:2], 0, 0, *sides[2:]], f"pads_{word}_{number}", np.int64),
            ]
            if kind == "constant" and any(leaf.border_value):
                read.append(call.constant(leaf.border_value[0], f"border_{number}"))
            x = call.node("Pad", read, f"{word}_{number}", sizes, mode=kind)
    return x


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
