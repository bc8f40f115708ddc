"""The images that every contender sees."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import n2d2
from networks import Network

# Enough different images that a small network cannot learn them by heart at once; all stay in memory.
MOST_BYTES, MOST_IMAGES, MOST_BATCHES, FEWEST_BATCHES = 1 << 24, 2048, 64, 4


class Batch(NamedTuple):
    """Images `[n, c, h, w]` and their labels `[n]`."""

    x: NDArray[np.float32]
    labels: NDArray[np.int32]


def batches(network: Network, size: int) -> list[Batch]:
    """Return batches of a size: shipped digits for images of 28x28, random pixels and labels for the others."""
    bytes_of_batch = 4 * size * math.prod(network.size)
    count = max(FEWEST_BATCHES, min(MOST_BATCHES, MOST_IMAGES // size, MOST_BYTES // bytes_of_batch))
    if network.size == (1, 28, 28):
        n2d2.global_variables.seed = 1  # The partitions of the database are drawn.
        provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=size)
        provider.set_partition("Learn")
        found = []
        for k in range(count):
            x = np.ascontiguousarray(provider.read_batch(k * size).to_numpy())
            found.append(Batch(x, provider.get_labels().to_numpy().ravel().astype(np.int32)))
        return found
    generator = np.random.default_rng(1)
    shape = (size, *network.size)
    return [
        Batch(
            generator.standard_normal(shape, dtype=np.float32),
            generator.integers(0, network.classes, size).astype(np.int32),
        )
        for _ in range(count)
    ]
