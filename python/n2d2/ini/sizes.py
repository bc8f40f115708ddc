"""How large a network from a file may be, found out before anything of that size is made."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from n2d2.transform import Transformation

# Above what the largest published classifiers need, below what stalls a machine.
MOST_VALUES = 1 << 26
MOST_WEIGHTS = 1 << 27
MOST_WEIGHTS_IN_ALL = 1 << 28
MOST_MACS = 1 << 38


class Sizes:
    """Counts what the cells of a network take, one after the other."""

    def __init__(self) -> None:
        self._weights = 0

    def refused(self, made: str, given: dict[str, Any], channels: int, image: list[int]) -> str | None:
        """What is beyond reason in a cell; None if nothing is.

        Arguments:
            made (str): Class of the cell.
            given (dict): Arguments of its constructor.
            channels (int): Channels of all inputs together.
            image (list of int): `[height, width]` of its inputs.

        Example:
            >>> Sizes().refused("cells.Fc", {"nb_outputs": 1 << 30}, 16, [5, 5])
            '429496729600 weights are too many: at most 134217728 in a cell'
        """
        outputs = int(given.get("nb_outputs", channels))
        weights, size = 0, image
        if made == "cells.Conv":
            weights = channels * outputs * prod(given["kernel_dims"])
            size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in _axes(given, image)]
        elif made == "cells.Deconv":
            weights = channels * outputs * prod(given["kernel_dims"])
            size = [(n - 1) * s + d * (k - 1) + 1 - 2 * p for n, p, d, k, s in _axes(given, image)]
        elif made == "cells.Fc":
            weights, size = channels * prod(image) * outputs, [1, 1]
        elif made == "cells.Pool":
            pads = given.get("padding_dims", [0, 0])
            size = [n + 2 * p for n, p in zip(image, pads, strict=True)]
        elif made == "cells.Padding":
            size = [image[0] + given["top_pad"] + given["bot_pad"], image[1] + given["left_pad"] + given["right_pad"]]
        elif made == "cells.Resize":
            size = [given["outputs_height"], given["outputs_width"]]
        elif made == "cells.Transformation":
            size = _transformed(given["transformation"], image)
        size = [max(n, 1) for n in size]
        values, macs = outputs * prod(size), weights * prod(size)
        self._weights += weights
        limits = (
            (weights, MOST_WEIGHTS, "weights", " in a cell"),
            (self._weights, MOST_WEIGHTS_IN_ALL, "weights", " in a network"),
            (values, MOST_VALUES, "output values", " for a stimulus"),
            (macs, MOST_MACS, "multiplications", " for a stimulus"),
        )
        for count, most, what, where in limits:
            if count > most:
                return f"{count} {what} are too many: at most {most}{where}"
        return None


def _transformed(transformation: Transformation, image: list[int]) -> list[int]:
    values = transformation._values
    size = [values.get("height", image[0]), values.get("width", image[1])]
    return [n + m for n, m in zip(size, image, strict=True)] if values.get("additive_wh") else size


def _axes(given: dict[str, Any], image: list[int]) -> list[tuple[int, int, int, int, int]]:
    """Size, padding, dilation, kernel and stride of each axis."""
    return [
        (
            image[a],
            given.get("padding_dims", [0, 0])[a],
            given.get("dilation_dims", [1, 1])[a],
            given["kernel_dims"][a],
            given.get("stride_dims", [1, 1])[a],
        )
        for a in (0, 1)
    ]
