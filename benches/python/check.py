"""Do all compute the same? Each is compared with PyTorch in float64.

A float32 run leaves the exact one step by step, and how fast depends on the network: batch normalisation and rectifiers
make it chaotic. PyTorch's own float32 run says how fast; nobody may be more than `FACTOR` times as far away, or farther
than the floor if that is more. A run that has gone `CEILING` of the way elsewhere computes something else in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batches import Batch
from networks import Floats, Network
from peers import Inferrer, TorchInference, TorchTraining, Trainer

STEPS = 10
FACTOR = 4.0
TRAINING_FLOOR, INFERENCE_FLOOR = 1e-5, 1e-4
CEILING = 0.2


def _finite(distance: float) -> float:
    return distance if np.isfinite(distance) else float("inf")


def training_distance(values: list[Floats], exact: list[NDArray[Any]], start: list[Floats]) -> float:
    """Return how far parameters are from the exact ones, as a part of the way that those came from the start.

    Weights of layers count apart from vectors (biases, normalisation and its statistics), whose way can be far longer;
    the larger distance counts.
    """
    found = []
    for vectors in (False, True):
        chosen = [k for k, array in enumerate(exact) if (array.ndim == 1) == vectors]
        away = sum(float(np.square(values[k] - exact[k].astype(np.float64)).sum()) for k in chosen)
        way = sum(float(np.square(exact[k] - start[k].astype(np.float64)).sum()) for k in chosen)
        found.append(_finite(float(np.sqrt(away / way))) if way else 0.0)
    return max(found)


def output_distance(values: Floats, exact: NDArray[Any]) -> float:
    """Return the largest difference of outputs, as a part of the largest output."""
    return _finite(float(np.abs(values - exact.astype(np.float64)).max() / np.abs(exact).max()))


class Judge:
    """Says whether a result is near enough to the exact one."""

    def __init__(self, distance: Callable[[Any], float], float32: Any, floor: float) -> None:
        self._distance = distance
        self.limit = min(max(FACTOR * distance(float32), floor), CEILING)

    def check(self, name: str, result: Any) -> float:
        """Return the distance of a result.

        Raises:
            ValueError: It is too far away.
        """
        found = self._distance(result)
        if not found <= self.limit:
            raise ValueError(f"{name} is {found:.1e} from the float64 result, at most {self.limit:.1e} are allowed")
        return found


def trained(contender: Trainer) -> list[Floats]:
    """Return the parameters after the first steps."""
    for _ in range(STEPS):
        contender.step()
    contender.finish()
    return contender.parameters()


def training_judge(network: Network, batches: list[Batch], start: list[Floats]) -> Judge:
    """Return the judge of training steps."""
    exact, float32 = (
        trained(TorchTraining("eager", network, batches[:STEPS], start, double=double)) for double in (True, False)
    )
    return Judge(lambda result: training_distance(result, exact, start), float32, TRAINING_FLOOR)


def inference_judge(network: Network, batch: Batch, start: list[Floats]) -> Judge:
    """Return the judge of outputs."""
    exact, float32 = (TorchInference("eager", network, batch, start, double=double).infer() for double in (True, False))
    return Judge(lambda result: output_distance(result, exact), float32, INFERENCE_FLOOR)


def check_output(judge: Judge, contender: Inferrer) -> float:
    """Return the distance of an output."""
    return judge.check(contender.name, contender.infer())
