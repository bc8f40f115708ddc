"""The mathematics of the cells once more, in float64 NumPy, as plain as possible.

The tests compare the engine with this file wherever no recorded value can be trusted. Gradients follow the convention
of the engine: they are minus the derivative of the loss, and solvers add them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[int, int]


def _pad(x: Array, padding: Pair, value: float = 0.0) -> Array:
    (ph, pw) = padding
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=value)


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@dataclass
class Layer:
    """One cell: parameters by name, their gradients after a backward pass."""

    params: dict[str, Array] = field(default_factory=dict)
    grads: dict[str, Array] = field(default_factory=dict)

    def forward(self, x: Array, learn: bool = True) -> Array:
        """Return the output and remember what backward needs."""
        raise NotImplementedError

    def backward(self, g: Array) -> Array:
        """Return the gradient of the input for the gradient `g` of the output, and fill `grads`."""
        raise NotImplementedError


class Conv(Layer):
    """Cross-correlation with zero padding; `mask[o, c]` says which channels an output sees."""

    def __init__(
        self,
        w: Array,
        b: Array | None = None,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        sub_sample: Pair = (1, 1),
        mask: Array | None = None,
    ) -> None:
        super().__init__({"w": w.astype(float)} | ({} if b is None else {"b": b.astype(float)}))
        self.stride, self.padding, self.dilation, self.sub_sample = stride, padding, dilation, sub_sample
        self.mask = np.ones(w.shape[:2]) if mask is None else mask
        self.params["w"] *= self.mask[:, :, None, None]

    def _taps(self, h: int, w: int) -> list[tuple[int, int, slice, slice]]:
        """Return for each kernel element the rows and columns of the padded image it meets."""
        (kh, kw) = self.params["w"].shape[2:]
        (sh, sw), (dh, dw) = self.stride, self.dilation
        return [
            (i, j, slice(i * dh, i * dh + sh * (h - 1) + 1, sh), slice(j * dw, j * dw + sw * (w - 1) + 1, sw))
            for i in range(kh)
            for j in range(kw)
        ]

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        w = self.params["w"]
        h, w_ = (
            _windows(x.shape[2 + a], w.shape[2 + a], self.stride[a], self.padding[a], self.dilation[a]) for a in (0, 1)
        )
        self.x, self.x_pad = x, _pad(x, self.padding)
        full = np.zeros((x.shape[0], w.shape[0], h, w_))
        for i, j, rows, cols in self._taps(h, w_):
            full += np.einsum("nchw,oc->nohw", self.x_pad[:, :, rows, cols], w[:, :, i, j])
        self.full_shape = full.shape
        (sh, sw) = self.sub_sample
        y = np.add.reduceat(np.add.reduceat(full, np.arange(0, h, sh), axis=2), np.arange(0, w_, sw), axis=3)
        return y + self.params["b"][None, :, None, None] if "b" in self.params else y

    def backward(self, g: Array) -> Array:
        w = self.params["w"]
        (sh, sw) = self.sub_sample
        full = np.repeat(np.repeat(g, sh, axis=2), sw, axis=3)[:, :, : self.full_shape[2], : self.full_shape[3]]
        gx, gw = np.zeros_like(self.x_pad), np.zeros_like(w)
        for i, j, rows, cols in self._taps(*full.shape[2:]):
            gx[:, :, rows, cols] += np.einsum("nohw,oc->nchw", full, w[:, :, i, j])
            gw[:, :, i, j] = np.einsum("nohw,nchw->oc", full, self.x_pad[:, :, rows, cols])
        self.grads = {"w": gw * self.mask[:, :, None, None]}
        if "b" in self.params:
            self.grads["b"] = g.sum(axis=(0, 2, 3))
        (ph, pw), (h, w_) = self.padding, self.x.shape[2:]
        return gx[:, :, ph : ph + h, pw : pw + w_]


class Deconv(Layer):
    """Transposed convolution: what a convolution sends back, with weights `[out, in, kh, kw]`."""

    def __init__(
        self,
        w: Array,
        b: Array | None = None,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        mask: Array | None = None,
    ) -> None:
        super().__init__({"w": w.astype(float)} | ({} if b is None else {"b": b.astype(float)}))
        self.window = stride, padding, dilation
        self.mask = np.ones(w.shape[:2]) if mask is None else mask
        self.params["w"] *= self.mask[:, :, None, None]

    def _convolution(self) -> Conv:
        (stride, padding, dilation) = self.window
        return Conv(self.params["w"].swapaxes(0, 1), None, stride, padding, dilation)

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        self.x, (stride, padding, dilation) = x, self.window
        h, w = (
            (x.shape[2 + a] - 1) * stride[a] + dilation[a] * (self.params["w"].shape[2 + a] - 1) + 1 - 2 * padding[a]
            for a in (0, 1)
        )
        convolution = self._convolution()
        convolution.forward(np.zeros((len(x), len(self.params["w"]), h, w)))
        y = convolution.backward(x)
        return y + self.params["b"][None, :, None, None] if "b" in self.params else y

    def backward(self, g: Array) -> Array:
        convolution = self._convolution()
        gx = convolution.forward(g)
        convolution.backward(self.x)
        self.grads = {"w": convolution.grads["w"].swapaxes(0, 1) * self.mask[:, :, None, None]}
        if "b" in self.params:
            self.grads["b"] = g.sum(axis=(0, 2, 3))
        return gx


class Fc(Layer):
    """A matrix product over the flattened image."""

    def __init__(self, w: Array, b: Array | None = None) -> None:
        super().__init__({"w": w.astype(float)} | ({} if b is None else {"b": b.astype(float)}))

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        self.x = x
        y = x.reshape(len(x), -1) @ self.params["w"].T
        return (y + self.params["b"] if "b" in self.params else y)[:, :, None, None]

    def backward(self, g: Array) -> Array:
        g = g.reshape(len(g), -1)
        self.grads = {"w": g.T @ self.x.reshape(len(g), -1)}
        if "b" in self.params:
            self.grads["b"] = g.sum(axis=0)
        return (g @ self.params["w"]).reshape(self.x.shape)


class Pool(Layer):
    """Maximum or average over windows; padding never wins a maximum and counts in the area of an average."""

    def __init__(self, kind: str, dims: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> None:
        super().__init__()
        self.kind, self.dims, self.stride, self.padding = kind, dims, stride, padding

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        (kh, kw), (sh, sw) = self.dims, self.stride
        h, w = (_windows(x.shape[2 + a], self.dims[a], self.stride[a], self.padding[a]) for a in (0, 1))
        self.x = x
        padded = _pad(x, self.padding, -np.inf if self.kind == "Max" else 0.0)
        self.padded_shape = padded.shape
        self.slices = [
            (slice(i, i + sh * (h - 1) + 1, sh), slice(j, j + sw * (w - 1) + 1, sw))
            for i in range(kh)
            for j in range(kw)
        ]
        windows = np.stack([padded[:, :, rows, cols] for rows, cols in self.slices])
        self.winner = windows.argmax(axis=0)
        return windows.max(axis=0) if self.kind == "Max" else windows.mean(axis=0)

    def backward(self, g: Array) -> Array:
        gx = np.zeros(self.padded_shape)
        for k, (rows, cols) in enumerate(self.slices):
            gx[:, :, rows, cols] += g * (self.winner == k) if self.kind == "Max" else g / len(self.slices)
        (ph, pw), (h, w) = self.padding, self.x.shape[2:]
        return gx[:, :, ph : ph + h, pw : pw + w]


class Softmax(Layer):
    """Softmax over the channels of each group; with `with_loss` the gradient goes straight through."""

    def __init__(self, with_loss: bool = False, group_size: int = 0) -> None:
        super().__init__()
        self.with_loss, self.group_size = with_loss, group_size

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        (n, c, h, w) = x.shape
        groups = x.reshape(n, -1, self.group_size or c, h, w)
        e = np.exp(groups - groups.max(axis=2, keepdims=True))
        self.y = e / e.sum(axis=2, keepdims=True)
        return self.y.reshape(x.shape)

    def backward(self, g: Array) -> Array:
        if self.with_loss:
            return g
        groups = g.reshape(self.y.shape)
        return (self.y * (groups - (groups * self.y).sum(axis=2, keepdims=True))).reshape(g.shape)


class BatchNorm(Layer):
    """Normalisation over batch and image, with running statistics that weight the new batch by `momentum`."""

    def __init__(
        self, scale: Array, bias: Array, mean: Array, variance: Array, epsilon: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__({"scale": scale.astype(float).ravel(), "bias": bias.astype(float).ravel()})
        self.mean, self.variance = mean.astype(float).ravel(), variance.astype(float).ravel()
        self.epsilon, self.momentum = epsilon or 1e-5, momentum

    def forward(self, x: Array, learn: bool = True) -> Array:
        self.batch = learn and self.momentum != 0.0
        mean, variance = (x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))) if self.batch else (self.mean, self.variance)
        if self.batch:
            n = x.size // x.shape[1]
            unbiased = variance * n / (n - 1) if n > 1 else variance
            self.mean = self.momentum * mean + (1 - self.momentum) * self.mean
            self.variance = self.momentum * unbiased + (1 - self.momentum) * self.variance
        self.inverse = 1 / np.sqrt(variance + self.epsilon)[None, :, None, None]
        self.x_hat = (x - mean[None, :, None, None]) * self.inverse
        return self.params["scale"][None, :, None, None] * self.x_hat + self.params["bias"][None, :, None, None]

    def backward(self, g: Array) -> Array:
        axes = (0, 2, 3)
        self.grads = {"scale": (g * self.x_hat).sum(axis=axes), "bias": g.sum(axis=axes)}
        g_hat = g * self.params["scale"][None, :, None, None]
        if not self.batch:
            return g_hat * self.inverse
        centred = g_hat - g_hat.mean(axis=axes, keepdims=True)
        return self.inverse * (centred - self.x_hat * (g_hat * self.x_hat).mean(axis=axes, keepdims=True))


class Padding(Layer):
    """Zeros around an image, or a crop where a width is negative."""

    def __init__(self, top: int, bottom: int, left: int, right: int) -> None:
        super().__init__()
        self.sides = ((top, bottom), (left, right))

    @staticmethod
    def _padded(x: Array, sides: tuple[Pair, Pair]) -> Array:
        for axis, (before, after) in enumerate(sides, start=2):
            widths = [(0, 0)] * 4
            widths[axis] = (max(before, 0), max(after, 0))
            padded = np.pad(x, widths)
            size = padded.shape[axis]
            x = padded.take(np.arange(max(-before, 0), size - max(-after, 0)), axis)
        return x

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        return self._padded(x, self.sides)

    def backward(self, g: Array) -> Array:
        (top, bottom), (left, right) = self.sides
        return self._padded(g, ((-top, -bottom), (-left, -right)))


class Resize(Layer):
    """A product with one matrix for the rows and one for the columns."""

    def __init__(self, width: int, height: int, mode: str, align_corners: bool = True) -> None:
        super().__init__()
        self.sizes, self.mode, self.align_corners = (height, width), mode, align_corners

    def _matrix(self, size: int, out: int) -> Array:
        """Return the weight of each of `size` pixels in each of `out` pixels."""
        i = np.arange(out)
        if self.mode == "NearestNeighbor":
            place = (i * size // out).astype(float)
        elif self.align_corners:
            place = np.linspace(0, size - 1, out) if out > 1 else np.zeros(1)
        else:
            place = (i + 0.5) * size / out - 0.5 if self.mode == "Bilinear" else i * size / out
        distance = np.clip(place, 0, size - 1)[:, None] - np.arange(size)[None]
        return np.maximum(0.0, 1.0 - abs(distance))

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        self.rows, self.columns = (self._matrix(x.shape[2 + a], self.sizes[a]) for a in (0, 1))
        return np.einsum("ih,nchw,jw->ncij", self.rows, x, self.columns)

    def backward(self, g: Array) -> Array:
        return np.einsum("ih,ncij,jw->nchw", self.rows, g, self.columns)


class Transpose(Layer):
    """Axes in another order; `perm` counts width, height, channels."""

    def __init__(self, perm: Sequence[int]) -> None:
        super().__init__()
        # Axis i of N2D2 is axis 3 - i of an array.
        full = [*perm, *range(len(perm), 4)]
        self.axes = [3 - full[3 - a] for a in range(4)]

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        return x.transpose(self.axes)

    def backward(self, g: Array) -> Array:
        return g.transpose(np.argsort(self.axes))


class Scaling(Layer):
    """A factor for each channel, rounded halves away from zero, and limits."""

    def __init__(self, factors: Sequence[float], rounds: bool = False, limits: Sequence[float] | None = None) -> None:
        super().__init__()
        self.factors, self.rounds = np.array(factors)[:, None, None], rounds
        self.limits = np.full_like(self.factors, np.inf) if limits is None else np.array(limits)[:, None, None]

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        y = x * self.factors
        if self.rounds:
            y = np.sign(y) * np.floor(abs(y) + 0.5)
        self.passes = abs(y) < self.limits
        return np.clip(y, -self.limits, self.limits)

    def backward(self, g: Array) -> Array:
        return np.where(self.passes, g * self.factors, 0.0)


class Activation(Layer):
    """An activation function by its name, with its parameters."""

    def __init__(self, kind: str, **parameters: float) -> None:
        super().__init__()
        self.kind, self.parameters = kind, parameters

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        sigmoid = np.exp(-np.logaddexp(0, -x))
        p = self.parameters
        match self.kind:
            case "Tanh":
                self.y = np.tanh(p.get("alpha", 1.0) * x)
                self.slope = p.get("alpha", 1.0) * (1 - self.y**2)
            case "Rectifier":
                limit = p.get("clipping") or np.inf
                self.y = np.where(x > 0, np.minimum(x, limit), p.get("leak_slope", 0.0) * x)
                self.slope = np.where(x > 0, (x < limit).astype(float), p.get("leak_slope", 0.0))
            case "Linear" | "Saturation":
                limit = p.get("clipping", p.get("threshold")) or np.inf
                self.y = np.clip(x, -limit, limit)
                self.slope = (np.abs(x) < limit).astype(float)
            case "Logistic":
                self.y = sigmoid
                self.slope = np.ones_like(x) if p.get("with_loss") else sigmoid * (1 - sigmoid)
            case "Softplus":
                self.y, self.slope = np.logaddexp(0, x), sigmoid
            case "Swish":
                self.y, self.slope = x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))
            case _:
                raise ValueError(self.kind)
        return self.y

    def backward(self, g: Array) -> Array:
        return g * self.slope


@dataclass
class Sgd:
    """Stochastic gradient descent with a constant rate, momentum and decay."""

    learning_rate: float = 0.01
    momentum: float = 0.0
    decay: float = 0.0
    velocity: dict[int, Array] = field(default_factory=dict)

    def step(self, key: int, w: Array, g: Array, batch: int) -> Array:
        """Return the parameter after one update; `key` names it."""
        v = self.velocity.get(key, np.zeros_like(w))
        v = self.momentum * v + self.learning_rate / batch * g - self.decay * self.learning_rate * w
        self.velocity[key] = v
        return w + v


@dataclass
class Adam:
    """Adam; the gradient is not divided by the batch size."""

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    moments: dict[int, tuple[int, Array, Array]] = field(default_factory=dict)

    def step(self, key: int, w: Array, g: Array, batch: int) -> Array:
        """Return the parameter after one update; `key` names it."""
        del batch
        t, m, v = self.moments.get(key, (0, np.zeros_like(w), np.zeros_like(w)))
        t, m, v = t + 1, self.beta1 * m + (1 - self.beta1) * g, self.beta2 * v + (1 - self.beta2) * g**2
        self.moments[key] = (t, m, v)
        root = np.sqrt(1 - self.beta2**t)
        return w + self.learning_rate * root / (1 - self.beta1**t) * m / (np.sqrt(v) + self.epsilon * root)


class Chain(Layer):
    """Layers one after another."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = list(layers)

    def forward(self, x: Array, learn: bool = True) -> Array:
        for layer in self.layers:
            x = layer.forward(x, learn)
        return x

    def backward(self, g: Array) -> Array:
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g

    def update(self, solver: Sgd | Adam, batch: int) -> None:
        """Change every parameter by its gradient."""
        for i, layer in enumerate(self.layers):
            for j, name in enumerate(layer.params):
                layer.params[name] = solver.step(16 * i + j, layer.params[name], layer.grads[name], batch)
