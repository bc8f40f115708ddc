"""The base of all transformations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from n2d2 import _core
from n2d2.options import HidesDefaults
from n2d2.parameters import CoreObject, check_str

if TYPE_CHECKING:
    from collections.abc import Mapping


class Transformation(HidesDefaults, CoreObject, ABC):
    """What turns one image into another: the abstract parent of all transformations.

    Arguments:
        apply_to (str, optional): Partitions whose stimuli are transformed: `LearnOnly`, `ValidationOnly`, `TestOnly`,
            `NoLearn`, `NoValidation`, `NoTest` or `All`, default="All".

    Raises:
        TypeError: This class itself is instantiated.
        WrongInputType: A value has the wrong type.
        WrongValue: A name or a value is not accepted.
    """

    _apply_to: str

    @abstractmethod
    def __init__(self, *, apply_to: str = "All") -> None: ...

    def _begin(self, kind: str, given: Mapping[str, Any]) -> None:
        """Makes the engine's object from the constructor's arguments."""
        apply_to = check_str(kind, "apply_to", given["apply_to"])
        self._start(lambda name, parameters: _core.Transform(name, apply_to, parameters), kind, given)
        self._apply_to = apply_to

    def get_apply_set(self) -> str:
        """The partitions whose stimuli are transformed."""
        return self._apply_to

    def _unfolded(self) -> list[Transformation]:
        """The transformations that the engine applies."""
        return [self]

    def __str__(self) -> str:
        suffix = "" if self._apply_to == "All" else f"[apply_to=StimuliSetMask.{self._apply_to}]"
        return super().__str__() + suffix
