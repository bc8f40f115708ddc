"""Pads or crops images around their centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.parameters import Parameter
from n2d2.transform.transformation import Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence


class PadCrop(Transformation):
    """Pads or crops an image to a size, around its centre.

    `d = height - h` rows are added, or taken away if `d` is negative: `ceil(d / 2)` at the top, the others at the
    bottom; columns likewise, `ceil` on the left.

    | `border_type` | row `a b c d` continued to the left |
    |---|---|
    | `MinusOneReflectBorder` | `d c b`: mirrored, the edge not repeated |
    | `ReflectBorder` | `c b a`: mirrored |
    | `ReplicateBorder` | `a a a` |
    | `WrapBorder` | `b c d` |
    | `ConstantBorder` | `border_value` |
    | `MeanBorder` | the mean of the channel |

    Arguments:
        width (int): Width in pixels.
        height (int): Height in pixels.
        additive_wh (bool, optional): `width` and `height` are added to the size of the image, default=False.
        border_type (str, optional): One of the types above, default="MinusOneReflectBorder".
        border_value (list, optional): Colour of a `ConstantBorder` in units of the image (0 to 255 for bytes): one
            value, or one a channel; None for 0, default=None.
        apply_to (str, optional): Partitions whose stimuli are transformed, default="All".

    **Shape**: `[h, w, c]` to `[height, width, c]`.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A size is not between 1 and 32768, or a name is not known.
        ShapeError: While reading: the number of border values is neither 1 nor the number of channels.

    Example:
        >>> import n2d2
        >>> print(n2d2.transform.PadCrop(32, 32))
        PadCrop(width=32, height=32 | additive_wh=False, border_type=MinusOneReflectBorder, border_value=[])
    """

    _words = frozenset({"border_type"})

    width = Parameter[int]("constructor")
    height = Parameter[int]("constructor")
    additive_wh = Parameter[bool]("config")
    border_type = Parameter[str]("config")
    border_value = Parameter["list[float]"]("config")

    def __init__(
        self,
        width: int,
        height: int,
        *,
        additive_wh: bool = False,
        border_type: str = "MinusOneReflectBorder",
        border_value: Sequence[float] | None = None,
        apply_to: str = "All",
        **unknown: object,
    ) -> None:
        self._begin("PadCrop", locals())
