"""Files that say which output each label of a database means."""

from __future__ import annotations

import fnmatch
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from n2d2.error_handler import FileError, MissingFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

IGNORE = -1
_LIMIT_BYTES = 16 << 20
_WORD = re.compile(r'"([^"]*)"|([^\s"#]+)|(#.*)')


class LabelsMapping(NamedTuple):
    """What a labels mapping file says.

    Arguments:
        targets (list of int): Target of each label of the database, then of each created label; -1 = ignored.
        ignore (int): Target of stimuli without label.
        names (dict): Name of each target: that of its first label, with `...` if there are several.
        created (list of str): Labels that the file names and the database does not have.
    """

    targets: list[int]
    ignore: int
    names: dict[int, str]
    created: list[str]


def read_labels_mapping(
    path: str | os.PathLike[str], labels: Sequence[str], create_missing: bool = False
) -> LabelsMapping:
    r"""Reads a labels mapping file.

    One entry a line: the name of a label, whose words may be in double quotes, then its target, an integer of at least
    -1 (-1 = ignored). `#` starts a comment. `*` and `?` in a name match any characters or any one character of the
    labels of the database; the name `*` alone means stimuli without label, `default` every label that is not listed.

    Arguments:
        path (str or Path): File to read.
        labels (list of str): Names of the labels of the database.
        create_missing (bool, optional): Labels that the database does not have become labels without stimuli instead of
            a warning, default=False.

    Raises:
        MissingFileError: There is no such file.
        FileError: A line cannot be understood, a label has two targets, or a label of the database has none.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "mapping.dat")
        ...     _ = file.write_text('cat* 0  # every cat\n"guide dog" 1\n* -1\ndefault 2\n')
        ...     mapping = read_labels_mapping(file, ["cat", "bird", "guide dog", "catfish"])
        >>> mapping.targets
        [0, 2, 1, 0]
        >>> mapping.names
        {0: 'cat...', 1: 'guide dog', -1: '*', 2: 'default'}
    """
    targets: list[int | None] = [None] * len(labels)
    names: dict[int, list[str]] = {}
    created: list[str] = []
    ignore: int | None = None
    default: int | None = None
    for number, name, target in _entries(Path(path)):
        where = f"{path}, line {number}"
        if name == "*":
            if ignore is not None:
                raise FileError(f"{where}: stimuli without label (`*`) already have target {ignore}")
            ignore = target
            names.setdefault(target, []).append("*")
            continue
        if name == "default":
            if default is not None:
                raise FileError(f"{where}: `default` was already given, with target {default}")
            default = target
            names.setdefault(target, []).append("default")
            continue
        found = _matches(name, [*labels, *created], where)
        if not found and create_missing:
            created.append(name.replace("*", "").replace("?", "_"))
            found = [len(targets)]
            targets.append(None)
        elif not found:
            warnings.warn(f"{where}: the database has no label {name!r}", stacklevel=2)
        known = [*labels, *created]
        for label in found:
            if targets[label] is not None:
                raise FileError(f"{where}: label {known[label]!r} already has target {targets[label]}")
            targets[label] = target
            names.setdefault(target, []).append(known[label])
    without = [label for label, target in zip(labels, targets, strict=False) if target is None]
    if without and default is None:
        listed = ", ".join(repr(label) for label in without[:5]) + (" ..." if len(without) > 5 else "")
        raise FileError(f"{path}: no target for label {listed}: add a line for each, or a line `default <target>`")
    complete = [target if target is not None else IGNORE if default is None else default for target in targets]
    joined = {target: all_names[0] + ("..." if len(all_names) > 1 else "") for target, all_names in names.items()}
    return LabelsMapping(complete, IGNORE if ignore is None else ignore, joined, created)


def _entries(path: Path) -> list[tuple[int, str, int]]:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise FileError(f"{path}: {path.stat().st_size} bytes are too many for a labels mapping")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except ValueError:
        raise FileError(f"{str(path)!r} is not the name of a file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        rest = _WORD.sub("", line).strip()
        if rest:
            raise FileError(f"{path}, line {number}: a double quote is not closed in {line.strip()!r}")
        words = [quoted or plain for quoted, plain, comment in _WORD.findall(line) if not comment]
        if not words:
            continue
        if len(words) < 2 or not re.fullmatch(r"-?\d{1,9}", words[-1]) or int(words[-1]) < IGNORE:
            expected = "a label and its target, an integer of at least -1"
            raise FileError(f"{path}, line {number}: expected {expected}, got {line.strip()!r}")
        entries.append((number, " ".join(words[:-1]), int(words[-1])))
    return entries


def _matches(name: str, labels: Sequence[str], where: str) -> list[int]:
    if not re.search(r"[*?]", name):
        return [i for i, label in enumerate(labels) if label == name]
    if name in labels:
        raise FileError(f"{where}: {name!r} has wildcards, but is also a label of the database")
    pattern = re.compile(fnmatch.translate(name.replace("[", "[[]")))
    return [i for i, label in enumerate(labels) if pattern.match(label)]
