from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from n2d2 import plots
from n2d2.error_handler import FileError


def size(file: Path) -> tuple[int, int]:
    """Return width and height of a PNG file in pixels."""
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def pixels(file: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(file)[..., :3]


def has_colour(picture: np.ndarray, colour: str) -> bool:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return bool((np.abs(picture - wanted).max(axis=-1) < 0.02).any())


def test_smoothing_averages_the_last_values() -> None:
    values = np.arange(6.0)
    np.testing.assert_allclose(plots.smoothed(values, 1), values)
    np.testing.assert_allclose(plots.smoothed(values, 4), [0, 0.5, 1, 1.5, 2.5, 3.5])


def test_the_learning_curve_shows_both_sets(tmp_path: Path) -> None:
    steps = np.arange(1.0, 301.0)
    learn = plots.Curve(steps, 2 / steps, 1 - 0.9 / steps)
    test = plots.Curve(steps[49::50], 2.1 / steps[49::50], 1 - 0.95 / steps[49::50])
    plots.learning_curve({"Learn": learn, "Test": test}, tmp_path / "curve.png", "LeNet")
    assert size(tmp_path / "curve.png") == (1152, 504)
    picture = pixels(tmp_path / "curve.png")
    assert has_colour(picture, plots.COLOURS[0])
    assert has_colour(picture, plots.COLOURS[1])


def test_learning_curves_without_points_or_with_zero_loss_are_drawn(tmp_path: Path) -> None:
    none = np.array([])
    plots.learning_curve({"Learn": plots.Curve(none, none, none)}, tmp_path / "empty.png")
    one = np.array([1.0])
    plots.learning_curve({"Test": plots.Curve(one, 0 * one, one)}, tmp_path / "one.png")
    plots.learning_curve({}, tmp_path / "nothing.png")
    assert {f.name for f in tmp_path.iterdir()} == {"empty.png", "one.png", "nothing.png"}


def test_a_perfect_confusion_matrix_has_no_red(tmp_path: Path) -> None:
    def reddish(file: Path) -> bool:
        p = pixels(file)
        return bool(((p[..., 0] > 0.7) & (p[..., 1] < 0.6) & (p[..., 2] < 0.5)).any())

    plots.confusion_matrix(np.diag([5, 6, 7]), tmp_path / "right.png", ["a", "b", "c"])
    plots.confusion_matrix(np.diag([5, 6, 7]) + np.eye(3, k=1, dtype=int), tmp_path / "wrong.png", ["a", "b", "c"])
    assert not reddish(tmp_path / "right.png")
    assert reddish(tmp_path / "wrong.png")


@pytest.mark.parametrize("classes", [1, 2, 10, 60, 300])
def test_confusion_matrices_of_any_size_stay_small_pictures(tmp_path: Path, classes: int) -> None:
    counts = np.random.default_rng(1).integers(0, 3, (classes, classes))
    plots.confusion_matrix(counts, tmp_path / "m.png", [f"class {i}" for i in range(classes)], "title")
    assert max(size(tmp_path / "m.png")) <= 1440


def test_an_empty_confusion_matrix_is_drawn(tmp_path: Path) -> None:
    plots.confusion_matrix(np.zeros((2, 2), int), tmp_path / "m.png", ["a", "b"])
    assert size(tmp_path / "m.png")[0] > 100


@pytest.mark.parametrize("classes", [1, 10, 250])
def test_score_bars_leave_out_classes_that_never_occurred(tmp_path: Path, classes: int) -> None:
    values = np.linspace(0.5, 1.0, classes)
    values[0] = np.nan
    plots.score_bars({"Sensitivity": values, "Precision": values}, tmp_path / "s.png", [str(i) for i in range(classes)])
    assert size(tmp_path / "s.png")[0] <= 2880


def test_layer_bars(tmp_path: Path) -> None:
    plots.layer_bars({"a": np.array([1.0, 0.0]), "b": np.zeros(2)}, tmp_path / "l.png", ["conv", "pool"], "net")
    assert size(tmp_path / "l.png")[0] > 300


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"x\.png: cannot be written"):
        plots.confusion_matrix(np.eye(2, dtype=int), tmp_path / "file" / "x.png", ["a", "b"])


def test_importing_n2d2_does_not_import_matplotlib() -> None:
    code = "import sys, n2d2; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.confusion_matrix(np.eye(2, dtype=int), tmp_path / "m.png", ["a", "b"])
    assert dict(mpl.rcParams) == before


def test_smoothing_leaves_out_what_is_not_finite() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan])
    np.testing.assert_array_equal(plots.smoothed(values, 2), [1.0, 1.0, 3.0, 3.0, np.nan])


def test_curves_and_matrices_without_values_are_drawn(tmp_path: Path) -> None:
    nothing = plots.Curve(np.array([1.0, 2.0]), np.array([np.nan, np.nan]), np.array([np.nan, np.nan]))
    plots.learning_curve({"Learn": nothing}, tmp_path / "curve.png")
    plots.learning_curve({"Learn": nothing}, tmp_path / "error.png", squared_error=True)
    plots.confusion_matrix(np.array([[3, 1], [0, 0]]), tmp_path / "matrix.png", ["a" * 99, "b"])
    assert all((tmp_path / name).read_bytes()[1:4] == b"PNG" for name in ("curve.png", "error.png", "matrix.png"))


def mosaic(file: Path) -> tuple[int, int]:
    """Return how many kernels of one colour stand side by side and one below the other: areas of pure red."""
    picture = pixels(file)
    # The darkest red of the scale: all weights are the largest.
    red = np.abs(picture - np.array([103, 0, 31]) / 255).max(axis=-1) < 0.02
    # The scale at the right has a column of its own.
    left = red[:, : int(red.shape[1] * 0.75)]

    def runs(line: np.ndarray) -> int:
        return int(np.sum(np.diff(line.astype(int)) == 1) + line[0])

    return runs(left.any(axis=0)), runs(left.any(axis=1))


def test_kernels_stand_in_rows_of_outputs_and_columns_of_channels(tmp_path: Path) -> None:
    plots.kernels(np.ones((2, 3, 5, 5)), tmp_path / "kernels.png", "conv")
    assert mosaic(tmp_path / "kernels.png") == (3, 2)
    plots.kernels(np.ones((3, 2, 1, 1)), tmp_path / "points.png")
    assert mosaic(tmp_path / "points.png") == (2, 3)


@pytest.mark.parametrize("shape", [(16, 6, 5, 5), (2, 40, 3, 3), (3, 3, 1, 1)])
def test_nothing_of_the_picture_of_kernels_is_cut_off(shape: tuple[int, ...], tmp_path: Path) -> None:
    plots.kernels(np.ones(shape), tmp_path / "kernels.png", "a convolution")
    picture = pixels(tmp_path / "kernels.png")
    for border in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (border == 1.0).all()


def test_kernels_of_one_channel_stand_in_a_square(tmp_path: Path) -> None:
    plots.kernels(np.ones((9, 1, 3, 3)), tmp_path / "nine.png")
    assert mosaic(tmp_path / "nine.png") == (3, 3)
    plots.kernels(np.ones((7, 1, 3, 3)), tmp_path / "seven.png")
    assert mosaic(tmp_path / "seven.png") == (3, 3)
    plots.kernels(np.ones((1, 1, 3, 3)), tmp_path / "one.png")
    assert mosaic(tmp_path / "one.png") == (1, 1)


def test_at_most_64_kernels_are_drawn_each_way(tmp_path: Path) -> None:
    many = np.ones((70, 66, 1, 1))
    many[64:] = many[:, 64:] = -1.0
    plots.kernels(many, tmp_path / "many.png", "conv")
    picture = pixels(tmp_path / "many.png")
    blue = np.abs(picture - np.array([5, 48, 97]) / 255).max(axis=-1) < 0.02
    assert not blue[:, : int(blue.shape[1] * 0.7)].any(), "what is beyond is left out; the scale has blue"
    assert max(size(tmp_path / "many.png")) < 3000


def test_positive_weights_are_red_negative_ones_blue_and_zero_is_white(tmp_path: Path) -> None:
    weights = np.zeros((1, 3, 2, 2))
    weights[0, 0], weights[0, 2] = 0.5, -0.5
    plots.kernels(weights, tmp_path / "three.png")
    picture = pixels(tmp_path / "three.png")
    middle = picture[picture.shape[0] // 2, : int(picture.shape[1] * 0.75)]

    def first(colour: tuple[int, int, int]) -> int:
        found = np.flatnonzero(np.abs(middle - np.array(colour) / 255).max(axis=-1) < 0.02)
        assert len(found) > 5, colour
        return int(found.mean())

    assert first((103, 0, 31)) < first((247, 247, 247)) < first((5, 48, 97))


def test_kernels_of_zeros_or_float32_and_files_that_cannot_be_written(tmp_path: Path) -> None:
    plots.kernels(np.zeros((2, 2, 3, 3), np.float32), tmp_path / "deep" / "zeros.png")
    assert size(tmp_path / "deep" / "zeros.png")[0] > 200
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        plots.kernels(np.ones((1, 1, 3, 3)), tmp_path / "file" / "kernels.png")
