"""Where a training stands: what callbacks read, and the wish to stop that they write."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2d2.cells.block import Block
    from n2d2.provider import Provider
    from n2d2.target.target import Target


@dataclass
class Run:
    """The state of a training, handed to each `Callback`.

    The loop writes the counters; a callback may set `stop`, which ends the training after the present epoch, and say
    why in `reason`.

    Arguments:
        model (n2d2.cells.DeepNetCell): The network that learns.
        provider (n2d2.provider.Provider): Source of its data.
        targets (list): Its targets.
        epochs (int): Epochs in all.
        log_dir (Path, optional): Folder of all files of the training, default=the working directory.
        epoch (int, optional): Present epoch, from 1; 0 before the first, default=0.
        batch (int, optional): Batches done in this epoch, default=0.
        batches (int, optional): Batches of this epoch, default=0.
        step (int, optional): Batches done since the beginning, default=0.
        stop (bool, optional): True ends the training after this epoch, default=False.
        reason (str, optional): Why it stopped, default="".

    Example:
        >>> import n2d2
        >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2)])
        >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 2]))
        >>> run = Run(model, source, [], epochs=10)
        >>> run.epoch, run.stop, run.seconds < 60
        (0, False, True)
    """

    model: Block
    provider: Provider
    targets: list[Target]
    epochs: int
    log_dir: Path = Path()
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    step: int = 0
    stop: bool = False
    reason: str = ""
    _started: datetime = field(default_factory=lambda: datetime.now(timezone.utc), init=False, repr=False)
    _begun_s: float = field(default_factory=time.perf_counter, init=False, repr=False)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begun_s

    @property
    def started(self) -> str:
        """Date and time of the beginning, in UTC: `2026-01-31T12:00:00Z`. It tells trainings in one log apart."""
        return self._started.strftime("%Y-%m-%dT%H:%M:%SZ")
