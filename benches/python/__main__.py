"""Measures n2d2 beside PyTorch, JAX, ONNX Runtime and OpenVINO; writes RESULTS.md, results.json and results.svg.

    make bench-python                                        every row, about an hour
    make bench-python BENCH="--only lenet --merge"           some rows; the others stay as they are in the files
    make bench-python BENCH="--quick --no-write"             a look in a few minutes
    make bench-python BENCH="--only overheads processors --merge"   time outside the engine; other instruction sets
    make bench-python BENCH="--profiles --merge"             where the time goes, cell by cell
    make bench-python BENCH="--kernels --merge"              the kernels by themselves, five minutes

Each row has a process of its own. There every mode of every peer starts from the parameters of n2d2 and is compared
with a run in float64; the fastest of them then alternates with n2d2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import child
import kernels
import other_processors
import overheads
import profiles
import report
from rows import ROWS, row_of

MEMORY_NETWORK, MEMORY_BATCH = "resnet224", 8
GROWTH_NETWORK, GROWTH_BATCH = "lenet", 32
KEYS = {
    "training": [row.key for row in ROWS if row.kind == "training"],
    "inference": [row.key for row in ROWS if row.kind == "inference"],
    "overheads": [overhead.key for overhead in overheads.OVERHEADS],
    "profiles": list(profiles.KEYS),
    "processors": [other_processors.key_of(row) for row in other_processors.OTHER_ROWS],
    "kernels": [kernels.key_of(bench) for bench in kernels.BENCHES],
}
"""The keys of everything that is measured but the memory, by the option that chooses it."""


def keys_of(kinds: set[str], words: list[str]) -> list[str]:
    """Return the keys of some kinds, or of all, that have one of some words; without words all of them."""
    keys = [key for kind, keys in KEYS.items() if not kinds or kind in kinds for key in keys]
    return [key for key in keys if not words or any(word in key for word in words)]


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="rows whose key has one of these words")
    parser.add_argument("--training", action="store_true", help="only rows of training")
    parser.add_argument("--inference", action="store_true", help="only rows of inference")
    parser.add_argument("--memory", action="store_true", help="only the memory")
    parser.add_argument("--overheads", action="store_true", help="only what is spent in Python and waiting for data")
    parser.add_argument("--profiles", action="store_true", help="only where the time goes, cell by cell")
    parser.add_argument("--processors", action="store_true", help="only the instruction sets of other processors")
    parser.add_argument("--kernels", action="store_true", help="only the kernels by themselves, which cargo measures")
    parser.add_argument("--rounds", type=int, default=9, help="turns of both (default 9)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a turn (default 0.6)")
    parser.add_argument("--quick", action="store_true", help="3 turns of 0.2 s")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="threads of each (default 2)")
    parser.add_argument("--merge", action="store_true", help="keep the other rows of results.json")
    parser.add_argument("--no-write", action="store_true", help="leave the files alone")
    parser.add_argument("--list", action="store_true", help="print the keys of the rows and stop")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--who", help=argparse.SUPPRESS)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--growth", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        arguments.child.write_text(json.dumps(measured_here(arguments)))
        return
    if arguments.list:
        print("\n".join(key for keys in KEYS.values() for key in keys))
        return
    if arguments.quick:
        arguments.rounds, arguments.seconds = 3, 0.2
    kinds = {kind for kind in (*KEYS, "memory") if getattr(arguments, kind)}
    chosen = keys_of(kinds, arguments.only)
    wants_memory = "memory" in kinds if kinds else not arguments.only
    if not chosen and not wants_memory:
        parser.error("no row has such a key; --list prints all")
    results = report.read() if arguments.merge else report.nothing()
    failed = measure(arguments, chosen, wants_memory, results)
    if not arguments.no_write:
        report.write(results)
    print(report.text(results))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def measure(arguments: argparse.Namespace, chosen: list[str], wants_memory: bool, results: dict[str, Any]) -> list[str]:
    """Measure rows one after the other and add them to the results; return what failed."""
    threads, failed = arguments.threads, []
    results["machine"] = child.in_child(["--row", "machine"], threads)
    turns = ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds)]
    for key in chosen:
        try:
            section, found = measure_one(key, turns, arguments)
        except RuntimeError as error:
            print(error, file=sys.stderr, flush=True)
            failed.append(key)
            continue
        results[section][key] = found
        print(f"{key}: {summary(section, found)}", flush=True)
        if not arguments.no_write:
            report.write(results)
    if wants_memory:
        for who in ("n2d2", "eager", "channels_last"):
            peak = child.in_child(["--peak", who], threads, keep_memory=False)
            results["memory"][who] = {"network": MEMORY_NETWORK, "batch": MEMORY_BATCH, **peak}
        growth = child.in_child(["--growth"], threads, keep_memory=False)
        results["memory"]["growth"] = {"network": GROWTH_NETWORK, "batch": GROWTH_BATCH, **growth}
    return failed


def measure_one(key: str, turns: list[str], arguments: argparse.Namespace) -> tuple[str, Any]:
    """Return the section of the results that a key belongs to, and what was measured.

    Raises:
        RuntimeError: A process failed.
    """
    if key in KEYS["kernels"]:
        return "kernels", kernels.measured(key)
    if key in KEYS["processors"]:
        row = row_of(key.removeprefix(other_processors.PREFIX))
        return "processors", other_processors.measured(row, arguments.seconds, arguments.threads)
    section = next((name for name in ("overheads", "profiles") if key in KEYS[name]), "rows")
    return section, child.in_child(["--row", key, *turns], arguments.threads)


def summary(section: str, found: Any) -> str:
    """Return a line for the terminal."""
    if section == "kernels":
        return kernels.summary(found)
    if section == "profiles":
        return ", ".join(f"{name} {of:.3g} ms" for name, of in found["parts_ms"].items())
    if section != "rows":
        times = found["ms"] if section == "processors" else found
        line = ", ".join(f"{name} {value:.3g}" for name, value in times.items())
        return f"{line}, {found['peer']} {found['peer_ms']:.3g}" if section == "processors" else line
    modes = ", ".join(f"{name} {time:.3g}" for name, time in found["modes_ms"].items())
    return (
        f"n2d2 {found['n2d2_ms']:.3g} ms, {found['peer']} {found['peer_ms']:.3g} ms, {found['ratio']:.2f} times "
        f"({found['ratios'][0]:.2f} to {found['ratios'][-1]:.2f}); {modes}"
    )


def measured_here(arguments: argparse.Namespace) -> Any:
    """Do one measurement in this process."""
    child.begin(arguments.threads)
    if arguments.peak:
        import memory

        return memory.peak(MEMORY_NETWORK, MEMORY_BATCH, arguments.peak, arguments.threads)
    if arguments.growth:
        import memory

        return memory.growth(GROWTH_NETWORK, GROWTH_BATCH)
    if arguments.row == "machine":
        import machine

        return machine.description(arguments.threads)
    if arguments.row in KEYS["overheads"]:
        return overheads.measured(arguments.row, arguments.rounds, arguments.seconds)
    if arguments.row in KEYS["profiles"]:
        return profiles.measured(arguments.row, arguments.seconds)
    if arguments.who:
        row = row_of(arguments.row.removeprefix(other_processors.PREFIX))
        return other_processors.times_here(row, arguments.who, arguments.seconds, arguments.threads)
    import duel

    return duel.measured(row_of(arguments.row), arguments.rounds, arguments.seconds, arguments.threads)


if __name__ == "__main__":
    main()
