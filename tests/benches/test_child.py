"""Processes that measure."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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


def test_a_child_gets_variables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def run(command: list[str], env: dict[str, str], check: bool) -> subprocess.CompletedProcess[bytes]:
        seen.update(env)
        Path(command[command.index("--child") + 1]).write_text("[1]")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(child.subprocess, "run", run)
    assert child.in_child(["--row", "machine"], 1, environment={"N2D2_ISA": "avx2"}) == [1]
    assert (seen["N2D2_ISA"], seen["OMP_NUM_THREADS"]) == ("avx2", "1")
