"""Parameters that several objects share, kept under one name."""

from __future__ import annotations

from collections import UserDict
from typing import Any


class ConfigSection(UserDict[str, Any]):
    """A dictionary of parameters that unpacks into the constructors of several objects.

    Values are not copied: an object in it (a solver, a filler ...) goes to every cell built from it. Cells keep what
    they learn (momenta, step counters) apart, so sharing is harmless; to give each cell an object of its own, write a
    function that returns a new section.

    Arguments:
        dict (dict, optional): Parameters by name.
        **kwargs: Parameters by name.

    Example:
        >>> import n2d2
        >>> shared = n2d2.ConfigSection(no_bias=True, padding_dims=[1, 1])
        >>> conv = n2d2.cells.Conv(3, 32, [3, 3], **shared)
        >>> conv.no_bias, conv.padding_dims
        (True, [1, 1])
        >>> def solved():
        ...     return n2d2.ConfigSection(weights_solver=n2d2.solver.SGD(learning_rate=0.1))
        >>> n2d2.cells.Conv(3, 32, [3, 3], **solved()).weights_solver.learning_rate
        0.1
    """
