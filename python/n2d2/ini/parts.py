"""Makes what cells are built with from their keys: solvers, fillers, activation functions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import Error
from n2d2.ini.keys import Key
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.tables import ACTIVATIONS, FILLERS, SOLVERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from n2d2.activation import ActivationFunction
    from n2d2.filler import Filler
    from n2d2.ini.fields import Fields
    from n2d2.ini.tables import Kind
    from n2d2.solver import Solver


def class_of(made: str) -> Any:
    """A class by its name in a table.

    Arguments:
        made (str): Module and class, as `cells.Conv`.

    Example:
        >>> class_of("solver.SGD").__name__
        'SGD'
    """
    module, name = made.split(".")
    return getattr(import_module(f"n2d2.{module}"), name)


def without_name(error: Error, name: str) -> str:
    """The text of an error of a constructor, without the name that the place of the problem gives already.

    Arguments:
        error (Error): The error.
        name (str): Name of the object.
    """
    return str(error).removeprefix(f"{name}: ").removeprefix(f"{name} : ")


def _kind(fields: Fields, key: str, kinds: Mapping[str, Kind], *, config: bool = False) -> tuple[str, Kind] | None:
    word = fields.read(Key(key, "", "text", config=config))
    if word is None:
        return None
    if word not in kinds:
        text = f" is {word[:80]!r}, expected one of {', '.join(kinds)}"
        raise fields.refuse(key, text + did_you_mean(word, kinds))
    return word, kinds[word]


def _built(fields: Fields, key: str, kind: Kind, given: dict[str, Any]) -> Any:
    try:
        return class_of(kind.made)(**{**kind.fixed, **given})
    except Error as error:
        raise fields.refuse(key, f": {error}") from None


def read_activation(fields: Fields) -> ActivationFunction | None:
    """The activation function of a cell; None if it has none.

    Arguments:
        fields (Fields): Keys of the cell.

    Raises:
        Refused: It cannot be made; the reasons are in the list of problems.
    """
    found = _kind(fields, "ActivationFunction", ACTIVATIONS)
    if found is None:
        _orphans(fields, "ActivationFunction")
        return None
    name, kind = found
    given = _parameters(fields, "ActivationFunction", name, kind)
    activation: ActivationFunction = _built(fields, "ActivationFunction", kind, given)
    return activation


def read_filler(fields: Fields, key: str) -> Filler | None:
    """A filler of a cell; None if it is not given.

    Arguments:
        fields (Fields): Keys of the cell.
        key (str): First word of its keys.

    Raises:
        Refused: It cannot be made; the reasons are in the list of problems.
    """
    found = _kind(fields, key, FILLERS)
    if found is None:
        _orphans(fields, key)
        return None
    name, kind = found
    filler: Filler = _built(fields, key, kind, _parameters(fields, key, name, kind))
    return filler


def _orphans(fields: Fields, key: str) -> None:
    """Parameters of something that is not given itself."""
    for word in fields.words():
        if word.startswith(f"{key}."):
            fields.handle(word)
            fields.refuse(word, f" has no meaning without {key}=")


def _parameters(fields: Fields, key: str, name: str, kind: Kind) -> dict[str, Any]:
    table = [k for k in kind.keys if isinstance(k, Key)]
    failed = _refuse_others(fields, key, name, table)
    given: dict[str, Any] = {}
    for k in table:
        try:
            value = fields.read(k.with_prefix(f"{key}."))
        except Refused:
            failed = True
            continue
        if value is not None:
            given[k.parameter] = value
    if failed:
        raise Refused(key)
    return given


def read_solvers(fields: Fields, names: Mapping[str, str]) -> dict[str, Solver]:
    """The solvers of a cell, by argument of its constructor.

    `Solvers` gives the type and parameters of all, `WeightsSolver` and its like those of one; the latter come last.

    Arguments:
        fields (Fields): Keys of the cell.
        names (dict): First word of keys -> argument of the constructor.
    """
    made: dict[str, Solver] = {}
    for name, argument in names.items():
        try:
            made[argument] = _solver(fields, name)
        except Refused:  # noqa: PERF203
            fields.failed = True
    return made


def _solver(fields: Fields, name: str) -> Solver:
    common = _kind(fields, "Solvers", SOLVERS, config=True)
    own = _kind(fields, name, SOLVERS, config=True)
    kind_name, kind = own or common or ("SGD", SOLVERS["SGD"])
    table = [k for k in kind.keys if isinstance(k, Key)]
    given: dict[str, Any] = {}
    failed = False
    for prefix in ("Solvers", name):
        for k in table:
            try:
                value = fields.read(k.with_prefix(f"{prefix}."))
            except Refused:
                failed = True
                continue
            if value is not None:
                given[k.parameter] = value
    for prefix in ("Solvers", name):
        failed |= _refuse_others(fields, prefix, kind_name, table)
    if failed:
        raise Refused(name)
    solver: Solver = _built(fields, _first(fields, (name, "Solvers")), kind, given)
    return solver


def _refuse_others(fields: Fields, prefix: str, kind: str, table: Iterable[Key]) -> bool:
    known = {k.name for k in table}
    others = [word for word in fields.words() if word.startswith(f"{prefix}.")]
    others = [word for word in others if word.removeprefix(f"{prefix}.") not in known]
    for word in others:
        parameter = word.removeprefix(f"{prefix}.")
        fields.handle(word)
        fields.refuse(word, f": {kind} has no parameter {parameter[:80]}{did_you_mean(parameter, known)}")
    return bool(others)


def _first(fields: Fields, prefixes: Iterable[str]) -> str:
    """A key that is there, to give a problem of a whole object a line."""
    for prefix in prefixes:
        for word in fields.words():
            if word == prefix or word.startswith(f"{prefix}."):
                return word
    return ""
