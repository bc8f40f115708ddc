"""The grammar of `str()` at the three levels of verbosity, for every kind of object that can be built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import n2d2
from n2d2 import Tensor
from n2d2.cells import Block
from n2d2.parameters import Parametrised
from n2d2.target import Target

SETTINGS = n2d2.global_variables
LEVELS = SETTINGS.Verbosity


def provider() -> n2d2.provider.DataProvider:
    return n2d2.provider.DataProvider(n2d2.database.Digits(), [8, 8, 1], batch_size=2)


# Arguments that have no default, by name.
ARGUMENTS: dict[str, Any] = {
    "nb_inputs": lambda: 2,
    "nb_outputs": lambda: 4,
    "kernel_dims": lambda: [3, 3],
    "pool_dims": lambda: [2, 2],
    "dims": lambda: [1, 1, -1],
    "perm": lambda: [1, 0, 2, 3],
    "width": lambda: 8,
    "height": lambda: 8,
    "first_operator": lambda: "Divides",
    "first_value": lambda: [255.0],
    "database": n2d2.database.Digits,
    "size": lambda: [8, 8, 1],
    "inputs": lambda: Tensor([1, 2]),
    "transformation": n2d2.transform.Flip,
    "scaling": lambda: n2d2.scaling.SingleShiftScaling([1]),
    "scaling_per_output": lambda: [0.5],
    "outputs_width": lambda: 4,
    "outputs_height": lambda: 3,
    "resize_mode": lambda: "Bilinear",
    "top_pad": lambda: 1,
    "bot_pad": lambda: 1,
    "left_pad": lambda: 0,
    "right_pad": lambda: -1,
    "function": lambda: "Exp",
    "index": lambda: [0, 1],
    "shape": lambda: [2],
    "transformations": lambda: [n2d2.transform.Flip(), n2d2.transform.Rescale(8, 8)],
    "activation": n2d2.activation.Rectifier,
    "provider": provider,
    "cells": lambda: [n2d2.cells.Fc(2, 2), n2d2.cells.Sequence([n2d2.cells.Dropout(), n2d2.cells.Softmax()])],
}
MODULES: tuple[ModuleType, ...] = (
    n2d2.cells,
    n2d2.solver,
    n2d2.filler,
    n2d2.activation,
    n2d2.transform,
    n2d2.database,
    n2d2.provider,
    n2d2.target,
)


def required(cls: type) -> list[str]:
    signature = inspect.signature(cls)
    if cls is n2d2.cells.Transformation:  # Either of two names is needed.
        return ["transformation"]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [n for n, a in signature.parameters.items() if a.kind in named and a.default is a.empty]


def kinds() -> Iterator[type]:
    seen = set()
    for module in MODULES:
        for name in sorted(vars(module)):
            cls = vars(module)[name]
            if inspect.isclass(cls) and issubclass(cls, (Parametrised, Block)) and not inspect.isabstract(cls):
                seen.add(cls)
    yield from sorted(seen, key=lambda c: f"{c.__module__}.{c.__name__}")


def build(cls: type) -> Any:
    return cls(**{name: ARGUMENTS[name]() for name in required(cls)})


def built() -> dict[str, type]:
    """The classes that can be built: parents refuse to be."""
    found = {}
    for cls in kinds():
        if set(required(cls)) <= ARGUMENTS.keys():
            try:
                build(cls)
            except TypeError as error:
                if "abstract" not in str(error):
                    raise
            else:
                found[cls.__name__] = cls
    return found


BUILT = built()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    SETTINGS.verbosity = LEVELS.detailed


def parts(text: str, separator: str) -> list[str]:
    """The parts of a text between separators that are in no parentheses and brackets."""
    found, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and text.startswith(separator, i):
            found.append(text[start:i])
            start = i + len(separator)
    assert depth == 0, f"parentheses do not match in {text!r}"
    return [*found, text[start:]]


def keys(text: str) -> list[str]:
    return [part.split("=", maxsplit=1)[0] for part in parts(text, ", ")] if text else []


def camel_case(name: str) -> str:
    """The name in the files of N2D2, whose order is that of printing."""
    return {"rois_margin": "ROIsMargin"}.get(name, name.title().replace("_", ""))


def head(thing: Any) -> str:
    """What is printed before the parameters, at every level."""
    cell = isinstance(thing, n2d2.cells.NeuralNetworkCell)
    name = f"'{thing.get_name()}' " if cell or isinstance(thing, n2d2.provider.Provider) else ""
    key = ""
    if cell:
        key = "(Frame<float>)" if thing._key_has_datatype else "(Frame)"
    return name + type(thing).__name__ + key


def test_there_is_something_of_every_kind() -> None:
    for module in MODULES:
        assert any(cls.__module__.startswith(module.__name__) for cls in BUILT.values()), module.__name__
    assert len(BUILT) >= 30


ONE_LINE = [
    name
    for name, cls in BUILT.items()
    if issubclass(cls, Parametrised)
    and not issubclass(cls, (Target, n2d2.transform.Composite))
    and cls is not n2d2.database.Database
]


@pytest.mark.parametrize("name", ONE_LINE)
def test_objects_with_parameters(name: str) -> None:
    thing = build(BUILT[name])
    texts = {}
    for level in LEVELS:
        SETTINGS.verbosity = level
        texts[level] = str(thing)
    start = head(thing)
    assert texts[LEVELS.graph_only] == start
    if not thing._parameters:
        assert set(texts.values()) == {start}
        return
    fixed = list(thing._of_store("constructor", "option"))
    short = texts[LEVELS.short]
    assert short.startswith(f"{start}(")
    assert short.endswith(")")
    assert keys(short[len(start) + 1 : -1]) == fixed
    free = [*sorted(thing._of_store("config"), key=camel_case), *thing._of_store("object")]
    detailed = texts[LEVELS.detailed]
    assert detailed.startswith(f"{start}(")
    assert detailed.endswith(")")
    shown = parts(detailed[len(start) + 1 : -1], " | ")
    assert [keys(part) for part in shown] == [part for part in (fixed, free) if part]
    for text in (part for half in shown for part in parts(half, ", ")):
        key, value = text.split("=", maxsplit=1)
        own = thing.get_parameter(key)
        assert value in (str(own), f"{thing._parameters[key].prefix}.{own}"), key


# They take two tensors.
PAIRS = ("Arithmetic", "MatMul")
LAYERS = [n for n, cls in BUILT.items() if issubclass(cls, n2d2.cells.NeuralNetworkCell) and n not in PAIRS]


@pytest.mark.parametrize("level", list(LEVELS))
@pytest.mark.parametrize("name", LAYERS)
def test_inputs_are_printed_after_a_call(name: str, level: Any) -> None:
    cell = build(BUILT[name])
    SETTINGS.verbosity = level
    before = str(cell)
    x = Tensor({"Fc": [1, 2], "Scaling": [1, 1, 4, 4]}.get(name, [1, 2, 4, 4]))
    x.cell = cell_before = n2d2.cells.Dropout(name="before")
    cell(x)
    if name == "GlobalPool2d":  # It knows the size of its window from its first input.
        before = before.replace("pool_dims=[]", "pool_dims=[4, 4]")
    assert str(cell) == f"{before}(['{cell_before.name}'])"


@pytest.mark.parametrize("level", list(LEVELS))
@pytest.mark.parametrize("name", [name for name, cls in BUILT.items() if issubclass(cls, Block)])
def test_containers_print_their_cells_a_line_each(name: str, level: Any) -> None:
    SETTINGS.verbosity = level
    model = build(BUILT[name])
    fc, inner = model[0], model[1]
    assert str(model) == (
        f"'{model.name}' {name}(\n\t(0): {fc}\n\t(1): '{inner.name}' Sequence(\n"
        f"\t\t(0): {inner[0]}\n\t\t(1): {inner[1]}\n\t)\n)"
    )


@pytest.mark.parametrize("level", list(LEVELS))
def test_lists_of_transformations_print_a_line_each(level: Any) -> None:
    SETTINGS.verbosity = level
    flip, rescale = n2d2.transform.Flip(), n2d2.transform.Rescale(8, 8)
    assert str(n2d2.transform.Composite([flip, rescale])) == f"Composite(\n\t{flip}\n\t{rescale}\n)"


@pytest.mark.parametrize("level", list(LEVELS))
def test_providers_print_their_transformations(level: Any) -> None:
    SETTINGS.verbosity = level
    source = provider()
    before, rescale = str(source), n2d2.transform.Rescale(8, 8)
    source.add_transformation(rescale)
    assert str(source) == f"{before}[Transformations={rescale}]"


@pytest.mark.parametrize("level", list(LEVELS))
def test_targets_and_tensors_print_the_same_at_every_level(level: Any) -> None:
    SETTINGS.verbosity = level
    assert str(n2d2.target.Score(provider(), name="score")) == "score"
    assert str(n2d2.database.Database()) == ""
    assert str(Tensor([1])) == "n2d2.Tensor([\n0\n], device=cpu, datatype=float)"
