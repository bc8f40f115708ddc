"""Element-wise combination of several inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter, listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor


def _floats(values: Any) -> list[float]:
    return [float(v) for v in listed(values)]


class ElemWise(NeuralNetworkCell):
    """Element-wise operation layer.

    | `operation` | output |
    |---|---|
    | `Sum` | `sum_k (w_k x_k + s_k)` |
    | `AbsSum` | `sum_k w_k abs(x_k)` |
    | `EuclideanSum` | `sqrt(sum_k (w_k^2 x_k^2 + s_k^2))` |
    | `Prod` | `prod_k x_k` |
    | `Max` | `max_k x_k`; of equal values the first input gets the gradient |

    Coefficients are indexed by input in the modes `PerLayer` and `PerInput`, as in N2D2; those of `Sum` by channel, the
    same for every input, in `PerChannel`. Missing weights are 1, missing shifts 0.

    Shape:
        Inputs `[n, c, h, w]`, all of one shape, given as an `n2d2.Interface`; output the same.

    Arguments:
        operation (str, optional): `Sum`, `AbsSum`, `EuclideanSum`, `Prod` or `Max`, default="Sum".
        mode (str, optional): `PerLayer`, `PerInput` or `PerChannel`, default="PerLayer".
        weights (list, optional): Weights in the order of the inputs, default=[1.0].
        shifts (list, optional): Shifts in the order of the inputs, default=[0.0].
        name (str, optional): Cell name, default=`ElemWise_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `ElemWise`; ONNX `Add`, `Sum`, `Mul`, `Max`.

    Example:
        >>> import n2d2
        >>> total = n2d2.cells.ElemWise(operation="Sum", weights=[1.0, 2.0], name="sum")
        >>> a, b = n2d2.Tensor([1, 1], value=3.0), n2d2.Tensor([1, 1], value=4.0)
        >>> total(n2d2.Interface([a, b]))[0]
        11.0

    Source:
        ONNX operators `Add`, `Sum`, `Mul` and `Max`; `AbsSum`, `EuclideanSum` and the coefficients are N2D2's.
    """

    _exports = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")
    _key_has_datatype = False

    operation = Parameter[str]("option", prefix="Operation")
    mode = Parameter[str]("option", prefix="CoeffMode")
    weights = Parameter[list[float]]("option", _floats)
    shifts = Parameter[list[float]]("option", _floats)

    _direct = True

    def __init__(
        self,
        *,
        operation: str = "Sum",
        mode: str = "PerLayer",
        weights: Sequence[float] = (1.0,),
        shifts: Sequence[float] = (0.0,),
        name: str | None = None,
        activation: ActivationFunction | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("ElemWise", locals())

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): Tensors of one shape.

        Raises:
            ShapeError: The shapes differ, or there are more coefficients than inputs.

        Example:
            >>> import n2d2
            >>> a, b = n2d2.Tensor([1, 2], value=3.0), n2d2.Tensor([1, 2], value=5.0)
            >>> list(n2d2.cells.ElemWise(operation="Max")(n2d2.Interface([a, b])))
            [5.0, 5.0]
        """
        return super().__call__(inputs)

    def _note_shapes(self, inputs: list[list[int]], output: list[int]) -> None:
        count = output[1] if self.mode == "PerChannel" else len(inputs)
        for name, missing in (("weights", 1.0), ("shifts", 0.0)):
            given = self._values[name]
            self._values[name] = given + [missing] * (count - len(given))
