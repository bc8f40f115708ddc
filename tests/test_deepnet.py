"""Graphs behind tensors: their cells, pictures, files, and where they can be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.cells import Block, Conv, ElemWise, Fc, Layer, Pool2d, Sequence, Softmax
from n2d2.deepnet import DeepNet, Node


def residual() -> Sequence:
    branch = Sequence([Conv(2, 2, [3, 3], padding_dims=[1, 1], name="conv1"), Conv(2, 2, [1, 1], name="conv2")])
    block = Sequence([Layer([branch, Sequence([])]), ElemWise(name="sum")])
    return Sequence([block, Pool2d([2, 2], name="pool"), Fc(18, 3, name="fc")], name="net")


def names(cells: Any) -> list[str]:
    return [cell.name for cell in cells]


def test_cells_in_order_with_their_ends() -> None:
    model = residual()
    x = Tensor([1, 2, 4, 4])
    net = model(x).get_deepnet()
    assert list(net.get_cells()) == ["conv1", "conv2", "sum", "pool", "fc"]
    assert net.get_cells()["pool"] is model["pool"]
    assert names(net.get_input_cells()) == ["conv1", "sum"]
    assert names(net.get_output_cells()) == ["fc"]
    assert net.get_name() == net.name
    assert net.name.startswith("DeepNet_")
    assert str(net) == f"'{net.name}' DeepNet('conv1', 'conv2', 'sum', 'pool', 'fc')"
    source = x._source_name()
    assert net.nodes() == [
        Node(source, "", [], [1, 2, 4, 4]),
        Node("conv1", "Conv", [0], [1, 2, 4, 4]),
        Node("conv2", "Conv", [1], [1, 2, 4, 4]),
        Node("sum", "ElemWise", [2, 0], [1, 2, 4, 4]),
        Node("pool", "Pool2d", [3], [1, 2, 3, 3]),
        Node("fc", "Fc", [4], [1, 3, 1, 1]),
    ]


def test_where_a_graph_can_be_asked_for() -> None:
    fc, soft = Fc(2, 3, name="a"), Softmax(with_loss=True, name="b")
    model = Sequence([fc, soft])
    assert fc.get_deepnet() is None
    assert model.get_deepnet() is None
    labels = Tensor([4], datatype="int", value=1)
    source = n2d2.provider.TensorPlaceholder(Tensor([4, 2], value=1.0), labels)
    target = n2d2.target.Score(source)
    assert target.get_deepnet() is None
    y = model(source())
    loss = target(y)
    for net in (
        y.get_deepnet(),
        model.get_deepnet(),
        target.get_deepnet(),
        loss.get_deepnet(),
        Interface([y]).get_deepnet(),
    ):
        assert net is not None
        assert list(net.get_cells()) == ["a", "b"]
        assert net.get_provider() is source
    inner = fc.get_deepnet()
    assert inner is not None
    assert list(inner.get_cells()) == ["a"]
    assert y.get_deepnet() is y.get_deepnet()
    assert list(y.copy().get_deepnet().get_cells()) == []
    assert list(Tensor([1]).get_deepnet().get_cells()) == []
    assert Tensor([1]).get_deepnet().get_provider() is None
    assert list(y.detach().get_deepnet().get_cells()) == []


def test_a_cell_called_twice_is_there_once_and_updated_once() -> None:
    fc = Fc(
        1,
        1,
        no_bias=True,
        filler=n2d2.filler.Constant(value=2.0),
        solver=n2d2.solver.SGD(learning_rate=0.5),
        name="twice",
    )
    y = fc(fc(Tensor([1, 1], value=3.0)))
    net = y.get_deepnet()
    assert list(net.get_cells()) == ["twice"]
    y.back_propagate(np.ones((1, 1, 1, 1)))
    net.update()
    # The derivative of w w x is 2 w x = 12.
    assert fc.get_weight(0, 0)[0] == 8.0


def test_branches_of_two_graphs_are_one_graph() -> None:
    a, b, total = Fc(1, 1, name="a"), Fc(1, 1, name="b"), ElemWise(name="total")
    bundle = Interface([a(Tensor([1, 1])), b(Tensor([1, 1]))])
    assert list(bundle.get_deepnet().get_cells()) == ["a", "b"]
    assert list(total(bundle).get_deepnet().get_cells()) == ["a", "b", "total"]


def test_losses_go_back_and_other_ends_say_what_they_need() -> None:
    labels = Tensor([1], datatype="int", value=1)
    source = n2d2.provider.TensorPlaceholder(Tensor([1, 2], value=1.0), labels)
    fc = Fc(2, 2, filler=n2d2.filler.Constant(), solver=n2d2.solver.SGD(learning_rate=1.0))
    y = fc(source())
    net = n2d2.target.Score(source)(y).get_deepnet()
    net.back_propagate()
    net.update()
    assert [fc.get_weight(o, 0)[0] for o in range(2)] == [0.0, 1.0]
    with pytest.raises(RuntimeError, match="this tensor is not the leaf of a graph; give it a gradient"):
        y.get_deepnet().back_propagate()


def test_pictures_and_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    y = residual()(Tensor([1, 2, 4, 4]))
    y.draw_associated_graph("plain")
    y.get_deepnet().draw("drawn.svg")
    assert (tmp_path / "plain.png").read_bytes()[1:4] == b"PNG"
    drawn = (tmp_path / "drawn.svg").read_text()
    assert "<svg" in drawn
    y.get_deepnet().draw_graph("chart.md")
    chart = (tmp_path / "chart.md").read_text()
    assert chart.startswith("```mermaid\nflowchart TD\n")
    assert 'n3["<b>sum</b><br/>ElemWise<br/>1 x 2 x 4 x 4"]' in chart
    assert all(line in chart for line in ("n2 --> n3", "n0 --> n3", "n4 --> n5"))
    y.get_deepnet().draw_graph("chart")
    assert (tmp_path / "chart.mmd").read_text().strip() == y.get_deepnet().mermaid()


def test_a_name_cannot_break_a_chart() -> None:
    y = Fc(1, 1, name='say "fc"]')(Tensor([1, 1]))
    assert '["<b>say #quot;fc#quot;]</b><br/>Fc' in y.get_deepnet().mermaid()


def test_files(tmp_path: Path) -> None:
    model = residual()
    net = model(Tensor([1, 2, 4, 4])).get_deepnet()
    net.export_network_free_parameters(str(tmp_path / "weights"))
    written = sorted(f.name for f in (tmp_path / "weights").iterdir())
    assert written == [f"{cell}_{kind}.syntxt" for cell in ("conv1", "conv2", "fc") for kind in ("biases", "weights")]
    net.log_stats(str(tmp_path / "stats"))
    lines = (tmp_path / "stats" / "stats.dat").read_text().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["conv1", "conv2", "sum", "pool", "fc"]


def test_a_graph_outlives_its_cells() -> None:
    y = Fc(2, 2, name="gone")(Tensor([1, 2]))
    y.cell = None
    assert [node.name for node in y.get_deepnet().nodes()][-1] == "gone"


def test_a_block_of_a_user_has_the_graph_of_its_cells() -> None:
    class Own(Block):
        def __init__(self) -> None:
            self.fc = Fc(2, 2, name="inside")
            super().__init__([self.fc])

        def __call__(self, inputs: Any) -> Any:
            super().__call__(inputs)
            return self.fc(inputs)

    block = Own()
    assert block.get_deepnet() is None
    block(Tensor([1, 2]))
    assert list(block.get_deepnet().get_cells()) == ["inside"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (lambda: DeepNet("a"), TypeError, "DeepNet: outputs must be of type a list of n2d2.Tensor, got str"),  # type: ignore[arg-type]
        (lambda: Tensor([1]).draw_associated_graph("x"), RuntimeError, "no cell made the tensor, so there is no graph"),
        (lambda: Fc(1, 1)(Tensor([1, 1])).draw_associated_graph(3), TypeError, "filename must be of type str, got int"),  # type: ignore[arg-type]
        (
            lambda: (
                Sequence([Sequence([Fc(1, 1, name="x")]), Sequence([Fc(1, 1, name="x")])])(Tensor([1, 1]))
                .get_deepnet()
                .export_network_free_parameters("weights")
            ),
            RuntimeError,
            "two cells have the name `x`, and so the same parameter files",
        ),
    ],
)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
