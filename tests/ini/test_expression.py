"""Arithmetic between `$(` and `)`: values, and everything that it refuses."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2d2.ini.expression import ExpressionError, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 * 8", 32),
        ("7 / 2", 3.5),
        ("8 / 2", 4),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("-3 + +1", -2),
        ("(1 + 2) * 3", 9),
        ("1e-3 * 2", 0.002),
        ("1 < 2 <= 2 != 3", True),
        ("2 > 3", False),
        ("16 if 3 > 2 else 1 / 0", 16),
        ("'a' + \"b\"", "ab"),
        ("'x' == 'x' and not 0", True),
        ("0 or 5", 5),
        ("int(3.9)", 3),
        ("int('12') + 1", 13),
        ("float(2)", 2.0),
        ("round(2.6)", 3),
        ("round(2.345, 1)", 2.3),
        ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3),
        ("len('abc')", 3),
        ("abs(-2)", 2),
    ],
)
def test_values(text: str, value: object) -> None:
    assert evaluate(text) == value
    assert type(evaluate(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9**9**9", "a power is out of range"),
        ("10 ** 31", "a power is out of range"),
        ("2.0 ** 5000", "a power is out of range"),
        ("10**29 * 100", "a number is too large"),
        ("1e400", "a value is not finite"),
        ("float('nan')", "a value is not finite"),
        ("1 / 0", "it divides by zero"),
        ("(-8) ** 0.5", "a complex is not a number"),
        ("", "it is not an expression (invalid syntax)"),
        ("1 +", "it is not an expression (invalid syntax)"),
        ("a = 1", "it is not an expression"),
        ("x + 1", "the name x is not known here; a variable is written ${x}, a text in quotes"),
        ("open('/etc/passwd')", "open() is not known here; there are int, float, round, min, max, len, abs"),
        ("__import__('os').system('ls')", "Call is not known here: only arithmetic is"),
        ("(1).real", "Attribute is not known here: only arithmetic is"),
        ("[1, 2]", "List is not known here: only arithmetic is"),
        ("'ab'[0]", "Subscript is not known here: only arithmetic is"),
        ("(lambda: 1)()", "Call is not known here: only arithmetic is"),
        ("[i for i in (1,)]", "ListComp is not known here: only arithmetic is"),
        ("(x := 1)", "NamedExpr is not known here: only arithmetic is"),
        ("f'{1}'", "JoinedStr is not known here: only arithmetic is"),
        ("b'a'", "Constant is not known here: only arithmetic is"),
        ("1j", "Constant is not known here: only arithmetic is"),
        ("None", "Constant is not known here: only arithmetic is"),
        ("...", "Constant is not known here: only arithmetic is"),
        ("1 in (1,)", "Compare is not known here: only arithmetic is"),
        ("1 << 2", "BinOp is not known here: only arithmetic is"),
        ("~1", "UnaryOp is not known here: only arithmetic is"),
        ("-'a'", "'a' is a text, a number is expected"),
        ("'a' * 9", "of texts, only the sum is known"),
        ("'%d' % 1", "of texts, only the sum is known"),
        ("'a' + 1", "of texts, only the sum is known"),
        ("'a' < 1", "'<' not supported between instances of 'str' and 'int'"),
        ("min(1)", "'int' object is not iterable"),
        ("max(*'ab')", "Starred is not known here: only arithmetic is"),
        ("round(1, ndigits=0)", "Call is not known here: only arithmetic is"),
        ("1" * 2001, "it has 2001 characters, at most 2000 are read"),
        ("1+" * 300 + "1", "it has too many parts"),
        ("(" * 90 + "1" + "+1)" * 90, "it is nested too deeply"),
        ("-" * 60 + "1", "it is nested too deeply"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert reason in str(caught.value)
    assert time.perf_counter() - start < 0.5


WORDS = [
    "1",
    "2.5",
    "0",
    "'a'",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "(",
    ")",
    ",",
    "min",
    "len",
    "int",
    "if",
    "else",
    "<",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=60))
def test_any_text_gives_a_value_or_an_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(evaluate(text), (int, float, str))


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(["+", "-", "*", "//", "%"]))
def test_integers_as_python_computes_them(a: int, b: int, op: str) -> None:
    if b == 0 and op in ("//", "%"):
        return
    assert evaluate(f"({a}) {op} ({b})") == eval(f"({a}) {op} ({b})")
