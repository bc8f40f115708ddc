"""n2d2, as a user writes it."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

import n2d2
from batches import Batch
from networks import Floats, Network, parameters_of

LEARNING_RATE, MOMENTUM = 0.01, 0.9


def data_tensors(batches: list[Batch]) -> list[n2d2.Tensor]:
    """Return batches as a provider gives them: data, whose gradient nobody needs."""
    database = n2d2.database.Numpy(random_partitioning=False)
    channels, height, width = batches[0].x.shape[1:]
    for batch in batches:
        database.load(list(batch.x), batch.labels, partition="Learn")
    size = len(batches[0].x)
    provider = n2d2.provider.DataProvider(database, [width, height, channels], batch_size=size)
    provider.set_partition("Learn")
    return [provider.read_batch(k * size) for k in range(len(batches))]


class Batches(n2d2.provider.Provider):
    """Gives batches that lie ready in memory, one after the other and again from the first.

    One provider with one target, as for any data: a target keeps its last output, with all that led to it.
    """

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__()
        self._labels = batches[0].labels
        self._batches = itertools.cycle(zip(data_tensors(batches), [batch.labels for batch in batches], strict=True))
        self._ids = np.arange(len(self._labels), dtype=np.uint32)

    def read_batch(self) -> n2d2.Tensor:
        """Return the next batch."""
        x, self._labels = next(self._batches)
        return x

    def labels_array(self) -> NDArray[np.int32]:
        """Return the labels of the batch that was read."""
        return self._labels

    def stimuli_ids(self) -> NDArray[np.uint32]:
        """Return the places of the stimuli in the batch."""
        return self._ids


class N2d2Training:
    """Training steps of n2d2; the score counts, as always, what the network got right."""

    name = "n2d2"

    def __init__(self, network: Network, batches: list[Batch]) -> None:
        n2d2.global_variables.seed = 1
        container = network.ours()
        self._container = container
        container.set_solver(n2d2.solver.SGD(learning_rate=LEARNING_RATE, momentum=MOMENTUM))
        one = n2d2.provider.TensorPlaceholder(n2d2.Tensor.from_numpy(batches[0].x[:1]))
        self._model = container.to_deepnet_cell(one)
        self._provider = Batches(batches)
        self._target = n2d2.target.Score(self._provider)
        self.start = parameters_of(container)
        """The parameters before the first step."""

    def step(self) -> None:
        """Train on the next batch."""
        loss = self._target(self._model(self._provider.read_batch()))
        loss.back_propagate()
        loss.update()

    def finish(self) -> None:
        """Nothing to wait for."""

    def parameters(self) -> list[Floats]:
        """Return all parameters, as PyTorch orders and shapes them."""
        return parameters_of(self._container)


class N2d2Inference:
    """A network of n2d2 in test mode: NumPy in, NumPy out."""

    name = "n2d2"

    def __init__(self, network: Network, batch: Batch) -> None:
        n2d2.global_variables.seed = 1
        container = network.ours()
        source = n2d2.provider.TensorPlaceholder(n2d2.Tensor.from_numpy(batch.x[:1]))
        self._model = container.to_deepnet_cell(source).test()
        self._x = batch.x
        self.start = parameters_of(container)

    def onnx(self) -> bytes:
        """Return the network as an ONNX file for batches of this size, normalisations folded into convolutions."""
        sizes = list(self._x.shape[1:])
        model = n2d2.onnx.to_model(self._model, input_shape=sizes, batch_size=len(self._x), fuse_batch_norm=True)
        return bytes(model.SerializeToString())

    def infer(self) -> Floats:
        """Return the probabilities of the classes, `[n, classes]`."""
        y = self._model.predict(self._x)
        return np.asarray(y).reshape(len(y), -1)

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""
