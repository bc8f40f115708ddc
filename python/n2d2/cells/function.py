"""Functions of one variable, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction


class Function(NeuralNetworkCell):
    """Function layer: a function of one variable for every element of a tensor of any rank.

    | `function` | output | parameters and their defaults |
    |---|---|---|
    | `Abs`, `Acos`, `Acosh`, `Asin`, `Asinh`, `Atan`, `Atanh`, `Cos`, `Cosh`, `Exp`, `Log` | as the name says | |
    | `Ceil`, `Erf`, `Floor`, `Identity`, `Neg`, `Reciprocal`, `Sign`, `Sin`, `Sinh`, `Sqrt` | the same | |
    | `Tan`, `Tanh` | the same | |
    | `Celu` | `max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)` | `alpha` 1 |
    | `Clip` | `min(max(x, minimum), maximum)` | `minimum`, `maximum`: none |
    | `Elu` | `x` above 0, else `alpha (exp(x) - 1)` | `alpha` 1 |
    | `Gelu` | `x P(X < x)` of a normal `X`; with `approximate="tanh"` its approximation | `approximate` none |
    | `HardSigmoid` | `min(max(alpha x + beta, 0), 1)` | `alpha` 0.2, `beta` 0.5 |
    | `HardSwish` | `x min(max(x / 6 + 0.5, 0), 1)` | |
    | `LeakyRelu` | `x` above 0, else `alpha x` | `alpha` 0.01 |
    | `Mish` | `x tanh(log(1 + exp(x)))` | |
    | `Relu` | `max(x, 0)` | |
    | `Round` | the nearest integer, halves to the even one | |
    | `Selu` | `gamma x` above 0, else `gamma alpha (exp(x) - 1)` | `alpha` 1.6732632, `gamma` 1.0507010 |
    | `Shrink` | `x - bias` above `lambd`, `x + bias` below `-lambd`, else 0 | `bias` 0, `lambd` 0.5 |
    | `Sigmoid` | `1 / (1 + exp(-x))` | |
    | `Softplus` | `log(1 + exp(x))` | |
    | `Softsign` | `x / (1 + abs(x))` | |
    | `Swish` | `x / (1 + exp(-alpha x))` | `alpha` 1 |
    | `ThresholdedRelu` | `x` above `alpha`, else 0 | `alpha` 1 |

    The gradient is 0 where a function is piecewise constant.

    Shape:
        One input of up to six axes; output the same. The first axis need not be a batch.

    Arguments:
        function (str): Name of the function.
        alpha (float, optional): See the table, default=None (that of the function).
        beta (float, optional): See the table, default=None (that of the function).
        gamma (float, optional): See the table, default=None (that of the function).
        bias (float, optional): See the table, default=None (that of the function).
        lambd (float, optional): See the table, default=None (that of the function).
        minimum (float, optional): Lower bound of `Clip`, default=None (no bound).
        maximum (float, optional): Upper bound of `Clip`, default=None (no bound).
        approximate (str, optional): `none` or `tanh`, of `Gelu`, default=None (`none`).
        name (str, optional): Cell name, default=`Function_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, a value is out of range, or the function does not have the parameter.

    Export:
        ONNX operators of the same names.

    Example:
        >>> import n2d2
        >>> root = n2d2.cells.Function("Sqrt", name="root")
        >>> list(root(n2d2.Tensor([1, 3], value=4.0)))
        [2.0, 2.0, 2.0]

    Source:
        ONNX operators of the same names.
    """

    _exports = ()
    _any_rank = True
    _inferred = frozenset({"alpha", "beta", "gamma", "bias", "lambd", "minimum", "maximum", "approximate"})

    function = Parameter[str]("constructor")
    alpha = Parameter[float | None]("option", float)
    beta = Parameter[float | None]("option", float)
    gamma = Parameter[float | None]("option", float)
    bias = Parameter[float | None]("option", float)
    lambd = Parameter[float | None]("option", float)
    minimum = Parameter[float | None]("option", float)
    maximum = Parameter[float | None]("option", float)
    approximate = Parameter[str | None]("option")

    def __init__(
        self,
        function: str,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        gamma: float | None = None,
        bias: float | None = None,
        lambd: float | None = None,
        minimum: float | None = None,
        maximum: float | None = None,
        approximate: str | None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Function", locals())
