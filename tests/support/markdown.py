"""Runs the Python blocks of a Markdown file as one program: `python markdown.py FILE`.

A `text` block right after a `python` block is what that block must print.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One Python block of a file."""

    line: int
    code: str
    output: str | None


def blocks(text: str) -> list[Block]:
    """Return the Python blocks of a Markdown text."""
    return [Block(text.count("\n", 0, m.start("code")) + 1, m["code"], m["output"]) for m in BLOCK.finditer(text)]


def run(path: Path) -> None:
    """Run every block and compare what it prints.

    Raises:
        AssertionError: If a block prints something else than the text below it.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(path.read_text()):
        # Leading blank lines make line numbers of a traceback those of the file.
        program = compile("\n" * (block.line - 1) + block.code, str(path), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, namespace)
        if block.output is not None and printed.getvalue().strip() != block.output.strip():
            raise AssertionError(f"{path.name}, line {block.line}: expected\n{block.output}\ngot\n{printed.getvalue()}")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
