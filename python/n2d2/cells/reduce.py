"""One number for all values along some axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.activation import ActivationFunction


class Reduce(NeuralNetworkCell):
    """Reduction layer: one number for all values along some axes of a tensor of any rank.

    | `operation` | output |
    |---|---|
    | `Sum`, `Mean`, `Prod` | as the name says |
    | `Max`, `Min` | the gradient goes to the first winner in memory |
    | `L1`, `L2` | `sum(abs(x))`, `sqrt(sum(x^2))` |
    | `LogSum`, `LogSumExp` | `log(sum(x))`, `log(sum(exp(x)))` |
    | `SumSquare` | `sum(x^2)` |

    Shape:
        One input of up to six axes; output the same with the reduced axes of size 1, or without them.

    Arguments:
        operation (str, optional): Name of the operation, default="Mean".
        axes (list, optional): Axes that are reduced; negative ones count back, default=None (all).
        keepdims (bool, optional): Reduced axes stay, with size 1, default=True.
        name (str, optional): Cell name, default=`Reduce_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or an axis is named twice.

    Export:
        ONNX `ReduceMean`, `ReduceSum` and the like.

    Example:
        >>> import n2d2
        >>> total = n2d2.cells.Reduce(operation="Sum", axes=[1], keepdims=False, name="total")
        >>> y = total(n2d2.Tensor([2, 3, 4], value=1.5))
        >>> y.shape(), y[0]
        ([2, 4], 4.5)

    Source:
        ONNX operators `ReduceMean`, `ReduceSum` and the like.
    """

    _exports = ()
    _any_rank = True
    _inferred = frozenset({"axes"})

    operation = Parameter[str]("option", prefix="Operation")
    axes = Parameter[list[int] | None]("option", list)
    keepdims = Parameter[bool]("option")

    def __init__(
        self,
        *,
        operation: str = "Mean",
        axes: Sequence[int] | None = None,
        keepdims: bool = True,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Reduce", locals())
