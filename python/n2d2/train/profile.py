"""Where the time of training goes, cell by cell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from n2d2 import _core
from n2d2.error_handler import NotInitialized, StateError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_BETWEEN = "(between cells)"


class ProfiledPass(NamedTuple):
    """All passes of a cell in one direction.

    Arguments:
        name (str): Name of the cell; `(between cells)` for activations, joining of inputs and sums of branches.
        kind (str): Its class.
        backward (bool): True for backward passes.
        passes (int): Number of passes.
        seconds (float): Time of all threads together, in seconds.
        flops (float): Floating-point operations: two for a multiply-accumulate.
        bytes (float): Bytes that must move: each activation, gradient and parameter that is read or written, once.

    Example:
        >>> import n2d2
        >>> fc = n2d2.cells.Fc(20, 10, name="fc")
        >>> with n2d2.train.Profile() as profile:
        ...     y = fc(n2d2.Tensor([4, 20]))
        >>> profile.passes[0].name, profile.passes[0].backward, profile.passes[0].flops
        ('fc', False, 1680.0)
    """

    name: str
    kind: str
    backward: bool
    passes: int
    seconds: float
    flops: float
    bytes: float


class Profile:
    """Measures each pass of each cell between its start and its end: time, arithmetic, bytes, and shares of the peak.

    The peaks of the machine, a loop of fused multiply-adds and `a = b + s c` in the caches, are measured at the start.
    A cell's share of a peak is that of the threads while they worked for it: what they wait for each other is in none.
    One profile is made at a time. A cell that computes little spends a part of its time on the measurement.

    Raises:
        StateError: Another profile is running.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import Conv, Fc, Sequence
        >>> model = Sequence([Conv(1, 8, [3, 3], name="conv"), Fc(128, 4, name="fc")])
        >>> with n2d2.train.Profile() as profile:
        ...     y = model(n2d2.Tensor([2, 1, 6, 6]))
        ...     y.back_propagate(y)
        >>> [(p.name, "backward" if p.backward else "forward") for p in profile.passes]
        [('conv', 'forward'), ('fc', 'forward'), ('fc', 'backward'), ('conv', 'backward')]
        >>> print(profile.table().splitlines()[0].split())
        ['cell', 'class', 'pass', 'passes', 'ms', '%', 'GFLOP/s', 'of', 'peak', 'GB/s', 'of', 'triad']
    """

    _running = False

    def __init__(self) -> None:
        self._passes: list[ProfiledPass] | None = None
        self._peak = (0, 0.0, 0.0)
        self._started = self._wall_s = 0.0

    def __enter__(self) -> Self:
        if Profile._running:
            raise StateError("Profile: another profile is running; end it first")
        Profile._running = True
        self._peak = _core.measure_peak()
        self._started = time.perf_counter()
        _core.begin_profile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rows = _core.end_profile()
        self._wall_s = time.perf_counter() - self._started
        self._passes = [ProfiledPass(name or _BETWEEN, *rest) for name, *rest in rows]  # type: ignore[arg-type]
        Profile._running = False

    @property
    def passes(self) -> list[ProfiledPass]:
        """What was measured, in the order of the first computation.

        Raises:
            NotInitialized: The profile has not ended.
        """
        if self._passes is None:
            raise NotInitialized("Profile: nothing was measured before the end of the `with` block")
        return list(self._passes)

    def table(self) -> str:
        """The passes as text, and the peaks below.

        `ms` is the time of all threads for one pass; `%` its part of the time of all passes.

        Raises:
            NotInitialized: The profile has not ended.

        Example:
            >>> import n2d2
            >>> with n2d2.train.Profile() as profile:
            ...     y = n2d2.cells.Fc(20, 10, name="fc")(n2d2.Tensor([4, 20]))
            >>> profile.table().splitlines()[2].split()[:4]
            ['fc', 'Fc', 'forward', '1']
        """
        from n2d2.cli.table import table

        threads, gflops, gbytes = self._peak
        total = sum(p.seconds for p in self.passes) or 1.0
        rows: list[list[str]] = []
        for p in self.passes:
            seconds = max(p.seconds, 1e-9)
            rates = [p.flops / seconds / 1e9, p.bytes / seconds / 1e9]
            shares = [100 * rate * threads / peak for rate, peak in zip(rates, (gflops, gbytes), strict=True)]
            arithmetic = [f"{rates[0] * threads:.1f}", f"{shares[0]:.0f} %"] if p.flops else ["", ""]
            rows.append(
                [
                    p.name,
                    p.kind,
                    "backward" if p.backward else "forward",
                    str(p.passes),
                    f"{1e3 * p.seconds / p.passes:.4f}",
                    f"{100 * p.seconds / total:.1f}",
                    *arithmetic,
                    f"{rates[1] * threads:.1f}",
                    f"{shares[1]:.0f} %",
                ]
            )
        numbers = ["passes", "ms", "%", "GFLOP/s", "of peak", "GB/s", "of triad"]
        text = table(["cell", "class", "pass", *numbers], rows, right=numbers)
        busy = 100 * total / max(self._wall_s * threads, 1e-9)
        return (
            f"{text}\n{threads} threads, {busy:.0f} % of their time in cells; "
            f"peak {gflops:.0f} GFLOP/s, triad {gbytes:.0f} GB/s"
        )
