"""SqueezeNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.activation import Rectifier
from n2d2.cells.dropout import Dropout
from n2d2.cells.layer import Layer
from n2d2.cells.padding import Padding
from n2d2.cells.pool import GlobalPool2d, Pool2d
from n2d2.cells.sequence import Sequence
from n2d2.error_handler import WrongValue
from n2d2.models._units import check_positive, conv_unit, scaled

if TYPE_CHECKING:
    from n2d2.cells.cell import Cell

# Squeezed channels of the fire modules 2 to 9; each expands them to four times as many, twice.
_SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
# Filters and kernel of the first convolution, and the modules that a pool stands before.
_VERSIONS = {"1.0": (96, 7, (2, 5, 9)), "1.1": (64, 3, (2, 4, 6))}


def _pool(name: str) -> list[Cell]:
    """A max pool whose last window may stick out; the row and column of zeros never win over rectified values."""
    return [
        Padding(0, 1, 0, 1, name=f"{name}_pad"),
        Pool2d([3, 3], stride_dims=[2, 2], pooling="Max", name=name),
    ]


def _fire(name: str, nb_inputs: int, squeezed: int, with_bn: bool) -> Sequence:
    """A fire module: a 1x1 convolution, then one of 1x1 and one of 3x3 side by side."""

    def unit(part: str, inputs: int, outputs: int, kernel: int) -> list[Cell]:
        return conv_unit(f"{name}_{part}", inputs, outputs, kernel, with_bn=with_bn, activation=Rectifier())

    expanded: list[Cell] = [
        Sequence(unit("expand1", squeezed, 4 * squeezed, 1), name=f"{name}_left"),
        Sequence(unit("expand3", squeezed, 4 * squeezed, 3), name=f"{name}_right"),
    ]
    return Sequence([*unit("squeeze", nb_inputs, squeezed, 1), Layer(expanded, name=f"{name}_expand")], name=name)


class SqueezeNet(Sequence):
    """SqueezeNet: fire modules, whose two expanding convolutions are joined along channels.

    Shape:
        Input `[n, 3, h, w]`, output `[n, nb_outputs, 1, 1]`.

    Arguments:
        version (str, optional): `1.0` of the paper or `1.1`, which needs less than half the operations, default="1.1".
        nb_outputs (int, optional): Number of classes, default=1000.
        width (float, optional): Factor of the number of channels, default=1.0.
        with_bn (bool, optional): If True, convolutions are normalised and have no bias, default=False.
        name (str, optional): Name, default=`SqueezeNet_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: There is no such version, or a value is out of range.

    Example:
        >>> import n2d2
        >>> small = n2d2.models.SqueezeNet(nb_outputs=10, width=0.25)
        >>> small(n2d2.Tensor([2, 3, 48, 48])).shape(), small["fire2_expand1"].nb_outputs
        ([2, 10, 1, 1], 16)

    Source:
        Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016.
    """

    def __init__(
        self,
        version: str = "1.1",
        *,
        nb_outputs: int = 1000,
        width: float = 1.0,
        with_bn: bool = False,
        name: str | None = None,
    ) -> None:
        check_positive("SqueezeNet", nb_outputs=nb_outputs, width=width)
        if version not in _VERSIONS:
            raise WrongValue("SqueezeNet: version", version, list(_VERSIONS))
        filters, kernel, pooled = _VERSIONS[version]
        channels = scaled(filters, width)
        cells = conv_unit("conv1", 3, channels, kernel, stride=2, padding=0, with_bn=with_bn, activation=Rectifier())
        for number, squeezed in enumerate(_SQUEEZED, 2):
            if number in pooled:
                cells += _pool(f"pool{number - 1}")
            narrow = scaled(squeezed, width)
            cells.append(_fire(f"fire{number}", channels, narrow, with_bn))
            channels = 8 * narrow
        cells.append(Dropout(dropout=0.5, name="conv10_drop"))
        cells += conv_unit("conv10", channels, nb_outputs, 1, with_bn=with_bn, activation=Rectifier())
        cells.append(GlobalPool2d(pooling="Average", name="pool10"))
        super().__init__(cells, name)
