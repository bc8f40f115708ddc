"""The tables of the page that compare n2d2 with itself."""

from __future__ import annotations

from typing import Any

from networks import NETWORKS
from other_processors import AVX2, BEST, OTHER_ROWS, PORTABLE, key_of
from overheads import EAGER, PYTHON_GOAL_US, READING


def milliseconds(value: float) -> str:
    """Return a time with three significant digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _table(text: str, columns: list[str], lines: list[list[str]]) -> list[str]:
    cells = [f"| {' | '.join(line)} |" for line in (columns, *lines)]
    return [*text.splitlines(), "", cells[0], "|---" * len(columns) + "|", *cells[1:], ""] if lines else []


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
