"""MobileNet, versions 1 and 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.dropout import Dropout
from n2d2.cells.elem_wise import ElemWise
from n2d2.cells.layer import Layer
from n2d2.cells.pool import GlobalPool2d
from n2d2.cells.sequence import Sequence
from n2d2.models._units import check_positive, conv_unit, divisible, fc_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell

# Outputs of the separable convolutions of each scale; the first of a scale has a stride of 2 (but in div2).
_SEPARABLE = {2: (64,), 4: (128, 128), 8: (256, 256), 16: (512,) * 6, 32: (1024, 1024)}
# Expansion, outputs, blocks, stride of the first.
_INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetv1(Sequence):
    """MobileNet: separable convolutions, depthwise 3x3 then pointwise 1x1.

    A `Sequence` of `extractor`, which holds the scales `div2` to `div32`, and `head`.

    Shape:
        Input `[n, 3, h, w]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        nb_outputs (int, optional): Number of classes, default=1000.
        alpha (float, optional): Factor of the number of channels, default=1.0.
        with_bn (bool, optional): If True, convolutions are normalised and have no bias, as in the paper, default=False.
        name (str, optional): Name, default="mobilenet_v1".
        small_images (bool, optional): If True, the first convolution has no stride, for images of about 32 pixels,
            default=False.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> small = n2d2.models.MobileNetv1(nb_outputs=10, alpha=0.125, with_bn=True)
        >>> small(n2d2.Tensor([2, 3, 32, 32])).shape(), small["extractor"][0].get_name()
        ([2, 10, 1, 1], 'div2')

    Source:
        Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.
    """

    def __init__(
        self,
        nb_outputs: int = 1000,
        alpha: float = 1.0,
        with_bn: bool = False,
        name: str | None = None,
        *,
        small_images: bool = False,
    ) -> None:
        check_positive("MobileNetv1", nb_outputs=nb_outputs, alpha=alpha)
        channels = scaled(32, alpha)
        stem = conv_unit(
            "conv1", 3, channels, 3, stride=1 if small_images else 2, with_bn=with_bn, activation=Rectifier()
        )
        scales: list[Cell] = []
        for scale, outputs in _SEPARABLE.items():
            cells = stem if scale == 2 else []
            for i, filters in enumerate(outputs, 1):
                filters, stride = scaled(filters, alpha), 2 if scale > 2 and i == 1 else 1  # noqa: PLW2901
                cells += conv_unit(
                    f"div{scale}_{i}_dw",
                    channels,
                    channels,
                    3,
                    stride=stride,
                    depthwise=True,
                    with_bn=with_bn,
                    activation=Rectifier(),
                )
                cells += conv_unit(f"div{scale}_{i}_pw", channels, filters, 1, with_bn=with_bn, activation=Rectifier())
                channels = filters
            scales.append(Sequence(cells, name=f"div{scale}"))
        head = Sequence(
            [GlobalPool2d(pooling="Average", name="pool"), fc_unit("fc", channels, nb_outputs)], name="head"
        )
        super().__init__([Sequence(scales, name="extractor"), head], name or "mobilenet_v1")


def _inverted(name: str, nb_inputs: int, nb_outputs: int, *, stride: int, expansion: int, with_bn: bool) -> Cell:
    """An inverted residual: a wide depthwise convolution between two narrow ends."""
    wide = nb_inputs * expansion

    def relu6() -> Rectifier:
        return Rectifier(clipping=6.0)

    cells: list[Cell] = []
    if expansion != 1:
        cells += conv_unit(f"{name}_expand", nb_inputs, wide, 1, with_bn=with_bn, activation=relu6())
    cells += conv_unit(f"{name}_dw", wide, wide, 3, stride=stride, depthwise=True, with_bn=with_bn, activation=relu6())
    cells += conv_unit(f"{name}_project", wide, nb_outputs, 1, with_bn=with_bn)
    if stride != 1 or nb_inputs != nb_outputs:
        return Sequence(cells, name=name)
    paths: list[Cell] = [Sequence(cells, name=f"{name}_branch"), Sequence([], name=f"{name}_skip")]
    return Sequence([Layer(paths, name=f"{name}_paths"), ElemWise(operation="Sum", name=f"{name}_sum")], name=name)


class MobileNetV2(Sequence):
    """MobileNet v2: inverted residuals, a wide depthwise convolution between two narrow ends that are added.

    Shape:
        Input `[n, 3, h, w]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        name (str, optional): Name, default=`MobileNetV2_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        alpha (float, optional): Factor of the number of channels, which are rounded to multiples of 8, default=1.0.
        with_bn (bool, optional): If False, convolutions have a bias and are not normalised, default=True.
        small_images (bool, optional): If True, the first convolution has no stride, for images of about 32 pixels,
            default=False.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> small = n2d2.models.MobileNetV2(nb_outputs=10, alpha=0.125)
        >>> small(n2d2.Tensor([2, 3, 32, 32])).shape(), len(small["stage1"])
        ([2, 10, 1, 1], 2)

    Source:
        Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        alpha: float = 1.0,
        with_bn: bool = True,
        small_images: bool = False,
    ) -> None:
        check_positive("MobileNetV2", nb_outputs=nb_outputs, alpha=alpha)
        channels = divisible(32 * alpha)
        relu6 = Rectifier(clipping=6.0)
        stride = 1 if small_images else 2
        cells = conv_unit("conv1", 3, channels, 3, stride=stride, with_bn=with_bn, activation=relu6)
        for stage, (expansion, outputs, count, stride) in enumerate(_INVERTED):
            blocks = []
            for i in range(count):
                filters = divisible(outputs * alpha)
                name_of_block, first = f"stage{stage}_{i}", stride if i == 0 else 1
                blocks.append(
                    _inverted(name_of_block, channels, filters, stride=first, expansion=expansion, with_bn=with_bn)
                )
                channels = filters
            cells.append(Sequence(blocks, name=f"stage{stage}"))
        last = divisible(1280 * max(1.0, alpha))
        cells += conv_unit("conv_last", channels, last, 1, with_bn=with_bn, activation=Rectifier(clipping=6.0))
        cells += [
            GlobalPool2d(pooling="Average", name="pool"),
            Dropout(dropout=0.2, name="fc_drop"),
            fc_unit("fc", last, nb_outputs),
        ]
        super().__init__(cells, name)
