"""Changes the size of images by bilinear interpolation."""

from __future__ import annotations

from n2d2.parameters import Parameter
from n2d2.transform.transformation import Transformation


class Rescale(Transformation):
    """Resizes an image by bilinear interpolation.

    Output pixel `i` of a side lies at `(i + 0.5) in / out - 0.5` of the input, clamped to the image (half-pixel
    centres); bytes are rounded to the nearest, half up.

    Arguments:
        width (int): Width in pixels.
        height (int): Height in pixels.
        keep_aspect_ratio (bool, optional): Both sides are scaled by one factor, and then cut to an integer,
            default=False.
        resize_to_fit (bool, optional): That factor is the smaller one, so that the image fits into the size; if False
            the larger one, so that it covers the size, default=True.
        apply_to (str, optional): Partitions whose stimuli are transformed, default="All".

    **Shape**: `[h, w, c]` to `[height, width, c]`.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A size is not between 1 and 32768, or a name is not known.

    Example:
        >>> import n2d2
        >>> print(n2d2.transform.Rescale(width=32, height=32))
        Rescale(width=32, height=32 | keep_aspect_ratio=False, resize_to_fit=True)
    """

    width = Parameter[int]("constructor")
    height = Parameter[int]("constructor")
    keep_aspect_ratio = Parameter[bool]("config")
    resize_to_fit = Parameter[bool]("config")

    def __init__(
        self,
        width: int,
        height: int,
        *,
        keep_aspect_ratio: bool = False,
        resize_to_fit: bool = True,
        apply_to: str = "All",
        **unknown: object,
    ) -> None:
        self._begin("Rescale", locals())
