"""How n2d2 is measured with the instruction sets of other processors."""

from __future__ import annotations

from typing import Any

import pytest

import n2d2
import other_processors
from other_processors import ENVIRONMENT, OTHER_ROWS, key_of
from rows import row_of

TIMES = {"avx512": {"n2d2": 1.0}, "avx2": {"n2d2": 2.0}, "portable": {"n2d2": 4.0}}
PEERS = {"PyTorch eager": 6.0, "PyTorch channels_last": 5.0}


def test_the_processes_take_turns_and_the_fastest_mode_of_the_peer_is_taken() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def run(arguments: list[str], threads: int, *, environment: dict[str, str]) -> dict[str, float]:
        who = arguments[arguments.index("--who") + 1]
        assert arguments[:2] == ["--row", "processors-training-lenet-32"]
        asked.append((who, environment))
        # A disturbed turn does not count.
        factor = 50 if len(asked) <= len(ENVIRONMENT) else 1
        return {name: factor * time for name, time in (TIMES.get(who) or PEERS).items()}

    found = other_processors.measured(row_of("training-lenet-32"), 0.1, 2, run)
    assert [who for who, _ in asked] == [*ENVIRONMENT] * other_processors.ROUNDS
    assert asked[1] == ("avx2", {"N2D2_ISA": "avx2"})
    assert asked[3][1]["ATEN_CPU_CAPABILITY"] == "avx2"
    assert found["ms"] == {"avx512": 1.0, "avx2": 2.0, "portable": 4.0}
    assert (found["peer"], found["peer_ms"]) == ("PyTorch channels_last", 5.0)
    assert found["modes_ms"] == PEERS


@pytest.mark.parametrize(("missing", "fails"), [("avx512", False), ("avx2", True)])
def test_only_the_best_instruction_set_may_be_missing(
    missing: str, fails: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: list[str], threads: int, *, environment: dict[str, str]) -> dict[str, float]:
        who = arguments[arguments.index("--who") + 1]
        if who == missing:
            raise RuntimeError("no such instruction set")
        return TIMES.get(who) or PEERS

    def measured() -> Any:
        return other_processors.measured(row_of("training-lenet-32"), 0.1, 2, run)

    if fails:
        with pytest.raises(RuntimeError, match="no such instruction set"):
            measured()
    else:
        assert set(measured()["ms"]) == {"avx2", "portable"}
        assert "no such instruction set" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_a_process_with_another_instruction_set_is_refused(kind: str) -> None:
    row = row_of(f"{kind}-lenet-1")
    isa = n2d2._core.isa()
    found = other_processors.times_here(row, isa, 0.0, 1)
    assert set(found) == {"n2d2"}
    assert found["n2d2"] > 0
    other = "portable" if isa != "portable" else "avx2"
    with pytest.raises(RuntimeError, match=f"{kind}-lenet-1: n2d2 uses {isa}, not {other}: does the processor have it"):
        other_processors.times_here(row, other, 0.0, 1)


def test_training_and_inference_of_three_networks_are_measured() -> None:
    assert {(row.kind, row.network) for row in OTHER_ROWS} == {
        (kind, network) for kind in ("training", "inference") for network in ("lenet", "mobilenet32", "vgg32")
    }
    assert len({key_of(row) for row in OTHER_ROWS}) == len(OTHER_ROWS)
