"""Makes transformations from the keys of a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from n2d2.error_handler import Error
from n2d2.ini.parts import class_of, without_name
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.tables import LATER_TRANSFORMATIONS, TRANSFORMATIONS

if TYPE_CHECKING:
    from n2d2.ini.fields import Fields
    from n2d2.ini.keys import Key
    from n2d2.transform import Transformation


def read_transformation(fields: Fields, type_key: Key) -> Transformation:
    """A transformation.

    Arguments:
        fields (Fields): Keys of the section.
        type_key (Key): Key that names its type.

    Raises:
        Refused: It cannot be made; the reasons are in the list of problems.
    """
    kind_name = fields.read(type_key) if type_key.name in fields else None
    if kind_name not in TRANSFORMATIONS:
        # Which keys there should be is not known then.
        for key in fields.words():
            fields.handle(key)
    if kind_name is None:
        raise fields.refuse(type_key.name, " is missing: a transformation needs it")
    if kind_name in LATER_TRANSFORMATIONS:
        raise fields.refuse(type_key.name, f"={kind_name}: this transformation is not built yet")
    if kind_name not in TRANSFORMATIONS:
        known = [*TRANSFORMATIONS, *LATER_TRANSFORMATIONS]
        text = f" is {kind_name[:80]!r}, expected one of {', '.join(TRANSFORMATIONS)}"
        raise fields.refuse(type_key.name, text + did_you_mean(kind_name, known))
    kind = TRANSFORMATIONS[kind_name]
    given: dict[str, Any] = fields.read_all(kind.keys)
    if fields.failed:
        raise Refused(kind_name)
    made = class_of(kind.made)
    try:
        transformation: Transformation = made(**given)
    except Error as error:
        raise fields.refuse(type_key.name, f"={kind_name}: {without_name(error, made.__name__)}") from None
    return transformation
