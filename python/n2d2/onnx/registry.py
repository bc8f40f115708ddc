"""The table of the operators: which function reads which operator, and which one writes which cell.

The files of `n2d2.onnx.operators` fill it, one family a file: reading and writing of a family stand side by side.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.onnx.cell_call import CellCall, Operand
    from n2d2.onnx.node import Node, Value

    Read = Callable[[Node], Value | Sequence[Value]]
    Write = Callable[[CellCall], Operand]


ReadT = TypeVar("ReadT", bound="Read")


@dataclass(frozen=True)
class Reader:
    """What reads an operator.

    Arguments:
        read: Makes the outputs of a node.
        constants: Places of the inputs whose values must be known when the model is read, as weights are.
        first: First version of the operators (opset) that it reads.
        last: Last one; None for all.
    """

    read: Read
    constants: tuple[int, ...]
    first: int
    last: int | None


_READERS: dict[str, Reader] = {}
_WRITERS: dict[type[NeuralNetworkCell], Write] = {}


def reads(
    *operators: str, constants: Sequence[int] = (), first: int = 6, last: int | None = None
) -> Callable[[ReadT], ReadT]:
    """Makes a function the reader of operators.

    Arguments:
        operators (str): Names of the operators.
        constants (list, optional): Places of the inputs whose values must be known when the model is read, default=().
        first (int, optional): First version of the operators (opset) that it reads, default=6.
        last (int, optional): Last one, default=None (all).
    """

    def register(function: ReadT) -> ReadT:
        for operator in operators:
            assert operator not in _READERS, f"two functions read {operator}"
            _READERS[operator] = Reader(function, tuple(constants), first, last)
        return function

    return register


def writes(*kinds: type[NeuralNetworkCell]) -> Callable[[Write], Write]:
    """Makes a function the writer of classes of cells, and of their subclasses that have none of their own.

    Arguments:
        *kinds (type): The classes.
    """

    def register(function: Write) -> Write:
        for kind in kinds:
            assert kind not in _WRITERS, f"two functions write {kind.__name__}"
            _WRITERS[kind] = function
        return function

    return register


@functools.cache
def _load_families() -> None:
    import pkgutil
    from importlib import import_module

    from n2d2.onnx import operators

    for family in pkgutil.iter_modules(operators.__path__):
        import_module(f"{operators.__name__}.{family.name}")


def readers() -> dict[str, Reader]:
    """The readers by the name of the operator."""
    _load_families()
    return _READERS


def writer(kind: type[NeuralNetworkCell]) -> Write | None:
    """What writes cells of a class; None if nothing does.

    Arguments:
        kind (type): The class.
    """
    _load_families()
    return next((_WRITERS[k] for k in kind.__mro__ if k in _WRITERS), None)
