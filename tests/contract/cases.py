"""How each layer is built, and what it computes: the layer, its inputs, and its formula in plain NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import n2d2
from contract.registry import resolve
from support import reference

Array = NDArray[np.float64]
Shape = tuple[int, ...]

RTOL, ATOL = 1e-5, 1e-5


def close(actual: Any, expected: Any, what: str = "") -> None:
    """Compare numbers of the float32 engine with exact ones."""
    actual = actual.to_numpy() if isinstance(actual, n2d2.Tensor) else actual
    np.testing.assert_allclose(np.asarray(actual, float), np.asarray(expected, float), RTOL, ATOL, err_msg=what)


def tensor(values: Any) -> n2d2.Tensor:
    """Return a float tensor with these values."""
    return n2d2.Tensor.from_numpy(np.array(values, dtype=np.float32))


def draws(seed: int, shape: Shape) -> Array:
    """Return normal numbers that float32 holds exactly, so that both sides start from the same ones."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(float)


def slope(function: Callable[[Array], Array], x: Array, g: Array) -> Array:
    """Return the derivative of `sum(g function(x))` by central differences."""
    step, result = 1e-5, np.zeros_like(x)
    for k in range(x.size):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved.flat[k] += sign * step
            ends.append((g * function(moved)).sum())
        result.flat[k] = (ends[0] - ends[1]) / (2 * step)
    return result


@dataclass(frozen=True)
class LayerCase:
    """A layer and what it must compute.

    Attributes:
        arguments: Positional arguments of the constructor.
        formula: Output for the inputs, in float64.
        shapes: Shapes of the inputs.
        named: Keyword arguments.
        parameter: A parameter and its value.
        exports: Exports that know the layer.
        weights: Shape of `[output, channel, ...]` and whether there is a bias, for a layer with weights.
        sends_gradient: False if a gradient stops at the layer.
    """

    arguments: Callable[[], tuple[Any, ...]]
    formula: Callable[..., Array]
    shapes: tuple[Shape, ...] = ((2, 2, 4, 4),)
    named: dict[str, Any] | None = None
    parameter: tuple[str, Any] | None = None
    exports: str = "C CPP CPP_TensorRT CPP_STM32"
    weights: Shape = ()
    sends_gradient: bool = True


WEIGHTS = {"Conv": (3, 2, 2, 2), "Deconv": (3, 2, 2, 2), "Fc": (3, 32)}


def weights_and_bias(name: str) -> tuple[Array, Array]:
    """Return the parameters that `build` gives a layer."""
    shape = WEIGHTS[name]
    return draws(31, shape), draws(32, (shape[0],))


def conv(x: Array, w: Array | None = None, b: Array | None = None) -> Array:
    """Convolution with a stride of `[2, 1]`."""
    own_w, own_b = weights_and_bias("Conv")
    return reference.Conv(own_w if w is None else w, own_b if b is None else b, stride=(2, 1)).forward(x)


def deconv(x: Array, w: Array | None = None, b: Array | None = None) -> Array:
    """Transposed convolution with a stride of `[2, 1]`: each input pixel puts down a kernel."""
    own_w, own_b = weights_and_bias("Deconv")
    w, b = own_w if w is None else w, own_b if b is None else b
    (n, _, h, wd), (o, _, kh, kw), (sh, sw) = x.shape, w.shape, (2, 1)
    y = np.zeros((n, o, (h - 1) * sh + kh, (wd - 1) * sw + kw))
    for i in range(h):
        for j in range(wd):
            y[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw] += np.einsum("nc,ocrs->nors", x[:, :, i, j], w)
    return y + b[None, :, None, None]


def fc(x: Array, w: Array | None = None, b: Array | None = None) -> Array:
    """Fully connected."""
    own_w, own_b = weights_and_bias("Fc")
    return reference.Fc(own_w if w is None else w, own_b if b is None else b).forward(x)


def batch_norm(x: Array) -> Array:
    """Statistics of the batch, scale 1 and bias 0."""
    ones, zeros = np.ones(x.shape[1]), np.zeros(x.shape[1])
    return reference.BatchNorm(ones, zeros, zeros, ones, epsilon=0.25).forward(x)


def softmax(x: Array) -> Array:
    """Softmax over pairs of channels."""
    return reference.Softmax(group_size=2).forward(x)


def resize(x: Array) -> Array:
    """Bilinear, corners aligned, to 7 columns and 5 rows."""
    for axis, size in ((2, 5), (3, 7)):
        at = np.arange(size) * (x.shape[axis] - 1) / (size - 1)
        low = np.minimum(at.astype(int), x.shape[axis] - 2)
        part = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = x.take(low, axis) * (1 - part) + x.take(low + 1, axis) * part
    return x


CASES = {
    "Conv": LayerCase(
        lambda: (2, 3, [2, 2]),
        conv,
        named={"stride_dims": [2, 1]},
        parameter=("stride_dims", [2, 1]),
        weights=WEIGHTS["Conv"],
    ),
    "Deconv": LayerCase(
        lambda: (2, 3, [2, 2]),
        deconv,
        named={"stride_dims": [2, 1]},
        parameter=("stride_dims", [2, 1]),
        exports="CPP CPP_TensorRT",
        weights=WEIGHTS["Deconv"],
    ),
    "Fc": LayerCase(lambda: (32, 3), fc, parameter=("nb_outputs", 3), weights=WEIGHTS["Fc"]),
    # At test: what it drops while learning is the behaviour of its constructor.
    "Dropout": LayerCase(tuple, lambda x: x, named={"dropout": 0.25}, parameter=("dropout", 0.25), exports=""),
    "ElemWise": LayerCase(
        tuple,
        lambda a, b: 2 * a - 3 * b + 0.5,
        shapes=((2, 2, 3, 3), (2, 2, 3, 3)),
        named={"operation": "Sum", "weights": [2.0, -3.0], "shifts": [0.5, 0.0]},
        parameter=("weights", [2.0, -3.0]),
    ),
    "Padding": LayerCase(
        lambda: (1, -1, 2, 0),
        lambda x: np.pad(x[:, :, :-1], ((0, 0), (0, 0), (1, 0), (2, 0))),
        parameter=("bot_pad", -1),
        exports="CPP CPP_TensorRT",
    ),
    "Softmax": LayerCase(
        tuple,
        softmax,
        shapes=((2, 4, 2, 3),),
        named={"group_size": 2},
        parameter=("group_size", 2),
        exports="C CPP CPP_TensorRT",
    ),
    "BatchNorm2d": LayerCase(
        lambda: (2,),
        batch_norm,
        named={"epsilon": 0.25},
        parameter=("epsilon", 0.25),
        exports="C CPP CPP_TensorRT",
    ),
    "Pool": LayerCase(
        lambda: ([2, 3],),
        reference.Pool("Max", (2, 3), (2, 1)).forward,
        named={"stride_dims": [2, 1]},
        parameter=("pool_dims", [2, 3]),
    ),
    "Activation": LayerCase(
        lambda: (n2d2.activation.Rectifier(leak_slope=0.5),),
        lambda x: np.where(x > 0, x, 0.5 * x),
        exports="CPP CPP_TensorRT",
    ),
    "Reshape": LayerCase(
        lambda: ([8, 2, 2],),
        lambda x: x.reshape(len(x), 2, 2, 8),
        parameter=("dims", [8, 2, 2]),
        exports="CPP CPP_TensorRT CPP_STM32",
    ),
    "Resize": LayerCase(lambda: (7, 5, "BilinearTF"), resize, parameter=("outputs_width", 7)),
    "Scaling": LayerCase(
        lambda: (n2d2_scaling([0.5, 4.0]),),
        lambda x: x * np.array([0.5, 4.0])[None, :, None, None],
        exports="C CPP CPP_STM32",
    ),
    "Transformation": LayerCase(
        lambda: (n2d2.transform.Flip(horizontal_flip=True),),
        lambda x: x[..., ::-1],
        exports="",
        sends_gradient=False,
    ),
    "Transpose": LayerCase(
        lambda: ([1, 2, 0, 3],),
        # Width, height, channels become height, channels, width: the innermost axis last.
        lambda x: x.transpose(0, 3, 1, 2),
        shapes=((2, 2, 3, 4),),
        parameter=("perm", [1, 2, 0, 3]),
        exports="CPP CPP_TensorRT CPP_STM32",
    ),
}


def n2d2_scaling(factors: list[float]) -> Any:
    """Return a scaling by one factor a channel."""
    return resolve("n2d2.scaling.FloatingPointScaling")(factors, False, [])


def case_of(path: str) -> LayerCase:
    """Return the case of a class."""
    return CASES[path.rpartition(".")[2]]


def build(path: str, **named: Any) -> Any:
    """Return a layer with the parameters of `weights_and_bias`."""
    case = case_of(path)
    cell = resolve(path)(*case.arguments(), **(case.named or {}), **named)
    if case.weights:
        w, b = weights_and_bias(path.rpartition(".")[2])
        for o in range(w.shape[0]):
            for c in range(w.shape[1]):
                cell.set_weight(o, c, tensor(w[o, c].reshape(w.shape[2:] or (1,))))
            cell.set_bias(o, tensor([b[o]]))
    if path.endswith(".Dropout"):
        cell.test()
    return cell


def inputs_of(path: str) -> list[Array]:
    """Return the inputs of a case."""
    return [draws(41 + k, shape) for k, shape in enumerate(case_of(path).shapes)]


def call(cell: Any, inputs: list[Array]) -> n2d2.Tensor:
    """Return the output for one or several inputs."""
    tensors = [tensor(x) for x in inputs]
    output: n2d2.Tensor = cell(tensors[0] if len(tensors) == 1 else n2d2.Interface(tensors))
    return output


@functools.cache
def expected(path: str) -> tuple[Array, Array, list[Array]]:
    """Return the output of a case, a gradient for it, and the gradients of the inputs."""
    case, inputs = case_of(path), inputs_of(path)
    y = case.formula(*inputs)
    g = draws(51, y.shape)
    gradients = []
    for k, x in enumerate(inputs):

        def of_one(moved: Array, k: int = k) -> Array:
            return case.formula(*inputs[:k], moved, *inputs[k + 1 :])

        gradients.append(slope(of_one, x, g))
    return y, g, gradients
