"""The files of a target: confusion matrix, score, learning curve, statistics of the network."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from n2d2 import plots
from n2d2.files import append_text, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TABLE_METRICS = ("Sensitivity", "Specificity", "Precision", "Accuracy", "F1Score", "Informedness", "IU")
HISTORY = ("step", "loss", "cross_entropy", "success", "top_n_success", "stimuli")
_STEP, _LOSS, _SUCCESS, _TOP_N, _STIMULI = 0, 1, 3, 4, 5
_NEURONS = ("Conv", "Deconv", "Fc", "Softmax")


class Scores(NamedTuple):
    """Confusion matrix and metrics of a partition.

    Arguments:
        counts (ndarray): Confusion matrix, a row a target.
        names (list of str): Name of each class.
        metrics (dict of ndarray): Values of each class by the name of the metric.
        averages (dict of float): Average of each metric over the classes that occurred.
        relevant (list of bool): Whether each class occurred.
    """

    counts: NDArray[np.int64]
    names: Sequence[str]
    metrics: Mapping[str, NDArray[np.float64]]
    averages: Mapping[str, float]
    relevant: Sequence[bool]

    def table(self) -> str:
        """The metrics in percent, a line a class, with the averages below.

        Example:
            >>> counts = np.array([[3, 1], [0, 4]])
            >>> values = {"Sensitivity": np.array([0.75, 1.0])}
            >>> print(Scores(counts, ["cat", "dog"], values, {"Sensitivity": 0.875}, [True, True]).table())
            class     stimuli   Sensitivity
            cat             4         75.00
            dog             4        100.00
            -------------------------------
            average         8         87.50
        """
        shown = [name for name in TABLE_METRICS if name in self.metrics]
        title = ["class", "stimuli", *shown]
        rows = [
            [name or str(i), str(self.counts[i].sum()), *(f"{100 * self.metrics[metric][i]:.2f}" for metric in shown)]
            for i, name in enumerate(self.names)
        ]
        last = ["average", str(self.counts.sum()), *(f"{100 * self.averages[metric]:.2f}" for metric in shown)]
        widths = [max(len(row[i]) for row in [title, *rows, last]) for i in range(len(title))]

        def line(row: Sequence[str]) -> str:
            first = row[0].ljust(widths[0])
            return "   ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])

        rule = "-" * len(line(title))
        return "\n".join([line(title), *map(line, rows), rule, line(last)])


def write_confusion(stem: Path, scores: Scores, title: str) -> None:
    """Writes `<stem>.dat`, `.csv`, `.png`, `<stem>_score.dat`, `.json` and `.png`.

    Arguments:
        stem (Path): Folder and first part of the names of the files.
        scores (Scores): What to write.
        title (str): Title of the pictures.

    Raises:
        FileError: A file cannot be written.
    """
    counts, names, metrics = scores.counts, scores.names, scores.metrics
    rows = counts.sum(axis=1)
    pairs = np.ndenumerate(counts)
    lines = [f"{t} {e} {count} {count / rows[t] if rows[t] else 0:g}" for (t, e), count in pairs]
    write_text(_named(stem, ".dat"), "\n".join(["target estimated # %", *lines]) + "\n")
    labels = [name or str(i) for i, name in enumerate(names)]
    matrix = ([labels[t], *row] for t, row in enumerate(counts.tolist()))
    write_text(_named(stem, ".csv"), _csv(["target", *labels], matrix))
    plots.confusion_matrix(counts, _named(stem, ".png"), names, title)

    lines = ["Target TargetName Sensitivity Specificity Precision Accuracy F1-score Informedness IU"]
    for t, name in enumerate(names):
        lines.append(f'{t} "{name}" ' + " ".join(f"{metrics[metric][t]:g}" for metric in TABLE_METRICS))
    lines += ["", "- AVG " + " ".join(f"{scores.averages[metric]:g}" for metric in TABLE_METRICS)]
    write_text(_named(stem, "_score.dat"), "\n".join(lines) + "\n")
    classes = [
        {"target": t, "name": name, "stimuli": int(rows[t]), **{metric: float(v[t]) for metric, v in metrics.items()}}
        for t, name in enumerate(names)
    ]
    write_text(_named(stem, "_score.json"), _json({"classes": classes, "average": dict(scores.averages)}))
    shown = ["Sensitivity", "Precision", "F1Score"] + (["Specificity", "Accuracy"] if len(names) == 2 else [])
    bars = {metric: np.where(scores.relevant, metrics[metric], np.nan) for metric in shown}
    plots.score_bars(bars, _named(stem, "_score.png"), names, title)


def write_misclassified(path: Path, rows: Iterable[tuple[int, str, int, int, int]]) -> None:
    """Writes the stimuli that were estimated wrong.

    Arguments:
        path (Path): File to write.
        rows (iterable): Number, name, target, estimate, and how often, of each.

    Raises:
        FileError: The file cannot be written.
    """
    lines = [f'{i} "{name}" {target} {estimated} {count}' for i, name, target, estimated, count in rows]
    write_text(path, "\n".join(["# name target estimated count", *lines]) + "\n")


def append_estimates(path: Path, rows: Iterable[tuple[int, str, int, int, float, Iterable[float]]]) -> None:
    """Appends the estimates of a batch to a file.

    Arguments:
        path (Path): File to append to; it is created if there is none.
        rows (iterable): Number, name, target, estimate, its output, and all outputs, of each stimulus.

    Raises:
        FileError: The file cannot be written.
    """
    lines = [
        f'{i} "{name}" {target} {estimated} {value:g} ' + " ".join(f"{output:g}" for output in outputs) + "\n"
        for i, name, target, estimated, value, outputs in rows
    ]
    append_text(path, "".join(lines))


def passes(history: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    """Means of each run of batches between two learning steps.

    Arguments:
        history (ndarray): A row a batch, with the columns of `HISTORY`.
        column (int): Column to average, weighted by the number of stimuli.

    Example:
        >>> history = np.array([[5, 1.0, 0, 0, 0, 10], [5, 2.0, 0, 0, 0, 30], [9, 0.5, 0, 0, 0, 20.0]])
        >>> passes(history, 1)
        array([[5.  , 1.75],
               [9.  , 0.5 ]])
    """
    steps, run = np.unique(history[:, _STEP], return_inverse=True)
    weights = np.bincount(run, history[:, _STIMULI], len(steps))
    sums = np.bincount(run, history[:, _STIMULI] * np.nan_to_num(history[:, column]), len(steps))
    return np.column_stack([steps, sums / np.maximum(weights, 1)])


def write_success(
    stem: Path,
    histories: Mapping[str, NDArray[np.float64]],
    partition: str,
    top_n: int,
    title: str,
    squared_error: bool = False,
) -> None:
    """Writes `<stem>.dat`, `.csv` and `.png`.

    Arguments:
        stem (Path): Folder and first part of the names of the files.
        histories (dict of ndarray): Batches of each partition, with the columns of `HISTORY`.
        partition (str): Partition of the `.dat` file.
        top_n (int): Above 1, the success written is the top-N success.
        title (str): Title of the picture.
        squared_error (bool, optional): The success is a mean squared error, default=False

    Raises:
        FileError: A file cannot be written.
    """
    column = _column(top_n)
    history = histories[partition]
    if partition == "Learn":
        write_learning(_named(stem, ".dat"), history, top_n)
    else:
        lines = [f"{step:.0f} {success:.4g}" for step, success in passes(history, column)]
        write_text(_named(stem, ".dat"), "\n".join(lines) + "\n")
    rows = ([name, *map(_number, batch)] for name, batches in histories.items() for batch in batches.tolist())
    write_text(_named(stem, ".csv"), _csv(["partition", *HISTORY], rows))
    plots.learning_curve(curves(histories, column), _named(stem, ".png"), title, squared_error)


def write_learning(path: Path, history: NDArray[np.float64], top_n: int) -> None:
    """Writes a line a batch: its success rate, and the average of all batches up to it.

    Arguments:
        path (Path): File to write.
        history (ndarray): A row a batch, with the columns of `HISTORY`.
        top_n (int): Above 1, the success written is the top-N success.

    Raises:
        FileError: The file cannot be written.
    """
    success, stimuli = history[:, _column(top_n)], history[:, _STIMULI]
    averages = np.cumsum(success * stimuli) / np.maximum(np.cumsum(stimuli), 1)
    lines = [f"{value:.4g} {average:.4g}" for value, average in zip(success, averages, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def curves(histories: Mapping[str, NDArray[np.float64]], column: int = _SUCCESS) -> dict[str, plots.Curve]:
    """The learning curves of each partition: a point a batch in Learn, a point a pass elsewhere.

    Arguments:
        histories (dict of ndarray): Batches of each partition, with the columns of `HISTORY`.
        column (int, optional): Column of the success, default=that of the plain success.
    """
    found = {}
    for name, history in histories.items():
        if name == "Learn":
            found[name] = plots.Curve(history[:, _STEP], history[:, _LOSS], history[:, column])
        else:
            loss, success = passes(history, _LOSS), passes(history, column)
            found[name] = plots.Curve(loss[:, 0], loss[:, 1], success[:, 1])
    return found


class Layer(NamedTuple):
    """A cell behind an output, for one stimulus.

    Arguments:
        name (str): Name of the cell.
        kind (str): Class of the cell.
        parents (list of str): Names of the cells before it.
        output (list of int): Output size `[c, h, w]`.
        data (int): Values of the data it takes directly.
        params (int): Trainable values.
        macs (int): Multiply-accumulates.
    """

    name: str
    kind: str
    parents: list[str]
    output: list[int]
    data: int
    params: int
    macs: int

    @property
    def nodes(self) -> int:
        """Values of the output."""
        return int(np.prod(self.output))


def write_stats(folder: Path, layers: Sequence[Layer]) -> None:
    """Writes `stats.log`, `stats.dat`, `stats_relative.dat`, `stats.csv`, `stats.json` and `stats.png`.

    Arguments:
        folder (Path): Folder to write.
        layers (list of Layer): The cells.

    Raises:
        FileError: A file cannot be written.
    """
    inputs, nodes = sum(layer.data for layer in layers), sum(layer.nodes for layer in layers)
    params, macs = sum(layer.params for layer in layers), sum(layer.macs for layer in layers)
    neurons = sum(layer.nodes for layer in layers if layer.kind in _NEURONS)
    shared = sum(layer.macs for layer in layers if layer.params)
    lines = ["[Global stats]"]
    lines += [
        f"Total number of {what}: {count}"
        for what, count in (
            ("neurons", neurons),
            ("nodes", nodes),
            ("synapses", params),
            ("virtual synapses", shared),
            ("connections", macs),
        )
    ]
    lines += ["", "[Memory]"]
    for what, count in (("Input data", inputs), ("Free parameters", params), ("Layers data", nodes)):
        for label, size in (("int-8 bits", 1), ("float-16 bits", 2), ("float-32 bits", 4)):
            lines.append(f"{what} ({label}): {size * count / 1000:g} kB   ({size * count / 1024:g} KiB)")
    lines += ["", "[Computing]", f"MACs (1e6) per input: {macs / 1e6:g}"]
    write_text(folder / "stats.log", "\n".join(lines) + "\n")

    names = [layer.name for layer in layers]
    columns = np.array([[layer.params, layer.macs, layer.nodes] for layer in layers], dtype=np.float64).reshape(-1, 3)
    lines = [f"{name} {p:.0f} {m:.0f} {d:.0f}" for name, (p, m, d) in zip(names, columns, strict=True)]
    write_text(folder / "stats.dat", "\n".join(["Cell ParamMemory Computing DataMemory", *lines]) + "\n")
    relative = 100 * columns / np.maximum(columns.sum(axis=0), 1)
    lines = [f"{name} {p:.2f} {m:.2f} {d:.2f}" for name, (p, m, d) in zip(names, relative, strict=True)]
    title = "Cell ParamMemory(%) Computing(%) DataMemory(%)"
    write_text(folder / "stats_relative.dat", "\n".join([title, *lines]) + "\n")

    rows = (
        [x.name, x.kind, " ".join(x.parents), "x".join(map(str, x.output)), x.params, x.macs, x.nodes] for x in layers
    )
    title_row = ["cell", "class", "parents", "output", "parameters", "macs", "activations"]
    write_text(folder / "stats.csv", _csv(title_row, rows))
    total = {"input": inputs, "parameters": params, "macs": macs, "activations": nodes}
    cells = [{**layer._asdict(), "activations": layer.nodes} for layer in layers]
    write_text(folder / "stats.json", _json({"total": total, "cells": cells}))
    bars = {
        "parameters": columns[:, 0],
        "multiply-accumulates": columns[:, 1],
        "activations": columns[:, 2],
    }
    plots.layer_bars(bars, folder / "stats.png", names, f"{params:,} parameters, {macs:,} multiply-accumulates")


def _column(top_n: int) -> int:
    return _SUCCESS if top_n == 1 else _TOP_N


def _named(stem: Path, end: str) -> Path:
    return stem.with_name(stem.name + end)


def _number(value: float) -> float | int | str:
    if np.isnan(value):
        return ""
    return int(value) if value == int(value) else value


def _csv(title: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(title)
    writer.writerows(rows)
    return text.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
