"""Products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor


class MatMul(NeuralNetworkCell):
    """Matrix product layer: of two matrices, or of two stacks of them.

    `y[..., i, k] = sum_j a[..., i, j] * b[..., j, k]`. The axes before the last two broadcast as in NumPy. An operand
    with one axis is a row (the first) or a column (the second), and the output does not have its axis.

    Shape:
        Inputs `[..., m, k]` and `[..., k, n]` of up to six axes, given as a list of tensors; output `[..., m, n]`.

    Arguments:
        name (str, optional): Cell name, default=`MatMul_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown.

    Export:
        ONNX `MatMul`.

    Example:
        >>> import n2d2
        >>> a, b = n2d2.Tensor([2, 5, 3], value=2.0), n2d2.Tensor([3, 4], value=1.0)
        >>> y = n2d2.cells.MatMul(name="product")([a, b])
        >>> y.shape(), y.mean()
        ([2, 5, 4], 6.0)

    Source:
        ONNX operator `MatMul`.
    """

    _exports = ()
    _any_rank = True
    _direct = True

    def __init__(
        self,
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("MatMul", locals())

    def __call__(self, inputs: Tensor | Interface | Sequence[Tensor]) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor, Interface or list): The two operands.

        Raises:
            WrongInputType: One of them is not a tensor of floats.
            ShapeError: There are not two of them, or their shapes do not fit.

        Example:
            >>> import n2d2
            >>> n2d2.cells.MatMul(name="product")([n2d2.Tensor([2, 3]), n2d2.Tensor([2, 3])])
            Traceback (most recent call last):
            n2d2.error_handler.ShapeError: product: rows of the second input: expected 3, the columns of the first, ...
        """
        return super().__call__(inputs)  # type: ignore[arg-type]
