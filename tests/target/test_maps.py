"""Maps of labels: a target a pixel, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import DataError
from n2d2.provider import TensorPlaceholder
from n2d2.target import Score


def targets_of(labels: np.ndarray, size: tuple[int, int], classes: int, weak: int = -2) -> np.ndarray:
    """Return the most frequent label of the cell of each output; the first of -1, 0, 1 ... among equals."""
    n, rows, columns = labels.shape
    h, w = size
    found = np.zeros((n, h, w), int)
    for i, y, x in np.ndindex(n, h, w):
        top, left = y * rows // h, x * columns // w
        bottom, right = max(top + 1, (y + 1) * rows // h), max(left + 1, (x + 1) * columns // w)
        counts = np.bincount(labels[i, top:bottom, left:right].ravel() + 1, minlength=classes + 1)
        best = int(counts.argmax())
        if weak >= -1 and best == weak + 1:
            counts[best] = 0
            best = int(counts.argmax()) if counts.any() else best
        found[i, y, x] = best - 1
    return found


def reference(y: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """Return gradient, loss, confusion matrix and success."""
    n, classes = y.shape[:2]
    error = np.zeros(y.shape)
    matrix = np.zeros((classes, classes), int)
    successes = []
    for i in range(n):
        hits = []
        for t in range(classes):
            pixels = targets[i] == t
            if pixels.any():
                wanted = np.eye(classes)[t][:, None]
                error[i][:, pixels] = (wanted - y[i][:, pixels]) / pixels.sum()
                estimated = y[i].argmax(axis=0)[pixels]
                np.add.at(matrix[t], estimated, 1)
                hits.append((estimated == t).mean())
        if hits:
            successes.append(np.mean(hits))
    return error, float((error**2).sum() / n), matrix, float(np.mean(successes))


@pytest.mark.parametrize("labels_size", [(6, 8), (12, 16), (13, 9), (3, 4), (1, 1), (7, 3)])
@pytest.mark.parametrize("weak", [-2, -1, 0])
def test_maps_of_every_size_against_numpy(labels_size: tuple[int, int], weak: int) -> None:
    generator = np.random.default_rng(labels_size[0] * 31 + labels_size[1])
    y = generator.uniform(0, 1, (3, 4, 6, 8)).astype(np.float32)
    labels = generator.integers(-1, 4, (3, *labels_size)).astype(np.int32)
    labels[2] = -1
    labels[2, 0, 0] = 1
    # A placeholder reads one number a stimulus as a label of the whole stimulus, which is what a map of 1 x 1 is.
    provider = TensorPlaceholder(n2d2.Tensor.from_numpy(y), n2d2.Tensor.from_numpy(labels[:, None]))
    target = Score(provider, weak_target=weak)
    loss = target(provider())
    error, expected, matrix, success = reference(y, targets_of(labels, (6, 8), 4, weak))
    np.testing.assert_allclose(loss._loss_source.gradient(), error, rtol=1e-5, atol=1e-7)
    assert target.loss() == pytest.approx(expected, rel=1e-5)
    assert (target.confusion_matrix() == matrix).all()
    assert target.get_average_success() == pytest.approx(success)


def test_a_map_of_one_channel_is_binary() -> None:
    y = np.array([[[[0.25, 0.75], [0.6, -0.5]]]], np.float32)
    labels = np.array([[[[1, 1], [0, -1]]]], np.int32)
    provider = TensorPlaceholder(n2d2.Tensor.from_numpy(y), n2d2.Tensor.from_numpy(labels))
    target = Score(provider)
    loss = target(provider())
    expected = np.array([[[[0.375, 0.125], [-0.6, 0.0]]]])
    np.testing.assert_allclose(loss._loss_source.gradient(), expected, rtol=1e-6)
    assert target.loss() == pytest.approx((expected**2).sum())
    assert target.confusion_matrix().tolist() == [[0, 1], [1, 1]]


def test_maps_do_not_depend_on_the_number_of_threads() -> None:
    generator = np.random.default_rng(3)
    y = generator.uniform(0, 1, (8, 5, 32, 32)).astype(np.float32)
    labels = generator.integers(-1, 5, (8, 1, 64, 64)).astype(np.int32)
    found = []
    before = n2d2.global_variables.nb_threads
    try:
        for threads in (1, 2):
            n2d2.global_variables.nb_threads = threads
            pair: tuple[Any, ...] = ()
            for data in (False, True):
                provider = TensorPlaceholder(n2d2.Tensor.from_numpy(y), n2d2.Tensor.from_numpy(labels))
                target = Score(provider, data_as_target=data)
                output = n2d2.Tensor.from_numpy(y[:, :, ::-1].copy())
                loss = target(output)
                pair += (loss._loss_source.gradient().tobytes(), target.loss(), target.confusion_matrix().tobytes())
            found.append(pair)
    finally:
        n2d2.global_variables.nb_threads = before
    assert found[0] == found[1]


def test_a_mapped_target_that_a_map_of_outputs_does_not_have_is_named(tmp_path: Path) -> None:
    file = tmp_path / "map.dat"
    provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=2)
    stimuli = provider.read_batch(0)
    first = int(provider.labels_array()[0])
    file.write_text(f"{first} 5\ndefault 0\n")
    target = Score(provider, labels_mapping=str(file), name="score")
    with pytest.raises(DataError, match=rf"score: label {first} of stimulus 0 .* means target 5, but the output has 3"):
        target(n2d2.cells.Conv(1, 3, [1, 1])(stimuli))
