"""Writes the calls behind some tensors as an ONNX graph, cell by cell."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from n2d2.error_handler import ModelFileError
from n2d2.onnx.cell_call import CellCall, NotExpressible, Operand
from n2d2.onnx.registry import writer
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from n2d2.cells.batch_norm import BatchNorm2d
    from n2d2.tensor import Call

MAX_BYTES = 2**31 - 2**20
"""Most bytes that the parameters of one file may take: the format ends at 2 GiB."""


class Exporter:
    """Writes a graph.

    Arguments:
        outputs (list of n2d2.Tensor): What the network computed.
        inputs (list of n2d2.Tensor): What it computed them from.
        input_names (list of str): Names of the inputs.
        opset (int): Version of the operators.
        fuse_batch_norm (bool): If True, a BatchNorm2d behind a layer with weights becomes a part of the weights.
    """

    def __init__(
        self,
        outputs: Sequence[Tensor],
        inputs: Sequence[Tensor],
        input_names: Sequence[str],
        opset: int,
        fuse_batch_norm: bool,
    ) -> None:
        from n2d2.deepnet import _ordered

        self.opset = opset
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._names = set(input_names)
        self._problems: list[str] = []
        self._ends: list[Call | Tensor] = [t._call or t for t in outputs]
        self._order = _ordered(self._ends)
        self._inputs = [Operand(name, tuple(t.shape()[1:])) for name, t in zip(input_names, inputs, strict=True)]
        self._values = {id(t): operand for t, operand in zip(inputs, self._inputs, strict=True)}
        self._norms = self._fused() if fuse_batch_norm else {}
        self._fused_calls = {id(call) for call, _ in self._norms.values()}

    def _fused(self) -> dict[int, tuple[Call, BatchNorm2d]]:
        """The normalisations that become a part of a layer: the call and the cell, by the id of the layer's call."""
        from n2d2.cells.batch_norm import BatchNorm2d
        from n2d2.cells.weighted_cell import WeightedCell

        calls = [item for item in self._order if isinstance(item, tuple)]
        readers = Counter(id(parent) for call in calls for parent in call[2])
        readers.update(map(id, self._ends))
        times = Counter(id(call[0]) for call in calls)
        fused: dict[int, tuple[Call, BatchNorm2d]] = {}
        for call in calls:
            norm, parent = call[0], call[2][0]
            if not isinstance(norm, BatchNorm2d) or len(call[2]) > 1 or not isinstance(parent, tuple):
                continue
            layer = parent[0]
            alone = readers[id(parent)] == 1 and times[id(layer)] == 1
            if alone and isinstance(layer, WeightedCell) and layer.activation is None:
                fused[id(parent)] = call, norm
        return fused

    def write(self, name: str, batch_size: int | None) -> onnx.GraphProto:
        """Writes everything.

        Arguments:
            name (str): Name of the graph.
            batch_size (int): Number of stimuli; None for any.

        Raises:
            ModelFileError: There are cells that ONNX cannot express; the text lists all of them.
        """
        from onnx import helper, numpy_helper

        for item in self._order:
            self._values[id(item)] = self._written(item)
        if self._problems:
            raise ModelFileError(f"{name}: cannot be written as ONNX", self._problems)
        outputs = self._outputs()
        size = sum(array.nbytes for array in self._constants.values())
        if size > MAX_BYTES:
            raise ModelFileError(f"{name}: the parameters take {size} bytes; an ONNX file holds at most {MAX_BYTES}")

        def info(operand: Operand) -> onnx.ValueInfoProto:
            shape = ["batch" if batch_size is None else batch_size, *operand.sizes]
            return helper.make_tensor_value_info(operand.name, 1, shape)

        return helper.make_graph(
            self._nodes,
            name,
            [info(operand) for operand in self._inputs],
            [info(operand) for operand in outputs],
            [numpy_helper.from_array(array, constant) for constant, array in self._constants.items()],
        )

    def _outputs(self) -> list[Operand]:
        """The outputs, each with a name of its own that is none of an input."""
        outputs: list[Operand] = []
        taken = {operand.name for operand in self._inputs}
        for end in self._ends:
            operand = self._values[id(end)]
            if operand.name in taken:
                cell = end[0].name if isinstance(end, tuple) else operand.name
                operand = Operand(self.add_node("Identity", [operand.name], f"{cell}_output", {}), operand.sizes)
            taken.add(operand.name)
            outputs.append(operand)
        return outputs

    def _written(self, item: Call | Tensor) -> Operand:
        """Writes one call."""
        from n2d2.onnx.operators.activation import activated

        if isinstance(item, Tensor):
            if id(item) not in self._values:
                self._problems.append(
                    f"a cell reads a tensor of shape {item.shape()} that is no input of the network and that no cell "
                    "made; give it as an input"
                )
                shape = item.shape()
                self._values[id(item)] = Operand("", tuple([*shape[1:], 1, 1, 1][:3]))
            return self._values[id(item)]
        cell, variable, parents, _ = item
        sizes = tuple(variable.shape[1:])
        _, norm = self._norms.get(id(item), (None, None))
        read = [tuple((p.shape() if isinstance(p, Tensor) else p[1].shape)[1:]) for p in parents]
        call = CellCall(cell, [self._values[id(p)] for p in parents], read, sizes, norm=norm, exporter=self)
        try:
            if variable.shape[:1] != [1]:
                call.not_expressible(
                    f"it makes {variable.shape} of one stimulus, without an axis for the batch", "keep the first axis"
                )
            if id(item) in self._fused_calls:
                result = call.operands[0]
            else:
                write = writer(type(cell))
                if write is None:
                    call.not_expressible("no ONNX operator computes it", "take it out of the network, or replace it")
                result = write(call)
            result = activated(call, result)
        except NotExpressible as error:
            self._problems.append(str(error))
            return Operand("", sizes)
        assert math.prod(result.sizes) == math.prod(sizes), f"{cell.name}: written as {result}, computed as {sizes}"
        return result

    def _free(self, name: str) -> str:
        free, count = name, 1
        while free in self._names:
            count += 1
            free = f"{name}_{count}"
        self._names.add(free)
        return free

    def add_node(self, operator: str, inputs: Sequence[str], name: str, attributes: Mapping[str, Any]) -> str:
        """Adds a node and gives the name of its output, which is that of the node.

        Arguments:
            operator (str): Name of the operator.
            inputs (list of str): Names of what it reads.
            name (str): Name; gets a number if it is taken.
            attributes (dict): Attributes.
        """
        from onnx import helper

        name = self._free(name)
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def add_constant(self, array: NDArray[Any], name: str) -> str:
        """Stores an array and gives its name.

        Arguments:
            array (numpy.ndarray): The array.
            name (str): Name; gets a number if another array has it.
        """
        wanted, count = name, 1
        while name in self._names:
            old = self._constants.get(name)
            if old is not None and old.dtype == array.dtype and np.array_equal(old, array):
                return name
            count += 1
            name = f"{wanted}_{count}"
        self._names.add(name)
        self._constants[name] = array.copy() if array.base is not None else array
        return name
