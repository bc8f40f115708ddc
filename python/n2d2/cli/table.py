"""Tables and sizes as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(titles: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> str:
    """Rows below titles, in columns as wide as they need.

    Arguments:
        titles (list of str): Titles of the columns.
        rows (list): Values of each row.
        right (list of str, optional): Titles of the columns that are aligned to the right, default=().

    Example:
        >>> print(table(["layer", "values"], [["conv1", 12], ["fc", 3000]], right=["values"]))
        layer   values
        --------------
        conv1       12
        fc        3000
    """
    texts = [list(titles), *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(titles))]
    lines = []
    for row in texts:
        cells = [
            text.rjust(width) if title in right else text.ljust(width)
            for text, width, title in zip(row, widths, titles, strict=True)
        ]
        lines.append("   ".join(cells).rstrip())
    lines.insert(1, "-" * (sum(widths) + 3 * (len(widths) - 1)))
    return "\n".join(lines)


def size(count: float) -> str:
    """A number of bytes in a unit that suits it.

    Arguments:
        count (float): Bytes.

    Example:
        >>> size(512), size(2048), size(3.5 * 2**30)
        ('512 B', '2.0 KiB', '3.5 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
