"""Several transformations, one after the other."""

from __future__ import annotations

from n2d2.error_handler import IsEmptyError, WrongInputType
from n2d2.transform.transformation import Transformation


class Composite(Transformation):
    """A list of transformations, applied in order; each keeps its own `apply_to`.

    A provider takes the list as it is when the composite is added to it.

    Arguments:
        transformations (list): Transformations, first one first; may hold other composites.

    Raises:
        WrongInputType: It is not a list of transformations.
        IsEmptyError: The list is empty.

    Example:
        >>> import n2d2
        >>> steps = n2d2.transform.Composite([n2d2.transform.Rescale(width=36, height=36)])
        >>> steps.append(n2d2.transform.PadCrop(32, 32))
        >>> print(steps)
        Composite(
            Rescale(width=36, height=36 | keep_aspect_ratio=False, resize_to_fit=True)
            PadCrop(width=32, height=32 | additive_wh=False, border_type=MinusOneReflectBorder, border_value=[])
        )
    """

    def __init__(self, transformations: list[Transformation]) -> None:
        if not isinstance(transformations, list):
            raise WrongInputType("Composite: transformations", type(transformations), list)
        if not transformations:
            raise IsEmptyError("transformations")
        self._apply_to = "All"
        self._transformations: list[Transformation] = []
        for transformation in transformations:
            self.append(transformation)

    def append(self, transformation: Transformation) -> None:
        """Adds a transformation at the end.

        Arguments:
            transformation (n2d2.transform.Transformation): What to apply after the others.

        Raises:
            WrongInputType: It is not a transformation.
        """
        if not isinstance(transformation, Transformation):
            raise WrongInputType("Composite: a transformation", type(transformation), Transformation)
        self._transformations.append(transformation)

    def get_transformations(self) -> list[Transformation]:
        """The transformations, first one first."""
        return list(self._transformations)

    def _unfolded(self) -> list[Transformation]:
        return [leaf for t in self._transformations for leaf in t._unfolded()]

    def __str__(self) -> str:
        lines = "".join("\n\t" + str(t).replace("\n", "\n\t") for t in self._transformations)
        return f"Composite({lines}\n)"
