"""Reads a whole INI file: layer by layer, every problem collected."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from n2d2.error_handler import FileError, WrongInputType
from n2d2.ini.cells import CellReader, Models, Source
from n2d2.ini.fields import Fields
from n2d2.ini.onnx_section import OnnxReader
from n2d2.ini.problems import Problems, Refused, TooMany, did_you_mean
from n2d2.ini.provider import LATER_DATABASE, PROVIDERS, SUB_SECTIONS, ProviderReader, read_database
from n2d2.ini.reader import Document, Reader, Section, inside, read_text
from n2d2.ini.tables import CONFIG_KEYS, GLOBAL
from n2d2.ini.targets import read_target
from n2d2.ini.template import Renderer, TemplateError
from n2d2.ini.values import Values, expand_path
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from n2d2.provider import DataProvider
    from n2d2.target import Target


class Network(NamedTuple):
    """What an INI file describes.

    Arguments:
        outputs (list of n2d2.Tensor): Outputs of the last cells, and of those with a target, for one stimulus.
        inputs (list of n2d2.Tensor): The stimulus, all zeros.
        provider (n2d2.provider.DataProvider): Provider of the file.
        targets (dict): Name of a cell -> its target.
        name (str): Name of the file.
    """

    outputs: list[Tensor]
    inputs: list[Tensor]
    provider: DataProvider
    targets: dict[str, Target]
    name: str


def read_network(path: str | os.PathLike[str], *, draw: bool = True) -> Network:
    """Reads an INI file, makes its cells and calls them on one stimulus.

    Arguments:
        path (str or Path): The file.
        draw (bool, optional): If False, weights are 0 instead of what their fillers draw, which takes most of the time
            of a large network, default=True.

    Raises:
        WrongInputType: The path is not a path.
        MissingFileError: There is no such file.
        ModelFileError: Something is wrong with the file; the text lists everything.
    """
    given: object = path
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise WrongInputType("load: path", type(path), (str, os.PathLike))
    file = Path(path)
    problems = Problems(str(file))
    text = read_text(file, str(file))
    try:
        return Builder(file, problems, draw=draw).network(text)
    except (Refused, TooMany):
        problems.raise_any()
        raise AssertionError("a refusal without a problem") from None


class Builder:
    """Makes a network of the text of a file.

    Arguments:
        file (Path): The file.
        problems (Problems): Where problems go.
        draw (bool, optional): If False, weights are 0 instead of what their fillers draw, default=True.
    """

    def __init__(self, file: Path, problems: Problems, *, draw: bool = True) -> None:
        self._draw = draw
        self._file, self._problems = file, problems
        self._document = Document(file.parent)
        self.values = Values(self._document, problems)
        self._sources: dict[str, Tensor | None] = {}
        self._onnx: list[str] = []
        self._cells: list[str] = []
        self._of_onnx: set[str] = set()

    def read(self, text: str) -> None:
        """Reads the sections.

        Arguments:
            text (str): Text of the file.
        """
        Reader(self._document, self._problems, self._render).read(text, "")

    def network(self, text: str) -> Network:
        """Makes the network.

        Arguments:
            text (str): Text of the file.

        Raises:
            ModelFileError: Something is wrong with the file.
        """
        try:
            self.read(text)
            models = self.globals()
            provider, stimulus = self._provider()
            layers = self._layers()
            self._build(layers, models)
            targets = self._targets(provider)
            self._unused()
        except RecursionError:
            self._problems.add(None, "sections refer to each other too deeply")
        self._problems.raise_any()
        assert stimulus is not None
        assert provider is not None
        ends = self._ends(targets)
        return Network(ends, [stimulus], provider, targets, self._file.stem)

    # Templates

    def _render(self, section: Section) -> str:
        where = f"[{section.name}@{section.template[:80]}]"
        section.used = True
        variables: dict[str, str] = {"SECTION_NAME": section.name, "SECTION_FILE_NAME": section.name.replace("/", "_")}
        for key in section.properties:
            try:
                variables[key] = self.values.text(section, key).text
            except Refused:  # noqa: PERF203
                return ""
        try:
            return Renderer(lambda name: self._included(section, name)).render(
                self._included(section, section.template), variables
            )
        except TemplateError as error:
            self._problems.add(section.place, f"{where}: {error}")
        except FileError as error:
            self._problems.add(section.place, f"{where}: {error}")
        except Refused:
            pass
        return ""

    def _included(self, section: Section, name: str) -> str:
        from n2d2.ini.reader import Property

        where = f"[{section.name}]"
        found = Property("", name, section.place)
        path = self._document.folder / expand_path(name, self._problems, found, where)
        if not inside(self._document.folder, path):
            text = f"{where}: {name[:200]}: only files in the folder of the INI file are read"
            raise self._problems.refuse(section.place, text)
        return read_text(path, name[:200])

    # The file

    def globals(self) -> Models:
        """Reads the global keys."""
        section = self._document[""]
        fields = Fields(self.values, section, "the global section")
        given = fields.read_all(GLOBAL)
        fields.finish()
        return Models(given.get("model", "Frame"))

    def configs(self, section: Section) -> list[Section]:
        """The sections that the `ConfigSection` of a section names, the first one first.

        Arguments:
            section (Section): The section.
        """
        chosen: list[Section] = []
        # The keys of other models name sections that are used elsewhere; of the first key there is, this model's.
        for key in reversed(CONFIG_KEYS):
            if key in section.properties:
                named = self._named_configs(section, key)
                if key != "ConfigSection(Frame_CUDA)":
                    chosen = named
        return chosen

    def _named_configs(self, section: Section, key: str) -> list[Section]:
        found = section.properties[key]
        try:
            text = self.values.text(section, key).text
        except Refused:
            return []
        configs = []
        for name in filter(None, (part.strip() for part in text.split(","))):
            if name in self._document:
                self._document[name].used = True
                configs.append(self._document[name])
            else:
                near = did_you_mean(name, [s.name for s in self._document])
                self._problems.add(found.place, f"[{section.name}] {key}: there is no section [{name[:80]}]{near}")
        return configs

    def _provider(self) -> tuple[DataProvider | None, Tensor | None]:
        database = read_database(self.values)
        reader = ProviderReader(self.values, self.configs)
        provider = reader.read(database)
        stimulus = None if reader.size is None else Tensor([1, *reader.size[::-1]])
        self._sources.update(dict.fromkeys(PROVIDERS, stimulus))
        return provider, stimulus

    def _layers(self) -> dict[str, list[str]]:
        """The cells and their inputs, those first whose inputs come first."""
        inputs: dict[str, list[str]] = {}
        for section in self._document:
            if "Input" in section.properties and not section.template:
                section.used = True
                if self._is_onnx(section):
                    self._onnx.append(section.name)
                try:
                    text = self.values.text(section, "Input").text
                except Refused:
                    inputs[section.name] = [""]
                    continue
                names = [name.strip() for name in text.split(",")]
                inputs[section.name] = [name for name in names if name]
                if not inputs[section.name]:
                    place = section.properties["Input"].place
                    self._problems.add(place, f"[{section.name}] Input is empty, expected sp or names of cells")
                    inputs[section.name] = [""]
        if not inputs:
            self._problems.add(None, "there are no cells: no section has an Input=")
        return self._ordered(inputs)

    def _ordered(self, inputs: dict[str, list[str]]) -> dict[str, list[str]]:
        self._check_names(inputs)
        readers: dict[str, list[str]] = {}
        missing: dict[str, int] = {}
        for name, parents in inputs.items():
            behind = {before for parent in parents for before in self._behind(parent, name, inputs)}
            missing[name] = len(behind)
            for before in behind:
                readers.setdefault(before, []).append(name)
        placed: dict[str, list[str]] = {}
        place = {name: i for i, name in enumerate(inputs)}
        layer = [name for name, count in missing.items() if not count]
        while layer:
            ready = []
            for name in layer:
                placed[name] = inputs[name]
                for reader in readers.get(name, ()):
                    missing[reader] -= 1
                    if not missing[reader]:
                        ready.append(reader)
            layer = sorted(ready, key=place.__getitem__)
        waiting = [name for name in inputs if name not in placed]
        if waiting:
            listed = ", ".join(f"[{name}]" for name in waiting[:10]) + (" ..." if len(waiting) > 10 else "")
            found = self._document[waiting[0]].properties["Input"]
            self._problems.add(found.place, f"cells are inputs of each other, in a circle: {listed}")
            self._sources.update(dict.fromkeys(waiting))
        return placed

    def _behind(self, parent: str, name: str, inputs: dict[str, list[str]]) -> list[str]:
        """The sections that must be built before a name means something."""
        if parent in inputs:
            return [parent]
        known = not parent or parent in PROVIDERS
        return [] if known else [onnx for onnx in self._onnx if onnx != name]

    def _check_names(self, inputs: dict[str, list[str]]) -> None:
        if self._onnx:
            return  # A name may be the output of a node, which is known once the file is read.
        for name, parents in inputs.items():
            for parent in parents:
                if parent and parent not in inputs and parent not in PROVIDERS:
                    place = self._document[name].properties["Input"].place
                    near = did_you_mean(parent, [*inputs, "sp"])
                    text = f"[{name}] Input: there is no cell [{parent[:80]}]"
                    if parent in self._document:
                        text = f"[{name}] Input: [{parent[:80]}] is not a cell, because it has no Input="
                    self._problems.add(place, text + near)
                    self._sources[parent] = None

    def _is_onnx(self, section: Section) -> bool:
        if "Type" not in section.properties:
            return False
        try:
            return self.values.text(section, "Type").text == "ONNX"
        except Refused:
            return False

    def _build(self, layers: dict[str, list[str]], models: Models) -> None:
        reader = CellReader(self.values, self.configs, models, draw=self._draw)
        onnx = OnnxReader(self.values, self.configs, models)
        whole = True
        for name, parents in layers.items():
            section = self._document[name]
            sources = []
            for parent in parents:
                if parent not in self._sources and whole and self._onnx:
                    place = section.properties["Input"].place
                    text = f"[{name}] Input: there is neither a cell nor an output of an ONNX file [{parent[:80]}]"
                    self._problems.add(place, text + did_you_mean(parent, self._sources))
                sources.append(Source(parent, self._sources.get(parent)))
            if name not in self._onnx:
                self._sources[name] = reader.build(section, sources)
                self._cells.append(name)
                continue
            made = onnx.build(section, sources)
            whole &= made is not None
            for output, tensor in (made or {}).items():
                if output in self._document and "Input" in self._document[output].properties:
                    text = f"[{output}] is also the name of an output of the file of [{name}]"
                    self._problems.add(self._document[output].place, text)
                self._sources[output] = tensor
                self._cells.append(output)
                self._of_onnx.add(output)
                reader.publish(output, [], tensor)

    # The end

    def _targets(self, provider: DataProvider | None) -> dict[str, Target]:
        targets: dict[str, Target] = {}
        seen: dict[str, str] = {}
        cells = [name for name in self._sources if name not in PROVIDERS]
        for section in self._document:
            cell, dot, _rest = section.name.rpartition(".Target")
            if not dot or section.template or (section.used and "Input" in section.properties):
                continue
            if cell not in cells:
                if not section.used:
                    section.used = True
                    text = f"[{section.name}]: there is no cell [{cell[:80]}]{did_you_mean(cell, cells)}"
                    self._problems.add(section.place, text)
                continue
            if cell in seen:
                text = f"[{section.name}]: [{seen[cell]}] is a target of the same cell; several are not built yet"
                self._problems.add(section.place, text)
            seen[cell] = section.name
            target = read_target(self.values, section, cell, provider, self.configs)
            if target is not None:
                targets[cell] = target
        if not seen:
            last = f", such as [{self._cells[-1]}.Target]" if self._cells else ""
            self._problems.add(
                None, f"there is no target: a section with the name of a cell and .Target is needed{last}"
            )
        return targets

    def _unused(self) -> None:
        """Sections and keys that nothing has read."""
        cells = [s.name for s in self._document if "Input" in s.properties]
        known = [f"{name}.Target" for name in cells] + ["database", *PROVIDERS]
        known += [f"database.{rest}" for rest in LATER_DATABASE]
        known += [f"{name}.{rest}" for name in PROVIDERS for rest in SUB_SECTIONS]
        for section in self._document:
            if section.used:
                continue
            text = f"[{section.name}] is used by nothing"
            if "Type" in section.properties:
                text += ": a cell needs an Input="
            self._problems.add(section.place, text + did_you_mean(section.name, known))

    def _ends(self, targets: dict[str, Target]) -> list[Tensor]:
        tensors = {name: tensor for name in self._cells if (tensor := self._sources[name]) is not None}
        # Several names of an ONNX file may mean one tensor, and its own cells read each other.
        inner = {id(call) for tensor in tensors.values() if tensor._call is not None for call in tensor._call[2]}
        ends: dict[int, str] = {}
        for name, tensor in tensors.items():
            if name in targets:
                ends[id(tensor._call)] = name
            elif id(tensor._call) not in inner:
                ends.setdefault(id(tensor._call), name)
        # Parts of an ONNX file that nothing reads are left over when another head is put on its trunk.
        left = [name for name in ends.values() if name in self._of_onnx and name not in targets]
        kept = [name for name in ends.values() if name not in left]
        if left and kept:
            listed = ", ".join(left[:10])
            warnings.warn(f"{self._file.name}: nothing reads {listed} of an ONNX file: left out", stacklevel=5)
        return [tensors[name] for name in kept or left]
