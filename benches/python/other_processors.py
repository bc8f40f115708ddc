"""n2d2 with the instruction sets of older processors, beside itself with the best one and PyTorch held to AVX2."""

from __future__ import annotations

import datetime as dt
import statistics
import sys
from collections.abc import Callable
from typing import Any

import child
import n2d2
from batches import batches
from measure import Contender, idle_share, times_of
from networks import NETWORKS
from ours import N2d2Inference, N2d2Training
from rows import ROWS, Row

NETWORKS_MEASURED = ("lenet", "mobilenet32", "vgg32")
OTHER_ROWS = tuple(row for row in ROWS if row.network in NETWORKS_MEASURED)
PREFIX = "processors-"
BEST, AVX2, PORTABLE, PEER = "avx512", "avx2", "portable", "torch"
ENVIRONMENT = {
    BEST: {"N2D2_ISA": BEST},
    AVX2: {"N2D2_ISA": AVX2},
    PORTABLE: {"N2D2_ISA": PORTABLE},
    PEER: {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}
# Inductor asks the processor itself, so that what it compiles is not held to AVX2.
TRAINING_MODES = ("eager", "channels_last")
INFERENCE_MODES = ("eager", "channels_last", "jit", "jit, channels_last")
ROUNDS = 3


def key_of(row: Row) -> str:
    """Return what the command line and the files call a row measured with other instruction sets."""
    return PREFIX + row.key


def times_here(row: Row, who: str, seconds: float, threads: int) -> dict[str, float]:
    """Return the milliseconds of a step of n2d2 in this process, or of PyTorch in each mode.

    Raises:
        RuntimeError: The process has another instruction set than it should.
    """
    network = NETWORKS[row.network]
    data = batches(network, row.batch)
    training = row.kind == "training"
    ours = N2d2Training(network, data) if training else N2d2Inference(network, data[0])
    if who != PEER:
        if n2d2._core.isa() != who:
            raise RuntimeError(f"{row.key}: n2d2 uses {n2d2._core.isa()}, not {who}: does the processor have it?")
        return {ours.name: _median(ours, seconds)}
    import torch

    from peers import TorchInference, TorchTraining

    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        raise RuntimeError(f"{row.key}: PyTorch uses {torch.backends.cpu.get_cpu_capability()}, not AVX2")
    torch.set_num_threads(threads)
    start = ours.start
    del ours
    found = {}
    for mode in TRAINING_MODES if training else INFERENCE_MODES:
        contender: Contender = (
            TorchTraining(mode, network, data, start) if training else TorchInference(mode, network, data[0], start)
        )
        found[contender.name] = _median(contender, seconds)
    return found


def _median(contender: Contender, seconds: float) -> float:
    idle_share()
    return statistics.median(times_of(contender, seconds))


def measured(
    row: Row, seconds: float, threads: int, run: Callable[..., dict[str, float]] = child.in_child
) -> dict[str, Any]:
    """Measure a row with every instruction set that the processor has, in processes that take turns.

    Arguments:
        row: What is measured.
        seconds: Length of a turn.
        threads: Threads of each.
        run: Starts a process.
    """
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for who, environment in ENVIRONMENT.items():
            arguments = ["--row", key_of(row), "--who", who, "--seconds", str(seconds)]
            try:
                found = run(arguments, threads, environment=environment)
            except RuntimeError as error:
                if who != BEST:
                    raise
                # A processor without AVX-512 has no best one to compare with.
                print(error, file=sys.stderr, flush=True)
                continue
            for name, time in found.items():
                times.setdefault(who if who != PEER else name, []).append(time)
    medians = {name: statistics.median(found) for name, found in times.items()}
    peer = min((name for name in medians if name.startswith("PyTorch")), key=medians.__getitem__)
    return {
        "ms": {name: medians[name] for name in (BEST, AVX2, PORTABLE) if name in medians},
        "peer": peer,
        "peer_ms": medians[peer],
        "modes_ms": {name: time for name, time in medians.items() if name.startswith("PyTorch")},
        "rounds": ROUNDS,
        "seconds": seconds,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M"),
    }
