"""From a file to a network."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from n2d2.error_handler import ModelFileError, WrongInputType

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import onnx

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.onnx.importer import Imported
    from n2d2.provider import Provider
    from n2d2.tensor import Tensor


def load(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    ignore_cells: Sequence[str] = (),
    name: str | None = None,
) -> DeepNetCell:
    """Reads an ONNX model; no provider of data is needed.

    A cell has the name of the first output of its node. Activations, and constants that are added to the output of a
    layer, become part of the cell that they follow. A final softmax passes on the gradient of the cross-entropy.
    Weights that several nodes share are copied: each of the cells learns its own.

    Arguments:
        model (str, Path, bytes or onnx.ModelProto): The model, of opset 6 to 28.
        input_shapes (dict, optional): Shapes, by the name of the input, where the file leaves more open than the batch
            or has other ones, default=None.
        ignore_cells (list, optional): Names of first outputs of nodes that are left out: what read their output reads
            their first input, default=().
        name (str, optional): Name of the network, default=`DeepNetCell_<n>`.

    Raises:
        MissingFileError: The file, or one with its weights, does not exist.
        ModelFileError: The model is wrong, or has parts that are not supported; the text lists all of them.

    Example:
        >>> import n2d2
        >>> from onnx import TensorProto, helper, numpy_helper
        >>> import numpy
        >>> value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        >>> weights = numpy_helper.from_array(numpy.ones((3, 4), numpy.float32), "w")
        >>> nodes = [helper.make_node("Gemm", ["x", "w"], ["fc"], transB=1), helper.make_node("Relu", ["fc"], ["y"])]
        >>> graph = helper.make_graph(nodes, "net", [value("x", ["batch", 4])], [value("y", None)], [weights])
        >>> opset = helper.make_opsetid("", 17)
        >>> model = n2d2.onnx.load(helper.make_model(graph, opset_imports=[opset], ir_version=8))
        >>> model["fc"].activation.get_type(), list(model(n2d2.Tensor([2, 4], value=1.0)))[:3]
        ('Rectifier', [4.0, 4.0, 4.0])
    """
    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.onnx.graph import read_graph
    from n2d2.onnx.importer import Importer

    graph = read_graph(model, input_shapes)
    imported = Importer(graph, ignored=ignore_cells).read()
    inputs = [data.tensor for data in imported.inputs.values()]
    return DeepNetCell._of(_ends(graph.file, imported), inputs=inputs, name=name)


def _ends(file: str, imported: Imported) -> list[Tensor]:
    """The outputs of the graph, each of a cell."""
    from n2d2.onnx.node import Data

    made = {n: v.tensor for n, v in imported.outputs.items() if isinstance(v, Data) and v.tensor.cell is not None}
    fixed = [n for n in imported.outputs if n not in made]
    if fixed:
        raise ModelFileError(file, [f"output '{n}' is no output of a cell: nothing computes it" for n in fixed])
    return list(made.values())


def load_onto(
    provider: Provider,
    model_path: str | os.PathLike[str],
    ini_file: str | os.PathLike[str] | None = None,
    ignore_cells: Sequence[str] | None = None,
    ignore_input_size: bool = False,
) -> DeepNetCell:
    """Reads an ONNX file for the stimuli of a provider; `n2d2.cells.DeepNetCell.load_from_ONNX` describes it.

    Arguments:
        provider (n2d2.provider.Provider): Source of the stimuli; its size replaces that of the file.
        model_path (str or Path): File.
        ini_file (str or Path, optional): INI file with instructions for the cells, default=None.
        ignore_cells (list of str, optional): Outputs of nodes to leave out; what reads one reads its first input,
            default=None.
        ignore_input_size (bool, optional): If True, no warning is given if the file has another input size than the
            provider, default=False.

    Raises:
        ModelFileError: The file is damaged or has what the library does not; the text lists all problems.
        MissingFileError: There is no such file.
        WrongInputType: An argument has the wrong type.
    """
    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.cells.softmax import Softmax
    from n2d2.onnx.graph import read_graph
    from n2d2.onnx.importer import Importer
    from n2d2.provider import Provider
    from n2d2.target import Score
    from n2d2.tensor import Tensor

    checked: object = provider
    if not isinstance(checked, Provider):
        raise WrongInputType("load_from_ONNX: provider", type(provider), Provider)
    names: object = ignore_cells
    if names is not None and (isinstance(names, str) or not all(isinstance(n, str) for n in ignore_cells or ())):
        raise WrongInputType("load_from_ONNX: ignore_cells", type(ignore_cells), "list of str")
    if not isinstance(ignore_input_size, bool):
        raise WrongInputType("load_from_ONNX: ignore_input_size", type(ignore_input_size), bool)
    ignored = list(ignore_cells or ())
    settings = None
    if ini_file is not None:
        from n2d2.onnx.settings import read_settings

        settings = read_settings(ini_file)
        ignored += settings.ignored
        ignore_input_size = ignore_input_size or settings.ignore_input_size
    given = read_graph(model_path)
    if len(given.inputs) != 1:
        text = f"has {len(given.inputs)} data inputs ({', '.join(given.inputs)}); a provider gives one"
        raise ModelFileError(given.file, [text])
    name, shape = next(iter(given.inputs.items()))
    stimulus = provider.get_size()[::-1]
    wanted = _fitted(shape, stimulus)
    if wanted is None:
        text = f"input '{name}' has shape {list(shape)}; the provider gives [batch, {', '.join(map(str, stimulus))}]"
        raise ModelFileError(given.file, [text])
    if wanted != shape and not ignore_input_size:
        warnings.warn(
            f"{given.file}: input '{name}' has shape {list(shape)}, the provider's {list(wanted)} is used; "
            "ignore_input_size=True says that this is meant",
            stacklevel=3,
        )
    graph = given if wanted == shape else read_graph(model_path, {name: wanted})
    tensor = Tensor([wanted[0] if wanted else 1, *stimulus])
    imported = Importer(graph, settings=settings, ignored=ignored, tensors={name: tensor}).read()
    if settings is not None:
        settings.finish()
    ends = _ends(graph.file, imported)
    cells = [end.cell for end in ends if end.cell is not None]
    scored = [cell for cell in cells if isinstance(cell, Softmax)] or cells
    targets = {cell.get_name(): Score(provider, name=cell.get_name()) for cell in scored}
    inputs = [data.tensor for data in imported.inputs.values()]
    return DeepNetCell._of(ends, inputs=inputs, provider=provider, targets=targets)


def _fitted(shape: tuple[int, ...], stimulus: list[int]) -> tuple[int, ...] | None:
    """The shape of an input of the graph for stimuli `[channels, height, width]`; None if they do not fit."""
    if len(shape) == 4:
        return (shape[0], *stimulus)
    if len(shape) == 2:
        return (shape[0], math.prod(stimulus))
    return shape if shape and math.prod(shape[1:]) == math.prod(stimulus) else None
