"""The data that the option `--data` names."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2d2.cli.usage import UsageError
from n2d2.error_handler import DataError, FileError, MissingFileError
from n2d2.parameters import unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from n2d2.database.database import AbstractDatabase
    from n2d2.provider import DataProvider

_KINDS = ("digits", "mnist", "npz")
_ARRAYS = ("x_train", "y_train", "x_test", "y_test", "x_validation", "y_validation")


def check_data(data: str) -> tuple[str, str]:
    """The kind of the data that a text names, and their path.

    Arguments:
        data (str): `digits`, `mnist:DIR` or `npz:FILE`.

    Raises:
        UsageError: The text is something else.

    Example:
        >>> check_data("mnist:data/mnist")
        ('mnist', 'data/mnist')
    """
    kind, _, path = data.partition(":")
    if kind not in _KINDS:
        raise UsageError(unknown_name("--data", kind, _KINDS, "one of digits, mnist:DIR, npz:FILE"))
    if kind == "digits" and path:
        raise UsageError(f"--data: `digits` takes no path, got `{path}`; MNIST files are `mnist:{path}`")
    if kind != "digits" and not path:
        raise UsageError(f"--data: `{kind}` needs a path: {kind}:{'DIR' if kind == 'mnist' else 'FILE'}")
    return kind, path


def database_of(data: str, validation: float = 0.0) -> tuple[AbstractDatabase, list[int]]:
    """The database that a text names, and the size of its images, `[width, height, channels]`.

    Arguments:
        data (str): `digits`, `mnist:DIR` or `npz:FILE`.
        validation (float, optional): Part of the images to learn from that goes to Validation, default=0.0.

    Raises:
        UsageError: The text names nothing.
        FileError: A file does not exist or is not what it should be.

    Example:
        >>> database, size = database_of("digits", validation=0.1)
        >>> database.get_nb_stimuli("Validation"), size
        (400, [28, 28, 1])
    """
    from n2d2 import database

    kind, path = check_data(data)
    if kind == "digits":
        return database.Digits(validation=validation), [28, 28, 1]
    if kind == "mnist":
        return database.MNIST(path, validation=validation), [28, 28, 1]
    return _from_arrays(Path(path), validation)


def provider_of(data: str, validation: float, batch: int, size: list[int] | None = None) -> DataProvider:
    """A provider of the data that a text names.

    Arguments:
        data (str): `digits`, `mnist:DIR` or `npz:FILE`.
        validation (float): Part of the images to learn from that goes to Validation.
        batch (int): Stimuli in a batch.
        size (list, optional): `[width, height, channels]` that the network takes; images of another width or height are
            rescaled, default=None (that of the images).

    Raises:
        UsageError: The text names nothing.
        FileError: A file does not exist or is not what it should be.
        DataError: The images have another number of channels.
    """
    from n2d2.provider import DataProvider
    from n2d2.transform import Rescale

    database, own = database_of(data, validation)
    size = size or own
    if size[2] != own[2]:
        raise DataError(f"--data {data}: the images have {own[2]} channels, the network takes {size[2]}")
    provider = DataProvider(database, size, batch_size=batch)
    if size != own:
        provider.add_transformation(Rescale(size[0], size[1]))
    return provider


def _from_arrays(path: Path, validation: float) -> tuple[AbstractDatabase, list[int]]:
    from n2d2.database import Numpy

    arrays = _read(path)
    database = Numpy()
    images = _images(path, "x_train", arrays)
    size = [images.shape[3], images.shape[2], images.shape[1]]
    database.load(list(images), _labels(path, "y_train", arrays, len(images)))
    database.partition_stimuli(1.0 - validation, validation, 0.0)
    for part, partition in (("test", "Test"), ("validation", "Validation")):
        if f"x_{part}" in arrays:
            more = _images(path, f"x_{part}", arrays)
            database.load(list(more), _labels(path, f"y_{part}", arrays, len(more)), partition=partition)
    return database, size


def _read(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    try:
        with path.open("rb") as opened:
            given = np.load(opened, allow_pickle=False)
            if isinstance(given, np.ndarray):
                raise FileError(f"{path}: is one array; expected an archive (.npz) of x_train, y_train, x_test, y_test")
            for name in given.files:
                if name not in _ARRAYS:
                    raise FileError(unknown_name(str(path), name, _ARRAYS, f"one of the arrays {', '.join(_ARRAYS)}"))
            arrays = {name: given[name] for name in given.files}
    except FileNotFoundError:
        raise MissingFileError(f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: cannot be read as an archive of arrays (.npz): {error}") from None
    for name in ("x_train", "y_train"):
        if name not in arrays:
            raise FileError(f"{path}: the array `{name}` is missing; it has {', '.join(arrays) or 'none'}")
    return arrays


def _images(path: Path, name: str, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Images `[n, c, h, w]`; those of Keras have their channels last."""
    images = arrays[name]
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 3, 4):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or 0 in images.shape:
        raise FileError(f"{path}: `{name}` has shape {list(images.shape)}, expected images [n, h, w] or [n, c, h, w]")
    return images


def _labels(path: Path, name: str, arrays: dict[str, NDArray[Any]], count: int) -> NDArray[np.integer[Any]]:
    if name not in arrays:
        raise FileError(f"{path}: the array `{name}` is missing")
    labels = arrays[name]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise FileError(f"{path}: `{name}` is {labels.dtype} {list(labels.shape)}, expected {count} integers")
    return labels
