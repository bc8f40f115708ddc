"""The arithmetic between `$(` and `)`: numbers and texts, evaluated without ever running code."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Value = int | float | bool | str

_LONGEST = 2000
_MOST_NODES = 400
_DEEPEST = 50
_LARGEST = 10**30

FUNCTIONS = ("int", "float", "round", "min", "max", "len", "abs")


class ExpressionError(Exception):
    """An expression that is wrong, or that asks for more than arithmetic."""


def _divide(a: Value, b: Value) -> Value:
    # Files were written for integers that divide as integers: what divides evenly stays one.
    if isinstance(a, int) and isinstance(b, int) and b and a % b == 0:
        return a // b
    return a / b  # type: ignore[operator]


def _power(a: Value, b: Value) -> Value:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and a and abs(a) != 1:
        size = b * math.log10(abs(a))
        if not -300 < size < (30 if isinstance(a, int) and isinstance(b, int) else 300):
            raise ExpressionError("a power is out of range")
    return a**b  # type: ignore[operator]


_BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CALLS: dict[str, Callable[..., Value]] = {
    "int": int,
    "float": float,
    "round": round,
    "min": min,
    "max": max,
    "len": len,
    "abs": abs,
}


def evaluate(text: str) -> Value:
    """The value of an expression.

    Known are numbers, texts in quotes, `+ - * / // % **`, comparisons, `and`, `or`, `not`, `a if c else b`, and the
    functions `int`, `float`, `round`, `min`, `max`, `len` and `abs`. Two integers that divide evenly give an integer.

    Arguments:
        text (str): The expression.

    Raises:
        ExpressionError: It is wrong, holds anything else, or its value or the work for it is beyond reason.

    Example:
        >>> evaluate("4 * 8"), evaluate("7 / 2"), evaluate("8 / 2"), evaluate("'a' if 2 > 1 else 'b'")
        (32, 3.5, 4, 'a')
        >>> evaluate("open('x')")
        Traceback (most recent call last):
        n2d2.ini.expression.ExpressionError: open() is not known here; there are int, float, round, min, max, len, abs
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"it has {len(text)} characters, at most {_LONGEST} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of the text
            tree = ast.parse(text.strip(), mode="eval")
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            raise ExpressionError("it has too many parts")
        return _value(tree.body, 0)
    except SyntaxError as error:
        raise ExpressionError(f"it is not an expression ({error.msg})") from None
    except ZeroDivisionError:
        raise ExpressionError("it divides by zero") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ExpressionError(str(error)) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("it is nested too deeply") from None


def _value(node: ast.expr, depth: int) -> Value:
    if depth > _DEEPEST:
        raise ExpressionError("it is nested too deeply")
    return _bounded(_computed(node, depth + 1))


def _computed(node: ast.expr, depth: int) -> Value:
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return node.value  # type: ignore[return-value]
        case ast.UnaryOp(op=ast.USub()):
            return -_number(node.operand, depth)
        case ast.UnaryOp(op=ast.UAdd()):
            return _number(node.operand, depth)
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, depth)
        case ast.BinOp() if type(node.op) in _BINARY:
            return _binary(node, depth)
        case ast.BoolOp():
            return _boolean(node, depth)
        case ast.Compare() if all(type(op) in _COMPARE for op in node.ops):
            return _comparison(node, depth)
        case ast.IfExp():
            return _value(node.body if _value(node.test, depth) else node.orelse, depth)
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            if name not in _CALLS:
                raise ExpressionError(f"{name}() is not known here; there are {', '.join(FUNCTIONS)}")
            return _CALLS[name](*(_value(argument, depth) for argument in node.args))
        case ast.Name(id=name):
            raise ExpressionError(
                f"the name {name} is not known here; a variable is written ${{{name}}}, a text in quotes"
            )
    raise ExpressionError(f"{type(node).__name__} is not known here: only arithmetic is")


def _number(node: ast.expr, depth: int) -> int | float:
    value = _value(node, depth)
    if isinstance(value, str):
        raise ExpressionError(f"{value!r} is a text, a number is expected")
    return value


def _binary(node: ast.BinOp, depth: int) -> Value:
    a, b = _value(node.left, depth), _value(node.right, depth)
    texts = isinstance(a, str) + isinstance(b, str)
    if texts and not (texts == 2 and isinstance(node.op, ast.Add)):
        raise ExpressionError("of texts, only the sum is known")
    return _BINARY[type(node.op)](a, b)


def _boolean(node: ast.BoolOp, depth: int) -> Value:
    wanted = isinstance(node.op, ast.Or)
    value: Value = False
    for part in node.values:
        value = _value(part, depth)
        if bool(value) == wanted:
            break
    return value


def _comparison(node: ast.Compare, depth: int) -> bool:
    left = _value(node.left, depth)
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part, depth)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True


def _bounded(value: Value) -> Value:
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise ExpressionError(f"a text has more than {_LONGEST} characters")
    elif not isinstance(value, (int, float)):
        raise ExpressionError(f"a {type(value).__name__} is not a number")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("a value is not finite")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise ExpressionError("a number is too large")
    return value
