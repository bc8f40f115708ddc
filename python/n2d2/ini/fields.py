"""Reads the keys of a section by a table, and says which of its keys no table has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from n2d2.ini.keys import BadValueError, Key, Pair, bad_value
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.tables import CONFIG_KEYS
from n2d2.ini.values import expand_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from n2d2.ini.reader import Property, Section
    from n2d2.ini.values import Values

_UNKNOWN_SECTION = re.compile(r"\[([^\[\]]+)\]\S")


class Fields:
    """The keys of a section together with those of the sections that its `ConfigSection` names.

    The section's own keys come first; of several configuration sections the last one with a key.

    Arguments:
        values (Values): Evaluates texts.
        section (Section): The section.
        what (str): What it describes, in errors: `a Conv cell`.
        configs (list): Configuration sections.
    """

    def __init__(self, values: Values, section: Section, what: str, configs: Iterable[Section] = ()) -> None:
        self.values, self.section, self.what = values, section, what
        self.problems = values.problems
        self.failed = False
        section.used = True
        self._found: dict[str, tuple[Section, Property]] = {}
        self._in_config: list[tuple[Section, Property]] = []
        for config in configs:
            config.used = True
            for key, found in config.properties.items():
                if not key.startswith("$"):
                    self._found[key] = (config, found)
                    self._in_config.append((config, found))
        self._own = {key for key in section.properties if not key.startswith("$")}
        for key in self._own:
            self._found[key] = (section, section.properties[key])
        self._asked: dict[str, bool] = {}
        self._handled: set[str] = set(CONFIG_KEYS[:-1])

    def __contains__(self, key: object) -> bool:
        return key in self._found

    @property
    def asked(self) -> set[str]:
        """The keys that were looked for."""
        return set(self._asked)

    def words(self) -> list[str]:
        """All keys."""
        return list(self._found)

    def owner(self, key: str) -> tuple[Section, Property]:
        """The section that a key is taken from, and its line.

        Arguments:
            key (str): The key.
        """
        return self._found[key]

    def where(self, key: str) -> str:
        """A key with its section, as errors show it.

        Arguments:
            key (str): The key.
        """
        section = self._found[key][0] if key in self._found else self.section
        via = "" if section is self.section else f" (of [{self.section.name}])"
        return f"[{section.name}] {key}{via}" if section.name else f"{key}{via}"

    def refuse(self, key: str, text: str) -> Refused:
        """Adds a problem about a key.

        Arguments:
            key (str): The key.
            text (str): What is wrong, behind the name of the key.
        """
        self.failed = True
        place = self._found[key][1].place if key in self._found else self.section.place
        return self.problems.refuse(place, f"{self.where(key)}{text}")

    def read(self, key: Key) -> Any:
        """The value of a key; None if it is missing.

        Arguments:
            key (Key): The key.

        Raises:
            Refused: The value is wrong, or a required key is missing.
        """
        self._asked[key.name] = key.config
        if key.name not in self._found:
            if key.required:
                self.failed = True
                missing = f"[{self.section.name}] {key.name} is missing: {self.what} needs it"
                raise self.problems.refuse(self.section.place, missing)
            return None
        section, _ = self._found[key.name]
        try:
            text = self.values.text(section, key.name)
        except Refused:
            self.failed = True
            raise
        try:
            return key.parse(text)
        except BadValueError as error:
            expected = str(error)
            other = _UNKNOWN_SECTION.search(text.text)
            if other and other[1] not in self.values.document:
                expected += f" (there is no section [{other[1][:80]}])"
            raise self.refuse(key.name, bad_value("", text.text, expected)) from None

    def read_all(self, keys: Iterable[Key | Pair]) -> dict[str, Any]:
        """The values of those keys that are given, by parameter; problems are collected.

        Arguments:
            keys (iterable): The keys.
        """
        given: dict[str, Any] = {}
        for key in keys:
            try:
                value = self.read(key) if isinstance(key, Key) else self.read_pair(key)
            except Refused:
                self.failed = True
                continue
            if value is not None:
                given[key.parameter] = value
        return given

    def read_pair(self, pair: Pair) -> list[int] | None:
        """`[y, x]` of sizes in any of their forms; None if they are missing.

        Arguments:
            pair (Pair): The keys.

        Raises:
            Refused: A value is wrong, or they are required and missing.
        """
        both, one, x, y, z = pair.names
        self._asked.update(dict.fromkeys(pair.names, False))
        given = [key for key in (both, one, x, y) if key in self._found]
        forms = [both in given, one in given, x in given or y in given]
        if sum(forms) > 1:
            raise self.refuse(given[-1], f": give only one of {pair.forms}")
        if z in self._found and self.read(Key(z, "", "int")) not in (0 if pair.least == 0 else 1, 1):
            raise self.refuse(z, " has no meaning: only two-dimensional cells are built")
        if not given:
            if pair.required:
                self.failed = True
                text = f"[{self.section.name}] {pair.forms} is missing: {self.what} needs it"
                raise self.problems.refuse(self.section.place, text)
            return None
        if forms[0]:
            sizes = self.read(Key(both, "", "ints"))
            if len(sizes) > 2 or min(sizes) < pair.least:
                found = bad_value("", " ".join(map(str, sizes)), f"`X Y` or one number, of at least {pair.least}")
                raise self.refuse(both, found)
            return [sizes[-1], sizes[0]]
        if forms[1]:
            size = self.read(Key(one, "", "int", least=pair.least))
            return [size, size]
        default = None if pair.required else pair.default
        sizes = [self.read(Key(name, "", "int", default, least=pair.least)) for name in (y, x)]
        return [int(pair.default or 0) if size is None else size for size in sizes]

    def path(self, key: Key) -> Path | None:
        """The path that a key gives, environment variables replaced; None if it is missing.

        Arguments:
            key (Key): The key.

        Raises:
            Refused: It is no path, or an environment variable is not set.
        """
        text = self.read(key)
        if text is None:
            return None
        try:
            return expand_path(text, self.problems, self._found[key.name][1], self.where(key.name))
        except Refused:
            self.failed = True
            raise

    def refuse_known(self, names: Mapping[str, str]) -> None:
        """Adds a problem for each key that is known and not built yet.

        Arguments:
            names (dict): First word of the key -> what to say about it.
        """
        for name in names:
            self._asked.setdefault(name, True)
        for key in self._found:
            first = re.split(r"[.(]", key, maxsplit=1)[0]
            if first in names and key not in self._handled:
                self._handled.add(key)
                self.failed = True
                self.problems.add(self._found[key][1].place, f"{self.where(key)}: {names[first]}")

    def handle(self, key: str) -> None:
        """Marks a key as read by other means.

        Arguments:
            key (str): The key.
        """
        self._handled.add(key)

    def finish(self) -> None:
        """Adds a problem for each key that nothing asked for."""
        known = list(self._asked)
        for key in sorted(self._own, key=lambda k: self.section.properties[k].place.line):
            if key not in self._asked and key not in self._handled:
                self._unknown(self.section, self.section.properties[key], known, "")
        of_config = [key for key, config in self._asked.items() if config]
        for section, found in self._in_config:
            if found.key not in of_config and found.key not in self._handled:
                self._unknown(section, found, of_config, f", a ConfigSection of [{self.section.name}],")

    def _unknown(self, section: Section, found: Property, known: list[str], via: str) -> None:
        self.failed = True
        name = f"[{section.name}]{via} " if section.name else ""
        text = f"{name}{found.key[:100]} is not a key of {self.what}"
        self.problems.add(found.place, text + did_you_mean(found.key, known))
