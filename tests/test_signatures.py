"""Every public signature says what it takes: by name, and in the words of its docstring."""

from __future__ import annotations

import doctest
import enum
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import public_api

# Collected keywords: only for the error that names the nearest parameter.
COLLECTED = {"**unknown", "**config"}


def functions_of(owner: str, cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the class and its own public methods."""
    yield owner, cls
    for name, member in vars(cls).items():
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if inspect.isfunction(function) and (not name.startswith("_") or name == "__call__"):
            yield f"{owner}.{name}", function


def public() -> Iterator[tuple[str, Any]]:
    """Yield every public class, method and function, where it is defined."""
    for module in public_api.modules():
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", thing
            elif inspect.isclass(thing):
                yield from functions_of(f"{module.__name__}.{name}", thing)


def has_own_constructor(thing: Any) -> bool:
    """Return False for classes that nobody builds, and for exceptions that take any text."""
    if issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False):
        return False
    return not issubclass(thing, BaseException) or "__init__" in vars(thing)


THINGS = {path: thing for path, thing in public() if not inspect.isclass(thing) or has_own_constructor(thing)}


def taken(thing: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters, with their stars."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(thing).parameters.values()
    return [stars.get(p.kind, "") + p.name for p in parameters if p.name not in ("self", "cls")]


def documented(thing: Any) -> list[str]:
    """Return the names in the section `Arguments:` of the docstring."""
    text = inspect.cleandoc(thing.__doc__ or "")
    section = re.search(r"^Arguments:\n((?:(?:    .*)?(?:\n|\Z))*)", text, re.MULTILINE)
    return re.findall(r"^    (\*{0,2}\w+)(?: \(.*?\))?:", section[1], re.MULTILINE) if section else []


def test_there_are_many() -> None:
    assert len(THINGS) > 250


@pytest.mark.parametrize("path", THINGS)
def test_arguments_are_those_of_the_signature(path: str) -> None:
    """The docstring lists every argument, in the order of the signature, and no other."""
    thing = THINGS[path]
    ours = [name for name in taken(thing) if name not in COLLECTED or name in documented(thing)]
    assert documented(thing) == ours


@pytest.mark.parametrize("path", [path for path, thing in THINGS.items() if inspect.isclass(thing)])
def test_constructors_name_their_arguments(path: str) -> None:
    """Editors complete names: nothing is taken by a bare `*args` or `**kwargs`."""
    stars = [name for name in taken(THINGS[path]) if name.startswith("*") and name not in COLLECTED]
    # A section of parameters takes any names: that is what it is for.
    assert stars == (["**kwargs"] if path == "n2d2.config.ConfigSection" else [])


# What users write programs with; abstract methods have nothing to show.
SHOWN = ("n2d2.cells.", "n2d2.solver.", "n2d2.filler.", "n2d2.activation.", "n2d2.mapping.")


@pytest.mark.parametrize("path", [path for path in THINGS if path.startswith(SHOWN)])
def test_an_example_shows_the_use(path: str) -> None:
    thing = THINGS[path]
    if getattr(thing, "__isabstractmethod__", False) or path == "n2d2.mapping.check_mapping":
        return
    examples = doctest.DocTestParser().get_examples(inspect.cleandoc(thing.__doc__ or ""))
    assert any(example.want for example in examples), f"{path} has no example that shows a result"
