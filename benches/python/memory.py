"""What a training takes from the memory of the machine."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from batches import batches
from networks import NETWORKS
from ours import N2d2Training

STEPS_OF_PEAK = 8
STEPS_OF_GROWTH, WARM_STEPS = 10_000, 500


def peak_mb() -> float:
    """Return the largest resident memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def now_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak(name: str, batch: int, who: str, threads: int) -> dict[str, Any]:
    """Train a network some steps by n2d2, or by PyTorch in a mode, and return the peak of the memory.

    Arguments:
        name: Network.
        batch: Images of a batch.
        who: `n2d2`, or a mode of PyTorch.
        threads: Threads of PyTorch.
    """
    network = NETWORKS[name]
    data = batches(network, batch)
    if who == "n2d2":
        before = now_mb()
        step = N2d2Training(network, data).step
    else:
        import torch

        from networks import torch_parameters
        from peers import TorchTraining

        torch.set_num_threads(threads)
        before = now_mb()
        start = [tensor.numpy() for tensor in torch_parameters(network.torch().requires_grad_(False))]
        step = TorchTraining(who, network, data, start).step
        del start
    for _ in range(STEPS_OF_PEAK):
        step()
    return {"peak_mb": peak_mb(), "before_mb": before}


def growth(name: str, batch: int) -> dict[str, Any]:
    """Train a network 10,000 steps by n2d2 and return the memory after the first hundreds and at the end."""
    network = NETWORKS[name]
    ours = N2d2Training(network, batches(network, batch))
    found = []
    for k in range(STEPS_OF_GROWTH + 1):
        if k in {WARM_STEPS, STEPS_OF_GROWTH}:
            found.append(now_mb())
        ours.step()
    return {"warm_mb": found[0], "end_mb": found[1], "warm_steps": WARM_STEPS, "steps": STEPS_OF_GROWTH}
