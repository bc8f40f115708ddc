"""A factor for each channel: `Mul`, with `Floor` and `Min` where the cell rounds and clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells, scaling
from n2d2.onnx.registry import writes

if TYPE_CHECKING:
    from n2d2.onnx.cell_call import CellCall, Operand


@writes(cells.Scaling)
def write_scaling(call: CellCall) -> Operand:
    """`clip(round(x factor))`; what is rounded is computed in double precision, as in the engine."""
    x, given = call.image() if len(call.operands) > 1 else call.joined(), call.cell.scaling
    limits = _limits(given) if given.is_clipped else None
    if isinstance(given, scaling.FloatingPointScaling):
        y = call.node("Mul", [x, call.by_channel(given.scaling_per_output, "factors", x)], "scaled" if limits else "")
        return y if limits is None else _clipped(call, y, limits, np.float32, "")
    wide = call.node("Cast", [x], "double", to=11)
    scaled = call.node("Mul", [wide, call.by_channel(_factors(given), "factors", x, np.float64)], "scaled")
    # ONNX's Round takes halves to even numbers, the engine away from zero.
    half = call.constant(0.5, "half", np.float64)
    raised = call.node("Add", [call.node("Abs", [scaled], "abs"), half], "raised")
    floor = call.node("Floor", [raised], "floor")
    y = call.node("Mul", [floor, call.node("Sign", [scaled], "sign")], "rounded")
    if limits is not None:
        y = _clipped(call, y, limits, np.float64, "clipped")
    return call.node("Cast", [y], to=1)


def _factors(given: scaling.ScalingObject) -> list[float]:
    match given:
        case scaling.FixedPointScaling():
            return [s * 2.0**-given.nb_fractional_bits for s in given.scaling]
        case scaling.DoubleShiftScaling():
            return [2.0**-a + 2.0**-b for a, b in given.scaling]
        case scaling.SingleShiftScaling():
            return [2.0**-a for a in given.scaling]
    raise TypeError(f"no factors are known of {given.get_type()}")


def _limits(given: scaling.ScalingObject) -> list[float]:
    match given:
        case scaling.DoubleShiftScaling():
            return [2.0**a + 2.0**b for a, b in given.clipping]
        case scaling.SingleShiftScaling():
            return [2.0**a for a in given.clipping]
        case scaling.FixedPointScaling() | scaling.FloatingPointScaling():
            return list(given.clipping)
    raise TypeError(f"no limits are known of {given.get_type()}")


def _clipped(call: CellCall, x: Operand, limits: list[float], dtype: type[np.floating[Any]], suffix: str) -> Operand:
    high = call.by_channel(limits, "limits", x, dtype)
    low = call.by_channel([-limit for limit in limits], "lower_limits", x, dtype)
    return call.node("Min", [call.node("Max", [x, low], "from_below"), high], suffix)
