"""Which channels of a cell's inputs are connected to which of its outputs, from the `Mapping` keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from n2d2.ini.keys import Key
from n2d2.ini.problems import did_you_mean
from n2d2.ini.tables import MAPPING_KEYS
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from n2d2.ini.fields import Fields

    Table = NDArray[np.bool_]

_MOST_CONNECTIONS = 1 << 26
_MOST_WORK = 1 << 27
_MOST_ITERATIONS = 1 << 16
_NAME = re.compile(r"Mapping(?:\(([^()]*)\))?(?:\.(.*))?", re.DOTALL)


class Mapping:
    """The mapping keys of a cell, read once its inputs are known.

    Arguments:
        fields (Fields): Keys of the cell.
        parents (list): Names of the inputs.
    """

    def __init__(self, fields: Fields, parents: list[str]) -> None:
        self._fields, self._parents = fields, parents
        self._given: dict[str | None, dict[str, Any]] = {}
        for word in fields.words():
            match = _NAME.fullmatch(word)
            if match:
                self._read(word, match[1], match[2])

    def _read(self, word: str, parent: str | None, key: str | None) -> None:
        fields = self._fields
        parent = None if parent is None else parent.strip()
        fields.handle(word)
        if parent is not None and parent not in self._parents:
            names = ", ".join(self._parents)
            raise fields.refuse(word, f": {parent[:80]!r} is not an input of the cell, which has {names}")
        if key is None:
            if parent is None:
                raise fields.refuse(word, " needs the name of an input, as in Mapping(conv1)=1 0 ...")
            self._given.setdefault(parent, {})["matrix"] = fields.read(Key(word, "", "ints"))
        elif key not in MAPPING_KEYS:
            raise fields.refuse(word, f": a mapping has no {key[:80]}{did_you_mean(key, MAPPING_KEYS)}")
        else:
            least = 1 if key in ("NbGroups", "ChannelsPerGroup") else 0
            number = fields.read(Key(word, "", "int", least=least, most=1 << 30))
            self._given.setdefault(parent, {})[key] = number

    def __bool__(self) -> bool:
        return bool(self._given)

    def table(self, channels: list[int], outputs: int) -> Tensor | None:
        """The mapping, a row a channel of the inputs one after the other; None if there are no keys.

        Arguments:
            channels (list of int): Channels of each input.
            outputs (int): Outputs of the cell.

        Raises:
            Refused: Keys contradict each other or the sizes.
        """
        if not self._given:
            return None
        import numpy as np

        if sum(channels) * outputs > _MOST_CONNECTIONS:
            raise self._refuse(None, f": {sum(channels)} channels times {outputs} outputs are too many for a mapping")
        blocks = [self._block(p, n, outputs) for p, n in zip(self._parents, channels, strict=True)]
        tensor = Tensor([sum(channels), outputs], datatype="bool")
        tensor.to_numpy()[...] = np.concatenate(blocks)
        return tensor

    def _refuse(self, parent: str | None, text: str) -> Exception:
        prefix = "Mapping" if parent is None else f"Mapping({parent})"
        words = [w for w in self._fields.words() if w == prefix or w.startswith(f"{prefix}.")]
        words += [w for w in self._fields.words() if w.startswith("Mapping")]
        return self._fields.refuse(words[0], text)

    def _block(self, parent: str, channels: int, outputs: int) -> Table:
        import numpy as np

        owner: str | None = parent if parent in self._given else None
        if owner is None and None not in self._given:
            return np.zeros((channels, outputs), np.bool_)
        given = self._given[owner]
        kinds: list[str] = [k for k in ("matrix", "NbGroups", "ChannelsPerGroup") if k in given]
        kinds += ["a function"] if any(k not in ("matrix", "NbGroups", "ChannelsPerGroup") for k in given) else []
        if len(kinds) > 1:
            raise self._refuse(owner, ": give only one of a matrix, NbGroups, ChannelsPerGroup and Size")
        if "matrix" in given:
            return self._matrix(owner, given["matrix"], channels, outputs)
        if kinds == ["a function"]:
            return self._function(owner, given, channels, outputs)
        return self._groups(owner, given, channels, outputs)

    def _matrix(self, parent: str | None, numbers: list[int], channels: int, outputs: int) -> Table:
        import numpy as np

        if len(numbers) != channels * outputs or not set(numbers) <= {0, 1}:
            expected = f"{channels} rows (channels) of {outputs} columns (outputs), each 0 or 1"
            raise self._refuse(parent, f" has {len(numbers)} numbers, expected {expected}")
        return np.array(numbers, np.bool_).reshape(channels, outputs)

    def _groups(self, parent: str | None, given: dict[str, int], channels: int, outputs: int) -> Table:
        import numpy as np

        size = given.get("ChannelsPerGroup")
        groups = given["NbGroups"] if size is None else channels // size
        if not groups or channels % groups or (size is not None and channels % size) or outputs < groups:
            what = f"NbGroups is {groups}" if size is None else f"ChannelsPerGroup is {size}"
            text = f": {what}, which does not divide {channels} channels among {outputs} outputs"
            raise self._refuse(parent, text)
        table = np.zeros((channels, outputs), np.bool_)
        rows = channels // groups
        column = 0
        for g in range(groups):
            columns = (outputs - column) // (groups - g)
            table[g * rows : (g + 1) * rows, column : column + columns] = True
            column += columns
        return table

    def _function(self, parent: str | None, given: dict[str, int], channels: int, outputs: int) -> Table:
        import numpy as np

        def both(name: str, default: int) -> tuple[int, int]:
            if name in given and (f"{name}X" in given or f"{name}Y" in given):
                raise self._refuse(parent, f": give {name} or {name}X and {name}Y, not both")
            value = given.get(name, default)
            return given.get(f"{name}X", value), given.get(f"{name}Y", value)

        size_x, size_y = both("Size", 0)
        size_x, size_y = min(size_x or outputs, outputs), min(size_y or channels, channels)
        (stride_x, stride_y), (x, y) = both("Stride", 1), both("Offset", 0)
        count = given.get("NbIterations") or max(outputs, channels)
        if count > _MOST_ITERATIONS or count * size_x * size_y > _MOST_WORK:
            raise self._refuse(parent, f": {count} iterations of {size_x} x {size_y} connections are too many")
        table = np.zeros((channels, outputs), np.bool_)
        columns, rows = np.arange(size_x), np.arange(size_y)
        for i in range(count):
            at = np.ix_((y + i * stride_y + rows) % channels, (x + i * stride_x + columns) % outputs)
            table[at] = True
        return table
