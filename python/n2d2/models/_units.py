"""What the networks of this package are built of: convolution, normalisation, activation; sizes that scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.batch_norm import BatchNorm2d
from n2d2.cells.conv import Conv
from n2d2.cells.fc import Fc
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.filler import Constant, He, Normal
from n2d2.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.activation import ActivationFunction
    from n2d2.cells.cell import Cell


def conv_unit(
    name: str,
    nb_inputs: int,
    nb_outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    depthwise: bool = False,
    with_bn: bool = True,
    with_bias: bool | None = None,
    activation: ActivationFunction | None = None,
) -> list[Cell]:
    """A convolution, `<name>`, and its batch normalisation, `<name>_bn`.

    Arguments:
        name (str): Name of the convolution.
        nb_inputs (int): Number of input channels.
        nb_outputs (int): Number of output channels.
        kernel (int): Height and width of the kernel.
        stride (int, optional): Stride, default=1.
        padding (int, optional): Zeros on each side, default=kernel // 2.
        depthwise (bool, optional): If True, each output sees one channel, default=False.
        with_bn (bool, optional): If True, a batch normalisation follows, default=True.
        with_bias (bool, optional): If True, the convolution has a bias, default=not with_bn.
        activation (n2d2.activation.ActivationFunction, optional): Activation of the last of the cells, default=None.
    """
    conv = Conv(
        nb_inputs,
        nb_outputs,
        [kernel, kernel],
        stride_dims=[stride, stride],
        padding_dims=[kernel // 2 if padding is None else padding] * 2,
        mapping=Mapping(nb_channels_per_group=1) if depthwise else None,
        no_bias=not (not with_bn if with_bias is None else with_bias),
        weights_filler=He(variance_norm="FanIn"),
        bias_filler=Constant(value=0.0),
        activation=None if with_bn else activation,
        name=name,
    )
    return [conv, BatchNorm2d(nb_outputs, name=f"{name}_bn", activation=activation)] if with_bn else [conv]


def fc_unit(name: str, nb_inputs: int, nb_outputs: int, *, rectified: bool = False) -> Fc:
    """A fully connected layer with a bias, drawn as in the classifiers of AlexNet and VGG.

    Arguments:
        name (str): Name of the layer.
        nb_inputs (int): Number of input values.
        nb_outputs (int): Number of outputs.
        rectified (bool, optional): If True, a rectifier follows, default=False.
    """
    return Fc(
        nb_inputs,
        nb_outputs,
        weights_filler=Normal(std_dev=0.01),
        bias_filler=Constant(value=0.0),
        activation=Rectifier() if rectified else None,
        name=name,
    )


def check_positive(owner: str, **values: float) -> None:
    """Checks numbers of outputs and widths.

    Arguments:
        owner (str): Class in the text of the error.
        **values (int or float): Values by name; those whose name does not end in `width` or `alpha` must be integers.

    Raises:
        WrongInputType: A value is no number.
        WrongValue: A value is not above 0.
    """
    for name, value in values.items():
        real = name in {"width", "alpha"}
        if isinstance(value, bool) or not isinstance(value, (int, float) if real else int):
            raise WrongInputType(f"{owner}: {name}", type(value), float if real else int)
        if not 0 < value < 2**15:
            raise WrongValue(f"{owner}: {name}", value, "a number above 0 and below 32768")


def check_size(owner: str, size: int, sizes: Sequence[int]) -> None:
    """Checks the number of layers of a network that exists in some sizes.

    Arguments:
        owner (str): Class in the text of the error.
        size (int): What was given.
        sizes (list of int): What exists.

    Raises:
        WrongValue: It is another one.
    """
    if size not in sizes:
        raise WrongValue(f"{owner}: size", size, list(sizes))


def scaled(channels: int, width: float) -> int:
    """A number of channels times a factor, at least 1.

    Arguments:
        channels (int): Number of channels.
        width (float): Factor.

    Example:
        >>> scaled(64, 0.25), scaled(64, 0.001)
        (16, 1)
    """
    return max(1, round(channels * width))


def divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of a divisor that is not more than a tenth smaller.

    Arguments:
        channels (float): Number of channels.
        divisor (int, optional): What divides the result, default=8.

    Example:
        >>> divisible(24), divisible(33.6), divisible(11)
        (24, 32, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
