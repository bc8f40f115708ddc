"""Databases, the provider, transformations, and the order of them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import n2d2
from support import ini

NET = "[fc]\nInput=sp\nType=Fc\nNbOutputs=10\n[fc.Target]\n"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """20 images to learn from and 4 to test with, of 2 x 3 pixels; image i is full of i."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 20), ("t10k", 4)):
        images = np.repeat(np.arange(count), 6).reshape(count, 2, 3)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10))
    return folder


def provider(folder: Path, text: str) -> n2d2.provider.DataProvider:
    made = ini.load(folder, text + NET).provider
    assert isinstance(made, n2d2.provider.DataProvider)
    return made


def test_mnist_in_a_folder_beside_the_file(tmp_path: Path, mnist: Path) -> None:
    made = provider(
        tmp_path,
        "[database]\nType=MNIST_IDX_Database\nDataPath=mnist\nValidation=0.25\nRandomPartitioning=0\n"
        "[sp]\nSizeX=3\nSizeY=2\nBatchSize=4\n",
    )
    database = made.get_database()
    assert [database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test")] == [15, 5, 4]
    assert made.get_size() == [3, 2, 1]
    assert made.get_batch_size() == 4
    made.set_partition("Test")
    assert made.read_batch(0).to_numpy()[3, 0, 0, 0] == np.float32(3 / 255)


def test_the_default_path_is_in_the_data_folder(tmp_path: Path, mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("N2D2_DATA", str(tmp_path))
    text = "[database]\nType=MNIST_IDX_Database\n[sp]\nSize=3 2\n"
    assert provider(tmp_path, text).get_database().get_nb_stimuli("Learn") == 20
    monkeypatch.setenv("N2D2_DATA", str(tmp_path / "nowhere"))
    (problem,) = ini.problems(tmp_path, text + NET)
    assert problem.startswith("line 1: [database] ")
    assert "train-images-idx3-ubyte" in problem


@pytest.mark.parametrize("path", ["~nobody-here/x", "/dev/zero", "x\\y", "." * 3000, "${N2D2_NOT_SET}"])
def test_paths_that_are_none(tmp_path: Path, path: str) -> None:
    (problem,) = ini.problems(tmp_path, f"[database]\nType=MNIST_IDX_Database\nDataPath={path}\n[sp]\nSize=3 2\n{NET}")
    assert "[database]" in problem


def test_transformations_in_their_order(tmp_path: Path) -> None:
    made = provider(
        tmp_path,
        """[database]
Type=Digits_Database
[sp]
Size=24 24 1
[sp.OnTheFlyTransformation-1]
Type=FlipTransformation
RandomHorizontalFlip=1
ApplyTo=LearnOnly
[sp.Transformation-1]
Type=RescaleTransformation
Width=32
Height=32
[sp.Transformation-2]
Type=PadCropTransformation
Width=24
Height=24
BorderType=ConstantBorder
BorderValue=1
[sp.Transformation-3]
Type=RangeAffineTransformation
FirstOperator=Divides
FirstValue=$(255.0 / 2)
SecondOperator=Minus
SecondValue=1
""",
    )
    kinds = [type(t).__name__ for t in made.get_transformations()]
    assert kinds == ["Flip", "Rescale", "PadCrop", "RangeAffine"]
    flip, *_, affine = made.get_transformations()
    assert flip.get_apply_set() == "LearnOnly"
    assert affine.get_parameter("first_value") == [127.5]
    x = made.read_batch(0).to_numpy()
    assert x.min() == -1.0


def test_signed_data(tmp_path: Path, mnist: Path) -> None:
    database = "[database]\nType=MNIST_IDX_Database\nDataPath=mnist\nRandomPartitioning=0\n"
    made = provider(
        tmp_path, f"{database}[sp]\nSize=3 2\nBatchSize=4\nConfigSection=signed\n[signed]\nDataSignedMapping=1\n"
    )
    x = made.read_batch(0).to_numpy()
    np.testing.assert_array_equal(x[:, 0, 0, 0], (np.arange(4) - 128) / 128)


def test_signed_data_is_not_mapped_twice(tmp_path: Path, mnist: Path) -> None:
    text = """[database]
Type=MNIST_IDX_Database
DataPath=mnist
RandomPartitioning=0
[sp]
Size=3 2
BatchSize=4
DataSignedMapping=1
[sp.Transformation]
Type=RangeAffineTransformation
FirstOperator=Plus
FirstValue=1
"""
    x = provider(tmp_path, text).read_batch(0).to_numpy()
    np.testing.assert_array_equal(x[:, 0, 0, 0], np.arange(4) + 1)
    (problem,) = ini.problems(tmp_path, f"{text}ApplyTo=LearnOnly\n{NET}")
    assert "DataSignedMapping together with a RangeAffine of some partitions is not built yet" in problem


def test_a_network_without_database(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"there is no section \[database\]: the network has no stimuli"):
        model = ini.load(tmp_path, "[sp]\nSize=4 4 2\n" + NET)
    assert model(n2d2.Tensor([3, 2, 4, 4])).shape() == [3, 10, 1, 1]


@pytest.mark.parametrize("name", ["env", "cenv"])
def test_other_names_of_the_provider(tmp_path: Path, name: str) -> None:
    made = provider(tmp_path, f"[database]\nType=Digits_Database\n[{name}]\nSize=28 28 1\n")
    assert made.get_name() == name


DATABASE = "[database]\nType=Digits_Database\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[database]\n[sp]\nSize=2 2\n", "line 1: [database] Type is missing: a database needs it"),
        (
            "[database]\nType=CIFAR10_Database\nValidation=0.1\n[sp]\nSize=2 2\n",
            "line 2: [database] Type=CIFAR10_Database: this database is not built yet; there are MNIST_IDX_Database",
        ),
        (
            "[database]\nType=Digit_Database\n[sp]\nSize=2 2\n",
            "line 2: [database] Type is 'Digit_Database', expected one of MNIST_IDX_Database, Digits_Database",
        ),
        (
            "[database]\nType=Digits_Database\nLear=0.5\n[sp]\nSize=2 2\n",
            "line 3: [database] Lear is not a key of a Digits_Database",
        ),
        (
            "[database]\nType=Digits_Database\nValidation=2\n[sp]\nSize=2 2\n",
            "line 1: [database] validation is 2.0",
        ),
        (
            f"{DATABASE}[database.slicing]\nWidth=2\n[sp]\nSize=2 2\n",
            "line 3: [database.slicing]: slicing is not built yet",
        ),
        (
            f"{DATABASE}[database.slicin]\n[sp]\nSize=2 2\n",
            "line 3: [database.slicin] is used by nothing; did you mean database.slicing?",
        ),
        (f"{DATABASE}[sp]\nBatchSize=2\n", "line 3: [sp] Size is missing: [sp] needs Size, or SizeX and SizeY"),
        (f"{DATABASE}[sp]\nSize=2 2\nSizeX=2\n", "line 4: [sp] Size: give Size, or SizeX and SizeY, not both"),
        (f"{DATABASE}[sp]\nSize=2 0 1\n", "line 4: [sp] Size is '2 0 1', expected `W H C` from 1 to 32768"),
        (
            f"{DATABASE}[sp]\nSize=30000 30000 3\n",
            "line 4: [sp] Size: stimuli of 30000 x 30000 x 3 in batches of 1 are too large",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nBatchSize=0\n",
            "line 5: [sp] BatchSize is '0', expected an integer from 1 to 65536",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nSizeD=2\n",
            "line 5: [sp] SizeD is '2', expected 1: other values are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nCompositeStimuli=1\n",
            "line 5: [sp] CompositeStimuli is '1', expected 0: other values are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nCachePath=/x\n",
            "line 5: [sp] CachePath is '/x', expected nothing: other values are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nQuantizationLevels=4\n",
            "line 5: [sp] QuantizationLevels is '4', expected 0: other values are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\nTargetSize=1 1 1\n",
            "line 5: [sp] TargetSize is 1 1 1: targets of another size than the data are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.Transformation]\nWidth=2\n",
            "line 5: [sp.Transformation] Type is missing: a transformation needs it",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.Transformation]\nType=RescalTransformation\n",
            "line 6: [sp.Transformation] Type is 'RescalTransformation', expected one of RescaleTransformation",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.Transformation]\nType=RescaleTransformation\nWidth=0\nHeight=2\n",
            "line 6: [sp.Transformation] Type=RescaleTransformation: ",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.ChannelTransformation]\n",
            "line 5: [sp.ChannelTransformation]: transformations of single channels are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.StimuliData]\n",
            "line 5: [sp.StimuliData]: the analysis of stimuli is not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.Adversarial]\n",
            "line 5: [sp.Adversarial]: adversarial attacks are not built yet",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[sp.Transfrmation]\n",
            "line 5: [sp.Transfrmation] is used by nothing; did you mean sp.Transformation?",
        ),
        (
            f"{DATABASE}[sp]\nSize=2 2\n[env]\nSize=2 2\n",
            "line 5: [env]: there is a provider already, [sp]; keep one of them",
        ),
        (f"{DATABASE}", "there is no section [sp], which says the size of the stimuli"),
    ],
    ids=lambda value: value[-40:].replace("\n", " "),
)
def test_problems(tmp_path: Path, text: str, problem: str) -> None:
    found = ini.problems(tmp_path, text + NET)
    assert len(found) == 1, found
    assert problem in found[0]
