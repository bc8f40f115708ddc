"""Transposed convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.kernel_cell import KernelCell
from n2d2.parameters import Parameter, pair

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction
    from n2d2.filler import Filler
    from n2d2.mapping import Mapping
    from n2d2.parameters import Pair
    from n2d2.solver import Solver
    from n2d2.tensor import Tensor


class Deconv(KernelCell):
    """Transposed convolution layer: the adjoint of a convolution with the same window.

    `y[o, p, q] = b[o] + sum of w[o, c, r, s] x[c, i, j]` over all connected `c` and all `i, j, r, s` with
    `p = i sh - ph + r dh` and `q = j sw - pw + s dw`: every input pixel adds its value times the kernel to the output.

    Every pair of sizes is `[height, width]`; one number stands for both.

    Shape:
        Input `[n, nb_inputs, h, w]` from each of the `nb_input_cells` inputs, output `[n, nb_outputs, oh, ow]` with
        `oh = (h - 1) sh + dh (kh - 1) + 1 - 2 ph`.

    Parameters:
        Weights `[nb_outputs, channels, kh, kw]`, bias `[nb_outputs]`; drawn at construction, bias first.

    Arguments:
        nb_inputs (int): Number of input channels.
        nb_outputs (int): Number of output channels.
        kernel_dims (list): Kernel size.
        nb_input_cells (int, optional): Number of cells that are an input of this cell, default=1.
        stride_dims (list, optional): Distance of the kernels of neighbouring input pixels, default=[1, 1].
        padding_dims (list, optional): Pixels cut off on both sides of the output, default=[0, 0].
        dilation_dims (list, optional): Distance of the taps of the kernel, default=[1, 1].
        mapping (Tensor or n2d2.mapping.Mapping, optional): Connections, a bool tensor with one row an input channel and
            one column an output; equal blocks on the diagonal are computed as groups, default=None (all connected).
        filler (n2d2.filler.Filler, optional): Filler of weights and bias, overrides `weights_filler` and `bias_filler`.
        weights_filler (n2d2.filler.Filler, optional): Filler of the weights, default=Normal(std_dev=0.05).
        bias_filler (n2d2.filler.Filler, optional): Filler of the bias, default=Normal(std_dev=0.05).
        solver (n2d2.solver.Solver, optional): Solver of weights and bias, overrides `weights_solver` and `bias_solver`.
        weights_solver (n2d2.solver.Solver, optional): Solver of the weights, default=SGD().
        bias_solver (n2d2.solver.Solver, optional): Solver of the bias, default=SGD().
        no_bias (bool, optional): If True, don't use a bias, default=False.
        weights_export_flip (bool, optional): If True, kernels are flipped in files, default=False.
        weights_export_format (str, optional): Order of the weights in files, `OCHW` or `HWCO`, default="OCHW".
        outputs_remap (str, optional): New order of the outputs of imported files, `offset:step, ...`, default="".
        back_propagate (bool, optional): If False no gradient goes back to the inputs, default=True.
        name (str, optional): Cell name, default=`Deconv_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Deconv`; ONNX `ConvTranspose`.

    Example:
        >>> import n2d2
        >>> one = n2d2.filler.Constant(value=1)
        >>> up = n2d2.cells.Deconv(1, 1, [2, 2], stride_dims=[2, 2], filler=one, no_bias=True, name="up")
        >>> x = n2d2.Tensor([1, 1, 1, 2])
        >>> x.set_values([[[[3, 5]]]])
        >>> up(x).to_numpy().tolist()
        [[[[3.0, 3.0, 5.0, 5.0], [3.0, 3.0, 5.0, 5.0]]]]

    Source:
        Zeiler et al., "Deconvolutional networks", 2010; ONNX operator `ConvTranspose`.
    """

    _exports = ("CPP", "CPP_TensorRT")

    nb_inputs = Parameter[int]("constructor", int)
    nb_outputs = Parameter[int]("constructor", int)
    kernel_dims = Parameter[list[int]]("constructor", pair)
    stride_dims = Parameter[list[int]]("option", pair)
    padding_dims = Parameter[list[int]]("option", pair)
    dilation_dims = Parameter[list[int]]("option", pair)

    def __init__(
        self,
        nb_inputs: int,
        nb_outputs: int,
        kernel_dims: Pair,
        nb_input_cells: int = 1,
        *,
        stride_dims: Pair = (1, 1),
        padding_dims: Pair = (0, 0),
        dilation_dims: Pair = (1, 1),
        mapping: Tensor | Mapping | None = None,
        filler: Filler | None = None,
        weights_filler: Filler | None = None,
        bias_filler: Filler | None = None,
        solver: Solver | None = None,
        weights_solver: Solver | None = None,
        bias_solver: Solver | None = None,
        no_bias: bool = False,
        weights_export_flip: bool = False,
        weights_export_format: str = "OCHW",
        outputs_remap: str = "",
        back_propagate: bool = True,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Deconv", locals())
