"""What the writer of a cell sees: the cell, the values that it reads, and how to add nodes to the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from n2d2.error_handler import Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from n2d2.cells.batch_norm import BatchNorm2d
    from n2d2.onnx.exporter import Exporter

    Array = NDArray[Any]


class NotExpressible(Error):  # noqa: N818  it is no mistake of anybody
    """Something in a cell that no ONNX operator computes; becomes a line of the error about the model."""


@dataclass(frozen=True)
class Operand:
    """A value of the ONNX graph.

    Arguments:
        name (str): Its name.
        sizes (tuple): Its shape without the batch: `(values,)`, `(channels, height, width)`, or any other one behind
            cells that take tensors of any rank.
    """

    name: str
    sizes: tuple[int, ...]

    @property
    def flat(self) -> bool:
        """True if it has two axes, batch and values."""
        return len(self.sizes) == 1


class CellCall:
    """A call of a cell while it is written.

    Arguments:
        cell (n2d2.cells.NeuralNetworkCell): The cell.
        operands (list): What it reads.
        read_sizes (list): Shapes in the engine of what it reads, without the batch.
        sizes (tuple): Shape of its output in the engine, without the batch.
        norm (n2d2.cells.BatchNorm2d): The normalisation behind the cell that becomes a part of it; None for none.
        exporter (n2d2.onnx.exporter.Exporter): What writes the graph.
    """

    def __init__(
        self,
        cell: Any,
        operands: Sequence[Operand],
        read_sizes: Sequence[tuple[int, ...]],
        sizes: tuple[int, ...],
        *,
        norm: BatchNorm2d | None,
        exporter: Exporter,
    ) -> None:
        self.cell = cell
        self.operands = list(operands)
        self.read_sizes = list(read_sizes)
        self.sizes = sizes
        self.norm = norm
        self._exporter = exporter

    @property
    def opset(self) -> int:
        """Version of the operators."""
        return self._exporter.opset

    def not_expressible(self, found: str, advice: str) -> NoReturn:
        """Ends the writing of the cell.

        Arguments:
            found (str): What the cell has.
            advice (str): What to do.

        Raises:
            NotExpressible: Always.
        """
        raise NotExpressible(f"cell '{self.cell.name}' ({self.cell.get_type()}): {found}; {advice}")

    def node(
        self,
        operator: str,
        inputs: Sequence[Operand | str],
        suffix: str = "",
        sizes: tuple[int, ...] | None = None,
        **attributes: Any,
    ) -> Operand:
        """Adds a node with one output and gives that.

        Arguments:
            operator (str): Name of the operator.
            inputs (list): What it reads; names are those of constants, "" leaves an optional input out.
            suffix (str, optional): What follows the name of the cell in that of the node and of its output,
                default="" (nothing: the node that makes the output of the cell).
            sizes (tuple, optional): Shape of the output without the batch, default=None (that of the first operand).
            **attributes (object): Attributes of the node.
        """
        operands = [i for i in inputs if isinstance(i, Operand)]
        name = self._exporter.add_node(
            operator,
            [i.name if isinstance(i, Operand) else i for i in inputs],
            self._named(suffix),
            attributes,
        )
        return Operand(name, operands[0].sizes if sizes is None else sizes)

    def constant(self, values: ArrayLike, suffix: str, dtype: type[np.generic] = np.float32) -> str:
        """Stores an array in the model and gives its name; equal ones of the cell are stored once.

        Arguments:
            values (array): The values.
            suffix (str): What follows the name of the cell in its name.
            dtype (type, optional): Element type, default=numpy.float32.
        """
        return self._exporter.add_constant(np.asarray(values, dtype, order="C"), self._named(suffix))

    def stored(self, weights: Array, bias: Array | None) -> list[str]:
        """Stores weights and the bias, if there is one, and gives their names.

        Arguments:
            weights (numpy.ndarray): The weights.
            bias (numpy.ndarray): The bias; None for none.
        """
        names = [self.constant(weights, "weights")]
        return names if bias is None else [*names, self.constant(bias, "bias")]

    def by_channel(self, values: ArrayLike, suffix: str, x: Operand, dtype: type[np.generic] = np.float32) -> str:
        """Stores one number a channel so that it broadcasts to an operand; one number alone if all are equal.

        Arguments:
            values (array): The numbers.
            suffix (str): What follows the name of the cell in the name of the constant.
            x (Operand): What they are combined with.
            dtype (type, optional): Element type, default=numpy.float32.
        """
        numbers = np.asarray(values, dtype).ravel()
        if (numbers == numbers[0]).all():
            return self.constant(numbers[0], suffix, dtype)
        return self.constant(numbers.reshape(-1, *[1] * (len(x.sizes) - 1)), suffix, dtype)

    def _named(self, suffix: str) -> str:
        return f"{self.cell.name}_{suffix}" if suffix else str(self.cell.name)

    def joined(self) -> Operand:
        """The inputs of the cell as one, joined along channels."""
        operands = self.alike()
        if len(operands) == 1:
            return operands[0]
        channels = sum(o.sizes[0] for o in operands)
        return self.node("Concat", operands, "concat", (channels, *operands[0].sizes[1:]), axis=1)

    def alike(self) -> list[Operand]:
        """The inputs with equally many axes."""
        operands = self.operands
        return operands if all(o.flat for o in operands) else [self.image(o) for o in operands]

    def image(self, x: Operand | None = None) -> Operand:
        """An operand with four axes.

        Arguments:
            x (Operand, optional): The operand, default=None (the inputs of the cell as one).
        """
        x = self.joined() if x is None else x
        return self.reshaped(x, (x.sizes[0], 1, 1), "image") if x.flat else x

    def whole(self) -> list[Operand]:
        """The inputs in the shapes that they have in the engine, for cells that take tensors of any rank."""
        pairs = zip(self.operands, self.read_sizes, strict=True)
        return [o if o.sizes == s else self.reshaped(o, s, f"input_{i}") for i, (o, s) in enumerate(pairs)]

    def values(self) -> Operand:
        """The inputs of the cell as one, with two axes."""
        x = self.joined()
        return x if x.flat else self.node("Flatten", [x], "flatten", (math.prod(x.sizes),), axis=1)

    def reshaped(self, x: Operand, sizes: tuple[int, ...], suffix: str = "") -> Operand:
        """An operand in another shape of as many values; the batch stays.

        Arguments:
            x (Operand): The operand.
            sizes (tuple): Shape without the batch.
            suffix (str, optional): What follows the name of the cell in that of the node, default="".
        """
        # 0 is the size that the input has.
        shape = self.constant([0, *sizes], f"{suffix or 'reshape'}_shape", np.int64)
        return self.node("Reshape", [x, shape], suffix, sizes)
