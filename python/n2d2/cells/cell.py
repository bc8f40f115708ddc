"""The root of everything that computes: layers and containers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from n2d2.error_handler import WrongInputType
from n2d2.interface import Interface
from n2d2.tensor import Tensor
from n2d2.utils import generate_name

if TYPE_CHECKING:
    from typing_extensions import Self

    from n2d2.cells.plan import Step
    from n2d2.deepnet import DeepNet


class Cell(ABC):
    """Abstract parent of layers and containers.

    Arguments:
        name (str, optional): Cell name, default=`<ClassName>_<n>`.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> layer, container = n2d2.cells.Fc(2, 2), n2d2.cells.Sequence([])
        >>> isinstance(layer, n2d2.cells.Cell), isinstance(container, n2d2.cells.Cell)
        (True, True)
    """

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise WrongInputType(f"{type(self).__name__}: parameter `name` must be a str, got {type(name).__name__}")
        self._name = name or generate_name(self)

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    def get_name(self) -> str:
        """The name.

        Example:
            >>> import n2d2
            >>> [n2d2.cells.Pool([2, 2]).get_name() for _ in range(2)], n2d2.cells.Pool([2, 2], name="own").get_name()
            (['Pool_0', 'Pool_1'], 'own')
        """
        return self._name

    def get_type(self) -> str:
        """The class name.

        Example:
            >>> import n2d2
            >>> n2d2.cells.GlobalPool2d(name="mean").get_type()
            'GlobalPool2d'
        """
        return type(self).__name__

    def _tensors(self, inputs: object) -> list[Tensor]:
        """The tensors of an input, checked."""
        if isinstance(inputs, Tensor):
            return [inputs]
        if isinstance(inputs, Interface):
            return inputs.tensors
        got = f"{type(inputs).__module__}.{type(inputs).__qualname__}"
        raise WrongInputType(
            f"{self._name} received an input of type {got}, "
            "input should be of type n2d2.Tensor or n2d2.Interface instead"
        )

    @abstractmethod
    def __call__(self, inputs: Tensor | Interface) -> Tensor | Interface:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): One or several tensors.
        """

    @abstractmethod
    def get_deepnet(self) -> DeepNet | None:
        """The graph of the last call; None before the first call."""

    @abstractmethod
    def learn(self) -> Self:
        """Sets learning mode and returns the cell."""

    @abstractmethod
    def test(self) -> Self:
        """Sets test mode and returns the cell."""

    @abstractmethod
    def export_free_parameters(self, dir_name: str, verbose: bool = True) -> None:
        """Writes all parameters as text files.

        Arguments:
            dir_name (str): Folder; it is made if it does not exist.
            verbose (bool, optional): If True, prints a line for each file, default=True.
        """

    @abstractmethod
    def import_free_parameters(self, dir_name: str, ignore_not_exists: bool = False) -> None:
        """Reads parameters back from text files.

        Arguments:
            dir_name (str): Folder.
            ignore_not_exists (bool, optional): If True, a missing file changes nothing, default=False.
        """

    def _plan(self, places: list[int], steps: list[Step], inputs: int) -> list[int] | None:
        """Adds its calls for the values at some places; where its outputs are, or None if only Python knows."""
        return None

    def _text_at(self, level: int) -> str:
        """The printed form at a level of nesting."""
        return str(self)
