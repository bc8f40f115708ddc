"""The network that a command works on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2.cli.usage import UsageError
from n2d2.global_variables import global_variables

if TYPE_CHECKING:
    import argparse

    from n2d2.cells.deepnet_cell import DeepNetCell


def kind_of(path: str) -> str:
    """`INI` or `ONNX`, by the end of the name of a file.

    Arguments:
        path (str): File.

    Raises:
        UsageError: The name ends with something else.

    Example:
        >>> kind_of("models/lenet.ini"), kind_of("LeNet.ONNX")
        ('INI', 'ONNX')
    """
    end = Path(path).suffix.lower()
    if end not in (".ini", ".onnx"):
        raise UsageError(f"{path}: the name of a model file ends with .ini or .onnx")
    return end[1:].upper()


def set_machine(options: argparse.Namespace) -> None:
    """Sets device, seed and threads as the command line says.

    Arguments:
        options (argparse.Namespace): Command line.

    Raises:
        WrongValue: This version has no such device.
    """
    global_variables.default_model = "Frame_CUDA" if options.device == "cuda" else "Frame"
    global_variables.seed = options.seed
    if options.threads is not None:
        global_variables.nb_threads = options.threads


def read_model(path: str) -> DeepNetCell:
    """The network of a file alone, without `--data`.

    Arguments:
        path (str): File.

    Raises:
        UsageError: The name ends with something else than .ini or .onnx.
        ModelFileError: Something is wrong with the file.
    """
    if kind_of(path) == "INI":
        from n2d2 import ini

        return ini.load(path)
    from n2d2 import onnx

    return onnx.load(path)


def read_with_data(options: argparse.Namespace, validation: float = 0.0) -> DeepNetCell:
    """The network of a file with the data that the command line names.

    Arguments:
        options (argparse.Namespace): Command line.
        validation (float, optional): Part of the images to learn from that goes to Validation, default=0.0.

    Raises:
        UsageError: No data is named, or the network cannot take any.
        ModelFileError: Something is wrong with the file.
        FileError: A file of the data does not exist or is not what it should be.
    """
    from n2d2.cli.data import check_data, provider_of

    if options.data is not None:
        check_data(options.data)
    if kind_of(options.model) == "ONNX":
        if options.data is None:
            raise UsageError(f"{options.model}: an ONNX file has no data: give --data digits, mnist:DIR or npz:FILE")
        from n2d2.onnx import load_onto

        provider = provider_of(options.data, validation, options.batch or 32, _image_size(options.model))
        return load_onto(provider, options.model, ignore_input_size=True)
    model = read_model(options.model)
    if options.data is not None:
        own = model.provider
        size = None if own is None else own.get_size()
        batch = options.batch or (32 if own is None else own.get_batch_size())
        model.set_provider(provider_of(options.data, validation, batch, size))
    elif validation:
        raise UsageError("--validation divides the images of --data; an INI file has its own partitions")
    elif options.batch is not None:
        from n2d2.provider import DataProvider
        from n2d2.train.testing import _alike

        if isinstance(model.provider, DataProvider) and model.provider.get_batch_size() != options.batch:
            model.set_provider(_alike(model.provider, options.batch))
    return model


def _image_size(path: str) -> list[int] | None:
    """`[width, height, channels]` of the images that an ONNX file takes; None if it takes vectors."""
    from n2d2.onnx.graph import read_graph

    shapes = list(read_graph(path).inputs.values())
    return list(shapes[0][:0:-1]) if len(shapes) == 1 and len(shapes[0]) == 4 else None


def read_weights(model: DeepNetCell, folder: str | None) -> None:
    """Reads the parameters of a network from a folder, without a line for each file.

    Arguments:
        model (n2d2.cells.DeepNetCell): Network.
        folder (str or None): Folder; nothing happens without one.

    Raises:
        MissingFileError: A file does not exist.
        FileError: A file holds too few or too many numbers, or something else.
    """
    if folder is not None:
        with contextlib.redirect_stdout(None):
            model.import_free_parameters(folder)


def log_dir_of(options: argparse.Namespace) -> Path:
    """The folder of all files of a command.

    Arguments:
        options (argparse.Namespace): Command line.
    """
    return Path("runs", Path(options.model).stem) if options.log_dir is None else Path(options.log_dir)
