"""Arithmetic of tensors whose shapes broadcast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor


MAX_RANK = 6
"""Most axes of a tensor that a layer of any rank takes."""


class Arithmetic(NeuralNetworkCell):
    """Arithmetic layer: combines tensors of any rank element by element; their shapes broadcast as in NumPy.

    | `operation` | operands | output |
    |---|---|---|
    | `Add`, `Sub`, `Mul`, `Div` | two | `a + b`, `a - b`, `a b`, `a / b` |
    | `Pow` | two | `a^b` |
    | `Mod` | two | `a - b floor(a / b)`, of the sign of `b` |
    | `Fmod` | two | `a - b trunc(a / b)`, of the sign of `a` |
    | `PRelu` | two | `a` above 0, else `a b` |
    | `Sum`, `Mean`, `Min`, `Max` | any number | of the operands; of equal values the first gets the gradient |

    Operands are the inputs in their order, and the `constant`, which is not trained, behind or in front of them. The
    gradient of an input is summed over the axes along which it was repeated.

    Shape:
        Inputs of up to six axes that broadcast, given as a list of tensors; output the shape that they broadcast to.
        The first axis need not be a batch.

    Arguments:
        operation (str, optional): Name of the operation, default="Add".
        constant (array, optional): An operand that is not an input, default=None.
        constant_first (bool, optional): The constant is the first operand and not the last, default=False.
        name (str, optional): Cell name, default=`Arithmetic_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or the constant is empty or has more than six axes.

    Export:
        ONNX operators of the same names.

    Example:
        >>> import n2d2
        >>> halved = n2d2.cells.Arithmetic(operation="Mul", constant=0.5, name="halved")
        >>> halved(n2d2.Tensor([1, 2], value=3.0))[0]
        1.5
        >>> product = n2d2.cells.Arithmetic(operation="Mul", name="scaled")
        >>> x, by_channel = n2d2.Tensor([1, 2, 4, 4], value=3.0), n2d2.Tensor([1, 2, 1, 1], value=2.0)
        >>> product([x, by_channel]).mean()
        6.0

    Source:
        ONNX operators of the same names.
    """

    _exports = ()
    _any_rank = True
    _direct = True

    operation = Parameter[str]("option", prefix="Operation")
    constant = Parameter["npt.NDArray[Any] | None"]("option", check=lambda owner, _, value: _array(owner, value))
    constant_first = Parameter[bool]("option")

    def __init__(
        self,
        *,
        operation: str = "Add",
        constant: npt.ArrayLike | None = None,
        constant_first: bool = False,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        owner = name if isinstance(name, str) and name else type(self).__name__
        array = _array(owner, constant)
        operand = {} if array is None else {"constant": array.ravel(), "constant_shape": list(array.shape)}
        self._start("Arithmetic", locals(), **operand)

    def __call__(self, inputs: Tensor | Interface | Sequence[Tensor]) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor, Interface or list): The operands that are not constant, in order.

        Raises:
            WrongInputType: One of them is not a tensor of floats.
            ShapeError: The shapes do not broadcast, or the operation takes another number of operands.

        Example:
            >>> import n2d2
            >>> rows, columns = n2d2.Tensor([3, 1], value=3.0), n2d2.Tensor([2], value=5.0)
            >>> n2d2.cells.Arithmetic(operation="Max")([rows, columns]).shape()
            [3, 2]
        """
        return super().__call__(inputs)  # type: ignore[arg-type]


def _array(owner: str, value: Any) -> npt.NDArray[Any] | None:
    """An array of float32, None for None."""
    import numpy as np

    if value is None:
        return None
    try:
        array = np.array(value, np.float32)
    except (TypeError, ValueError):
        text = f"{owner}: parameter `constant` must be an array of numbers, got {type(value).__name__}"
        raise WrongInputType(text) from None
    if isinstance(value, (str, bytes)) or array.size == 0 or array.ndim > MAX_RANK:
        expected = f"an array of at most {MAX_RANK} axes that is not empty"
        raise WrongValue(f"{owner}: parameter `constant` has the shape {list(array.shape)}, expected {expected}")
    return array
