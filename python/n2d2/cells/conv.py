"""Convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.kernel_cell import KernelCell
from n2d2.error_handler import StateError
from n2d2.mapping import Mapping
from n2d2.parameters import Parameter, check_count, pair

if TYPE_CHECKING:
    from n2d2.activation import ActivationFunction
    from n2d2.filler import Filler
    from n2d2.parameters import Pair
    from n2d2.solver import Solver
    from n2d2.tensor import Tensor


class Conv(KernelCell):
    """Convolutional layer.

    `y[o, i, j] = b[o] + sum over connected c, r, s of w[o, c, r, s] x[c, i sh - ph + r dh, j sw - pw + s dw]`
    (the kernel is not flipped; outside of the image `x` is 0). With sub-sampling, blocks of outputs are summed.

    Every pair of sizes is `[height, width]`; one number stands for both.

    Shape:
        Input `[n, nb_inputs, h, w]` from each of the `nb_input_cells` inputs, output `[n, nb_outputs, oh, ow]` with
        `oh = ceil((floor((h + 2 ph - dh (kh - 1) - 1) / sh) + 1) / sub_sample)`.

    Parameters:
        Weights `[nb_outputs, channels, kh, kw]`, bias `[nb_outputs]`; drawn at construction, bias first.

    Arguments:
        nb_inputs (int): Number of input channels.
        nb_outputs (int): Number of output channels.
        kernel_dims (list): Kernel size.
        nb_input_cells (int, optional): Number of cells that are an input of this cell, default=1.
        sub_sample_dims (list, optional): Sub-sampling factor of the output, default=[1, 1].
        stride_dims (list, optional): Stride of the kernel, default=[1, 1].
        padding_dims (list, optional): Zeros on both sides of the image, default=[0, 0].
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
        quantizer (None, optional): Quantisation is not built yet, default=None.
        name (str, optional): Cell name, default=`Conv_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A name is unknown or a value is out of range.

    Export:
        INI `Conv`; ONNX `Conv`.

    Example:
        >>> import n2d2
        >>> conv = n2d2.cells.Conv(1, 2, [3, 3], padding_dims=[1, 1], filler=n2d2.filler.Constant(value=1), name="edge")
        >>> y = conv(n2d2.Tensor([1, 1, 4, 4], value=1.0))
        >>> y.shape(), y[0, 0, 0, 0], y[0, 1, 1, 1]
        ([1, 2, 4, 4], 5.0, 10.0)

    Source:
        LeCun et al., "Gradient-based learning applied to document recognition", 1998; ONNX operator `Conv`.
    """

    _exports = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")

    nb_inputs = Parameter[int]("constructor", int)
    nb_outputs = Parameter[int]("constructor", int)
    kernel_dims = Parameter[list[int]]("constructor", pair)
    sub_sample_dims = Parameter[list[int]]("option", pair)
    stride_dims = Parameter[list[int]]("option", pair)
    padding_dims = Parameter[list[int]]("option", pair)
    dilation_dims = Parameter[list[int]]("option", pair)
    quantizer = Parameter[None]("object")

    def __init__(
        self,
        nb_inputs: int,
        nb_outputs: int,
        kernel_dims: Pair,
        nb_input_cells: int = 1,
        *,
        sub_sample_dims: Pair = (1, 1),
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
        quantizer: None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        self._start("Conv", locals())


class ConvDepthWise(Conv):
    """Convolution of each channel by itself: a `Conv` whose mapping connects channel `i` to output `i` only.

    Shape:
        Input `[n, nb_channel, h, w]`, output `[n, nb_channel, oh, ow]`, see `Conv`.

    Arguments:
        nb_channel (int): Number of channels, in and out.
        kernel_dims (list): Kernel size `[height, width]`.
        sub_sample_dims (list, optional): Sub-sampling factor of the output, default=[1, 1].
        stride_dims (list, optional): Stride of the kernel, default=[1, 1].
        padding_dims (list, optional): Zeros on both sides of the image, default=[0, 0].
        dilation_dims (list, optional): Distance of the taps of the kernel, default=[1, 1].
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
        quantizer (None, optional): Quantisation is not built yet, default=None.
        name (str, optional): Cell name, default=`ConvDepthWise_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        StateError: `mapping` is given.

    Example:
        >>> import n2d2
        >>> conv = n2d2.cells.ConvDepthWise(3, [3, 3], filler=n2d2.filler.Constant(value=1), no_bias=True, name="depth")
        >>> conv(n2d2.Tensor([1, 3, 3, 3], value=1.0))[0, 2, 0, 0]
        9.0

    Source:
        Howard et al., "MobileNets", 2017.
    """

    def __init__(
        self,
        nb_channel: int,
        kernel_dims: Pair,
        *,
        sub_sample_dims: Pair = (1, 1),
        stride_dims: Pair = (1, 1),
        padding_dims: Pair = (0, 0),
        dilation_dims: Pair = (1, 1),
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
        quantizer: None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        if "mapping" in unknown:
            raise StateError("ConvDepthWise: `mapping` cannot be given, each channel is connected to itself; use Conv")
        nb_channel = check_count("ConvDepthWise", "nb_channel", nb_channel)
        fixed = {"nb_inputs": nb_channel, "nb_outputs": nb_channel, "nb_input_cells": 1}
        self._start("Conv", {**locals(), **fixed, "mapping": Mapping(nb_channels_per_group=1)})


class ConvPointWise(Conv):
    """Convolution with a kernel of one pixel and a stride of one: a fully connected layer at every pixel.

    Shape:
        Input `[n, nb_inputs, h, w]`, output `[n, nb_outputs, h, w]`.

    Arguments:
        nb_inputs (int): Number of input channels.
        nb_outputs (int): Number of output channels.
        sub_sample_dims (list, optional): Sub-sampling factor of the output, default=[1, 1].
        padding_dims (list, optional): Zeros on both sides of the image, default=[0, 0].
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
        quantizer (None, optional): Quantisation is not built yet, default=None.
        name (str, optional): Cell name, default=`ConvPointWise_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Activation function, default=None.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Example:
        >>> import n2d2
        >>> conv = n2d2.cells.ConvPointWise(2, 3, filler=n2d2.filler.Constant(value=1), name="point")
        >>> conv(n2d2.Tensor([1, 2, 4, 4], value=1.0)).shape()
        [1, 3, 4, 4]

    Source:
        Howard et al., "MobileNets", 2017.
    """

    def __init__(
        self,
        nb_inputs: int,
        nb_outputs: int,
        *,
        sub_sample_dims: Pair = (1, 1),
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
        quantizer: None = None,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
        **unknown: object,
    ) -> None:
        fixed = {"kernel_dims": [1, 1], "stride_dims": [1, 1], "nb_input_cells": 1}
        self._start("Conv", {**locals(), **fixed})
