"""Which function tests which row."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

Behaviour = Callable[[str], None]
# A class and a member; an empty member is the class itself.
Key = tuple[str, str]

BEHAVIOURS: dict[Key, Behaviour] = {}


def resolve(path: str) -> Any:
    """Return what the name of a class stands for; AttributeError if this version does not have it."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def behaviour(member: str, classes: Iterable[str]) -> Callable[[Behaviour], Behaviour]:
    """Register a function as the behaviour of a member of several classes; it gets the path of the class.

    A function for `__init__` is the behaviour of the class too.
    """

    def register(function: Behaviour) -> Behaviour:
        for path in classes:
            for name in [member, ""] if member == "__init__" else [member]:
                assert (path, name) not in BEHAVIOURS, f"{path}.{name} has two behaviours"
                BEHAVIOURS[path, name] = function
        return function

    return register
