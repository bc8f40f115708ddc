"""AlexNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.dropout import Dropout
from n2d2.cells.pool import Pool2d
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import WrongValue
from n2d2.models._units import check_positive, conv_unit, fc_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell

# Filters, kernel, stride, padding, and whether a pool follows.
_CONVS = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


class AlexNet(Sequence):
    """AlexNet on one processor: five convolutions with overlapping pools, three fully connected layers.

    Shape:
        Input `[n, 3, input_size, input_size]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        with_bn (bool, optional): If True, convolutions are normalised and have no bias, default=False.
        input_size (int, optional): Height and width of the images, at least 63, default=224.
        name (str, optional): Name, default=`AlexNet_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> narrow = n2d2.models.AlexNet(nb_outputs=5, width=0.125, input_size=64)
        >>> narrow(n2d2.Tensor([1, 3, 64, 64])).shape()
        [1, 5, 1, 1]

    Source:
        Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
    """

    def __init__(
        self,
        nb_outputs: int = 1000,
        *,
        width: float = 1.0,
        with_bn: bool = False,
        input_size: int = 224,
        name: str | None = None,
    ) -> None:
        check_positive("AlexNet", nb_outputs=nb_outputs, width=width, input_size=input_size)
        if input_size < 63:
            raise WrongValue("AlexNet: input_size", input_size, "an integer of at least 63")
        cells: list[Cell] = []
        channels, pixels = 3, input_size
        for i, (filters, kernel, stride, padding, pooled) in enumerate(_CONVS, 1):
            filters = scaled(filters, width)  # noqa: PLW2901
            cells += conv_unit(
                f"conv{i}",
                channels,
                filters,
                kernel,
                stride=stride,
                padding=padding,
                with_bn=with_bn,
                activation=Rectifier(),
            )
            channels, pixels = filters, (pixels + 2 * padding - kernel) // stride + 1
            if pooled:
                cells.append(Pool2d([3, 3], stride_dims=[2, 2], pooling="Max", name=f"pool{i}"))
                pixels = (pixels - 3) // 2 + 1
        neurons = scaled(4096, width)
        cells += [
            Dropout(dropout=0.5, name="fc6_drop"),
            fc_unit("fc6", channels * pixels * pixels, neurons, rectified=True),
            Dropout(dropout=0.5, name="fc7_drop"),
            fc_unit("fc7", neurons, neurons, rectified=True),
            fc_unit("fc8", neurons, nb_outputs),
        ]
        super().__init__(cells, name)
