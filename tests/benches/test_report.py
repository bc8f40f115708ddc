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


@pytest.fixture
def results() -> dict[str, Any]:
    peak = {"network": "resnet224", "batch": 8, "peak_mb": 1000.4, "before_mb": 50.0}
    growth = {"network": "lenet", "batch": 32, "warm_mb": 60.0, "end_mb": 60.5, "warm_steps": 500, "steps": 10_000}
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
        "processors": {
            "processors-training-lenet-32": {
                "ms": {"avx512": 0.4, "avx2": 0.5, "portable": 1.0},
                "peer": "PyTorch eager",
                "peer_ms": 1.5,
            }
        },
        "memory": {"n2d2": peak, "eager": {**peak, "peak_mb": 1152.0}, "growth": growth},
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JSON", "PAGE", "PICTURE"):
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
    results["processors"]["processors-forgotten"] = {}
    (folder / "results.json").write_text(json.dumps(results))
    read = report.read()
    assert set(read["rows"]) == {"training-lenet-1", "inference-vgg32-32"}
    assert set(read["overheads"]) == {"overheads-python-lenet-1", "overheads-data-mobilenet32-64-transformed"}
    assert set(read["processors"]) == {"processors-training-lenet-32"}
    report.write(read)
    assert (folder / "RESULTS.md").read_text() == report.text(read)
    picture = (folder / "results.svg").read_text()
    assert picture.startswith("<?xml")
    report.write(report.read())
    assert (folder / "results.svg").read_text() == picture


def test_nothing_is_read_before_the_first_run() -> None:
    assert report.read() == report.nothing() == {"rows": {}, "overheads": {}, "processors": {}, "memory": {}}


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


@pytest.mark.parametrize(("value", "shown"), [(0.01234, "0.0123"), (12.345, "12.3"), (999.0, "999"), (1234.5, "1,234")])
def test_times_have_three_digits(value: float, shown: str) -> None:
    assert report.milliseconds(value) == shown
