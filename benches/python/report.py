"""The results as a file for programs, a page and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kernels
import profiles
from check import CHECKPOINTS, FACTOR, FIRST_STEP_FLOOR, INFERENCE_FLOOR, LAST_STEP_FLOOR, NEAR
from measure import QUIET_S
from networks import NETWORKS
from other_processors import OTHER_ROWS, key_of
from ours import MOMENTUM
from overheads import OVERHEADS
from rows import ROWS, Row
from tables import milliseconds, of_kernels, of_overheads, of_processors, of_profiles

FOLDER = Path(__file__).parent.parent
JSON, PAGE, PICTURE = FOLDER / "results.json", FOLDER / "RESULTS.md", FOLDER / "results.svg"
FIGURES = FOLDER / "kernels.jsonl"
PRINTED_MODES = 4
# A peer that is this much slower in its turns than in its best moment did not have the machine to itself.
BUSY = 1.3


def nothing() -> dict[str, Any]:
    """Return results without a row."""
    return {"rows": {}, "overheads": {}, "profiles": {}, "processors": {}, "kernels": {}, "memory": {}}


def read() -> dict[str, Any]:
    """Return the results of earlier runs, without rows that are no more."""
    found = {**nothing(), **(json.loads(JSON.read_text()) if JSON.exists() else {})}
    known = {
        "rows": {row.key for row in ROWS},
        "overheads": {overhead.key for overhead in OVERHEADS},
        "profiles": set(profiles.KEYS),
        "processors": {key_of(row) for row in OTHER_ROWS},
    }
    for section, keys in known.items():
        found[section] = {key: row for key, row in found[section].items() if key in keys}
    figures = [json.loads(line) for line in FIGURES.read_text().splitlines()] if FIGURES.exists() else []
    for bench in kernels.BENCHES:
        if of := [figure for figure in figures if figure["bench"] == bench]:
            found["kernels"][kernels.key_of(bench)] = of
    return found


def write(results: dict[str, Any]) -> None:
    """Write all files."""
    JSON.write_text(json.dumps({name: of for name, of in results.items() if name != "kernels"}, indent=1) + "\n")
    FIGURES.write_text("".join(f"{json.dumps(figure)}\n" for of in results["kernels"].values() for figure in of))
    PAGE.write_text(text(results))
    draw(results)


def busy(found: dict[str, Any]) -> bool:
    """Return whether something else used the machine while a row was measured."""
    return bool(found["peer_ms"] > BUSY * found["modes_ms"][found["peer"]])


def _line(row: Row, found: dict[str, Any]) -> str:
    network = NETWORKS[row.network]
    ratios, modes = found["ratios"], found["modes_ms"]
    others = [f"{name} {milliseconds(time)}" for name, time in modes.items() if name != found["peer"]]
    distances = [
        f"{distance:.0e} ({allowed:.0e})" + (f" after {steps}" if steps else "")
        for distance, allowed, steps in zip(
            found["distances"]["n2d2"], found["allowed"], found["compared_steps"], strict=True
        )
    ]
    cells = [
        network.title,
        str(row.batch),
        milliseconds(found["n2d2_ms"]),
        milliseconds(found["peer_ms"]),
        found["peer"],
        f"{found['ratio']:.2f}, machine busy" if busy(found) else f"**{found['ratio']:.2f}**",
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
        f"{row.goal:g}",
        "; ".join(others[:PRINTED_MODES]),
        ", ".join(distances),
    ]
    return f"| {' | '.join(cells)} |"


def _table(kind: str, title: str, rows: dict[str, Any]) -> list[str]:
    lines = [_line(row, rows[row.key]) for row in ROWS if row.kind == kind and row.key in rows]
    if not lines:
        return []
    head = (
        "| network | batch | n2d2, ms | best peer, ms | which | times faster | over the rounds | goal "
        "| the next peers, ms | distance (allowed) |"
    )
    return [f"## {title}", "", head, "|---|---|---|---|---|---|---|---|---|---|", *lines, ""]


def _memory(memory: dict[str, Any]) -> list[str]:
    if not memory:
        return []
    peaks = [(who, found) for who, found in memory.items() if who != "growth"]
    growth = memory["growth"]
    network, batch = NETWORKS[peaks[0][1]["network"]].title, peaks[0][1]["batch"]
    text = f"""## Memory

Peak of the resident memory of a process that trains {network} with batches of {batch}, each in a process of its own
with glibc as it comes; the second figure is what the process had before the network existed.

| who | peak, MB | before, MB |
|---|---|---|"""
    lines = text.split("\n")
    for who, found in peaks:
        name = who if who == "n2d2" else f"PyTorch {who}"
        lines.append(f"| {name} | {found['peak_mb']:,.0f} | {found['before_mb']:,.0f} |")
    title = f"{NETWORKS[growth['network']].title}, batch {growth['batch']}"
    warm, end = f"{growth['warm_mb']:.1f} MB", f"{growth['end_mb']:.1f} MB"
    return [*lines, "", f"{title}: {warm} after {growth['warm_steps']:,} steps, {end} after {growth['steps']:,}.", ""]


def text(results: dict[str, Any]) -> str:
    """Return the page."""
    machine, rows = results["machine"], results["rows"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    dates = sorted(row["date"] for row in rows.values())
    when = f"{dates[0]} to {dates[-1]} UTC" if dates else ""
    turns = sorted({(row["rounds"], row["seconds"]) for row in rows.values()})
    taken = " or ".join(f"{rounds} turns of {seconds:g} s" for rounds, seconds in turns) or "nothing yet"
    idle = 100 * max((row["idle_share"] for row in rows.values()), default=0.0)
    environment = "; ".join(f"{name}={value}" for name, value in machine["settings"].items())
    head = f"""# Measured beside the peers

{machine["processor"]}, {machine["processors"]} processors; n2d2 {machine["n2d2"]} ({machine["isa"]}), {versions},
Python {machine["python"]}. {when}

![how many times faster n2d2 is](results.svg)

Written by `make bench-python`; `results.json` has the time of every mode. {machine["threads"]} threads each, float32,
milliseconds. In a process of its own for each row, every mode of every peer starts from the parameters of n2d2 and is
timed; the fastest then alternates with n2d2: {taken}. Times are medians, but those of the other modes
are of their best moment. *Times faster* is the median of the ratios of the rounds; *machine busy* where the peer was
more than {BUSY:g} times slower in its turns than in its best moment: that row says nothing until it is measured again.

- Training: forward, softmax and cross-entropy (mean over the batch), backward, SGD with momentum {MOMENTUM}; batches
  ready in memory in the layout of each. n2d2 runs `loss = target(model(x)); loss.back_propagate(); loss.update()` and
  keeps the score of every batch, which the others do not. PyTorch: eager, channels_last, torch.compile and both, with
  the fused solver; JAX (the first two networks): jit with donated buffers, NCHW and NHWC.
- Inference: NumPy in, NumPy out, softmax included. PyTorch in the same four modes (compiled with frozen weights), and
  traced, frozen and optimised in both layouts; ONNX Runtime and OpenVINO (latency mode, float32) read the file that
  n2d2 exports, of fixed batch, with normalisations folded, with all threads and with one, without the conversions of
  their Python layers where that is faster; JAX with the parameters compiled in. Results stay valid after the next call.
- *Distance* from PyTorch in float64: of the outputs, as a part of the largest; of the parameters, as a part of the way
  that they have come, after the first step and after as many as PyTorch's own float32 runs stay within {NEAR:g} of that
  way, at most {CHECKPOINTS[-1]} (batch normalisation makes large networks chaotic). Allowed is {FACTOR:g} times the
  distance of those runs and at least {INFERENCE_FLOOR:g} (outputs), {FIRST_STEP_FLOOR:g} (first step) or
  {LAST_STEP_FLOOR:g} (later: rectifiers may have decided otherwise about values near 0). Peers are held to it too.
- glibc keeps freed memory, which it does not by itself. Before each turn the runtimes get {2000 * QUIET_S:g} ms to fall
  asleep; in the second half of it all threads of the process together used at most {idle:.1f} % of a processor.
- Environment: {environment}

"""
    return (
        head
        + "\n".join(
            [
                *_table("training", "A training step", rows),
                *_table("inference", "Inference", rows),
                *of_profiles(results["profiles"]),
                *of_overheads(results["overheads"]),
                *of_processors(results["processors"]),
                *of_kernels(results["kernels"]),
                *_memory(results["memory"]),
            ]
        ).rstrip()
        + "\n"
    )


def draw(results: dict[str, Any]) -> None:
    """Draw how many times faster each row is, with its goal."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "n2d2"
    rows = [row for row in ROWS if row.key in results["rows"]]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.32 * len(rows)))
    for k, row in enumerate(rows):
        found = results["rows"][row.key]
        axes.barh(k, found["ratio"], color="#2b6cb0" if found["ratio"] >= 1 else "#c05621", height=0.7)
        axes.plot([row.goal, row.goal], [k - 0.4, k + 0.4], color="black", linewidth=1.5)
        axes.text(
            max(found["ratio"], row.goal) * 1.04, k, f"{found['ratio']:.2f}  {found['peer']}", va="center", size=8
        )
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    largest = max(max(results["rows"][row.key]["ratio"], row.goal) for row in rows)
    axes.set_xlim(min(0.5, *(0.8 * results["rows"][row.key]["ratio"] for row in rows)), 3 * largest)
    axes.set_yticks(range(len(rows)), [f"{row.kind}: {NETWORKS[row.network].title}, batch {row.batch}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("times faster than the best peer (black line: goal)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)
