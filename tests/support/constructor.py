"""Builds an n2d2 object from the text that a user of the original wrote, without executing that text.

The language is Python calls, literals and the few names below. Pairs that the original read as [width, height] are
swapped, because this library reads every pair as [height, width].
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

PAIRS = {"kernel_dims", "stride_dims", "padding_dims", "dilation_dims", "sub_sample_dims", "pool_dims"}
# Position of the argument that is a pair, by class.
POSITIONAL_PAIRS = {"Conv": 2, "Deconv": 2, "ConvDepthWise": 1, "Pool": 0, "Pool2d": 0}


class UnknownNameError(Exception):
    """The text names something that this version does not have."""


def _names() -> dict[str, Any]:
    import n2d2

    return {
        "nn": n2d2.cells,
        "act": n2d2.activation,
        "solver": n2d2.solver,
        "filler": n2d2.filler,
        "mapping": n2d2.mapping,
        "sc": n2d2.scaling,
        "n2d2": n2d2,
        "SGD": n2d2.solver.SGD,
        "Adam": n2d2.solver.Adam,
        "Pool2d": n2d2.cells.Pool2d,
        "custom_map": mapping_tensor,
        "GP": group_rows,
    }


def group_rows(channels: int, outputs: int, groups: int) -> list[list[int]]:
    """Return the rows (one a channel) of a block-diagonal mapping of `groups` blocks, as even as they can be."""
    starts = [g * channels // groups for g in range(groups + 1)]
    return [
        [int(starts[o * groups // outputs] <= c < starts[o * groups // outputs + 1]) for o in range(outputs)]
        for c in range(channels)
    ]


def mapping_tensor(channels: int, outputs: int, rows: list[list[int]]) -> Any:
    """Return the bool tensor of a mapping written as rows of 0 and 1."""
    import n2d2

    tensor = n2d2.Tensor([channels, outputs], datatype="bool")
    tensor.set_values([[bool(v) for v in row] for row in rows])
    return tensor


def _swapped(value: Any) -> Any:
    return value[::-1] if isinstance(value, list) and len(value) == 2 else value


def _call_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


class _Builder(ast.NodeVisitor):
    def __init__(self, names: dict[str, Any], swap: bool) -> None:
        self.names, self.swap = names, swap

    def visit_Expression(self, node: ast.Expression) -> Any:
        return self.visit(node.body)

    def visit_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def visit_List(self, node: ast.List) -> Any:
        return [self.visit(e) for e in node.elts]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if not isinstance(node.op, ast.USub):
            return self.generic_visit(node)
        return -self.visit(node.operand)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise UnknownNameError(node.id)
        return self.names[node.id]

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        owner = self.visit(node.value)
        if node.attr.startswith("_") or not hasattr(owner, node.attr):
            raise UnknownNameError(node.attr)
        return getattr(owner, node.attr)

    def visit_Call(self, node: ast.Call) -> Any:
        function: Callable[..., Any] = self.visit(node.func)
        args = [self.visit(a) for a in node.args]
        kwargs = {k.arg: self.visit(k.value) for k in node.keywords if k.arg is not None}
        if self.swap:
            position = POSITIONAL_PAIRS.get(_call_name(node.func))
            if position is not None and position < len(args):
                args[position] = _swapped(args[position])
            kwargs = {k: _swapped(v) if k in PAIRS else v for k, v in kwargs.items()}
        return function(*args, **kwargs)

    def generic_visit(self, node: ast.AST) -> Any:
        raise UnknownNameError(ast.dump(node))


def build(text: str, swap_pairs: bool = True, **names: Any) -> Any:
    """Return the object that `text` describes.

    Args:
        text: One call, such as `nn.Conv(2, 3, [3, 5], solver=SGD(learning_rate=0.1))`.
        swap_pairs: True if pairs in the text are [width, height].
        names: More names that the text may use.

    Raises:
        UnknownNameError: If the text uses anything but calls, literals and known names.
    """
    return _Builder(_names() | names, swap_pairs).visit(ast.parse(text, mode="eval"))
