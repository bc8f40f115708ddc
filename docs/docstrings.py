"""Extension of the documentation builder: section titles of docstrings in the words that griffe knows."""

from __future__ import annotations

import re
from typing import Any

import griffe

# An example is run by the tests and shown as code; parameter tensors are no arguments.
TITLES = {"Example": "Examples", "Parameters": "Note: Parameters"}


class SectionTitles(griffe.Extension):
    """Renames section titles before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^(Example|Parameters):$", lambda m: f"{TITLES[m[1]]}:", obj.docstring.value, flags=re.MULTILINE
            )
