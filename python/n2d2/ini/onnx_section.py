"""Sections `Type=ONNX`: a network in an ONNX file that becomes cells of the network of the INI file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import Error, ModelFileError
from n2d2.ini.fields import Fields
from n2d2.ini.parts import read_activation, read_filler, read_solvers
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.reader import inside
from n2d2.ini.tables import CELLS, LATER_ANYWHERE, ONNX, ONNX_DEFAULTS, ONNX_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2d2.ini.cells import Models, Source
    from n2d2.ini.reader import Section
    from n2d2.ini.values import Values
    from n2d2.tensor import Tensor


class OnnxSettings:
    """What the sections of an INI file say about the cells of an ONNX model.

    A cell has the section of its own name, or else `[<onnx section>:Conv_def]` and its like.

    Arguments:
        values (Values): The sections.
        configs (callable): The sections that a `ConfigSection` names.
        onnx (str): Name of the ONNX section.
        model (str): Model of the cells.
    """

    def __init__(self, values: Values, configs: Callable[[Section], list[Section]], onnx: str, model: str) -> None:
        self._values, self._configs, self._onnx, self._model = values, configs, onnx, model

    def arguments(self, name: str, kind: str) -> dict[str, Any]:
        """Keyword arguments of a cell.

        Arguments:
            name (str): Its name.
            kind (str): Its type in INI files.
        """
        document = self._values.document
        default = f"{self._onnx}:{kind}_def"
        found = next((n for n in (name, default) if n in document and not self._is_cell(document[n])), None)
        made: dict[str, Any] = {"model": self._model}
        if found is None or kind not in CELLS:
            return made
        section, table = document[found], CELLS[kind]
        fields = Fields(self._values, section, f"a {kind} cell of an ONNX file", self._configs(section))
        made |= fields.read_all([ONNX_FILE, *(k for k in table.keys if getattr(k, "config", False))])
        made.pop("", None)
        try:
            activation = read_activation(fields)
            made |= {} if activation is None else {"activation": activation}
            made |= self._solvers(fields, table.solvers)
            fillers = {argument: read_filler(fields, key) for key, argument in table.fillers.items()}
            made |= {argument: filler for argument, filler in fillers.items() if filler is not None}
        except Refused:
            fields.failed = True
        fields.refuse_known({**LATER_ANYWHERE, **table.later})
        fields.finish()
        return {"model": self._model} if fields.failed else made

    @staticmethod
    def _solvers(fields: Fields, names: dict[str, str]) -> dict[str, Any]:
        given = ("Solvers", *names)
        if not any(word == first or word.startswith(f"{first}.") for word in fields.words() for first in given):
            return {}
        return dict(read_solvers(fields, names))

    @staticmethod
    def _is_cell(section: Section) -> bool:
        return "Input" in section.properties


class OnnxReader:
    """Makes the cells of ONNX sections.

    Arguments:
        values (Values): The sections.
        configs (callable): The sections that a `ConfigSection` names.
        models (Models): Reads the models of cells.
    """

    def __init__(self, values: Values, configs: Callable[[Section], list[Section]], models: Models) -> None:
        self._values, self._configs, self._models = values, configs, models

    def build(self, section: Section, sources: list[Source]) -> dict[str, Tensor] | None:
        """The outputs of the nodes of the file, by name, for one stimulus.

        None if it cannot be read, for reasons that are in the list of problems.

        Arguments:
            section (Section): The ONNX section.
            sources (list of Source): Its inputs.
        """
        problems = self._values.problems
        try:
            fields = Fields(self._values, section, "an ONNX file")
            given = fields.read_all(ONNX)
            path = self._path(fields)
            model = self._models.resolve(given.get("model", self._models.default))
            fields.finish()
        except Refused:
            return None
        except ValueError as error:
            raise_at = "Model" if "Model" in section.properties else "Type"
            problems.add(section.properties[raise_at].place, f"[{section.name}] {raise_at}{error}")
            return None
        settings = OnnxSettings(self._values, self._configs, section.name, model)
        check_defaults(self._values, section)
        tensors = [source.tensor for source in sources if source.tensor is not None]
        if fields.failed or len(tensors) < len(sources):
            return None
        ignored = given.get("ignore", "").split()
        before = len(problems)
        try:
            nodes = read_onnx(path, tensors, settings, ignored, any_size=given.get("ignore_input_size", False))
        except ModelFileError as error:
            for text in error.problems or [str(error)]:
                problems.add(section.place, f"[{section.name}] {path.name}: {text}")
            return None
        except Error as error:
            problems.add(section.place, f"[{section.name}] {error}")
            return None
        return nodes if len(problems) == before else None

    def _path(self, fields: Fields) -> Path:
        path = fields.path(ONNX_FILE_KEY)
        assert path is not None
        folder = self._values.document.folder
        models = os.environ.get("N2D2_MODELS")
        if not any(inside(root, folder / path) for root in (folder, *([Path(models)] if models else ()))):
            text = f" is {str(path)[:200]!r}: only files in the folder of the INI file or of $N2D2_MODELS are read"
            raise fields.refuse("File", text)
        return folder / path


def check_defaults(values: Values, section: Section) -> None:
    """Marks the sections of defaults of an ONNX section as used, and says which are none.

    Arguments:
        values (Values): The sections.
        section (Section): The ONNX section.
    """
    prefix = f"{section.name}:"
    for other in values.document:
        if other.name.startswith(prefix):
            other.used = True
            word = other.name.removeprefix(prefix)
            if word not in ONNX_DEFAULTS:
                known = ", ".join(f"[{prefix}{default}]" for default in ONNX_DEFAULTS)
                text = f"[{other.name}] is not a section of defaults; there are {known}"
                values.problems.add(other.place, text + did_you_mean(word, ONNX_DEFAULTS))


ONNX_FILE_KEY = next(key for key in ONNX if key.name == "File")


def read_onnx(
    path: Path, tensors: list[Tensor], settings: OnnxSettings, ignored: list[str], *, any_size: bool
) -> dict[str, Tensor]:
    """The outputs of the nodes of an ONNX file, by name, for some inputs.

    Arguments:
        path (Path): The file.
        tensors (list of n2d2.Tensor): Its inputs, in the order of the file.
        settings (OnnxSettings): Arguments of its cells.
        ignored (list of str): Outputs of nodes that are left out.
        any_size (bool): If False, a warning is given if the file has other input sizes.

    Raises:
        MissingFileError: There is no such file.
        ModelFileError: The file is wrong; the text lists everything.
    """
    from n2d2.onnx.graph import read_graph
    from n2d2.onnx.importer import Importer
    from n2d2.onnx.node import Data

    graph = read_graph(path)
    if len(graph.inputs) != len(tensors):
        names = ", ".join(graph.inputs)
        text = f"has {len(graph.inputs)} data inputs ({names}), but Input= names {len(tensors)}"
        raise ModelFileError(graph.file, [text])
    given = dict(zip(graph.inputs, tensors, strict=True))
    shapes = {
        name: tensor.shape() if len(graph.inputs[name]) == 4 else [1, *_flat(graph.inputs[name], tensor)]
        for name, tensor in given.items()
    }
    fitted = read_graph(path, shapes)
    importer = Importer(fitted, settings=settings, ignored=ignored, tensors=given, align=False)
    imported = importer.read()
    for name, shape in shapes.items():
        if list(graph.inputs[name][1:]) != shape[1:] and not any_size:
            text = f"{path.name}: input '{name}' has shape {list(graph.inputs[name])}, that of its input is {shape}"
            warnings.warn(f"{text}; IgnoreInputSize=1 says that this is meant", stacklevel=7)
    values = {name: importer._value(name) for node in fitted.nodes for name in node.output if name}
    values.update(imported.outputs)
    return {n: v.tensor for n, v in values.items() if isinstance(v, Data) and v.tensor.cell is not None}


def _flat(shape: tuple[int, ...], tensor: Tensor) -> list[int]:
    """The axes behind the batch of an input that is no image."""
    from math import prod

    return [prod(tensor.shape()[1:])] if len(shape) == 2 else list(shape[1:])
