"""Aids to train a network: progress reports, and callbacks of `fit`."""

from __future__ import annotations

from n2d2.train.callback import METRICS, Callback
from n2d2.train.checkpoint import Checkpoint
from n2d2.train.csv_log import CsvLog
from n2d2.train.early_stopping import EarlyStopping
from n2d2.train.json_lines import JsonLines
from n2d2.train.learning_rate_log import LearningRateLog, learning_rate
from n2d2.train.profile import Profile, ProfiledPass
from n2d2.train.progress import Progress
from n2d2.train.run import Run
from n2d2.train.tensor_board import TensorBoard

__all__ = [
    "METRICS",
    "Callback",
    "Checkpoint",
    "CsvLog",
    "EarlyStopping",
    "JsonLines",
    "LearningRateLog",
    "Profile",
    "ProfiledPass",
    "Progress",
    "Run",
    "TensorBoard",
    "learning_rate",
]
