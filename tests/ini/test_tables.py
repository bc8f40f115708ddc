"""The tables of keys against the constructors that they feed."""

from __future__ import annotations

import inspect

import pytest

from n2d2.ini import tables
from n2d2.ini.keys import BadValueError, Key, Pair
from n2d2.ini.parts import class_of
from n2d2.ini.values import Text

KINDS = {
    f"{table}/{name}": kind
    for table in ("SOLVERS", "FILLERS", "ACTIVATIONS", "DATABASES", "TRANSFORMATIONS", "CELLS", "TARGETS")
    for name, kind in getattr(tables, table).items()
}
# Made of several keys, or of the size of the input.
INDIRECT = {"Scaling": {"factor"}, "Transformation": {"transformation"}}


@pytest.mark.parametrize("name", KINDS)
def test_keys_are_arguments_with_their_defaults(name: str) -> None:
    kind = KINDS[name]
    signature = inspect.signature(class_of(kind.made)).parameters
    for key in kind.keys:
        if key.parameter in INDIRECT.get(name.split("/")[1], ()):
            continue
        assert key.parameter in signature, f"{name}: {key}"
        default = signature[key.parameter].default
        if key.required or default is inspect.Parameter.empty:
            continue
        if isinstance(key, Pair):
            assert default == (int(key.default or 0),) * 2
        elif key.kind == "floats":
            assert (list(default) if default else []) == (
                key.parse(Text(key.default or "", False)) if key.default else []
            )
        elif name == "CELLS/ElemWise" and key.name == "CoeffMode":
            assert key.default == "PerInput"  # both mean the same
        elif key.parameter == "epsilon" and name == "CELLS/BatchNorm":
            assert key.default == "1e-5"  # 0.0 is automatic
        elif key.kind != "path":
            assert key.parse(Text(key.default or "", False)) == default, f"{name}: {key.name}"


@pytest.mark.parametrize("name", [n for n in KINDS if not n.startswith("DATABASES")])
def test_required_keys_are_required_arguments(name: str) -> None:
    kind = KINDS[name]
    given = {key.parameter for key in kind.keys} | set(kind.fixed) | {"nb_inputs", "nb_outputs", "provider"}
    given |= {"activation", "scaling"}
    for parameter in inspect.signature(class_of(kind.made)).parameters.values():
        if parameter.default is inspect.Parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            assert parameter.name in given, f"{name}: {parameter.name} has no key"


def test_no_key_twice() -> None:
    for name, kind in KINDS.items():
        names = [n for key in kind.keys for n in (key.names if isinstance(key, Pair) else (key.name,))]
        assert len(names) == len(set(names)), name


@pytest.mark.parametrize(
    ("key", "text", "computed", "value"),
    [
        (Key("k", "k", "int"), "-3", False, -3),
        (Key("k", "k", "int"), "+3", False, 3),
        (Key("k", "k", "int"), "3.5", True, 3),
        (Key("k", "k", "int"), "-3.5", True, -4),
        (Key("k", "k", "float"), "1e-3", False, 0.001),
        (Key("k", "k", "float"), ".5", False, 0.5),
        (Key("k", "k", "bool"), "1", False, True),
        (Key("k", "k", "text"), "a b", False, "a b"),
        (Key("k", "k", "word", words=("a", "b")), "b", False, "b"),
        (Key("k", "k", "ints"), "1  -2 3", False, [1, -2, 3]),
        (Key("k", "k", "floats"), "1 2.5", False, [1.0, 2.5]),
    ],
)
def test_parse(key: Key, text: str, computed: bool, value: object) -> None:
    parsed = key.parse(Text(text, computed))
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (Key("k", "k", "int"), "3.5", "an integer"),
        (Key("k", "k", "int"), "1_000", "an integer"),
        (Key("k", "k", "int"), "9" * 30, "an integer"),
        (Key("k", "k", "int"), "1e300", "an integer"),
        (Key("k", "k", "int", least=1), "0", "an integer of at least 1"),
        (Key("k", "k", "int", least=1, most=9), "10", "an integer from 1 to 9"),
        (Key("k", "k", "float"), "inf", "a number"),
        (Key("k", "k", "float"), "1e999", "a number"),
        (Key("k", "k", "float"), "0x10", "a number"),
        (Key("k", "k", "bool"), "true", "0 or 1"),
        (Key("k", "k", "word", words=("Max", "Average")), "Averag", "one of Max, Average; did you mean Average?"),
        (Key("k", "k", "ints"), "1 b", "integers with blanks between them"),
        (Key("k", "k", "ints"), "", "integers with blanks between them"),
        (Key("k", "k", "floats"), "1,2", "numbers with blanks between them"),
        (Key("k", "k", "int", only="1"), "2", "1: other values are not built yet"),
        (Key("k", "k", "text", only=""), "x", "nothing: other values are not built yet"),
    ],
)
def test_bad_values(key: Key, text: str, expected: str) -> None:
    with pytest.raises(BadValueError) as caught:
        key.parse(Text(text, False))
    assert str(caught.value) == expected
