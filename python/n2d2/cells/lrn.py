"""Local response normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class LRN(NeuralNetworkCell):
    """Local response normalisation across channels.

    `y_c = x_c * (k + alpha / n * sum(x_j ^ 2)) ^ -beta`, where `j` runs over the `n` channels around `c`, from
    `c - (n - 1) // 2` to `c + n // 2`, as far as they exist.

    Shape:
        Input `[n, c, h, w]`, output the same.

    Arguments:
        n (int, optional): Channels of the window, default=5.
        alpha (float, optional): Weight of the mean square, default=1e-4.
        beta (float, optional): Exponent, default=0.75.
        k (float, optional): Added to the mean square; 1 in ONNX, default=2.0.
        name (str, optional): Cell name, default=`LRN_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `LRN`; ONNX `LRN`.

    Example:
        >>> import n2d2
        >>> lrn = n2d2.cells.LRN(n=3, alpha=3.0, beta=1.0, k=0.0, name="lrn")
        >>> list(lrn(n2d2.Tensor([1, 2], value=2.0)))
        [0.25, 0.25]

    Source:
        Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012; ONNX operator `LRN`.
    """

    _exports = ()

    n = Parameter[int]("option", int)
    alpha = Parameter[float]("option", float)
    beta = Parameter[float]("option", float)
    k = Parameter[float]("option", float)

    def __init__(
        self,
        *,
        n: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("LRN", locals())
