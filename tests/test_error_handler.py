"""The exception classes: their bases and texts."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import n2d2
from n2d2 import error_handler
from n2d2.error_handler import IpOnly, IsEmptyError, NotInitialized, WrongInputType, WrongValue, deprecated

BASES = {
    "WrongInputType": TypeError,
    "WrongValue": ValueError,
    "ShapeError": (ValueError, RuntimeError),
    "DataError": (ValueError, RuntimeError),
    "StateError": RuntimeError,
    "FileError": RuntimeError,
    "MissingFileError": (RuntimeError, FileNotFoundError),
    "ModelFileError": RuntimeError,
    "UnknownCellError": KeyError,
    "IsEmptyError": ValueError,
    "NotInitialized": RuntimeError,
    "ImplementationError": RuntimeError,
    "UndefinedModelError": RuntimeError,
    "UndefinedParameterError": RuntimeError,
    "IpOnly": NotImplementedError,
}


def test_every_class_has_the_base_of_the_library_and_a_builtin_one() -> None:
    classes = {n: c for n, c in inspect.getmembers(error_handler, inspect.isclass) if issubclass(c, Exception)}
    assert set(classes) == {*BASES, "Error"}
    for name, bases in BASES.items():
        assert issubclass(classes[name], n2d2.Error)
        for base in bases if isinstance(bases, tuple) else (bases,):
            assert issubclass(classes[name], base)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (WrongInputType("learning_rate", int, float), "learning_rate must be of type float, got int"),
        (WrongInputType("dims", int, (list, tuple)), "dims must be of type list, tuple, got int"),
        (WrongInputType("dims", int, ["a list", "a tuple"]), "dims must be of type a list, a tuple, got int"),
        (WrongInputType("the whole text"), "the whole text"),
        (WrongValue("mode", "Mean", ["Max", "Average"]), "mode is 'Mean', expected one of [Max, Average]"),
        (WrongValue("n", 0, "an integer of at least 1"), "n is 0, expected an integer of at least 1"),
        (WrongValue("the whole text"), "the whole text"),
        (IsEmptyError("cells"), "cells must not be empty"),
        (NotInitialized("provider"), "provider is not initialised"),
        (IpOnly(), "this feature belongs to the closed part of N2D2, which was never published"),
        (error_handler.ModelFileError("net.ini", ["line 3: no"]), "net.ini: line 3: no"),
        (
            error_handler.ModelFileError("net.ini", ["line 3: no", "line 9"]),
            "net.ini: 2 problems\n  line 3: no\n  line 9",
        ),
        (error_handler.UnknownCellError("model: no such cell"), "model: no such cell"),
    ],
)
def test_texts(error: Exception, text: str) -> None:
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), text)
    assert str(copy.copy(error)) == text


def test_a_model_file_error_keeps_its_problems() -> None:
    error = pickle.loads(pickle.dumps(error_handler.ModelFileError("net.onnx", ["first", "second"])))
    assert error.problems == ["first", "second"]
    assert isinstance(error, error_handler.FileError)


def test_errors_of_the_engine_have_these_classes() -> None:
    with pytest.raises(error_handler.ShapeError):
        n2d2.cells.Fc(3, 2)(n2d2.Tensor([1, 2]))
    with pytest.raises(error_handler.WrongValue):
        n2d2.cells.Dropout(dropout=2.0)
    with pytest.raises(error_handler.MissingFileError):
        n2d2._core.read_syntxt("no/such/file", 1)


def test_deprecated_functions_work_and_warn() -> None:
    @deprecated(version="2.0", reason="use thrice")
    def twice(x: int, *, add: int = 0) -> int:
        """Twice."""
        return 2 * x + add

    with pytest.warns(DeprecationWarning, match=r"twice is deprecated since 2\.0: use thrice"):
        assert twice(2, add=1) == 5
    assert twice.__doc__ == "Twice."

    class Holder:
        @deprecated()
        def method(self) -> str:
            return "worked"

    with pytest.warns(DeprecationWarning, match="method is deprecated$"):
        assert Holder().method() == "worked"
