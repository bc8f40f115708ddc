"""Where in an INI file something stands, and the list of everything that is wrong with the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from n2d2 import _core
from n2d2.error_handler import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 200
_LONGEST = 1000


class Place(NamedTuple):
    """A line of a file.

    Arguments:
        file (str): Name of a template; empty for the INI file itself.
        line (int): Number of the line, 1 the first.

    Example:
        >>> print(Place("", 3), "-", Place("block.tpl.ini", 5))
        line 3 - block.tpl.ini, line 5
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.file else f"line {self.line}"


class Refused(Exception):  # noqa: N818  it never leaves the package
    """A value that cannot be used, for a reason that is already in the list of problems."""


class TooMany(Exception):  # noqa: N818  it never leaves the package
    """The list of problems is full."""


class Problems:
    """Collects what is wrong with an INI file: each problem once, in the order of the lines.

    Arguments:
        title (str): Name of the file in the text of the error.

    Example:
        >>> problems = Problems("net.ini")
        >>> problems.add(Place("", 3), "[conv1] KernelSize is 'x', expected an integer")
        >>> problems.raise_any()
        Traceback (most recent call last):
        n2d2.error_handler.ModelFileError: net.ini: line 3: [conv1] KernelSize is 'x', expected an integer
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._texts: dict[str, tuple[bool, Place]] = {}

    def add(self, place: Place | None, text: str) -> None:
        """Adds a problem.

        Arguments:
            place (Place, optional): Line it is about; None for the whole file.
            text (str): What is wrong, what was expected and got, what to do.

        Raises:
            TooMany: There are more problems than anybody reads.
        """
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
        # What has no line comes last.
        order = (True, Place("", 0)) if place is None else (False, place)
        self._texts.setdefault(text if place is None else f"{place}: {text}", order)
        if len(self._texts) >= _MOST:
            raise TooMany

    def refuse(self, place: Place | None, text: str) -> Refused:
        """Adds a problem and returns the exception that says so: `raise problems.refuse(...)`.

        Arguments:
            place (Place, optional): Line it is about; None for the whole file.
            text (str): What is wrong, what was expected and got, what to do.
        """
        self.add(place, text)
        return Refused(text)

    def __len__(self) -> int:
        return len(self._texts)

    def raise_any(self) -> None:
        """Raises one error that lists all problems, if there are any.

        Raises:
            ModelFileError: There are problems.
        """
        if self._texts:
            listed = sorted(self._texts, key=self._texts.__getitem__)
            if len(listed) >= _MOST:
                listed.append(f"there may be more: only the first {_MOST} problems are listed")
            raise ModelFileError(self.title, listed)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with the nearest word, or nothing if none is near.

    Arguments:
        word (str): What was written.
        known (iterable of str): What could have been meant.

    Example:
        >>> did_you_mean("KernelSiz", ["KernelSize", "Stride"]), did_you_mean("?", ["Stride"])
        ('; did you mean KernelSize?', '')
    """
    near = _core.nearest(word[:100], list(known))
    return f"; did you mean {near}?" if near else ""
