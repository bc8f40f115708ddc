"""What a key of a section may be: its parameter, the kind of its value, its default."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from n2d2 import _core
from n2d2.ini.values import shown

if TYPE_CHECKING:
    from n2d2.ini.values import Text

_MOST_NUMBERS = 1 << 20


class BadValueError(Exception):
    """A text that is not the kind of value that a key expects; says what it expects."""


@dataclass(frozen=True)
class Key:
    """A key of a section.

    Arguments:
        name (str): The key.
        parameter (str): Argument that its value becomes.
        kind (str): `int`, `float`, `bool`, `text`, `path`, `word`, `ints` or `floats`.
        default (str): Value that stands for a missing key, as the documentation shows it; None if it is required.
        words (tuple): Values of a `word`.
        config (bool): Whether it may stand in a `ConfigSection` too.
        only (str, optional): The one value that is built yet.
        least (int, optional): Lowest value of an `int`.
        most (int, optional): Highest value of an `int`.
    """

    name: str
    parameter: str
    kind: str
    default: str | None = ""
    words: tuple[str, ...] = ()
    config: bool = False
    only: str | None = None
    least: int | None = None
    most: int | None = None

    @property
    def required(self) -> bool:
        """True if the section must have the key."""
        return self.default is None

    def with_prefix(self, prefix: str) -> Key:
        """The same key below another, as `WeightsSolver.Momentum`.

        Arguments:
            prefix (str): What stands before its name.
        """
        return Key(**{**vars(self), "name": f"{prefix}{self.name}"})

    def parse(self, text: Text) -> Any:
        """The value of a text.

        Arguments:
            text (Text): The evaluated text.

        Raises:
            BadValueError: It is another kind of value.

        Example:
            >>> from n2d2.ini.values import Text
            >>> Key("Stride", "stride", "int").parse(Text("3", False))
            3
            >>> Key("Stride", "stride", "int").parse(Text("x", False))
            Traceback (most recent call last):
            n2d2.ini.keys.BadValueError: an integer
        """
        value = _PARSERS[self.kind](self, text)
        if (
            self.only is not None
            and str(text.text) != self.only
            and value != _PARSERS[self.kind](self, _plain(self.only))
        ):
            raise BadValueError(f"{self.only or 'nothing'}: other values are not built yet")
        return value


@dataclass(frozen=True)
class Pair:
    """Two sizes that files write in several forms: one key with `X Y`, one with a number, or two keys.

    Arguments:
        names (tuple): Key with both, key with one number, key of X, key of Y, key of Z (which must be 1 or missing).
        parameter (str): Argument that `[y, x]` becomes.
        default (str): Value that stands for missing keys; None if one form is required.
        least (int): Lowest size.
    """

    names: tuple[str, str, str, str, str]
    parameter: str
    default: str | None
    least: int = 1

    @property
    def required(self) -> bool:
        """True if the section must have one form."""
        return self.default is None

    @property
    def forms(self) -> str:
        """The forms, as the documentation and errors show them."""
        both, one, x, y, _ = self.names
        return f"{both}, {one}, or {x} and {y}"


def _plain(text: str) -> Text:
    from n2d2.ini.values import Text

    return Text(text, False)


def _int(key: Key, text: Text) -> int:
    number = _integer(text)
    low = -(2**62) if key.least is None else key.least
    high = 2**62 if key.most is None else key.most
    if number is None or not low <= number <= high:
        expected = "an integer"
        if key.least is not None:
            expected += f" of at least {key.least}" if key.most is None else f" from {key.least} to {key.most}"
        raise BadValueError(expected)
    return number


def _integer(text: Text) -> int | None:
    if re.fullmatch(r"[+-]?\d{1,18}", text.text):
        return int(text.text)
    # Expressions were written for integers that divide as integers.
    number = _finite(text.text) if text.computed else None
    return None if number is None or abs(number) > 2**62 else math.floor(number)


def _finite(text: str) -> float | None:
    if len(text) > 400 or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _float(key: Key, text: Text) -> float:
    number = _finite(text.text)
    if number is None:
        raise BadValueError("a number")
    return number


def _bool(key: Key, text: Text) -> bool:
    if text.text not in ("0", "1"):
        raise BadValueError("0 or 1")
    return text.text == "1"


def _text(key: Key, text: Text) -> str:
    return text.text


def _word(key: Key, text: Text) -> str:
    if text.text not in key.words:
        near = _core.nearest(text.text[:100], list(key.words))
        raise BadValueError(f"one of {', '.join(key.words)}" + (f"; did you mean {near}?" if near else ""))
    return text.text


def _vector(text: Text, what: str) -> list[str]:
    words = text.text.split()
    if not words or len(words) > _MOST_NUMBERS:
        raise BadValueError(what)
    return words


def _ints(key: Key, text: Text) -> list[int]:
    what = "integers with blanks between them"
    numbers = [_integer(text._replace(text=word)) for word in _vector(text, what)]
    found = [n for n in numbers if n is not None]
    if len(found) < len(numbers):
        raise BadValueError(what)
    return found


def _floats(key: Key, text: Text) -> list[float]:
    what = "numbers with blanks between them"
    numbers = [_finite(word) for word in _vector(text, what)]
    found = [n for n in numbers if n is not None]
    if len(found) < len(numbers):
        raise BadValueError(what)
    return found


_PARSERS = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "text": _text,
    "path": _text,
    "word": _word,
    "ints": _ints,
    "floats": _floats,
}


def bad_value(where: str, text: str, expected: str) -> str:
    """The text about a value that a key cannot have.

    Arguments:
        where (str): Section and key.
        text (str): The value.
        expected (str): What is expected.

    Example:
        >>> bad_value("[conv1] Stride", "x", "an integer")
        "[conv1] Stride is 'x', expected an integer"
    """
    return f"{where} is {shown(text)}, expected {expected}"
