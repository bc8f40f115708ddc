"""Targets: what the output of a network should be, and how well it is."""

from __future__ import annotations

from n2d2.target.score import Score
from n2d2.target.target import Target

__all__ = ["Score", "Target"]
