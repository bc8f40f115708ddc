"""Scripts as users write them, each in a fresh process and an empty folder; what they promise they assert themselves.

Those that the contract prints word for word are in `test_contract_examples.py`: solvers, fillers, configuration
sections and mappings.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).parent.glob("s[0-9][0-9]_*.py"))


def test_the_scripts_are_found() -> None:
    assert [script.stem[1:3] for script in SCRIPTS] == [
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "17",
        "18",
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("success\n")
