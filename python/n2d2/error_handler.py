"""The exception classes of n2d2: one base, `Error`, and one class a kind of mistake.

Every class also derives from the built-in exception of its kind, so that `except ValueError` works as expected.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")


class Error(Exception):
    """The base of every exception that n2d2 raises on purpose.

    Example:
        >>> import n2d2
        >>> try:
        ...     n2d2.solver.SGD(learning_rate="fast")
        ... except n2d2.Error as error:
        ...     print(type(error).__name__, "-", error)
        WrongInputType - SGD: parameter `learning_rate` must be a float, got a str ("fast")
    """


def _names(accepted: object) -> str:
    if isinstance(accepted, type):
        return accepted.__name__
    if isinstance(accepted, (list, tuple, set, frozenset)):
        return ", ".join(_names(a) for a in accepted)
    return str(accepted)


class WrongInputType(Error, TypeError):  # noqa: N818  the name of N2D2
    """An argument has a type that is not accepted.

    Arguments:
        input_name (str): Name of the argument, or the whole text if nothing else is given.
        got (type, optional): Type that was given.
        accepted (type or iterable of type or str, optional): Types that are accepted.
    """

    def __init__(self, input_name: str, got: type | None = None, accepted: object = None) -> None:
        if got is None:
            super().__init__(input_name)
        else:
            super().__init__(f"{input_name} must be of type {_names(accepted)}, got {got.__name__}")


class WrongValue(Error, ValueError):  # noqa: N818  the name of N2D2
    """An argument has a value, or a name, that is not accepted.

    Arguments:
        input_name (str): Name of the argument, or the whole text if nothing else is given.
        value (object, optional): Value that was given.
        accepted (iterable or str, optional): Values that are accepted.
    """

    def __init__(self, input_name: str, value: object = None, accepted: Iterable[object] | str | None = None) -> None:
        if accepted is None:
            super().__init__(input_name)
        else:
            listed = accepted if isinstance(accepted, str) else "one of [" + ", ".join(map(str, accepted)) + "]"
            super().__init__(f"{input_name} is {value!r}, expected {listed}")


class ShapeError(Error, ValueError, RuntimeError):
    """Sizes that do not fit together. N2D2 raised ValueError or RuntimeError; this is both."""


class DataError(Error, ValueError, RuntimeError):
    """Data that cannot be used: labels out of range, values that are not finite, stimuli that do not exist."""


class StateError(Error, RuntimeError):
    """An operation that the present state of the object does not allow."""


class FileError(Error, RuntimeError):
    """A file that cannot be read or written, or whose content is wrong."""


class MissingFileError(FileError, FileNotFoundError):
    """A file that does not exist."""


class ModelFileError(FileError):
    """A description of a network, with everything that is wrong in it, one problem a line.

    Arguments:
        file (str): Name of the file, or the whole text if nothing else is given.
        problems (iterable of str, optional): Whole sentences that name a line, a section or a node, default=().

    Example:
        >>> error = ModelFileError("net.ini", ["line 3: [conv1]: NbOutputs is 0", "line 9: unknown key `Strid`"])
        >>> print(error)
        net.ini: 2 problems
          line 3: [conv1]: NbOutputs is 0
          line 9: unknown key `Strid`
        >>> len(error.problems)
        2
    """

    problems: list[str]
    """The problems, without the name of the file."""

    def __init__(self, file: str, problems: Iterable[str] = ()) -> None:
        self.problems = list(problems)
        match self.problems:
            case []:
                text = file
            case [only]:
                text = f"{file}: {only}"
            case several:
                text = "\n  ".join([f"{file}: {len(several)} problems", *several])
        super().__init__(text)

    def __reduce__(self) -> tuple[type[ModelFileError], tuple[object, ...], dict[str, list[str]]]:
        return type(self), self.args, {"problems": self.problems}


class UnknownCellError(Error, KeyError):
    """A container holds no cell of this name."""

    def __str__(self) -> str:
        return str(self.args[0])


class IsEmptyError(Error, ValueError):
    """A list that must not be empty is empty.

    Arguments:
        name (str): Name of the argument, or the whole text.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name if " " in name else f"{name} must not be empty")


class NotInitialized(Error, RuntimeError):  # noqa: N818  the name of N2D2
    """An object is used before it is initialised.

    Arguments:
        name (str): Name of the object, or the whole text.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name if " " in name else f"{name} is not initialised")


class ImplementationError(Error, RuntimeError):
    """A subclass is written in a way that cannot work."""


class UndefinedModelError(Error, RuntimeError):
    """The core object is asked for before it exists."""


class UndefinedParameterError(Error, RuntimeError):
    """A parameter that must be given is missing."""


class IpOnly(Error, NotImplementedError):  # noqa: N818  the name of N2D2
    """A feature of N2D2 that was never published.

    Arguments:
        text (str, optional): The whole text, default=a sentence that says so.
    """

    def __init__(
        self, text: str = "this feature belongs to the closed part of N2D2, which was never published"
    ) -> None:
        super().__init__(text)


def deprecated(version: str = "", reason: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a function as outdated: calling it works and emits a DeprecationWarning.

    Arguments:
        version (str, optional): Version that made it outdated, default="".
        reason (str, optional): What to do instead, default="".

    Example:
        >>> import warnings
        >>> @deprecated(version="1.0", reason="use double()")
        ... def twice(x):
        ...     return 2 * x
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     result = twice(4)
        >>> result, str(caught[0].message)
        (8, 'twice is deprecated since 1.0: use double()')
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        since = f" since {version}" if version else ""
        text = f"{function.__name__} is deprecated{since}" + (f": {reason}" if reason else "")

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return call

    return decorate
