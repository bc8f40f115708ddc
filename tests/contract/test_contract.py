"""Walks the rows of the contract: each exists as promised, is documented, behaves, and its test notices its absence."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract import rows
from contract.registry import BEHAVIOURS, resolve
from contract.rows import ROWS, Row

for part in ("containers", "deepnet_cells", "layers", "objects", "scores", "weighted"):
    # Importing them registers their behaviours.
    importlib.import_module(f"contract.{part}")

MEMBERS = [row for row in ROWS if row.member]


def parametrize(some: list[Row]) -> Any:
    return pytest.mark.parametrize("row", some, ids=lambda row: row.id)


def test_the_contract_is_complete() -> None:
    assert len(ROWS) == 319
    assert sum(not row.member for row in ROWS) == 35


# ---- A: exists ----


def promised(signature: str) -> list[inspect.Parameter]:
    """Return the parameters of a printed signature; annotations are not evaluated."""
    arguments = ast.parse(f"def f({signature}): ...").body[0].args  # type: ignore[attr-defined]
    named = [*arguments.posonlyargs, *arguments.args]
    defaults = [inspect.Parameter.empty] * (len(named) - len(arguments.defaults))
    values = [*defaults, *(ast.literal_eval(d) for d in arguments.defaults)]
    kinds = [inspect.Parameter.POSITIONAL_ONLY] * len(arguments.posonlyargs)
    kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * len(arguments.args)
    return [inspect.Parameter(a.arg, kind, default=value) for a, kind, value in zip(named, kinds, values, strict=True)]


def same(ours: Any, theirs: Any) -> bool:
    """Return True for equal defaults; sequences may be lists or tuples."""
    if isinstance(theirs, list):
        return list(ours) == theirs
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def signature_of(row: Row) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class or member but `self`."""
    thing = resolve(row.path)
    if row.member not in ("", "__init__"):
        thing = inspect.getattr_static(thing, row.member)
        thing = thing.__func__ if isinstance(thing, staticmethod | classmethod) else thing
    parameters = dict(inspect.signature(thing).parameters)
    parameters.pop("self", None)
    parameters.pop("cls", None)
    return parameters


@parametrize(ROWS)
def test_exists(row: Row) -> None:
    """The promised parameters, in the promised order, with the promised defaults; others are optional."""
    if row.member:
        assert callable(getattr(resolve(row.path), row.member))
    ours = signature_of(row)
    positional = [p for p in ours.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    expected = promised(row.signature)
    for at, parameter in enumerate(expected):
        name = parameter.name
        assert len(positional) > at, f"{name} is missing"
        own = positional[at]
        # A name that is positional only is nobody's keyword.
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            assert own.name in (name, rows.PLACES.get((row.path, name), ("",))[0])
        if parameter.default is not parameter.empty:
            assert same(own.default, parameter.default), f"default of {name}"
        elif (row.path, parameter.name) not in rows.OPTIONAL:
            assert own.default is own.empty or parameter.kind is parameter.POSITIONAL_ONLY, f"{name} is required"
    for own in positional[len(expected) :]:
        assert own.default is not own.empty, f"{own.name} is not in the contract, so it must be optional"
    if row.member in ("", "__init__"):
        check_keywords(row, ours, {p.name for p in expected})


def check_keywords(row: Row, ours: dict[str, inspect.Parameter], named: set[str]) -> None:
    """The arguments that the contract calls `config_parameters`."""
    for name, text in rows.CONTRACT[row.path]["parameters"].items():
        if name in named:
            continue
        assert name in ours, f"{name} is missing"
        own = ours[name]
        if (row.path, name) not in {(path, place) for (path, _), (place, _) in rows.PLACES.items()}:
            assert own.kind is own.KEYWORD_ONLY, f"{name} must be keyword-only"
        if (row.path, name) in rows.CONTRADICTIONS:
            assert own.default == rows.CONTRADICTIONS[row.path, name][0]
        elif text is None or text in rows.MADE:
            assert own.default is None, f"default of {name}"
        else:
            assert same(own.default, ast.literal_eval(text)), f"default of {name}"


def test_contradictions_are_in_the_contract() -> None:
    for path, name in [*rows.CONTRADICTIONS, *rows.PLACES]:
        entry = rows.CONTRACT[path]
        assert name in {**entry["parameters"], **{p.name: "" for p in promised(entry["signature"])}}


# ---- B: documented ----


def documentation(row: Row) -> str:
    """Return the docstring of a row; a constructor is documented by its class."""
    thing = resolve(row.path)
    if row.member in ("", "__init__"):
        return inspect.cleandoc(vars(thing).get("__doc__") or "")
    return inspect.getdoc(getattr(thing, row.member)) or ""


def handles_tensors(row: Row) -> bool:
    """Return True for a method that takes or returns tensors."""
    if row.member in ("", "__init__"):
        return row.path in rows.LAYERS or row.path.startswith("n2d2.target.")
    function = inspect.unwrap(getattr(resolve(row.path), row.member))
    return any("Tensor" in str(annotation) for annotation in function.__annotations__.values())


def shortcomings(row: Row) -> Iterator[str]:
    """Yield what the docstring of a row lacks."""
    text = documentation(row)
    whole = not row.member or row.member == "__init__"
    if not re.match(r"[A-Z`].*?[.:]($|\s)", text, re.DOTALL) or len(text.split("\n")[0].split()) < 2:
        yield "a first line that is a sentence"
    sections = re.findall(r"^([A-Z]\w+):", text, re.MULTILINE)
    own = [p for p in signature_of(row).values() if p.name != "unknown"]
    wanted = {
        "Arguments": bool(own),
        "Shape": handles_tensors(row),
        "Raises": row.path != "n2d2.ConfigSection" if whole else row.member in rows.REFUSES,
        "Source": whole and row.path not in rows.NO_SOURCE | rows.ABSTRACT,
        "Example": True,
    }
    for section, needed in wanted.items():
        if needed and section not in sections:
            yield f"a section `{section}:`"
    examples = doctest.DocTestParser().get_examples(text)
    if not any(example.want for example in examples):
        yield "an example that shows a result"


@parametrize(ROWS)
def test_documented(row: Row) -> None:
    lacks = ", ".join(shortcomings(row))
    assert not lacks, f"the docstring of {row.id} lacks {lacks}"


def test_examples_are_executed() -> None:
    """The docstrings that count here are those that tests/test_docs.py runs."""
    from support import public_api

    finder = doctest.DocTestFinder(exclude_empty=True)
    executed = {
        inspect.cleandoc(test.docstring or "")
        for module in public_api.modules()
        for test in finder.find(module, module.__name__)
        if test.examples
    }
    missing = [row.id for row in ROWS if ">>>" in documentation(row) and documentation(row) not in executed]
    assert not missing


# ---- C: behaves ----


def test_every_row_has_a_behaviour() -> None:
    missing = [row.id for row in ROWS if (row.path, row.member) not in BEHAVIOURS]
    assert not missing
    unknown = set(BEHAVIOURS) - {(row.path, row.member) for row in ROWS}
    assert not unknown, "a behaviour for something that is not in the contract"


@parametrize(ROWS)
def test_behaves(row: Row) -> None:
    BEHAVIOURS[row.path, row.member](row.path)


# ---- D: the behaviour notices when the code is not there ----


def nothing(*_arguments: object, **_named: object) -> None:
    """Do nothing, whatever the arguments."""


def emptied(member: object) -> Callable[..., None] | staticmethod[..., None]:
    """Return what replaces a member."""
    return staticmethod(nothing) if isinstance(member, staticmethod | classmethod) else nothing


@parametrize(MEMBERS)
def test_behaviour_notices_an_empty_body(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing in the place of the member's body, on this class, its behaviour fails."""
    cls = resolve(row.path)
    if row.path in rows.ABSTRACT and row.member == "__init__":
        # The body is empty as it is: what it promises is that nobody can run it.
        monkeypatch.setattr(cls, "__abstractmethods__", frozenset())
    else:
        monkeypatch.setattr(cls, row.member, emptied(inspect.getattr_static(cls, row.member)))
    with pytest.raises((Exception, pytest.fail.Exception)):
        BEHAVIOURS[row.path, row.member](row.path)
