"""Containers of the engine's cells run as one call, and nobody can tell but by the clock."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier, Tanh
from n2d2.cells import BatchNorm2d, Conv, Dropout, ElemWise, Fc, GlobalPool2d, Layer, Pool, Sequence, Softmax
from n2d2.error_handler import ShapeError, StateError


@pytest.fixture(autouse=True)
def _threads() -> object:
    before = n2d2.global_variables.nb_threads
    yield
    n2d2.global_variables.nb_threads = before


def network() -> Sequence:
    """Every way in which cells depend on each other: chains, branches, the whole batch."""
    n2d2.global_variables.seed = 3
    branch = Sequence(
        [Conv(6, 6, [3, 3], padding_dims=[1, 1], name="branch"), BatchNorm2d(6, name="norm")], name="deep"
    )
    return Sequence(
        [
            Conv(1, 6, [5, 5], activation=Rectifier(), name="conv"),
            Pool([2, 2], stride_dims=[2, 2], name="pool"),
            Layer([branch, Sequence([], name="skip")], name="both"),
            ElemWise(operation="Sum", activation=Rectifier(), name="sum"),
            Conv(6, 8, [3, 3], activation=Tanh(), name="conv2"),
            Dropout(dropout=0.25, name="drop"),
            Fc(8 * 25, 12, activation=Rectifier(), name="fc"),
            Fc(12, 10, name="fc2"),
            Softmax(with_loss=True, name="softmax"),
        ],
        name="net",
    )


def one_by_one(cells: Sequence, x: n2d2.Tensor) -> n2d2.Tensor | n2d2.Interface:
    """The output of a sequence, cell by cell."""
    value: n2d2.Tensor | n2d2.Interface = x
    for cell in cells:
        if isinstance(cell, Sequence):
            value = one_by_one(cell, value)  # type: ignore[arg-type]
        elif isinstance(cell, Layer):
            both = [one_by_one(c, value) if isinstance(c, Sequence) else c(value) for c in cell]  # type: ignore[arg-type]
            value = n2d2.Interface(both)  # type: ignore[arg-type]
        else:
            value = cell(value)
    return value  # type: ignore[return-value]


def train(planned: bool, batch: int, threads: int) -> list[np.ndarray]:
    n2d2.global_variables.nb_threads = threads
    model = network()
    model.set_solver(n2d2.solver.SGD(learning_rate=0.05, momentum=0.9))
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(3):
        x = n2d2.Tensor.from_numpy(rng.standard_normal((batch, 1, 18, 18)).astype(np.float32))
        y = model(x) if planned else one_by_one(model, x)
        assert isinstance(y, n2d2.Tensor)
        y.back_propagate(rng.standard_normal((batch, 10, 1, 1)).astype(np.float32))
        seen.append(y.to_numpy(copy=True))
        seen += [model.get_cells()[n].get_diffinputs().to_numpy(copy=True) for n in ("conv", "sum", "branch", "fc")]
        y.update()
    for cell in model.get_cells().values():
        names = cell.N2D2().param_names() if hasattr(cell, "N2D2") else []
        seen += [cell.N2D2().param(name) for name in names]
    return seen


@pytest.mark.parametrize("batch", [1, 2, 7, 16, 33, 64])
def test_same_bits_as_cell_by_cell_for_every_number_of_threads(batch: int) -> None:
    expected = train(planned=False, batch=batch, threads=1)
    assert all(np.isfinite(e).all() for e in expected)
    for threads in (1, 2, 4):
        for ours, theirs in zip(train(planned=True, batch=batch, threads=threads), expected, strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_cells_know_their_tensors_afterwards() -> None:
    model = network()
    x = n2d2.Tensor([2, 1, 18, 18], value=1.0)
    y = model(x)
    cells = model.get_cells()
    assert cells["softmax"].get_outputs() is y
    assert cells["conv"].get_inputs() is x
    assert cells["pool"].get_inputs() is cells["conv"].get_outputs()
    assert cells["sum"].get_input_cells() == ["norm", "pool"]
    assert list(y.get_deepnet().get_cells()) == [n for n in cells if n not in ("both", "deep", "skip")]
    assert cells["fc"].get_deepnet() is cells["fc"].get_outputs().get_deepnet()
    assert cells["sum"].weights == [1.0, 1.0]


def residual() -> Sequence:
    """A convolution with a normalisation and a shortcut, which test mode computes in one pass."""
    n2d2.global_variables.seed = 3
    body = Sequence([Conv(8, 8, [3, 3], padding_dims=[1, 1], name="body"), BatchNorm2d(8, name="norm")])
    ends = [GlobalPool2d(pooling="Average", name="mean"), Fc(8, 3, name="fc"), Softmax(with_loss=True, name="softmax")]
    return Sequence(
        [
            Conv(1, 8, [3, 3], name="stem"),
            Layer([body, Sequence([])], name="both"),
            ElemWise(operation="Sum", activation=Rectifier(), name="sum"),
            *ends,
        ]
    )


@pytest.mark.parametrize("batch", [1, 5])
def test_test_mode_keeps_the_ends_and_computes_the_rest_on_demand(batch: int) -> None:
    model = residual().test()
    rng = np.random.default_rng(2)
    x = n2d2.Tensor.from_numpy(rng.standard_normal((batch, 1, 12, 9)).astype(np.float32))
    expected = one_by_one(model, x)
    cells = model.get_cells()
    inside = {n: cells[n].get_outputs().to_numpy(copy=True) for n in ("body", "norm", "sum", "mean")}
    y = model(x)
    assert y.to_numpy().tobytes() == expected.to_numpy().tobytes()  # type: ignore[union-attr]
    # Another call writes the buffers of the first again, but not its output.
    before = y.to_numpy(copy=True)
    model(n2d2.Tensor([batch, 1, 12, 9], value=2.0))
    assert y.to_numpy().tobytes() == before.tobytes()
    z = model(x)
    for name, values in inside.items():
        assert cells[name].get_outputs().to_numpy().tobytes() == values.tobytes(), name
    assert cells["softmax"].get_outputs() is z
    assert cells["sum"].get_input_cells() == ["norm", "stem"]
    assert model["mean"].pool_dims == [10, 7]
    z.back_propagate(np.ones((batch, 3, 1, 1), np.float32))
    assert np.abs(cells["body"].get_diffinputs().to_numpy()).max() > 0


def test_a_change_after_a_call_in_test_mode_is_named() -> None:
    model = residual().test()
    x = n2d2.Tensor([2, 1, 12, 9], value=1.0)
    model(x)
    norm = model.get_cells()["norm"]
    norm.get_scales()
    assert norm.get_outputs().shape() == [2, 8, 10, 7]
    model(x)
    norm.set_scales(n2d2.Tensor([8], value=3.0))
    with pytest.raises(StateError, match="norm: what it computed in test mode was not kept, and it has changed since"):
        model.get_cells()["body"].get_outputs()
    # So is what is written to the memory of a parameter.
    scales = norm.get_scales().to_numpy()
    y = model(x)
    assert norm.get_outputs().shape() == [2, 8, 10, 7]
    model(x)
    scales[...] += 1.0
    with pytest.raises(StateError, match="norm: what it computed"):
        model.get_cells()["body"].get_outputs()
    assert y.to_numpy().tobytes() != model(x).to_numpy().tobytes()


def test_a_window_of_the_whole_image_is_noted() -> None:
    model = Sequence([Conv(1, 2, [3, 3]), GlobalPool2d(name="mean")])
    model(n2d2.Tensor([1, 1, 9, 7]))
    assert model["mean"].pool_dims == [7, 5]


def test_errors_are_those_of_the_cell() -> None:
    model = Sequence([Conv(1, 3, [3, 3], name="conv"), BatchNorm2d(4, name="norm")])
    with pytest.raises(ShapeError, match="norm : expected an input with 4 channels got a tensor with 3 instead"):
        model(n2d2.Tensor([1, 1, 5, 5]))


def test_changes_of_a_container_inside_are_seen() -> None:
    one = n2d2.filler.Constant(value=1.0)
    inner = Sequence([Fc(2, 2, filler=one, no_bias=True)])
    model = Sequence([inner, Fc(2, 1, filler=one, no_bias=True)])
    x = n2d2.Tensor([1, 2], value=1.0)
    assert model(x)[0] == 4.0
    inner.append(Fc(2, 2, filler=one, no_bias=True))
    assert model(x)[0] == 8.0
    inner.remove(inner[0])
    assert model(x)[0] == 4.0


def test_a_cell_of_the_user_is_called() -> None:
    class Twice(Fc):
        def __call__(self, inputs: n2d2.Tensor | n2d2.Interface) -> n2d2.Tensor:
            return super().__call__(super().__call__(inputs))

    one = n2d2.filler.Constant(value=1.0)
    model = Sequence([Twice(2, 2, filler=one, no_bias=True), Fc(2, 1, filler=one, no_bias=True)])
    assert model(n2d2.Tensor([1, 2], value=1.0))[0] == 8.0


def test_the_same_cell_twice_adds_its_gradients() -> None:
    fc = Fc(1, 1, filler=n2d2.filler.Constant(value=2.0), no_bias=True)
    y = Sequence([fc, fc])(n2d2.Tensor([1, 1], value=3.0))
    y.back_propagate(np.ones((1, 1, 1, 1), np.float32))
    assert y[0] == 12.0
    assert fc.N2D2().grad("weights").item() == 12.0


def test_a_run_is_freed_when_the_next_one_is_made() -> None:
    model = network()
    y = model(n2d2.Tensor([2, 1, 18, 18]))
    before = weakref.ref(model.get_cells()["conv"].get_outputs())
    gone = weakref.ref(y)
    gc.disable()
    try:
        del y
        model(n2d2.Tensor([2, 1, 18, 18]))
        assert before() is None
        assert gone() is None
    finally:
        gc.enable()
