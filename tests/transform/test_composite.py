from __future__ import annotations

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import IsEmptyError, WrongInputType
from n2d2.transform import Composite, Flip, PadCrop, RangeAffine, Rescale


def test_printing_is_that_of_the_original() -> None:
    composite = Composite([Flip(horizontal_flip=True), Rescale(width=8, height=8)])
    assert str(composite) == (
        "Composite(\n"
        "\tFlip(horizontal_flip=True | random_horizontal_flip=False, random_vertical_flip=False)\n"
        "\tRescale(width=8, height=8 | keep_aspect_ratio=False, resize_to_fit=True)\n"
        ")"
    )


def test_steps_are_applied_in_order_and_unfolded() -> None:
    inner = Composite([Flip(horizontal_flip=True), PadCrop(2, 1)])
    composite = Composite([RangeAffine("Plus", 10)])
    composite.append(inner)
    assert composite.get_transformations() == [composite.get_transformations()[0], inner]
    database = n2d2.database.Numpy()
    database.load([np.array([[[0, 1, 2, 3]]], np.float32)], [0], "Test")
    provider = n2d2.provider.DataProvider(database, [2, 1, 1])
    provider.add_on_the_fly_transformation(composite)
    np.testing.assert_array_equal(provider.read_batch(0).to_numpy(), [[[[12, 11]]]])
    kinds = [t.get_type() for t in provider.get_transformations()]
    assert kinds == ["RangeAffine", "Flip", "PadCrop"]


def test_arguments() -> None:
    with pytest.raises(WrongInputType, match="Composite: transformations must be of type list, got Flip"):
        Composite(Flip())  # type: ignore[arg-type]
    with pytest.raises(IsEmptyError, match="transformations must not be empty"):
        Composite([])
    with pytest.raises(WrongInputType, match="Composite: a transformation must be of type Transformation, got str"):
        Composite(["Flip"])  # type: ignore[list-item]
