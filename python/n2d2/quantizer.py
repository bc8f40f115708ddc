"""The parents of quantizers, for type annotations and `isinstance`: quantisation is not built yet.

Every `quantizer=` parameter accepts None only and says so; see `docs/compatibility.md`.
"""

from __future__ import annotations

from abc import ABC
from typing import NoReturn

from n2d2.error_handler import StateError

__all__ = ["ActivationQuantizer", "CellQuantizer", "Quantizer"]


class Quantizer(ABC):  # noqa: B024  there is nothing to override yet
    """Abstract parent of all quantizers.

    Raises:
        StateError: It, or a subclass, is instantiated: quantisation is not built yet.

    Example:
        >>> import n2d2
        >>> n2d2.cells.Conv(1, 1, [3, 3]).quantizer is None
        True
        >>> isinstance(n2d2.activation.Rectifier().quantizer, ActivationQuantizer)
        False
    """

    def __init__(self) -> NoReturn:
        raise StateError(f"{type(self).__name__}: quantisation is not built yet; leave `quantizer` None")


class CellQuantizer(Quantizer):
    """Abstract parent of the quantizers of weights.

    Raises:
        StateError: It is instantiated: quantisation is not built yet.
    """


class ActivationQuantizer(Quantizer):
    """Abstract parent of the quantizers of activations.

    Raises:
        StateError: It is instantiated: quantisation is not built yet.
    """
