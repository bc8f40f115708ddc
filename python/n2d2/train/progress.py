"""A progress report of a training loop: a bar in a terminal or a notebook, lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO, TypeVar

from n2d2.error_handler import WrongInputType, WrongValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from n2d2.target.target import Target

Item = TypeVar("Item")

_REDRAW_S = 0.1
_LINE_S = 5.0


class Status(NamedTuple):
    """Where a training stands.

    Arguments:
        epoch (int): Present epoch, from 1.
        epochs (int): Epochs in all.
        batch (int): Batches done in this epoch.
        batches (int): Batches of an epoch.
        loss (float): Mean loss of the stimuli of this epoch so far.
        success (float): Part of them that was right, 0 to 1.
        images_per_s (float): Images of this epoch per second.
        left_s (float): Seconds left until the end of the last epoch, from the time the batches so far took.

    Example:
        >>> print(Status(2, 3, 50, 125, 0.5, 0.875, 20000.0, 0.6).text())
        epoch 2/3   loss 0.5000   success  87.50 %    20,000 images/s   0:01 left
        >>> print(Status(3, 3, 125, 125, 0.25, 1.0, 20000.0, 0.0).text())
        epoch 3/3   loss 0.2500   success 100.00 %    20,000 images/s
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    success: float
    images_per_s: float
    left_s: float

    def text(self, bar: str = "") -> str:
        """The numbers as one line.

        Arguments:
            bar (str, optional): What to show between the epoch and the numbers, default="".
        """
        width = len(str(self.epochs))
        line = f"epoch {self.epoch:>{width}}/{self.epochs}   {bar + '   ' if bar else ''}"
        line += f"loss {self.loss:.4f}   success {100 * self.success:6.2f} %"
        if self.images_per_s > 0:
            line += f"   {self.images_per_s:>7,.0f} images/s"
        if self.left_s > 0:
            line += f"   {duration(self.left_s)} left"
        return line


def duration(seconds: float) -> str:
    """A duration as `minutes:seconds` or `hours:minutes:seconds`.

    Arguments:
        seconds (float): Duration in seconds.

    Example:
        >>> duration(0.6), duration(75), duration(3700)
        ('0:01', '1:15', '1:01:40')
    """
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


class Report(Protocol):
    """Something that shows the status of a training."""

    def batch(self, status: Status) -> None:
        """Called now and then during an epoch.

        Arguments:
            status (Status): What to show.
        """

    def epoch(self, status: Status, note: str = "") -> None:
        """Called at the end of an epoch, with what to write behind its numbers.

        Arguments:
            status (Status): What to show.
            note (str, optional): Text behind the numbers, default="".
        """

    def wants(self, batch: int, now_s: float) -> bool:
        """Whether `batch` should be called after this batch.

        Arguments:
            batch (int): Number of the batch in its epoch, from 1.
            now_s (float): Time, in seconds.
        """

    def stop(self) -> None:
        """Called when an epoch ends early, by an exception for instance."""


class Bar:
    """A bar that is redrawn in one line of a terminal, ten times a second at most.

    Arguments:
        stream (file): Where to write.
        columns (int, optional): Width of a line in characters, default=that of the terminal.

    Example:
        >>> import io
        >>> stream = io.StringIO()
        >>> bar = Bar(stream, columns=100)
        >>> bar.batch(Status(1, 3, 50, 125, 0.5, 0.875, 20000.0, 2.2))
        >>> stream.getvalue().strip()
        'epoch 1/3   ━━━━━━━━━──────────────   loss 0.5000   success  87.50 %    20,000 images/s   0:02 left'
    """

    def __init__(self, stream: TextIO, columns: int | None = None) -> None:
        self._stream = stream
        self._columns = columns
        self._next_s = 0.0
        self._drawn = 0

    def wants(self, batch: int, now_s: float) -> bool:
        """True when a tenth of a second has passed since the last drawing.

        Arguments:
            batch (int): Number of the batch in its epoch, from 1.
            now_s (float): Time, in seconds.
        """
        del batch
        return now_s >= self._next_s

    def batch(self, status: Status) -> None:
        """Redraws the line.

        Arguments:
            status (Status): What to show.
        """
        self._next_s = time.perf_counter() + _REDRAW_S
        text = status.text()
        columns = self._columns or shutil.get_terminal_size().columns
        room = min(30, columns - len(text) - 4)
        if room >= 6:
            text = status.text(_bar(status.batch / max(status.batches, 1), room, _encodes(self._stream)))
        self._write(text[: columns - 1])

    def epoch(self, status: Status, note: str = "") -> None:
        """Replaces the bar by the numbers of the epoch.

        Arguments:
            status (Status): What to show.
            note (str, optional): Text behind the numbers, default="".
        """
        self._write(_line(status, note))
        self._stream.write("\n")
        self._stream.flush()
        self._drawn = 0

    def stop(self) -> None:
        """Leaves the line, so that what follows does not overwrite it."""
        if self._drawn:
            self._stream.write("\n")
            self._drawn = 0

    def _write(self, text: str) -> None:
        self._stream.write("\r" + text + " " * (self._drawn - len(text)))
        self._stream.flush()
        self._drawn = len(text)


def _line(status: Status, note: str) -> str:
    return status._replace(left_s=0.0).text() + (f"   {note}" if note else "")


def _encodes(stream: TextIO) -> bool:
    try:
        "━╸─".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _bar(part: float, width: int, fine: bool) -> str:
    halves = round(2 * width * min(part, 1.0))
    full, half, empty = ("━", "╸", "─") if fine else ("#", "-", ".")
    bar = full * (halves // 2) + half * (halves % 2)
    return bar + empty * (width - len(bar))


class Lines:
    """A line an epoch, for files and pipes, and one every five seconds of a longer epoch.

    Arguments:
        stream (file): Where to write.

    Example:
        >>> lines = Lines(sys.stdout)
        >>> lines.wants(12, 0.0)
        False
        >>> lines.epoch(Status(2, 3, 125, 125, 0.5, 0.875, 20000.0, 0.6))
        epoch 2/3   loss 0.5000   success  87.50 %    20,000 images/s
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_s = time.perf_counter() + _LINE_S

    def wants(self, batch: int, now_s: float) -> bool:
        """True when five seconds have passed since the last line.

        Arguments:
            batch (int): Number of the batch in its epoch, from 1.
            now_s (float): Time, in seconds.
        """
        del batch
        return now_s >= self._next_s

    def batch(self, status: Status) -> None:
        """Writes a line with the part of the epoch that is done.

        Arguments:
            status (Status): What to show.
        """
        self._next_s = time.perf_counter() + _LINE_S
        self._stream.write(f"{status.text()}   {100 * status.batch / max(status.batches, 1):.0f} %\n")
        self._stream.flush()

    def epoch(self, status: Status, note: str = "") -> None:
        """Writes the line of the epoch.

        Arguments:
            status (Status): What to show.
            note (str, optional): Text behind the numbers, default="".
        """
        self._next_s = time.perf_counter() + _LINE_S
        self._stream.write(_line(status, note) + "\n")
        self._stream.flush()

    def stop(self) -> None:
        """Does nothing: every line is complete."""


class Notebook:
    """One output below the cell of a Jupyter notebook, whose last line is redrawn ten times a second at most.

    Arguments:
        display (callable): `IPython.display.display`.

    Example:
        >>> class Handle:
        ...     def update(self, data, raw):
        ...         print(data["text/plain"])
        >>> notebook = Notebook(lambda data, raw, display_id: Handle())
        >>> notebook.epoch(Status(1, 2, 125, 125, 0.5, 0.875, 20000.0, 0.6))
        >>> notebook.batch(Status(2, 2, 25, 125, 0.5, 0.875, 20000.0, 0.5))
        epoch 1/2   loss 0.5000   success  87.50 %    20,000 images/s
        epoch 2/2   ━━━━━━────────────────────────   loss 0.5000   success  87.50 %    20,000 images/s   0:00 left
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._done: list[str] = []
        self._next_s = 0.0

    def wants(self, batch: int, now_s: float) -> bool:
        """True when a tenth of a second has passed since the last drawing.

        Arguments:
            batch (int): Number of the batch in its epoch, from 1.
            now_s (float): Time, in seconds.
        """
        del batch
        return now_s >= self._next_s

    def batch(self, status: Status) -> None:
        """Redraws the last line.

        Arguments:
            status (Status): What to show.
        """
        self._next_s = time.perf_counter() + _REDRAW_S
        self._show(status.text(_bar(status.batch / max(status.batches, 1), 30, fine=True)))

    def epoch(self, status: Status, note: str = "") -> None:
        """Replaces the last line by the numbers of the epoch.

        Arguments:
            status (Status): What to show.
            note (str, optional): Text behind the numbers, default="".
        """
        self._done.append(_line(status, note))
        self._show()

    def stop(self) -> None:
        """Does nothing: what was drawn stays."""

    def _show(self, *last: str) -> None:
        data = {"text/plain": "\n".join([*self._done, *last])}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _notebook_display() -> Callable[..., Any] | None:
    """`IPython.display.display` if this process is the kernel of a notebook, which has loaded IPython then."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from importlib import import_module

    display: Callable[..., Any] = import_module("IPython.display").display
    return display


def default_report(stream: TextIO, given: bool) -> Report:
    """A bar in a terminal, one output in a notebook, lines elsewhere.

    Arguments:
        stream (file): Where to write.
        given (bool): True if the stream was given: then a notebook gets lines in it too.

    Example:
        >>> import io
        >>> type(default_report(io.StringIO(), given=True)).__name__
        'Lines'
    """
    if stream.isatty():
        return Bar(stream)
    display = None if given else _notebook_display()
    return Lines(stream) if display is None else Notebook(display)


class Progress:
    """Reports loss, success rate, images per second and time left while a loop goes through the batches of a provider.

    In a terminal or a notebook one line is redrawn ten times a second; elsewhere a line is written an epoch, and every
    five seconds of a longer one. The numbers are means
    over the epoch so far, taken from the target. Between two drawings a batch costs well under a microsecond.
    `learning_s` is the time spent in the loop so far, without what `after` does.

    Arguments:
        target (n2d2.target.Target): Target whose loss and success are shown.
        epochs (int, optional): Epochs in all, for the time left, default=1.
        stream (file, optional): Where to write, default=the standard output.
        report (Report, optional): Shows the status: a `Bar`, `Lines`, a `Notebook` or an object of your own, default=a
            `Bar` in a terminal, a `Notebook` in the kernel of one, else `Lines`.

    Raises:
        WrongInputType: `epochs` is not an int.
        WrongValue: `epochs` is below 1.

    Example:
        >>> import n2d2
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=100)
        >>> provider.set_partition("Test")
        >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(28 * 28, 10), n2d2.cells.Softmax()])
        >>> target = n2d2.target.Score(provider)
        >>> progress = n2d2.train.Progress(target)
        >>> for stimuli in progress(provider):
        ...     loss = target(model(stimuli))
        epoch 1/1   loss ...   success ... %   ... images/s
    """

    def __init__(
        self, target: Target, epochs: int = 1, *, stream: TextIO | None = None, report: Report | None = None
    ) -> None:
        if isinstance(epochs, bool) or not isinstance(epochs, int):
            raise WrongInputType("Progress: epochs", type(epochs), int)
        if epochs < 1:
            raise WrongValue("Progress: epochs", epochs, "at least 1")
        self.target = target
        self.epochs = epochs
        self.epoch = 0
        self.learning_s = 0.0
        self._stream = stream
        self._report = report

    def __call__(
        self, batches: Iterable[Item], count: int | None = None, after: Callable[[], str] | None = None
    ) -> Iterator[Item]:
        """Goes through one epoch and reports.

        Arguments:
            batches (iterable): What to go through: a provider, or any other source of batches.
            count (int, optional): Number of batches, default=`len(batches)`.
            after (callable, optional): Called when the epoch is done, for instance to test the network; what it returns
                is written behind the numbers of the epoch, default=None.

        Raises:
            WrongInputType: `batches` has no length and `count` is not given.
        """
        if count is None:
            if not isinstance(batches, Sized):
                raise WrongInputType(f"Progress: batches of type {type(batches).__name__} have no length; give count=")
            count = len(batches)
        return self._epoch(batches, count, after)

    def _epoch(self, batches: Iterable[Item], count: int, after: Callable[[], str] | None) -> Iterator[Item]:
        self.epoch += 1
        if self._report is None:
            self._report = default_report(self._stream or sys.stdout, given=self._stream is not None)
        report = self._report
        start = time.perf_counter()
        done = 0
        try:
            for item in batches:
                yield item
                done += 1
                now = time.perf_counter()
                if report.wants(done, now):
                    report.batch(self._status(done, count, now - start))
        except BaseException:
            report.stop()
            raise
        spent = time.perf_counter() - start
        self.learning_s += spent
        if done:
            status = self._status(done, count, spent)
            report.epoch(status, "" if after is None else after())

    def _status(self, done: int, count: int, spent_s: float) -> Status:
        loss, success, images = self.target.recent(done)
        left = spent_s / done * (count - done + count * max(self.epochs - self.epoch, 0))
        rate = images / spent_s if spent_s > 0 else 0.0
        return Status(self.epoch, max(self.epochs, self.epoch), done, count, loss, success, rate, left)
