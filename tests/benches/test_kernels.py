"""How the benches of the engine are run and read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kernels


def test_the_figures_of_a_bench_come_with_the_time_of_the_measurement() -> None:
    asked: list[str] = []

    def run(bench: str, file: Path) -> None:
        asked.append(bench)
        lines = [
            {"name": name, "share": share, "floor": floor, "of_size": None}
            for name, share, floor in (("a", 0.5, 0.8), ("b", 1, None))
        ]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    found = kernels.measured("kernels-memory", run)
    assert asked == ["memory"]
    assert [figure["name"] for figure in found] == ["a", "b"]
    assert all(figure["date"].startswith("20") for figure in found)
    assert kernels.summary(found) == "2 figures, 0 of 1 above their floor"


def test_a_bench_that_writes_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="the bench conv wrote no figures"):
        kernels.measured("kernels-conv", lambda bench, file: None)


def test_the_rounds_and_the_variable_are_those_of_the_benches() -> None:
    source = (kernels.ROOT / "crates" / "n2d2-core" / "benches" / "machine" / "mod.rs").read_text()
    assert f"pub const ROUNDS: usize = {kernels.ROUNDS};" in source
    assert "N2D2_BENCH_JSON" in source
    for bench in kernels.BENCHES:
        text = (kernels.ROOT / "crates" / "n2d2-core" / "benches" / f"{bench}.rs").read_text()
        assert all(f'"{which}"' in text for which in kernels.PASSES[bench])
