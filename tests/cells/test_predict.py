"""`DeepNetCell.predict`: from array to array, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import BatchNorm2d, Conv, DeepNetCell, Dropout, ElemWise, Fc, Layer, Pool, Sequence, Softmax
from n2d2.error_handler import ShapeError, WrongInputType, WrongValue


def network(*behind: Any) -> DeepNetCell:
    """Cells that test mode folds, and one that learning mode makes random."""
    n2d2.global_variables.seed = 3
    branch = Sequence([Conv(6, 6, [3, 3], padding_dims=[1, 1], name="branch"), BatchNorm2d(6, name="norm")])
    body = Sequence(
        [
            Conv(1, 6, [5, 5], activation=Rectifier(), name="conv"),
            Pool([2, 2], stride_dims=[2, 2], name="pool"),
            Layer([branch, Sequence([], name="skip")], name="both"),
            ElemWise(operation="Sum", activation=Rectifier(), name="sum"),
            Dropout(dropout=0.25, name="drop"),
            *behind,
            Fc(6 * 144, 10, name="fc"),
            Softmax(with_loss=True, name="softmax"),
        ]
    )
    return body.to_deepnet_cell(n2d2.provider.TensorPlaceholder(n2d2.Tensor([2, 1, 28, 28])))


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 1, 28, 28)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 3, 40])
def test_bits_of_a_call_in_test_mode(n: int) -> None:
    model, x = network(), images(n)
    expected = model.test()(n2d2.Tensor.from_numpy(x)).to_numpy(copy=True)
    assert np.array_equal(model.predict(x), expected)
    assert expected.shape == (n, 10, 1, 1)
    assert not np.array_equal(model.predict(images(n, seed=1)), expected)


def test_learning_mode_is_left_and_comes_back() -> None:
    model, x = network(), images(5)
    expected = network().test().predict(x)
    assert np.array_equal(model.learn().predict(x), expected)
    model["fc"].test()
    assert np.array_equal(model.predict(x), expected)
    assert [model[name]._handle.learn for name in ("conv", "drop", "fc")] == [True, True, False]
    # The statistics did not move, nor the random numbers.
    assert set(model.get_cells()["norm"].get_means()) == {0.0}
    a, b = network()(n2d2.Tensor.from_numpy(x)), model.learn()(n2d2.Tensor.from_numpy(x))
    assert np.array_equal(a.to_numpy(), b.to_numpy())


def test_a_step_goes_on_around_it() -> None:
    def trained(predicts: bool) -> list[np.ndarray]:
        model = network()
        for step in range(3):
            y = model(n2d2.Tensor.from_numpy(images(4, step)))
            before = y.to_numpy(copy=True)
            if predicts:
                assert model.predict(images(2, 9)).shape == (2, 10, 1, 1)
                assert np.array_equal(model["softmax"].get_outputs().to_numpy(), before)
            y.back_propagate(np.ones(y.shape(), np.float32))
            model.update()
        return [model["fc"].N2D2().param("weights"), model["conv"].N2D2().param("bias")]

    for a, b in zip(trained(predicts=True), trained(predicts=False), strict=True):
        assert np.array_equal(a, b)


def test_new_parameters_are_seen() -> None:
    model, x = network(), images(2)
    before = model.test().predict(x)
    model["fc"].set_bias(3, n2d2.Tensor([1], value=5.0))
    after = model.predict(x)
    assert (after[:, 3] > before[:, 3]).all()
    model["fc"].set_bias(3, n2d2.Tensor([1], value=-5.0))
    assert (model.predict(x)[:, 3] < before[:, 3]).all()


def test_results_are_memory_of_their_own() -> None:
    model, x = network().test(), images(1)
    first = model.predict(x)
    kept = first.copy()
    second = model.predict(images(1, 1))
    assert np.array_equal(first, kept)
    second[:] = 7
    assert np.array_equal(first, kept)
    x[:] = 0
    assert np.array_equal(first, kept)


def test_at_most_so_many_images_at_a_time() -> None:
    model, x = network(), images(10)
    expected = model.predict(x)
    for size in (1, 3, 10, 11):
        assert np.allclose(model.predict(x, batch_size=size), expected, atol=1e-6)
        assert model.predict(x, size).shape == expected.shape


def test_arrays_of_any_strides_and_ranks() -> None:
    model, x = network().test(), images(4)
    expected = model.predict(x)
    assert np.array_equal(model.predict(np.asfortranarray(x)), expected)
    assert np.array_equal(model.predict(x[::-1])[::-1], expected)
    bytes_ = np.zeros(x.nbytes + 1, np.uint8)
    shifted = bytes_[1:].view(np.float32).reshape(x.shape)
    shifted[:] = x
    assert not shifted.flags.aligned
    assert np.array_equal(model.predict(shifted), expected)
    assert np.array_equal(model.predict(x[0]), model.predict(x[:1]))
    flat = Sequence([Fc(4, 2, name="fc")]).to_deepnet_cell(n2d2.provider.TensorPlaceholder(n2d2.Tensor([1, 4])))
    assert flat.predict(np.ones((3, 4), np.float32)).shape == (3, 2, 1, 1)


def test_several_outputs() -> None:
    both = Sequence([Layer([Fc(4, 2, name="a"), Fc(4, 3, name="b")])])
    model = both.to_deepnet_cell(n2d2.provider.TensorPlaceholder(n2d2.Tensor([1, 4, 1, 1])))
    x = np.ones((5, 4, 1, 1), np.float32)
    outputs = model.predict([x])
    assert isinstance(outputs, list)
    assert [y.shape for y in outputs] == [(5, 2, 1, 1), (5, 3, 1, 1)]
    assert [len(y) for y in model.predict(x, batch_size=2)] == [5, 5]


def test_cells_that_compute_in_python() -> None:
    class Own(Fc):
        def __call__(self, inputs: n2d2.Tensor | n2d2.Interface) -> n2d2.Tensor:
            return super().__call__(inputs)

    one = n2d2.filler.Constant(value=1.0)
    body = Sequence([Own(2, 2, filler=one, no_bias=True), Fc(2, 1, filler=one, no_bias=True)])
    model = body.to_deepnet_cell(n2d2.provider.TensorPlaceholder(n2d2.Tensor([1, 2])))
    y = model.predict(np.ones((3, 2), np.float32), batch_size=2)
    assert y.tolist() == [[[[4.0]]]] * 3
    with pytest.raises(ShapeError, match="Own"):
        model.predict(np.ones((3, 5), np.float32))


def test_errors_name_what_is_wrong() -> None:
    model = network()
    with pytest.raises(WrongInputType, match=r"predict: inputs must be of type ndarray, got list"):
        model.predict([[1.0]])  # type: ignore[list-item]
    with pytest.raises(WrongInputType, match=r"predict: inputs must be of type ndarray, got Tensor"):
        model.predict(n2d2.Tensor([1, 1, 28, 28]))  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match=r"conv: the input must be a tensor of datatype 'float', got 'double'"):
        model.predict(images(1).astype(np.float64))
    with pytest.raises(ShapeError, match=r"conv: the input must be \[batch.*got \[3, 28, 28\]"):
        model.predict(np.zeros((3, 28, 28), np.float32))
    with pytest.raises(ShapeError, match="fc"):
        model.predict(np.zeros((1, 1, 20, 20), np.float32))
    with pytest.raises(WrongValue, match=r"2 arrays.*1, one an input"):
        model.predict([images(1), images(1)])
    with pytest.raises(WrongValue, match="batch_size"):
        model.predict(images(1), batch_size=0)
    with pytest.raises(WrongInputType, match="batch_size"):
        model.predict(images(1), batch_size="all")  # type: ignore[arg-type]
    assert model["conv"]._handle.learn
