"""The handwritten digits that come with the package."""

from __future__ import annotations

from pathlib import Path

import n2d2
from n2d2.database.idx import IdxDatabase
from n2d2.options import Option


class Digits(IdxDatabase):
    """The first 5,000 images of MNIST: 4,000 to learn from and 1,000 to test with, of 28 x 28 bytes.

    They are part of the package: nothing is downloaded. Labels are named `0` to `9`.

    Arguments:
        validation (float, optional): Part of the 4,000 images that goes to Validation, default=0.0.
        random_partitioning (bool, optional): Stimuli are drawn into partitions at random, from the generator of
            `n2d2.global_variables.seed`; else in the order of the files, default=True.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A value is not accepted.

    Example:
        >>> import n2d2
        >>> database = n2d2.database.Digits()
        >>> database.get_nb_stimuli("Learn"), database.get_nb_stimuli("Test"), database.get_label_name(7)
        (4000, 1000, '7')

    Source:
        Le Cun, Cortes and Burges, "The MNIST database of handwritten digits", 1998; CC BY-SA 3.0.
    """

    validation = Option(0.0)

    def __init__(self, validation: float = 0.0, *, random_partitioning: bool = True, **config: object) -> None:
        self._begin({"validation": self._validation(validation)}, random_partitioning, config)
        folder = Path(n2d2.__file__).parent / "data"
        self._load(folder, folder, self.validation)
