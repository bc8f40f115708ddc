"""Pictures of a training run, drawn by matplotlib without a display and written as PNG.

Each function writes one file and needs plain arrays only. matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from n2d2.files import replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Okabe and Ito's colours, which people with a colour vision deficiency tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK = "#303030"
_STYLE = {
    "axes.edgecolor": "#909090",
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.5,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class Curve(NamedTuple):
    """Loss and success rate of one set of stimuli against the number of learning steps.

    Arguments:
        steps (ndarray): Learning steps done at each point.
        loss (ndarray): Loss at each point.
        success (ndarray): Success rate at each point, 0 to 1.
    """

    steps: NDArray[np.float64]
    loss: NDArray[np.float64]
    success: NDArray[np.float64]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _styled(**more: bool) -> Any:
    import matplotlib as mpl

    settings: Any = {**_STYLE, **{f"axes.spines.{side}": shown for side, shown in more.items()}}
    return mpl.rc_context(settings)


def smoothed(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each value and the `window - 1` before it (fewer at the start), without those that are not finite.

    Arguments:
        values (ndarray): Values in order.
        window (int): Number of values to average, at least 1.

    Example:
        >>> smoothed(np.array([1.0, 3.0, 5.0, 7.0]), 2)
        array([1., 2., 4., 6.])
    """
    finite = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0), dtype=np.float64)])
    count = np.concatenate([[0], np.cumsum(finite)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    counts = count[end] - count[start]
    means: NDArray[np.float64] = np.where(counts > 0, (total[end] - total[start]) / np.maximum(counts, 1), np.nan)
    return means


def _short(name: str, most: int = 26) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else name[: most - 1] + "\u2026"


def learning_curve(
    curves: Mapping[str, Curve], path: str | os.PathLike[str], title: str = "", squared_error: bool = False
) -> None:
    """Draws loss (logarithmic) and success rate of each set against the learning step.

    A curve with many points, such as one a batch, is drawn as its running mean, with the losses of the points in pale;
    a curve with few points, such as one an epoch, as a line with dots, its best and last success rate in the legend.

    Arguments:
        curves (dict of Curve): Curves by the name of their set: `Learn`, `Validation` ...
        path (str or Path): PNG file to write.
        title (str, optional): Title of the picture, default="".
        squared_error (bool, optional): The success of the curves is a mean squared error, drawn as it is,
            default=False

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> steps = np.arange(1.0, 501.0)
        >>> learn = Curve(steps, 1.0 / steps, 1.0 - 0.9 / steps)
        >>> test = Curve(steps[99::100], 1.1 / steps[99::100], 1.0 - 1.0 / steps[99::100])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "curve.png")
        ...     learning_curve({"Learn": learn, "Test": test}, file, title="LeNet")
        ...     file.read_bytes()[1:4]
        b'PNG'
    """
    with _styled():
        figure = _figure(9.6, 4.2)
        left, right = figure.subplots(1, 2)
        if title:
            figure.suptitle(title, fontsize=13, fontweight="bold", color=_INK)
        losses, rates = [], []
        scale, unit, best_of = (1, "", np.nanmin) if squared_error else (100, " %", np.nanmax)
        for i, (name, curve) in enumerate(curves.items()):
            colour = COLOURS[i % len(COLOURS)]
            window = max(1, len(curve.steps) // 60)
            loss, rate = smoothed(curve.loss, window), scale * smoothed(curve.success, window)
            dots: dict[str, Any] = {"marker": "o", "markersize": 4.5, "zorder": 3} if window == 1 else {}
            if window > 1:
                left.plot(curve.steps, curve.loss, color=colour, alpha=0.18, linewidth=0.8)
            left.plot(curve.steps, loss, color=colour, linewidth=1.8, label=name, **dots)
            ends = ""
            if window == 1 and np.isfinite(rate).any():
                ends = ": best {:.{digits}}{unit}, last {:.{digits}}{unit}".format(
                    best_of(rate), rate[-1], digits="4g" if squared_error else "2f", unit=unit
                )
            right.plot(curve.steps, rate, color=colour, linewidth=1.8, label=name + ends, **dots)
            losses.append(loss[loss > 0])
            rates.append(rate[np.isfinite(rate)])
        shown = np.concatenate([*losses, []])
        if len(shown):
            left.set_yscale("log")
            left.set_ylim(shown.min() / 1.6, shown.max() * 1.6)
        left.set_title("loss")
        right.set_title("mean squared error" if squared_error else "success rate (%)")
        if not squared_error:
            _focus(right, rates)
        for axes in (left, right):
            axes.set_xlabel("learning steps (batches)")
            axes.grid(visible=True, which="major")
            axes.set_axisbelow(True)
            axes.margins(x=0.02)
            if curves:
                axes.legend(loc="upper right" if axes is left or squared_error else "lower right")
        _save(figure, path)


def _focus(axes: Axes, rates: Sequence[NDArray[np.float64]]) -> None:
    """Shows the range where most of the rates lie: the first steps of a training start near 0."""
    values = np.concatenate([*rates, [100.0]])
    bottom = float(np.percentile(values, 8))
    axes.set_ylim(max(0.0, 100.0 - 1.35 * (100.0 - bottom) - 1.0), 100.0 + 0.06 * (101.0 - bottom))


def confusion_matrix(
    counts: NDArray[np.integer], path: str | os.PathLike[str], names: Sequence[str], title: str = ""
) -> None:
    """Draws a confusion matrix: colour = part of the row, text = count.

    The diagonal is blue and the mistakes are red, on a scale of their own that ends at the most frequent mistake (at
    least 10 % of its row), so that a few mistakes among many stimuli show. Counts are written for up to 40 classes,
    with their part of the row in percent for up to 12; the row of a class without stimuli is white. Long names are cut.

    Arguments:
        counts (ndarray): Counts `[targets, estimates]`.
        path (str or Path): PNG file to write.
        names (list of str): Name of each class.
        title (str, optional): Title of the picture, default="".

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "confusion.png")
        ...     confusion_matrix(np.array([[48, 2], [5, 45]]), file, ["cat", "dog"])
        ...     file.stat().st_size > 1000
        True
    """
    from matplotlib import colormaps

    n = len(counts)
    rows = counts.sum(axis=1, keepdims=True)
    parts = counts / np.maximum(rows, 1)
    wrong = np.where(np.eye(n, dtype=bool), 0.0, parts)
    pixels = colormaps["Reds"](0.14 + 0.6 * wrong / max(float(wrong.max()), 0.1))
    pixels[counts == 0] = (1.0, 1.0, 1.0, 1.0)
    diagonal = np.flatnonzero(rows[:, 0])
    pixels[diagonal, diagonal] = colormaps["Blues"](0.15 + 0.75 * np.diagonal(parts)[diagonal])
    with _styled(top=True, right=True):
        ticks = range(n) if n <= 40 else range(0, n, -(-n // 40))
        labels = [_short(names[i] or str(i)) for i in ticks]
        longest = max((len(label) for label in labels), default=0)
        side = min(12.0, max(3.0, (0.62 if n <= 12 else 0.46) * n) + 1.6 + 0.075 * longest)
        figure = _figure(side, side)
        axes = figure.subplots()
        axes.imshow(pixels, interpolation="nearest")
        slanted = longest > 3
        axes.set_xticks(ticks, labels, rotation=60 if slanted else 0, ha="right" if slanted else "center")
        axes.set_yticks(ticks, labels)
        axes.tick_params(length=0)
        axes.set_xlabel("estimated")
        axes.set_ylabel("target")
        right, total = int(np.trace(counts)), int(counts.sum())
        rate = f"{right} of {total} right ({100 * right / max(total, 1):.2f} %)"
        figure.suptitle(f"{title}\n{rate}" if title else rate, fontsize=11, fontweight="bold", color=_INK)
        if n <= 40:
            axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
            axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
            axes.grid(visible=True, which="minor", color="#ECECEC", linewidth=0.8)
            axes.tick_params(which="minor", length=0)
            size = min(9.0, 300.0 / n / max(len(str(counts.max())), 2))
            for t, e in np.argwhere(counts > 0):
                red, green, blue, _ = pixels[t, e]
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
                colour = "white" if dark else _INK
                apart = 0.14 if n <= 12 else 0.0
                axes.text(e, t - apart, str(counts[t, e]), ha="center", va="center", size=size, color=colour)
                if n <= 12:
                    part = f"{100 * parts[t, e]:.1f} %"
                    axes.text(e, t + 0.2, part, ha="center", va="center", size=min(size, 7.0), color=colour)
        _save(figure, path)


def score_bars(
    metrics: Mapping[str, NDArray[np.float64]], path: str | os.PathLike[str], names: Sequence[str], title: str = ""
) -> None:
    """Draws metrics of each class as bars, and their averages as lines.

    Arguments:
        metrics (dict of ndarray): Values of each class by the name of the metric; NaN leaves a class out.
        path (str or Path): PNG file to write.
        names (list of str): Name of each class.
        title (str, optional): Title of the picture, default="".

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "score.png")
        ...     score_bars({"Sensitivity": np.array([0.9, 0.8])}, file, ["cat", "dog"])
        ...     file.stat().st_size > 1000
        True
    """
    n = len(names)
    with _styled():
        inches = min(24.0, max(5.5, 2.0 + 0.16 * n * (len(metrics) + 1)))
        columns = max(1, min(len(metrics), int(inches / 2.4)))
        longest = max((len(_short(name)) for name in names), default=0)
        figure = _figure(inches, 3.4 + 0.25 * -(-len(metrics) // columns) + 0.06 * longest)
        axes = figure.subplots()
        width = 0.8 / max(len(metrics), 1)
        at = np.arange(n)
        for i, (metric, values) in enumerate(metrics.items()):
            colour = COLOURS[i % len(COLOURS)]
            mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
            place = at + (i - (len(metrics) - 1) / 2) * width
            axes.bar(
                place, np.nan_to_num(100 * values), width, color=colour, label=f"{metric}, mean {100 * mean:.2f} %"
            )
            axes.axhline(100 * mean, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
        _focus(axes, [100 * values[np.isfinite(values)] for values in metrics.values()])
        labels = [_short(name or str(i)) for i, name in enumerate(names)]
        slanted = max((len(label) for label in labels), default=0) > 3
        ticks = range(n) if n <= 100 else range(0, n, -(-n // 100))
        axes.set_xticks(
            ticks, [labels[i] for i in ticks], rotation=60 if slanted else 0, ha="right" if slanted else "center"
        )
        axes.set_ylabel("%")
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
        axes.set_title(title)
        figure.legend(loc="outside lower center", ncols=columns)
        _save(figure, path)


def layer_bars(
    columns: Mapping[str, NDArray[np.float64]], path: str | os.PathLike[str], names: Sequence[str], title: str = ""
) -> None:
    """Draws quantities of each layer as horizontal bars side by side, first layer on top, numbers beside the bars.

    Arguments:
        columns (dict of ndarray): Values of each layer by the name of the quantity, with its unit.
        path (str or Path): PNG file to write.
        names (list of str): Name of each layer.
        title (str, optional): Title of the picture, default="".

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "stats.png")
        ...     layer_bars({"parameters": np.array([156.0, 2416.0])}, file, ["conv1", "conv2"])
        ...     file.stat().st_size > 1000
        True
    """
    with _styled():
        figure = _figure(1.5 + 3.4 * len(columns), 1.3 + 0.3 * len(names))
        if title:
            figure.suptitle(title, fontsize=13, fontweight="bold", color=_INK)
        all_axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        for i, (axes, (label, values)) in enumerate(zip(all_axes, columns.items(), strict=True)):
            bars = axes.barh(np.arange(len(names)), values, 0.7, color=COLOURS[i % len(COLOURS)])
            total = max(float(values.sum()), 1.0)
            texts = [f"{v:,.0f}  ({100 * v / total:.1f} %)" if v else "" for v in values]
            axes.bar_label(bars, texts, padding=3, size=8)
            axes.set_title(label)
            axes.set_yticks(np.arange(len(names)), names)
            axes.margins(x=0.45)
            axes.set_xlim(left=0)
            axes.spines["bottom"].set_visible(False)
            axes.set_xticks([])
            axes.tick_params(length=0)
        all_axes[0].invert_yaxis()
        _save(figure, path)


def kernels(weights: NDArray[np.floating], path: str | os.PathLike[str], title: str = "") -> None:
    """Draws the kernels of a convolution: a row an output, a column an input channel, at most 64 of each.

    The kernels of a single input channel stand in a square. Zero is white, positive weights are red and negative ones
    blue, on one scale for all.

    Arguments:
        weights (ndarray): Weights `[outputs, channels, height, width]`.
        path (str or Path): PNG file to write.
        title (str, optional): Title of the picture, default="".

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "kernels.png")
        ...     kernels(np.linspace(-1.0, 1.0, 2 * 3 * 5 * 5).reshape(2, 3, 5, 5), file, "conv")
        ...     file.stat().st_size > 1000
        True
    """
    shown = np.asarray(weights, dtype=np.float64)[:64, :64]
    outputs, channels, height, width = shown.shape
    columns = channels if channels > 1 else max(1, round(outputs**0.5))
    rows = -(-outputs * channels // columns)
    # A pixel between the kernels, which stays grey.
    mosaic = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, kernel in enumerate(shown.reshape(-1, height, width)):
        top, left = k // columns * (height + 1), k % columns * (width + 1)
        mosaic[top : top + height, left : left + width] = kernel
    most = max(float(np.abs(shown).max(initial=0.0)), 1e-12)
    with _styled():
        scale = 10.0 / max(*mosaic.shape, 40)
        figure = _figure(max(2.5, scale * mosaic.shape[1]) + 1.2, max(2.0, scale * mosaic.shape[0]) + 0.8)
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        axes.set_facecolor("#D0D0D0")
        picture = axes.imshow(mosaic, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        if channels > 1:
            axes.set_xlabel("input channels")
            axes.set_ylabel("outputs")
        figure.colorbar(picture, ax=axes, shrink=0.8)
        name = title or "kernels"
        figure.suptitle(f"{name}, {outputs} of {len(weights)} outputs", fontsize=11, fontweight="bold", color=_INK)
        _save(figure, path)
