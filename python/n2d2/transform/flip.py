"""Mirrors images."""

from __future__ import annotations

from n2d2.options import Option
from n2d2.parameters import Parameter
from n2d2.transform.transformation import Transformation


class Flip(Transformation):
    """Mirrors an image left to right, top to bottom, or both; always, or every second time at random.

    A random flip replaces the fixed one of its direction. What it does to a stimulus depends on the seed, the epoch and
    the stimulus only. Added by `add_transformation` it is drawn once for each stimulus, by
    `add_on_the_fly_transformation` in each epoch.

    Arguments:
        horizontal_flip (bool, optional): Mirror left to right, default=False.
        vertical_flip (bool, optional): Mirror top to bottom, default=False.
        random_horizontal_flip (bool, optional): Mirror left to right with probability 1/2, default=False.
        random_vertical_flip (bool, optional): Mirror top to bottom with probability 1/2, default=False.
        apply_to (str, optional): Partitions whose stimuli are transformed, default="All".

    **Shape**: `[h, w, c]` to `[h, w, c]`.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A name is not known.

    Example:
        >>> import n2d2
        >>> print(n2d2.transform.Flip(horizontal_flip=True, apply_to="LearnOnly"))
        Flip(horizontal_flip=True | random_horizontal_flip=False, random_vertical_flip=False)\
[apply_to=StimuliSetMask.LearnOnly]
    """

    horizontal_flip = Option(False)
    vertical_flip = Option(False)
    random_horizontal_flip = Parameter[bool]("config")
    random_vertical_flip = Parameter[bool]("config")

    def __init__(
        self,
        *,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        random_horizontal_flip: bool = False,
        random_vertical_flip: bool = False,
        apply_to: str = "All",
        **unknown: object,
    ) -> None:
        self._begin("Flip", locals())
