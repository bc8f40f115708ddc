"""INI files of tests: small networks as text, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import n2d2
from n2d2.error_handler import ModelFileError

HEAD = "[database]\nType=Digits_Database\n[sp]\nSize=28 28 1\nBatchSize=8\n"
TAIL = "[fc]\nInput={}\nType=Fc\nNbOutputs=10\n[fc.Target]\n"


def write(folder: Path, text: str, name: str = "net.ini") -> Path:
    """Write a file and return its path."""
    file = folder / name
    file.write_text(text)
    return file


def load(folder: Path, text: str) -> n2d2.cells.DeepNetCell:
    """Load the network of a text."""
    return n2d2.ini.load(write(folder, text))


def cell(folder: Path, text: str, name: str = "c") -> n2d2.cells.NeuralNetworkCell:
    """Return the cell of a network of one section `[c]` between the data and a classifier."""
    made = load(folder, f"{HEAD}{text}\n{TAIL.format(name)}")[name]
    assert isinstance(made, n2d2.cells.NeuralNetworkCell)
    return made


def problems(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a text."""
    with pytest.raises(ModelFileError) as caught:
        load(folder, text)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def cell_problems(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a section `[c]`, which begins at line 6."""
    return problems(folder, f"{HEAD}{text}\n{TAIL.format('c')}")
