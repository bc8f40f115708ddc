"""What the reader of an operator sees: the node, the values that it reads, and how to make cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from n2d2.error_handler import Error
from n2d2.onnx.graph import node_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from n2d2.activation import ActivationFunction
    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.onnx.importer import Importer
    from n2d2.tensor import Tensor

T = TypeVar("T")
Constant = NDArray[Any]
Shape = tuple[int, ...]

# Cells that apply an activation to what they compute; the others have it by a cell of its own.
_ACTIVATED = ("Conv", "Deconv", "Fc", "BatchNorm2d", "ElemWise", "Pool", "GlobalPool2d", "Scaling")


class Unsupported(Error):  # noqa: N818  it is no mistake of anybody
    """Something in a node that cannot be read; becomes a line of the error about the file."""


def engine_shape(shape: Sequence[int]) -> list[int]:
    """Where a value of this ONNX shape lives in the engine, whose tensors have four axes.

    Missing axes are added at the end; the last axes of more than four are joined.

    Example:
        >>> engine_shape((2, 3)), engine_shape((2, 3, 4, 5, 6)), engine_shape(())
        ([2, 3, 1, 1], [2, 3, 4, 30], [1, 1, 1, 1])
    """
    padded = [*shape, *[1] * (4 - len(shape))]
    return [*padded[:3], math.prod(padded[3:])]


@dataclass(frozen=True)
class Data:
    """A value that is computed at run time.

    Arguments:
        tensor (n2d2.Tensor): Its numbers, as floats, in the order of ONNX; its shape may be another one of as many
            values, which `Node.aligned` turns into that of `engine_shape`.
        shape (tuple): Shape in ONNX.
        dtype (numpy.dtype): Element type in ONNX.
        sole (bool): True if one node reads it and the graph does not return it.
    """

    tensor: Tensor
    shape: Shape
    dtype: np.dtype[Any]
    sole: bool = False

    @property
    def rank(self) -> int:
        """Number of axes in ONNX."""
        return len(self.shape)

    @property
    def aligned(self) -> bool:
        """True if the tensor has the shape of `engine_shape`."""
        return self.tensor.shape() == engine_shape(self.shape)


Value = Data | Constant


class Node:
    """A node of the graph while it is read.

    Arguments:
        proto (onnx.NodeProto): The node of the file.
        values (list): The values that it reads; None where an optional one is left out.
        importer (n2d2.onnx.importer.Importer): What reads the graph.
    """

    def __init__(self, proto: onnx.NodeProto, values: Sequence[Value | None], importer: Importer) -> None:
        self.op: str = proto.op_type
        self.label = node_label(proto)
        self.outputs: list[str] = list(proto.output)
        self.values = list(values)
        self.importer = importer
        self.opset = importer.graph.opset
        self._attributes = {a.name: a for a in proto.attribute}
        self._unread = set(self._attributes)

    @property
    def name(self) -> str:
        """The name of its cell: that of its first output."""
        return next((o for o in self.outputs if o), self.label)

    @property
    def shape(self) -> Shape:
        """The ONNX shape of its first output."""
        return self.shape_of(0)

    def shape_of(self, output: int) -> Shape:
        """The ONNX shape of an output."""
        shape = self.importer.shape_of(self.outputs[output])
        if shape is None:
            self.unsupported(
                f"the shape of '{self.outputs[output]}' cannot be known before the model runs",
                "shapes that follow from the file",
                "export the model with fixed sizes, or simplify it (onnxsim)",
            )
        return shape

    @property
    def is_output(self) -> bool:
        """True if nothing but the graph's result reads its first output."""
        return self.importer.is_output(self.outputs[0])

    def wants(self, output: int) -> bool:
        """True if something reads an output."""
        return output < len(self.outputs) and self.importer.is_read(self.outputs[output])

    def attribute(self, name: str, default: T) -> T:
        """The value of an attribute; text as str, several numbers as a list."""
        self._unread.discard(name)
        if name not in self._attributes:
            return default
        import onnx

        value: Any = onnx.helper.get_attribute_value(self._attributes[name])
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif hasattr(value, "append"):
            value = list(value)
        found: T = value
        return found

    def ignore(self, *names: str) -> None:
        """Says that attributes make no difference here; one that is not read is an error."""
        self._unread.difference_update(names)

    def check_attributes(self) -> None:
        """Refuses attributes that nothing has read.

        Raises:
            Unsupported: There is one.
        """
        if self._unread:
            names = ", ".join(f"'{n}'" for n in sorted(self._unread))
            self.unsupported(f"it has the attribute {names}", "the operator without it", "export the model without it")

    def unsupported(self, found: str, supported: str, advice: str = "") -> NoReturn:
        """Ends the reading of the node.

        Arguments:
            found (str): What the node has.
            supported (str): What could be read.
            advice (str, optional): What to do, default="".

        Raises:
            Unsupported: Always.
        """
        raise Unsupported(f"{self.label}: {found}; supported: {supported}" + (f"; {advice}" if advice else ""))

    def has(self, place: int) -> bool:
        """True if an optional input is given."""
        return place < len(self.values) and self.values[place] is not None

    def value(self, place: int) -> Value:
        """An input, data or constant."""
        value = self.values[place] if place < len(self.values) else None
        if value is None:
            self.unsupported(f"input {place} is missing", f"{self.op} with it")
        return value

    def data(self, place: int) -> Data:
        """An input that is computed at run time; a constant is an error.

        Raises:
            Unsupported: It is a constant.
        """
        value = self.value(place)
        if not isinstance(value, Data):
            self.unsupported(f"input {place} is a constant", "data that other nodes compute")
        return value

    def constant(self, place: int) -> Constant:
        """An input whose value is known; data is an error.

        Raises:
            Unsupported: It is computed at run time.
        """
        value = self.value(place)
        if isinstance(value, Data):
            self.unsupported(f"input {place} is computed at run time", "a constant", "store it in the file")
        return value

    def optional_constant(self, place: int) -> Constant | None:
        """As `constant`, None if the input is not given."""
        return self.constant(place) if self.has(place) else None

    def floats(self, place: int) -> NDArray[np.float32]:
        """A constant as finite numbers of single precision.

        Raises:
            Unsupported: It is computed at run time, or has values that are not finite.
        """
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(self.constant(place), dtype=np.float32)
        if not np.isfinite(values).all():
            self.unsupported(f"input {place} has values that are not finite in single precision", "finite weights")
        return values

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front.

        Raises:
            Unsupported: There is no such axis.
        """
        if not -rank <= axis < max(rank, 1):
            self.unsupported(f"axis {axis} of a value with {rank} axes", f"axes from {-rank} to {rank - 1}")
        return axis % max(rank, 1)

    def arguments(self, kind: str) -> dict[str, Any]:
        """The keyword arguments that a section of an INI file gives to the cell of this node."""
        settings = self.importer.settings
        return {} if settings is None else settings.arguments(self.name, kind)

    def call(
        self,
        cell: NeuralNetworkCell,
        *inputs: Data,
        shape: Sequence[int] | None = None,
        output: int = 0,
        align: bool = True,
    ) -> Data:
        """Calls a cell and gives its output.

        Arguments:
            cell (n2d2.cells.NeuralNetworkCell): The cell.
            inputs (Data): What it reads; brought into the shape of `engine_shape` first.
            shape (tuple, optional): ONNX shape of the output, default=None (that of the node's output).
            output (int, optional): The output of the node, default=0.
            align (bool, optional): If False, tensors go in as they are, default=True.

        Raises:
            Unsupported: The output has another number of values than its ONNX shape.
        """
        return self.importer.call(self, cell, inputs, shape, output, align)

    def aligned(self, data: Data) -> Data:
        """The same data with a tensor in the shape of `engine_shape`, by a Reshape cell where it has another one."""
        return self.importer.aligned(self, data)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The ONNX type of the elements of its first output."""
        return self.importer.dtype_of(self.outputs[0])

    def placed(self, data: Data, shape: Sequence[int]) -> Data:
        """Data under another ONNX shape of as many values, with its tensor in the shape of `engine_shape`."""
        return self.importer.aligned(self, replace(data, shape=tuple(shape)))

    def renamed(self, data: Data, shape: Sequence[int] | None = None, output: int = 0) -> Data:
        """The same numbers under another ONNX shape, without a cell: for operators that only rename axes.

        Raises:
            Unsupported: The shape is one of another number of values.
        """
        named = self.shape_of(output) if shape is None else tuple(shape)
        if math.prod(named) != math.prod(data.shape):
            self.unsupported(f"a value of shape {list(data.shape)} is to become {list(named)}", "as many values")
        return replace(data, shape=named)

    def activated(self, data: Data, activation: ActivationFunction) -> Data:
        """Applies an activation: on the cell that makes the data if that is free, else by an Activation cell."""
        from n2d2.cells.activation import Activation
        from n2d2.cells.neural_network_cell import NeuralNetworkCell

        producer = data.tensor.cell
        if (
            data.sole
            and isinstance(producer, NeuralNetworkCell)
            and producer.get_type() in _ACTIVATED
            and producer.activation is None
        ):
            producer.activation = activation
            return self.renamed(data)
        cell = Activation(activation, name=self.importer.free_name(self.name))
        return self.call(cell, data, align=False)
