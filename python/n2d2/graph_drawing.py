"""Pictures and Mermaid text of a graph: layers from top to bottom, edges that do not cross boxes."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2.files import replacing
from n2d2.plots import COLOURS, _figure, _styled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from n2d2.deepnet import GraphNode

__all__ = ["draw", "mermaid"]

# Inches.
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _LANE = 2.1, 0.66, 0.35, 0.42, 0.3
_SWEEPS = 12
_TALLEST_PIXELS = 30_000
_GREY = "#6B7280"
# Classes of one purpose have one colour.
_FAMILIES = {
    "Conv": 0, "Deconv": 0, "Fc": 1, "Pool": 2, "Pool2d": 2, "GlobalPool2d": 2, "BatchNorm2d": 3, "ElemWise": 4,
    "Softmax": 5, "Activation": 5, "Dropout": 5,
}  # fmt: skip


def _shape(node: GraphNode) -> str:
    return " x ".join(map(str, node.shape))


def _title(node: GraphNode) -> str:
    return node.name + (f" (called {node.calls} times)" if node.calls > 1 else "")


def mermaid(nodes: Sequence[GraphNode]) -> str:
    """A graph as Mermaid text.

    Arguments:
        nodes (list of GraphNode): Sources and cells.

    Example:
        >>> from n2d2.deepnet import GraphNode
        >>> print(mermaid([GraphNode("data", "Tensor", [1, 2], [], 0, 0), GraphNode("fc", "Fc", [1, 3], [0], 1, 1)]))
        flowchart TD
            n0(["data<br/>Tensor<br/>1 x 2"])
            n1["fc<br/>Fc<br/>1 x 3"]
            n0 --> n1
    """
    lines = ["flowchart TD"]
    for i, node in enumerate(nodes):
        parts = (_title(node), node.kind, _shape(node))
        text = "<br/>".join(
            p.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace("\n", " ") for p in parts
        )
        lines.append(f'    n{i}["{text}"]' if node.calls else f'    n{i}(["{text}"])')
    lines += [f"    n{p} --> n{i}" for i, node in enumerate(nodes) for p in node.parents]
    return "\n".join(lines) + "\n"


class _Layout:
    """Places of boxes, and of the points where edges pass the layers between them."""

    def __init__(self, nodes: Sequence[GraphNode]) -> None:
        self.layer = [node.layer for node in nodes]
        self.edges: list[list[int]] = []
        self.back: list[tuple[int, int]] = []
        for i, node in enumerate(nodes):
            for p in node.parents:
                if node.layer <= nodes[p].layer:
                    self.back.append((p, i))  # a cell called again on what came after it
                    continue
                between = range(nodes[p].layer + 1, node.layer)
                points = list(range(len(self.layer), len(self.layer) + len(between)))
                self.layer += between
                self.edges.append([p, *points, i])
        self.width = [_WIDTH if k < len(nodes) else _LANE for k in range(len(self.layer))]
        self.up: list[list[int]] = [[] for _ in self.layer]
        self.down: list[list[int]] = [[] for _ in self.layer]
        for path in self.edges:
            for a, b in pairwise(path):
                self.up[b].append(a)
                self.down[a].append(b)
        self.rows: list[list[int]] = [[] for _ in range(max(self.layer) + 1)]
        for k, place in enumerate(self.layer):
            self.rows[place].append(k)
        self.x = np.zeros(len(self.layer))
        for row in self.rows:
            self._spread(row, np.zeros(len(row)))
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            for row in self.rows if down else self.rows[::-1]:
                self._sort(row, self.up if down else self.down)
        for _ in range(_SWEEPS):
            for row in self.rows:
                near = [[*self.up[k], *self.down[k]] for k in row]
                self._spread(row, np.array([self._mean(n, self.x[k]) for k, n in zip(row, near, strict=True)]))

    def _mean(self, near: list[int], otherwise: float) -> float:
        return float(np.mean(self.x[near])) if near else otherwise

    def _sort(self, row: list[int], neighbours: list[list[int]]) -> None:
        wanted = {k: self._mean(neighbours[k], self.x[k]) for k in row}
        row.sort(key=lambda k: wanted[k])
        self._spread(row, np.array([wanted[k] for k in row]))

    def _spread(self, row: list[int], wanted: NDArray[np.float64]) -> None:
        """Places near the wanted ones, in this order and without overlap: least squares by pooling neighbours."""
        widths = np.array([self.width[k] for k in row])
        steps = np.concatenate([[0.0], (widths[1:] + widths[:-1]) / 2 + _GAP_X])
        offsets = np.cumsum(steps)
        pools: list[tuple[float, int]] = []
        for value in wanted - offsets:
            mean, count = float(value), 1
            while pools and pools[-1][0] > mean:
                before, n = pools.pop()
                mean, count = (before * n + mean * count) / (n + count), n + count
            pools.append((mean, count))
        self.x[row] = np.concatenate([np.full(n, mean) for mean, n in pools]) + offsets


def draw(nodes: Sequence[GraphNode], path: Path) -> None:
    """Draws a graph as PNG or SVG, by the ending of the file.

    Arguments:
        nodes (list of GraphNode): Sources and cells.
        path (Path): File to write.

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from n2d2.deepnet import GraphNode
        >>> data = GraphNode("data", "Tensor", [1, 2], [], layer=0, calls=0)
        >>> draw([data, GraphNode("fc", "Fc", [1, 3], parents=[0], layer=1, calls=1)], Path("a.png"))
        >>> Path("a.png").read_bytes()[1:4]
        b'PNG'
    """
    layout = _Layout(nodes)
    half = np.array(layout.width) / 2
    left, right = float((layout.x - half).min()) - 0.2, float((layout.x + half).max()) + 0.2
    if layout.back:
        right += 0.5
    bottom = -(len(layout.rows) - 1) * (_HEIGHT + _GAP_Y) - _HEIGHT / 2 - 0.2
    top = _HEIGHT / 2 + 0.2
    with _styled():
        figure = _figure(right - left, top - bottom)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(left, right), ylim=(bottom, top))
        axes.set_axis_off()
        for edge in layout.edges:
            _edge(axes, layout, edge)
        for parent, child in layout.back:
            _back_edge(axes, layout, parent, child)
        for k, node in enumerate(nodes):
            _box(axes, node, float(layout.x[k]), -node.layer * (_HEIGHT + _GAP_Y))
        dpi = min(120, _TALLEST_PIXELS / max(top - bottom, right - left))
        with replacing(path) as temporary, warnings.catch_warnings():
            # A name in another script is drawn with boxes in place of its characters, and whole in an SVG.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            figure.savefig(temporary, format=path.suffix[1:], dpi=dpi)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _box(axes: Axes, node: GraphNode, x: float, y: float) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import FancyBboxPatch

    family = _FAMILIES.get(node.kind.split(" + ", maxsplit=1)[0])
    colour = COLOURS[family] if node.calls and family is not None else _GREY
    fill: Any = tuple(1 - 0.12 * (1 - c) for c in to_rgb(colour))
    rounding = 0.08 if node.calls else _HEIGHT / 2 - 0.01
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor=fill,
            edgecolor=colour,
            linewidth=1.2,
            zorder=2,
        )
    )
    common: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 3, "parse_math": False}
    name = f"{_short(node.name, 22)}  ×{node.calls}" if node.calls > 1 else _short(node.name, 27)
    axes.text(x, y + 0.19, name, size=9, weight="bold", **common)
    axes.text(x, y + 0.0, _short(node.kind, 34), size=7.5, color=colour, **common)
    axes.text(x, y - 0.19, _shape(node), size=7.5, color="#505050", **common)


def _edge(axes: Axes, layout: _Layout, edge: list[int]) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    start = layout.layer[edge[0]]
    points: list[tuple[float, float]] = [(float(layout.x[edge[0]]), -start * (_HEIGHT + _GAP_Y) - _HEIGHT / 2)]
    codes = [Curve.MOVETO]
    for k in edge[1:]:
        x, y = float(layout.x[k]), -layout.layer[k] * (_HEIGHT + _GAP_Y)
        (x_before, y_before), enter = points[-1], y + _HEIGHT / 2
        middle = (y_before + enter) / 2
        points += [(x_before, middle), (x, middle), (x, enter)]
        codes += [Curve.CURVE4] * 3
        if k != edge[-1]:
            points.append((x, y - _HEIGHT / 2))
            codes.append(Curve.LINETO)
    arrow = FancyArrowPatch(
        path=Curve(points, codes), arrowstyle="-|>", mutation_scale=9, color=_GREY, linewidth=1.1, zorder=1
    )
    axes.add_patch(arrow)


def _back_edge(axes: Axes, layout: _Layout, parent: int, child: int) -> None:
    """A dashed curve on the right from a cell to one above it, or to itself."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    right = _WIDTH / 2
    x0, x1 = float(layout.x[parent]) + right, float(layout.x[child]) + right
    y0, y1 = (-layout.layer[k] * (_HEIGHT + _GAP_Y) for k in (parent, child))
    y0, y1 = y0 - 0.12, y1 + 0.12
    out = max(x0, x1) + 0.45
    arrow = FancyArrowPatch(
        path=Curve([(x0, y0), (out, y0), (out, y1), (x1, y1)], [Curve.MOVETO, *[Curve.CURVE4] * 3]),
        arrowstyle="-|>",
        mutation_scale=9,
        color=_GREY,
        linewidth=1.1,
        linestyle=(0, (4, 2)),
        zorder=1,
    )
    axes.add_patch(arrow)
