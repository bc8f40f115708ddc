"""Automatic names: `<ClassName>_<n>`, counted for each class name from 0 in the process."""

from __future__ import annotations

from collections import Counter
from threading import Lock

_given: Counter[str] = Counter()
_lock = Lock()


def generate_name(owner: object) -> str:
    """The next automatic name of an object, or of the class name given as text.

    Arguments:
        owner (object or str): Object to name after its class, or a class name.

    Example:
        >>> class Robot:
        ...     pass
        >>> generate_name(Robot()), generate_name(Robot()), generate_name("Robot")
        ('Robot_0', 'Robot_1', 'Robot_2')
    """
    kind = owner if isinstance(owner, str) else type(owner).__name__
    with _lock:
        n = _given[kind]
        _given[kind] = n + 1
    return f"{kind}_{n}"
