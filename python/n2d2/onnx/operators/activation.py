"""Activations: `Relu`, `LeakyRelu`, `Sigmoid`, `Tanh`, `Softplus`, `Clip`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from n2d2 import activation
from n2d2.onnx.registry import reads

if TYPE_CHECKING:
    from n2d2.onnx.node import Data, Node


@reads("Relu")
def relu(node: Node) -> Data:
    """`max(x, 0)`."""
    return node.activated(node.data(0), activation.Rectifier())


@reads("LeakyRelu")
def leaky_relu(node: Node) -> Data:
    """`x` above 0, else `alpha x`."""
    return node.activated(node.data(0), activation.Rectifier(leak_slope=node.attribute("alpha", 0.01)))


@reads("Sigmoid")
def sigmoid(node: Node) -> Data:
    """`1 / (1 + exp(-x))`."""
    return node.activated(node.data(0), activation.Logistic())


@reads("Tanh")
def tanh(node: Node) -> Data:
    """Hyperbolic tangent."""
    return node.activated(node.data(0), activation.Tanh())


@reads("Softplus")
def softplus(node: Node) -> Data:
    """`log(1 + exp(x))`."""
    return node.activated(node.data(0), activation.Softplus())


@reads("Clip", constants=(1, 2))
def clip(node: Node) -> Data:
    """`min(max(x, minimum), maximum)`."""
    x = node.data(0)
    low, high = float(node.attribute("min", -np.inf)), float(node.attribute("max", np.inf))
    low = float(node.constant(1).ravel()[0]) if node.has(1) else low
    high = float(node.constant(2).ravel()[0]) if node.has(2) else high
    unbounded = float(np.finfo(np.float32).max)
    if low <= -unbounded and high >= unbounded:
        return node.renamed(x)
    if low == 0 and high >= unbounded:
        return node.activated(x, activation.Rectifier())
    if low == 0 and high > 0:
        return node.activated(x, activation.Rectifier(clipping=high))
    if high > 0 and low == -high:
        return node.activated(x, activation.Saturation(threshold=high))
    return node.unsupported(f"bounds {low} and {high}", "0 and a number above, or a number and its negative")
