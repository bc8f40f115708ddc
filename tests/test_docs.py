"""Executes every example of the documentation: Markdown blocks and docstrings."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import n2d2
from support import markdown, public_api

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def docstrings() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in public_api.modules():
        for test in finder.find(module, module.__name__):
            if test.examples:
                yield test


DOCSTRINGS = {test.name: test for test in docstrings()}


def test_there_are_examples() -> None:
    assert sum(len(markdown.blocks(page.read_text())) for page in PAGES) >= 3
    assert len(DOCSTRINGS) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_markdown(page: Path, tmp_path: Path) -> None:
    """The blocks of a page run as one program, in a fresh process and an empty folder."""
    if not markdown.blocks(page.read_text()):
        return
    run = subprocess.run(
        [sys.executable, "-W", "error", markdown.__file__, str(page)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_docstring(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example of a docstring prints what it says when nothing ran before it."""
    monkeypatch.chdir(tmp_path)
    n2d2.utils._given.clear()
    n2d2.global_variables.seed = 1
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    report: list[str] = []
    runner.run(DOCSTRINGS[name], out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


def test_local_links() -> None:
    """Files that a page links to exist."""
    import re

    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"
