"""Other sizes: `Resize`, `Upsample`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2 import cells
from n2d2.onnx.operators.transpose import permuted
from n2d2.onnx.registry import reads, writes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Data, Node

_MAX_AXIS = 512
"""Largest axis that is resized by a matrix; ONNX's own code, which makes the matrix, is slow."""


def _cell(node: Node, x: Data, mode: str, corners: bool = False) -> Data:
    from n2d2.cells.resize import Resize

    height, width = [*node.shape[2:], 1][:2]
    name = node.importer.free_name(node.name)
    return node.call(Resize(width, height, mode, align_corners=corners, name=name), x)


@reads("Upsample", constants=(1,), last=9)
def upsample(node: Node) -> Data:
    """Nearest pixels, or linear interpolation from the corner on."""
    x = node.data(0)
    mode = node.attribute("mode", "nearest")
    node.ignore("scales")
    node.optional_constant(1)
    if x.rank not in (3, 4) or node.shape[:2] != x.shape[:2] or mode not in ("nearest", "linear", "bilinear"):
        node.unsupported(f"mode {mode} from {list(x.shape)} to {list(node.shape)}", "nearest or linear on image axes")
    return _cell(node, x, "NearestNeighbor" if mode == "nearest" else "BilinearTF")


@reads("Resize", constants=(1, 2, 3))
def resize(node: Node) -> Data:
    """Interpolation of every kind: by a Resize cell where it has the mode, else axis by axis with a matrix."""
    x = node.data(0)
    changed = [a for a in range(x.rank) if node.shape[a] != x.shape[a]]
    mode = node.attribute("mode", "nearest")
    place = node.attribute("coordinate_transformation_mode", "asymmetric" if node.opset < 11 else "half_pixel")
    rounding = node.attribute("nearest_mode", "round_prefer_floor" if node.opset >= 11 else "floor")
    antialias = node.attribute("antialias", 0)
    node.ignore("axes", "keep_aspect_ratio_policy", "cubic_coeff_a", "exclude_outside", "extrapolation_value")
    image = x.rank in (3, 4) and all(a >= 2 for a in changed)
    exact = image and _exact_scales(node, x)
    if exact and not antialias:
        if mode == "nearest" and place == "asymmetric" and rounding == "floor":
            return _cell(node, x, "NearestNeighbor")
        if mode == "linear" and place in ("asymmetric", "align_corners", "half_pixel"):
            cell_mode = "Bilinear" if place == "half_pixel" else "BilinearTF"
            return _cell(node, x, cell_mode, place == "align_corners")
    return _by_matrices(node, x)


def _scales(node: Node, x: Data) -> list[float] | None:
    """The scale of each axis, if scales are given and not sizes."""
    place = 1 if node.opset < 11 else 2
    given = node.constant(place) if node.has(place) else None
    if given is None or not given.size:
        return None
    axes = node.attribute("axes", list(range(x.rank)))
    scales = [1.0] * x.rank
    for axis, scale in zip(axes, given.ravel(), strict=True):
        scales[node.axis(axis, x.rank)] = float(scale)
    return scales


def _exact_scales(node: Node, x: Data) -> bool:
    """True if each scale is the quotient of the sizes, which the cell computes with."""
    scales = _scales(node, x)
    return scales is None or all(abs(s * n - m) < 1e-4 for s, n, m in zip(scales, x.shape, node.shape, strict=True))


def _by_matrices(node: Node, x: Data) -> Data:
    """Resizing is linear, and each axis is resized by itself: by a 1x1 convolution over that axis."""
    from n2d2.cells.conv import Conv
    from n2d2.filler import Constant
    from n2d2.solver import SGD

    outside = _outside(node, x)
    for axis in range(x.rank):
        matrix = _matrix(node, x, axis)
        if matrix is None:
            continue
        if axis == 0 or x.rank > 4:
            node.unsupported(f"axis {axis} of {x.rank} is resized", "axes behind the batch, of at most four")
        order = list(range(x.rank))
        order[1], order[axis] = axis, 1
        # The matrix is no parameter of the model: it does not learn.
        cell = Conv(
            matrix.shape[1],
            matrix.shape[0],
            [1, 1],
            no_bias=True,
            weights_solver=SGD(learning_rate=0.0),
            filler=Constant(value=0.0),
            name=node.importer.free_name(f"{node.name}_axis{axis}"),
        )
        cell.N2D2().set_param("weights", matrix[:, :, None, None])
        shape = list(x.shape)
        shape[axis] = matrix.shape[0]
        turned = permuted(node, x, order, f"{node.name}_transpose")
        done = node.call(cell, turned, shape=[shape[a] for a in order])
        x = permuted(node, done, order, f"{node.name}_transpose")
    if outside is not None:
        from n2d2.onnx.operators.arithmetic import broadcast

        return broadcast(node, "Add", [x], outside, name=f"{node.name}_outside")
    return node.renamed(x)


def _outside(node: Node, x: Data) -> NDArray[np.float32] | None:
    """What the pixels outside of the image are set to, 0 for those inside; None if there are none."""
    value = np.float32(node.attribute("extrapolation_value", 0.0))
    if value == 0:
        return None
    inside = np.ones((1,) * x.rank, np.float32)
    for axis in range(x.rank):
        if max(x.shape[axis], node.shape[axis]) <= _MAX_AXIS:
            beyond = _evaluated(node, x, axis, np.zeros((1, x.shape[axis]), np.float32), 1.0)[0]
            inside = inside * (1.0 - beyond).reshape([-1 if a == axis else 1 for a in range(x.rank)])
    return None if (inside == 1).all() else value * (1.0 - inside)


def _matrix(node: Node, x: Data, axis: int) -> NDArray[np.float32] | None:
    """What one axis is multiplied by, computed by ONNX's own evaluator; None if nothing changes."""
    size = x.shape[axis]
    if max(size, node.shape[axis]) > _MAX_AXIS:
        if node.shape[axis] == size and _exact_scales(node, x) and not node.has(1):
            return None
        node.unsupported(
            f"an axis of {size} is resized to {node.shape[axis]} in this mode",
            f"up to {_MAX_AXIS}, or nearest (asymmetric, floor) and linear (asymmetric, align_corners, half_pixel)",
        )
    matrix = np.ascontiguousarray(_evaluated(node, x, axis, np.eye(size, dtype=np.float32)).T, dtype=np.float32)
    return None if matrix.shape == (size, size) and (matrix == np.eye(size)).all() else matrix


def _evaluated(
    node: Node, x: Data, axis: int, rows: NDArray[np.float32], extrapolation: float = 0.0
) -> NDArray[np.float32]:
    """Resizes the last axis of some rows as the node resizes one of its axes, with this value outside of it."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    names = ("mode", "coordinate_transformation_mode", "nearest_mode", "antialias", "cubic_coeff_a", "exclude_outside")
    unset: Any = None
    attributes = {n: v for n in names if (v := node.attribute(n, unset)) is not None}
    attributes["extrapolation_value"] = extrapolation
    scales = _scales(node, x)
    feeds: dict[str, NDArray[Any]] = {"x": rows}
    if node.opset >= 11 and node.has(1) and node.constant(1).size:
        axes = [node.axis(a, x.rank) for a in node.attribute("axes", list(range(x.rank)))]
        roi = node.floats(1).ravel()
        at = axes.index(axis) if axis in axes else None
        if at is not None:
            feeds["roi"] = np.array([0, roi[at], 1, roi[at + len(axes)]], np.float32)
    inputs = ["x", "roi" if "roi" in feeds else "", "", ""]
    if scales is not None:
        feeds["scales"] = np.array([1.0, scales[axis]], np.float32)
        inputs[2] = "scales"
    else:
        feeds["sizes"] = np.array([len(rows), node.shape[axis]], np.int64)
        inputs[3] = "sizes"
    while not inputs[-1]:
        inputs.pop()
    made = onnx.helper.make_node("Resize", inputs, ["y"], **attributes)
    infos = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in feeds.items()
    ]
    graph = onnx.helper.make_graph([made], "resize", infos, [onnx.ValueInfoProto(name="y")])
    opset = max(node.opset, 13)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        result: Any = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:  # The evaluator raises whatever its NumPy code does.
        node.unsupported(f"ONNX's evaluator cannot compute it ({error})", "modes that it knows")
    return np.asarray(result[0], np.float32)


def _scale(size: int, wanted: int) -> float:
    """The factor of single precision that ONNX computes `wanted = floor(size factor)` with."""
    scale = np.float32(wanted / size)
    # Some compute the product in single precision, some in double.
    exact = int(np.float32(size) * scale) == int(size * float(scale)) == wanted
    return float(scale if exact else np.nextafter(scale, np.float32(np.inf)))


def write_nearest(call: CellCall, x: Operand, height: int, width: int) -> Operand:
    """Output pixel `i` is input pixel `floor(i in / out)`."""
    pairs = list(zip(x.sizes[1:], (height, width), strict=True))
    wanted = [np.arange(out) * size // out for size, out in pairs]
    # Runtimes divide by the scale: where that rounds to another pixel, the pixels are listed.
    alike = all(
        np.array_equal(places, np.floor(np.arange(len(places), dtype=kind) / kind(_scale(size, len(places)))))
        for places, (size, _) in zip(wanted, pairs, strict=True)
        for kind in (np.float32, np.float64)
    )
    if alike:
        attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return _written(call, x, height, width, mode="nearest", **attributes)
    rows, columns = (
        call.constant(places, name, np.int64) for places, name in zip(wanted, ("rows", "columns"), strict=True)
    )
    taken = call.node("Gather", [x, rows], "by_row", (x.sizes[0], height, x.sizes[2]), axis=2)
    return call.node("Gather", [taken, columns], sizes=(x.sizes[0], height, width), axis=3)


def write_linear(  # noqa: PLR0917
    call: CellCall, x: Operand, height: int, width: int, place: str, suffix: str = ""
) -> Operand:
    """Linear interpolation.

    Arguments:
        call (CellCall): The call of the cell.
        x (Operand): An image.
        height (int): Rows of the output.
        width (int): Columns of the output.
        place (str): `coordinate_transformation_mode` of ONNX.
        suffix (str, optional): What follows the name of the cell in that of the node, default="".
    """
    return _written(call, x, height, width, suffix, mode="linear", coordinate_transformation_mode=place)


def _written(call: CellCall, x: Operand, height: int, width: int, suffix: str = "", **attributes: str) -> Operand:
    scales = [1.0, 1.0, *(_scale(size, out) for size, out in zip(x.sizes[1:], (height, width), strict=True))]
    constant = call.constant(scales, f"{suffix}_scales" if suffix else "scales")
    return call.node("Resize", [x, "", constant], suffix, (x.sizes[0], height, width), **attributes)


@writes(cells.Resize)
def write_resize(call: CellCall) -> Operand:
    """By scales, since sizes would fix the batch."""
    cell, x = call.cell, call.image()
    height, width = call.sizes[1:]
    if cell.resize_mode == "NearestNeighbor":
        return write_nearest(call, x, height, width)
    if cell.align_corners:
        return write_linear(call, x, height, width, "align_corners")
    return write_linear(call, x, height, width, "half_pixel" if cell.resize_mode == "Bilinear" else "asymmetric")
