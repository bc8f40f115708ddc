"""Do all compute the same? Each is compared with PyTorch in float64.

A float32 run leaves the exact one step by step, and how fast depends on the network: batch normalisation and rectifiers
can make it chaotic. PyTorch's own float32 runs, in both layouts, say how fast; nobody may be more than `FACTOR` times
as far away as the farther of them, or farther than the floor if that is more. Parameters are compared after the first
step, which shows the arithmetic, and again after as many as PyTorch's runs stay near the exact one, which shows the
solver. By then a rectifier or a pool may have decided otherwise about values that are almost equal, so the floor is
higher: on the small VGG, one in eight runs of PyTorch that start a rounding apart jumps so by 1e-4 of the way within
ten steps of four images, and its layouts are 2e-3 from the exact run after ten steps of 64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batches import Batch
from networks import Floats, Network
from peers import Inferrer, TorchInference, TorchTraining, Trainer

CHECKPOINTS = (1, 2, 3, 5, 10)
# A part of the way: PyTorch's float32 runs are near the exact one up to here.
NEAR = 0.05
FACTOR = 4.0
FIRST_STEP_FLOOR, LAST_STEP_FLOOR, INFERENCE_FLOOR = 1e-5, 5e-3, 1e-4
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
    """Says whether a result is near enough to the exact one.

    Arguments:
        distance: Distance of a result from the exact one.
        float32: Results that are right.
        floor: Distance that is always allowed.
        steps: Training steps that lead to the result.
    """

    def __init__(self, distance: Callable[[Any], float], float32: list[Any], floor: float, steps: int = 0) -> None:
        self._distance = distance
        self.limit = min(max(FACTOR * max(map(distance, float32)), floor), CEILING)
        self.steps = steps

    def check(self, name: str, result: Any) -> float:
        """Return the distance of a result.

        Raises:
            ValueError: It is too far away.
        """
        found = self._distance(result)
        if not found <= self.limit:
            raise ValueError(f"{name} is {found:.1e} from the float64 result, at most {self.limit:.1e} are allowed")
        return found


def training_judges(network: Network, batches: list[Batch], start: list[Floats]) -> list[Judge]:
    """Return the judges of the first step and of the last that can be compared; one if they are the same."""
    data = batches[: CHECKPOINTS[-1]]
    exact = TorchTraining("eager", network, data, start, double=True)
    float32 = [TorchTraining(mode, network, data, start) for mode in ("eager", "channels_last")]
    judges: list[Judge] = []
    for steps in range(1, CHECKPOINTS[-1] + 1):
        for run in (exact, *float32):
            run.step()
        if steps in CHECKPOINTS:
            distance = partial(training_distance, exact=exact.parameters(), start=start)
            results = [run.parameters() for run in float32]
            if judges and max(map(distance, results)) > NEAR:
                break
            floor = LAST_STEP_FLOOR if judges else FIRST_STEP_FLOOR
            judges = [*judges[:1], Judge(distance, results, floor, steps)]
    return judges


def check_training(judges: list[Judge], contender: Trainer) -> list[float]:
    """Train and return the distance of the parameters at each judge."""
    found, done = [], 0
    for judge in judges:
        for _ in range(judge.steps - done):
            contender.step()
        done = judge.steps
        contender.finish()
        found.append(judge.check(f"{contender.name}, step {done},", contender.parameters()))
    return found


def inference_judge(network: Network, batch: Batch, start: list[Floats]) -> Judge:
    """Return the judge of outputs."""
    exact = TorchInference("eager", network, batch, start, double=True).infer()
    float32 = [TorchInference(mode, network, batch, start).infer() for mode in ("eager", "channels_last")]
    return Judge(partial(output_distance, exact=exact), float32, INFERENCE_FLOOR)


def check_output(judge: Judge, contender: Inferrer) -> list[float]:
    """Return the distance of an output."""
    return [judge.check(contender.name, contender.infer())]
