"""What the tests of whole trainings have in common: a folder of their own, and pictures that cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import n2d2
from n2d2 import plots
from n2d2.files import write_text


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is empty, and nobody else's."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own_settings() -> Iterator[None]:
    """Seed and threads are as before after the test."""
    settings = n2d2.global_variables
    kept = settings.seed, settings.nb_threads
    yield
    settings.seed, settings.nb_threads = kept


@pytest.fixture
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of targets, which tests/test_plots.py looks at, are files with the name of what they show."""

    def standing_for(kind: str) -> Any:
        def draw(_shown: object, path: Path, *_more: object) -> None:
            write_text(path, f"{kind}\n")

        return draw

    for kind in ("learning_curve", "confusion_matrix", "score_bars", "layer_bars"):
        monkeypatch.setattr(plots, kind, standing_for(kind))
