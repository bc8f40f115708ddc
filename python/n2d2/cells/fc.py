"""Fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.weighted_cell import WeightedCell
from n2d2.parameters import Parameter, check_word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from n2d2.activation import ActivationFunction
    from n2d2.cells.weighted_cell import Floats
    from n2d2.filler import Filler
    from n2d2.mapping import Mapping
    from n2d2.solver import Solver
    from n2d2.tensor import Tensor


class Fc(WeightedCell):
    """Fully connected layer.

    `y[o] = b[o] + sum over i of w[o, i] x[i]`, with the stimulus flattened in channel, height, width order.

    Shape:
        Input `[n, c, h, w]` with `c h w = nb_inputs` from each of the `nb_input_cells` inputs, output
        `[n, nb_outputs, 1, 1]`.

    Parameters:
        Weights `[nb_outputs, inputs]`, bias `[nb_outputs]`; drawn at construction, bias first.

    Arguments:
        nb_inputs (int): Number of values of a stimulus.
        nb_outputs (int): Number of outputs.
        nb_input_cells (int, optional): Number of cells that are an input of this cell, default=1.
        solver (n2d2.solver.Solver, optional): Solver of weights and bias, overrides `weights_solver` and `bias_solver`.
        weights_solver (n2d2.solver.Solver, optional): Solver of the weights, default=SGD().
        bias_solver (n2d2.solver.Solver, optional): Solver of the bias, default=SGD().
        filler (n2d2.filler.Filler, optional): Filler of weights and bias, overrides `weights_filler` and `bias_filler`.
        weights_filler (n2d2.filler.Filler, optional): Filler of the weights, default=Normal(std_dev=0.05).
        bias_filler (n2d2.filler.Filler, optional): Filler of the bias, default=Normal(std_dev=0.05).
        mapping (Tensor or n2d2.mapping.Mapping, optional): Connections, a bool tensor with one row an input value and
            one column an output; the weights of the others stay zero, default=None (all connected).
        no_bias (bool, optional): If True, don't use a bias, default=False.
        drop_connect (float, optional): Probability to *keep* each weight while learning, default=1.0.
        normalize (bool, optional): If True, the weights of each output are scaled to length 1 before each pass,
            default=False.
        outputs_remap (str, optional): New order of the outputs of imported files, `offset:step, ...`, default="".
        weights_export_format (str, optional): Order of the weights in imported files, `OC` or `CO`, default="OC".
        back_propagate (bool, optional): If False no gradient goes back to the inputs, default=True.
        quantizer (None, optional): Quantisation is not built yet, default=None.
        name (str, optional): Cell name, default=`Fc_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Fc`; ONNX `Gemm`.

    Example:
        >>> import n2d2
        >>> fc = n2d2.cells.Fc(4, 2, filler=n2d2.filler.Constant(value=0.5), name="sum")
        >>> print(fc(n2d2.Tensor([1, 4], value=1.0)))
        n2d2.Tensor([
        [0][0]:
        2.5
        [1]:
        2.5
        ], device=cpu, datatype=f, cell='sum')

    Source:
        ONNX operator `Gemm`; drop-connect: Wan et al., "Regularization of neural networks using DropConnect", 2013.
    """

    _exports = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")

    nb_inputs = Parameter[int]("constructor", int)
    nb_outputs = Parameter[int]("constructor", int)
    drop_connect = Parameter[float]("config", float)
    normalize = Parameter[bool]("config")
    weights_export_format = Parameter[str]("config", check=check_word("OC", "CO"))
    quantizer = Parameter[None]("object")

    def __init__(
        self,
        nb_inputs: int,
        nb_outputs: int,
        nb_input_cells: int = 1,
        *,
        solver: Solver | None = None,
        weights_solver: Solver | None = None,
        bias_solver: Solver | None = None,
        filler: Filler | None = None,
        weights_filler: Filler | None = None,
        bias_filler: Filler | None = None,
        mapping: Tensor | Mapping | None = None,
        no_bias: bool = False,
        drop_connect: float = 1.0,
        normalize: bool = False,
        outputs_remap: str = "",
        weights_export_format: str = "OC",
        back_propagate: bool = True,
        quantizer: None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Fc", locals())

    def _weights_of(self, numbers: Floats, connected: npt.NDArray[np.bool_]) -> Floats:
        import numpy as np

        if self.weights_export_format == "OC":
            return super()._weights_of(numbers, connected)
        by_input = np.zeros(connected.T.shape, np.float32)
        by_input[connected.T] = numbers
        weights: Floats = by_input.T
        return weights
