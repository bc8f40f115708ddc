"""The tables of the page that compare n2d2 with itself."""

from __future__ import annotations

from typing import Any

import kernels
import profiles
from networks import NETWORKS
from other_processors import AVX2, BEST, OTHER_ROWS, PORTABLE, key_of
from overheads import EAGER, PYTHON_GOAL_US, READING
from rows import ROWS

# A peak that is lower by more than this than the highest, or rounds that differ by more than this from each other, say
# that something else used the machine.
LOWER_PEAK, APART = 0.1, 0.5
# Times of both gradients that are wanted at most, for each of the forward pass.
BACKWARD = 2.2
# Cells of a smaller part of the time are not listed.
LEAST_SHARE = 0.02


def milliseconds(value: float) -> str:
    """Return a time with three significant digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _table(text: str, columns: list[str], lines: list[list[str]]) -> list[str]:
    cells = [f"| {' | '.join(line)} |" for line in (columns, *lines)]
    return [*text.splitlines(), "", cells[0], "|---" * len(columns) + "|", *cells[1:], ""] if lines else []


def of_profiles(found: dict[str, Any]) -> list[str]:
    """Return the lines about where the time of n2d2 goes."""
    text = f"""## Where the time goes

The parts of a step of n2d2, then the cells of a profiled one (`n2d2.train.Profile`): their share of the time of all
threads and, in brackets, of the peak of the arithmetic (p) or of a triad in the second-level caches (t), whichever is
the larger. Winograd's algorithm, and the way back behind a maximum pooling, do fewer operations than are counted: more
than 100 %. What one cell computes for another counts as its own. *Elsewhere*: waiting for each other, the update, the
loss, Python; one image of a small network keeps one thread busy. Cells below {100 * LEAST_SHARE:.0f} % are left out.
Small networks take longer while they are profiled: only the shares count. What bounds the rows, and what was tried, is
in [NOTES.md](NOTES.md)."""
    lines = []
    for row in ROWS:
        if of := found.get(profiles.PREFIX + row.key):
            whole = sum(of["parts_ms"].values())
            parts = [f"{name} {100 * ms / whole:.0f} %" for name, ms in of["parts_ms"].items()]
            cells = [_profiled(cell) for cell in of["cells"] if cell["share"] >= LEAST_SHARE]
            rest = 1 - sum(cell["share"] for cell in of["cells"])
            title = f"{NETWORKS[row.network].title}, {row.kind}, {row.batch}"
            times = [milliseconds(whole), ", ".join(parts) if len(parts) > 1 else ""]
            lines.append([title, *times, ", ".join([*cells, f"elsewhere {100 * rest:.0f} %"])])
    return _table(text, ["network, batch", "ms", "parts", "cells"], lines)


def _profiled(cell: dict[str, Any]) -> str:
    share, which = max((cell["of_peak"], "p"), (cell["of_triad"], "t"))
    return (
        f"{cell['what']}{' back' if cell['backward'] else ''} {100 * cell['share']:.0f} % ({100 * share:.0f} {which})"
    )


def of_overheads(found: dict[str, Any]) -> list[str]:
    """Return the lines about time outside the engine."""
    python = f"""A training step on one thread, in microseconds: as a whole, inside the functions and methods of the
engine, and what is left for Python (goal: less than {PYTHON_GOAL_US})."""
    steps = []
    for eager in EAGER:
        if of := found.get(eager.key):
            times = [f"{of[part]:.1f}" for part in ("step_us", "core_us", "python_us")]
            steps.append([NETWORKS[eager.network].title, str(eager.batch), *times, f"{of['calls']:g}"])
    data = """A training step that reads its batch from a `DataProvider` in shuffled order (images in memory;
transformed: padded, cut, and flipped at random, on the fly), and the share of it that is waited for the data."""
    waits = []
    for reading in READING:
        if of := found.get(reading.key):
            how = "transformed" if reading.transformed else "as it is"
            times = [milliseconds(of["step_ms"]), f"{100 * of['share']:.1f}"]
            waits.append([NETWORKS[reading.network].title, str(reading.batch), how, *times])
    lines = [
        *_table(python, ["network", "batch", "step, us", "engine, us", "Python, us", "calls of the engine"], steps),
        *_table(data, ["network", "batch", "data", "step, ms", "waited, %"], waits),
    ]
    return ["## Overheads", "", *lines] if lines else []


def of_processors(found: dict[str, Any]) -> list[str]:
    """Return the lines about the instruction sets of other processors."""
    text = """## Other processors

n2d2 with the instruction sets that `N2D2_ISA` chooses, in milliseconds and as a multiple of the time with AVX-512, and
the best of PyTorch eager, channels_last and (inference) traced, held to AVX2 by ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA
and MKL_ENABLE_INSTRUCTIONS. Each in a process of its own; the processes take turns. Medians; the last column is how
many times faster n2d2 is on AVX2 than PyTorch."""
    columns = ["", "network", "batch", "avx512, ms", "avx2, ms", "to avx512", "portable, ms", "to avx512"]
    lines = []
    for row in OTHER_ROWS:
        if of := found.get(key_of(row)):
            times, best = of["ms"], of["ms"].get(BEST)
            line = [row.kind, NETWORKS[row.network].title, str(row.batch), milliseconds(best) if best else "-"]
            for isa in (AVX2, PORTABLE):
                line += [milliseconds(times[isa]), f"{times[isa] / best:.2f}" if best else "-"]
            ratio = of["peer_ms"] / times[AVX2]
            lines.append([*line, milliseconds(of["peer_ms"]), of["peer"], f"**{ratio:.2f}**"])
    return _table(text, [*columns, "PyTorch on AVX2, ms", "which", "times faster"], lines)


def of_kernels(found: dict[str, Any]) -> list[str]:
    """Return the lines about the kernels by themselves."""
    lines = []
    if of := found.get(kernels.key_of("conv")):
        text = """GFLOP/s of the convolutions and dense layers, and the share of the peak: multiply-adds in registers,
measured between the passes. *Kernel/stride channels -> outputs, size of the image, batch*. Weights count as new in
every pass, as in a training step. Wanted: 75 % for kernels of 3x3 and 1x1 with 32 channels and more where the batch has
at least 49 pixels (the weights of fewer are read for too few products), 70 % for 5x5 6->16 at batch 256; backward at
most 2.2 times forward, the last column."""
        lines += _of_bench(text, "conv", of)
    if of := found.get(kernels.key_of("memory")):
        text = """GB/s of the cells that memory bounds, and of the solvers, and two shares of a triad `a = b + s c`
that takes turns with them: of one in the second-level caches, and of one over as many bytes, which go to and from the
third-level cache or the memory. Bytes are those that must move, each input and output once; a pass that moves some of
them within a cache comes to more than 100 %. Wanted: 80 % of the triad over as many bytes, but of softmax, which
computes. A depthwise convolution makes 18 operations an output forward and 36 back (taps outside the image left out):
its third share is of the longer of the times that its bytes and its operations take at their peaks, named after that
bound, and 80 % of it is wanted."""
        lines += _of_bench(text, "memory", of)
    if not lines:
        return []
    dates = sorted(figure["date"] for of in found.values() for figure in of)
    intro = f"""## Kernels

Each by itself, {kernels.ROUNDS} rounds in which the passes and the peak take turns; medians. The gradient that arrives
comes from a cell behind, whose own time is taken away. **Bold** where less than
what is wanted was reached; *in italics* where something else used the machine: the peak was more than
{100 * LOWER_PEAK:.0f} % lower than at its highest, or the rounds more than {100 * APART:.0f} % of the figure apart.
Written by `make bench-python BENCH="--kernels --merge"`; the lowest and the highest share of the rounds are in
`kernels.jsonl`. {dates[0]} to {dates[-1]} UTC."""
    return [*intro.splitlines(), "", *lines]


def _of_bench(text: str, bench: str, figures: list[dict[str, Any]]) -> list[str]:
    """Return the table of a bench, and what is missing to what is wanted."""
    counts = sorted({figure["threads"] for figure in figures}, reverse=True)
    passes = [name for name in kernels.PASSES[bench] if any(figure["pass"] == name for figure in figures)]
    highest = {n: max(figure["peak"] for figure in figures if figure["threads"] == n) for n in counts}
    by_place = {(figure["name"], figure["threads"], figure["pass"]): figure for figure in figures}
    rows = []
    for name in dict.fromkeys(figure["name"] for figure in figures):
        row = [name]
        for threads in counts:
            of = [by_place.get((name, threads, which)) for which in passes]
            row += [_rate(figure, highest[threads]) if figure else "" for figure in of]
            there = [figure for figure in of if figure]
            # Both gradients of a convolution; the last pass is that of solvers, which have no other.
            ratio = sum(figure["us"] for figure in there[1:]) / there[0]["us"] if len(there) > 1 else 0.0
            slow = bench == "conv" and bool(there) and there[0]["floor"] is not None and ratio > BACKWARD
            row.append(f"**{ratio:.2f}**" if slow else f"{ratio:.2f}" if ratio else "")
        rows.append(row)
    titles = [f"{which}, {_threads(count)}" for count in counts for which in (*passes, "backward / forward")]
    return [*_table(text, ["", *titles], rows), *_shortfalls(figures, counts)]


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")


def _rate(figure: dict[str, Any], highest_peak: float) -> str:
    shares = [f"{100 * share:.0f} %" for share in (figure["share"], figure["of_size"]) if share is not None]
    if (of_bound := figure.get("of_bound")) is not None:
        shares.append(f"{'arithmetic' if of_bound > figure['of_size'] else 'memory'} {100 * of_bound:.0f} %")
    cell = f"{figure['rate']:.0f} ({', '.join(shares)})"
    if figure["floor"] is not None and not kernels.reaches(figure):
        cell = f"**{cell}**"
    apart = figure["highest"] - figure["lowest"]
    disturbed = figure["peak"] < (1 - LOWER_PEAK) * highest_peak or apart > APART * figure["share"]
    return f"*{cell}*" if disturbed else cell


def _shortfalls(figures: list[dict[str, Any]], counts: list[int]) -> list[str]:
    """Return how many figures reach what is wanted, for each number of threads."""
    lines = []
    for threads in counts:
        wanted = [figure for figure in figures if figure["threads"] == threads and figure["floor"] is not None]
        reached = sum(map(kernels.reaches, wanted))
        if wanted:
            lines.append(f"- {_threads(threads)}: {reached} of {len(wanted)} figures reach what is wanted.")
    return [*lines, ""] if lines else []
