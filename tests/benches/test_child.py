"""Processes that measure."""

from __future__ import annotations

import os

import pytest

import child


def test_both_get_as_many_threads() -> None:
    found = child.settings(3, keep_memory=True)
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "3"
    assert "intra_op_parallelism_threads=3" in found["XLA_FLAGS"]
    assert set(child.KEEP_MEMORY) <= set(found)
    assert not set(child.KEEP_MEMORY) & set(child.settings(3, keep_memory=False))


def test_processors_share_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}

    class Siblings:
        def __init__(self, path: str) -> None:
            self.cpu = int(path.split("/cpu/cpu")[1].split("/", maxsplit=1)[0])

        def exists(self) -> bool:
            return True

        def read_text(self) -> str:
            return siblings[self.cpu]

    monkeypatch.setattr(child, "Path", Siblings)
    assert child.processors(1) == {0}
    assert child.processors(2) == {0, 1}
    # More threads than cores share them.
    assert child.processors(3) == {0, 1, 2}
    siblings.update({1: "0,1", 0: "0,1", 2: "2,3", 3: "2,3"})
    assert child.processors(2) == {0, 2}


def test_a_child_answers_or_its_failure_is_reported() -> None:
    with pytest.raises(RuntimeError, match="--row training-lenet-3 ended with 1"):
        child.in_child(["--row", "training-lenet-3"], 1)
