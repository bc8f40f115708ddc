"""MNIST, the handwritten digits."""

from __future__ import annotations

import os

from n2d2.database.idx import IdxDatabase
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.options import Option
from n2d2.parameters import Parameter, check_bool


class MNIST(IdxDatabase):
    """The MNIST database of handwritten digits: 60,000 images to learn from and 10,000 to test with, of 28 x 28 bytes.

    Reads the four standard files from a folder, plain or compressed: `train-images-idx3-ubyte`,
    `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each as it is or with `.gz`. The
    `train` files go to Learn and Validation, the `t10k` files to Test. Labels are named `0` to `9`.

    Arguments:
        data_path (str or Path): Folder of the files.
        label_path (str or Path, optional): Folder of the label files if it is another one, default="".
        extract_roi (bool, optional): Not available: must be False, default=False.
        validation (float, optional): Part of the `train` images that goes to Validation, default=0.0.
        random_partitioning (bool, optional): Stimuli are drawn into partitions at random, from the generator of
            `n2d2.global_variables.seed`; else in the order of the files, default=True.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A value is not accepted.
        MissingFileError: A file does not exist.
        FileError: A file is not what it should be; the text names file and byte.

    Example:
        >>> import n2d2, pathlib
        >>> folder = pathlib.Path(n2d2.__file__).parent / "data"
        >>> database = n2d2.database.MNIST(folder, validation=0.1)
        >>> database.get_nb_stimuli("Learn"), database.get_nb_stimuli("Validation")
        (3600, 400)

    Source:
        Le Cun, Cortes and Burges, "The MNIST database of handwritten digits", 1998.
    """

    data_path = Parameter[str]("constructor")
    label_path = Option("")
    extract_roi = Option(False)
    validation = Option(0.0)

    def __init__(
        self,
        data_path: str | os.PathLike[str],
        label_path: str | os.PathLike[str] = "",
        extract_roi: bool = False,
        validation: float = 0.0,
        *,
        random_partitioning: bool = True,
        **config: object,
    ) -> None:
        for name, path in (("data_path", data_path), ("label_path", label_path)):
            if not isinstance(path, (str, os.PathLike)):
                raise WrongInputType(f"{self._owner()}: {name}", type(path), str)
        if check_bool(self._owner(), "extract_roi", extract_roi):
            raise WrongValue(
                f"{self._owner()}: extract_roi", extract_roi, "False: regions of interest are not built yet"
            )
        arguments = {
            "data_path": os.fspath(data_path),
            "label_path": os.fspath(label_path),
            "extract_roi": extract_roi,
            "validation": self._validation(validation),
        }
        self._begin(arguments, random_partitioning, config)
        self._load(self.data_path, self.label_path or self.data_path, self.validation)
