"""Behaviours of the layers with parameters: values, fillers and solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.cases import Array, build, call, case_of, close, expected, inputs_of, slope, tensor, weights_and_bias
from contract.registry import behaviour, resolve
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.filler import Constant
from n2d2.solver import SGD, Adam

CONV, DECONV, FC = (f"n2d2.cells.{name}" for name in ("Conv", "Deconv", "Fc"))
WEIGHTED = [CONV, DECONV, FC]
NORM = "n2d2.cells.BatchNorm2d"


def parameters(path: str) -> tuple[Array, Array]:
    return weights_and_bias(path.rpartition(".")[2])


def all_weights(cell: Any) -> Array:
    """Return the weights, `[output, channel, ...]`."""
    kernels = np.array([[kernel.to_numpy() for kernel in of_output] for of_output in cell.get_weights()], float)
    return kernels[..., 0] if cell.get_type() == "Fc" else kernels


def all_biases(cell: Any) -> Array:
    return np.array([bias[0] for bias in cell.get_biases()], float)


def without_bias(path: str) -> Any:
    return resolve(path)(*case_of(path).arguments(), no_bias=True, name="own")


def refuses(error: type[Exception], text: str, function: Any, *arguments: Any, **named: Any) -> None:
    with pytest.raises(error, match=text):
        function(*arguments, **named)


# ---- values ----


@behaviour("get_weight", WEIGHTED)
def one_weight(path: str) -> None:
    """The weights between an output and a channel, as a copy; zeros without a connection."""
    cell, (w, _) = build(path, name="own"), parameters(path)
    for o in range(3):
        for c in range(2):
            close(cell.get_weight(o, c).to_numpy().reshape(w[o, c].shape), w[o, c], f"output {o}, channel {c}")
    cell.get_weight(0, 0)[0] = 99.0
    close(cell.get_weight(output_index=0, channel_index=0).to_numpy().reshape(w[0, 0].shape), w[0, 0], "a copy")
    refuses(WrongValue, "own: output_index is 3, expected an integer from 0 to 2", cell.get_weight, 3, 0)
    refuses(WrongValue, "own: channel_index is -1, expected an integer from 0 to", cell.get_weight, 0, -1)
    refuses(WrongInputType, "own: output_index must be of type int, got str", cell.get_weight, "0", 0)


@behaviour("get_weights", WEIGHTED)
def weights_by_output_and_channel(path: str) -> None:
    """A list of outputs, each a list of channels."""
    cell, (w, _) = build(path), parameters(path)
    weights = cell.get_weights()
    assert [len(of_output) for of_output in weights] == [w.shape[1]] * 3
    values = np.array([[kernel.to_numpy() for kernel in of_output] for of_output in weights])
    close(values.reshape(w.shape), w)


@behaviour("set_weight", WEIGHTED)
def weight_is_set(path: str) -> None:
    """Exactly that weight changes, and the output with it."""
    cell, (w, b) = build(path, name="own"), parameters(path)
    new = np.full(w.shape[2:] or (1,), 2.5)
    cell.set_weight(1, 0, tensor(new))
    changed = w.copy()
    changed[1, 0] = 2.5
    close(all_weights(cell), changed)
    close(call(cell, inputs_of(path)), case_of(path).formula(*inputs_of(path), changed, b))
    refuses(WrongValue, "own: output_index is 3", cell.set_weight, 3, 0, tensor(new))
    refuses(WrongValue, "own: channel_index is 99", cell.set_weight, 0, 99, tensor(new))
    refuses(WrongInputType, "own: weight must be of type Tensor, got float", cell.set_weight, 0, 0, 2.5)
    refuses(ValueError, "own: weight: expected a tensor of shape", cell.set_weight, 0, 0, tensor(np.ones((5, 7))))
    close(all_weights(cell), changed, "after the errors")


@behaviour("get_bias", WEIGHTED)
def one_bias(path: str) -> None:
    """The bias of an output, one element."""
    cell, (_, b) = build(path, name="own"), parameters(path)
    for o in range(3):
        assert cell.get_bias(o).shape() == [1]
        close(cell.get_bias(o), b[o : o + 1])
    refuses(WrongValue, "own: output_index is 3, expected an integer from 0 to 2", cell.get_bias, 3)
    refuses(StateError, "own: get_bias needs a bias", without_bias(path).get_bias, 0)


@behaviour("get_biases", WEIGHTED)
def biases_by_output(path: str) -> None:
    """One tensor an output."""
    cell, (_, b) = build(path), parameters(path)
    biases = cell.get_biases()
    assert [bias.shape() for bias in biases] == [[1]] * 3
    close([bias[0] for bias in biases], b)
    refuses(StateError, "own: get_biases needs a bias", without_bias(path).get_biases)


@behaviour("set_bias", WEIGHTED)
def bias_is_set(path: str) -> None:
    """Exactly that bias changes, and the output with it."""
    cell, (w, b) = build(path, name="own"), parameters(path)
    cell.set_bias(2, tensor([-4.0]))
    changed = np.array([b[0], b[1], -4.0])
    close(all_biases(cell), changed)
    close(call(cell, inputs_of(path)), case_of(path).formula(*inputs_of(path), w, changed))
    refuses(WrongValue, "own: output_index is 3", cell.set_bias, 3, tensor([1.0]))
    refuses(WrongInputType, "own: bias must be of type Tensor, got float", cell.set_bias, 0, 1.0)
    refuses(ValueError, "own: bias: expected a tensor of shape", cell.set_bias, 0, tensor([1.0, 2.0]))
    refuses(StateError, "own: set_bias needs a bias", without_bias(path).set_bias, 0, tensor([1.0]))


@behaviour("has_bias", [FC])
def bias_is_there(path: str) -> None:
    """What `no_bias` says."""
    assert build(path).has_bias() is True
    assert without_bias(path).has_bias() is False


@behaviour("has_quantizer", WEIGHTED)
def quantizer_is_not_there(path: str) -> None:
    """False: quantisation is not built yet, and a quantizer is refused."""
    cell = build(path)
    assert cell.has_quantizer() is False
    if path != DECONV:
        refuses(WrongInputType, "quantizer", resolve(path), *case_of(path).arguments(), quantizer=object())


# ---- fillers ----


@behaviour("refill_weights", WEIGHTED)
def weights_are_drawn_again(path: str) -> None:
    """The present filler of the weights; the bias stays."""
    cell, (w, b) = build(path), parameters(path)
    cell.weights_filler = Constant(value=0.75)
    close(all_weights(cell), w, "before")
    cell.refill_weights()
    close(all_weights(cell), np.full(w.shape, 0.75))
    close(all_biases(cell), b, "the bias stays")


@behaviour("refill_bias", WEIGHTED)
def biases_are_drawn_again(path: str) -> None:
    """The present filler of the bias; the weights stay."""
    cell, (w, b) = build(path), parameters(path)
    cell.bias_filler = Constant(value=0.75)
    close(all_biases(cell), b, "before")
    cell.refill_bias()
    close(all_biases(cell), np.full(b.shape, 0.75))
    close(all_weights(cell), w, "the weights stay")
    refuses(StateError, "own: refill_bias needs a bias", without_bias(path).refill_bias)


def filler_is_set(path: str, method: str, weights: bool, bias: bool) -> None:
    """A filler for some of the parameters, drawn from only when asked for."""
    cell, (w, b) = build(path, name="own"), parameters(path)
    filler = Constant(value=0.75)
    getattr(cell, method)(filler)
    assert (cell.weights_filler is filler, cell.bias_filler is filler) == (weights, bias)
    close(all_weights(cell), w, "no refill")
    close(all_biases(cell), b, "no refill")
    getattr(cell, method)(filler, refill=True)
    close(all_weights(cell), np.full(w.shape, 0.75) if weights else w)
    close(all_biases(cell), np.full(b.shape, 0.75) if bias else b)
    refuses(WrongInputType, "own: parameter `.*filler` must be an n2d2.filler.Filler", getattr(cell, method), 0.75)


@behaviour("set_weights_filler", [CONV, FC])
def weights_filler_is_set(path: str) -> None:
    """The filler of the weights alone."""
    filler_is_set(path, "set_weights_filler", weights=True, bias=False)


@behaviour("set_bias_filler", [CONV, FC])
def bias_filler_is_set(path: str) -> None:
    """The filler of the bias alone; an error without bias."""
    filler_is_set(path, "set_bias_filler", weights=False, bias=True)
    refuses(StateError, "own: set_bias_filler needs a bias", without_bias(path).set_bias_filler, Constant())


@behaviour("set_filler", WEIGHTED)
def both_fillers_are_set(path: str) -> None:
    """The fillers of weights and bias; of the weights alone without bias."""
    filler_is_set(path, "set_filler", weights=True, bias=True)
    bare, filler = without_bias(path), Constant(value=0.75)
    bare.set_filler(filler, True)
    assert set(np.unique(all_weights(bare))) == {0.75}


# ---- solvers ----


def trained(path: str, cell: Any) -> tuple[Array, Array]:
    """Return weights and bias after one step from the gradient of the case."""
    output = call(cell, inputs_of(path))
    output.back_propagate(expected(path)[1].astype(np.float32))
    output.update()
    return all_weights(cell), all_biases(cell)


def gradients(path: str) -> tuple[Array, Array]:
    """Return the gradients of weights and bias, summed over the batch."""
    case, (w, b), g = case_of(path), parameters(path), expected(path)[1]
    inputs = inputs_of(path)
    of_w = slope(lambda moved: case.formula(*inputs, moved, b), w, g)
    of_b = slope(lambda moved: case.formula(*inputs, w, moved), b, g)
    return of_w, of_b


def one_step(path: str, cell: Any, rate: float) -> None:
    """Weights and bias both move by the rate over the batch size."""
    (w, b), (gw, gb) = parameters(path), gradients(path)
    w_after, b_after = trained(path, cell)
    close(w_after, w + rate / 2 * gw, "weights")
    close(b_after, b + rate / 2 * gb, "bias")


@behaviour("set_solver", WEIGHTED)
def solver_is_set(path: str) -> None:
    """Weights and bias follow the solver, each with a memory of its own."""
    cell = build(path, name="own")
    cell.set_solver(SGD(learning_rate=0.5, momentum=0.25))
    assert cell.weights_solver.learning_rate == cell.bias_solver.learning_rate == 0.5
    one_step(path, cell, 0.5)
    (w, b), (gw, gb) = (all_weights(cell), all_biases(cell)), gradients(path)
    # These layers are linear, so the gradient is that of the first step; a quarter of the first move comes on top.
    w_after, b_after = trained(path, cell)
    close(w_after, w + 0.25 * gw + 0.25 * 0.25 * gw, "momentum of the weights")
    close(b_after, b + 0.25 * gb + 0.25 * 0.25 * gb, "momentum of the bias")
    refuses(WrongInputType, "own: parameter `solver` must be an n2d2.solver.Solver", cell.set_solver, "SGD")


@behaviour("set_solver_parameter", [CONV, FC])
def solver_parameter_is_set(path: str) -> None:
    """The solvers of weights and bias change, from the next update on."""
    cell = build(path, name="own", weights_solver=SGD(), bias_solver=SGD())
    cell.set_solver_parameter("learning_rate", 2.0)
    assert cell.weights_solver.learning_rate == cell.bias_solver.learning_rate == 2.0
    one_step(path, cell, 2.0)
    refuses(WrongValue, "SGD: `learning_rat` is not a parameter", cell.set_solver_parameter, "learning_rat", 1.0)
    refuses(WrongInputType, "learning_rate", cell.set_solver_parameter, key="learning_rate", value="fast")


def norm_step(cell: Any) -> tuple[Array, Array]:
    """Return how far scale and bias of a BatchNorm2d move at one step, over the gradient of the bias."""
    output = call(cell, inputs_of(NORM))
    output.back_propagate(expected(NORM)[1].astype(np.float32))
    before = [cell.N2D2().param(name).astype(float) for name in ("scales", "biases")]
    output.update()
    scales, biases = (cell.N2D2().param(name).astype(float) for name in ("scales", "biases"))
    return scales - before[0], biases - before[1]


def norm_gradients() -> tuple[Array, Array]:
    y, g, _ = expected(NORM)
    return (g * y).sum(axis=(0, 2, 3)), g.sum(axis=(0, 2, 3))


@behaviour("set_solver", [NORM])
def norm_solver_is_set(path: str) -> None:
    """Scale and bias follow the solver."""
    cell = build(path, name="own")
    cell.set_solver(SGD(learning_rate=0.5))
    moves = norm_step(cell)
    for moved, gradient in zip(moves, norm_gradients(), strict=True):
        close(moved, 0.25 * gradient)
    cell.set_solver(Adam(learning_rate=0.125))
    # Adam's first move is the rate, whatever the size of the gradient.
    for moved in norm_step(cell):
        assert np.allclose(abs(moved), 0.125, atol=1e-4)
    refuses(WrongInputType, "own: parameter `solver` must be an n2d2.solver.Solver", cell.set_solver, None)


@behaviour("set_solver_parameter", [NORM])
def norm_solver_parameter_is_set(path: str) -> None:
    """The solvers of scale and bias change, from the next update on."""
    cell = build(path, name="own", scale_solver=SGD(), bias_solver=SGD())
    cell.set_solver_parameter("learning_rate", 2.0)
    assert cell.scale_solver.learning_rate == cell.bias_solver.learning_rate == 2.0
    for moved, gradient in zip(norm_step(cell), norm_gradients(), strict=True):
        close(moved, gradient)
    refuses(WrongValue, "SGD: `momentun` is not a parameter", cell.set_solver_parameter, "momentun", 1.0)
