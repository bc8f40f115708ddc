"""Batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from n2d2 import _core
from n2d2.cells.trainable import Trainable
from n2d2.error_handler import DataError, ShapeError, StateError, WrongInputType
from n2d2.parameters import Parameter, check_count
from n2d2.solver import Solver
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from n2d2.activation import ActivationFunction
    from n2d2.interface import Interface

_TENSORS = ("scales", "biases", "means", "variances")
_ONE = {"scales": "scale", "biases": "bias", "means": "mean", "variances": "variance"}


def _epsilon(value: Any) -> float:
    return float(value) or 1e-5


def _check(where: str, name: str, values: NDArray[Any]) -> None:
    import numpy as np

    with np.errstate(over="ignore"):
        infinite = ~np.isfinite(values.astype(np.float32))
    wrong = infinite | (values < 0) if name == "variances" else infinite
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        value = values.ravel()[at]
        what = "is not finite in single precision" if infinite.ravel()[at] else "is negative"
        raise DataError(f"{where}: {_ONE[name]} {at} {what}: {value}")


class BatchNorm2d(Trainable):
    """Batch normalisation layer: brings each channel to mean 0 and variance 1, then scales and shifts it.

    `y = scale (x - mean) / sqrt(variance + epsilon) + bias`. While learning, mean and (biased) variance are those of
    the batch, and the running statistics follow them: `running <- m batch + (1 - m) running` with
    `m = moving_average_momentum`, which weights the *new* batch; the running variance is the unbiased one. At test, and
    with a momentum of 0, the running statistics are used; they start as mean 0 and variance 1.

    Shape:
        Input `[n, nb_inputs, h, w]`, output the same.

    Parameters:
        Scales, biases, means and variances, `[nb_inputs]` each. Files of `export_free_parameters`:
        `<name>_scales.syntxt`, `_biases`, `_means` and `_variances`, one value a line.

    Arguments:
        nb_inputs (int): Number of channels.
        nb_input_cells (int, optional): Must be 1, default=1.
        solver (n2d2.solver.Solver, optional): Solver of scale and bias, overrides `scale_solver` and `bias_solver`.
        scale_solver (n2d2.solver.Solver, optional): Solver of the scales, default=SGD().
        bias_solver (n2d2.solver.Solver, optional): Solver of the biases, default=SGD().
        epsilon (float, optional): Keeps the division finite; 0.0 is automatic, 1e-5, default=0.0.
        moving_average_momentum (float, optional): Weight of the new batch in the running statistics, from 0 to below
            1, default=0.1.
        back_propagate (bool, optional): If False no gradient goes back to the inputs, default=True.
        name (str, optional): Cell name, default=`BatchNorm2d_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.
        StateError: `nb_input_cells` is not 1.

    Export:
        INI `BatchNorm`; ONNX `BatchNormalization`.

    Example:
        >>> import n2d2
        >>> norm = n2d2.cells.BatchNorm2d(2, name="norm")
        >>> y = norm(n2d2.Tensor.from_numpy(n2d2.Tensor([4, 2, 1, 1], value=5.0).to_numpy()))
        >>> y[0], norm.get_means()[0]
        (0.0, 0.5)

    Source:
        Ioffe and Szegedy, "Batch normalization", 2015; ONNX operator `BatchNormalization`.
    """

    _exports = ("C", "CPP", "CPP_TensorRT")
    _solved: ClassVar[dict[str, str]] = {"scale_solver": "scales", "bias_solver": "biases"}

    nb_inputs = Parameter[int]("constructor", int)
    epsilon = Parameter[float]("config", _epsilon)
    moving_average_momentum = Parameter[float]("config", float)
    scale_solver = Parameter[Solver]("object")
    bias_solver = Parameter[Solver]("object")

    _direct = True

    def __init__(
        self,
        nb_inputs: int,
        nb_input_cells: int = 1,
        *,
        solver: Solver | None = None,
        scale_solver: Solver | None = None,
        bias_solver: Solver | None = None,
        epsilon: float = 0.0,
        moving_average_momentum: float = 0.1,
        back_propagate: bool = True,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        if check_count("BatchNorm2d", "nb_input_cells", nb_input_cells) != 1:
            raise StateError(f"BatchNorm2d: nb_input_cells must be 1, got {nb_input_cells!r}")
        self._start("BatchNorm2d", locals())

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): `nb_inputs` channels in all.

        Raises:
            ShapeError: The number of channels is another.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(3, name="norm")
            >>> norm(n2d2.Tensor([2, 4, 5, 5]))
            Traceback (most recent call last):
            n2d2.error_handler.ShapeError: norm : expected an input with 3 channels got a tensor with 4 instead.
        """
        channels = sum(t._as_var(self._name).shape[1] for t in self._tensors(inputs))
        if channels != self.nb_inputs:
            raise ShapeError(
                f"{self._name} : expected an input with {self.nb_inputs} channels got a tensor with {channels} instead."
            )
        return super().__call__(inputs)

    def has_bias(self) -> bool:
        """True: the layer always has a bias.

        Example:
            >>> import n2d2
            >>> n2d2.cells.BatchNorm2d(3).has_bias()
            True
        """
        return True

    def _statistics(self, name: str) -> Tensor:
        return Tensor._wrap(self._handle.param_view(name, []).reshape(1, -1, 1, 1), self)

    def get_scales(self) -> Tensor:
        """The scales, sharing memory with the layer: what is written to the tensor is used from then on.

        Shape: `[1, nb_inputs, 1, 1]`.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2).test()
            >>> norm.get_scales()[0, 1, 0, 0] = 4.0  # what is written here, the layer uses
            >>> [round(v, 3) for v in norm(n2d2.Tensor([1, 2], value=1.0))]
            [1.0, 4.0]
        """
        return self._statistics("scales")

    def get_biases(self) -> Tensor:
        """The biases, sharing memory with the layer: what is written to the tensor is used from then on.

        Shape: `[1, nb_inputs, 1, 1]`.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2).test()
            >>> norm.get_biases()[0] = 0.5
            >>> list(norm(n2d2.Tensor([1, 2])))
            [0.5, 0.0]
        """
        return self._statistics("biases")

    def get_means(self) -> Tensor:
        """The running means, sharing memory with the layer: what is written to the tensor is used from then on.

        Shape: `[1, nb_inputs, 1, 1]`.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(1, moving_average_momentum=0.5)
            >>> y = norm(n2d2.Tensor([8, 1, 1, 1], value=3.0))
            >>> norm.get_means()[0]
            1.5
        """
        return self._statistics("means")

    def get_variances(self) -> Tensor:
        """The running variances, sharing memory with the layer: what is written to the tensor is used from then on.

        Shape: `[1, nb_inputs, 1, 1]`.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(1, moving_average_momentum=0.5)
            >>> y = norm(n2d2.Tensor([8, 1, 1, 1], value=3.0))  # values that do not vary
            >>> norm.get_variances()[0]
            0.5
        """
        return self._statistics("variances")

    def set_scales(self, scales: Tensor) -> None:
        """Sets the factors after the normalisation.

        Arguments:
            scales (n2d2.Tensor): A number a channel: shape `[nb_inputs]` or `[1, nb_inputs, 1, 1]`.

        Raises:
            WrongInputType: It is not a tensor of numbers.
            ShapeError: It has another shape.
            DataError: A number is not finite.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2)
            >>> norm.set_scales(n2d2.Tensor([2], value=0.5))
            >>> list(norm.get_scales())
            [0.5, 0.5]
        """
        self._set("scales", scales)

    def set_biases(self, biases: Tensor) -> None:
        """Sets the terms added after the normalisation.

        Arguments:
            biases (n2d2.Tensor): A number a channel: shape `[nb_inputs]` or `[1, nb_inputs, 1, 1]`.

        Raises:
            WrongInputType: It is not a tensor of numbers.
            ShapeError: It has another shape.
            DataError: A number is not finite.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2)
            >>> norm.set_biases(n2d2.Tensor([2], value=0.5))
            >>> list(norm.get_biases())
            [0.5, 0.5]
        """
        self._set("biases", biases)

    def set_means(self, means: Tensor) -> None:
        """Sets the running means, which are used at test.

        Arguments:
            means (n2d2.Tensor): A number a channel: shape `[nb_inputs]` or `[1, nb_inputs, 1, 1]`.

        Raises:
            WrongInputType: It is not a tensor of numbers.
            ShapeError: It has another shape.
            DataError: A number is not finite.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2)
            >>> norm.set_means(n2d2.Tensor([2], value=0.5))
            >>> list(norm.get_means())
            [0.5, 0.5]
        """
        self._set("means", means)

    def set_variances(self, variances: Tensor) -> None:
        """Sets the running variances, which are used at test.

        Arguments:
            variances (n2d2.Tensor): A number of at least 0 a channel: shape `[nb_inputs]` or `[1, nb_inputs, 1, 1]`.

        Raises:
            WrongInputType: It is not a tensor of numbers.
            ShapeError: It has another shape.
            DataError: A number is not finite, or one is negative.

        Example:
            >>> import n2d2
            >>> norm = n2d2.cells.BatchNorm2d(2)
            >>> norm.set_variances(n2d2.Tensor([2], value=0.5))
            >>> list(norm.get_variances())
            [0.5, 0.5]
        """
        self._set("variances", variances)

    def _set(self, name: str, tensor: object) -> None:
        import numpy as np

        if not isinstance(tensor, Tensor):
            raise WrongInputType(f"{self._name}: set_{name}: {name}", type(tensor), Tensor)
        values = tensor.to_numpy()
        if values.dtype == bool:
            raise WrongInputType(f"{self._name}: set_{name}: expected a tensor of numbers, got one of datatype 'bool'")
        n = self.nb_inputs
        if tensor.shape() not in ([n], [1, n, 1, 1]):
            raise ShapeError(f"{self._name}: set_{name}: expected shape [{n}] or [1, {n}, 1, 1], got {tensor.shape()}")
        _check(f"{self._name}: set_{name}", name, values)
        self._handle.set_param(name, values.reshape(n).astype(np.float32))

    def _export(self, stem: Path) -> None:
        for name in _TENSORS:
            values = self._handle.param(name)
            lines = [values[i : i + 1] for i in range(values.size)]
            _core.write_syntxt(stem.with_name(f"{stem.name}_{name}.syntxt"), lines)

    def _import(self, stem: Path, ignore_not_exists: bool) -> dict[str, _core.Floats]:
        single = stem.with_name(f"{stem.name}.syntxt")
        read: Mapping[str, Any]
        if single.exists():
            rows = _core.read_syntxt(single, self.nb_inputs * len(_TENSORS)).reshape(-1, len(_TENSORS))
            read = dict(zip(_TENSORS, rows.T.copy(), strict=True))
        else:
            read = {n: self._read_file(stem, n, self.nb_inputs, ignore_not_exists) for n in _TENSORS}
        found = {name: values for name, values in read.items() if values is not None}
        for name, values in found.items():
            _check(str(stem), name, values)
        return found
