"""MNIST in its four files, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import FileError, MissingFileError, WrongInputType, WrongValue

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 images to learn from and 4 to test with, of 2 x 3 pixels; image i is full of i, its label i % 10."""
    for part, count in (("train", 20), ("t10k", 4)):
        images = np.repeat(np.arange(count), 6).reshape(count, 2, 3)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10))
    return tmp_path


def ids(database: n2d2.database.AbstractDatabase, partition: str) -> list[int]:
    return database.N2D2().ids(partition).tolist()


def test_partitions_and_labels(folder: Path) -> None:
    database = n2d2.database.MNIST(folder, validation=0.25)
    sizes = {p: database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test", "Unpartitioned")}
    assert sizes == {"Learn": 15, "Validation": 5, "Test": 4, "Unpartitioned": 0}
    assert database.label_names() == list("0123456789")
    assert database.get_label_name(3) == "3"
    assert sorted(ids(database, "Learn") + ids(database, "Validation")) == list(range(20))
    assert sorted(ids(database, "Test")) == [20, 21, 22, 23]


def test_values_reach_the_provider(folder: Path) -> None:
    database = n2d2.database.MNIST(str(folder), random_partitioning=False)
    provider = n2d2.provider.DataProvider(database, [3, 2, 1], batch_size=20)
    provider.set_partition("Learn")
    x = provider.read_batch(0).to_numpy()
    assert x.shape == (20, 1, 2, 3)
    np.testing.assert_array_equal(x[:, 0, 1, 2], np.arange(20, dtype=np.float32) / np.float32(255))
    assert provider.labels_array().tolist() == [i % 10 for i in range(20)]


def test_the_seed_decides_the_partitions(folder: Path) -> None:
    def partitions(seed: int) -> list[list[int]]:
        n2d2.global_variables.seed = seed
        database = n2d2.database.MNIST(folder, validation=0.25)
        return [ids(database, p) for p in ("Learn", "Validation", "Test")]

    assert partitions(1) == partitions(1)
    assert partitions(1) != partitions(2)
    assert ids(n2d2.database.MNIST(folder, random_partitioning=False), "Learn") == list(range(20))


def test_compressed_files_read_alike(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    compressed = tmp_path_factory.mktemp("gz")
    for file in folder.iterdir():
        (compressed / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    n2d2.global_variables.seed = 1
    plain = n2d2.database.MNIST(folder)
    n2d2.global_variables.seed = 1
    other = n2d2.database.MNIST(compressed)
    assert ids(plain, "Learn") == ids(other, "Learn")
    batches = [n2d2.provider.DataProvider(d, [3, 2, 1], batch_size=4).read_batch(0).to_numpy() for d in (plain, other)]
    np.testing.assert_array_equal(*batches)


def test_labels_may_lie_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    labels = tmp_path_factory.mktemp("labels")
    for file in folder.glob("*labels*"):
        shutil.move(file, labels)
    database = n2d2.database.MNIST(folder, labels)
    assert database.get_nb_stimuli("Learn") == 20
    assert database.label_path == str(labels)


def test_printing(folder: Path) -> None:
    common = (
        "composite_label=Auto, data_file_label=True, default_label=, multi_channel_match=, multi_channel_replace=, "
        "rois_margin=0, random_partitioning=True, target_data_path="
    )
    assert str(n2d2.database.MNIST(folder)) == f"MNIST(data_path={folder} | {common})"
    text = f"MNIST(data_path={folder}, validation=0.1 | {common})"
    assert str(n2d2.database.MNIST(folder, validation=0.1)) == text


# What is done to the folder, and the end of the error text.
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:-1]),
        f"{IMAGES}: byte 4: truncated: sizes [20, 2, 3] need 136 bytes, the file holds at most 135",
    ),
    "trailing bytes": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes() + b"\0"),
        f"{IMAGES}: byte 136: trailing bytes: sizes [20, 2, 3] end here, the file goes on",
    ),
    "oversized": (
        lambda f: (f / IMAGES).write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 4)),
        (
            f"{IMAGES}: byte 4: sizes [2147483648, 2147483648, 4] declare 18446744073709551615 bytes, "
            "more than the 4294967296 that are read"
        ),
    ),
    "not IDX": (
        lambda f: (f / IMAGES).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)),
        f"{IMAGES}: byte 0: not an IDX file: starts with 0x89 0x50, expected 0x00 0x00",
    ),
    "floats": (
        lambda f: (f / IMAGES).write_bytes(struct.pack(">4B3I", 0, 0, 13, 3, 1, 1, 1) + bytes(4)),
        f"{IMAGES}: byte 2: type 0x0d (32-bit float) is not read here, expected 0x08 (unsigned byte)",
    ),
    "exchanged": (
        lambda f: shutil.copy(f / LABELS, f / IMAGES),
        f"{IMAGES}: byte 3: 1 dimensions, expected 3; are images and labels exchanged?",
    ),
    "empty": (
        lambda f: (f / IMAGES).write_bytes(b""),
        f"{IMAGES}: byte 0: truncated: the file ends here, the header up to byte 4 are missing",
    ),
    "other number of labels": (
        lambda f: (f / LABELS).write_bytes(idx(np.zeros(19))),
        f"{LABELS}: 19 labels for the 20 images of {{folder}}/{IMAGES}",
    ),
    "label out of range": (
        lambda f: (f / LABELS).write_bytes(idx(np.array([0] * 19 + [10]))),
        f"{LABELS}: byte 27: label 10 of stimulus 19 is out of range, expected 0 to 9",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_named_with_the_byte(folder: Path, damage: str) -> None:
    action, text = DAMAGE[damage]
    action(folder)
    with pytest.raises(FileError) as caught:
        n2d2.database.MNIST(folder)
    assert str(caught.value) == f"MNIST: {folder}/" + text.format(folder=folder)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, n2d2.Error)


def test_damaged_gzip(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 30))
    content = gzip.compress(idx(noise))
    (folder / IMAGES).write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match=r"byte \d+: truncated: the file ends here, the values up to byte 18016"):
        n2d2.database.MNIST(folder)


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    (folder / LABELS).unlink()
    hint = "the digits that come with the package need no files: n2d2.database.Digits()"
    with pytest.raises(MissingFileError) as caught:
        n2d2.database.MNIST(folder)
    assert str(caught.value) == f"MNIST: {folder}/{LABELS}: no such file, plain or with .gz; {hint}"
    assert isinstance(caught.value, (FileNotFoundError, RuntimeError))
    with pytest.raises(MissingFileError) as caught:
        n2d2.database.MNIST(tmp_path / "nowhere")
    assert str(caught.value) == f"MNIST: {tmp_path}/nowhere/{IMAGES}: the folder does not exist; {hint}"


def test_arguments_are_checked(folder: Path) -> None:
    with pytest.raises(WrongInputType, match=r"MNIST: data_path must be of type str, got int"):
        n2d2.database.MNIST(3)  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match=r"MNIST: validation must be of type float, got str"):
        n2d2.database.MNIST(folder, validation="0.1")  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match=r"MNIST: validation must be of type float, got bool"):
        n2d2.database.MNIST(folder, validation=True)
    with pytest.raises(WrongValue, match=r"MNIST: validation is 1\.5, expected a fraction from 0 to 1"):
        n2d2.database.MNIST(folder, validation=1.5)
    with pytest.raises(
        WrongValue, match=r"MNIST: extract_roi is True, expected False: regions of interest are not built"
    ):
        n2d2.database.MNIST(folder, extract_roi=True)
    with pytest.raises(WrongValue, match=r"MNIST: `validaton` is not a parameter; did you mean `validation`\?"):
        n2d2.database.MNIST(folder, validaton=0.1)
    with pytest.raises(WrongValue, match=r"MNIST: rois_margin is 2, expected 0: other values are not built yet"):
        n2d2.database.MNIST(folder, rois_margin=2)
