"""Runs the tour of the API as a user does, and checks that it leaves nothing out."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import n2d2
from contract import rows

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "examples" / "api_tour.py"
PACKAGES = (
    "cells",
    "deepnet",
    "solver",
    "filler",
    "activation",
    "mapping",
    "database",
    "provider",
    "transform",
    "target",
    "train",
)

# Another name of `Normal`, and what `nodes()` returns, which nobody builds.
LEFT_OUT = {"NormalFiller", "Node"}


def test_the_tour_runs_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "training: success" in done.stdout
    assert not list(tmp_path.iterdir()), "it leaves no files behind"


def names_of(tree: ast.AST) -> set[str]:
    """Return every name and attribute that the code reads, not those of its imports."""
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return read | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def exported() -> set[str]:
    """Return the classes that a user imports from a package."""
    found = set()
    for package in PACKAGES:
        module = importlib.import_module(f"n2d2.{package}")
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            if inspect.isclass(thing) and thing.__module__.startswith(f"n2d2.{package}"):
                found.add(name)
    return found


def test_the_tour_shows_every_class_and_every_promised_method() -> None:
    read = names_of(ast.parse(SCRIPT.read_text()))
    top = {name for name in n2d2.__all__ if inspect.isclass(getattr(n2d2, name))}
    missing = (exported() | top) - read - LEFT_OUT
    assert not missing, f"examples/api_tour.py does not use the classes {sorted(missing)}"
    promised = {row.member for row in rows.ROWS}
    missing = promised - read - {"", "__init__"}
    assert not missing, f"examples/api_tour.py does not use the methods {sorted(missing)}"
