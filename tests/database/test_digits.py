"""The digits that come with the package."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

import n2d2

DATA = Path(n2d2.__file__).parent / "data"


def test_the_files_are_what_their_note_says() -> None:
    assert "CC BY-SA" in (n2d2.database.Digits.__doc__ or "")
    assert "Attribution-Share Alike 3.0" in (DATA / "ORIGIN.md").read_text()
    assert {f.name for f in DATA.glob("*.gz")} == {
        f"{part}-{kind}.gz" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    }


def test_every_digit_is_there() -> None:
    database = n2d2.database.Digits()
    for partition, count in (("Learn", 4000), ("Test", 1000)):
        provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=count)
        provider.set_partition(partition)
        x = provider.read_batch(0).to_numpy()
        labels = provider.labels_array()
        assert x.shape == (count, 1, 28, 28)
        assert x.min() == 0.0
        assert x.max() == 1.0
        counts = np.bincount(labels, minlength=10)
        assert len(counts) == 10
        assert counts.min() > count // 15


def test_pixels_are_those_of_the_files() -> None:
    database = n2d2.database.Digits(random_partitioning=False)
    provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=1000)
    x = provider.read_batch(0).to_numpy()
    raw = np.frombuffer(gzip.decompress((DATA / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    np.testing.assert_array_equal(x, raw.reshape(1000, 1, 28, 28) / np.float32(255))


def test_validation_comes_from_the_learning_part() -> None:
    n2d2.global_variables.seed = 3
    database = n2d2.database.Digits(validation=0.1)
    assert [database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test")] == [3600, 400, 1000]
    assert str(database).startswith("Digits(validation=0.1 | composite_label=Auto")
    assert str(n2d2.database.Digits()).startswith("Digits(composite_label=Auto")
