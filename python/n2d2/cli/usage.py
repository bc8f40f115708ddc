"""The error of a command line that makes no sense."""

from __future__ import annotations


class UsageError(Exception):
    """Words of the command line that do not fit together; the exit code is 2."""
