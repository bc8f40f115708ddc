"""What all transformations have in common."""

from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.transform import Flip, PadCrop, RangeAffine, Rescale, Transformation


def test_the_base_is_abstract() -> None:
    with pytest.raises(TypeError):
        Transformation()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("transformation", "text"),
    [
        (Rescale(width=8, height=8), "Rescale(width=8, height=8 | keep_aspect_ratio=False, resize_to_fit=True)"),
        (
            PadCrop(8, 8),
            "PadCrop(width=8, height=8 | additive_wh=False, border_type=MinusOneReflectBorder, border_value=[])",
        ),
        (
            Flip(horizontal_flip=True),
            "Flip(horizontal_flip=True | random_horizontal_flip=False, random_vertical_flip=False)",
        ),
        (Flip(), "Flip(random_horizontal_flip=False, random_vertical_flip=False)"),
        (
            Flip(apply_to="NoTest"),
            "Flip(random_horizontal_flip=False, random_vertical_flip=False)[apply_to=StimuliSetMask.NoTest]",
        ),
        (
            RangeAffine("Divides", [255.0]),
            (
                "RangeAffine(first_operator=Operator.Divides, first_value=[255.0], second_operator=Operator.Plus, "
                "second_value=[] | truncate=False)"
            ),
        ),
    ],
    ids=str,
)
def test_printing_is_that_of_the_original(transformation: Transformation, text: str) -> None:
    assert str(transformation) == text


def test_apply_to() -> None:
    assert Flip().get_apply_set() == "All"
    assert Rescale(2, 2, apply_to="LearnOnly").get_apply_set() == "LearnOnly"
    names = "LearnOnly, ValidationOnly, TestOnly, NoLearn, NoValidation, NoTest, All"
    with pytest.raises(WrongValue, match=f'Flip: parameter `apply_to` is "Learn", expected one of {names}'):
        Flip(apply_to="Learn")
    with pytest.raises(WrongInputType, match="Flip: parameter `apply_to` must be a str, got int"):
        Flip(apply_to=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("apply_to", "partitions"),
    [
        ("All", {"Learn", "Validation", "Test"}),
        ("LearnOnly", {"Learn"}),
        ("ValidationOnly", {"Validation"}),
        ("TestOnly", {"Test"}),
        ("NoLearn", {"Validation", "Test"}),
        ("NoValidation", {"Learn", "Test"}),
        ("NoTest", {"Learn", "Validation"}),
    ],
)
def test_partitions_that_are_transformed(apply_to: str, partitions: set[str]) -> None:
    database = n2d2.database.Numpy()
    image = np.array([[[0, 1]]], np.float32)
    for partition in ("Learn", "Validation", "Test"):
        database.load([image], [0], partition)
    provider = n2d2.provider.DataProvider(database, [2, 1, 1])
    provider.add_transformation(Flip(horizontal_flip=True, apply_to=apply_to))
    flipped = set()
    for partition in ("Learn", "Validation", "Test"):
        provider.set_partition(partition)
        if provider.read_batch(0)[0] == 1.0:
            flipped.add(partition)
    assert flipped == partitions


def test_parameters() -> None:
    t = Flip(vertical_flip=True)
    assert (t.vertical_flip, t.get_parameter("random_vertical_flip")) == (True, False)
    t.random_vertical_flip = True
    assert t.get_parameter("random_vertical_flip") is True
    with pytest.raises(StateError, match="Flip: `vertical_flip` is not settable after construction"):
        t.vertical_flip = False
    with pytest.raises(WrongInputType, match="Flip: parameter `random_vertical_flip` must be a bool, got an int"):
        t.set_parameter("random_vertical_flip", 1)
    with pytest.raises(WrongValue, match="Flip: `vertical_flop` is not a parameter; did you mean `vertical_flip`"):
        Flip(vertical_flop=True)
    with pytest.raises(WrongValue, match="Flip: `flop` is not a parameter"):
        t.get_parameter("flop")
