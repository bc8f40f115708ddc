"""INI files: descriptions of a network, its data and its training, as N2D2 reads them.

`load` reads a file; the page "INI files" of the documentation shows the grammar and every key.

A file from a stranger is safe to load: expressions are arithmetic only, and nothing outside of the folder of the file
is included. All problems of a file are reported at once, each with its line and the nearest valid word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from n2d2.cells.deepnet_cell import DeepNetCell

__all__ = ["load"]


def load(path: str | os.PathLike[str]) -> DeepNetCell:
    r"""Reads an INI file and makes the network that it describes, with its provider and its targets.

    Arguments:
        path (str or Path): The file.

    Returns:
        n2d2.cells.DeepNetCell: The network, in learning mode.

    Raises:
        WrongInputType: The path is not a path.
        MissingFileError: There is no such file.
        ModelFileError: Something is wrong with the file; the text lists everything.

    Example:
        >>> import n2d2, pathlib, tempfile
        >>> text = '''
        ... [database]
        ... Type=Digits_Database
        ... [sp]
        ... Size=28 28 1
        ... BatchSize=32
        ... [fc]
        ... Input=sp
        ... Type=Fc
        ... NbOutputs=10
        ... [softmax]
        ... Input=fc
        ... Type=Softmax
        ... NbOutputs=[fc]NbOutputs
        ... WithLoss=1
        ... [softmax.Target]
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "net.ini")
        ...     _ = file.write_text(text)
        ...     model = n2d2.ini.load(file)
        >>> model(n2d2.Tensor([2, 1, 28, 28])).shape()
        [2, 10, 1, 1]
    """
    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.ini.network import read_network

    network = read_network(path)
    return DeepNetCell._of(
        network.outputs,
        inputs=network.inputs,
        provider=network.provider,
        targets=network.targets,
        name=network.name,
    )
