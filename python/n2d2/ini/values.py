"""The values of properties: references, variables and expressions in their text, evaluated when they are read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from n2d2.ini.expression import ExpressionError, evaluate
from n2d2.ini.problems import Refused, did_you_mean

if TYPE_CHECKING:
    from n2d2.ini.problems import Problems
    from n2d2.ini.reader import Document, Property, Section

_LONGEST = 1 << 20
_DEEPEST = 64
_SHOWN = 60

_REFERENCE = re.compile(r"\[([^\[\]\s][^\[\]]*)\]([^\s\[\]]+)")
_NAME = re.compile(r"\w+(?:\([^()]*\))?[\w.]*")
_VARIABLE = re.compile(r"\$\{([^{}\n]+)\}")
_ENVIRONMENT = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Text(NamedTuple):
    """The text of a property with everything in it evaluated.

    Arguments:
        text (str): The text.
        computed (bool): Whether an expression is part of it.
    """

    text: str
    computed: bool


def shown(text: str) -> str:
    """A text as errors show it.

    Arguments:
        text (str): The text, of any length.

    Example:
        >>> shown("a" * 100)[-12:]
        "aaaaaaa ...'"
    """
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + " ...")


class Values:
    """Evaluates the properties of a document.

    Arguments:
        document (Document): All sections.
        problems (Problems): Where problems go.
    """

    def __init__(self, document: Document, problems: Problems) -> None:
        self.document, self.problems = document, problems
        self._automatic: dict[str, dict[str, str | None]] = {}
        self._known: dict[tuple[str, str], Text] = {}
        self._failed: set[tuple[str, str]] = set()
        self._active: list[tuple[str, str]] = []

    def set_automatic(self, section: str, name: str, value: int | None) -> None:
        """Gives a property that exists as soon as a cell or the provider is built.

        Arguments:
            section (str): Name of the section.
            name (str): Name of the property, with its underscore.
            value (int, optional): Its value; None if it could not be built, for a reason that is already known.
        """
        self._automatic.setdefault(section, {})[name] = None if value is None else str(value)

    def text(self, section: Section, key: str) -> Text:
        """The evaluated text of a property.

        Arguments:
            section (Section): Section that has it.
            key (str): Its key.

        Raises:
            Refused: It cannot be evaluated; the reason is in the list of problems.
        """
        section.used = True
        section.read.add(key)
        return self._remembered(section, key, section.properties[key])

    def _remembered(self, section: Section, key: str, found: Property) -> Text:
        # The same line may mean something else in each section that inherits it.
        at = (section.name, key)
        if at in self._known:
            return self._known[at]
        if at in self._failed:
            raise Refused(key)
        where = self._where(section, key)
        if at in self._active:
            names = " -> ".join(f"[{s}]{k}" for s, k in [*self._active[self._active.index(at) :], at][:8])
            raise self.problems.refuse(found.place, f"{where} refers to itself: {names}")
        if len(self._active) >= _DEEPEST:
            raise self.problems.refuse(found.place, f"{where} goes through more than {_DEEPEST} references")
        self._active.append(at)
        try:
            value = self._evaluated(section, key, found)
        except Refused:
            self._failed.add(at)
            raise
        finally:
            self._active.pop()
        self._known[at] = value
        return value

    @staticmethod
    def _where(section: Section, key: str) -> str:
        return f"[{section.name}] {key}" if section.name else key

    def _evaluated(self, section: Section, key: str, found: Property) -> Text:
        computed = False

        def reference(match: re.Match[str]) -> str:
            nonlocal computed
            text = self._referenced(match, section, key, found)
            computed |= text.computed
            return text.text

        def variable(match: re.Match[str]) -> str:
            nonlocal computed
            text = self._variable(match[1], section)
            if text is None:
                return match[0]
            computed |= text.computed
            return text.text

        text = found.text
        if "[" in text:
            text = self._bounded(_REFERENCE.sub(reference, text), section, key, found)
        if "${" in text:
            text = self._bounded(_VARIABLE.sub(variable, text), section, key, found)
        if "$(" in text:
            computed = True
            text = self._expressions(text, section, key, found)
        return Text(text, computed)

    def _bounded(self, text: str, section: Section, key: str, found: Property) -> str:
        if len(text) > _LONGEST:
            where = self._where(section, key)
            raise self.problems.refuse(found.place, f"{where} has more than {_LONGEST} characters once evaluated")
        return text

    def _referenced(self, match: re.Match[str], section: Section, key: str, found: Property) -> Text:
        name, word = match[1], match[2]
        automatic = self._automatic.get(name, {}) if word.startswith("_") else {}
        if name not in self.document and not automatic:
            return Text(match[0], False)
        other = self.document.sections.get(name)
        properties = other.properties if other is not None else {}
        if word not in properties and word not in automatic:
            # Only a blank ends a name; one that ends at `)` or an operator is understood all the same.
            short = _NAME.match(word)
            if short is not None and (short[0] in properties or short[0] in automatic):
                rest = word[short.end() :]
                text = self._property_of(name, short[0], automatic)
                return Text(text.text + rest, text.computed)
            wrong = f"{self._where(section, key)} refers to [{name}]{word[:_SHOWN]}, but [{name}] has no such property"
            raise self._unknown_property(found, wrong, name, word)
        return self._property_of(name, word, automatic)

    def _property_of(self, name: str, word: str, automatic: dict[str, str | None]) -> Text:
        if word in automatic:
            value = automatic[word]
            if name in self.document:
                self.document[name].used = True
            if value is None:
                raise Refused(word)
            return Text(value, False)
        return self.text(self.document[name], word)

    def _unknown_property(self, found: Property, text: str, name: str, word: str) -> Refused:
        known = list(self._automatic.get(name, {}))
        if name in self.document:
            known += self.document[name].properties
        if word.startswith("_"):
            text += "; it exists once the cell is built, so only in sections that come after it"
        return self.problems.refuse(found.place, text + did_you_mean(word, known))

    def _variable(self, name: str, section: Section) -> Text | None:
        special = {
            "SECTION_NAME": section.name,
            "PREV_SECTION_NAME": section.previous,
            "PARENT_SECTION_NAME": section.parent,
        }
        key = f"${name}"
        for owner in (section, self.document[""]):
            if key in owner.properties:
                owner.read.add(key)
                # Evaluated where it is used, as a line that is inherited.
                return self._remembered(section, key, owner.properties[key])
        return Text(special[name], False) if special.get(name) else None

    def _expressions(self, text: str, section: Section, key: str, found: Property) -> str:
        where = self._where(section, key)
        parts, at = [], 0
        while (start := text.find("$(", at)) >= 0:
            end = _closing(text, start + 1)
            if end is None:
                raise self.problems.refuse(found.place, f"{where}: `$(` is not closed in {shown(text)}")
            inner = text[start + 2 : end]
            if "$(" in inner:
                if len(self._active) + inner.count("$(") > _DEEPEST:
                    raise self.problems.refuse(found.place, f"{where}: expressions are nested too deeply")
                inner = self._expressions(inner, section, key, found)
            try:
                value = evaluate(inner)
            except ExpressionError as error:
                raise self.problems.refuse(found.place, f"{where}: $({inner[:_SHOWN]}): {error}") from None
            parts += [text[at:start], str(int(value)) if isinstance(value, bool) else str(value)]
            at = end + 1
        return self._bounded("".join([*parts, text[at:]]), section, key, found)


def _closing(text: str, opened: int) -> int | None:
    """Where the parenthesis at `opened` is closed; texts in quotes do not count."""
    depth, quote = 0, ""
    for i in range(opened, len(text)):
        c = text[i]
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "()":
            depth += 1 if c == "(" else -1
            if depth == 0:
                return i
    return None


def expand_path(text: str, problems: Problems, found: Property, where: str) -> Path:
    """A path with the environment variables in it replaced.

    Arguments:
        text (str): The path.
        problems (Problems): Where problems go.
        found (Property): The property.
        where (str): Section and key, for errors.

    Raises:
        Refused: A variable is not set, or the text is no path.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in os.environ:
            return os.environ[name]
        if name == "N2D2_DATA":
            return f"/local/{os.environ.get('USER', 'user')}/n2d2_data"
        text = f"{where}: ${{{name}}} is a variable neither of the file nor of the environment"
        raise problems.refuse(found.place, text)

    path = _ENVIRONMENT.sub(value, text)
    if not path.strip() or "\0" in path or len(path) > 4000:
        raise problems.refuse(found.place, f"{where} is {shown(path)}, expected the name of a file or folder")
    return Path(path)
