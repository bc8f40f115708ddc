"""Makes the cells of an ONNX graph, node by node, and calls them on zeros, so that sizes are checked at once."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from n2d2.error_handler import DataError, Error, ModelFileError
from n2d2.interface import Interface
from n2d2.onnx.expansion import expanded
from n2d2.onnx.graph import MAX_VALUES, node_label
from n2d2.onnx.node import Data, Node, Unsupported, engine_shape
from n2d2.onnx.registry import readers
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.onnx.graph import Graph
    from n2d2.onnx.node import Constant, Shape, Value

    Remake = Callable[[NDArray[np.float32] | None], Data]

MAX_FOLDED = 2**24
"""Most values of a constant that is computed while the model is read."""
# Their values are no function of their inputs, or take a time that the file decides.
_NEVER_FOLDED = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
    | {"Loop", "Scan", "If", "SequenceMap"}
)
# They read the shape of a value only, not the value.
_OF_SHAPE = frozenset({"Shape", "Size"})


class Settings(Protocol):
    """What the sections of an INI file say about the cells of a model."""

    def arguments(self, name: str, kind: str) -> dict[str, Any]:
        """Keyword arguments of the cell called `name`, which is of class `kind`."""


@dataclass
class Imported:
    """A graph of cells.

    Arguments:
        inputs (dict): The inputs that are data.
        outputs (dict): The outputs; arrays where they do not depend on the inputs.
        calls (list): The calls of cells in their order: cell, tensors read, tensor made.
    """

    inputs: dict[str, Data]
    outputs: dict[str, Value]
    calls: list[tuple[NeuralNetworkCell, list[Tensor], Tensor]]

    def run(self, arrays: Mapping[str, Constant]) -> dict[str, Constant]:
        """Computes the outputs in the shapes and types of ONNX.

        Arguments:
            arrays (dict): The inputs that are data, in the shapes that the graph was read with.

        Raises:
            DataError: A number of an input is no number of single precision.
        """
        known = {
            id(data.tensor): Tensor.from_numpy(_single(name, arrays[name]).reshape(data.tensor.shape()))
            for name, data in self.inputs.items()
        }
        for cell, read, made in self.calls:
            tensors = [known[id(t)] for t in read]
            known[id(made)] = cell(tensors[0] if len(tensors) == 1 else Interface._of(tensors))
        return {
            name: known[id(value.tensor)].to_numpy(copy=True).reshape(value.shape).astype(value.dtype)
            if isinstance(value, Data)
            else value
            for name, value in self.outputs.items()
        }


def _single(name: str, array: Constant) -> NDArray[np.float32]:
    """An input in single precision, which integers and large numbers may not have."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(array, np.float32)
        if array.dtype.kind in "iu":
            lost = values.astype(np.float64) != array.astype(np.float64)
        else:
            lost = np.isinf(values) & np.isfinite(array.astype(np.float64))
    if lost.any():
        raise DataError(
            f"input '{name}' holds {array[lost].ravel()[0]}, for which single precision has no number; "
            "the cells compute with floats"
        )
    return values


def needed_constants(graph: Graph) -> set[str]:
    """Names of the values that must be known when the graph is read: weights, axes, and what they are made of."""
    table = readers()
    needed: set[str] = set()
    for node in reversed(graph.nodes):
        reader = table.get(node.op_type)
        whole = any(o in needed for o in node.output) and node.op_type not in _OF_SHAPE
        places = range(len(node.input)) if whole else () if reader is None else reader.constants
        needed.update(node.input[i] for i in places if i < len(node.input) and node.input[i])
    return needed


class Importer:
    """Reads the nodes of a graph.

    Arguments:
        graph (n2d2.onnx.graph.Graph): The graph.
        constants (dict, optional): Values of inputs of the graph that are known, default=None.
        settings (Settings, optional): Arguments for cells, default=None.
        ignored (collection of str, optional): Names of first outputs of nodes that are left out, default=().
        tensors (dict, optional): Tensors of inputs of the graph, default=None (new ones).
        align (bool, optional): If False, outputs may have their values in tensors of other shapes, default=True.
        learns (bool, optional): If False, the graph computes what the file says, and no network is made of it that
            learns by other statistics than it is tested with, default=True.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        constants: Mapping[str, Constant] | None = None,
        settings: Settings | None = None,
        ignored: Collection[str] = (),
        tensors: Mapping[str, Tensor] | None = None,
        align: bool = True,
        learns: bool = True,
    ) -> None:
        self._tensors = dict(tensors or {})
        self.graph = graph
        self.settings = settings
        self._ignored = set(ignored)
        self._align = align
        self.learns = learns
        self._values: dict[str, Value] = dict(constants or {})
        self._problems: list[str] = []
        self._names: set[str] = set()
        self._calls: list[tuple[NeuralNetworkCell, list[Tensor], Tensor]] = []
        self._aligned: dict[int, Data] = {}
        self.remakes: dict[int, tuple[Remake, NDArray[np.float32] | None]] = {}
        """How a cell is made again with a bias, and the one that it has, by the id of its output."""
        self._uses = Counter(n for node in graph.nodes if node.op_type not in _OF_SHAPE for n in node.input)
        self._uses.update(graph.outputs)

    def read(self) -> Imported:
        """Makes the cells.

        Raises:
            ModelFileError: Something cannot be read; the text lists everything.
        """
        made = {name: self._input(name, s) for name, s in self.graph.inputs.items() if name not in self._values}
        inputs = {name: data for name, data in made.items() if isinstance(data, Data)}
        self._values.update({name: value for name, value in made.items() if value is not None})
        unknown = self._ignored - {o for node in self.graph.nodes for o in node.output}
        self._problems += [f"ignore_cells: no node makes '{name}'" for name in sorted(unknown)]
        for node in self.graph.nodes:
            self._read_node(node)
        outputs: dict[str, Value] = {}
        for name in self.graph.outputs if not self._problems else ():
            try:
                outputs[name] = self._output(name)
            except Unsupported as error:  # noqa: PERF203
                self._problems.append(f"output {error}")
        if self._problems:
            raise ModelFileError(self.graph.file, self._problems)
        return Imported(inputs, outputs, self._calls)

    def dtype_of(self, name: str) -> np.dtype[Any]:
        """The element type of a value in ONNX."""
        import onnx

        kind = self.graph.types.get(name, onnx.TensorProto.FLOAT) or onnx.TensorProto.FLOAT
        try:
            return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        except KeyError:
            return np.dtype(object)  # A number that ONNX does not define.

    def _input(self, name: str, shape: Shape) -> Value | None:
        dtype = self.dtype_of(name)
        if dtype.kind not in "fiub" and dtype.name != "bfloat16":
            self._problems.append(f"input '{name}' has elements of type {dtype}; only numbers can be read")
            return None
        if 0 in shape and not self.learns:
            return np.zeros(shape, dtype)  # What is empty has only one value.
        if 0 in shape:
            self._problems.append(f"input '{name}' has shape {list(shape)}, it is empty; every size must be at least 1")
            return None
        tensor = self._tensors.get(name)
        if tensor is None:
            tensor = Tensor._wrap(np.zeros(engine_shape(shape), np.float32))
            tensor._placeholder = name
        return Data(tensor, shape, dtype, self._uses[name] == 1)

    def _output(self, name: str) -> Value:
        value = self._value(name)
        assert value is not None
        if self._align and isinstance(value, Data) and not value.aligned:
            return self._reshaped(value, name)
        return value

    def _value(self, name: str) -> Value | None:
        if name not in self._values and name in self.graph.weights:
            import onnx

            self._values[name] = onnx.numpy_helper.to_array(self.graph.weights[name])
        return self._values.get(name)

    def _read_node(self, proto: onnx.NodeProto) -> None:
        values = [self._value(n) if n else None for n in proto.input]
        if any(n and v is None for n, v in zip(proto.input, values, strict=True)):
            return  # It reads something that could not be read, which is listed.
        try:
            made = self._made(proto, values)
        except Error as error:
            label = node_label(proto)
            self._problems.append(str(error) if str(error).startswith(label) else f"{label}: {error}")
        else:
            for name, value in zip(proto.output, made, strict=False):
                if name:
                    self._values[name] = self._named(name, value)

    def _named(self, name: str, value: Value) -> Value:
        if not isinstance(value, Data):
            return value
        produced = value.tensor.cell is not None and self._calls and self._calls[-1][2] is value.tensor
        sole = self._uses[name] == 1 and (produced or value.sole)
        return replace(value, sole=bool(sole), dtype=self.dtype_of(name))

    def _made(self, proto: onnx.NodeProto, values: list[Value | None]) -> Sequence[Value]:
        if self._ignored.intersection(proto.output):
            first = next((v for v in values if isinstance(v, Data)), None)
            if first is None:
                raise Unsupported(f"{node_label(proto)}: it is to be ignored, and has no data input to take instead")
            self.graph.shapes.update(dict.fromkeys(proto.output, first.shape))
            return [first] * len(proto.output)
        if not any(isinstance(v, Data) for v in values):
            return self._folded(proto, values)
        reader = readers().get(proto.op_type) if proto.domain in ("", "ai.onnx") else None
        if reader is None:
            inner = expanded(proto, self.graph.opset, values) if proto.domain in ("", "ai.onnx") else []
            if inner:
                return self._inside(proto, inner)
            domain = f" of '{proto.domain}'" if proto.domain not in ("", "ai.onnx") else ""
            raise Unsupported(
                f"{node_label(proto)}: the operator {proto.op_type}{domain} is not supported; replace it, or leave the "
                f"node out with ignore_cells=['{next(filter(None, proto.output), '')}']"
            )
        opset = self.graph.opset
        if opset < reader.first or (reader.last is not None and opset > reader.last):
            last = "" if reader.last is None else f" to {reader.last}"
            raise Unsupported(f"{node_label(proto)}: {proto.op_type} of opset {opset}; supported: {reader.first}{last}")
        self._infer(proto)
        shapes = [self.graph.shapes.get(o) for o in proto.output if o]
        if shapes and all(s is not None and 0 in s for s in shapes):
            return [np.zeros(self.graph.shapes.get(o, (0,)), self.dtype_of(o)) for o in proto.output]
        node = Node(proto, values, self)
        try:
            made = reader.read(node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, Error):
                raise
            # What neither ONNX's checks nor those of the reader have seen.
            raise Unsupported(f"{node.label}: its inputs and attributes do not fit each other: {error}") from None
        node.check_attributes()
        return [made] if isinstance(made, (Data, np.ndarray)) else list(made)

    def _inside(self, proto: onnx.NodeProto, inner: Sequence[onnx.NodeProto]) -> Sequence[Value]:
        """The outputs of a node by those that it stands for; what is wrong with them is listed."""
        self._infer(proto)
        self._uses.update(n for node in inner if node.op_type not in _OF_SHAPE for n in node.input)
        for node in inner:
            self._read_node(node)
        made = [self._values.get(name) for name in proto.output]
        return [value for value in made if value is not None] if all(v is not None for v in made) else []

    def shape_of(self, name: str) -> Shape | None:
        """The ONNX shape of a value, None if it cannot be inferred."""
        return self.graph.shapes.get(name)

    def _infer(self, proto: onnx.NodeProto) -> None:
        """Infers the shapes of the outputs from what is known by now, where the file alone did not tell them."""
        if all(o in self.graph.shapes for o in proto.output if o):
            return
        import onnx

        inputs, known = [], []
        for name in dict.fromkeys(filter(None, proto.input)):
            value = self._value(name)
            if isinstance(value, np.ndarray) and value.size <= 1024:
                known.append(onnx.numpy_helper.from_array(value, name))
            elif value is not None:
                kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
                inputs.append(onnx.helper.make_tensor_value_info(name, kind, value.shape))
        outputs = [onnx.ValueInfoProto(name=o) for o in proto.output if o]
        graph = onnx.helper.make_graph([proto], "node", inputs, outputs, known)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", self.graph.opset)])
        try:
            done = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
            raise Unsupported(f"{node_label(proto)}: {_reason(str(error))}") from None
        for value in done.graph.output:
            dims = value.type.tensor_type.shape.dim
            if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
                shape = tuple(d.dim_value for d in dims)
                if math.prod(shape) > MAX_VALUES:
                    raise Unsupported(
                        f"{node_label(proto)}: its output '{value.name}' would be {list(shape)}; "
                        f"supported: at most {MAX_VALUES} values"
                    )
                self.graph.shapes.setdefault(value.name, shape)
                self.graph.types.setdefault(value.name, value.type.tensor_type.elem_type)

    def _folded(self, proto: onnx.NodeProto, values: Sequence[Value | None]) -> list[Value]:
        """The outputs of a node that reads constants only."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        label = node_label(proto)
        if proto.op_type in _NEVER_FOLDED or proto.domain not in ("", "ai.onnx"):
            raise Unsupported(f"{label}: {proto.op_type} is not supported; replace it by what it computes")
        self._infer(proto)
        for name in filter(None, proto.output):
            shape = self.graph.shapes.get(name)
            if shape is None and proto.op_type != "NonZero":
                raise Unsupported(f"{label}: the size of its constant output '{name}' cannot be told beforehand")
            if shape is not None and math.prod(shape) > MAX_FOLDED:
                raise Unsupported(
                    f"{label}: its constant output would be {list(shape)}; supported: at most {MAX_FOLDED} values"
                )
        feeds = {n: v for n, v in zip(proto.input, values, strict=True) if n}
        inputs = [
            onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in feeds.items()
            if v is not None
        ]
        named = [o for o in proto.output if o]
        graph = onnx.helper.make_graph([proto], "node", inputs, [onnx.ValueInfoProto(name=o) for o in named])
        opset = onnx.helper.make_opsetid("", self.graph.opset)
        try:
            with np.errstate(all="ignore"):
                model = onnx.helper.make_model(graph, opset_imports=[opset])
                results = dict(zip(named, ReferenceEvaluator(model).run(None, feeds), strict=True))
        except Exception as error:  # The evaluator raises whatever its NumPy code does.
            raise Unsupported(f"{label}: its constant output cannot be computed: {error}") from None
        made: list[Value] = []
        for name in proto.output:
            result = np.asarray(results[name]) if name else np.zeros(0, np.float32)
            if name:
                self.graph.shapes[name] = result.shape
            made.append(result)
        return made

    def free_name(self, name: str) -> str:
        """The name, with a number where a cell has it already."""
        free, count = name, 1
        while free in self._names:
            count += 1
            free = f"{name}_{count}"
        self._names.add(free)
        return free

    def is_read(self, name: str) -> bool:
        """True if a node reads a value, or the graph returns it."""
        return bool(name) and self._uses[name] > 0

    def is_output(self, name: str) -> bool:
        """True if nothing but the graph's result reads a value."""
        return name in self.graph.outputs and self._uses[name] == 1

    def forget(self, data: Data) -> None:
        """Takes back the call that made some data, which nothing has read yet."""
        self._calls = [call for call in self._calls if call[2] is not data.tensor]

    def call(  # noqa: PLR0917
        self,
        node: Node,
        cell: NeuralNetworkCell,
        inputs: Sequence[Data],
        shape: Sequence[int] | None,
        output: int,
        align: bool,
    ) -> Data:
        """See `Node.call`."""
        expected = tuple(node.shape_of(output) if shape is None else shape)
        if 0 in expected:
            node.unsupported(f"an output of shape {list(expected)}, which is empty", "values")
        read = [self.aligned(node, data) if align else data for data in inputs]
        result = self._call(cell, [data.tensor for data in read])
        if math.prod(result.shape()) != math.prod(expected):
            raise Unsupported(
                f"{node.label}: the cell {cell.get_type()} makes {result.shape()}, the file says {list(expected)}"
            )
        return Data(result, expected, np.dtype(np.float32), True)

    def _call(self, cell: NeuralNetworkCell, tensors: list[Tensor]) -> Tensor:
        self._names.add(cell.name)
        result = cell.test()(tensors[0] if len(tensors) == 1 else Interface._of(tensors))
        self._calls.append((cell, tensors, result))
        return result

    def aligned(self, node: Node, data: Data) -> Data:
        """See `Node.aligned`."""
        if data.aligned:
            return data
        key = id(data.tensor)
        found = self._aligned.get(key)
        if found is None or found.shape != data.shape:
            name = next((n for n, v in self._values.items() if v is data), f"{node.name}_reshape")
            self._aligned[key] = found = self._reshaped(data, name)
        return found

    def _reshaped(self, data: Data, name: str) -> Data:
        from n2d2.cells.reshape import Reshape

        batch, *rest = engine_shape(data.shape)
        shape = data.tensor.shape()
        cell: NeuralNetworkCell
        if len(shape) == 4 and batch == shape[0]:
            cell = Reshape(rest[::-1], name=self.free_name(name))
        else:
            from n2d2.onnx.rearrange import make, places

            cell = make([replace(data, shape=tuple(shape))], places(data)[0], 0.0, self.free_name(name))
        return replace(data, tensor=self._call(cell, [data.tensor]))


def _reason(text: str) -> str:
    """What ONNX's shape inference says, without the name of the node that it repeats."""
    return " ".join(re.sub(r"\[\w+Error\]|Inference error\(s\):|\(op_type:[^)]*\):?", "", text).split())[:300]
