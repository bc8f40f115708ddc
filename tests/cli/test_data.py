from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.cli.data import database_of, provider_of
from n2d2.error_handler import DataError, FileError, MissingFileError

IMAGES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def archive(folder: Path, **arrays: np.ndarray) -> str:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return f"npz:{path}"


def read(provider: n2d2.provider.DataProvider, partition: str) -> np.ndarray:
    provider.set_partition(partition)
    return np.concatenate([batch.to_numpy() for batch in provider])


def test_arrays_become_partitions(tmp_path: Path) -> None:
    data = archive(tmp_path, x_train=IMAGES[:4], y_train=LABELS[:4], x_test=IMAGES[4:], y_test=LABELS[4:])
    database, size = database_of(data, validation=0.5)
    assert size == [5, 4, 1]
    assert [database.get_nb_stimuli(name) for name in ("Learn", "Validation", "Test")] == [2, 2, 2]
    test = read(provider_of(data, 0.0, 2), "Test")
    assert np.allclose(np.sort(test, axis=0), IMAGES[4:, None] / 255.0)


def test_validation_arrays_of_their_own(tmp_path: Path) -> None:
    data = archive(tmp_path, x_train=IMAGES, y_train=LABELS, x_validation=IMAGES[:3], y_validation=LABELS[:3, None])
    provider = provider_of(data, 0.0, 6)
    assert [provider.get_database().get_nb_stimuli(name) for name in ("Learn", "Validation", "Test")] == [6, 3, 0]
    # They are drawn into the partition in any order.
    assert np.allclose(np.sort(read(provider, "Validation"), axis=0), IMAGES[:3, None] / 255.0)


def test_channels_may_be_last(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).random((2, 8, 9, 3), dtype=np.float32)
    first = archive(tmp_path, x_train=colours.transpose(0, 3, 1, 2), y_train=LABELS[:2])
    a = provider_of(first, 0.0, 2)
    assert a.get_size() == [9, 8, 3]
    wanted = np.sort(read(a, "Learn"), axis=0)
    b = provider_of(archive(tmp_path, x_train=colours, y_train=LABELS[:2]), 0.0, 2)
    assert b.get_size() == [9, 8, 3]
    assert np.array_equal(np.sort(read(b, "Learn"), axis=0), wanted)


def test_images_are_rescaled_to_what_the_network_takes() -> None:
    provider = provider_of("digits", 0.0, 10, [14, 7, 1])
    provider.set_partition("Test")
    assert provider.read_batch(0).shape() == [10, 1, 7, 14]
    with pytest.raises(DataError, match="--data digits: the images have 1 channels, the network takes 3"):
        provider_of("digits", 0.0, 10, [28, 28, 3])


def test_mnist_files(tmp_path: Path) -> None:
    folder = Path(n2d2.__file__).parent / "data"
    assert database_of(f"mnist:{folder}", 0.25)[0].get_nb_stimuli("Validation") == 1000
    with pytest.raises(MissingFileError, match="train-images-idx3-ubyte"):
        database_of(f"mnist:{tmp_path}")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"y_train": LABELS}, "the array `x_train` is missing; it has y_train"),
        ({"x_train": IMAGES}, "the array `y_train` is missing; it has x_train"),
        ({"x_trian": IMAGES, "y_train": LABELS}, "`x_trian` is not one of the arrays .* did you mean `x_train`"),
        ({"x_train": IMAGES, "y_train": LABELS[:3]}, r"`y_train` is int64 \[3\], expected 6 integers"),
        ({"x_train": IMAGES, "y_train": LABELS / 2}, r"`y_train` is float64 \[6\], expected 6 integers"),
        ({"x_train": IMAGES[0], "y_train": LABELS}, r"`x_train` has shape \[4, 5\], expected images"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "the array `y_test` is missing"),
        ({"x_train": np.array([{}]), "y_train": LABELS}, "cannot be read as an archive of arrays"),
    ],
)
def test_archives_that_are_wrong(tmp_path: Path, arrays: dict[str, np.ndarray], text: str) -> None:
    with pytest.raises(FileError, match=text):
        database_of(archive(tmp_path, **arrays))


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no such file"):
        database_of(f"npz:{tmp_path / 'none.npz'}")
    np.save(tmp_path / "one.npy", IMAGES)
    with pytest.raises(FileError, match="is one array; expected an archive"):
        database_of(f"npz:{tmp_path / 'one.npy'}")
    whole = Path(archive(tmp_path, x_train=IMAGES, y_train=LABELS).partition(":")[2])
    for content in (b"", b"PK\x03\x04 nothing", whole.read_bytes()[:-40]):
        (tmp_path / "cut.npz").write_bytes(content)
        with pytest.raises(FileError, match="cannot be read as an archive of arrays"):
            database_of(f"npz:{tmp_path / 'cut.npz'}")
