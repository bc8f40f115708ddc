"""Databases in the four files of MNIST, in the IDX format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.database.database import AbstractDatabase, fraction
from n2d2.error_handler import FileError, MissingFileError, WrongValue

if TYPE_CHECKING:
    import os


class IdxDatabase(AbstractDatabase):
    """Images and labels in IDX files, plain or compressed by gzip: the abstract parent of MNIST and its like.

    | file, or the same with `.gz` | partition |
    |---|---|
    | `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` | Learn and Validation |
    | `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` | Test |

    Arguments:
        random_partitioning (bool, optional): Stimuli are drawn into partitions at random, default=True.
    """

    def _validation(self, validation: float) -> float:
        validation = fraction(self._owner(), "validation", validation)
        if not 0.0 <= validation <= 1.0:
            raise WrongValue(f"{self._owner()}: validation", validation, "a fraction from 0 to 1")
        return validation

    def _load(self, images: str | os.PathLike[str], labels: str | os.PathLike[str], validation: float) -> None:
        """Reads the four files; label files may lie in a folder of their own."""
        names = [str(digit) for digit in range(10)]
        random = self.random_partitioning
        try:
            for part, shares in (("train", (1.0 - validation, validation, 0.0)), ("t10k", (0.0, 0.0, 1.0))):
                image_file = _core.find_idx(Path(images), f"{part}-images-idx3-ubyte")
                label_file = _core.find_idx(Path(labels), f"{part}-labels-idx1-ubyte")
                self._handle.add_idx(image_file, label_file, len(names))
                self._handle.partition(*shares, random)
        except MissingFileError as error:
            hint = "the digits that come with the package need no files: n2d2.database.Digits()"
            raise MissingFileError(f"{self._owner()}: {error}; {hint}") from None
        except FileError as error:
            raise FileError(f"{self._owner()}: {error}") from None
        self._handle.set_label_names(names)
