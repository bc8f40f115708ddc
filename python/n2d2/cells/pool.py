"""Pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import StateError
from n2d2.mapping import check_mapping
from n2d2.parameters import Parameter, pair

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface
    from n2d2.parameters import Pair
    from n2d2.tensor import Tensor


class Pool(NeuralNetworkCell):
    """Pooling layer: the largest value or the average of each window.

    `Max` never takes padding; of equal values the first in row-major order gets the gradient. `Average` divides by the
    size of the whole window, padding included. Without a mapping each channel is pooled by itself; with one, an output
    pools over all the channels connected to it at once.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, oh, ow]` with `oh = floor((h + 2 padding - pool) / stride) + 1`.

    Arguments:
        pool_dims (list): Window `[height, width]`.
        pooling (str, optional): `Max` or `Average`, default="Max".
        stride_dims (list, optional): Stride of the window, default=[1, 1].
        padding_dims (list, optional): Padding on both sides, default=[0, 0].
        mapping (Tensor, optional): Bool tensor with one row an input channel and one column an output, default=None.
        name (str, optional): Cell name, default=`Pool_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Pool`; ONNX `MaxPool`, `AveragePool`.

    Example:
        >>> import n2d2
        >>> pool = n2d2.cells.Pool([2, 2], stride_dims=[2, 2], pooling="Average", name="half")
        >>> x = n2d2.Tensor([1, 1, 2, 4])
        >>> x.set_values([[[[1, 2, 3, 4], [5, 6, 7, 8]]]])
        >>> pool(x).to_numpy().tolist()
        [[[[3.5, 5.5]]]]

    Source:
        ONNX operators `MaxPool` and `AveragePool` with `count_include_pad = 1`.
    """

    mappable = True
    _exports = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")
    _connected: npt.NDArray[np.bool_] | None = None
    """A copy of the mapping."""

    pool_dims = Parameter[list[int]]("constructor", pair)
    stride_dims = Parameter[list[int]]("option", pair)
    padding_dims = Parameter[list[int]]("option", pair)
    pooling = Parameter[str]("option", prefix="Pooling")

    def __init__(
        self,
        pool_dims: Pair,
        *,
        pooling: str = "Max",
        stride_dims: Pair = (1, 1),
        padding_dims: Pair = (0, 0),
        mapping: Tensor | None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        connected = None if mapping is None else check_mapping(self.get_type(), mapping).to_numpy(copy=True)
        self._start("Pool", locals(), mapping=connected)
        self._connected = connected


class Pool2d(Pool):
    """Pooling of each channel by itself: a `Pool` without mapping.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, oh, ow]`, see `Pool`.

    Arguments:
        pool_dims (list): Window `[height, width]`.
        pooling (str, optional): `Max` or `Average`, default="Max".
        stride_dims (list, optional): Stride of the window, default=[1, 1].
        padding_dims (list, optional): Padding on both sides, default=[0, 0].
        name (str, optional): Cell name, default=`Pool2d_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        StateError: `mapping` is given.

    Example:
        >>> import n2d2
        >>> pool = n2d2.cells.Pool2d([2, 2], stride_dims=[2, 2], name="pool")
        >>> pool(n2d2.Tensor([1, 3, 8, 8])).shape()
        [1, 3, 4, 4]
    """

    def __init__(
        self,
        pool_dims: Pair,
        *,
        pooling: str = "Max",
        stride_dims: Pair = (1, 1),
        padding_dims: Pair = (0, 0),
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        if "mapping" in unknown:
            raise StateError("Pool2d: `mapping` cannot be given, each channel is pooled by itself; use Pool")
        self._start("Pool", locals())


class GlobalPool2d(Pool):
    """Pooling of each channel over the whole image.

    Shape:
        Input `[n, c, h, w]`, output `[n, c, 1, 1]`.

    Arguments:
        pooling (str, optional): `Max` or `Average`, default="Max".
        name (str, optional): Cell name, default=`GlobalPool2d_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        StateError: `pool_dims` or `mapping` is given.

    Example:
        >>> import n2d2
        >>> pool = n2d2.cells.GlobalPool2d(pooling="Average", name="mean")
        >>> pool(n2d2.Tensor([1, 1, 7, 5], value=2.0))[0]
        2.0

    Source:
        ONNX operators `GlobalMaxPool` and `GlobalAveragePool`.
    """

    _inferred = frozenset({"pool_dims", "stride_dims", "padding_dims"})

    _direct = True

    def __init__(
        self,
        *,
        pooling: str = "Max",
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        for refused in ("pool_dims", "mapping"):
            if refused in unknown:
                raise StateError(
                    f"GlobalPool2d: `{refused}` cannot be given, the window is the whole image; use Pool2d"
                )
        window = {"pool_dims": None, "stride_dims": None, "padding_dims": None}
        self._start("Pool", {**locals(), **window}, **{"global": True})
        self._values.update(pool_dims=[], stride_dims=[1, 1], padding_dims=[0, 0])

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): Images of any size.

        Example:
            >>> import n2d2
            >>> pool = n2d2.cells.GlobalPool2d()
            >>> pool(n2d2.Tensor([1, 2, 7, 5])).shape(), pool.pool_dims
            ([1, 2, 1, 1], [7, 5])
        """
        return super().__call__(inputs)

    def _note_shapes(self, inputs: list[list[int]], output: list[int]) -> None:
        self._values["pool_dims"] = inputs[0][2:]
