"""Aids to train a network: progress reports, and callbacks of `fit`."""

from __future__ import annotations

from n2d2.train.callback import METRICS, Callback
from n2d2.train.progress import Progress
from n2d2.train.run import Run

__all__ = ["METRICS", "Callback", "Progress", "Run"]
