"""ONNX files from anywhere: checked before anything large is made, with one error that lists every problem.

Sizes are compared with limits before any memory is asked for, and only files in the folder of the model are read.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import FileError, MissingFileError, ModelFileError, WrongInputType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import onnx

    Source = str | os.PathLike[str] | bytes | onnx.ModelProto
    Shape = tuple[int, ...]

FIRST_OPSET, LAST_OPSET = 6, 28
MAX_FILE_BYTES = 2**31 - 1
MAX_VALUES = 2**28
"""Most values that the weights, or the outputs of all nodes for the batch of the file, may have together."""
_KEPT_BYTES = 1024
"""Larger weights are left out of the copy that shapes are inferred on."""
_DOMAINS = ("", "ai.onnx")


@dataclass
class Graph:
    """A graph whose names, sizes and order are checked.

    Arguments:
        file (str): Name of the file, for errors.
        opset (int): Version of the operators.
        nodes (list): Nodes, each after those that it reads.
        inputs (dict): Shape of each input that is data.
        outputs (list): Names of the outputs.
        weights (dict): The tensors that the file holds.
        shapes (dict): Shapes of the values, as far as they can be inferred.
        types (dict): ONNX's number of the element type of the values.
    """

    file: str
    opset: int
    nodes: list[onnx.NodeProto]
    inputs: dict[str, Shape]
    outputs: list[str]
    weights: dict[str, onnx.TensorProto]
    shapes: dict[str, Shape]
    types: dict[str, int]


def node_label(node: onnx.NodeProto) -> str:
    """How errors call a node."""
    name = node.name or next((o for o in node.output if o), "")
    return f"node '{name}' ({node.op_type})"


def read_graph(source: Source, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Reads and checks a model.

    Arguments:
        source (str, Path, bytes or onnx.ModelProto): The model.
        input_shapes (dict, optional): Shapes that replace those of the file, by the name of the input, default=None.

    Raises:
        MissingFileError: The file, or one that holds its weights, does not exist.
        ModelFileError: The model is wrong; the text lists every problem.
    """
    model, file, folder = _parse(source)
    # protobuf gives bytes for what is no UTF-8 text, against its types.
    texts: list[object] = [*_texts(model)]
    damaged = [text for text in texts if not isinstance(text, str)]
    if damaged:
        raise ModelFileError(file, [f"is damaged: the name {text!r} is no UTF-8 text" for text in damaged])
    problems: list[str] = []
    opset = _opset(model, problems)
    weights = {t.name: t for t in model.graph.initializer}
    problems += [
        f"initializer '{t.values.name}' is sparse; only dense ones can be read: store it densely"
        for t in model.graph.sparse_initializer
    ]
    for where, tensor in _tensors(model.graph):
        _check_tensor(where, tensor, folder, problems)
    total = sum(_count(t.dims) for t in weights.values() if all(d >= 0 for d in t.dims))
    if total > MAX_VALUES:
        problems.append(f"the weights have {total} values; at most {MAX_VALUES} can be read")
    nodes = _in_order(model, weights, problems)
    inputs = _inputs(model, weights, input_shapes or {}, problems)
    outputs = [o.name for o in model.graph.output]
    if not outputs:
        problems.append("the graph has no output")
    if problems:
        raise ModelFileError(file, problems)
    shapes, types = _inferred(model, nodes, inputs, weights, problems)
    values = sum(_count(shapes[o]) for n in nodes for o in n.output if o in shapes) + sum(map(_count, inputs.values()))
    if values > MAX_VALUES and not problems:
        largest = max((o for n in nodes for o in n.output if o in shapes), key=lambda o: _count(shapes[o]), default="")
        problems.append(
            f"the outputs of the nodes have {values} values together; at most {MAX_VALUES} can be computed"
            + (f"; '{largest}' alone is {list(shapes[largest])}" if largest else "")
        )
    if problems:
        raise ModelFileError(file, problems)
    return Graph(file, opset, nodes, inputs, outputs, weights, shapes, types)


def _texts(model: onnx.ModelProto) -> list[str]:
    """Every name in a model."""
    graph = model.graph
    named = [*graph.initializer, *graph.input, *graph.output, *graph.value_info, *model.functions, *graph.node]
    named += [attribute for node in graph.node for attribute in node.attribute]
    texts = [graph.name, *(thing.name for thing in named), *(opset.domain for opset in model.opset_import)]
    for node in graph.node:
        texts += [node.op_type, node.domain, *node.input, *node.output]
    for value in (*graph.input, *graph.output, *graph.value_info):
        texts += [dim.dim_param for dim in value.type.tensor_type.shape.dim]
    return texts


def _count(dims: Sequence[int]) -> int:
    return math.prod(dims)


def _parse(source: Source) -> tuple[onnx.ModelProto, str, Path | None]:
    """The model, its name for errors, and the folder that its other files may be in."""
    import onnx
    from google.protobuf.message import DecodeError

    given: object = source
    if isinstance(given, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(given)
        return model, "ONNX model", None
    folder: Path | None = None
    if isinstance(given, bytes):
        content, file = given, "ONNX model"
    elif isinstance(given, (str, os.PathLike)):
        path = Path(given)
        file, folder = str(path), path.parent
        content = _content(path)
    else:
        raise WrongInputType("onnx: the model", type(given), "str, Path, bytes or onnx.ModelProto")
    if not content:
        raise ModelFileError(file, ["the file is empty"])
    try:
        return onnx.ModelProto.FromString(content), file, folder
    except DecodeError as error:
        text = f"is no ONNX model, or a part of one is missing ({len(content)} bytes): {error}"
        raise ModelFileError(file, [text]) from None


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            if path.exists():
                raise FileError(f"{path}: is no file")
            raise MissingFileError(f"{path}: there is no such file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelFileError(str(path), [f"has {size} bytes; at most {MAX_FILE_BYTES} can be read"])
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileError(f"{path}: cannot be read: {reason}") from None


def _opset(model: onnx.ModelProto, problems: list[str]) -> int:
    import onnx

    if not 0 < model.ir_version <= onnx.IR_VERSION:
        got = "is missing" if model.ir_version == 0 else f"is {model.ir_version}"
        problems.append(f"the version of the format (ir_version) {got}; supported are 1 to {onnx.IR_VERSION}")
    versions = [o.version for o in model.opset_import if o.domain in _DOMAINS]
    if not versions:
        if any(n.domain in _DOMAINS for n in model.graph.node) or not model.graph.node:
            problems.append("the version of the operators is missing (opset_import): the file is incomplete")
        return LAST_OPSET
    if len(set(versions)) > 1:
        problems.append(f"the version of the operators is given several times: {sorted(set(versions))}")
    if not FIRST_OPSET <= versions[0] <= LAST_OPSET:
        problems.append(
            f"the operators are of version (opset) {versions[0]}; supported are {FIRST_OPSET} to {LAST_OPSET}: "
            "convert it with onnx.version_converter, or export it again"
        )
    return int(versions[0])


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Every tensor of the file, with what it belongs to."""
    for tensor in graph.initializer:
        yield f"initializer '{tensor.name}'", tensor
    for node in graph.node:
        for attribute in node.attribute:
            where = f"{node_label(node)}: attribute '{attribute.name}'"
            if attribute.HasField("t"):
                yield where, attribute.t
            for tensor in attribute.tensors:
                yield where, tensor
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner)


def _check_tensor(where: str, tensor: onnx.TensorProto, folder: Path | None, problems: list[str]) -> None:
    """Compares the size of a tensor with what is there; reads it from its own file if it has one."""
    import onnx

    if any(d < 0 for d in tensor.dims):
        problems.append(f"{where} has a negative size: {list(tensor.dims)}")
        return
    count = _count(tensor.dims)
    if count > MAX_VALUES:
        problems.append(f"{where} has shape {list(tensor.dims)}; at most {MAX_VALUES} values can be read")
        return
    if tensor.data_type == onnx.TensorProto.STRING:
        if len(tensor.string_data) != count:
            text = f"needs {count} strings, the file has {len(tensor.string_data)}"
            problems.append(f"{where} of shape {list(tensor.dims)} {text}")
        return
    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError, TypeError):
        problems.append(f"{where} has element type {tensor.data_type}, which ONNX does not define")
        return
    narrow = {
        onnx.TensorProto.DataType.Value(name): bits
        for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
        if name in onnx.TensorProto.DataType.keys()  # noqa: SIM118  it is no dict
    }.get(tensor.data_type)
    expected = count * itemsize if narrow is None else (count * narrow + 7) // 8
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        _read_external(where, tensor, expected, folder, problems)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != expected:
            problems.append(
                f"{where} of shape {list(tensor.dims)} needs {expected} bytes, the file has {len(tensor.raw_data)}"
            )
    elif narrow is None:
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
        per_value = 2 if tensor.data_type in (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128) else 1
        stored = len(getattr(tensor, field))
        if stored != count * per_value:
            problems.append(f"{where} of shape {list(tensor.dims)} needs {count} values, the file has {stored}")


def _read_external(
    where: str, tensor: onnx.TensorProto, expected: int, folder: Path | None, problems: list[str]
) -> None:
    """Takes the values of a tensor from a file beside the model, and from nowhere else."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        problems.append(f"{where} is stored in another file ('{location}'): load the model by its path")
        return
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        inside = path.is_relative_to(root) and path != root
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside or not location or Path(location).is_absolute() or ".." in Path(location).parts:
        problems.append(f"{where} is stored in '{location}', outside of the folder of the model: it is not read")
        return
    if not path.is_file():
        problems.append(f"{where} is stored in '{location}', which does not exist beside the model")
        return
    try:
        offset, size = int(entries.get("offset", 0)), path.stat().st_size
        length = int(entries.get("length", expected))
    except ValueError:
        problems.append(f"{where} is stored in '{location}' at a place that is no number")
        return
    if length != expected or offset < 0 or offset + length > size:
        problems.append(
            f"{where} needs {expected} bytes of '{location}' from byte {offset} on; "
            f"the model names {length}, the file has {size}"
        )
        return
    with path.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.ClearField("external_data")
    tensor.data_location = tensor.DEFAULT


def _reads(node: onnx.NodeProto) -> list[str]:
    """The names that a node reads, those of its inner graphs too."""
    names = [n for n in node.input if n]
    for attribute in node.attribute:
        for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            own = {o for n in inner.node for o in n.output}
            own |= {v.name for v in inner.input} | {t.name for t in inner.initializer}
            names += [n for node in inner.node for n in _reads(node) if n not in own]
    return names


def _in_order(
    model: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto], problems: list[str]
) -> list[onnx.NodeProto]:
    """The nodes, each after those that it reads; doubled names, missing inputs and cycles are problems."""
    graph = model.graph
    makers: dict[str, str] = {i.name: f"input '{i.name}'" for i in graph.input}
    makers |= {name: f"initializer '{name}'" for name in weights}
    for node in graph.node:
        for output in filter(None, node.output):
            if output in makers:
                problems.append(f"{node_label(node)} makes '{output}', which {makers[output]} makes already")
            makers[output] = node_label(node)
    for node in graph.node:
        missing_names = [name for name in dict.fromkeys(_reads(node)) if name not in makers]
        problems += [f"{node_label(node)} reads '{name}', which nothing makes" for name in missing_names]
    problems += [f"output '{value.name}' is made by nothing" for value in graph.output if value.name not in makers]
    if problems:
        return []
    known = {i.name for i in graph.input} | set(weights)
    ordered: list[onnx.NodeProto] = []
    readers: dict[str, list[int]] = {}
    missing: list[int] = []
    nodes = list(graph.node)
    for i, node in enumerate(nodes):
        waits = {n for n in _reads(node) if n not in known}
        missing.append(len(waits))
        for name in waits:
            readers.setdefault(name, []).append(i)
    # A stack from the back keeps the order of the file wherever that is possible.
    import heapq

    ready = [i for i, count in enumerate(missing) if count == 0]
    heapq.heapify(ready)
    while ready:
        node = nodes[heapq.heappop(ready)]
        ordered.append(node)
        for output in filter(None, node.output):
            for i in readers.get(output, []):
                missing[i] -= 1
                if missing[i] == 0:
                    heapq.heappush(ready, i)
    if len(ordered) < len(nodes):
        stuck = [node_label(n) for n, count in zip(nodes, missing, strict=True) if count > 0]
        listed = ", ".join(stuck[:8]) + (f" and {len(stuck) - 8} more" if len(stuck) > 8 else "")
        problems.append(f"the graph has a cycle: these nodes wait for each other: {listed}")
    return ordered


def _inputs(
    model: onnx.ModelProto,
    weights: Mapping[str, onnx.TensorProto],
    given: Mapping[str, Sequence[int]],
    problems: list[str],
) -> dict[str, Shape]:
    """The shapes of the inputs that are data: a batch of unknown size is 1."""
    data = [i for i in model.graph.input if i.name not in weights]
    for name in given:
        if name not in [i.name for i in data]:
            names = ", ".join(f"'{i.name}'" for i in data)
            problems.append(f"a shape is given for input '{name}', the inputs of the file are {names}")
    shapes: dict[str, Shape] = {}
    for value in data:
        if value.type.WhichOneof("value") != "tensor_type":
            kind = value.type.WhichOneof("value") or "no type"
            problems.append(f"input '{value.name}' has {kind}; only tensors can be read")
            continue
        kind = value.type.tensor_type
        if value.name in given:
            shapes[value.name] = tuple(int(d) for d in given[value.name])
            continue
        if not kind.HasField("shape"):
            problems.append(f"input '{value.name}' has no shape; give one: input_shapes={{'{value.name}': [1, ...]}}")
            continue
        dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        if dims and (dims[0] is None or dims[0] <= 0):
            dims[0] = 1
        if any(d is None or d < 0 for d in dims):
            named = [d.dim_param or d.dim_value or "?" for d in kind.shape.dim]
            problems.append(
                f"input '{value.name}' has shape {named}: only the batch may be open; give the others: "
                f"input_shapes={{'{value.name}': [...]}}"
            )
            continue
        shapes[value.name] = tuple(d or 0 for d in dims)
    for name, shape in shapes.items():
        if any(d < 0 for d in shape) or _count(shape) > MAX_VALUES:
            problems.append(f"input '{name}' has shape {list(shape)}; at most {MAX_VALUES} values can be computed")
    return shapes


def _inferred(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    weights: Mapping[str, onnx.TensorProto],
    problems: list[str],
) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and element types of the values, by ONNX's own checker and shape inference.

    What cannot be inferred has no shape: the importer asks again at that node, with what it knows by then.
    """
    import onnx

    # The checker copies what it gets: it gets no large weights, and sees them as inputs.
    skeleton = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = skeleton.graph
    graph.name = model.graph.name or "graph"
    graph.node.extend(nodes)
    graph.initializer.extend(t for t in weights.values() if t.ByteSize() <= _KEPT_BYTES)
    kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    for name, shape in inputs.items():
        graph.input.append(onnx.helper.make_tensor_value_info(name, kinds[name], shape))
    large = [t for t in weights.values() if t.ByteSize() > _KEPT_BYTES]
    graph.input.extend(onnx.helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in large)
    # Outputs have no shape here: that of the file would contradict inputs of another size.
    graph.output.extend(onnx.ValueInfoProto(name=o.name) for o in model.graph.output)
    problems += _wrong_nodes(model, nodes)
    if problems:
        return {}, {}
    try:
        done = onnx.shape_inference.infer_shapes(skeleton)
    except (onnx.shape_inference.InferenceError, ValueError, TypeError, RuntimeError) as error:
        problems.append(_first_lines(str(error)))
        return {}, {}
    shapes: dict[str, Shape] = dict(inputs) | {t.name: tuple(t.dims) for t in weights.values()}
    types: dict[str, int] = kinds | {t.name: t.data_type for t in weights.values()}
    for value in [*done.graph.value_info, *done.graph.output]:
        kind: Any = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type":
            continue
        types.setdefault(value.name, kind.elem_type)
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            shapes.setdefault(value.name, tuple(d.dim_value for d in kind.shape.dim))
    return shapes, types


def _wrong_nodes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """What ONNX's checker says about each node."""
    import onnx
    from onnx.onnx_cpp2py_export.checker import CheckerContext

    context = CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
    problems = []
    for node in nodes:
        try:
            onnx.checker.check_node(node, context)
        except (onnx.checker.ValidationError, ValueError, TypeError, RuntimeError) as error:  # noqa: PERF203
            problems.append(f"{node_label(node)}: {_first_lines(str(error))}")
    return problems


def _first_lines(text: str) -> str:
    """The part of a text of the checker that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("==> Context")]
    return " ".join(lines[:3])[:400]
