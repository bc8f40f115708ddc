"""Writes the tables of keys into docs/ini.md: `python -m support.ini_tables`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from n2d2.ini import tables
from n2d2.ini.keys import Key, Pair

PAGE = Path(__file__).parent.parent.parent / "docs" / "ini.md"
_KINDS = {
    "int": "integer",
    "float": "number",
    "bool": "0 or 1",
    "text": "text",
    "path": "path",
    "ints": "integers",
    "floats": "numbers",
}


def _row(first: str, key: Key | Pair) -> str:
    first = f"| {first} " if first != "-" else ""
    default = "required" if key.required else key.default or ""
    if default and default != "required" and (" " not in default):
        default = f"`{default}`"
    if isinstance(key, Pair):
        both, one, x, y, _ = key.names
        return f"{first}| `{both}`, `{one}`, or `{x}` and `{y}` | `X Y`, one size, or two | {default} |"
    kind = ", ".join(f"`{word}`" for word in key.words) if key.kind == "word" else _KINDS[key.kind]
    if key.only is not None:
        kind += f" (only `{key.only}` is built yet)" if key.only else " (only empty is built yet)"
    return f"{first}| `{key.name}`{' *' if key.config else ''} | {kind} | {default} |"


def _rows(kinds: Mapping[str, tables.Kind]) -> Iterable[str]:
    for name, kind in kinds.items():
        first = f"`{name}`"
        for key in kind.keys:
            yield _row(first, key)
            first = ""
        if not kind.keys:
            yield f"| {first} | | | |"


def _table(rows: Iterable[str]) -> str:
    return "\n".join(["| type | key | value | default |", "|---|---|---|---|", *rows])


def _list(keys: Iterable[Key | Pair]) -> str:
    return "\n".join(["| key | value | default |", "|---|---|---|", *(_row("-", key) for key in keys)])


def parts() -> dict[str, str]:
    """Return the tables by the name of their place in the page."""
    return {
        "global": _list(tables.GLOBAL),
        "databases": _table(_rows(tables.DATABASES)),
        "provider": _list(tables.PROVIDER),
        "transformations": _table(_rows(tables.TRANSFORMATIONS)),
        "cell": _list((*tables.CELL, tables.NB_OUTPUTS)),
        "cells": _table(_rows(tables.CELLS)),
        "activations": _table(_rows(tables.ACTIVATIONS)),
        "fillers": _table(_rows(tables.FILLERS)),
        "solvers": _table(_rows(tables.SOLVERS)),
        "targets": _table(_rows(tables.TARGETS)),
        "onnx": _list(tables.ONNX),
        "later": "\n".join(
            [
                f"- cells: {', '.join(f'`{name}`' for name in tables.LATER_CELLS)}",
                f"- databases: {', '.join(f'`{name}_Database`' for name in tables.LATER_DATABASES)}",
                f"- transformations: {', '.join(f'`{name}`' for name in tables.LATER_TRANSFORMATIONS)}",
                f"- targets: {', '.join(f'`{name}`' for name in tables.LATER_TARGETS)}",
                f"- models: {', '.join(f'`{name}`' for name in tables.SPIKING_MODELS)} (simulation of spikes)",
            ]
        ),
    }


def page(text: str) -> str:
    """Return a page with its tables replaced."""
    for name, table in parts().items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
        assert count == 1, f"the page has no place for the table {name}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
