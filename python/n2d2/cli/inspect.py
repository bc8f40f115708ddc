"""`n2d2 inspect`: what is in a model file, what runs, what trains, and what it costs."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.cells.batch_norm import BatchNorm2d
from n2d2.cells.trainable import Trainable
from n2d2.cells.weighted_cell import WeightedCell
from n2d2.cli.model import kind_of, read_model
from n2d2.cli.table import size, table
from n2d2.error_handler import MissingFileError, ModelFileError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    import onnx

    from n2d2.cells.deepnet_cell import DeepNetCell

_DOMAINS = ("", "ai.onnx")


def run(options: argparse.Namespace) -> int:
    """Prints the layers of a file, or what of it is not supported.

    Arguments:
        options (argparse.Namespace): Command line.

    Returns:
        int: 0, or 1 if something is not supported or wrong.

    Raises:
        MissingFileError: There is no such file.
    """
    path = options.model
    proto = _proto(path) if kind_of(path) == "ONNX" else None
    try:
        with _without_values():
            model = read_model(path)
    except MissingFileError:
        raise
    except ModelFileError as error:
        problems = error.problems or [str(error)]
        if proto is not None:
            unread = _unread(proto)
            print(_operators(path, proto, unread) + "\n")
            problems += [text for node, text in unread if not any(_label(node) in known for known in problems)]
        print(f"{path}: cannot be loaded; what is wrong, and what to do:")
        print("\n".join(f"  {problem}" for problem in problems))
        return 1
    if proto is not None:
        print(_operators(path, proto, []) + "\n")
    print(_layers(path, model))
    return 0


@contextlib.contextmanager
def _without_values() -> Iterator[None]:
    """Draws no parameters and computes no values, only shapes: both take many seconds for a large network."""
    WeightedCell._fills = False
    _core.set_shapes_only(True)
    try:
        yield
    finally:
        WeightedCell._fills = True
        _core.set_shapes_only(False)


def _proto(path: str) -> onnx.ModelProto | None:
    """An ONNX file without any check; None if it cannot be read at all."""
    from n2d2.onnx.graph import _parse

    try:
        return _parse(path)[0]
    except MissingFileError:
        raise
    except ModelFileError:
        return None


def _name(node: onnx.NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in _DOMAINS else node.op_type


def _label(node: onnx.NodeProto) -> str:
    from n2d2.onnx.graph import node_label

    return node_label(node)


def _unread(proto: onnx.ModelProto) -> list[tuple[onnx.NodeProto, str]]:
    """The nodes that nothing reads, and what to say about each; what reads constants only is computed beforehand."""
    from n2d2.onnx.registry import readers

    known = readers()
    constant = {tensor.name for tensor in proto.graph.initializer} | {""}
    found = []
    for node in proto.graph.node:
        if constant.issuperset(node.input) and node.domain in _DOMAINS:
            constant.update(node.output)
        elif node.domain not in _DOMAINS or node.op_type not in known:
            text = f"{_label(node)}: the operator {_name(node)} is not supported; replace it in what made the file"
            found.append((node, text))
    return found


def _operators(path: str, proto: onnx.ModelProto, unread: Sequence[tuple[onnx.NodeProto, str]]) -> str:
    """A table of the operators of an ONNX file."""
    opsets = ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in proto.opset_import)
    producer = f", made by {proto.producer_name} {proto.producer_version}".rstrip() if proto.producer_name else ""
    counts = Counter(map(_name, proto.graph.node))
    missing = {_name(node) for node, _ in unread}
    rows = [[name, count, "no" if name in missing else "yes"] for name, count in sorted(counts.items())]
    title = f"{path}: ONNX, operators of {opsets or 'no version'}{producer}\n"
    return title + table(["operator", "nodes", "runs"], rows, right=["nodes"])


def _layers(path: str, model: DeepNetCell) -> str:
    net = model.get_embedded_deepnet()
    cells = net.get_cells()
    sources = [node for node in net.nodes() if not node.calls]
    parts = ["input " + " x ".join(map(str, source.shape[1:])) for source in sources]
    if model.provider is not None:
        parts.append(f"batches of {model.provider.get_batch_size()}")
    rows: list[list[object]] = []
    params = macs = activations = learnt = 0
    for layer in net._layers():
        cell = cells[layer.name]
        # A BatchNorm2d, which the statistics of networks leave out, learns scales and biases; the rest is computed.
        learns, held = layer.params, layer.params
        if isinstance(cell, BatchNorm2d):
            learns, held = 2 * cell.nb_inputs, 4 * cell.nb_inputs
        trains = isinstance(cell, Trainable) and learns > 0
        act = cell.activation
        name = cell.get_type() + (f" + {type(act).__name__}" if act is not None else "")
        output = " x ".join(map(str, layer.output))
        rows.append(
            [
                layer.name,
                name,
                output,
                "yes" if trains else "-",
                f"{learns:,}",
                f"{layer.macs:,}",
                f"{layer.nodes:,}",
            ]
        )
        params += held
        learnt += learns
        macs += layer.macs
        activations += layer.nodes
    titles = ["layer", "class", "output", "trains", "parameters", "MACs", "activations"]
    lines = [
        f"{path}: {', '.join(parts)}; all {len(rows)} layers run",
        table(titles, rows, right=titles[4:]),
        "",
        f"parameters   {learnt:,} that learn, {size(4 * params)} with statistics",
        f"computing    {macs:,} MACs an image",
        f"activations  {activations:,}, {size(4 * activations)} an image",
    ]
    if model.provider is not None:
        batch = model.provider.get_batch_size()
        # Learning keeps the outputs and their gradients, and of each parameter its gradient and momentum.
        total = 8 * batch * activations + 4 * (params + 2 * learnt)
        lines.append(f"learning     about {size(total)} in batches of {batch}")
    return "\n".join(lines)
