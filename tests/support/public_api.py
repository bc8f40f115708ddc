"""Describes the public API of n2d2 as text, one name a line: `python -m support.public_api`."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# Packages whose modules are parts of one thing, which the package itself offers; and those that are offered themselves.
WHOLE = ("n2d2.cells.plan", "n2d2.cli.", "n2d2.ini.", "n2d2.onnx.")
OFFERED = ("n2d2.onnx.backend",)


def modules() -> Iterator[ModuleType]:
    """Yield n2d2 and its public modules, by name."""
    root = importlib.import_module("n2d2")
    names = [m.name for m in pkgutil.walk_packages(root.__path__, "n2d2.")]
    names = [name for name in names if not name.startswith(WHOLE) or name in OFFERED]
    public = [name for name in names if not any(part.startswith("_") for part in name.split("."))]
    yield root
    for name in sorted(public):
        yield importlib.import_module(name)


def _signature(thing: Any) -> str:
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        return ""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return "(...)"
    # Annotations are texts, and defaults that are objects would print an address.
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    return re.sub(r"<([\w.]+) object at 0x[0-9a-f]+>", r"<\1>", text)


def _members(owner: str, cls: type) -> Iterator[str]:
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"{owner}.{name}: property"
        elif isinstance(member, staticmethod | classmethod):
            yield f"{owner}.{name}{_signature(getattr(cls, name))}: {type(member).__name__}"
        elif inspect.isfunction(member):
            yield f"{owner}.{name}{_signature(member)}"
        else:
            yield f"{owner}.{name}"


def _names(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    return sorted(listed if listed is not None else (n for n in vars(module) if not n.startswith("_")))


def lines() -> Iterator[str]:
    """Yield the description: each name where it is defined, and where else it can be imported from."""
    for module in modules():
        for name in _names(module):
            thing = getattr(module, name)
            full = f"{module.__name__}.{name}"
            if inspect.ismodule(thing):
                continue
            home = getattr(thing, "__module__", None)
            described = inspect.isclass(thing) or inspect.isfunction(thing)
            if described and home != module.__name__:
                if module.__name__.count(".") < 2 and str(home).startswith("n2d2"):
                    yield f"{full} = {home}.{thing.__name__}"
            elif inspect.isclass(thing):
                bases = ", ".join(b.__name__ for b in thing.__bases__ if b is not object)
                yield f"{full}{_signature(thing)}" + (f": class of {bases}" if bases else ": class")
                yield from _members(full, thing)
            elif inspect.isfunction(thing):
                yield f"{full}{_signature(thing)}"
            elif getattr(module, "__all__", None) is not None:
                yield f"{full}: {type(thing).__name__}"


def main() -> None:
    """Print the description."""
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
