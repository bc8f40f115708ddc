"""INI files that say how the cells of an ONNX file learn: the `ini_file` of `DeepNetCell.load_from_ONNX`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from n2d2.error_handler import WrongInputType
from n2d2.ini.fields import Fields
from n2d2.ini.network import _Builder
from n2d2.ini.onnx_section import OnnxReader, OnnxSettings
from n2d2.ini.problems import Problems, Refused, TooMany
from n2d2.ini.reader import Reader, read_text
from n2d2.ini.tables import ONNX

if TYPE_CHECKING:
    import os

SECTION = "onnx"
_KEYS = ("Ignore", "IgnoreInputSize", "Transpose", "CNTK", "ONNX_init")


class OnnxInstructions:
    """What a file says about the cells of an ONNX model, and about the model itself in the section `[onnx]`.

    Cells have the section of their name, or else `[onnx:Conv_def]` and its like.

    Arguments:
        path (str or Path): The file.

    Raises:
        WrongInputType: The path is not a path.
        MissingFileError: There is no such file.
        ModelFileError: The file is wrong; the text lists everything.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        given: object = path
        if not isinstance(given, (str, Path)):
            raise WrongInputType("load_from_ONNX: ini_file", type(path), (str, Path))
        file = Path(path)
        self._problems = Problems(str(file))
        self._builder = builder = _Builder(file, self._problems)
        text = read_text(file, str(file))
        self.ignored: list[str] = []
        """Outputs of nodes to leave out."""
        self.ignore_input_size = False
        """If True, the file may have another input size than the provider."""
        model = "Frame"
        try:
            Reader(builder._document, self._problems, builder._render).read(text, "")
            models = builder._globals()
            model = models.resolve(models.default)
            if SECTION in builder._document:
                section = builder._document[SECTION]
                fields = Fields(builder._values, section, "the options of an ONNX file")
                options = fields.read_all(key for key in ONNX if key.name in _KEYS)
                fields.finish()
                self.ignored = str(options.get("ignore", "")).split()
                self.ignore_input_size = bool(options.get("ignore_input_size", False))
            for section in builder._document:
                if section.name.startswith(f"{SECTION}:"):
                    OnnxReader(builder._values, builder._configs, models)._check_defaults(builder._document[SECTION])
                    break
        except (Refused, TooMany):
            pass
        self._problems.raise_any()
        self.settings = OnnxSettings(builder._values, builder._configs, SECTION, model)
        """Arguments of the cells."""

    def finish(self) -> None:
        """Refuses sections that no cell has read.

        Raises:
            ModelFileError: There are some, or a section that a cell has read is wrong.
        """
        self._builder._unused()
        self._problems.raise_any()
