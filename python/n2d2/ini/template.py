"""Templates of sections: text with variables, conditions and loops, rendered within fixed bounds."""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST_TEXT = 4 << 20
_MOST_STEPS = 200_000
_DEEPEST = 32

_TAG = re.compile(r"\{\{([^{}\n]*)\}\}|\{%(.*?)%\}", re.DOTALL)
_ENDS = {"if": "endif", "for": "endfor", "block": "endblock", "set": "endset"}
_TAGS = ("if", "else", "endif", "for", "endfor", "block", "endblock", "set", "endset", "include")


Scope = ChainMap[str, str]


class TemplateError(Exception):
    """A template that is wrong.

    Arguments:
        line (int): Line of the template.
        text (str): What is wrong.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")


@dataclass
class _Node:
    line: int
    kind: str
    words: list[str]
    body: list[_Node]
    otherwise: list[_Node]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)

    @staticmethod
    def _split(text: str) -> Iterator[_Node]:
        at, line = 0, 1
        for match in _TAG.finditer(text):
            plain = text[at : match.start()]
            if plain:
                yield _Node(line, "text", [plain], [], [])
            line += plain.count("\n")
            if match[1] is not None:
                yield _Node(line, "variable", [match[1]], [], [])
            else:
                words = [word for word in re.split(r"[\s(),]+", match[2]) if word]
                yield _Node(line, words[0] if words else "", words[1:], [], [])
            line += match[0].count("\n")
            at = match.end()
        yield _Node(line, "text", [text[at:]], [], [])

    def parse(self) -> list[_Node]:
        nodes, end = self._until((), 0)
        assert end is None
        return nodes

    def _until(self, ends: tuple[str, ...], depth: int) -> tuple[list[_Node], _Node | None]:
        nodes: list[_Node] = []
        for node in self._tokens:
            if node.kind in ends:
                return nodes, node
            if node.kind not in ("text", "variable", *_TAGS):
                raise TemplateError(node.line, f"{{% {node.kind} %}} is not a tag; there are {', '.join(_TAGS)}")
            if node.kind == "else" or node.kind in _ENDS.values():
                raise TemplateError(node.line, f"{{% {node.kind} %}} ends nothing")
            if node.kind in _ENDS:
                self._fill(node, depth)
            nodes.append(node)
        return nodes, None

    def _fill(self, node: _Node, depth: int) -> None:
        if depth >= _DEEPEST:
            raise TemplateError(node.line, f"tags are nested more than {_DEEPEST} deep")
        end = _ENDS[node.kind]
        node.body, last = self._until((end, "else") if node.kind == "if" else (end,), depth + 1)
        if last is not None and last.kind == "else":
            node.otherwise, last = self._until((end,), depth + 1)
        if last is None:
            raise TemplateError(node.line, f"{{% {node.kind} %}} has no {{% {end} %}}")


class Renderer:
    """Renders templates.

    Arguments:
        include (callable): Text of a file that a template includes by name.
    """

    def __init__(self, include: Callable[[str], str]) -> None:
        self._include = include
        self._steps = self._size = 0
        self._tags = {
            "if": self._if,
            "for": self._for,
            "block": self._block,
            "set": self._set,
            "include": self._include_file,
        }

    def render(self, text: str, variables: dict[str, str]) -> str:
        r"""The text of a template.

        Arguments:
            text (str): The template.
            variables (dict): Values of the variables.

        Raises:
            TemplateError: The template is wrong, or its text or the work for it is beyond reason.

        Example:
            >>> loop = "{% for i in range(N) %}[conv{{i}}]\n{% endfor %}"
            >>> print(Renderer(str).render(loop, {"N": "2"}))
            [conv0]
            [conv1]
        """
        return "".join(self._render(text, ChainMap(dict(variables)), 0))

    def _render(self, text: str, variables: Scope, depth: int) -> Iterator[str]:
        return self._nodes(_Parser(text).parse(), variables, depth)

    def _nodes(self, nodes: list[_Node], variables: Scope, depth: int) -> Iterator[str]:
        for node in nodes:
            self._step(node)
            if node.kind == "text":
                yield self._counted(node, node.words[0])
            elif node.kind == "variable":
                yield self._counted(node, self._variable(node, node.words[0], variables))
            else:
                yield from self._tags[node.kind](node, variables, depth)

    def _step(self, node: _Node, count: int = 1) -> None:
        self._steps += count
        if self._steps > _MOST_STEPS:
            raise TemplateError(node.line, f"more than {_MOST_STEPS} steps are too many")

    def _counted(self, node: _Node, text: str) -> str:
        self._size += len(text)
        if self._size > LARGEST_TEXT:
            raise TemplateError(node.line, f"the text is longer than {LARGEST_TEXT >> 20} MiB")
        return text

    @staticmethod
    def _variable(node: _Node, name: str, variables: Scope) -> str:
        if name not in variables:
            known = ", ".join(sorted(variables)[:20])
            raise TemplateError(node.line, f"{name!r} has no value; there are {known}")
        return variables[name]

    def _integer(self, node: _Node, word: str, variables: Scope) -> int:
        text = word if re.fullmatch(r"-?\d{1,9}", word) else self._variable(node, word, variables)
        if not re.fullmatch(r"-?\d{1,9}", text.strip()):
            raise TemplateError(node.line, f"{word} is {text[:40]!r}, expected an integer of at most 9 digits")
        return int(text)

    def _if(self, node: _Node, variables: Scope, depth: int) -> Iterator[str]:
        name, test, *word = [*node.words, "", ""][: max(len(node.words), 2)]
        if test in ("exists", "not_exists") and not word:
            true = (name in variables) == (test == "exists")
        elif test in ("==", "!=") and len(word) <= 1:
            true = (self._variable(node, name, variables) == "".join(word)) == (test == "==")
        else:
            raise TemplateError(node.line, "expected {% if NAME == word %}, !=, exists or not_exists")
        return self._nodes(node.body if true else node.otherwise, variables, depth)

    def _for(self, node: _Node, variables: Scope, depth: int) -> Iterator[str]:
        words = node.words
        if len(words) not in (4, 5) or words[1:3] != ["in", "range"]:
            raise TemplateError(node.line, "expected {% for i in range(n) %} or {% for i in range(a, b) %}")
        name = words[0]
        if name in variables:
            raise TemplateError(node.line, f"the variable {name} of a loop must be a new one")
        bounds = [self._integer(node, word, variables) for word in words[3:]]
        for i in self._range(node, *([0, *bounds][-2:])):
            self._step(node)
            yield from self._nodes(node.body, variables.new_child({name: str(i)}), depth)

    @staticmethod
    def _range(node: _Node, start: int, end: int) -> range:
        if end - start > _MOST_STEPS:
            raise TemplateError(node.line, f"a loop of {end - start} turns is too long")
        return range(start, end)

    def _block(self, node: _Node, variables: Scope, depth: int) -> Iterator[str]:
        if len(node.words) != 1:
            raise TemplateError(node.line, "expected {% block NAME %}")
        name = node.words[0]
        self._step(node, len(variables))
        own: dict[str, dict[str, str]] = {}
        for key, value in variables.items():
            if key.startswith(f"{name}[") and "]" in key:
                k, _, inner = key.removeprefix(f"{name}[").partition("]")
                own.setdefault(k, {})[inner] = value
        for number in self._range(node, 0, self._integer(node, name, variables)):
            self._step(node)
            k = str(number)
            yield from self._nodes(node.body, variables.new_child({**own.get(k, {}), "#": k}), depth)

    def _set(self, node: _Node, variables: Scope, depth: int) -> Iterator[str]:
        if len(node.words) != 1:
            raise TemplateError(node.line, "expected {% set NAME %}")
        variables[node.words[0]] = "".join(self._nodes(node.body, variables, depth))
        yield from ()

    def _include_file(self, node: _Node, variables: Scope, depth: int) -> Iterator[str]:
        if len(node.words) != 1:
            raise TemplateError(node.line, "expected {% include file %}")
        if depth >= _DEEPEST // 4:
            raise TemplateError(node.line, f"files are included more than {_DEEPEST // 4} deep")
        return self._render(self._include(node.words[0]), variables, depth + 1)
