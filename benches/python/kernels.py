"""The kernels by themselves: what the benches of the engine write, shape by shape and pass by pass."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = "kernels-"
BENCHES = ("conv", "memory")
ROUNDS = 7
"""As in `crates/n2d2-core/benches/machine/mod.rs`."""
ROOT = Path(__file__).parent.parent.parent
PASSES = {"conv": ("forward", "backward-data", "backward-weights"), "memory": ("forward", "backward", "update")}


def key_of(bench: str) -> str:
    """Return what the command line and the files call a bench."""
    return PREFIX + bench


def run_bench(bench: str, file: Path) -> None:
    """Run a bench of the engine, whose figures are appended to a file.

    Raises:
        RuntimeError: It failed.
    """
    command = ["cargo", "bench", "--package", "n2d2-core", "--locked", "--bench", bench]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "N2D2_BENCH_JSON": str(file)}, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")


def measured(key: str, run: Callable[[str, Path], None] = run_bench) -> list[dict[str, Any]]:
    """Run a bench and return its figures in the order of its rows, with the time of the measurement.

    Arguments:
        key: Key of the bench.
        run: Runs a bench.

    Raises:
        RuntimeError: It failed, or it wrote nothing.
    """
    bench = key.removeprefix(PREFIX)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.jsonl"
        run(bench, file)
        lines = file.read_text().splitlines() if file.exists() else []
    if not lines:
        raise RuntimeError(f"the bench {bench} wrote no figures")
    date = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M")
    return [{**json.loads(line), "date": date} for line in lines]


def reaches(figure: dict[str, Any]) -> bool:
    """Return whether a figure reaches what is wanted.

    Of a pass that memory bounds, that is a share of the speed for as many bytes; of one that may be bounded by its
    arithmetic instead, of the slower of the two.
    """
    shares = (figure.get("of_bound"), figure["of_size"], figure["share"])
    share = next(share for share in shares if share is not None)
    return bool(share >= figure["floor"])


def summary(figures: list[dict[str, Any]]) -> str:
    """Return a line for the terminal."""
    wanted = [figure for figure in figures if figure["floor"] is not None]
    return f"{len(figures)} figures, {sum(map(reaches, wanted))} of {len(wanted)} above their floor"
