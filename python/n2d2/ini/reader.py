"""Reads the text of an INI file: sections with their properties, each with the line it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from n2d2.error_handler import FileError, MissingFileError
from n2d2.ini.problems import Place, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from n2d2.ini.problems import Problems

LARGEST_BYTES = 4 << 20
_MOST_LINES = 100_000
_MOST_SECTIONS = 10_000
_MOST_PROPERTIES = 200_000
_DEEPEST = 8

_HEADER = re.compile(r"\[([^\[\]@]+)(?:@([^\[\]]+))?\](.*)", re.DOTALL)


@dataclass(frozen=True)
class Property:
    """A line `key=text`.

    Arguments:
        key (str): What stands before the `=`; variables keep their `$`.
        text (str): What stands behind it, not evaluated.
        place (Place): The line.
    """

    key: str
    text: str
    place: Place


@dataclass
class Section:
    """A section: its own lines, and those of its parents that it does not override.

    Arguments:
        name (str): Name between the brackets; empty for the lines before the first section.
        place (Place): Line of the header.
        previous (str): Name of the section before it.
        parent (str): Name of the section whose template made it; empty for none.
        properties (dict): Key -> property.
        own (set): Keys of its own lines.
        template (str): File whose text follows the section; empty for none.
        used (bool): Whether anything has read the section.
        read (set): Keys that something has read.
    """

    name: str
    place: Place
    previous: str = ""
    parent: str = ""
    properties: dict[str, Property] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    template: str = ""
    used: bool = False
    read: set[str] = field(default_factory=set)


class Document:
    """All sections of a file, in its order.

    Arguments:
        folder (Path): Folder of the file: nothing outside of it is included.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sections: dict[str, Section] = {"": Section("", Place("", 1), used=True)}

    def __getitem__(self, name: str) -> Section:
        return self.sections[name]

    def __contains__(self, name: object) -> bool:
        return name in self.sections

    def __iter__(self) -> Iterator[Section]:
        return iter([s for s in self.sections.values() if s.name])


def read_text(path: Path, shown: str) -> str:
    """The text of a file that somebody else wrote.

    Arguments:
        path (Path): File to read.
        shown (str): Its name in errors.

    Raises:
        MissingFileError: There is no such file.
        FileError: It cannot be read, is too large, or is not text.
    """
    try:
        if not path.exists():
            raise MissingFileError(f"{shown}: no such file")
        if not path.is_file():
            raise FileError(f"{shown}: not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{shown}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > LARGEST_BYTES:
        raise FileError(f"{shown}: more than {LARGEST_BYTES >> 20} MiB are too many for a description of a network")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{shown}: not a text in UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise FileError(f"{shown}: not a text (byte {data.index(0)} is 0)")
    return text


def logical_lines(text: str) -> Iterator[tuple[int, str, bool]]:
    r"""Lines without comments and outer blanks, those that end with a backslash joined to the next.

    Arguments:
        text (str): Text of a file.

    Yields:
        tuple: Number of the first line, text, and whether a double quote is left open.

    Example:
        >>> list(logical_lines('a=1 ; one\n\nb="x;y" \\\n 2'))
        [(1, 'a=1', False), (3, 'b="x;y" 2', False)]
    """
    parts: list[str] = []
    start, quoted = 1, False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        kept = line
        at = 0
        for match in re.finditer(r'["#;]', line):
            if match[0] == '"':
                quoted = not quoted
            elif not quoted:
                kept, at = line[: match.start()], 1
                break
        kept = kept.strip()
        if not parts:
            start = number
        if not at and kept.endswith("\\"):
            parts.append(kept[:-1].strip())
            continue
        parts.append(kept)
        joined = " ".join(p for p in parts if p)
        if joined:
            yield start, joined, quoted
        parts, quoted = [], False
    joined = " ".join(p for p in parts if p)
    if joined:
        yield start, joined, quoted


class Reader:
    """Reads a file, and the templates that its sections name, into a document.

    Arguments:
        document (Document): Where sections go.
        problems (Problems): Where problems go.
        render (callable): The text of the template of a section.
    """

    def __init__(self, document: Document, problems: Problems, render: Callable[[Section], str]) -> None:
        self.document, self.problems, self._render = document, problems, render
        self._lines = self._properties = 0
        self._previous = ""

    def read(self, text: str, file: str, host: Section | None = None, depth: int = 0) -> None:
        """Reads lines.

        Arguments:
            text (str): The lines.
            file (str): Name of their file in errors.
            host (Section, optional): Section whose template they come from.
            depth (int, optional): Number of templates around them.
        """
        if depth > _DEEPEST:
            self.problems.add(host.place if host else None, f"templates are nested more than {_DEEPEST} deep")
            return
        section: Section | None = self.document[""] if host is None else None
        for number, line, open_quote in logical_lines(text):
            place = Place(file, number)
            self._lines += 1
            if self._lines > _MOST_LINES:
                raise self.problems.refuse(place, f"more than {_MOST_LINES} lines are too many")
            if open_quote:
                self.problems.add(place, 'a double quote is not closed: write " at the end of the text')
                continue
            if line.startswith("["):
                self._expand(section, depth)
                section = self._header(line, place, host)
            elif section is None:
                self.problems.add(place, "a template must begin with a section, such as [{{SECTION_NAME}}_conv]")
                return
            else:
                self._property(line, place, section)
        self._expand(section, depth)

    def _expand(self, section: Section | None, depth: int) -> None:
        if section is not None and section.template:
            text = self._render(section)
            self.read(text, f"{section.template} for [{section.name}]", section, depth + 1)

    def _header(self, line: str, place: Place, host: Section | None) -> Section:
        match = _HEADER.fullmatch(line)
        name = match[1].strip() if match else ""
        unread = Section(name, place)
        if match is None or not name:
            expected = "[name], [name] parent ... or [name@template.tpl.ini]"
            self.problems.add(place, f"expected a section header {expected}, got {line[:80]!r}")
            return unread
        section = Section(name, place, self._previous, host.name if host else "", template=(match[2] or "").strip())
        # A template's own host is not the section before its first section.
        if not section.template:
            self._previous = name
        for parent in match[3].split():
            if parent not in self.document or parent == "":
                known = [s.name for s in self.document]
                text = f"[{name}] inherits from [{parent}], which is not a section before it"
                self.problems.add(place, text + did_you_mean(parent, known))
                continue
            above = self.document[parent]
            above.used = True
            for key, inherited in above.properties.items():
                section.properties.setdefault(key, inherited)
            self._count(len(above.properties), place)
        if name in self.document:
            first = self.document[name].place
            self.problems.add(place, f"[{name}] is there twice, first at {first}")
            return section
        if len(self.document.sections) > _MOST_SECTIONS:
            raise self.problems.refuse(place, f"more than {_MOST_SECTIONS} sections are too many")
        self.document.sections[name] = section
        return section

    def _count(self, properties: int, place: Place) -> None:
        self._properties += properties
        if self._properties > _MOST_PROPERTIES:
            raise self.problems.refuse(place, f"more than {_MOST_PROPERTIES} properties are too many")

    def _property(self, line: str, place: Place, section: Section) -> None:
        key, equals, text = (part.strip() for part in line.partition("="))
        where = f"[{section.name}] " if section.name else ""
        if not equals or not key:
            self.problems.add(place, f"{where}expected key=value, got {line[:80]!r}")
            return
        self._count(1, place)
        if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
            text = text[1:-1]
        # What is inherited may be overridden, a line of the section itself may not.
        if key in section.own:
            self.problems.add(place, f"{where}{key} is given twice, first at {section.properties[key].place}")
            return
        section.own.add(key)
        section.properties[key] = Property(key, text, place)


def inside(folder: Path, path: Path) -> bool:
    """True if a path, links followed, is in a folder or below it.

    Arguments:
        folder (Path): The folder.
        path (Path): The path.
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False
