"""One row: every contender is checked and timed, then n2d2 and the fastest other take turns."""

from __future__ import annotations

import datetime as dt
import gc
import statistics
import sys
from collections.abc import Callable, Iterable
from typing import Any

from batches import batches
from check import check_output, check_training, inference_judge, training_judges
from measure import Contender, alternate, idle_share, times_of
from networks import NETWORKS
from ours import N2d2Inference, N2d2Training
from peers import inferrers, trainers
from rows import Row


def measured(row: Row, rounds: int, seconds: float, threads: int) -> dict[str, Any]:
    """Return everything that is known about a row after it was measured."""
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    network = NETWORKS[row.network]
    data = batches(network, row.batch)
    ours: Contender
    check: Callable[[Any], list[float]]
    others: Iterable[Contender]
    if row.kind == "training":
        ours = trainer = N2d2Training(network, data)
        judges = training_judges(network, data, trainer.start)
        check = lambda contender: check_training(judges, contender)  # noqa: E731
        others = trainers(network, data, trainer.start)
    else:
        ours = inferrer = N2d2Inference(network, data[0])
        judges = [inference_judge(network, data[0], inferrer.start)]
        check = lambda contender: check_output(judges[0], contender)  # noqa: E731
        others = inferrers(network, data[0], inferrer.start, inferrer.onnx(), threads)
    distances = {ours.name: check(ours)}
    peer, times = _fastest(others, check, distances, seconds)
    duel = alternate(ours, peer, rounds, seconds)
    return {
        "key": row.key,
        "n2d2_ms": statistics.median(duel.ours_ms),
        "peer": peer.name,
        "peer_ms": statistics.median(duel.theirs_ms),
        "ratio": duel.ratio,
        "ratios": duel.ratios,
        "modes_ms": dict(sorted(times.items(), key=lambda item: item[1])),
        "distances": distances,
        "allowed": [judge.limit for judge in judges],
        "compared_steps": [judge.steps for judge in judges],
        "idle_share": duel.idle,
        "rounds": rounds,
        "seconds": seconds,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M"),
    }


def _fastest(
    others: Iterable[Contender], check: Callable[[Any], list[float]], distances: dict[str, list[float]], seconds: float
) -> tuple[Contender, dict[str, float]]:
    """Return the fastest of the peers that compute the same, and the time of each; the slower ones are let go."""
    best: Contender | None = None
    times: dict[str, float] = {}
    for contender in others:
        try:
            distances[contender.name] = check(contender)
        except ValueError as error:
            print(f"    left out: {error}", file=sys.stderr, flush=True)
            continue
        idle_share()
        # The best group: what else the machine does must not decide which mode is chosen.
        times[contender.name] = min(times_of(contender, seconds))
        print(f"    {contender.name}: {times[contender.name]:.3g} ms", file=sys.stderr, flush=True)
        if best is None or times[contender.name] < times[best.name]:
            best = contender
        gc.collect()
    if best is None:
        raise ValueError("no peer computes the same")
    return best, times
