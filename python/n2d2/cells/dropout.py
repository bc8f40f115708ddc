"""Dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class Dropout(NeuralNetworkCell):
    """Dropout layer.

    While learning, each value is kept with probability `1 - dropout` and then divided by it; at test nothing changes.
    Which values are dropped depends on the seed, the name of the cell and the step, not on the number of threads.

    Shape:
        Input `[n, c, h, w]`, output the same.

    Arguments:
        dropout (float, optional): Probability to drop a value, default=0.5.
        name (str, optional): Cell name, default=`Dropout_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or the probability is not between 0 and 1.

    Export:
        INI `Dropout`; ONNX `Dropout`, which is read but not written.

    Example:
        >>> import n2d2
        >>> drop = n2d2.cells.Dropout(dropout=0.75, name="drop")
        >>> y = drop(n2d2.Tensor([1, 1000], value=1.0))
        >>> sorted(set(y)), drop.test()(n2d2.Tensor([1, 1], value=1.0))[0]
        ([0.0, 4.0], 1.0)

    Source:
        Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """

    dropout = Parameter[float]("config", float)

    def __init__(
        self,
        *,
        dropout: float = 0.5,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Dropout", locals())
