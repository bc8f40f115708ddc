"""What the comparison writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import report


def row(key: str, ratio: float) -> dict[str, Any]:
    training = key.startswith("training")
    return {
        "key": key,
        "n2d2_ms": 0.5,
        "peer": "JAX jit NCHW",
        "peer_ms": 0.5 * ratio,
        "ratio": ratio,
        "ratios": [0.9 * ratio, ratio, 1.1 * ratio],
        "modes_ms": {"JAX jit NCHW": 0.45 * ratio, "PyTorch eager": 1234.5},
        "distances": {"n2d2": [2e-7, 3e-6] if training else [2e-7]},
        "allowed": [1e-5, 5e-3] if training else [1e-4],
        "compared_steps": [1, 10] if training else [0],
        "idle_share": 0.015,
        "rounds": 9,
        "seconds": 0.6,
        "date": "2026-01-02 03:04",
    }


def figure(
    bench: str, name: str, which: str, threads: int, us: float, share: float, floor: float | None, peak: float = 100.0
) -> dict[str, Any]:
    figures = {"us": us, "rate": 100 * share, "share": share, "lowest": share - 0.1, "highest": share + 0.1}
    row = {"bench": bench, "name": name, "pass": which, "threads": threads, **figures}
    of_size = 0.95 if bench == "memory" else None
    return {**row, "floor": floor, "peak": peak, "of_size": of_size, "date": "2026-01-02 03:05"}


@pytest.fixture
def results() -> dict[str, Any]:
    peak = {"network": "resnet224", "batch": 8, "peak_mb": 1000.4, "before_mb": 50.0}
    growth = {"network": "lenet", "batch": 32, "warm_mb": 60.0, "end_mb": 60.5, "warm_steps": 500, "steps": 10_000}
    conv = [
        figure("conv", "3x3/1 64->64, 56x56, batch 8", which, threads, us, share, 0.75)
        for threads, share in ((1, 0.9), (2, 0.7))
        for which, us in (("forward", 100.0), ("backward-data", 110.0), ("backward-weights", 120.0))
    ]
    memory = [
        figure("memory", "sum 64 x 16x16 batch 64", "forward", 2, 10.0, 0.85, 0.8, peak=70.0),
        figure("memory", "sum 64 x 16x16 batch 64", "backward", 2, 15.0, 0.9, 0.8),
        figure("memory", "Adam, LeNet", "update", 2, 5.0, 0.5, None),
    ]
    return {
        "machine": {
            "processor": "A processor",
            "processors": 2,
            "threads": 2,
            "isa": "avx2",
            "python": "3.10",
            "n2d2": "1.0",
            "versions": {"torch": "2.5"},
            "settings": {"OMP_NUM_THREADS": "2"},
        },
        "rows": {key: row(key, ratio) for key, ratio in (("training-lenet-1", 3.0), ("inference-vgg32-32", 0.5))},
        "overheads": {
            "overheads-python-lenet-1": {"step_us": 70.25, "core_us": 50.0, "python_us": 20.25, "calls": 5.0},
            "overheads-data-mobilenet32-64-transformed": {"step_ms": 42.0, "share": 0.0123, "steps": 100},
        },
        "profiles": {
            "profile-training-lenet-1": {
                "parts_ms": {"forward": 0.02, "loss": 0.005, "backward": 0.015, "update": 0.01},
                "profiled_ms": 0.06,
                "threads": 2,
                "peak_gflops": 200.0,
                "triad_gbytes": 100.0,
                "cells": [
                    {"what": "conv 5x5", "backward": True, "share": 0.4, "of_peak": 0.8, "of_triad": 0.1},
                    {"what": "Pool", "backward": False, "share": 0.1, "of_peak": 0.0, "of_triad": 0.55},
                    {"what": "Softmax", "backward": False, "share": 0.01, "of_peak": 0.0, "of_triad": 0.2},
                ],
            }
        },
        "processors": {
            "processors-training-lenet-32": {
                "ms": {"avx512": 0.4, "avx2": 0.5, "portable": 1.0},
                "peer": "PyTorch eager",
                "peer_ms": 1.5,
            }
        },
        "kernels": {"kernels-conv": conv, "kernels-memory": memory},
        "memory": {"n2d2": peak, "eager": {**peak, "peak_mb": 1152.0}, "growth": growth},
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JSON", "PAGE", "PICTURE", "FIGURES"):
        monkeypatch.setattr(report, name, tmp_path / getattr(report, name).name)
    return tmp_path


def test_the_page_has_every_row_with_machine_and_settings(results: dict[str, Any]) -> None:
    page = report.text(results)
    assert "A processor, 2 processors; n2d2 1.0 (avx2), torch 2.5,\nPython 3.10. 2026-01-02 03:04" in page
    assert "9 turns of 0.6 s" in page
    assert "used at most 1.5 % of a processor" in page
    assert "Environment: OMP_NUM_THREADS=2" in page
    assert (
        "| LeNet-5 | 1 | 0.5 | 1.5 | JAX jit NCHW | **3.00** | 2.70 to 3.30 | 10 | PyTorch eager 1,234 "
        "| 2e-07 (1e-05) after 1, 3e-06 (5e-03) after 10 |" in page
    )
    assert "| 2e-07 (1e-04) |" in page
    training, inference = page.index("## A training step"), page.index("## Inference")
    assert training < page.index("| LeNet-5 | 1 |") < inference < page.index("| small VGG 32x32 | 32 |")
    assert "| n2d2 | 1,000 | 50 |" in page
    assert "| PyTorch eager | 1,152 | 50 |" in page
    assert "LeNet-5, batch 32: 60.0 MB after 500 steps, 60.5 MB after 10,000." in page


def test_the_page_says_where_the_time_goes(results: dict[str, Any]) -> None:
    page = report.text(results)
    assert (
        "| LeNet-5, training, 1 | 0.05 | forward 40 %, loss 10 %, backward 30 %, update 20 % "
        "| conv 5x5 back 40 % (80 p), Pool 10 % (55 t), elsewhere 49 % |" in page
    )
    assert page.index("## Inference") < page.index("## Where the time goes") < page.index("## Overheads")


def test_a_row_is_marked_where_the_peer_did_not_have_the_machine_to_itself(results: dict[str, Any]) -> None:
    assert "machine busy |" not in report.text(results)
    results["rows"]["training-lenet-1"]["modes_ms"]["JAX jit NCHW"] = 1.1
    assert "| JAX jit NCHW | 3.00, machine busy | 2.70 to 3.30 |" in report.text(results)


def test_a_page_without_rows_has_no_tables(results: dict[str, Any]) -> None:
    page = report.text({**report.nothing(), "machine": results["machine"]})
    assert "nothing yet" in page
    assert "##" not in page


def test_what_is_written_is_read_again_without_rows_that_are_no_more(results: dict[str, Any], folder: Path) -> None:
    results["rows"]["training-forgotten-1"] = row("training-forgotten-1", 1.0)
    results["overheads"]["overheads-forgotten"] = {}
    results["profiles"]["profile-forgotten"] = {}
    results["processors"]["processors-forgotten"] = {}
    (folder / "results.json").write_text(json.dumps({**results, "kernels": {}}))
    figures = [figure for of in results["kernels"].values() for figure in of]
    (folder / "kernels.jsonl").write_text("".join(json.dumps(figure) + "\n" for figure in figures))
    read = report.read()
    assert set(read["rows"]) == {"training-lenet-1", "inference-vgg32-32"}
    assert set(read["overheads"]) == {"overheads-python-lenet-1", "overheads-data-mobilenet32-64-transformed"}
    assert set(read["profiles"]) == {"profile-training-lenet-1"}
    assert set(read["processors"]) == {"processors-training-lenet-32"}
    report.write(read)
    assert (folder / "RESULTS.md").read_text() == report.text(read)
    assert read["kernels"] == results["kernels"]
    assert len((folder / "kernels.jsonl").read_text().splitlines()) == 9
    assert "kernels" not in json.loads((folder / "results.json").read_text())
    picture = (folder / "results.svg").read_text()
    assert picture.startswith("<?xml")
    report.write(report.read())
    assert (folder / "results.svg").read_text() == picture


def test_nothing_is_read_before_the_first_run() -> None:
    assert (
        report.read()
        == report.nothing()
        == {"rows": {}, "overheads": {}, "profiles": {}, "processors": {}, "kernels": {}, "memory": {}}
    )


def test_results_of_before_these_sections_are_read(folder: Path) -> None:
    (folder / "results.json").write_text(json.dumps({"rows": {}, "memory": {}}))
    assert report.read() == report.nothing()


def test_overheads_and_other_processors_have_tables_of_their_own(results: dict[str, Any]) -> None:
    page = report.text(results)
    overheads, processors = page.index("## Overheads"), page.index("## Other processors")
    assert page.index("## Inference") < overheads < processors < page.index("## Memory")
    assert "| LeNet-5 | 1 | 70.2 | 50.0 | 20.2 | 5 |" in page[overheads:processors]
    assert "| MobileNet v1 32x32 | 64 | transformed | 42 | 1.2 |" in page[overheads:processors]
    row = "| training | LeNet-5 | 32 | 0.4 | 0.5 | 1.25 | 1 | 2.50 | 1.5 | PyTorch eager | **3.00** |"
    assert row in page[processors:]
    del results["processors"]["processors-training-lenet-32"]["ms"]["avx512"]
    assert "| LeNet-5 | 32 | - | 0.5 | - | 1 | - | 1.5 |" in report.text(results)


def test_kernels_have_both_thread_counts_side_by_side_and_what_is_wanted(results: dict[str, Any]) -> None:
    page = report.text(results)
    kernels = page[page.index("## Kernels") : page.index("## Memory")]
    assert page.index("## Other processors") < page.index("## Kernels")
    titles = [f"{which}, {n}" for n in ("2 threads", "1 thread") for which in ("forward", "backward-data")]
    places = [kernels.index(title) for title in titles]
    assert places == sorted(places)
    # Bold where less was reached than is wanted; backward as a multiple of forward.
    two = "**70 (70 %)** | **70 (70 %)** | **70 (70 %)** | **2.30**"
    one = "90 (90 %) | 90 (90 %) | 90 (90 %) | **2.30**"
    assert f"| 3x3/1 64->64, 56x56, batch 8 | {two} | {one} |" in kernels
    assert "- 2 threads: 0 of 3 figures reach what is wanted.\n- 1 thread: 3 of 3 figures reach" in kernels
    # In italics where the peak was lower; a solver has one pass.
    assert "| sum 64 x 16x16 batch 64 | *85 (85 %, 95 %)* | 90 (90 %, 95 %) |  | 1.50 |" in kernels
    assert "| Adam, LeNet |  |  | 50 (50 %, 95 %) |  |" in kernels
    assert "- 2 threads: 2 of 2 figures reach what is wanted." in kernels
    assert "2026-01-02 03:05 to 2026-01-02 03:05 UTC" in kernels
    results["kernels"]["kernels-memory"][1]["of_size"] = 0.75
    assert "| **90 (90 %, 75 %)** |" in report.text(results)
    # What may be bounded by its arithmetic is held to the longer of both times.
    results["kernels"]["kernels-memory"][1]["of_bound"] = 0.85
    assert "| 90 (90 %, 75 %, arithmetic 85 %) |" in report.text(results)
    results["kernels"]["kernels-memory"][1]["of_bound"] = 0.75
    assert "| **90 (90 %, 75 %, memory 75 %)** |" in report.text(results)
    results["kernels"]["kernels-memory"][1]["of_bound"] = None
    # Or where the rounds were far apart.
    results["kernels"]["kernels-memory"][1]["highest"] = 1.3
    assert "| *85 (85 %, 95 %)* | ***90 (90 %, 75 %)*** |" in report.text(results)


@pytest.mark.parametrize(("value", "shown"), [(0.01234, "0.0123"), (12.345, "12.3"), (999.0, "999"), (1234.5, "1,234")])
def test_times_have_three_digits(value: float, shown: str) -> None:
    assert report.milliseconds(value) == shown
