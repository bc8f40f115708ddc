"""A network as one cell: graphs, calls, changes, targets; what fit and run_test do is in tests/train."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import Interface, Tensor
from n2d2.activation import Linear
from n2d2.cells import (
    Activation,
    Block,
    Conv,
    DeepNetCell,
    Dropout,
    ElemWise,
    Fc,
    Layer,
    Pool,
    Reshape,
    Sequence,
    Softmax,
)
from n2d2.deepnet import DeepNet
from n2d2.error_handler import ShapeError, StateError, UnknownCellError, WrongInputType, WrongValue
from n2d2.filler import Constant
from n2d2.provider import DataProvider, TensorPlaceholder
from n2d2.solver import SGD
from n2d2.target import Score

Array = np.ndarray


def fc(name: str, weight: float = 1.0, nb_inputs: int = 2, nb_outputs: int = 2) -> Fc:
    """Return a layer whose outputs are `weight` times the sum of its inputs."""
    solver = SGD(learning_rate=1.0)
    return Fc(
        nb_inputs, nb_outputs, weights_filler=Constant(value=weight), no_bias=True, weights_solver=solver, name=name
    )


def pair(a: float = 1.0, b: float = 2.0) -> Tensor:
    return Tensor.from_numpy(np.array([a, b], np.float32).reshape(1, 2, 1, 1))


def values(output: Any) -> list[float]:
    return [float(v) for v in output.to_numpy().ravel()]


def weight(cell: Any) -> float:
    """Return the weight of a layer whose weights are all the same."""
    weights = cell.N2D2().param("weights")
    assert (weights == weights.flat[0]).all()
    return float(weights.flat[0])


def source(size: tuple[int, int, int] = (1, 1, 2), name: str = "source", batch_size: int = 2) -> DataProvider:
    width, height, channels = size
    base = n2d2.database.Numpy()
    for partition in ("Learn", "Test"):
        base.load([np.ones((channels, height, width), np.float32)] * 4, [0, 1] * 2, partition=partition)
    return DataProvider(base, list(size), batch_size=batch_size, name=name)


def chain() -> DeepNetCell:
    """Return `a`, `b` and `c` one after the other: each doubles, triples, or adds."""
    return DeepNetCell(fc("c")(fc("b", 3.0)(fc("a", 2.0)(pair()))).get_deepnet())


def branches() -> DeepNetCell:
    """Return `trunk`, read by `left` and `right`, whose sum is `join`."""
    h = fc("trunk")(pair())
    return DeepNetCell(ElemWise(name="join")(Interface([fc("left", 2.0)(h), fc("right", 3.0)(h)])).get_deepnet())


def two_ends(provider: DataProvider) -> DeepNetCell:
    """Return `trunk`, with the outputs `left` and `right` behind it and a target for each."""
    body = Sequence([fc("trunk"), Layer([fc("left", 2.0), fc("right", 3.0)])])
    return body.to_deepnet_cell(provider, [Score(provider, name="of left"), Score(provider, name="of right")])


# ---- construction ----


def test_a_graph_becomes_a_cell() -> None:
    a, b = fc("a", 2.0), fc("b", 3.0)
    net = b(a(pair())).get_deepnet()
    model = DeepNetCell(net)
    assert isinstance(model, Block)
    assert model.get_name() == net.get_name()
    assert model.get_type() == "DeepNetCell"
    assert (model["a"], model[1], len(list(model))) == (a, b, 2)
    assert model.get_embedded_deepnet() is net is model.get_deepnet()
    assert model.provider is None
    assert model.targets == {}
    assert model.history == []
    # (1 + 2) x 2 = 6 twice, 12 x 3 = 36 twice.
    assert values(model(pair())) == [36.0, 36.0]


def test_the_modes_of_the_cells_of_a_graph_stay() -> None:
    drop = Dropout(name="drop").test()
    model = DeepNetCell(drop(pair()).get_deepnet())
    assert drop.N2D2().learn is False
    model.learn()
    assert drop.N2D2().learn is True


def test_a_network_has_the_name_that_it_is_given() -> None:
    net = fc("a")(pair()).get_deepnet()
    assert DeepNetCell(net, name="own").get_name() == "own"
    with pytest.raises(WrongInputType, match="DeepNetCell: parameter `name` must be a str, got int"):
        DeepNetCell(net, name=3)


def test_what_is_no_graph_of_cells_is_refused() -> None:
    with pytest.raises(WrongInputType, match=r"N2D2_object must be of type n2d2\.deepnet\.DeepNet, got Tensor"):
        DeepNetCell(pair())
    with pytest.raises(StateError, match="has no cells"):
        DeepNetCell(pair().get_deepnet())
    net = fc("same")(fc("same")(pair())).get_deepnet()
    with pytest.raises(WrongValue, match="two cells have the name `same`; give each its own"):
        DeepNetCell(net)


def test_cells_are_listed_layer_by_layer() -> None:
    # `side` is called last but stands in the first layer, with `trunk`.
    x = pair()
    h = fc("deep")(fc("trunk")(x))
    y = ElemWise(name="join")(Interface([h, fc("side")(x)]))
    model = DeepNetCell(y.get_deepnet())
    assert [cell.get_name() for cell in model] == ["trunk", "side", "deep", "join"]
    assert list(model.get_cells()) == ["trunk", "side", "deep", "join"]
    assert [cell.name for cell in model.get_input_cells()] == ["trunk", "side"]
    assert [cell.name for cell in model.get_output_cells()] == ["join"]


def test_printing_shows_the_cells() -> None:
    model = chain()
    lines = str(model).split("\n")
    starts = [f"'{model.name}' DeepNetCell(", "\t(0): 'a' Fc(", "\t(1): 'b' Fc(", "\t(2): 'c' Fc(", ")"]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    model.remove("b")
    assert "'b'" not in str(model)


def test_outputs_that_no_cell_made_are_refused() -> None:
    x = pair()
    with pytest.raises(StateError, match="an output that no cell made; put an Activation cell behind the input"):
        DeepNetCell._of([x], inputs=[x])
    y = fc("a")(x)
    with pytest.raises(StateError, match="a cell reads a tensor that is no input of the network"):
        DeepNetCell._of([y], inputs=[pair()])
    with pytest.raises(StateError, match="an output that no cell made"):
        DeepNetCell._of([], inputs=[x])


# ---- calls ----


def test_any_batch_size_can_be_computed() -> None:
    model = chain()
    x = np.arange(6, dtype=np.float32).reshape(3, 2, 1, 1)
    y = model(Tensor.from_numpy(x)).to_numpy()
    # The sum of each stimulus, times 2, twice; times 3, twice; times 1.
    np.testing.assert_array_equal(y[:, :, 0, 0], np.repeat([[24.0], [120.0], [216.0]], 2, axis=1))


def test_the_graph_of_a_call_is_that_of_its_tensor() -> None:
    model = chain()
    before = model.get_embedded_deepnet()
    y = model(pair())
    assert model.get_deepnet() is y.get_deepnet()
    assert model.get_deepnet() is not before
    assert model.get_embedded_deepnet() is before


def test_a_network_with_two_inputs_takes_a_bundle() -> None:
    left, right = pair(1.0, 1.0), pair(2.0, 2.0)
    y = ElemWise(name="join")(Interface([fc("a", 1.0)(left), fc("b", 10.0)(right)]))
    model = DeepNetCell._of([y], inputs=[left, right])
    assert [cell.name for cell in model.get_input_cells()] == ["a", "b"]
    assert values(model(Interface([pair(1.0, 2.0), pair(3.0, 4.0)]))) == [73.0, 73.0]
    with pytest.raises(WrongValue, match="inputs is '1 tensors', expected 2, one an input"):
        model(pair())
    with pytest.raises(StateError, match="set_provider: the network has 2 inputs"):
        model.set_provider(source())
    with pytest.raises(WrongInputType, match=r"received an input of type builtins\.str"):
        model(["a", "b"])


def test_inputs_of_different_sizes_are_given_as_a_list() -> None:
    small, large = pair(), n2d2.Tensor([1, 1, 2, 2])
    outputs = [fc("a")(small), fc("b", 2.0, nb_inputs=4)(large)]
    model = DeepNetCell._of([ElemWise(name="join")(Interface(outputs))], inputs=[small, large])
    assert values(model([pair(1.0, 2.0), n2d2.Tensor([1, 1, 2, 2], value=1.0)])) == [11.0, 11.0]
    with pytest.raises(WrongValue, match="inputs is '1 tensors', expected 2, one an input"):
        model([pair()])


def test_a_network_with_two_outputs_gives_a_bundle_in_their_order() -> None:
    x = pair()
    h = fc("trunk")(x)
    left, right = fc("left", 2.0)(h), fc("right", 3.0, nb_outputs=3)(h)
    model = DeepNetCell._of([right, left], inputs=[x])
    assert [cell.name for cell in model.get_output_cells()] == ["right", "left"]
    y = model(pair())
    assert isinstance(y, Interface)
    assert [values(t) for t in y.get_tensors()] == [[18.0] * 3, [12.0] * 2]


def test_an_output_that_another_cell_reads_stays_an_output() -> None:
    x = pair()
    inner = fc("inner")(x)
    model = DeepNetCell._of([inner, fc("outer", 2.0)(inner)], inputs=[x])
    assert [cell.name for cell in model.get_output_cells()] == ["inner", "outer"]
    assert [values(t) for t in model(pair()).get_tensors()] == [[3.0, 3.0], [12.0, 12.0]]


def test_a_network_is_a_cell_of_a_sequence() -> None:
    inner = chain()
    softmax = Softmax(name="softmax")
    model = Sequence([fc("before", 0.5), inner, softmax], name="model")
    y = model(pair(1.0, 3.0))
    assert values(inner.get_deepnet().get_output_cells()[0].get_outputs()) == [96.0, 96.0]
    assert values(y) == [0.5, 0.5]
    assert list(y.get_deepnet().get_cells()) == ["before", "a", "b", "c", "softmax"]
    assert list(model.get_cells()) == ["before", inner.name, "a", "b", "c", "softmax"]
    assert model.get_cell("b") is inner["b"]


def test_gradients_go_through_a_network_to_the_cells_before_it() -> None:
    before, inner, behind = fc("before"), DeepNetCell(fc("inner", 2.0)(pair()).get_deepnet()), fc("behind", 3.0)
    y = behind(inner(before(pair())))
    y.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    y.update()
    # The input of a layer times what arrives at its output: 12 x 1; 3 x 6; 1 or 2 x 24.
    assert weight(behind) == 3.0 + 12.0
    assert weight(inner["inner"]) == 2.0 + 3.0 * 6.0
    np.testing.assert_array_equal(before.N2D2().param("weights").reshape(2, 2), [[25.0, 49.0]] * 2)


def test_a_layer_of_networks_runs_them_side_by_side() -> None:
    both = Layer([chain(), DeepNetCell(fc("d", 5.0)(pair()).get_deepnet())])
    left, right = both(pair())
    assert (values(left), values(right)) == ([72.0, 72.0], [15.0, 15.0])


class Twice(Block):
    """A container that calls its only cell twice."""

    def __call__(self, inputs: Any) -> Any:
        super().__call__(inputs)
        cell: Any = self[0]
        return cell(cell(inputs))


def test_a_cell_that_is_called_twice_learns_from_both_calls() -> None:
    model = Twice([fc("same", 2.0)]).to_deepnet_cell(source())
    assert list(model.get_cells()) == ["same"]
    y = model(pair(1.0, 1.0))
    assert values(y) == [16.0, 16.0]
    y.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    model.update()
    # The second call: input 4 times 1; the first: input 1 times 2 + 2.
    assert weight(model["same"]) == 2.0 + 4.0 + 4.0
    with pytest.raises(StateError, match="without `same` an input of the network would be an output of it"):
        model.remove("same")


def test_a_network_of_a_network_has_the_same_cells() -> None:
    inner = chain()
    outer = Sequence([inner, fc("d")]).to_deepnet_cell(source())
    assert [cell.name for cell in outer] == ["a", "b", "c", "d"]
    assert outer["a"] is inner["a"]
    inner.remove("b")
    assert [cell.name for cell in outer] == ["a", "b", "c", "d"]


# ---- get_cell, learn, test, update ----


def test_cells_are_found_by_name() -> None:
    model = chain()
    assert model.get_cell("b") is model["b"] is model[1]
    with pytest.raises(UnknownCellError, match="`bb` is not one of its cells; did you mean `b`"):
        model.get_cell("bb")
    with pytest.raises(IndexError, match="index 3 is outside the 3 cells"):
        model[3]


def test_learn_and_test_set_all_cells() -> None:
    model = chain()
    assert model.test() is model
    assert not any(cell.N2D2().learn for cell in model)
    assert model.learn() is model
    assert all(cell.N2D2().learn for cell in model)


def test_update_moves_each_parameter_once() -> None:
    model = branches()
    with pytest.raises(StateError, match=f"{model.name}: update: the network was not called yet"):
        model.update()
    model(pair(1.0, 1.0)).back_propagate(np.ones((1, 2, 1, 1), np.float32))
    model.update()
    # The trunk gives 2; 2 x 1 each; the trunk gets 2 x 2 + 2 x 3 for an input of 1.
    assert [weight(model[name]) for name in ("left", "right", "trunk")] == [4.0, 5.0, 11.0]


def test_update_of_two_outputs_moves_what_they_share_once() -> None:
    model = two_ends(source())
    y = model(pair(1.0, 1.0))
    for output in y.get_tensors():
        output.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    model.update()
    assert [weight(model[name]) for name in ("left", "right", "trunk")] == [4.0, 5.0, 11.0]


# ---- to_deepnet_cell ----


def test_conversion_keeps_cells_and_modes_and_gives_a_target() -> None:
    provider = source()
    drop = Dropout(name="drop").test()
    body = Sequence([fc("a"), drop])
    model = body.to_deepnet_cell(provider)
    assert model["a"] is body["a"]
    assert (model["a"].N2D2().learn, drop.N2D2().learn) == (True, False)
    (target,) = model.targets.values()
    assert (list(model.targets), target.get_name(), target.provider) == (["drop"], "Target", provider)
    assert model.get_embedded_deepnet().get_provider() is provider
    assert provider.get_partition() == "Test"


def test_conversion_reads_no_data() -> None:
    provider = DataProvider(n2d2.database.Numpy(), [1, 1, 2])
    model = Sequence([fc("a")]).to_deepnet_cell(provider)
    assert model.provider is provider


def test_conversion_gives_each_output_its_target() -> None:
    provider = source()
    model = two_ends(provider)
    assert {name: target.get_name() for name, target in model.targets.items()} == {
        "left": "of left",
        "right": "of right",
    }
    body = Sequence([fc("x"), Layer([fc("y"), fc("z")])])
    names = [target.get_name() for target in body.to_deepnet_cell(provider).targets.values()]
    assert names == ["Target_0", "Target_1"]
    with pytest.raises(WrongValue, match="target is '1 targets', expected 2, one for each output"):
        body.to_deepnet_cell(provider, Score(provider))
    one = fc("one")
    with pytest.raises(StateError, match="one cell makes two outputs; put an Activation of its own behind each"):
        Forked([one]).to_deepnet_cell(provider)


class Forked(Block):
    """A container whose only cell gives both outputs."""

    def __call__(self, inputs: Any) -> Any:
        super().__call__(inputs)
        cell: Any = self[0]
        return Interface([cell(inputs), cell(cell(inputs))])


def test_a_target_compares_with_the_labels_of_the_new_provider() -> None:
    first, second = source(name="first"), source(name="second")
    target = Score(first)
    Sequence([fc("a")]).to_deepnet_cell(second, target)
    assert target.provider is second


def test_a_container_that_does_not_compute_a_tensor_by_cells_is_refused() -> None:
    with pytest.raises(StateError, match="to_deepnet_cell: expected the container to compute a tensor by cells"):
        Sequence([]).to_deepnet_cell(source())

    class Numbers(Block):
        def __call__(self, inputs: Any) -> Any:
            return 3

    with pytest.raises(StateError, match="compute a tensor by cells, got int"):
        Numbers([]).to_deepnet_cell(source())
    with pytest.raises(NotImplementedError, match="a Block has no data flow"):
        Block([fc("a")]).to_deepnet_cell(source())


def test_modes_are_as_before_after_a_conversion_that_fails() -> None:
    body = Sequence([fc("a"), Dropout(name="drop"), fc("b", nb_inputs=3)])
    with pytest.raises(ShapeError, match="b"):
        body.to_deepnet_cell(source())
    assert all(cell.N2D2().learn for cell in body)


# ---- set_provider ----


def images(size: int, name: str = "source") -> DataProvider:
    return source((size, size, 1), name)


def test_a_provider_of_another_size_changes_the_shapes() -> None:
    body = Sequence([Conv(1, 2, [3, 3], name="conv"), Pool([2, 2], stride_dims=[2, 2], name="pool")])
    model = body.to_deepnet_cell(images(6))
    model(Tensor([1, 1, 6, 6]))
    assert model.get_embedded_deepnet().nodes()[-1].shape == [1, 2, 2, 2]
    larger = images(10, "larger")
    model.set_provider(larger)
    assert model.provider is larger
    assert model.get_embedded_deepnet().nodes()[-1].shape == [1, 2, 4, 4]
    assert model.get_embedded_deepnet().get_provider() is larger
    assert model.get_deepnet() is model.get_embedded_deepnet()
    assert [target.provider for target in model.targets.values()] == [larger]


def test_a_provider_of_the_same_size_leaves_the_graph() -> None:
    model = Sequence([fc("a")]).to_deepnet_cell(source())
    y = model(pair())
    embedded = model.get_embedded_deepnet()
    model.set_provider(source(name="other"))
    assert model.get_embedded_deepnet() is embedded
    assert model.get_deepnet() is y.get_deepnet()


def test_nothing_changes_if_the_stimuli_do_not_fit() -> None:
    first = images(4)
    model = Sequence([Reshape([1, 1, -1], name="flat"), fc("a", nb_inputs=16)]).to_deepnet_cell(first)
    embedded = model.get_embedded_deepnet()
    with pytest.raises(ShapeError, match="a"):
        model.set_provider(images(5, "larger"))
    assert model.provider is first
    assert model.get_embedded_deepnet() is embedded
    assert [target.provider for target in model.targets.values()] == [first]
    assert model(Tensor([2, 1, 4, 4], value=1.0)).shape() == [2, 2, 1, 1]
    with pytest.raises(WrongInputType, match="provider must be of type Provider, got Tensor"):
        model.set_provider(pair())


def test_a_network_without_targets_gets_them_from_set_provider() -> None:
    x = pair()
    h = fc("trunk")(x)
    model = DeepNetCell._of([fc("left")(h), fc("right")(h)], inputs=[x])
    model.set_provider(TensorPlaceholder(pair(), name="fixed"))
    assert {cell: target.get_name() for cell, target in model.targets.items()} == {
        "left": "Target_0",
        "right": "Target_1",
    }


# ---- remove ----


def test_what_read_a_removed_cell_reads_its_input() -> None:
    model = chain()
    model.remove("b")
    assert [cell.name for cell in model] == ["a", "c"]
    assert list(model.get_cells()) == list(model.get_embedded_deepnet().get_cells()) == ["a", "c"]
    assert values(model(pair())) == [12.0, 12.0]
    model.remove("a")
    assert [cell.name for cell in model.get_input_cells()] == ["c"]
    assert values(model(pair())) == [3.0, 3.0]
    with pytest.raises(StateError, match="remove: without `c` an input of the network would be an output of it"):
        model.remove("c")


def test_a_removed_output_leaves_its_target_to_the_cell_before_it() -> None:
    provider = source()
    target = Score(provider)
    model = Sequence([fc("a"), fc("b"), Softmax(name="softmax")]).to_deepnet_cell(provider, target)
    model.remove("softmax")
    assert model.targets == {"b": target}
    model.remove("b", reconnect=False)
    assert model.targets == {"a": target}
    assert [cell.name for cell in model.get_output_cells()] == ["a"]
    assert model.get_embedded_deepnet().get_provider() is provider


def test_a_branch_goes_with_its_last_cell_if_it_is_not_reconnected() -> None:
    x = pair()
    h = fc("trunk")(x)
    long = fc("end", 10.0)(fc("middle")(h))
    y = ElemWise(name="join")(Interface([long, fc("short", 3.0)(h)]))
    model = DeepNetCell._of([y], inputs=[x])
    model.remove("end", reconnect=False)
    assert list(model.get_cells()) == ["trunk", "short", "join"], "nobody reads `middle` any more"
    assert values(model(pair())) == [18.0, 18.0]


def test_a_branch_stays_if_it_is_reconnected() -> None:
    model = branches()
    model.remove("left")
    assert list(model.get_cells()) == ["trunk", "right", "join"]
    # The trunk itself, and 3 x (3 + 3).
    assert values(model(pair())) == [21.0, 21.0]


def test_the_inputs_of_a_removed_cell_take_its_place_in_their_order() -> None:
    x = pair()
    h = fc("trunk")(x)
    inner = ElemWise(name="inner")(Interface([fc("p", 2.0)(h), fc("q", 3.0)(h)]))
    y = Activation(Linear(), name="side by side")(Interface([fc("r", 4.0)(h), inner, fc("s", 5.0)(h)]))
    model = DeepNetCell._of([y], inputs=[x])
    assert values(model(pair())) == [24.0] * 2 + [30.0] * 2 + [30.0] * 2
    model.remove("inner")
    assert values(model(pair())) == [24.0] * 2 + [12.0] * 2 + [18.0] * 2 + [30.0] * 2


def test_a_removed_cell_that_several_read_is_replaced_for_all() -> None:
    model = branches()
    model.remove("trunk")
    assert [cell.name for cell in model.get_input_cells()] == ["left", "right"]
    assert values(model(pair())) == [15.0, 15.0]


def unchanged(model: DeepNetCell, cells: list[str], embedded: DeepNet, targets: dict[str, Any]) -> None:
    assert list(model.get_cells()) == cells
    assert model.get_embedded_deepnet() is embedded
    assert model.targets == targets


def test_nothing_changes_after_an_error_of_remove() -> None:
    provider = source()
    body = Sequence([fc("a", nb_outputs=3), fc("b", nb_inputs=3), fc("c")])
    model = body.to_deepnet_cell(provider)
    kept = (["a", "b", "c"], model.get_embedded_deepnet(), model.targets)
    before = values(model(pair()))
    with pytest.raises(UnknownCellError, match="`d` is not one of its cells"):
        model.remove("d")
    unchanged(model, *kept)
    with pytest.raises(ShapeError, match="b"):
        model.remove("a")
    unchanged(model, *kept)
    with pytest.raises(StateError, match="remove: without `a`, `b` would read nothing; reconnect it"):
        model.remove("a", reconnect=False)
    unchanged(model, *kept)
    with pytest.raises(WrongInputType, match="parameter `name` must be a str, got int"):
        model.remove(1)
    with pytest.raises(WrongInputType, match="reconnect"):
        model.remove("a", reconnect="no")
    unchanged(model, *kept)
    assert values(model(pair())) == before
    assert all(cell.N2D2().learn for cell in model)


def test_a_target_of_a_cell_with_several_parents_stays() -> None:
    provider = source()
    body = Sequence([Layer([fc("left"), fc("right")]), ElemWise(name="join")])
    model = body.to_deepnet_cell(provider)
    kept = (["left", "right", "join"], model.get_embedded_deepnet(), model.targets)
    with pytest.raises(StateError, match="remove: the target of `join` cannot go to its 2 parents"):
        model.remove("join")
    unchanged(model, *kept)


def test_a_join_without_target_leaves_its_parents_as_outputs() -> None:
    model = branches()
    model.remove("join")
    assert [cell.name for cell in model.get_output_cells()] == ["left", "right"]
    assert [values(t) for t in model(pair()).get_tensors()] == [[12.0, 12.0], [18.0, 18.0]]


def test_one_of_two_outputs_is_removed_and_the_targets_keep_their_outputs() -> None:
    provider = source()
    model = two_ends(provider)
    model.remove("left")
    assert [cell.name for cell in model.get_output_cells()] == ["trunk", "right"]
    assert [(cell, target.get_name()) for cell, target in model.targets.items()] == [
        ("trunk", "of left"),
        ("right", "of right"),
    ]
    with pytest.raises(StateError, match="remove: `trunk` has a target already, and would get that of `right`"):
        model.remove("right")
    assert [cell.name for cell in model.get_output_cells()] == ["trunk", "right"]


def test_every_call_of_a_removed_cell_goes() -> None:
    x = pair()
    same = fc("same", 5.0)
    model = DeepNetCell(fc("end")(same(fc("start")(same(x)))).get_deepnet())
    assert values(model(x)) == [600.0, 600.0]
    model.remove("same")
    assert list(model.get_cells()) == ["start", "end"]
    assert values(model(x)) == [6.0, 6.0]


# ---- files, solvers and the like, by way of Block ----


def test_parameters_of_all_cells_are_written_and_read(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = chain()
    model.export_free_parameters(str(tmp_path))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a_weights.syntxt", "b_weights.syntxt", "c_weights.syntxt"]
    assert len(capsys.readouterr().out.splitlines()) == 6
    other = chain()
    other.set_solver(SGD(learning_rate=0.5))
    y = other(pair())
    y.back_propagate(np.ones((1, 2, 1, 1), np.float32))
    other.update()
    assert weight(other["c"]) == 1.0 + 0.5 * 36.0
    other.import_free_parameters(str(tmp_path))
    assert [weight(cell) for cell in other] == [2.0, 3.0, 1.0]
    assert not other.is_integral()
    other.set_back_propagate(False)
    assert [cell.back_propagate for cell in other] == [False] * 3


def test_statistics_are_those_of_the_cells(tmp_path: Any) -> None:
    model = branches()
    model.remove("left")
    model.log_stats(str(tmp_path))
    lines = (tmp_path / "stats.dat").read_text().splitlines()[1:]
    assert lines == ["trunk 4 4 2", "right 4 4 2", "join 0 0 2"]


def test_logs_need_a_partition_that_was_evaluated(tmp_path: Any) -> None:
    provider = source()
    model = Sequence([fc("a")]).to_deepnet_cell(provider, Score(provider, name="t", log_dir=tmp_path))
    with pytest.raises(StateError, match="t: nothing was evaluated in partition Test"):
        model.log_confusion_matrix("x")
    with pytest.raises(StateError, match="t: nothing was evaluated in partition Learn"):
        model.log_success("x", "Learn")
    with pytest.raises(StateError, match="the network has no target; give it one by to_deepnet_cell or set_provider"):
        chain().log_success("x")
    with pytest.raises(WrongInputType, match="partition"):
        model.log_success("x", 3)
    provider.set_partition("Learn")
    provider.read_batch(0)
    (target,) = model.targets.values()
    target(model(provider.get_data()))
    provider.set_partition("Test")
    model.log_success("x", "Learn")
    model.log_confusion_matrix("x", "Learn")
    assert provider.get_partition() == "Test"
    assert {"Success_x.png", "ConfusionMatrix_x.png"} <= {f.name for f in (tmp_path / "t.Target").iterdir()}
