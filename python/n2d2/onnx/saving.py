"""From a network to a file."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import NotInitialized, StateError, WrongInputType, WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

    from n2d2.cells.block import Block
    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.tensor import Tensor

    Sizes = Sequence[int] | Sequence[Sequence[int]]

FIRST_OPSET = 13
# What a call of a cell leaves in it.
_OF_CALL = ("_pass",)


def to_model(
    model: Block | NeuralNetworkCell,
    *,
    input_shape: Sizes | None = None,
    input_names: Sequence[str] | None = None,
    batch_size: int | None = None,
    fuse_batch_norm: bool = False,
    opset: int = 17,
) -> onnx.ModelProto:
    """Writes a network as an ONNX model, with the parameters that it has now, as it computes in test mode.

    A node, and its output, has the name of its cell; what belongs to a cell besides, such as the activation, has a word
    behind it. Several inputs of a cell are joined along channels by a Concat. Weights are in the order outputs,
    channels, height, width. Dropout is left out. The network stays as it is.

    Images have four axes `[batch, channels, height, width]`. What a fully connected cell makes has two, and so has what
    follows it value by value.

    Arguments:
        model (n2d2.cells.Block or n2d2.cells.NeuralNetworkCell): A DeepNetCell, any other container, or one layer.
        input_shape (list, optional): Sizes of one stimulus without the batch: `[channels, height, width]`, or
            `[values]` for an input with two axes; a list of such lists for several inputs, default=None (those that a
            DeepNetCell knows; those of the last call of another container, which had one input, or of a layer).
        input_names (list of str, optional): Names of the inputs, default=None (those of the ONNX file that the network
            was loaded from, else `input`, of several `input_0`, `input_1` ...).
        batch_size (int, optional): Number of stimuli of the model, default=None (any: the axis is called `batch`).
        fuse_batch_norm (bool, optional): If True, a BatchNorm2d that alone reads a Conv, Deconv or Fc without
            activation becomes a part of its weights and bias, default=False.
        opset (int, optional): Version of the operators, at least 13, default=17.

    Returns:
        onnx.ModelProto: The model.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range, or names are missing.
        NotInitialized: The sizes are not given, and the container was never called.
        StateError: The network does not compute tensors by cells.
        ShapeError: The sizes do not fit a cell.
        ModelFileError: There are cells that ONNX cannot express; the text lists all of them.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import Conv, Fc, Sequence
        >>> conv = Conv(1, 4, [3, 3], activation=n2d2.activation.Rectifier(), name="conv")
        >>> model = n2d2.onnx.to_model(Sequence([conv, Fc(144, 10, name="fc")]), input_shape=[1, 8, 8])
        >>> [(node.op_type, node.name) for node in model.graph.node]
        [('Conv', 'conv'), ('Relu', 'conv_relu'), ('Flatten', 'fc_flatten'), ('Gemm', 'fc')]
    """
    from onnx import helper

    from n2d2 import __version__
    from n2d2.cells.block import Block
    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.onnx.exporter import Exporter
    from n2d2.parameters import check_bool, check_count

    given: Any = model
    if not isinstance(given, (Block, NeuralNetworkCell)):
        raise WrongInputType("onnx: the network", type(given), "n2d2.cells.Block or n2d2.cells.NeuralNetworkCell")
    owner = f"onnx: {model.name}"
    opset = _check_opset(owner, opset)
    if batch_size is not None:
        batch_size = check_count(owner, "batch_size", batch_size)
    check_bool(owner, "fuse_batch_norm", fuse_batch_norm)
    shapes = _known_shapes(model) if input_shape is None else _check_shapes(owner, input_shape)
    names = _check_names(owner, _known_names(model) if input_names is None else input_names, len(shapes))
    with _undisturbed(model):
        inputs, outputs = _computed(model, shapes)
        graph = Exporter(outputs, inputs, names, opset, fuse_batch_norm).write(model.name, batch_size)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="n2d2",
        producer_version=__version__,
    )


def save(
    model: Block | NeuralNetworkCell,
    path: str | os.PathLike[str],
    *,
    input_shape: Sizes | None = None,
    input_names: Sequence[str] | None = None,
    batch_size: int | None = None,
    fuse_batch_norm: bool = False,
    opset: int = 17,
) -> None:
    """Writes a network as an ONNX file, complete or not at all; `to_model` says what is in it.

    Arguments:
        model (n2d2.cells.Block or n2d2.cells.NeuralNetworkCell): A DeepNetCell, any other container, or one layer.
        path (str or Path): File; its folder is made if it does not exist.
        input_shape (list, optional): Sizes of one stimulus without the batch, see `to_model`, default=None (those that
            the network knows).
        input_names (list of str, optional): Names of the inputs, default=None (those of the ONNX file that the network
            was loaded from, else `input`, of several `input_0`, `input_1` ...).
        batch_size (int, optional): Number of stimuli of the model, default=None (any).
        fuse_batch_norm (bool, optional): If True, a BatchNorm2d behind a layer becomes a part of its weights,
            default=False.
        opset (int, optional): Version of the operators, at least 13, default=17.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: A value is out of range, or names are missing.
        NotInitialized: The sizes are not given, and the container was never called.
        StateError: The network does not compute tensors by cells.
        ShapeError: The sizes do not fit a cell.
        ModelFileError: There are cells that ONNX cannot express; the text lists all of them.
        FileError: The file cannot be written.

    Example:
        >>> import n2d2
        >>> fc = n2d2.cells.Fc(4, 3, name="fc")
        >>> n2d2.onnx.save(n2d2.cells.Sequence([fc]), "model.onnx", input_shape=[4])
        >>> x = n2d2.Tensor([2, 4], value=0.5)
        >>> list(n2d2.onnx.load("model.onnx")(x)) == list(fc(x))
        True
    """
    from n2d2.files import replacing

    if not isinstance(path, (str, os.PathLike)):
        raise WrongInputType("onnx: path", type(path), "str or Path")
    content = to_model(
        model,
        input_shape=input_shape,
        input_names=input_names,
        batch_size=batch_size,
        fuse_batch_norm=fuse_batch_norm,
        opset=opset,
    ).SerializeToString()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _check_opset(owner: str, opset: Any) -> int:
    from onnx import defs

    from n2d2.onnx.graph import LAST_OPSET

    if isinstance(opset, bool) or not isinstance(opset, int):
        raise WrongInputType(f"{owner}: opset", type(opset), int)
    last = min(LAST_OPSET, defs.onnx_opset_version())
    if not FIRST_OPSET <= opset <= last:
        raise WrongValue(f"{owner}: opset", opset, f"an integer from {FIRST_OPSET} to {last}")
    return opset


def _check_shapes(owner: str, given: Any) -> list[list[int]]:
    """The shapes of the inputs for one stimulus."""
    rows = list(given) if isinstance(given, (list, tuple)) else None
    if rows and all(isinstance(row, (list, tuple)) for row in rows):
        shapes = [list(row) for row in rows]
    elif rows is None:
        raise WrongInputType(f"{owner}: input_shape", type(given), "a list of int, or a list of such lists")
    else:
        shapes = [rows]
    for shape in shapes:
        fits = len(shape) in (1, 3) and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
        if not fits:
            expected = "[channels, height, width] or [values], with sizes of at least 1 and without the batch"
            raise WrongValue(f"{owner}: input_shape", shape, expected)
    return [[1, *shape] for shape in shapes]


def _check_names(owner: str, given: Any, count: int) -> list[str]:
    if given is None:
        return ["input"] if count == 1 else [f"input_{i}" for i in range(count)]
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        raise WrongInputType(f"{owner}: input_names must be a list of str, got {given!r}")
    if len(given) != count or len(set(given)) < count or not all(given):
        raise WrongValue(f"{owner}: input_names", list(given), f"{count} different names, one for each input")
    return list(given)


def _known_names(model: Block | NeuralNetworkCell) -> list[str] | None:
    """The names that the inputs had in the ONNX file that the network comes from."""
    from n2d2.cells.deepnet_cell import DeepNetCell

    names = model._input_names if isinstance(model, DeepNetCell) else []
    known = [name for name in names if name and not name.startswith("TensorPlaceholder_")]
    return known if known and len(known) == len(names) == len(set(known)) else None


def _known_shapes(model: Block | NeuralNetworkCell) -> list[list[int]]:
    """The shapes that the inputs have for one stimulus."""
    from n2d2.cells.block import Block
    from n2d2.cells.deepnet_cell import DeepNetCell

    if isinstance(model, DeepNetCell):
        return [[1, *shape[1:]] for shape in model._input_shapes]
    net = model.get_deepnet()
    if net is None:
        raise NotInitialized(
            f"onnx: {model.name}: the sizes of its inputs are not known before the first call; give input_shape, "
            "such as [3, 32, 32]"
        )
    if not isinstance(model, Block):
        return [_shape_of_one(t) for t in model._called()[0]]
    own = {id(cell) for cell in model._layers()}
    read: dict[int, list[int]] = {}
    for cell, _, parents, _ in net._calls:
        for parent in parents if id(cell) in own else ():
            if not isinstance(parent, tuple):
                read[id(parent)] = _shape_of_one(parent)
            elif id(parent[0]) not in own:
                read[id(parent)] = [1, *parent[1].shape[1:]]
    if len(read) != 1:
        shapes = [shape[1:] for shape in read.values()]
        raise StateError(
            f"onnx: {model.name}: the last call read {len(shapes)} tensors of sizes {shapes}, in an order that is not "
            f"known; give input_shape, a list of lists"
        )
    return list(read.values())


def _shape_of_one(tensor: Tensor) -> list[int]:
    shape = tensor.shape()
    return [1, shape[1]] if len(shape) == 2 else [1, *tensor._as_var("onnx").shape[1:]]


def _computed(model: Block | NeuralNetworkCell, shapes: list[list[int]]) -> tuple[list[Tensor], list[Tensor]]:
    """Calls the network on zeros; inputs and outputs."""
    import numpy as np

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.interface import Interface
    from n2d2.tensor import Tensor

    inputs = [Tensor._wrap(np.zeros(shape, np.float32), wants_gradient=False) for shape in shapes]
    bundle: Any = inputs[0] if len(inputs) == 1 else Interface._of(inputs)
    if isinstance(model, DeepNetCell):
        if len(inputs) != model._graph.inputs:
            raise WrongValue(
                f"onnx: {model.name}: input_shape", f"{len(inputs)} shapes", f"{model._graph.inputs}, one an input"
            )
        result: Any = model._graph.run(inputs)
    else:
        result = model(bundle)
    outputs = (
        result if isinstance(result, list) else list(result.tensors) if isinstance(result, Interface) else [result]
    )
    if not all(isinstance(t, Tensor) and t._call is not None for t in outputs):
        raise StateError(
            f"onnx: {model.name}: expected the network to compute a tensor by cells, got {type(result).__name__}"
        )
    return inputs, outputs


@contextlib.contextmanager
def _undisturbed(model: Block | NeuralNetworkCell) -> Iterator[None]:
    """Sets the layers to test mode for a while; afterwards all is as it was: mode, last call and parameters."""
    from n2d2.cells.block import Block
    from n2d2.cells.deepnet_cell import DeepNetCell, _testing
    from n2d2.cells.fc import Fc

    layers = list(model._layers()) if isinstance(model, Block) else [model]
    states = [{name: cell.__dict__[name] for name in _OF_CALL if name in cell.__dict__} for cell in layers]
    inner = model.get_cells().values() if isinstance(model, Block) else ()
    results = [(cell, cell._output) for cell in inner if isinstance(cell, DeepNetCell)]
    # Each call of such a cell scales its weights once more.
    scaled = [(cell, cell._handle.param("weights")) for cell in layers if isinstance(cell, Fc) and cell.normalize]
    try:
        with _testing(layers):
            yield
    finally:
        for network, result in results:
            network._output = result
        for fc, weights in scaled:
            fc._handle.set_param("weights", weights)
        for cell, state in zip(layers, states, strict=True):
            for name in _OF_CALL:
                cell.__dict__.pop(name, None)
            cell.__dict__.update(state)
