"""n2d2, as a user writes it."""

from __future__ import annotations

import itertools

import numpy as np

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


class N2d2Training:
    """Training steps of n2d2; the score counts, as always, what the network got right."""

    name = "n2d2"

    def __init__(self, network: Network, batches: list[Batch]) -> None:
        n2d2.global_variables.seed = 1
        container = network.ours()
        self._container = container
        container.set_solver(n2d2.solver.SGD(learning_rate=LEARNING_RATE, momentum=MOMENTUM))
        sources = [
            n2d2.provider.TensorPlaceholder(x, n2d2.Tensor.from_numpy(batch.labels))
            for x, batch in zip(data_tensors(batches), batches, strict=True)
        ]
        self._model = container.to_deepnet_cell(sources[0])
        self._batches = itertools.cycle([(source(), n2d2.target.Score(source)) for source in sources])
        self.start = parameters_of(container)
        """The parameters before the first step."""

    def step(self) -> None:
        """Train on the next batch."""
        x, target = next(self._batches)
        loss = target(self._model(x))
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
        y = self._model(n2d2.Tensor.from_numpy(self._x)).to_numpy()
        return np.asarray(y).reshape(len(y), -1)

    def step(self) -> None:
        """Compute once."""
        self.infer()

    def finish(self) -> None:
        """Nothing to wait for."""
