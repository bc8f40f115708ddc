"""The page about INI files has the tables of the code."""

from __future__ import annotations

from support import ini_tables


def test_tables_are_those_of_the_code() -> None:
    text = ini_tables.PAGE.read_text()
    rewrite = "PYTHONPATH=python:tests python -m support.ini_tables writes the tables of docs/ini.md"
    assert text == ini_tables.page(text), rewrite
