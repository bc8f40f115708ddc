"""Solvers with random parameters: the weights after some updates are those of the formulas, in double precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import n2d2
from support.agreement import array, close, seeds, tensor
from support.reference import Array

UPDATES = 5


def rate(p: Any, updates: int, batch: int) -> float:
    """The learning rate after a number of updates, in single precision: one that is 0 there changes nothing."""
    lr, decay, policy = p["learning_rate"], p["learning_rate_decay"], p["learning_rate_policy"]
    if p["max_iterations"]:
        updates = min(updates, p["max_iterations"])
    step = updates * p["iteration_size"] * batch // p["learning_rate_step_size"]
    warm_up, total = p["warm_up_duration"], p["max_iterations"]
    if policy == "StepDecay":
        factor = decay**step
    elif policy == "ExponentialDecay":
        factor = math.exp(-decay * step)
    elif policy == "InvTDecay":
        factor = 1 / (1 + decay * step)
    elif policy == "PolyDecay":
        factor = (1 - updates / total) ** p["power"]
    elif policy == "InvDecay":
        factor = (1 + decay * updates) ** -p["power"]
    elif policy == "CosineDecay" and step < warm_up:
        factor = (1 - p["warm_up_lr_frac"]) * step / warm_up + p["warm_up_lr_frac"]
    elif policy == "CosineDecay":
        cosine = (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up))) / 2
        factor = max(0.0, (1 - p["min_decay"]) * cosine + p["min_decay"])
    else:
        factor = 1.0
    return float(np.float32(lr * factor))


def weights_of(cell: n2d2.cells.Fc) -> Array:
    return np.array([[cell.get_weight(o, i)[0] for i in range(3)] for o in range(2)], dtype=float)


def gradients(cell: n2d2.cells.Fc, random: np.random.Generator, batch: int, count: int) -> list[Array]:
    """Update the cell `count` times, and return the gradient of its weights of each batch."""
    sums = []
    for _ in range(count):
        x, e = array(random, batch, 3), array(random, batch, 2)
        output = cell(tensor(x))
        output.back_propagate(e.reshape(output.shape()))
        output.update()
        sums.append(e.T @ x)
    return sums


unit = st.floats(0, 1)
policies = ["None", "StepDecay", "ExponentialDecay", "InvTDecay", "PolyDecay", "InvDecay", "CosineDecay"]
limits = st.one_of(st.none(), st.floats(0.01, 2))


@st.composite
def sgd(draw: Any) -> dict[str, Any]:
    policy = draw(st.sampled_from(policies))
    warm_up = draw(st.integers(0, 4))
    needs_end = policy in ("PolyDecay", "CosineDecay")
    return {
        "learning_rate": draw(st.floats(0, 0.5)),
        "momentum": draw(st.one_of(st.just(0.0), st.floats(0, 0.95))),
        "decay": draw(st.one_of(st.just(0.0), st.floats(0, 0.1))),
        "iteration_size": draw(st.integers(1, 3)),
        "learning_rate_policy": policy,
        "learning_rate_step_size": draw(st.integers(1, 12)),
        "learning_rate_decay": draw(unit),
        "max_iterations": warm_up + draw(st.integers(1, 8)) if needs_end else draw(st.integers(0, 4)),
        "warm_up_duration": warm_up,
        "warm_up_lr_frac": draw(unit),
        "min_decay": draw(unit),
        "power": draw(st.floats(0, 2)),
    }


def range_of(low: float | None, high: float | None) -> tuple[str, float, float]:
    """The text of a clamping, and its limits."""
    if low is None and high is None:
        return "", -math.inf, math.inf
    text = f"{'' if low is None else -low}:{'' if high is None else high}"
    return text, -math.inf if low is None else -low, math.inf if high is None else high


@given(sgd(), limits, limits, st.integers(1, 5), seeds)
def test_sgd(p: dict[str, Any], low: float | None, high: float | None, batch: int, seed: int) -> None:
    random, size = np.random.default_rng(seed), p["iteration_size"]
    clamping, least, most = range_of(low, high)
    cell = n2d2.cells.Fc(3, 2, no_bias=True, solver=n2d2.solver.SGD(**p, clamping=clamping))
    w, v, scale = weights_of(cell), np.zeros((2, 3)), 1.0
    for k in range(UPDATES):
        g = sum(gradients(cell, random, batch, size))
        r = rate(p, k, batch)
        if r != 0:
            v = p["momentum"] * v + r / (batch * size) * g - p["decay"] * r * w
            w = np.clip(w + v, least, most)
        scale = max(scale, float(np.abs(v).max()))
        close(weights_of(cell) / scale, w / scale, f"weights after update {k + 1}")


@given(
    st.floats(0, 0.5), unit.map(lambda b: 0.99 * b), unit.map(lambda b: 0.999 * b), st.floats(1e-8, 1), limits, limits,
    st.integers(1, 5), seeds,
)  # fmt: skip
def test_adam(
    lr: float, beta1: float, beta2: float, epsilon: float, low: float | None, high: float | None, batch: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    clamping, least, most = range_of(low, high)
    solver = n2d2.solver.Adam(learning_rate=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, clamping=clamping)
    cell = n2d2.cells.Fc(3, 2, no_bias=True, solver=solver)
    w, m, v = weights_of(cell), np.zeros((2, 3)), np.zeros((2, 3))
    for k in range(1, UPDATES + 1):
        (g,) = gradients(cell, random, batch, 1)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        root = math.sqrt(1 - beta2**k)
        if lr != 0:
            w = np.clip(w + lr * root / (1 - beta1**k) * m / (np.sqrt(v) + epsilon * root), least, most)
        close(weights_of(cell), w, f"weights after update {k}")
