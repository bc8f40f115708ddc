"""Cases recorded from the original: their index and their arrays."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent.parent / "golden"
RTOL, ATOL = 1e-5, 1e-6


@cache
def _archive(group: str) -> dict[str, NDArray[Any]]:
    with np.load(FOLDER / f"{group}.npz") as archive:
        return dict(archive)


class Case:
    """One recorded case: a line of the index, with its arrays."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.id: str = entry["id"]
        self.group, self.name = self.id.split("/", 1)
        self.entry = entry

    def __getitem__(self, array: str) -> NDArray[Any]:
        return _archive(self.group)[f"{self.name}/{array}"]

    def __contains__(self, array: str) -> bool:
        return self.get_array(array) is not None

    def get_array(self, array: str) -> NDArray[Any] | None:
        """Return an array, or None if the case has none of that name."""
        try:
            return self[array]
        except (KeyError, FileNotFoundError):
            return None

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field of the index line."""
        return self.entry.get(key, default)

    def trusted(self, array: str) -> bool:
        """Return False for an array that a defect of the original has spoilt."""
        return array not in self.get("do_not_trust", [])


def load() -> dict[str, Case]:
    """Return every case by its id."""
    index = json.loads((FOLDER / "index.json").read_text())
    return {entry["id"]: Case(entry) for entry in index["cases"]}


def assert_close(actual: Any, expected: Any, what: str) -> None:
    """Compare within the tolerance of recorded values."""
    np.testing.assert_allclose(
        np.asarray(actual, dtype=float), np.asarray(expected, dtype=float), RTOL, ATOL, err_msg=what
    )
