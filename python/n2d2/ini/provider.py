"""Makes the database and the provider of a network from the sections `[database]`, `[sp]` and those below them."""

from __future__ import annotations

import warnings
from math import prod
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import Error
from n2d2.ini.fields import Fields
from n2d2.ini.keys import Key
from n2d2.ini.parts import class_of, without_name
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.tables import DATABASES, LATER_DATABASES, PROVIDER
from n2d2.ini.transformations import read_transformation
from n2d2.ini.values import expand_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2d2.database import AbstractDatabase
    from n2d2.ini.reader import Section
    from n2d2.ini.values import Values
    from n2d2.provider import DataProvider
    from n2d2.transform import Transformation

PROVIDERS = ("sp", "env", "cenv")
_TYPE = Key("Type", "", "text", None)
_MOST_VALUES = 1 << 25
SUB_SECTIONS = ("Transformation", "OnTheFlyTransformation")
_LATER = {
    "ChannelTransformation": "transformations of single channels are not built yet",
    "ChannelOnTheFlyTransformation": "transformations of single channels are not built yet",
    "ChannelsTransformation": "transformations of single channels are not built yet",
    "ChannelsOnTheFlyTransformation": "transformations of single channels are not built yet",
    "StimuliData": "the analysis of stimuli is not built yet",
    "Adversarial": "adversarial attacks are not built yet",
}
LATER_DATABASE = ("sortAndDropLabels", "filterROIs", "slicing")


def read_database(values: Values) -> AbstractDatabase | None:
    """The database; None if it cannot be made, for reasons that are in the list of problems.

    Arguments:
        values (Values): The sections.
    """
    from n2d2.database import Database

    for section in values.document:
        if section.name.startswith("database."):
            rest = section.name.removeprefix("database.")
            if rest in LATER_DATABASE:
                section.used = True
                values.problems.add(section.place, f"[{section.name}]: {rest} is not built yet")
    if "database" not in values.document:
        warnings.warn("there is no section [database]: the network has no stimuli to learn from", stacklevel=6)
        return Database()
    fields = Fields(values, values.document["database"], "a database")
    try:
        return _database(fields)
    except Refused:
        return None


def _database(fields: Fields) -> AbstractDatabase:
    name = fields.read(_TYPE)
    if name not in DATABASES:
        short = name.removesuffix("_Database")
        if short in LATER_DATABASES:
            raise fields.refuse("Type", f"={name}: this database is not built yet; there are {', '.join(DATABASES)}")
        known = [*DATABASES, *(f"{later}_Database" for later in LATER_DATABASES)]
        text = f" is {name[:80]!r}, expected one of {', '.join(DATABASES)}"
        raise fields.refuse("Type", text + did_you_mean(name, known))
    kind = DATABASES[name]
    fields.what = f"a {name}"
    given = fields.read_all(kind.keys)
    for key in kind.keys:
        if isinstance(key, Key) and key.kind == "path":
            _set_path(fields, key, given)
    fields.finish()
    if fields.failed:
        raise Refused(name)
    made = class_of(kind.made)
    try:
        database: AbstractDatabase = made(**given)
    except Error as error:
        text = f"[{fields.section.name}] {without_name(error, made.__name__)}"
        raise fields.problems.refuse(fields.section.place, text) from None
    return database


def _set_path(fields: Fields, key: Key, given: dict[str, Any]) -> None:
    """A path to data is the user's choice, wherever it is; a relative one begins at the folder of the file."""
    try:
        path = fields.path(key)
    except Refused:
        return
    if path is None and key.default:
        path = expand_path(key.default, fields.problems, fields.section.properties["Type"], fields.where("Type"))
    if path is not None:
        given[key.parameter] = str(fields.values.document.folder / path)


class ProviderReader:
    """Reads the section of the provider.

    Arguments:
        values (Values): The sections.
        configs (callable): The sections that a `ConfigSection` names.
    """

    def __init__(self, values: Values, configs: Callable[[Section], list[Section]]) -> None:
        self._values, self._configs = values, configs
        found = [name for name in PROVIDERS if name in values.document]
        self.name = found[0] if found else ""
        self.size: list[int] | None = None
        self.signed = False
        for other in found[1:]:
            section = values.document[other]
            section.used = True
            values.problems.add(
                section.place, f"[{other}]: there is a provider already, [{self.name}]; keep one of them"
            )

    def read(self, database: AbstractDatabase | None) -> DataProvider | None:
        """The provider; None if it cannot be made, for reasons that are in the list of problems.

        Arguments:
            database (n2d2.database.AbstractDatabase, optional): The database; None if it could not be made.
        """
        from n2d2.provider import DataProvider

        if not self.name:
            near = did_you_mean("sp", [s.name for s in self._values.document if len(s.name) < 4])
            self._values.problems.add(None, f"there is no section [sp], which says the size of the stimuli{near}")
            return None
        epoch = None if database is None else database.get_nb_stimuli("Learn")
        self._values.set_automatic(self.name, "_EpochSize", epoch)
        section = self._values.document[self.name]
        fields = Fields(self._values, section, "a provider", self._configs(section))
        given = fields.read_all(PROVIDER)
        self.signed = given.get("signed", False)
        size = self._size(fields, given)
        self._target_size(fields, given, size)
        fields.finish()
        steps = self._transformations()
        self.size = size
        if fields.failed or size is None or steps is None or database is None:
            return None
        batch = given.get("batch_size", 1)
        try:
            provider = DataProvider(database, size, batch_size=batch, name=self.name)
            for step, on_the_fly in steps:
                (provider.add_on_the_fly_transformation if on_the_fly else provider.add_transformation)(step)
        except Error as error:
            self._values.problems.add(section.place, f"[{self.name}] {without_name(error, self.name)}")
            return None
        return provider

    @staticmethod
    def _size(fields: Fields, given: dict[str, Any]) -> list[int] | None:
        name = fields.section.name
        if any(key in fields for key in ("Size", "SizeX", "SizeY", "NbChannels")) and fields.failed:
            return None
        if "size" in given:
            if "x" in given or "y" in given:
                fields.refuse("Size", ": give Size, or SizeX and SizeY, not both")
                return None
            sizes = given["size"]
            if len(sizes) not in (2, 3) or min(sizes) < 1 or max(sizes) > 32768:
                fields.refuse("Size", f" is {' '.join(map(str, sizes[:9]))!r}, expected `W H C` from 1 to 32768")
                return None
            channels = given.get("channels", 1)
            size = [*sizes, channels][:3]
        else:
            missing = [key for key, parameter in (("SizeX", "x"), ("SizeY", "y")) if parameter not in given]
            if missing:
                key = "Size" if len(missing) == 2 else missing[0]
                fields.refuse(key, f" is missing: [{name}] needs Size, or SizeX and SizeY")
                return None
            size = [given["x"], given["y"], given.get("channels", 1)]
        values = prod(size) * given.get("batch_size", 1)
        if prod(size) > _MOST_VALUES or values >= 2**31:
            fields.refuse(
                "Size" if "Size" in fields else "SizeX",
                f": stimuli of {' x '.join(map(str, size))} in batches of {given.get('batch_size', 1)} are too large: "
                f"at most {_MOST_VALUES} values in a stimulus and {2**31 - 1} in a batch",
            )
            return None
        return size

    @staticmethod
    def _target_size(fields: Fields, given: dict[str, Any], size: list[int] | None) -> None:
        wanted = given.get("target_size")
        parts = {"TargetSizeX": "target_x", "TargetSizeY": "target_y", "TargetNbChannels": "target_channels"}
        if size is None or (wanted is None and not any(p in given for p in parts.values())):
            return
        key = "TargetSize"
        if wanted is None:
            key = next(k for k, p in parts.items() if p in given)
            wanted = [given.get("target_x", size[0]), given.get("target_y", size[1]), given.get("target_channels", 1)]
        if [*wanted, 1][:3] != size:
            text = f" is {' '.join(map(str, wanted[:9]))}: targets of another size than the data are not built yet"
            fields.refuse(key, text)

    def _transformations(self) -> list[tuple[Transformation, bool]] | None:
        from n2d2.transform import RangeAffine

        steps: list[tuple[Transformation, bool]] = []
        failed = False
        for section in self._values.document:
            if not section.name.startswith(f"{self.name}."):
                continue
            rest = section.name.removeprefix(f"{self.name}.")
            later = [text for kind, text in _LATER.items() if rest.startswith(kind)]
            section.used |= bool(later)
            if later:
                self._values.problems.add(section.place, f"[{section.name}]: {later[0]}")
            elif not rest.startswith(SUB_SECTIONS):
                continue  # Of configuration, or unknown.
            else:
                step = self._transformation(section)
                if step is not None:
                    steps.append((step, rest.startswith("OnTheFly")))
                    continue
            failed = True
        if self.signed and not any(isinstance(step, RangeAffine) for step, _ in steps):
            # After all others: what it makes is floats, which no later step may take for bytes.
            signed = RangeAffine("Minus", 128.0, second_operator="Divides", second_value=128.0)
            steps.append((signed, any(on_the_fly for _, on_the_fly in steps)))
        elif self.signed and any(isinstance(step, RangeAffine) and step.get_apply_set() != "All" for step, _ in steps):
            section = self._values.document[self.name]
            text = f"[{self.name}] DataSignedMapping together with a RangeAffine of some partitions is not built yet"
            self._values.problems.add(section.place, text)
            failed = True
        return None if failed else steps

    def _transformation(self, section: Section) -> Transformation | None:
        fields = Fields(self._values, section, "a transformation", self._configs(section))
        fields.read_all([Key("ConfigSection", "", "text")])
        try:
            step = read_transformation(fields, _TYPE)
        except Refused:
            fields.finish()
            return None
        fields.what = f"a {step.get_type()}Transformation"
        fields.finish()
        return None if fields.failed else step
