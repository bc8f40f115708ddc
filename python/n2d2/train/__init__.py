"""Aids to train a network: progress reports."""

from __future__ import annotations

from n2d2.train.progress import Progress

__all__ = ["Progress"]
