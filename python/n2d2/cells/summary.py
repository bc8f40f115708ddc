"""The table of a network: layers, shapes, parameters, multiply-accumulates, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from n2d2.activation import Rectifier
from n2d2.cells.batch_norm import BatchNorm2d
from n2d2.cells.conv import Conv
from n2d2.cells.deconv import Deconv
from n2d2.cells.fc import Fc
from n2d2.cells.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.deepnet import DeepNet, GraphNode
    from n2d2.target.logs import Layer

_TITLES = ("Layer (type)", "Output Shape", "Param #", " MAC #", "Connected to", "Extra", "Grad")
_GAP = " " * 4


class _Row(NamedTuple):
    layer: str
    shape: str
    params: str
    macs: str
    connected: str
    extra: str
    grad: str


def _short(values: Sequence[int]) -> str:
    """Values of the axes, as one number if they are equal."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(str(v) for v in values)


def _kernel(cell: Conv | Deconv) -> str:
    sizes = list(cell.kernel_dims)
    return "x".join(str(size) for size in (sizes if len(sizes) == 2 else sizes * 2))


def _is_depthwise(cell: Conv, groups: int) -> bool:
    return groups > 1 and cell.nb_inputs == cell.nb_outputs == groups


def _type(cell: NeuralNetworkCell, groups: int) -> str:
    if isinstance(cell, Conv):
        if _is_depthwise(cell, groups):
            return "Depthwise"
        return "PointWise" if set(cell.kernel_dims) == {1} else f"Conv {_kernel(cell)}"
    if isinstance(cell, Deconv):
        return f"Deconv {_kernel(cell)}"
    if isinstance(cell, Pool):
        return "AvgPool" if cell.pooling == "Average" else "MaxPool"
    return cell.get_type()


def _extra(cell: NeuralNetworkCell, groups: int) -> str:
    """What distinguishes a layer from the usual one of its type."""
    parts: list[str] = []

    def add(what: str, values: Sequence[int], usual: int) -> None:
        if any(v != usual for v in values):
            parts.append(f"{what}: {_short(values)}")

    if isinstance(cell, (Conv, Deconv)):
        if isinstance(cell, Conv) and _is_depthwise(cell, groups):
            parts.append(f"k: {_kernel(cell)}")
        add("str", cell.stride_dims, 1)
        add("pad", cell.padding_dims, 0)
        add("dilation", cell.dilation_dims, 1)
    elif isinstance(cell, Pool):
        parts.append(f"size: {_short(cell.pool_dims)}")
        add("str", cell.stride_dims, 1)
        add("pad", cell.padding_dims, 0)
    if cell.activation is not None:
        name = "ReLu" if isinstance(cell.activation, Rectifier) else cell.activation.get_type()
        parts.append(f"Act: {name}")
    return ", ".join(parts)


def _groups(cell: NeuralNetworkCell) -> int:
    """Groups of a convolution whose outputs see one input channel each; 1 for anything else."""
    mapping = getattr(cell, "mapping", None)
    if mapping is None or not isinstance(cell, Conv):
        return 1
    import numpy as np

    connected = np.asarray(mapping).reshape(cell.nb_inputs, cell.nb_outputs)
    return cell.nb_inputs if (connected.sum(axis=0) == 1).all() else 1


def _thousands(count: int) -> str:
    return f"{count // 1000:,}k"


def _table(net: DeepNet, batch: int, verbose: bool) -> str:
    """The table of the cells of a graph.

    Arguments:
        net (n2d2.deepnet.DeepNet): Graph, computed with stimuli of the size to show.
        batch (int): Batch size to show.
        verbose (bool): If True, BatchNorm cells have rows.
    """
    needs = {layer.name: layer for layer in net._layers()}
    cells = net.get_cells()
    nodes = net.nodes()
    inputs = [i for i, node in enumerate(nodes) if not node.calls]
    names = [node.name if node.calls else f"Image{inputs.index(i) + 1}" for i, node in enumerate(nodes)]
    hidden = {i for i, n in enumerate(nodes) if n.calls and isinstance(cells[n.name], BatchNorm2d) and not verbose}

    def connected(places: Sequence[int], seen: frozenset[int] = frozenset()) -> list[int]:
        """The rows that stand for some nodes: for a hidden one, those that it reads. A node may read a later one."""
        rows: list[int] = []
        for i in places:
            rows += [i] if i not in hidden else [] if i in seen else connected(nodes[i].parents, seen | {i})
        return list(dict.fromkeys(rows))

    rows: list[_Row] = []
    for i, node in enumerate(nodes):
        shape = _shape(node, batch)
        if not node.calls:
            rows.append(_Row(f"{names[i]} (input)", shape, "0", "0k", "", "", "-"))
            continue
        if i in hidden:
            continue
        cell = cells[node.name]
        groups = _groups(cell)
        params, macs = _counts(cell, needs)
        grad = str(cell.get_parameter("back_propagate")) if "back_propagate" in cell._parameters else "-"
        parents = ", ".join(names[p] for p in connected(node.parents))
        kind = f"{node.name} ({_type(cell, groups)})"
        rows.append(_Row(kind, shape, f"{params:,}", _thousands(macs), parents, _extra(cell, groups), grad))
    for i, node in enumerate(nodes):
        if not any(i in other.parents for k, other in enumerate(nodes) if k != i):
            parents = ", ".join(names[p] for p in connected([i]))
            rows.append(_Row("Features (output)", _shape(node, batch), "0", "0k", parents, "", "-"))
    counts = [_counts(cell, needs) for cell in cells.values()]
    total_params, total_macs = (sum(column) for column in zip(*counts, strict=True))
    products = sum(_products(cells[node.name], node, nodes, needs) for node in nodes if node.calls)
    return _text(rows) + (
        f"\nTotal params:  {total_params:,}\nTotal computing:  {total_macs:,} MAC"
        f"\nAs publications count it:  {products:,} MAC, with the padding and without biases"
    )


def _products(cell: NeuralNetworkCell, node: GraphNode, nodes: Sequence[GraphNode], needs: Mapping[str, Layer]) -> int:
    """Products of a weight and a value for one stimulus, those with the zeros of the padding among them."""
    if not isinstance(cell, (Conv, Deconv, Fc)) or cell.name not in needs:
        return 0
    weights = needs[cell.name].params - (cell.nb_outputs if cell.has_bias() else 0)
    if isinstance(cell, Fc):
        return weights
    height, width = (node if isinstance(cell, Conv) else nodes[node.parents[0]]).shape[2:]
    return weights * height * width


def _counts(cell: NeuralNetworkCell, needs: Mapping[str, Layer]) -> tuple[int, int]:
    """Trainable values, and multiply-accumulates for one stimulus."""
    if isinstance(cell, BatchNorm2d):
        return 2 * cell.nb_inputs, 0
    layer = needs.get(cell.name)
    if layer is None or isinstance(cell, Pool):
        return 0, 0
    return layer.params, layer.macs


def _shape(node: GraphNode, batch: int) -> str:
    return "(" + ", ".join(str(n) for n in [batch, *node.shape[1:]]) + ")"


def _text(rows: Sequence[_Row]) -> str:
    lines = [_TITLES, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(_TITLES))]
    rule = sum(widths) + len(_GAP) * (len(widths) - 1)

    def text(line: Sequence[str]) -> str:
        return _GAP.join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip()

    body = "\n\n".join(text(row) for row in rows)
    return "\n".join(["-" * rule, text(_TITLES), "=" * rule, body, "=" * rule])
