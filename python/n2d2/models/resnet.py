"""ResNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.elem_wise import ElemWise
from n2d2.cells.layer import Layer
from n2d2.cells.pool import GlobalPool2d, Pool2d
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import WrongValue
from n2d2.models._units import check_positive, check_size, conv_unit, fc_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell

# Residual blocks of each of the four stages.
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_FILTERS = (64, 128, 256, 512)


def _block(name: str, nb_inputs: int, filters: int, *, stride: int, bottleneck: bool, version: float) -> Sequence:
    """A residual block: a branch of two or three convolutions, added to its input."""
    relu = Rectifier
    if bottleneck:
        first, second = (stride, 1) if version == 1 else (1, stride)
        branch = [
            *conv_unit(f"{name}_conv1", nb_inputs, filters, 1, stride=first, activation=relu()),
            *conv_unit(f"{name}_conv2", filters, filters, 3, stride=second, activation=relu()),
            *conv_unit(f"{name}_conv3", filters, 4 * filters, 1),
        ]
    else:
        branch = [
            *conv_unit(f"{name}_conv1", nb_inputs, filters, 3, stride=stride, activation=relu()),
            *conv_unit(f"{name}_conv2", filters, filters, 3),
        ]
    nb_outputs = 4 * filters if bottleneck else filters
    projected = stride != 1 or nb_inputs != nb_outputs
    shortcut = conv_unit(f"{name}_shortcut", nb_inputs, nb_outputs, 1, stride=stride) if projected else []
    paths: list[Cell] = [Sequence(branch, name=f"{name}_branch"), Sequence(shortcut, name=f"{name}_skip")]
    total = ElemWise(operation="Sum", activation=relu(), name=f"{name}_sum")
    return Sequence([Layer(paths, name=f"{name}_paths"), total], name=name)


class ResNet(Sequence):
    """ResNet: residual blocks in four stages `div4` to `div32`, each block a branch that is added to its input.

    Shape:
        Input `[n, 3, h, w]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        size (int): Number of layers: 18 or 34 with blocks of two convolutions, 50, 101 or 152 with blocks of three.
        version (float, optional): Where blocks of three convolutions take their stride: 1 in the first (the paper), 1.5
            in the one of 3x3, as most model files; the same for 18 and 34, default=1.
        name (str, optional): Name, default=`ResNet_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem is one 3x3 convolution without stride and pool, for images of
            about 32 pixels, default=False.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: There is no such size or version, or a value is out of range.

    Example:
        >>> import n2d2
        >>> small = n2d2.models.ResNet(18, nb_outputs=10, width=0.125, small_images=True)
        >>> small(n2d2.Tensor([2, 3, 32, 32])).shape(), small["div32"][1].get_name()
        ([2, 10, 1, 1], 'div32_1')

    Source:
        He et al., "Deep residual learning for image recognition", 2016.
    """

    def __init__(
        self,
        size: int,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        check_size("ResNet", size, tuple(_STAGES))
        check_positive("ResNet", nb_outputs=nb_outputs, width=width)
        if version not in {1, 1.5}:
            raise WrongValue("ResNet: version", version, [1, 1.5])
        channels = scaled(64, width)
        kernel, stride = (3, 1) if small_images else (7, 2)
        cells: list[Cell] = [*conv_unit("conv1", 3, channels, kernel, stride=stride, activation=Rectifier())]
        if not small_images:
            cells.append(Pool2d([3, 3], stride_dims=[2, 2], padding_dims=[1, 1], pooling="Max", name="pool1"))
        bottleneck = size >= 50
        for stage, (count, filters) in enumerate(zip(_STAGES[size], _FILTERS, strict=True)):
            blocks: list[Cell] = []
            name_of_stage = f"div{4 * 2**stage}"
            for i in range(count):
                stride = 2 if stage and not i else 1
                narrow = scaled(filters, width)
                name_of_block = f"{name_of_stage}_{i}"
                blocks.append(
                    _block(name_of_block, channels, narrow, stride=stride, bottleneck=bottleneck, version=version)
                )
                channels = 4 * narrow if bottleneck else narrow
            cells.append(Sequence(blocks, name=name_of_stage))
        cells += [GlobalPool2d(pooling="Average", name="pool"), fc_unit("fc", channels, nb_outputs)]
        super().__init__(cells, name)

    @staticmethod
    def generate(
        size: int,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> ResNet:
        """A ResNet of a size; see the class.

        Arguments:
            size (int): Number of layers: 18, 34, 50, 101 or 152.
            version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
            name (str, optional): Name, default=`ResNet_<n>`.
            nb_outputs (int, optional): Number of classes, default=1000.
            width (float, optional): Factor of the number of channels, default=1.0.
            small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

        Example:
            >>> import n2d2
            >>> net = n2d2.models.ResNet.generate(34, width=0.0625)
            >>> [len(net[stage]) for stage in ("div4", "div8", "div16", "div32")]
            [3, 4, 6, 3]
        """
        return ResNet(size, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)


class ResNet18(ResNet):
    """ResNet with 18 layers; see `ResNet`.

    Arguments:
        version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
        name (str, optional): Name, default=`ResNet18_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

    Example:
        >>> import n2d2
        >>> n2d2.models.ResNet18(width=0.0625)["fc"].nb_outputs
        1000
    """

    def __init__(
        self,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        super().__init__(18, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)


class ResNet34(ResNet):
    """ResNet with 34 layers; see `ResNet`.

    Arguments:
        version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
        name (str, optional): Name, default=`ResNet34_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

    Example:
        >>> import n2d2
        >>> n2d2.models.ResNet34(width=0.0625)["fc"].nb_outputs
        1000
    """

    def __init__(
        self,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        super().__init__(34, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)


class ResNet50(ResNet):
    """ResNet with 50 layers; see `ResNet`.

    Arguments:
        version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
        name (str, optional): Name, default=`ResNet50_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

    Example:
        >>> import n2d2
        >>> n2d2.models.ResNet50(width=0.0625)["fc"].nb_outputs
        1000
    """

    def __init__(
        self,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        super().__init__(50, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)


class ResNet101(ResNet):
    """ResNet with 101 layers; see `ResNet`.

    Arguments:
        version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
        name (str, optional): Name, default=`ResNet101_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

    Example:
        >>> import n2d2
        >>> n2d2.models.ResNet101(width=0.0625)["fc"].nb_outputs
        1000
    """

    def __init__(
        self,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        super().__init__(101, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)


class ResNet152(ResNet):
    """ResNet with 152 layers; see `ResNet`.

    Arguments:
        version (float, optional): 1, or 1.5 with the stride in the 3x3 convolution, default=1.
        name (str, optional): Name, default=`ResNet152_<n>`.
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        small_images (bool, optional): If True, the stem has no stride and no pool, default=False.

    Example:
        >>> import n2d2
        >>> n2d2.models.ResNet152(width=0.0625)["fc"].nb_outputs
        1000
    """

    def __init__(
        self,
        version: float = 1,
        name: str | None = None,
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        small_images: bool = False,
    ) -> None:
        super().__init__(152, version, name, nb_outputs=nb_outputs, width=width, small_images=small_images)
