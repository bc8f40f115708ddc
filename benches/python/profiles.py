"""Where the time of n2d2 goes: the parts of a step, and the cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import n2d2
from batches import batches
from measure import GROUP_S
from networks import NETWORKS
from ours import N2d2Inference, N2d2Training
from rows import ROWS, Row, row_of

PREFIX = "profile-"
KEYS = tuple(PREFIX + row.key for row in ROWS)


def _kind(cell: n2d2.cells.NeuralNetworkCell) -> str:
    """What a cell is called in the page: its class and the size of its kernel."""
    if isinstance(cell, n2d2.cells.Conv):
        height, width = cell.kernel_dims
        mapping = cell.mapping
        alone = mapping is not None and mapping.dimY() > 1 and mapping.dimX() == mapping.dimY() == sum(mapping)
        return f"{'depthwise' if alone else 'conv'} {height}x{width}"
    return type(cell).__name__.removesuffix("2d")


def grouped(passes: list[n2d2.train.ProfiledPass], kind: dict[str, str], peak: tuple[int, float, float]) -> list[Any]:
    """Return the time of all threads of each kind of cell and direction, longest first, with shares of the peaks.

    Arguments:
        passes: What a profile has measured.
        kind: What a cell is called, by its name.
        peak: Threads, GFLOP/s and GB/s of the machine.
    """
    sums: dict[tuple[str, bool], list[float]] = {}
    for one in passes:
        of = sums.setdefault((kind.get(one.name, one.name), one.backward), [0.0, 0.0, 0.0])
        for i, value in enumerate((one.seconds, one.flops, one.bytes)):
            of[i] += value
    threads, gflops, gbytes = peak
    found = [
        {
            "what": what,
            "backward": backward,
            "seconds": seconds,
            "of_peak": flops * threads / max(seconds, 1e-9) / 1e9 / gflops,
            "of_triad": moved * threads / max(seconds, 1e-9) / 1e9 / gbytes,
        }
        for (what, backward), (seconds, flops, moved) in sums.items()
    ]
    return sorted(found, key=lambda one: -one["seconds"])


def _repeated(work: Callable[[], None], seconds: float) -> tuple[int, float]:
    """Do some work for a while; return how often, and the seconds that it took."""
    times, begin = 0, time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        work()
        times += 1
    return times, time.perf_counter() - begin


def _training(row: Row, seconds: float) -> tuple[Callable[[], None], dict[str, float], dict[str, Any]]:
    """Return a step, the seconds of its parts, and the cells by their names."""
    network = NETWORKS[row.network]
    training = N2d2Training(network, batches(network, row.batch))
    parts = dict.fromkeys(("forward", "loss", "backward", "update"), 0.0)

    def step() -> None:
        stamps = [time.perf_counter()]
        y = training._model(training._provider.read_batch())
        stamps.append(time.perf_counter())
        loss = training._target(y)
        stamps.append(time.perf_counter())
        loss.back_propagate()
        stamps.append(time.perf_counter())
        loss.update()
        stamps.append(time.perf_counter())
        for name, begin, end in zip(parts, stamps, stamps[1:], strict=False):
            parts[name] += end - begin

    _repeated(step, GROUP_S)
    parts.update(dict.fromkeys(parts, 0.0))
    times, _ = _repeated(step, seconds)
    return training.step, {name: of / times for name, of in parts.items()}, training._model.get_cells()


def measured(key: str, seconds: float) -> dict[str, Any]:
    """Return the milliseconds of the parts of a step, and those of the cells of a profiled one.

    Raises:
        ValueError: There is no such row.
    """
    row = row_of(key.removeprefix(PREFIX))
    if row.kind == "training":
        work, parts, cells = _training(row, seconds)
    else:
        network = NETWORKS[row.network]
        inference = N2d2Inference(network, batches(network, row.batch)[0])
        work, cells = inference.step, inference._model.get_cells()
        _repeated(work, GROUP_S)
        times, passed = _repeated(work, seconds)
        parts = {"inference": passed / times}
    with n2d2.train.Profile() as profile:
        times, passed = _repeated(work, seconds)
    threads, gflops, gbytes = profile._peak
    kinds = {name: _kind(cell) for name, cell in cells.items()}
    return {
        "parts_ms": {name: 1e3 * of for name, of in parts.items()},
        "profiled_ms": 1e3 * passed / times,
        "threads": threads,
        "peak_gflops": gflops,
        "triad_gbytes": gbytes,
        "cells": [
            {**one, "share": one.pop("seconds") / (threads * passed)}
            for one in grouped(profile.passes, kinds, profile._peak)
        ],
    }
