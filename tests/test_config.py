"""Shared parameters."""

from __future__ import annotations

import n2d2
from n2d2 import ConfigSection


def test_it_is_a_dictionary() -> None:
    section = ConfigSection({"no_bias": True}, padding_dims=[1, 1])
    section["stride_dims"] = [2, 2]
    section.update(name="shared")
    assert dict(section) == {"no_bias": True, "padding_dims": [1, 1], "stride_dims": [2, 2], "name": "shared"}
    assert len(section) == 4
    assert "name" in section
    del section["name"]
    assert {**section} == dict(section)
    assert ConfigSection() == {}


def test_objects_are_shared_by_reference() -> None:
    solver = n2d2.solver.SGD()
    section = ConfigSection(weights_solver=solver)
    a, b = n2d2.cells.Conv(1, 1, [1, 1], **section), n2d2.cells.Fc(1, 1, **section)
    assert a.weights_solver is solver
    assert b.weights_solver is solver
    assert a.bias_solver is not b.bias_solver
