"""VGG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.dropout import Dropout
from n2d2.cells.pool import Pool2d
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import WrongValue
from n2d2.models._units import check_positive, check_size, conv_unit, fc_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell

# Convolutions before each of the five pools.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FILTERS = (64, 128, 256, 512, 512)


class VGGBackbone(Sequence):
    """The convolutions of VGG: five stages of 3x3 convolutions, a max pool behind each.

    Shape:
        Input `[n, 3, h, w]`, output `[n, 512 width, h / 32, w / 32]`.

    Arguments:
        size (int, optional): Number of layers of the whole network, 11, 13, 16 or 19, default=16.
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        width (float, optional): Factor of the number of channels, default=1.0.
        name (str, optional): Name, default=`VGGBackbone_<n>`.

    Raises:
        WrongValue: There is no such size.

    Example:
        >>> import n2d2
        >>> n2d2.models.VGGBackbone(11, width=0.125)(n2d2.Tensor([1, 3, 64, 64])).shape()
        [1, 64, 2, 2]

    Source:
        Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """

    def __init__(self, size: int = 16, batchnorm: bool = False, *, width: float = 1.0, name: str | None = None) -> None:
        check_size("VGGBackbone", size, tuple(_STAGES))
        check_positive("VGGBackbone", width=width)
        stages: list[Cell] = []
        channels = 3
        for stage, (count, filters) in enumerate(zip(_STAGES[size], _FILTERS, strict=True), 1):
            cells: list[Cell] = []
            for i in range(1, count + 1):
                cells += conv_unit(
                    f"conv{stage}_{i}",
                    channels,
                    scaled(filters, width),
                    3,
                    with_bn=batchnorm,
                    with_bias=True,
                    activation=Rectifier(),
                )
                channels = scaled(filters, width)
            cells.append(Pool2d([2, 2], stride_dims=[2, 2], pooling="Max", name=f"pool{stage}"))
            stages.append(Sequence(cells, name=f"div{2**stage}"))
        super().__init__(stages, name)


class VGGHead(Sequence):
    """The classifier of VGG: three fully connected layers.

    Shape:
        Input `[n, nb_inputs, pixels, pixels]` with `pixels = input_size / 32`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images of the whole network, at least 32, default=224.
        name (str, optional): Name, default=`VGGHead_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range.

    Example:
        >>> import n2d2
        >>> head = n2d2.models.VGGHead(nb_outputs=3, width=0.03125)
        >>> head(n2d2.Tensor([1, 16, 7, 7])).shape()
        [1, 3, 1, 1]

    Source:
        Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """

    def __init__(
        self, nb_outputs: int = 1000, *, width: float = 1.0, input_size: int = 224, name: str | None = None
    ) -> None:
        check_positive("VGGHead", nb_outputs=nb_outputs, width=width, input_size=input_size)
        if input_size < 32:
            raise WrongValue("VGGHead: input_size", input_size, "an integer of at least 32")
        neurons = scaled(4096, width)
        cells: list[Cell] = [
            fc_unit("fc6", scaled(512, width) * (input_size // 32) ** 2, neurons, rectified=True),
            Dropout(dropout=0.5, name="fc6_drop"),
            fc_unit("fc7", neurons, neurons, rectified=True),
            Dropout(dropout=0.5, name="fc7_drop"),
            fc_unit("fc8", neurons, nb_outputs),
        ]
        super().__init__(cells, name)


class VGG(Sequence):
    """VGG: a `VGGBackbone` called `backbone` and a `VGGHead` called `head`.

    Shape:
        Input `[n, 3, input_size, input_size]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        size (int, optional): Number of layers, 11, 13, 16 or 19, default=16.
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        name (str, optional): Name, default=`VGG_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images, at least 32; small images leave the fully connected
            layers small, default=224.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: There is no such size, or a value is out of range.

    Example:
        >>> import n2d2
        >>> small = n2d2.models.VGG(11, batchnorm=True, nb_outputs=10, width=0.125, input_size=32)
        >>> small(n2d2.Tensor([2, 3, 32, 32])).shape()
        [2, 10, 1, 1]

    Source:
        Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """

    def __init__(
        self,
        size: int = 16,
        batchnorm: bool = False,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        input_size: int = 224,
    ) -> None:
        check_size("VGG", size, tuple(_STAGES))
        backbone = VGGBackbone(size, batchnorm, width=width, name="backbone")
        head = VGGHead(nb_outputs, width=width, input_size=input_size, name="head")
        super().__init__([backbone, head], name)


class VGG11(VGG):
    """VGG with 11 layers; see `VGG`.

    Arguments:
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        name (str, optional): Name, default=`VGG11_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images, at least 32, default=224.

    Example:
        >>> import n2d2
        >>> len(n2d2.models.VGG11(width=0.03125)["backbone"])
        5
    """

    def __init__(
        self,
        batchnorm: bool = False,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        input_size: int = 224,
    ) -> None:
        super().__init__(11, batchnorm, name, nb_outputs=nb_outputs, width=width, input_size=input_size)


class VGG13(VGG):
    """VGG with 13 layers; see `VGG`.

    Arguments:
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        name (str, optional): Name, default=`VGG13_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images, at least 32, default=224.

    Example:
        >>> import n2d2
        >>> len(n2d2.models.VGG13(width=0.03125)["backbone"])
        5
    """

    def __init__(
        self,
        batchnorm: bool = False,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        input_size: int = 224,
    ) -> None:
        super().__init__(13, batchnorm, name, nb_outputs=nb_outputs, width=width, input_size=input_size)


class VGG16(VGG):
    """VGG with 16 layers; see `VGG`.

    Arguments:
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        name (str, optional): Name, default=`VGG16_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images, at least 32, default=224.

    Example:
        >>> import n2d2
        >>> len(n2d2.models.VGG16(width=0.03125)["backbone"])
        5
    """

    def __init__(
        self,
        batchnorm: bool = False,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        input_size: int = 224,
    ) -> None:
        super().__init__(16, batchnorm, name, nb_outputs=nb_outputs, width=width, input_size=input_size)


class VGG19(VGG):
    """VGG with 19 layers; see `VGG`.

    Arguments:
        batchnorm (bool, optional): If True, convolutions are normalised; they keep their bias, default=False.
        name (str, optional): Name, default=`VGG19_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels and neurons, default=1.0.
        input_size (int, optional): Height and width of the images, at least 32, default=224.

    Example:
        >>> import n2d2
        >>> len(n2d2.models.VGG19(width=0.03125)["backbone"])
        5
    """

    def __init__(
        self,
        batchnorm: bool = False,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        input_size: int = 224,
    ) -> None:
        super().__init__(19, batchnorm, name, nb_outputs=nb_outputs, width=width, input_size=input_size)
