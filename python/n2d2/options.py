"""Creation options that are printed only if they differ from their default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from n2d2.parameters import Parameter, Parametrised

if TYPE_CHECKING:
    from n2d2.parameters import Store

T = TypeVar("T")


class Option(Parameter[T]):
    """A parameter that is fixed once the object exists, and printed only if it differs from its default.

    Arguments:
        default: Value that is not printed.
    """

    def __init__(self, default: T) -> None:
        super().__init__("option")
        self.default = default


class HidesDefaults(Parametrised):
    """An object that prints its `Option` parameters only where they say something."""

    def _of_store(self, *stores: Store) -> dict[str, Any]:
        shown = super()._of_store(*stores)
        return {n: v for n, v in shown.items() if not self._is_default(self._parameters[n], v)}

    @staticmethod
    def _is_default(parameter: Parameter[Any], value: object) -> bool:
        return isinstance(parameter, Option) and value == parameter.default
