"""Makes the targets of a network from the sections `[<cell>.Target]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.error_handler import Error
from n2d2.ini.fields import Fields
from n2d2.ini.keys import Key
from n2d2.ini.parts import class_of, without_name
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.reader import inside
from n2d2.ini.tables import LATER_TARGETS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2d2.ini.reader import Section
    from n2d2.ini.values import Values
    from n2d2.provider import DataProvider
    from n2d2.target import Target

_TYPE = Key("Type", "", "text", "TargetScore")
_CONFIG = Key("ConfigSection", "", "text", "")


def read_target(
    values: Values,
    section: Section,
    cell: str,
    provider: DataProvider | None,
    configs: Callable[[Section], list[Section]],
) -> Target | None:
    """The target of a section; None if it cannot be made, for reasons that are in the list of problems.

    Arguments:
        values (Values): The sections.
        section (Section): Its section.
        cell (str): Name of the cell.
        provider (n2d2.provider.DataProvider, optional): Source of the labels; None if it could not be made.
        configs (callable): The sections that a `ConfigSection` names.
    """
    fields = Fields(values, section, "a target", configs(section))
    try:
        name = fields.read(_TYPE) or "TargetScore"
        if name in LATER_TARGETS:
            raise fields.refuse("Type", f"={name}: this target is not available; there is TargetScore")
        if name not in TARGETS:
            known = [*TARGETS, *LATER_TARGETS]
            raise fields.refuse("Type", f" is {name[:80]!r}, expected TargetScore{did_you_mean(name, known)}")
        kind = TARGETS[name]
        fields.what = f"a {name}"
        given = fields.read_all((_CONFIG, *kind.keys))
        given.pop("", None)
        for key in kind.keys:
            if isinstance(key, Key) and key.kind == "path" and given.get(key.parameter):
                given[key.parameter] = _inside(fields, key)
        fields.finish()
    except Refused:
        return None
    if fields.failed or provider is None:
        return None
    suffix = section.name.removeprefix(f"{cell}.Target")
    try:
        target: Target = class_of(kind.made)(provider, name=f"{cell}{suffix}", **given)
    except Error as error:
        values.problems.add(section.place, f"[{section.name}] {without_name(error, cell + suffix)}")
        return None
    return target


def _inside(fields: Fields, key: Key) -> str:
    """A file beside the INI file or below its folder."""
    path = fields.path(key)
    assert path is not None
    folder = fields.values.document.folder
    if not inside(folder, folder / path):
        raise fields.refuse(key.name, f" is {str(path)[:200]!r}: only files in the folder of the INI file are read")
    return str(folder / path)
