"""Graphs behind tensors: what belongs to them, how often, what they write, and the errors."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.cells import Block, Conv, Dropout, ElemWise, Fc, Layer, Sequence, Softmax
from n2d2.deepnet import DeepNet
from n2d2.provider import DataProvider, TensorPlaceholder
from n2d2.target import Score


def names(cells: Any) -> list[str]:
    return [cell.name for cell in cells]


def residual() -> Sequence:
    branch = Sequence([Fc(2, 2, name="a"), Fc(2, 2, name="b")])
    return Sequence([Layer([branch, Sequence([])]), ElemWise(name="sum"), Fc(2, 3, name="head")])


def test_nobody_has_a_graph_before_the_first_call() -> None:
    labelled = TensorPlaceholder(Tensor([1, 2]))
    model = residual()
    assert [thing.get_deepnet() for thing in (model, model[0], model[1], labelled, Score(labelled))] == [None] * 5


def test_a_graph_holds_the_cells_in_order_and_its_ends() -> None:
    model = residual()
    y = model(Tensor([4, 2]))
    net = y.get_deepnet()
    assert net.get_name() == net.name
    assert net.name.startswith("DeepNet_")
    assert list(net.get_cells()) == ["a", "b", "sum", "head"]
    assert net.get_cells()["sum"] is model[1]
    assert (names(net.get_input_cells()), names(net.get_output_cells())) == (["a", "sum"], ["head"])
    assert (
        str(net) == f"'{net.name}' DeepNet(\n\t(1): 'a' Fc\n\t(2): 'b' Fc\n\t(3): 'sum' ElemWise\n\t(4): 'head' Fc\n)"
    )
    assert [node.layer for node in net.nodes()] == [0, 1, 2, 3, 4]
    assert [node.parents for node in net.nodes()] == [[], [0], [1], [2, 0], [3]]
    assert [node.shape for node in net.nodes()] == [[4, 2]] + [[4, 2, 1, 1]] * 3 + [[4, 3, 1, 1]]


def test_the_same_graph_until_the_next_call() -> None:
    model = residual()
    y = model(Tensor([4, 2]))
    net = y.get_deepnet()
    assert net is y.get_deepnet()
    assert net is model.get_deepnet()
    assert net is model[2].get_deepnet()
    assert list(model[1].get_deepnet().get_cells()) == ["a", "b", "sum"]
    later = model(Tensor([4, 2]))
    assert model.get_deepnet() is later.get_deepnet() is not net
    assert list(y.get_deepnet().get_cells()) == ["a", "b", "sum", "head"]
    assert y.get_deepnet() is y.get_deepnet()


def test_a_cell_called_twice_appears_once_and_moves_once() -> None:
    one = n2d2.filler.Constant(value=1.0)
    fc = Fc(1, 1, filler=one, no_bias=True, solver=n2d2.solver.SGD(learning_rate=1.0), name="twice")
    y = fc(fc(Tensor([1, 1], value=3.0)))
    net = y.get_deepnet()
    assert (list(net.get_cells()), [node.calls for node in net.nodes()]) == (["twice"], [0, 2])
    y.back_propagate(np.ones((1, 1, 1, 1)))
    net.update()
    assert fc.get_weight(0, 0)[0] == 1.0 + 3.0 + 3.0


def test_a_block_of_its_own_data_flow_has_the_graph_of_its_last_call() -> None:
    class Two(Block):
        def __init__(self) -> None:
            self.first, self.second = Fc(2, 2, name="first"), Fc(2, 2, name="second")
            super().__init__([self.first, self.second], name="two")

        def __call__(self, x: Any) -> Any:
            super().__call__(x)
            return Interface([self.first(x), self.second(x)])

    model = Two()
    outputs = model(Tensor([1, 2]))
    net = model.get_deepnet()
    assert net is model.get_deepnet()
    assert names(net.get_output_cells()) == names(outputs.get_deepnet().get_output_cells()) == ["first", "second"]
    model.second(Tensor([1, 2]))
    assert names(model.get_deepnet().get_output_cells()) == ["second"]


def test_detach_cuts_the_graph_from_then_on() -> None:
    first, second, third = Fc(2, 2, name="first"), Fc(2, 2, name="second"), Fc(2, 2, name="third")
    h = first(Tensor([1, 2]))
    before = second(h)
    after = third(h.detach())
    assert list(before.get_deepnet().get_cells()) == ["first", "second"]
    assert list(after.get_deepnet().get_cells()) == ["third"]
    assert h.get_deepnet().get_cells() == {}
    assert list(first.get_deepnet().get_cells()) == ["first"]


def test_a_copy_of_an_output_is_a_source_of_the_name_of_its_cell() -> None:
    fc = Fc(2, 2, name="fc")
    net = fc(fc(Tensor([1, 2])).copy()).get_deepnet()
    assert [(node.name, node.kind, node.parents, node.calls) for node in net.nodes()] == [
        ("fc", "Fc", [], 0),
        ("fc", "Fc", [0], 1),
    ]


def test_deep_graphs_do_not_exhaust_the_stack() -> None:
    cell = Dropout(name="again").test()
    y = Tensor([1, 2, 1, 1])
    for _ in range(5000):
        y = cell(y)
    assert [node.calls for node in y.get_deepnet().nodes()] == [0, 5000]


def test_a_graph_is_freed_with_its_tensor() -> None:
    cell = Fc(2, 2)
    source = TensorPlaceholder(Tensor([1, 2]))
    y = cell(source())
    seen = weakref.ref(y), weakref.ref(y.get_deepnet())
    assert source.get_deepnet() is seen[1]()
    del y
    cell(Tensor([1, 2]))
    gc.collect()
    assert source.get_deepnet() is None
    assert [ref() for ref in seen] == [None, None]


def test_a_step_leaves_no_cycle_behind() -> None:
    cells = [Fc(2, 2), Dropout()]
    gc.disable()
    try:
        x = Tensor([1, 2])
        first = cells[1](cells[0](x))
        seen = weakref.ref(first)
        del first
        cells[1](cells[0](x))
        assert seen() is None
    finally:
        gc.enable()


def test_providers_know_the_graph_that_reads_them() -> None:
    provider = DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=5)
    assert provider.get_deepnet() is None
    y = Conv(1, 2, [3, 3], name="reads")(provider.read_batch(0))
    net = y.get_deepnet()
    assert net.get_provider() is provider
    assert provider.get_deepnet() is net
    other = DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=7)
    other.set_deepnet(net)
    assert net.get_provider() is other
    assert other.get_deepnet() is net


def test_a_raw_tensor_gets_a_placeholder_of_the_printed_name() -> None:
    x = Tensor([3, 2])
    fc = Fc(2, 2)
    net = fc(x).get_deepnet()
    source = net.get_provider()
    assert (source.get_name(), source.get_size(), source.get_batch_size()) == (fc.get_input_cells()[0], [1, 1, 2], 3)
    assert isinstance(source, TensorPlaceholder)
    assert source.get_deepnet() is net
    assert x.cell is source
    assert net.nodes()[0].kind == "TensorPlaceholder"


def test_a_target_trains_through_its_graph() -> None:
    source = TensorPlaceholder(Tensor([2, 3], value=1.0), Tensor([2], datatype="int", value=1))
    fc, softmax = Fc(3, 2, name="fc"), Softmax(with_loss=True, name="softmax")
    target = Score(source)
    losses = []
    for _ in range(5):
        loss = target(softmax(fc(source())))
        net = loss.get_deepnet()
        assert net is target.get_deepnet() is softmax.get_deepnet()
        net.back_propagate()
        net.update()
        losses.append(loss[0])
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_target_on_data_alone() -> None:
    source = TensorPlaceholder(Tensor([2, 3, 1, 1], value=1.0), Tensor([2], datatype="int", value=1))
    net = Score(source)(source()).get_deepnet()
    assert net.get_provider() is source
    with pytest.raises(RuntimeError, match="nothing to back-propagate through: no cell made this tensor"):
        net.back_propagate()
    with pytest.raises(RuntimeError, match="update: the graph has no cells"):
        net.update()


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y = residual()(Tensor([4, 2]))
    net = y.get_deepnet()
    net.log_stats(tmp_path / "stats")
    stats = json.loads((tmp_path / "stats/stats.json").read_text())
    assert [cell["name"] for cell in stats["cells"]] == ["a", "b", "sum", "head"]
    assert stats["total"]["parameters"] == 6 + 6 + 9
    net.export_network_free_parameters(str(tmp_path / "weights"))
    files = sorted(file.name for file in (tmp_path / "weights").iterdir())
    assert files == [f"{cell}_{what}.syntxt" for cell in ("a", "b", "head") for what in ("biases", "weights")]
    assert capsys.readouterr().out.count("Export to ") == 8
    net.draw(tmp_path / "one.svg")
    net.draw(tmp_path / "both")
    y.draw_associated_graph(tmp_path / "net.v2")
    pictures = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert sorted(pictures) == ["both.png", "both.svg", "net.v2.mmd", "net.v2.png", "one.svg"]
    assert all(pictures[name].startswith(b"\x89PNG") for name in ("both.png", "net.v2.png"))
    assert b"<svg" in pictures["one.svg"]
    assert b"n1 --> n2" in pictures["net.v2.mmd"]


def test_stats_of_several_outputs_count_a_cell_once(tmp_path: Path) -> None:
    trunk, left, right = Fc(2, 2, name="trunk"), Fc(2, 1, name="left"), Fc(2, 1, name="right")
    h = trunk(Tensor([1, 2]))
    net = Interface([left(h), right(h)]).get_deepnet()
    net.log_stats(tmp_path)
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert [cell["name"] for cell in stats["cells"]] == ["trunk", "left", "right"]


def test_a_cell_that_outputs_share_moves_once() -> None:
    one = n2d2.filler.Constant(value=1.0)
    cells = [Fc(1, 1, filler=one, no_bias=True, solver=n2d2.solver.SGD(learning_rate=1.0)) for _ in range(3)]
    trunk, left, right = cells
    h = trunk(Tensor([1, 1], value=2.0))
    outputs = [left(h), right(h)]
    for y in outputs:
        y.back_propagate(np.ones((1, 1, 1, 1)))
    DeepNet(outputs).update()
    assert [cell.get_weight(0, 0)[0] for cell in cells] == [5.0, 3.0, 3.0]


def test_outputs_that_share_nothing_are_updated_together() -> None:
    solver = n2d2.solver.SGD(learning_rate=1.0)
    zero = n2d2.filler.Constant(value=0.0)
    cells = [Fc(1, 1, filler=zero, no_bias=True, solver=solver) for _ in range(2)]
    outputs = [cell(Tensor([1, 1], value=2.0)) for cell in cells]
    for y in outputs:
        y.back_propagate(np.ones((1, 1, 1, 1)))
    DeepNet(outputs).update()
    assert [cell.get_weight(0, 0)[0] for cell in cells] == [2.0, 2.0]


def same_names() -> DeepNet:
    return Fc(2, 2, name="same")(Fc(2, 2, name="same")(Tensor([1, 2]))).get_deepnet()


def stale() -> None:
    source = TensorPlaceholder(Tensor([1, 2]), Tensor([1], datatype="int"))
    fc, target = Fc(2, 2), Score(source, name="judge")
    net = target(fc(source())).get_deepnet()
    target(fc(source()))
    net.back_propagate()


def net() -> DeepNet:
    return Fc(2, 2)(Tensor([1, 2])).get_deepnet()


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: DeepNet(Tensor([1])), TypeError, "DeepNet: tensors must be of type list of n2d2.Tensor, got Tensor"),
    (lambda: DeepNet([]), ValueError, "DeepNet: the list of tensors must not be empty"),
    (lambda: net().back_propagate(), RuntimeError, "back_propagate: no target compares the output with labels"),
    (stale, RuntimeError, "back_propagate: `judge` has evaluated another output since"),
    (lambda: Tensor([1, 2]).get_deepnet().update(), RuntimeError, "update: the graph has no cells"),
    (lambda: Tensor([1, 2]).get_deepnet().log_stats("x"), RuntimeError, "log_stats: the graph has no cells"),
    (lambda: same_names().get_cells(), ValueError, "two cells have the name `same`; give each its own"),
    (lambda: same_names().export_network_free_parameters("x"), ValueError, "and so the same parameter files"),
    (lambda: net().set_provider(1), TypeError, "provider must be of type Provider, got int"),
    (
        lambda: net().set_provider(TensorPlaceholder(Tensor([1, 3, 4, 5]), name="big")),
        ValueError,
        "set_provider: expected stimuli of size [1, 1, 2] [width, height, channels], got [5, 4, 3] from `big`",
    ),
    (
        lambda: TensorPlaceholder(Tensor([1, 2]), name="p").set_deepnet("net"),
        TypeError,
        "p: deepnet must be of type DeepNet, got str",
    ),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
    assert isinstance(raised.value, n2d2.Error)
