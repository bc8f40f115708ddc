from __future__ import annotations

import io
import re
import sys
import types
from collections.abc import Iterator

import pytest

from n2d2.error_handler import WrongValue
from n2d2.train import Progress
from n2d2.train.progress import Bar, Lines, Status, default_report, duration


class Counted:
    """A target that has seen batches of ten stimuli, half of them right."""

    def recent(self, window: int) -> tuple[float, float, int]:
        return 1.0 / window, 0.5, 10 * window


class Terminal(io.StringIO):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def without_times(text: str) -> str:
    return re.sub(r" +[\d,]+ images/s", "   N images/s", text)


def test_a_pipe_gets_a_line_an_epoch() -> None:
    stream = io.StringIO()
    progress = Progress(Counted(), epochs=2, stream=stream)
    for _ in range(2):
        assert list(progress([1, 2, 3, 4])) == [1, 2, 3, 4]
    assert without_times(stream.getvalue()).splitlines() == [
        "epoch 1/2   loss 0.2500   success  50.00 %   N images/s",
        "epoch 2/2   loss 0.2500   success  50.00 %   N images/s",
    ]
    assert progress.learning_s > 0


def test_long_epochs_get_a_line_every_five_seconds_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a look at the clock takes a tenth of a second."""
    clock = iter(range(10**6))
    monkeypatch.setattr("n2d2.train.progress.time.perf_counter", lambda: 0.1 * next(clock))
    stream = io.StringIO()
    for _ in Progress(Counted(), stream=stream)(range(190)):
        pass
    parts = [int(part) for part in re.findall(r"(\d+) %$", stream.getvalue(), re.MULTILINE)]
    assert len(parts) == 3
    assert parts[0] in range(24, 29)
    assert stream.getvalue().count("\n") == 4


class Display:
    """What `IPython.display.display` gives: remembers what is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.outputs = 0

    def __call__(self, data: dict[str, str], raw: bool, display_id: bool) -> Display:
        assert raw
        assert display_id
        self.outputs += 1
        self.shown.append(data["text/plain"])
        return self

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(data["text/plain"])


def test_a_notebook_gets_one_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    ipython, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("n2d2.train.progress._REDRAW_S", 0.0)
    progress = Progress(Counted(), epochs=2)
    for _ in range(2):
        list(progress([1, 2, 3, 4]))
    assert display.outputs == 1
    assert len(display.shown) == 10
    assert "━" in display.shown[-2]
    assert without_times(display.shown[-1]).splitlines() == [
        "epoch 1/2   loss 0.2500   success  50.00 %   N images/s",
        "epoch 2/2   loss 0.2500   success  50.00 %   N images/s",
    ]
    assert capsys.readouterr().out == ""


def test_ipython_without_a_kernel_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = types.ModuleType("IPython")
    for shell in (None, types.SimpleNamespace()):
        ipython.get_ipython = lambda shell=shell: shell  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        assert isinstance(default_report(io.StringIO(), given=False), Lines)


def test_a_terminal_gets_a_bar_that_the_numbers_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2d2.train.progress._REDRAW_S", 0.0)
    monkeypatch.setenv("COLUMNS", "110")
    stream = Terminal()
    for _ in Progress(Counted(), stream=stream)(range(4)):
        pass
    drawn = stream.getvalue().split("\r")
    assert "━" in drawn[1]
    assert "images/s" in drawn[1]
    assert drawn[-1].endswith("\n")
    assert "━" not in drawn[-1]
    assert len(drawn[-1].rstrip("\n")) >= len(drawn[-2].rstrip()), "the line before is overwritten"
    assert max(len(line) for line in drawn) < 110


def test_the_bar_fits_narrow_and_plain_terminals() -> None:
    status = Status(1, 10, 5, 10, 0.5, 0.5, 1000.0, 60.0)
    narrow = Terminal()
    Bar(narrow, columns=40).batch(status)
    assert len(narrow.getvalue()) == 40
    plain = Terminal("ascii")
    Bar(plain, columns=110).batch(status)
    assert re.search(r"#{10,15}-?\.{10,15}", plain.getvalue())
    assert plain.getvalue().isascii()


def test_an_exception_in_the_loop_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2d2.train.progress._REDRAW_S", 0.0)
    stream = Terminal()

    def broken() -> Iterator[int]:
        for batch in progress(range(9)):
            if batch == 3:
                raise KeyboardInterrupt
            yield batch

    progress = Progress(Counted(), stream=stream)
    with pytest.raises(KeyboardInterrupt):
        list(broken())
    assert stream.getvalue().endswith("\n")


def test_the_time_left_covers_the_epochs_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("n2d2.train.progress.time.perf_counter", lambda: float(next(clock)))
    seen: list[Status] = []

    class Recorder(Lines):
        def wants(self, batch: int, now_s: float) -> bool:
            return True

        def batch(self, status: Status) -> None:
            seen.append(status)

    report = Recorder(io.StringIO())
    for _ in Progress(Counted(), epochs=3, report=report)(range(4)):
        pass
    assert [s.left_s for s in seen] == [11.0, 10.0, 9.0, 8.0]
    assert [s.images_per_s for s in seen] == [10.0] * 4


def test_no_batches_no_line() -> None:
    stream = io.StringIO()
    assert list(Progress(Counted(), stream=stream)([])) == []
    assert stream.getvalue() == ""


def test_epochs_are_checked() -> None:
    with pytest.raises(WrongValue, match="Progress: epochs is 0, expected at least 1"):
        Progress(Counted(), epochs=0)


def test_durations() -> None:
    assert [duration(s) for s in (0, 59.4, 59.6, 3599.6)] == ["0:00", "0:59", "1:00", "1:00:00"]
