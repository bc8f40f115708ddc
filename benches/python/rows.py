"""The rows of the comparison: which network, how many images, and how many times faster n2d2 wants to be."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["training", "inference"]


class Row(NamedTuple):
    """A network that learns or computes on batches of one size."""

    kind: Kind
    network: str
    batch: int
    goal: float
    """Times faster than the best peer."""

    @property
    def key(self) -> str:
        """What the command line and the files call the row."""
        return f"{self.kind}-{self.network}-{self.batch}"


ROWS = (
    Row("training", "lenet", 1, 10),
    Row("training", "lenet", 32, 7),
    Row("training", "lenet", 256, 5),
    Row("training", "mlp", 32, 1.8),
    Row("training", "mlp", 256, 1.3),
    Row("training", "mobilenet32", 64, 2),
    Row("training", "mobilenet224", 8, 1.5),
    Row("training", "vgg32", 64, 1.3),
    Row("training", "resnet32", 64, 1.15),
    Row("training", "resnet224", 8, 1.2),
    Row("inference", "lenet", 1, 1.3),
    Row("inference", "lenet", 32, 1.5),
    Row("inference", "mlp", 1, 1.2),
    Row("inference", "mlp", 32, 1.1),
    Row("inference", "mobilenet32", 1, 1.2),
    Row("inference", "mobilenet32", 32, 1.2),
    Row("inference", "mobilenet224", 1, 1.1),
    Row("inference", "mobilenet224", 8, 1.1),
    Row("inference", "vgg32", 1, 1.1),
    Row("inference", "vgg32", 32, 1.05),
    Row("inference", "resnet224", 1, 1.1),
    Row("inference", "resnet224", 8, 1.05),
)


def row_of(key: str) -> Row:
    """Return the row of a key.

    Raises:
        ValueError: There is none.
    """
    for row in ROWS:
        if row.key == key:
            return row
    raise ValueError(f"there is no row {key!r}; there are {', '.join(row.key for row in ROWS)}")
