"""Operators that have no gradient, or none that training needs: computed with NumPy on the values of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from n2d2 import _core
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import ShapeError
from n2d2.onnx.node import engine_shape
from n2d2.parameters import Parameter, check_str
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from n2d2.interface import Interface
    from n2d2.onnx.node import Data, Node
    from n2d2.tensor import Call

    Function = Callable[..., NDArray[Any]]

__all__ = ["ArrayCell"]


class _Origin(NamedTuple):
    """The node that a cell is the first output of; `values` has ... where it reads data."""

    values: list[Any]
    attributes: dict[str, Any]
    opset: int
    dtype: np.dtype[Any]


class ArrayCell(NeuralNetworkCell):
    """A cell of an ONNX model that computes with NumPy and sends no gradient to its inputs.

    Comparisons, casts to integers, the place of a maximum and such have no derivative or one that is zero; cells before
    them learn by other paths of the network, if there are any.

    Shape:
        Inputs and output as the ONNX operator says; the first axis is the batch.

    Arguments:
        operator (str): Name of the ONNX operator.
        function (callable): Computes the output from the inputs, as arrays in their ONNX shapes and element types.
        inputs (list of n2d2.onnx.node.Data): The inputs of the model for one stimulus.
        shape (tuple): ONNX shape of the output for one stimulus.
        name (str, optional): Cell name, default=`ArrayCell_<n>`.

    Raises:
        WrongInputType: An argument has the wrong type.

    Export:
        The ONNX operator that it was read from.

    Example:
        >>> import numpy, onnx
        >>> from n2d2.onnx import backend
        >>> node = onnx.helper.make_node("ArgMax", ["x"], ["y"], axis=1)
        >>> backend.run_node(node, [numpy.array([[1.0, 3.0, 2.0]], numpy.float32)])[0].tolist()
        [[1]]

    Source:
        The ONNX operators of `n2d2.onnx.operators.logic`.
    """

    operator = Parameter[str]("constructor", check=check_str)

    def __init__(
        self,
        operator: str,
        function: Function,
        inputs: Sequence[Data],
        shape: Sequence[int],
        *,
        name: str | None = None,
    ) -> None:
        given: dict[str, Any] = {"operator": operator, "name": name, "activation": None, "model": None, "unknown": {}}
        self._start("Activation", given)
        self._function = function
        self._kinds = [(data.shape, data.dtype) for data in inputs]
        self._shape = tuple(shape)
        self._origin: _Origin | None = None

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): The inputs.

        Raises:
            ShapeError: The function makes another size than the model says.
        """
        tensors = self._tensors(inputs)
        arrays = []
        for tensor, (shape, dtype) in zip(tensors, self._kinds, strict=True):
            values = tensor.to_numpy()
            whole = (values.shape[0], *shape[1:]) if shape else ()
            with np.errstate(invalid="ignore", over="ignore"):
                arrays.append(np.ascontiguousarray(values).reshape(whole).astype(dtype))
        with np.errstate(all="ignore"):
            try:
                result = np.asarray(self._function(*arrays))
            except (ValueError, IndexError, TypeError) as error:
                raise ShapeError(f"{self._name}: {self.operator}: its inputs do not fit: {error}") from None
            if result.shape[1:] != self._shape[1:]:
                raise ShapeError(
                    f"{self._name}: {self.operator}: expected an output of shape {list(self._shape)}, "
                    f"got {list(result.shape)}"
                )
            floats = np.ascontiguousarray(result, dtype=np.float32).reshape(engine_shape(result.shape))
        variable = _core.Var.from_numpy(floats, wants_gradient=False)
        output = Tensor._from_var(variable, self)
        output._wants_gradient = False
        call: Call = (self, variable, [t._call or t for t in tensors], [])
        output._link = call
        self.__dict__["_pass"] = tensors, output, [t._as_var(self._name) for t in tensors], variable, call
        return output


def computed(node: Node, function: Function, *inputs: Data, output: int = 0) -> Data:
    """The output of a node that NumPy computes.

    Arguments:
        node (n2d2.onnx.node.Node): The node.
        function (callable): Computes the output from arrays.
        inputs (n2d2.onnx.node.Data): What it reads at run time.
        output (int, optional): The output of the node, default=0.
    """
    name = node.outputs[output] or node.name
    cell = ArrayCell(node.op, function, inputs, node.shape_of(output), name=node.importer.free_name(name))
    cell._origin = _origin(node, inputs, output)
    return node.call(cell, *inputs, output=output, align=False)


def _origin(node: Node, inputs: Sequence[Data], output: int) -> _Origin | None:
    """What writes the node again; None if the cell is only a part of it."""
    from onnx import helper

    from n2d2.onnx.node import Data as Read

    read = [v for v in node.values if isinstance(v, Read)]
    whole = len(read) == len(inputs) and all(a is b for a, b in zip(read, inputs, strict=True))
    if output or not whole or any(node.wants(i) for i in range(1, len(node.outputs))):
        return None
    values = [... if isinstance(v, Read) else v for v in node.values]
    attributes = {name: helper.get_attribute_value(a) for name, a in node._attributes.items()}
    return _Origin(values, attributes, node.opset, node.dtype)


def with_constants(node: Node, function: Function) -> Data:
    """As `computed`, for a function of all inputs of which some are constants.

    Arguments:
        node (n2d2.onnx.node.Node): The node.
        function (callable): Computes the output from all inputs, None for those that are left out.
    """
    from n2d2.onnx.node import Data as Read

    values = list(node.values)
    data = [v for v in values if isinstance(v, Read)]

    def filled(*arrays: NDArray[Any]) -> NDArray[Any]:
        rest = iter(arrays)
        return function(*(next(rest) if isinstance(v, Read) else v for v in values))

    return computed(node, filled, *data)
