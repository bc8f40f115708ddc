"""Values at other places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy.typing as npt

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor


def _indices(value: Any) -> list[int]:
    return [int(i) for i in value]


class Rearrange(NeuralNetworkCell):
    """Rearranging layer: `y[i] = x[index[i]]`, or `fill` where the index is -1.

    Indices count elements in row-major order, those of several inputs one input behind the other. With `per_sample`
    they count the elements of one stimulus, and the first axis stays the batch. The gradient of a value is the sum over
    all places where it went. Slices, gathers, repetitions, padding, flips, transpositions and concatenations are of
    this kind.

    Shape:
        Inputs of any rank up to six, several ones given as a list of tensors; output `shape`, or `[n, *shape]`.

    Arguments:
        index (list): For every element of the output the place in the inputs, or -1.
        shape (list): Shape of the output; with `per_sample` that of one stimulus.
        sizes (list, optional): Number of elements that each input must have, default=[] (any that hold the indices).
        per_sample (bool, optional): The first axis of inputs and output is the batch, and is not listed, default=False.
        fill (float, optional): Value where the index is -1, default=0.0.
        name (str, optional): Cell name, default=`Rearrange_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown, or `index` and `shape` do not fit each other.

    Export:
        ONNX `Gather`.

    Example:
        >>> import n2d2
        >>> swapped = n2d2.cells.Rearrange([1, 0, 1], [3], per_sample=True, name="swapped")
        >>> x = n2d2.Tensor([2, 2])
        >>> x[0, 0], x[0, 1] = 5.0, 7.0
        >>> y = swapped(x)
        >>> y.shape(), list(y)
        ([2, 3], [7.0, 5.0, 7.0, 0.0, 0.0, 0.0])

    Source:
        ONNX operators `Gather`, `Slice`, `Expand`, `Tile` and others.
    """

    _exports = ()
    _any_rank = True
    _direct = True

    index = Parameter[list[int]]("constructor", _indices)
    shape = Parameter[list[int]]("constructor", list)
    sizes = Parameter[list[int]]("option", list)
    per_sample = Parameter[bool]("option")
    fill = Parameter[float]("option", float)

    def __init__(
        self,
        index: Sequence[int] | npt.NDArray[Any],
        shape: Sequence[int],
        *,
        sizes: Sequence[int] = (),
        per_sample: bool = False,
        fill: float = 0.0,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Rearrange", locals())

    def __call__(self, inputs: Tensor | Interface | Sequence[Tensor]) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor, Interface or list): The tensors whose elements the indices count.

        Raises:
            WrongInputType: One of them is not a tensor of floats.
            ShapeError: They have another number of elements than `sizes`, or the largest index is beyond them.

        Example:
            >>> import n2d2
            >>> a, b = n2d2.Tensor([1], value=1.0), n2d2.Tensor([2], value=2.0)
            >>> list(n2d2.cells.Rearrange([0, 1, 2], [3])([a, b]))
            [1.0, 2.0, 2.0]
        """
        return super().__call__(inputs)  # type: ignore[arg-type]
