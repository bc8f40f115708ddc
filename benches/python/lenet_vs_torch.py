"""Trains a LeNet beside PyTorch on the CPU and writes the comparison to benches/RESULTS.md.

Both start from the same parameters and see the same batches; the first steps are compared before anything is measured.
Then n2d2 and PyTorch's best mode take turns in one process. A step of n2d2 reads its batch from the provider and keeps
the score; PyTorch finds its batches ready in memory and keeps none.

    make bench-python
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import Conv, Fc, Pool2d, Sequence, Softmax

RESULTS = Path(__file__).parent.parent / "RESULTS.md"
LEARNING_RATE, MOMENTUM = 0.01, 0.9
BATCHES = (1, 32, 256)
ROUNDS = 9
ROUND_S, CHOICE_S, WARM_S = 0.6, 1.0, 0.1
Step = Callable[[], None]


def n2d2_network() -> Sequence:
    """Return the LeNet, with He weights and one solver."""
    fill = n2d2.ConfigSection(weights_filler=n2d2.filler.He(), bias_filler=n2d2.filler.Constant())
    return Sequence(
        [
            Conv(1, 6, [5, 5], activation=Rectifier(), **fill),
            Pool2d([2, 2], stride_dims=[2, 2]),
            Conv(6, 16, [5, 5], activation=Rectifier(), **fill),
            Pool2d([2, 2], stride_dims=[2, 2]),
            Fc(256, 120, activation=Rectifier(), **fill),
            Fc(120, 84, activation=Rectifier(), **fill),
            Fc(84, 10, **fill),
            Softmax(with_loss=True),
        ]
    )


class N2d2:
    """Training steps of n2d2 over the shipped digits."""

    def __init__(self, batch: int) -> None:
        n2d2.global_variables.seed = 1
        self.provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=batch)
        self.provider.set_partition("Learn")
        self.model = n2d2_network()
        self.model.set_solver(n2d2.solver.SGD(learning_rate=LEARNING_RATE, momentum=MOMENTUM))
        self.target = n2d2.target.Score(self.provider)
        full = 4000 // batch * batch
        self.starts = itertools.cycle(range(0, full, batch))

    def step(self) -> None:
        """Train on the next batch."""
        output = self.model(self.provider.read_batch(next(self.starts)))
        loss = self.target(output)
        loss.back_propagate()
        loss.update()

    def batches(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return every batch of an epoch as PyTorch tensors."""
        batch = self.provider.get_batch_size()
        found = []
        for start in range(0, 4000 // batch * batch, batch):
            x = self.provider.read_batch(start).to_numpy(copy=True)
            labels = self.provider.get_labels().to_numpy(copy=True).ravel()
            found.append((torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(labels.astype(np.int64))))
        return found

    def layers(self) -> list[Conv | Fc]:
        """Return the cells that have parameters."""
        return [cell for cell in self.model if isinstance(cell, Conv | Fc)]


def weights(cell: Conv | Fc) -> np.ndarray:
    """Return the weights of a cell as PyTorch shapes them."""
    rows = [np.stack([w.to_numpy() for w in row]) for row in cell.get_weights()]
    return np.stack(rows) if isinstance(cell, Conv) else np.stack(rows).reshape(len(rows), -1)


def biases(cell: Conv | Fc) -> np.ndarray:
    """Return the biases of a cell."""
    return np.array([b.to_numpy().item() for b in cell.get_biases()], dtype=np.float32)


class Torch:
    """Training steps of PyTorch, in one of its modes, from the parameters of an n2d2 network."""

    MODES = ("eager", "channels_last", "compile", "compile, channels_last")

    def __init__(self, mode: str, ours: N2d2) -> None:
        self.mode = mode
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
        parameters = list(self.net.parameters())
        with torch.no_grad():
            for k, cell in enumerate(ours.layers()):
                parameters[2 * k].copy_(torch.from_numpy(weights(cell)))
                parameters[2 * k + 1].copy_(torch.from_numpy(biases(cell)))
        batches = ours.batches()
        if "channels_last" in mode:
            self.net = self.net.to(memory_format=torch.channels_last)
            batches = [(x.to(memory_format=torch.channels_last), y) for x, y in batches]
        self.batches = itertools.cycle(batches)
        self.solver = torch.optim.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=True)
        self.loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = self._loss
        if "compile" in mode:
            self.loss = torch.compile(self._loss)

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(x), y)

    def step(self) -> None:
        """Train on the next batch."""
        self.loss(*next(self.batches)).backward()
        self.solver.step()
        self.solver.zero_grad(set_to_none=True)


def check_same(batch: int) -> float:
    """Run ten steps of both and return the largest difference of a parameter.

    Raises:
        AssertionError: If the two do not compute the same thing.
    """
    ours = N2d2(batch)
    theirs = Torch("eager", ours)
    for _ in range(10):
        ours.step()
        theirs.step()
    parameters = [p.detach().numpy() for p in theirs.net.parameters()]
    pairs = [(weights(c), parameters[2 * k]) for k, c in enumerate(ours.layers())]
    pairs += [(biases(c), parameters[2 * k + 1]) for k, c in enumerate(ours.layers())]
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    assert worst < 1e-4, f"after 10 steps of batch {batch} the parameters differ by {worst}"
    return worst


def run_for(step: Step, seconds: float) -> float:
    """Return the median time of a step, in microseconds."""
    times = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        step()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def best_mode(ours: N2d2) -> tuple[Torch, dict[str, float]]:
    """Return PyTorch in its fastest mode, and the time of every mode."""
    found, times = {}, {}
    for mode in Torch.MODES:
        theirs = Torch(mode, ours)
        run_for(theirs.step, CHOICE_S)
        found[mode], times[mode] = theirs, run_for(theirs.step, CHOICE_S)
    return found[min(times, key=times.__getitem__)], times


def compare(batch: int) -> tuple[str, float]:
    """Return a row of the table for a batch size, and the ratio in it."""
    difference = check_same(batch)
    ours = N2d2(batch)
    theirs, times = best_mode(ours)
    rounds = []
    for _ in range(ROUNDS):
        pair = []
        for step in (ours.step, theirs.step):
            run_for(step, WARM_S)
            pair.append(run_for(step, ROUND_S))
        rounds.append(pair)
    ours_us, theirs_us = (statistics.median(r[k] for r in rounds) for k in (0, 1))
    ratios = sorted(b / a for a, b in rounds)
    ratio = statistics.median(ratios)
    modes = ", ".join(f"{m} {t:.0f}" for m, t in sorted(times.items(), key=lambda kv: kv[1]))
    print(f"batch {batch}: n2d2 {ours_us:.0f} us, PyTorch {theirs_us:.0f} us ({modes}), ratio {ratio:.2f}", flush=True)
    row = (
        f"| {batch} | {ours_us:.0f} | {1e6 * batch / ours_us:,.0f} | {theirs_us:.0f} | {theirs.mode} | {ratio:.2f} "
        f"| {ratios[0]:.2f} to {ratios[-1]:.2f} | {difference:.1e} |"
    )
    return row, ratio


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure every batch size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="threads of both (default 2)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="batch sizes")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    n2d2.global_variables.nb_threads = arguments.threads
    rows = [compare(batch)[0] for batch in arguments.batches]
    text = f"""# Measured beside PyTorch

Written by `make bench`. A LeNet (1-6-16 5x5 convolutions, 256-120-84-10 dense, ReLU, max pooling), SGD with momentum,
on the shipped digits; forward, loss, backward and update; {arguments.threads} threads each; medians of {ROUNDS}
alternating rounds of {ROUND_S} s in one process. PyTorch runs in the fastest of its modes
({"; ".join(Torch.MODES)}), all with fused SGD. n2d2's time includes reading the batch and
keeping the score. The last column is the largest difference between the two sets of parameters after ten steps from
the same start.

{processor()}; n2d2 {n2d2.__version__} ({n2d2._core.isa()}), PyTorch {torch.__version__},
NumPy {np.__version__}, Python {platform.python_version()}.

| batch | n2d2, us | images/s | PyTorch, us | its mode | times faster | over the rounds | difference |
|---|---|---|---|---|---|---|---|
""" + "\n".join(rows)
    print(text)
    if not arguments.no_write:
        RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
