"""Executes the examples in the modules behind `n2d2.ini`."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import n2d2
import n2d2.ini

MODULES = [m.name for m in pkgutil.iter_modules(n2d2.ini.__path__, "n2d2.ini.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(importlib.import_module(name), optionflags=options).failed == 0


def test_there_are_examples() -> None:
    found = [doctest.DocTestFinder().find(importlib.import_module(name)) for name in MODULES]
    assert sum(bool(test.examples) for tests in found for test in tests) >= 10
