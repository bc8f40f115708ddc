"""Mappings of groups, and mappings made by hand, in convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2d2.mapping import Mapping


@pytest.mark.parametrize("mapping", [Mapping(nb_groups=4), Mapping(nb_channels_per_group=1), Mapping(None, 1)])
def test_as_many_groups_as_channels_is_the_identity(mapping: Mapping) -> None:
    tensor = mapping.create_mapping(nb_channels=4, nb_outputs=4)
    assert (tensor.shape(), tensor.data_type()) == ([4, 4], "bool")
    assert np.array_equal(tensor.to_numpy(), np.eye(4, dtype=bool))


def test_uneven_groups_take_the_rows_between_the_floors() -> None:
    tensor = Mapping(nb_channels_per_group=2).create_mapping(4, 6)
    assert tensor.to_numpy().astype(int).tolist() == [
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1, 1],
    ]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (Mapping, ValueError, "give one of nb_groups and nb_channels_per_group, got none"),
    (lambda: Mapping(0, 0), ValueError, "got none"),
    (lambda: Mapping(2, 2), ValueError, "got both"),
    (lambda: Mapping(-1), ValueError, "Mapping: nb_groups is -1, expected an integer of at least 1"),
    (lambda: Mapping(2.0), TypeError, "Mapping: nb_groups must be of type int, got float"),
    (lambda: Mapping(True), TypeError, "Mapping: nb_groups must be of type int, got bool"),
    (
        lambda: Mapping(2).create_mapping(4.0, 4),
        TypeError,
        "create_mapping: nb_channels must be of type int, got float",
    ),
    (
        lambda: Mapping(2).create_mapping(4, 0),
        ValueError,
        "create_mapping: nb_outputs is 0, expected an integer of at least 1",
    ),
    (lambda: Mapping(nb_group=4), ValueError, "Mapping: `nb_group` is not a parameter; did you mean `nb_groups`?"),
    (lambda: Mapping(4).create_mapping(6, 6), ValueError, "create_mapping: 4 groups do not divide 6 outputs"),
    (lambda: Mapping(8).create_mapping(8, 4), ValueError, "create_mapping: 8 groups do not divide 4 outputs"),
    (lambda: Mapping(None, 4).create_mapping(6, 6), ValueError, "4 channels per group do not divide 6 outputs"),
    (lambda: Mapping(4).create_mapping(3, 8), RuntimeError, "3 channels cannot make 4 groups of at least one channel"),
]


@pytest.mark.parametrize(("action", "kind", "text"), ERRORS)
def test_errors(action: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        action()
    assert text in str(raised.value)
