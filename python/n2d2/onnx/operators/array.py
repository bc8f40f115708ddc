"""Cells that compute with NumPy: the node that they were read from, written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.onnx.array_cell import ArrayCell
from n2d2.onnx.registry import writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand


@writes(ArrayCell)
def write_array_cell(call: CellCall) -> Operand:
    """The node of the file, between casts to its element types; its values are floats in the engine."""
    from onnx import defs, helper

    cell, origin = call.cell, call.cell._origin
    if origin is None:
        call.not_expressible("it is a part of an operator", "take it out of the network")
    versions = [defs.get_schema(cell.operator, opset, "").since_version for opset in (origin.opset, call.opset)]
    if versions[0] != versions[1]:
        call.not_expressible(
            f"opset {call.opset} has another {cell.operator} than opset {origin.opset}, which it was read from",
            f"write the model with opset={max(origin.opset, 13)}",
        )
    read: list[Operand | str] = []
    operands = zip(call.operands, cell._kinds, strict=True)
    for i, value in enumerate(origin.values):
        if value is None:
            read.append("")
        elif value is not Ellipsis:
            read.append(call.constant(value, f"input_{i}", value.dtype.type))
        else:
            operand, (shape, dtype) = next(operands)
            if operand.sizes != tuple(shape[1:]):
                operand = call.reshaped(operand, tuple(shape[1:]), f"input_{i}")
            kind = helper.np_dtype_to_tensor_dtype(dtype)
            read.append(operand if kind == 1 else call.node("Cast", [operand], f"cast_{i}", to=kind))
    sizes = tuple(cell._shape[1:])
    floats, apart = origin.dtype.name == "float32", len(sizes) in (1, 3)
    suffix = "" if floats and apart else "node"
    result = call.node(cell.operator, read, suffix, sizes, **origin.attributes)
    if not floats:
        result = call.node("Cast", [result], "" if apart else "floats", to=1)
    return result if apart else call.reshaped(result, call.sizes)
