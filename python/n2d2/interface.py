"""Several tensors that go into a cell, or come out of one, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.error_handler import IsEmptyError, ShapeError, WrongValue
from n2d2.tensor import Tensor
from n2d2.utils import generate_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2d2.deepnet import DeepNet
    from n2d2.tensor import Call


def _image_size(tensor: Tensor) -> list[int]:
    """Batch, height and width."""
    shape = tensor.shape()
    return [shape[0] if shape else 0, *[*shape[2:], 1, 1][:2]]


class Interface:
    """A bundle of tensors. Most cells see it as one tensor, joined along the channels; ElemWise combines the tensors.

    Arguments:
        tensors (list): Tensors of one batch size, height and width.

    Raises:
        WrongValue: It is not a list of tensors.
        IsEmptyError: The list is empty.
        ShapeError: The tensors differ in batch size, height or width.

    Example:
        >>> bundle = Interface([Tensor([1, 2, 4, 4]), Tensor([1, 3, 4, 4])])
        >>> bundle.dims(), len(bundle)
        ([4, 4, 5, 1], 2)
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        if not _is_list_of_tensors(tensors):
            raise WrongValue(f"Interface: expected a list of n2d2.Tensor, got {_kinds(tensors)}")
        if not tensors:
            raise IsEmptyError("Interface: the list of tensors must not be empty")
        sizes = [_image_size(t) for t in tensors]
        for what, at in (("batch size", slice(0, 1)), ("height and width", slice(1, 3))):
            values = [s[at] for s in sizes]
            if any(v != values[0] for v in values):
                raise ShapeError(f"Interface: all tensors must have the same {what}, got {values}")
        self._start(list(tensors))

    @classmethod
    def _of(cls, tensors: list[Tensor]) -> Interface:
        """A bundle of tensors of any sizes, for what has checked them or takes them so."""
        bundle = object.__new__(cls)
        bundle._start(tensors)
        return bundle

    def _start(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        self.name = generate_name(self)
        self._deepnet: DeepNet | None = None
        self._links: list[Call | Tensor] = []

    def get_name(self) -> str:
        """The name.

        Example:
            >>> Interface([Tensor([1, 2])]).get_name()
            'Interface_0'
        """
        return self.name

    def get_tensors(self) -> list[Tensor]:
        """The tensors.

        Example:
            >>> a = Tensor([1, 2])
            >>> Interface([a]).get_tensors()[0] is a
            True
        """
        return self.tensors

    def get_deepnet(self) -> DeepNet:
        """The graph behind all tensors together, which may have been computed apart.

        Example:
            >>> a, b = Tensor([1, 2, 4, 4]), Tensor([1, 3, 4, 4])
            >>> bundle = Interface([a, b])
            >>> bundle.get_deepnet().get_name(), bundle.get_deepnet() is bundle.get_deepnet()
            ('DeepNet_0', True)
        """
        links = [t._call or t for t in self.tensors]
        if self._deepnet is None or [id(link) for link in links] != [id(link) for link in self._links]:
            from n2d2.deepnet import DeepNet

            self._deepnet, self._links = DeepNet._of(links), links
        return self._deepnet

    def dims(self) -> list[int]:
        """Sizes in N2D2's order: width, height, channels of all tensors together, batch.

        Example:
            >>> Interface([Tensor([2, 3, 4, 5]), Tensor([2, 6, 4, 5])]).dims()
            [5, 4, 9, 2]
        """
        return [self.dimX(), self.dimY(), self.dimZ(), self.dimB()]

    def dimX(self) -> int:
        """Width.

        Example:
            >>> Interface([Tensor([2, 3, 4, 5])]).dimX()
            5
        """
        return _image_size(self.tensors[0])[2]

    def dimY(self) -> int:
        """Height.

        Example:
            >>> Interface([Tensor([2, 3, 4, 5])]).dimY()
            4
        """
        return _image_size(self.tensors[0])[1]

    def dimZ(self) -> int:
        """Channels of all tensors together.

        Example:
            >>> Interface([Tensor([2, 3, 4, 5]), Tensor([2, 6, 4, 5])]).dimZ()
            9
        """
        return sum([*t.shape(), 1][1] for t in self.tensors)

    def dimB(self) -> int:
        """Batch size.

        Example:
            >>> Interface([Tensor([2, 3, 4, 5])]).dimB()
            2
        """
        return _image_size(self.tensors[0])[0]

    def __len__(self) -> int:
        return len(self.tensors)

    def __getitem__(self, index: int) -> Tensor:
        return self.tensors[index]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)


def _is_list_of_tensors(tensors: object) -> bool:
    return isinstance(tensors, list) and all(isinstance(t, Tensor) for t in tensors)


def _kinds(tensors: object) -> str:
    if isinstance(tensors, list):
        return "a list of " + ", ".join(sorted({type(t).__name__ for t in tensors}))
    return type(tensors).__name__
