"""Mapping keys: matrices by hand."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from support import ini


def table(folder: Path, keys: str, channels: int, outputs: int, inputs: str = "a") -> list[list[int]]:
    text = f"""[a]
Input=sp
Type=Conv
KernelSize=1
NbOutputs={channels}
[b] a
Input=sp
[c]
Input={inputs}
Type=Conv
KernelSize=1
NbOutputs={outputs}
{keys}
[d]
Input=b
Type=Softmax
NbOutputs={channels}"""
    mapping = ini.cell(folder, text).mapping
    assert mapping is not None
    return mapping.to_numpy().astype(int).tolist()


@pytest.mark.parametrize(
    ("keys", "channels", "outputs", "rows"),
    [
        ("Mapping.Size=1", 3, 3, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("Mapping.Size=1", 2, 4, [[1, 0, 1, 0], [0, 1, 0, 1]]),
        ("Mapping.Size=1\nMapping.Offset=1\nMapping.NbIterations=1", 3, 3, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ("Mapping.SizeX=2\nMapping.SizeY=1\nMapping.StrideX=2", 2, 4, [[1, 1, 0, 0], [0, 0, 1, 1]]),
        ("Mapping.SizeY=1\nMapping.NbIterations=1", 2, 3, [[1, 1, 1], [0, 0, 0]]),
        ("Mapping.NbGroups=2", 4, 2, [[1, 0], [1, 0], [0, 1], [0, 1]]),
        ("Mapping.NbGroups=2", 2, 5, [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]),
        ("Mapping.ChannelsPerGroup=1", 2, 2, [[1, 0], [0, 1]]),
        ("Mapping.ChannelsPerGroup=2", 4, 4, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]),
        ("Mapping(a)=\\\n1 0 1 \\\n0 1 1", 2, 3, [[1, 0, 1], [0, 1, 1]]),
    ],
)
def test_one_input(tmp_path: Path, keys: str, channels: int, outputs: int, rows: list[list[int]]) -> None:
    assert table(tmp_path, keys, channels, outputs) == rows


def test_several_inputs(tmp_path: Path) -> None:
    assert table(tmp_path, "Mapping(a).Size=1", 2, 2, "a,b") == [[1, 0], [0, 1], [0, 0], [0, 0]]
    keys = "Mapping(a).Size=1\nMapping(a).NbIterations=2\n"
    keys += "Mapping(b).Size=1\nMapping(b).NbIterations=2\nMapping(b).OffsetX=2"
    np.testing.assert_array_equal(table(tmp_path, keys, 2, 4, "a,b"), np.eye(4, dtype=int))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "Mapping.NbGroups=2\nMapping.ChannelsPerGroup=1",
            "give only one of a matrix, NbGroups, ChannelsPerGroup and Size",
        ),
        ("Mapping.NbGroups=3", "Mapping.NbGroups: NbGroups is 3, which does not divide 4 channels among 6 outputs"),
        ("Mapping.ChannelsPerGroup=3", "ChannelsPerGroup is 3, which does not divide 4 channels among 6 outputs"),
        ("Mapping(z).Size=1", "line 16: [c] Mapping(z).Size: 'z' is not an input of the cell, which has a"),
        ("Mapping=1 0", "[c] Mapping needs the name of an input, as in Mapping(conv1)=1 0 ..."),
        (
            "Mapping(a)=1 0",
            "[c] Mapping(a) has 2 numbers, expected 4 rows (channels) of 6 columns (outputs), each 0 or 1",
        ),
        ("Mapping(a)=1 x", "[c] Mapping(a) is '1 x', expected integers with blanks between them"),
        ("Mapping.Siz=1", "[c] Mapping.Siz: a mapping has no Siz; did you mean Size?"),
        ("Mapping.Size=1\nMapping.SizeX=1", "give Size or SizeX and SizeY, not both"),
        ("Mapping.Size=1\nMapping.NbIterations=1000000000", "1000000000 iterations of 1 x 1 connections are too many"),
    ],
)
def test_problems(tmp_path: Path, keys: str, problem: str) -> None:
    text = "[a]\nInput=sp\nType=Conv\nKernelSize=1\nNbOutputs=4\n[c]\nInput=a\nType=Conv\nKernelSize=1\nNbOutputs=6\n"
    start = time.perf_counter()
    (found,) = ini.problems(tmp_path, f"{ini.HEAD}{text}{keys}\n{ini.TAIL.format('c')}")
    assert problem in found
    assert time.perf_counter() - start < 1
