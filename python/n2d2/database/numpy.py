"""A database of NumPy arrays."""

from __future__ import annotations

import warnings
from itertools import groupby
from typing import TYPE_CHECKING, Any

from n2d2.database.database import PARTITIONS, AbstractDatabase
from n2d2.error_handler import DataError, IsEmptyError, ShapeError, WrongInputType, WrongValue
from n2d2.parameters import check_bool, check_str

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_MOST_LABELS = 1 << 20


class Numpy(AbstractDatabase):
    """Images that are NumPy arrays, copied into the database by `load`.

    Arguments:
        random_partitioning (bool, optional): Stimuli are drawn into partitions at random, from the generator of
            `n2d2.global_variables.seed`; else in the order of loading, default=True.

    Example:
        >>> import n2d2, numpy
        >>> database = n2d2.database.Numpy(random_partitioning=False)
        >>> database.load([numpy.full((1, 2, 2), i, numpy.float32) for i in range(3)], [0, 1, 0], partition="Learn")
        >>> provider = n2d2.provider.DataProvider(database, [2, 2, 1], batch_size=2)
        >>> provider.set_partition("Learn")
        >>> [batch.to_numpy()[:, 0, 0, 0].tolist() for batch in provider]
        [[0.0, 1.0], [2.0]]
    """

    def __init__(self, *, random_partitioning: bool = True, **config: object) -> None:
        self._begin({}, random_partitioning, config)

    def load(
        self,
        stimuli_list: Sequence[NDArray[Any]],
        labels_list: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        partition: str | None = None,
        channels_first: bool = True,
    ) -> None:
        """Adds images.

        Bytes (uint8) are divided by 255 when they are read, floats are taken as they are.

        Arguments:
            stimuli_list (list of numpy.ndarray, or one array): Images `[c, h, w]`, or `[h, w]` for one channel; of type
                uint8, float32 or float64. They may differ in size if a transformation makes them equal.
            labels_list (list of int, optional): A label for each image, from 0 on; -1 for an image that no target
                counts; None for 0 everywhere, default=None.
            partition (str, optional): `Learn`, `Validation` or `Test`; None leaves the images unpartitioned,
                default=None.
            channels_first (bool, optional): If False the images are `[h, w, c]`, default=True.

        Raises:
            WrongInputType: An argument has the wrong type, or an array a type that is not accepted.
            WrongValue: A label or the partition is not accepted.
            IsEmptyError: There is no image.
            ShapeError: An image does not have two or three axes.
            DataError: There are not as many labels as images.
        """
        import numpy as np

        owner = self._owner()
        if not isinstance(stimuli_list, (list, tuple, np.ndarray)):
            raise WrongInputType(f"{owner}.load: stimuli_list", type(stimuli_list), (list, np.ndarray))
        check_bool(f"{owner}.load", "channels_first", channels_first)
        if partition is not None and check_str(f"{owner}.load", "partition", partition) not in PARTITIONS:
            raise WrongValue(f"{owner}.load: partition", partition, PARTITIONS)
        if len(stimuli_list) == 0:
            raise IsEmptyError("stimuli_list")
        images = [self._checked(i, image) for i, image in enumerate(stimuli_list)]
        labels = self._labels(labels_list, len(images))

        first = len(self._handle)
        start = 0
        for _, group in groupby(images, key=lambda image: (image.shape, image.dtype)):
            block = np.stack(list(group))
            if block.ndim == 3:
                block = block[..., None]
            elif channels_first:
                block = block.transpose(0, 2, 3, 1)
            if block.dtype != np.uint8:
                block = block.astype(np.float32, copy=False)
            self._handle.add(np.ascontiguousarray(block), labels[start : start + len(block)])
            start += len(block)
        if partition is not None:
            self._handle.assign(first, len(self._handle), partition, self.random_partitioning)

    def _checked(self, i: int, image: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        what = f"{self._owner()}.load: stimulus {i}"
        if not isinstance(image, np.ndarray):
            raise WrongInputType(what, type(image), np.ndarray)
        if image.dtype not in (np.uint8, np.float32, np.float64):
            hint = "convert it with astype(numpy.float32)"
            raise WrongInputType(f"{what} has type {image.dtype}, expected uint8, float32 or float64; {hint}")
        if image.ndim not in (2, 3) or 0 in image.shape:
            raise ShapeError(
                f"{what} has shape {list(image.shape)}, expected [c, h, w] or [h, w] with sizes of at least 1"
            )
        return image

    def _labels(self, labels_list: Sequence[int] | NDArray[np.integer[Any]] | None, count: int) -> NDArray[np.int32]:
        import numpy as np

        owner = self._owner()
        if labels_list is None:
            warnings.warn(f"{owner}.load: no labels were given; all stimuli get label 0", UserWarning, stacklevel=3)
            return np.zeros(count, np.int32)
        if not isinstance(labels_list, (list, tuple, np.ndarray)):
            raise WrongInputType(f"{owner}.load: labels_list", type(labels_list), (list, np.ndarray))
        if len(labels_list) != count:
            raise DataError(f"{owner}.load: {len(labels_list)} labels for {count} stimuli")
        for i, label in enumerate(labels_list):
            if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
                raise WrongInputType(f"{owner}.load: label of stimulus {i}", type(label), int)
            if not -1 <= label < _MOST_LABELS:
                expected = f"a class number from 0 to {_MOST_LABELS - 1}, or -1 for a stimulus that no target counts"
                raise WrongValue(f"{owner}.load: label of stimulus {i}", int(label), expected)
        return np.array(labels_list, np.int32)
