"""Activations: `Relu`, `LeakyRelu`, `Sigmoid`, `Tanh`, `Softplus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
