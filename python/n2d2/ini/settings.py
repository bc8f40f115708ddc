"""An INI file beside an ONNX file: what its cells are to be built with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2d2.error_handler import WrongInputType
from n2d2.ini.fields import Fields
from n2d2.ini.network import Builder
from n2d2.ini.onnx_section import OnnxSettings, check_defaults
from n2d2.ini.problems import Problems, Refused, TooMany
from n2d2.ini.reader import read_text
from n2d2.ini.tables import ONNX

if TYPE_CHECKING:
    from n2d2.ini.values import Values

SECTION = "onnx"


class FileSettings:
    """What an INI file says about an ONNX model.

    Arguments:
        values (Values): The sections.
        settings (OnnxSettings): Arguments of cells.
        ignored (list of str): Outputs of nodes that are left out.
        ignore_input_size (bool): Whether stimuli of another size than that of the file are meant.
    """

    def __init__(self, values: Values, settings: OnnxSettings, ignored: list[str], ignore_input_size: bool) -> None:
        self._values, self._settings = values, settings
        self.ignored, self.ignore_input_size = ignored, ignore_input_size

    def arguments(self, name: str, kind: str) -> dict[str, Any]:
        """Keyword arguments of a cell.

        Arguments:
            name (str): Its name.
            kind (str): Its type in INI files.

        Raises:
            ModelFileError: Its section is wrong.
        """
        made = self._settings.arguments(name, kind)
        self._values.problems.raise_any()
        return made

    def finish(self) -> None:
        """Refuses sections that no cell has read.

        Raises:
            ModelFileError: There are some.
        """
        unused = [section for section in self._values.document if not section.used]
        for section in unused:
            self._values.problems.add(section.place, f"[{section.name}] is used by nothing: no cell has this name")
        self._values.problems.raise_any()


def read_settings(path: str | os.PathLike[str]) -> FileSettings:
    """Reads an INI file whose section `[onnx]` has the options of an ONNX file, and others those of its cells.

    Arguments:
        path (str or Path): The file.

    Raises:
        WrongInputType: The path is not a path.
        MissingFileError: There is no such file.
        ModelFileError: Something is wrong with the file; the text lists everything.
    """
    given: object = path
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise WrongInputType("ini_file", type(path), (str, os.PathLike))
    file = Path(path)
    problems = Problems(str(file))
    builder = Builder(file, problems)
    options: dict[str, Any] = {}
    model = "Frame"
    try:
        builder.read(read_text(file, str(file)))
        models = builder.globals()
        document = builder.values.document
        if SECTION in document:
            fields = Fields(builder.values, document[SECTION], "an ONNX file")
            options = fields.read_all([key for key in ONNX if key.name not in ("Input", "Type", "File")])
            fields.finish()
            check_defaults(builder.values, document[SECTION])
        model = models.resolve(options.get("model", models.default))
    except ValueError as error:
        problems.add(None, f"Model{error}")
    except (Refused, TooMany):
        pass
    problems.raise_any()
    settings = OnnxSettings(builder.values, builder.configs, SECTION, model)
    ignored = options.get("ignore", "").split()
    return FileSettings(builder.values, settings, ignored, options.get("ignore_input_size", False))
