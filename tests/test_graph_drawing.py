"""Layout of graphs: boxes keep apart, edges pass between them, and any text can be a name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from n2d2.deepnet import GraphNode
from n2d2.graph_drawing import _GAP_X, _LANE, _WIDTH, _Layout, draw, mermaid


def node(name: str, layer: int, parents: list[int], calls: int = 1) -> GraphNode:
    return GraphNode(name, "Fc", [1, 2], parents, layer, calls if layer else 0)


def random_graph(seed: int, count: int) -> list[GraphNode]:
    rng = np.random.default_rng(seed)
    nodes = [node("data", 0, [])]
    for i in range(1, count):
        parents = sorted({int(p) for p in rng.integers(max(0, i - 6), i, size=rng.integers(1, 4))})
        nodes.append(node(f"n{i}", 1 + max(nodes[p].layer for p in parents), parents))
    return nodes


@pytest.mark.parametrize("seed", range(8))
def test_boxes_and_lanes_of_a_layer_keep_apart(seed: int) -> None:
    nodes = random_graph(seed, 40)
    layout = _Layout(nodes)
    for row in layout.rows:
        for left, right in pairwise(sorted(row, key=lambda k: layout.x[k])):
            distance = layout.x[right] - layout.x[left]
            assert distance >= (layout.width[left] + layout.width[right]) / 2 + _GAP_X - 1e-9
    for edge in layout.edges:
        assert [layout.layer[k] for k in edge] == list(range(layout.layer[edge[0]], layout.layer[edge[-1]] + 1))
    assert sum(len(n.parents) for n in nodes) == len(layout.edges)


def test_a_chain_is_straight_and_a_shortcut_passes_beside_it() -> None:
    nodes = [node("data", 0, []), node("a", 1, [0]), node("b", 2, [1]), node("sum", 3, [2, 0])]
    layout = _Layout(nodes)
    chain, shortcut = layout.edges[1], layout.edges[3]
    assert layout.x[chain[0]] == pytest.approx(layout.x[chain[1]], abs=1e-3)
    assert len(shortcut) == 4
    for k, cell in zip(shortcut[1:3], (1, 2), strict=True):
        assert abs(layout.x[k] - layout.x[cell]) >= (_WIDTH + _LANE) / 2


def test_a_cell_called_on_what_came_after_it_has_a_back_edge() -> None:
    layout = _Layout([node("data", 0, []), node("a", 1, [0, 2], calls=2), node("b", 2, [1])])
    assert (layout.back, layout.edges) == ([(2, 1)], [[0, 1], [1, 2]])


def test_mermaid_escapes_names() -> None:
    text = mermaid([node("data", 0, []), node('x"] --> <b>#1', 1, [0], calls=3)])
    assert text.splitlines()[2] == '    n1["x#quot;] --> #lt;b>#35;1 (called 3 times)<br/>Fc<br/>1 x 2"]'


@pytest.mark.parametrize("name", ["$x^$", "a_b{", "", "n" * 200, "数", "a\\b"])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    draw([node(name, 0, []), node("fc", 1, [0])], tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
