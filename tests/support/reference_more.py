"""More cells in float64 NumPy, beside `reference`: those with several inputs or other shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from support.reference import Array, Conv, Layer, Pair


class Combination(Layer):
    """ElemWise: inputs of one shape, stacked along a new first axis."""

    def __init__(self, operation: str, mode: str, weights: Sequence[float], shifts: Sequence[float]) -> None:
        super().__init__()
        self.operation = operation
        self.by_channel = mode == "PerChannel" and operation == "Sum"
        self.weights, self.shifts = weights, shifts

    def _coefficients(self, given: Sequence[float], missing: float, x: Array) -> Array:
        (k, _, c, _, _) = x.shape
        count = c if self.by_channel else k
        values = np.array([*given[:count], *[missing] * (count - len(given))])
        return values.reshape((1, 1, c, 1, 1) if self.by_channel else (k, 1, 1, 1, 1))

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        self.x = x
        self.w, s = self._coefficients(self.weights, 1.0, x), self._coefficients(self.shifts, 0.0, x)
        match self.operation:
            case "Sum":
                self.y = (self.w * x + s).sum(axis=0)
            case "AbsSum":
                self.y = (self.w * np.abs(x)).sum(axis=0)
            case "EuclideanSum":
                self.y = np.sqrt((self.w**2 * x**2 + s**2).sum(axis=0))
            case "Prod":
                self.y = x.prod(axis=0)
            case _:
                self.y = x.max(axis=0)
        return self.y

    def backward(self, g: Array) -> Array:
        x = self.x
        match self.operation:
            case "Sum":
                return np.broadcast_to(g * self.w, x.shape)
            case "AbsSum":
                return g * self.w * np.where(x < 0, -1.0, 1.0)
            case "EuclideanSum":
                return g * self.w**2 * x / np.where(self.y == 0, np.inf, self.y)
            case "Prod":
                return g * np.stack([np.delete(x, k, axis=0).prod(axis=0) for k in range(len(x))])
            case _:
                return g * (np.arange(len(x)).reshape(-1, 1, 1, 1, 1) == x.argmax(axis=0))


class Linear(Layer):
    """A cell whose output is a fixed linear function of its input, written out as a matrix: shape rules and copies."""

    def __init__(self, image: Sequence[int], rows: Array, output: Sequence[int]) -> None:
        super().__init__()
        self.image, self.rows, self.output = tuple(image), rows, tuple(output)

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        return (x.reshape(len(x), -1) @ self.rows.T).reshape(len(x), *self.output)

    def backward(self, g: Array) -> Array:
        return (g.reshape(len(g), -1) @ self.rows).reshape(len(g), *self.image)


def padding(image: Sequence[int], top: int, bottom: int, left: int, right: int) -> Linear:
    """Zeros around images `[c, h, w]`; negative sides are cropped."""
    places = np.arange(math.prod(image)).reshape(tuple(image))
    places = np.pad(
        places, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in ((top, bottom), (left, right)))], constant_values=-1
    )
    (h, w) = places.shape[1:]
    places = places[:, max(-top, 0) : h - max(-bottom, 0), max(-left, 0) : w - max(-right, 0)]
    return selection(image, places)


def transpose(image: Sequence[int], perm: Sequence[int]) -> Linear:
    """Axes of images in N2D2's order: x is 0, y is 1, the channel 2; output axis `d` is input axis `perm[d]`."""
    places = np.arange(math.prod(image)).reshape(tuple(image))
    return selection(image, places.transpose([2 - p for p in list(perm)[2::-1]]))


def selection(image: Sequence[int], places: Any) -> Linear:
    """Outputs that copy the input elements of these numbers, 0 where the number is -1."""
    rows = np.zeros((places.size, math.prod(image)))
    flat = places.ravel()
    rows[np.flatnonzero(flat >= 0), flat[flat >= 0]] = 1.0
    return Linear(image, rows, places.shape)


def _resized(inputs: int, outputs: int, mode: str, align_corners: bool) -> Array:
    """The matrix of one axis."""
    rows = np.zeros((outputs, inputs))
    for i in range(outputs):
        if mode == "NearestNeighbor":
            rows[i, i * inputs // outputs] = 1.0
            continue
        if align_corners and outputs > 1:
            place = i * (inputs - 1) / (outputs - 1)
        elif mode == "Bilinear" and not align_corners:
            place = max((i + 0.5) * inputs / outputs - 0.5, 0.0)
        else:
            place = i * inputs / outputs
        low = min(int(place), inputs - 1)
        rows[i, low] += 1 - (place - low)
        rows[i, min(low + 1, inputs - 1)] += place - low
    return rows


def resize(image: Sequence[int], width: int, height: int, mode: str, align_corners: bool) -> Linear:
    """Interpolation along rows and columns."""
    (c, h, w) = image
    rows = np.kron(_resized(h, height, mode, align_corners), _resized(w, width, mode, align_corners))
    return Linear(image, np.kron(np.eye(c), rows), (c, height, width))


class Scaling(Layer):
    """Channels times factors, rounded with halves away from zero, clipped; the gradient ignores the rounding."""

    def __init__(self, factors: Array, limits: Array | None, rounds: bool) -> None:
        super().__init__()
        self.factors, self.rounds = factors[None, :, None, None], rounds
        self.limits = np.inf if limits is None else limits[None, :, None, None]

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        y = x * self.factors
        if self.rounds:
            y = np.sign(y) * np.floor(np.abs(y) + 0.5)
        self.y = np.clip(y, -self.limits, self.limits)
        return self.y

    def backward(self, g: Array) -> Array:
        return np.where(np.abs(self.y) >= self.limits, 0.0, g * self.factors)


class MappedPool(Layer):
    """Pooling over the channels that a mapping `[c, o]` connects, padding not counted in a maximum."""

    def __init__(self, kind: str, dims: Pair, stride: Pair, padding: Pair, connected: Any) -> None:
        super().__init__()
        self.kind, self.dims, self.stride, self.padding, self.connected = kind, dims, stride, padding, connected

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        (n, c, h, w), (kh, kw), (sh, sw), (ph, pw) = x.shape, self.dims, self.stride, self.padding
        (oh, ow) = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
        y = np.zeros((n, self.connected.shape[1], oh, ow))
        # The derivative of every output by every input.
        self.slope = np.zeros((*y.shape, c, h, w))
        for o, i, j in np.ndindex(y.shape[1:]):
            rows = slice(max(i * sh - ph, 0), max(i * sh - ph + kh, 0))
            columns = slice(max(j * sw - pw, 0), max(j * sw - pw + kw, 0))
            channels = np.flatnonzero(self.connected[:, o])
            part = x[:, channels, rows, columns]
            if part.size == 0:
                continue
            slope = np.zeros(part.shape)
            if self.kind == "Max":
                flat = part.reshape(n, -1)
                slope.reshape(n, -1)[np.arange(n), flat.argmax(axis=1)] = 1.0
            else:
                slope += 1.0 / (kh * kw * len(channels))
            y[:, o, i, j] = (part * slope).sum(axis=(1, 2, 3))
            self.slope[:, o, i, j][:, channels, rows, columns] = slope
        return y

    def backward(self, g: Array) -> Array:
        return np.einsum("noij,noijchw->nchw", g, self.slope)


class Deconv(Layer):
    """The adjoint of a convolution: weights `[o, c, kh, kw]`, output `(h - 1) s - 2 p + d (k - 1) + 1` rows."""

    def __init__(
        self, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, mask: Array | None = None
    ) -> None:
        mask = np.ones(w.shape[:2]) if mask is None else mask
        super().__init__({"w": w * mask[:, :, None, None]} | ({} if b is None else {"b": b.astype(float)}))
        self.conv = Conv(w.swapaxes(0, 1), None, stride, padding, dilation, mask=mask.T)

    def size(self, image: Sequence[int]) -> list[int]:
        """Height and width of the output."""
        c, k = self.conv, self.params["w"].shape[2:]
        return [(image[a] - 1) * c.stride[a] - 2 * c.padding[a] + c.dilation[a] * (k[a] - 1) + 1 for a in (0, 1)]

    def forward(self, x: Array, learn: bool = True) -> Array:
        del learn
        self.x = x
        self.conv.forward(np.zeros((len(x), len(self.params["w"]), *self.size(x.shape[2:]))))
        y = self.conv.backward(x)
        return y + self.params["b"][None, :, None, None] if "b" in self.params else y

    def backward(self, g: Array) -> Array:
        gx = self.conv.forward(g)
        self.conv.backward(self.x)
        self.grads = {"w": self.conv.grads["w"].swapaxes(0, 1)}
        if "b" in self.params:
            self.grads["b"] = g.sum(axis=(0, 2, 3))
        return gx
