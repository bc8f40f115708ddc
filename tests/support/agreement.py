"""Compares a cell with its reference: output, and the gradients of inputs and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import n2d2
from support.reference import Activation, Array, Layer

RTOL = 1e-5

sizes = st.integers(1, 9)
batches = st.integers(1, 4)
images = st.tuples(batches, sizes, sizes, sizes)
seeds = st.integers(0, 2**32 - 1)


def pairs(low: int, high: int) -> st.SearchStrategy[list[int]]:
    """Return `[height, width]`."""
    return st.lists(st.integers(low, high), min_size=2, max_size=2)


# Functions without a kink: behind a sum, rounding may decide on which side of a kink a value falls.
smooth = st.one_of(
    st.none(),
    st.floats(0.1, 2).map(lambda alpha: ("Tanh", {"alpha": alpha})),
    st.sampled_from(["Logistic", "Softplus", "Swish"]).map(lambda kind: (kind, {})),
)


def activation_of(drawn: tuple[str, dict[str, float]] | None) -> Any:
    """Return the activation function of a drawn name and parameters."""
    return None if drawn is None else getattr(n2d2.activation, drawn[0])(**drawn[1])


def layers_of(drawn: tuple[str, dict[str, float]] | None) -> list[Layer]:
    """Return the reference of the same."""
    return [] if drawn is None else [Activation(drawn[0], **drawn[1])]


def array(random: np.random.Generator, *shape: int) -> Array:
    """Return normal values that single precision can hold."""
    return random.standard_normal(shape).astype(np.float32).astype(float)


def tensor(values: Any) -> n2d2.Tensor:
    """Return a tensor of floats."""
    return n2d2.Tensor.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def close(got: Any, expected: Any, what: str) -> None:
    """Compare, scaled to the largest expected value."""
    (got, expected) = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=RTOL * scale, err_msg=what)


def agree(
    cell: Any,
    layer: Layer,
    inputs: Sequence[Array],
    random: np.random.Generator,
    joined: Any = None,
    split: Any = None,
    parameters: Mapping[str, NDArray[Any]] | None = None,
    learn: bool = True,
) -> None:
    """Run both forward and backward and compare everything.

    Args:
        cell: The cell, in its mode.
        layer: Its reference.
        inputs: Values of every input.
        random: Source of the gradient of the output.
        joined: Makes the reference's input of `inputs`, default: the channels after one another.
        split: Makes the gradients of the inputs of the reference's, default: its channels shared out.
        parameters: For each gradient of the engine's cell, that of the reference, a key of `layer.grads`.
        learn: Mode of the reference.
    """
    output = cell(n2d2.Interface([tensor(x) for x in inputs]) if len(inputs) > 1 else tensor(inputs[0]))
    expected = layer.forward(joined(inputs) if joined else np.concatenate(inputs, axis=1), learn)
    close(output.to_numpy(), expected, "output")
    gradient = array(random, *expected.shape)
    output.back_propagate(gradient)
    back = layer.backward(gradient)
    edges = np.cumsum([x.shape[1] for x in inputs])[:-1]
    wanted = cell.get_parameter("back_propagate") if "back_propagate" in type(cell)._parameters else True
    for i, part in enumerate(split(back) if split else np.split(back, edges, axis=1)):
        close(cell.get_diffoutputs(i).to_numpy(), part if wanted else np.zeros_like(part), f"gradient of input {i}")
    for name, gradient_of in (parameters or {}).items():
        close(cell.N2D2().grad(name), gradient_of(), f"gradient of {name}")
