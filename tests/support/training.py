"""A training loop that calls callbacks as `fit` promises to, for their tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import n2d2
from n2d2.train import Callback, Run

Epochs = Sequence[dict[str, float]]


class Loss:
    """A target whose last loss is the number of batches that it was asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def recent(self, window: int) -> tuple[float, float, int]:
        assert window == 1
        self.asked += 1
        return float(self.asked), 0.5, 4


def model() -> n2d2.cells.Sequence:
    """Return a network of two parameters."""
    one = n2d2.filler.Constant(value=1.0)
    return n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, filler=one, name="fc")], name="net")


def play(
    folder: Path,
    epochs: Epochs,
    *callbacks: Callback,
    batches: int = 3,
    net: n2d2.cells.Sequence | None = None,
    learn: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Go through epochs with given metrics, as `fit` does, and return the state at the end."""
    source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 2], value=1.0))
    run = Run(net or model(), source, [Loss()], epochs=len(epochs), log_dir=folder)
    try:
        for callback in callbacks:
            callback.begin(run)
        for run.epoch, metrics in enumerate(epochs, 1):
            run.batches = batches
            for run.batch in range(1, batches + 1):
                run.step += 1
                learn(run)
                for callback in callbacks:
                    callback.batch(run)
            for callback in callbacks:
                callback.epoch(run, dict(metrics))
            if run.stop:
                break
    finally:
        for callback in callbacks:
            callback.end(run)
    return run
