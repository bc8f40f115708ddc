"""Databases of NumPy arrays."""

from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import DataError, IsEmptyError, ShapeError, WrongInputType, WrongValue


def batch(database: n2d2.database.AbstractDatabase, size: list[int], count: int) -> np.ndarray:
    provider = n2d2.provider.DataProvider(database, size, batch_size=count)
    return provider.read_batch(0).to_numpy()


@pytest.fixture
def database() -> n2d2.database.Numpy:
    return n2d2.database.Numpy(random_partitioning=False)


def test_bytes_are_scaled_and_floats_are_not(database: n2d2.database.Numpy) -> None:
    bytes_, floats = np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.arange(12.0).reshape(2, 2, 3) - 3
    database.load([bytes_, floats.astype(np.float32), floats], [0, 1, 2], partition="Test")
    x = batch(database, [3, 2, 2], 3)
    np.testing.assert_array_equal(x[0], bytes_ / np.float32(255))
    np.testing.assert_array_equal(x[1], floats.astype(np.float32))
    np.testing.assert_array_equal(x[2], x[1])


def test_axes(database: n2d2.database.Numpy) -> None:
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    database.load([image], [0], "Test", channels_first=False)
    np.testing.assert_array_equal(batch(database, [3, 2, 4], 1)[0], image.transpose(2, 0, 1))
    flat = n2d2.database.Numpy()
    flat.load([image[0]], [0], "Test")
    np.testing.assert_array_equal(batch(flat, [4, 3], 1)[0, 0], image[0])


def test_one_array_is_a_list_of_images_and_later_changes_do_not_matter(database: n2d2.database.Numpy) -> None:
    images = np.arange(16, dtype=np.float32).reshape(4, 1, 2, 2)
    database.load(images, np.array([0, 1, 2, 3], np.int64), "Test")
    expected = images.copy()
    images[...] = 0
    np.testing.assert_array_equal(batch(database, [2, 2, 1], 4), expected)


def test_sizes_may_differ_until_they_are_rescaled(database: n2d2.database.Numpy) -> None:
    shapes = [(1, 2, 2), (1, 2, 2), (1, 4, 3), (1, 2, 2)]
    database.load([np.full(s, i, np.uint8) for i, s in enumerate(shapes)], [0, 1, 2, 3], "Test")
    provider = n2d2.provider.DataProvider(database, [2, 2, 1], batch_size=4)
    with pytest.raises(ShapeError, match=r"stimulus 2: .* expected \[2, 2, 1\] .*, got \[3, 4, 1\]"):
        provider.read_batch(0)
    provider.add_transformation(n2d2.transform.Rescale(2, 2))
    x = provider.read_batch(0).to_numpy()
    np.testing.assert_array_equal(x[:, 0, 0, 0], np.arange(4, dtype=np.float32) / np.float32(255))
    assert provider.labels_array().tolist() == [0, 1, 2, 3]


def test_only_the_new_images_go_to_the_partition(database: n2d2.database.Numpy) -> None:
    image = np.zeros((1, 1, 1), np.uint8)
    database.load([image] * 3, [0] * 3)
    database.load([image] * 2, [1] * 2, "Learn")
    assert database.get_nb_stimuli("Unpartitioned") == 3
    assert database.N2D2().ids("Learn").tolist() == [3, 4]
    assert database.label_names() == ["0", "1"]


def test_random_order_is_that_of_the_original() -> None:
    n2d2.global_variables.seed = 1
    database = n2d2.database.Numpy()
    database.load([np.zeros((1, 1, 1), np.float32)] * 10, [0] * 10, "Learn")
    assert database.N2D2().ids("Learn").tolist() == [4, 9, 6, 8, 0, 1, 3, 7, 2, 5]


def test_missing_labels_are_0_with_a_warning(database: n2d2.database.Numpy) -> None:
    with pytest.warns(UserWarning, match=r"Numpy\.load: no labels were given; all stimuli get label 0"):
        database.load([np.zeros((1, 1, 1), np.uint8)] * 2, partition="Test")
    provider = n2d2.provider.DataProvider(database, [1, 1, 1], batch_size=2)
    provider.read_batch(0)
    assert provider.labels_array().tolist() == [0, 0]


IMAGE = np.zeros((1, 2, 2), np.uint8)

REFUSED: dict[str, tuple[type[Exception], str, tuple[object, ...]]] = {
    "no list": (WrongInputType, "Numpy.load: stimuli_list must be of type list, ndarray, got dict", ({}, [0])),
    "empty": (IsEmptyError, "stimuli_list must not be empty", ([], [])),
    "no array": (WrongInputType, "Numpy.load: stimulus 1 must be of type ndarray, got list", ([IMAGE, [0]], [0, 0])),
    "type": (
        WrongInputType,
        (
            "Numpy.load: stimulus 0 has type int64, expected uint8, float32 or float64; convert it with "
            "astype(numpy.float32)"
        ),
        ([IMAGE.astype(np.int64)], [0]),
    ),
    "axes": (
        ShapeError,
        "Numpy.load: stimulus 0 has shape [4], expected [c, h, w] or [h, w] with sizes of at least 1",
        ([np.zeros(4, np.uint8)], [0]),
    ),
    "no pixel": (
        ShapeError,
        "Numpy.load: stimulus 0 has shape [1, 0, 2], expected [c, h, w] or [h, w] with sizes of at least 1",
        ([np.zeros((1, 0, 2), np.uint8)], [0]),
    ),
    "number of labels": (DataError, "Numpy.load: 1 labels for 2 stimuli", ([IMAGE, IMAGE], [0])),
    "float label": (
        WrongInputType,
        "Numpy.load: label of stimulus 1 must be of type int, got float",
        ([IMAGE, IMAGE], [0, 1.0]),
    ),
    "bool label": (
        WrongInputType,
        "Numpy.load: label of stimulus 0 must be of type int, got bool",
        ([IMAGE], [True]),
    ),
    "negative label": (
        WrongValue,
        (
            "Numpy.load: label of stimulus 0 is -2, expected a class number from 0 to 1048575, or "
            "-1 for a stimulus that no target counts"
        ),
        ([IMAGE], [-2]),
    ),
    "huge label": (
        WrongValue,
        (
            "Numpy.load: label of stimulus 0 is 18446744073709551616, expected a class number from 0 to 1048575, or "
            "-1 for a stimulus that no target counts"
        ),
        ([IMAGE], [2**64]),
    ),
    "partition": (
        WrongValue,
        "Numpy.load: partition is 'Train', expected one of [Learn, Test, Validation, Unpartitioned]",
        ([IMAGE], [0], "Train"),
    ),
    "channels_first": (
        WrongInputType,
        "Numpy.load: parameter `channels_first` must be a bool, got int (1)",
        ([IMAGE], [0], "Learn", 1),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_data_changes_nothing_and_has_its_text(database: n2d2.database.Numpy, case: str) -> None:
    error, text, arguments = REFUSED[case]
    with pytest.raises(error) as caught:
        database.load(*arguments)  # type: ignore[arg-type]
    assert str(caught.value) == text
    assert isinstance(caught.value, n2d2.Error)
    assert len(database.N2D2()) == 0


def test_printing_is_that_of_the_original() -> None:
    assert str(n2d2.database.Numpy()) == (
        "Numpy(composite_label=Auto, data_file_label=True, default_label=, multi_channel_match=, "
        "multi_channel_replace=, rois_margin=0, random_partitioning=True, target_data_path=)"
    )
