"""ONNX models as cells: `load` makes a network of a file that it can train further, on the spot.

The files of `n2d2.onnx.operators` say which operators can be read, one family a file. Files may come from strangers:
they are checked before anything large is made, no code of theirs runs, and no file outside of their folder is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import onnx

    from n2d2.cells.deepnet_cell import DeepNetCell

__all__ = ["load"]


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

    Arguments:
        model (str, Path, bytes or onnx.ModelProto): The model, of opset 7 to 28.
        input_shapes (dict, optional): Shapes, by the name of the input, where the file leaves more open than the batch
            or has other ones, default=None.
        ignore_cells (list, optional): Names of first outputs of nodes that are left out: what read their output reads
            their first input, default=().
        name (str, optional): Name of the network, default=`DeepNetCell_<n>`.

    Raises:
        MissingFileError: The file, or one with its weights, does not exist.
        ModelFileError: The model is wrong, or has parts that are not supported; the text lists all of them.
    """
    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.error_handler import ModelFileError
    from n2d2.onnx.graph import read_graph
    from n2d2.onnx.importer import Importer
    from n2d2.onnx.node import Data

    graph = read_graph(model, input_shapes)
    imported = Importer(graph, ignored=ignore_cells).read()
    tensors = {n: v.tensor for n, v in imported.outputs.items() if isinstance(v, Data) and v.tensor.cell is not None}
    fixed = [n for n in imported.outputs if n not in tensors]
    if fixed:
        raise ModelFileError(graph.file, [f"output '{n}' is no output of a cell: nothing computes it" for n in fixed])
    return DeepNetCell._of(list(tensors.values()), inputs=[d.tensor for d in imported.inputs.values()], name=name)
