"""Do all compute the same? Each is compared with PyTorch in float64.

A float32 run leaves the exact one step by step, and how fast depends on the network: PyTorch's own float32 run says how
fast. Nobody may be more than `FACTOR` times as far away, or farther than the floor if that is more. Distances are
relative to the largest value of a tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batches import Batch
from networks import Floats, Network
from peers import Inferrer, TorchInference, TorchTraining, Trainer

STEPS = 10
FACTOR = 4.0
TRAINING_FLOOR = 1e-5
# What fast algorithms of convolution, such as Winograd's, may cost.
INFERENCE_FLOOR = 1e-4


def distance(values: list[Floats], exact: list[NDArray[Any]]) -> float:
    """Return the largest distance of some tensors from others, relative to the largest value of each of those."""
    worst = 0.0
    for value, reference in zip(values, exact, strict=True):
        scale = max(float(np.abs(reference).max()), 1e-3)
        difference = np.abs(value.astype(np.float64) - reference).max() / scale
        worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
    return worst


class Judge:
    """Knows the exact result, and how far float32 may be from it."""

    def __init__(self, exact: list[NDArray[Any]], float32: list[Floats], floor: float) -> None:
        self._exact = exact
        self.limit = max(FACTOR * distance(float32, exact), floor)

    def check(self, name: str, values: list[Floats]) -> float:
        """Return the distance of a result.

        Raises:
            ValueError: It is too far away.
        """
        found = distance(values, self._exact)
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
    return Judge(exact, float32, TRAINING_FLOOR)


def inference_judge(network: Network, batch: Batch, start: list[Floats]) -> Judge:
    """Return the judge of outputs."""
    exact, float32 = (
        [TorchInference("eager", network, batch, start, double=double).infer()] for double in (True, False)
    )
    return Judge(exact, float32, INFERENCE_FLOOR)


def check_output(judge: Judge, contender: Inferrer) -> float:
    """Return the distance of an output."""
    return judge.check(contender.name, [contender.infer()])
