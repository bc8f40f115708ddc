"""Makes the cells of a network from their sections, by the table of their keys, and calls them on one stimulus."""

from __future__ import annotations

import warnings
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from n2d2.error_handler import Error
from n2d2.filler import Constant
from n2d2.ini.fields import Fields
from n2d2.ini.keys import Key
from n2d2.ini.mapping import Mapping
from n2d2.ini.parts import class_of, read_activation, read_filler, read_solvers, without_name
from n2d2.ini.problems import Refused, did_you_mean
from n2d2.ini.sizes import Sizes
from n2d2.ini.tables import CELL, CELLS, LATER_ANYWHERE, LATER_CELLS, NB_OUTPUTS, SPIKING_MODELS, CellKind
from n2d2.ini.transformations import read_transformation

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2d2.cells import NeuralNetworkCell
    from n2d2.ini.reader import Section
    from n2d2.ini.values import Values
    from n2d2.tensor import Tensor

AUTOMATIC = ("_NbChannels", "_ChannelsWidth", "_ChannelsHeight", "_NbOutputs", "_OutputsWidth", "_OutputsHeight")


class Source(NamedTuple):
    """An input of a cell.

    Arguments:
        name (str): Name in the file.
        tensor (n2d2.Tensor, optional): What it gives for one stimulus; None if it could not be made.
    """

    name: str
    tensor: Tensor | None


class Models:
    """Reads the `Model` of cells: `Frame`, or `Frame_CUDA` where there is a GPU.

    Arguments:
        default (str): Model of cells without the key.
    """

    def __init__(self, default: str = "Frame") -> None:
        self.default = default
        self._warned: set[str] = set()

    def resolve(self, model: str) -> str:
        """The model to use.

        Arguments:
            model (str): Model that the file names.

        Raises:
            ValueError: It does not exist; the text says what does.

        Example:
            >>> Models().resolve("Frame")
            'Frame'
        """
        from n2d2 import global_variables

        base = model.removesuffix("_CUDA")
        if base in SPIKING_MODELS:
            raise ValueError(f"={model}: simulations of spikes are not part of this library; write Frame")
        if base != "Frame":
            known = ["Frame", "Frame_CUDA"]
            raise ValueError(f" is {model[:80]!r}, expected Frame or Frame_CUDA{did_you_mean(model, known)}")
        if model == base or global_variables.cuda_available:
            return model
        if model not in self._warned:
            self._warned.add(model)
            warnings.warn(f"Model={model}: this machine or version has no CUDA, Frame is used instead", stacklevel=10)
        return base


class CellReader:
    """Makes cells.

    Arguments:
        values (Values): The sections.
        configs (callable): The sections that a `ConfigSection` names.
        models (Models): Reads the models of cells.
        draw (bool, optional): If False, weights are 0 instead of what their fillers draw, default=True.
    """

    def __init__(
        self, values: Values, configs: Callable[[Section], list[Section]], models: Models, *, draw: bool = True
    ) -> None:
        self._values, self._configs, self._models = values, configs, models
        self._sizes = Sizes()
        self._draw = draw

    def build(self, section: Section, sources: list[Source]) -> Tensor | None:
        """What a cell gives for one stimulus; None if it cannot be made, for reasons that are in the list of problems.

        Arguments:
            section (Section): Section of the cell.
            sources (list of Source): Its inputs.
        """
        try:
            output = self._build(section, sources)
        except Refused:
            output = None
        tensors = [source.tensor for source in sources]
        self.publish(section.name, tensors, output)
        return output

    def publish(self, name: str, inputs: list[Tensor | None], output: Tensor | None) -> None:
        """Makes the properties that exist once a cell is built.

        Arguments:
            name (str): Name of the cell.
            inputs (list): Its inputs for one stimulus.
            output (n2d2.Tensor, optional): Its output for one stimulus; None if it could not be made.
        """
        known = [t for t in inputs if t is not None]
        numbers: list[int | None] = [None] * len(AUTOMATIC)
        if len(known) == len(inputs) and known:
            numbers[:3] = sum(t.dimZ() for t in known), known[0].dimX(), known[0].dimY()
        if output is not None:
            numbers[3:] = output.dimZ(), output.dimX(), output.dimY()
        for word, number in zip(AUTOMATIC, numbers, strict=True):
            self._values.set_automatic(name, word, number)

    def _build(self, section: Section, sources: list[Source]) -> Tensor | None:
        problems = self._values.problems
        kind_name = self._type(section)
        article = "an" if kind_name[0] in "AE" else "a"
        kind = CELLS[kind_name]
        fields = Fields(self._values, section, f"{article} {kind_name} cell", self._configs(section))
        given = self._arguments(fields, kind)
        mapping = self._mapping(fields, kind, sources)
        if kind_name == "Transformation":
            given["transformation"] = self._transformation(fields)
        fields.refuse_known({**LATER_ANYWHERE, **kind.later})
        fields.finish()
        tensors = [source.tensor for source in sources if source.tensor is not None]
        if fields.failed or len(tensors) < len(sources):
            return None
        try:
            return self._call(fields, kind, given, mapping, tensors)
        except Error as error:
            # Anything that the tables do not know about sizes and values.
            raise problems.refuse(section.place, f"[{section.name}] {without_name(error, section.name)}") from None

    def _type(self, section: Section) -> str:
        fields = Fields(self._values, section, "a cell")
        name: str = fields.read(CELL[1])
        if name in CELLS:
            return name
        known = [*CELLS, *LATER_CELLS]
        if name in LATER_CELLS:
            raise fields.refuse("Type", f"={name}: cells of this type are not available; there are {', '.join(CELLS)}")
        text = f" is {name[:80]!r}, expected one of {', '.join(CELLS)}"
        raise fields.refuse("Type", text + did_you_mean(name, known))

    def _arguments(self, fields: Fields, kind: CellKind) -> dict[str, Any]:
        given = fields.read_all([*CELL[:2], *CELL[2:5], NB_OUTPUTS, *kind.keys])
        given.pop("", None)
        given.pop("datatype", None)
        given["model"] = self._model(fields, given.get("model", self._models.default))
        try:
            given["activation"] = read_activation(fields)
        except Refused:
            fields.failed = True
        if kind.solvers:
            given.update(read_solvers(fields, kind.solvers))
        for key, argument in kind.fillers.items():
            try:
                given[argument] = read_filler(fields, key)
            except Refused:  # noqa: PERF203
                fields.failed = True
        return given

    def _model(self, fields: Fields, model: str) -> str:
        try:
            return self._models.resolve(model)
        except ValueError as error:
            if "Model" in fields:
                fields.refuse("Model", str(error))
            else:
                fields.failed = True
                self._values.problems.add(
                    self._values.document[""].properties["DefaultModel"].place, f"DefaultModel{error}"
                )
            return "Frame"

    @staticmethod
    def _mapping(fields: Fields, kind: CellKind, sources: list[Source]) -> Mapping | None:
        if not kind.mapping:
            return None
        try:
            return Mapping(fields, [source.name for source in sources])
        except Refused:
            fields.failed = True
            return None

    @staticmethod
    def _transformation(fields: Fields) -> Any:
        try:
            return read_transformation(fields, Key("Transformation", "", "text", None))
        except Refused:
            fields.failed = True
            return None

    def _call(
        self, fields: Fields, kind: CellKind, given: dict[str, Any], mapping: Mapping | None, tensors: list[Tensor]
    ) -> Tensor:
        from n2d2.interface import Interface

        name, outputs = fields.section.name, given.pop("nb_outputs")
        given["name"] = name
        channels = [tensor.dimZ() for tensor in tensors]
        image = [tensors[0].dimY(), tensors[0].dimX()]
        if kind.made in ("cells.Conv", "cells.Deconv", "cells.Fc"):
            given["nb_outputs"] = outputs
            values = [prod(tensor.shape()[1:]) for tensor in tensors]
            given["nb_inputs"] = sum(values if kind.made == "cells.Fc" else channels)
        large = self._sizes.refused(kind.made, given, sum(channels), image)
        if large:
            raise self._values.problems.refuse(fields.section.place, f"[{name}] {large}")
        if kind.fillers and (not self._draw or len(self._values.problems)):
            # The weights will not be used: draws would only take time.
            given.update(dict.fromkeys(kind.fillers.values(), Constant()))
        if mapping is not None:
            given["mapping"] = self._table(name, kind, mapping, channels, outputs)
        if kind.made == "cells.BatchNorm2d":
            given["nb_inputs"] = sum(channels)
        if kind.made == "cells.Activation" and given["activation"] is None:
            raise fields.refuse("ActivationFunction", " is missing: an Activation cell needs it")
        if kind.made == "cells.ElemWise":
            given.setdefault("mode", "PerInput")
        if kind.made == "cells.Scaling":
            from n2d2.scaling import FloatingPointScaling

            given["scaling"] = FloatingPointScaling([given.pop("factor")] * sum(channels))
        cell: NeuralNetworkCell = class_of(kind.made)(**given)
        cell.test()
        output = cell(tensors[0] if len(tensors) == 1 else Interface(tensors))
        if output.dimZ() != outputs:
            raise fields.refuse("NbOutputs", f" is {outputs}, but the cell has {output.dimZ()} outputs")
        return output

    @staticmethod
    def _table(name: str, kind: CellKind, mapping: Mapping, channels: list[int], outputs: int) -> Tensor | None:
        table = mapping.table(channels, outputs)
        if table is None and kind.made == "cells.Pool" and (sum(channels), outputs) != (1, 1):
            if outputs == sum(channels):
                warnings.warn(
                    f"[{name}] has no Mapping: each channel is pooled by itself, where N2D2 pools over all of them; "
                    "write Mapping.Size=1 to say so",
                    stacklevel=9,
                )
                return None
            from n2d2.tensor import Tensor

            table = Tensor([sum(channels), outputs], datatype="bool")
            table.to_numpy()[...] = True
        return table
