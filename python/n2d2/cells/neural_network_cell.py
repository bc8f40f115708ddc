"""What all layers share: construction, calls, access to their tensors, printing."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from n2d2 import _core
from n2d2.activation import ActivationFunction
from n2d2.cells.cell import Cell
from n2d2.error_handler import FileError, MissingFileError, NotInitialized, WrongInputType, WrongValue
from n2d2.parameters import Parameter, Parametrised, check_model, refuse_quantizer, refuse_unknown
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Self

    from n2d2.cells.plan import Run, Step
    from n2d2.deepnet import DeepNet
    from n2d2.interface import Interface
    from n2d2.tensor import Call

    # The inputs and the output of a call, their places in the graph (tensors may be detached from theirs), the call.
    Pass = tuple[list[Tensor], Tensor, list[_core.Var], _core.Var, Call]

EXPORTS = ("C", "CPP", "CPP_TensorRT", "CPP_STM32")


class NeuralNetworkCell(Parametrised, Cell):
    """Abstract parent of the layers.

    Arguments:
        name (str, optional): Cell name, default=`<ClassName>_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Applied to the output, default=None (identity).
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> n2d2.cells.NeuralNetworkCell(name="layer")
        Traceback (most recent call last):
        TypeError: Can't instantiate abstract class NeuralNetworkCell ...
        >>> cell = n2d2.cells.Pool([2, 2], name="pool")
        >>> isinstance(cell, n2d2.cells.NeuralNetworkCell), cell.get_parameter("pool_dims")
        (True, [2, 2])
    """

    activation = Parameter[ActivationFunction | None]("object")

    mappable: ClassVar[bool] = False
    """True if the class takes a `mapping`."""
    _exports: ClassVar[tuple[str, ...]] = ()
    _key_has_datatype: ClassVar[bool] = True
    _any_rank: ClassVar[bool] = False
    """True if the class takes tensors of any rank as they are."""
    _inferred: ClassVar[frozenset[str]] = frozenset()
    """Parameters that the class takes from its input: they are None for the engine."""

    _direct: ClassVar[bool] = True
    """True if `__call__` does nothing but call the engine's cell; set for each class that defines one."""
    _notes_shapes: ClassVar[bool] = False
    """True if the class remembers shapes of its last call."""

    _handle: _core.Cell
    _pass: Pass | tuple[Run, int] | None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls._notes_shapes = cls._note_shapes is not NeuralNetworkCell._note_shapes
        if "__call__" in cls.__dict__ and "_direct" not in cls.__dict__:
            cls._direct = False

    @abstractmethod
    def __init__(
        self,
        *,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
    ) -> None: ...

    def _start(self, kind: str, given: Mapping[str, Any], **engine: object) -> None:
        """Makes the engine's cell from the constructor's arguments; `engine` holds arguments that are no parameters."""
        refuse_unknown(self.get_type(), given["unknown"], type(self).__init__)
        Cell.__init__(self, given["name"])
        self._model, self._datatype = check_model(self._name, given["model"], given.get("datatype"))
        self._pass, self._values = None, {}
        scalars = {n: p for n, p in self._parameters.items() if p.store != "object"}
        for name, p in scalars.items():
            self._values[name] = given[name] if p.check is None else p.check(self._name, name, given[name])
        shared = {n: self._values[n] for n, p in scalars.items() if p.check is None}
        # To the engine None means "not given", here it is a value that does not fit.
        for name in (n for n, value in shared.items() if value is None and n not in self._inferred):
            raise WrongInputType(f"{self._name}: parameter `{name}` must have a value, got None")
        self._handle = self._make(kind, {**shared, **engine})
        for name in shared:
            self._values[name] = self._normalised(name, self._values[name])
        self.activation = given["activation"]

    def _make(self, kind: str, parameters: dict[str, Any]) -> _core.Cell:
        """Makes the engine's cell."""
        return _core.Cell(kind, self._name, parameters)

    def _owner(self) -> str:
        return getattr(self, "_name", self.get_type())

    def _write(self, name: str, value: object) -> None:
        p = self._parameters[name]
        if p.store == "object":
            self._write_object(name, value)
            self._values[name] = value
        elif p.check is not None:
            self._values[name] = p.check(self._name, name, value)
        else:
            self._handle.set({name: value})
            self._values[name] = self._normalised(name, value)

    def _write_object(self, name: str, value: Any) -> None:
        """Hands an object-valued parameter to the engine."""
        if name == "quantizer":
            refuse_quantizer(self._name, value)
        elif name == "activation":
            if value is not None and not isinstance(value, ActivationFunction):
                raise WrongInputType(
                    f"{self._name}: parameter `activation` must be an n2d2.activation.ActivationFunction or None, "
                    f"got {type(value).__name__}"
                )
            self._handle.set_activation(None if value is None else value.N2D2())

    def N2D2(self) -> _core.Cell:
        """The object of the engine behind the cell; always the same one.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.Fc(4, 2, name="fc")
            >>> cell.N2D2().kind, cell.N2D2().param_dims("weights")
            ('Fc', [2, 4])
        """
        return self._handle

    def set_activation(self, activation: ActivationFunction | None) -> None:
        """Sets the activation function, as `cell.activation = activation` does.

        Arguments:
            activation (n2d2.activation.ActivationFunction): Activation function, None for the identity.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.ElemWise(operation="Sum", name="sum")
            >>> x = n2d2.Tensor([1, 1], value=-2.0)
            >>> cell(x)[0]
            -2.0
            >>> cell.set_activation(n2d2.activation.Rectifier(leak_slope=0.25))
            >>> cell(x)[0]
            -0.5
        """
        self.activation = activation

    def get_activation(self) -> ActivationFunction | None:
        """The activation function.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2, activation=n2d2.activation.Tanh()).get_activation().get_type()
            'Tanh'
        """
        return self.activation

    def __call__(self, inputs: Tensor | Interface) -> Tensor:
        """Computes the output.

        Arguments:
            inputs (Tensor or Interface): One or several tensors `[batch, channels, height, width]` of floats.

        Raises:
            WrongInputType: The input is not a tensor of floats.
            ShapeError: The sizes do not fit the cell, or each other.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(5, 8, [3, 3], name="conv")
            >>> conv(n2d2.Interface([n2d2.Tensor([2, 3, 6, 6]), n2d2.Tensor([2, 2, 6, 6])])).shape()
            [2, 8, 4, 4]
        """
        listed: object = inputs
        if self._any_rank and isinstance(listed, (list, tuple)) and listed:
            # An Interface is of one batch, height and width.
            tensors = [self._tensors(one)[0] for one in listed]
        else:
            tensors = self._tensors(inputs)
        variables = [t._as_var(self._name, any_rank=self._any_rank) for t in tensors]
        variable = self._handle.call(variables)
        output = Tensor._from_var(variable, self)
        # A tuple, not an object: this is a part of the time of a small cell.
        behind = [tensors[0]._call or tensors[0]] if len(tensors) == 1 else [t._call or t for t in tensors]
        call: Call = (self, variable, behind, [])
        output._link = call
        # Not by attribute: `__setattr__` would take as long as a small cell.
        self.__dict__["_pass"] = tensors, output, variables, variable, call
        if self._notes_shapes:
            self._note_shapes([v.shape for v in variables], variable.shape)
        return output

    def _plan(self, places: list[int], steps: list[Step], inputs: int) -> list[int] | None:
        from n2d2.cells.plan import Step

        if not self._direct:
            return None
        steps.append(Step(self, tuple(places)))
        return [inputs + len(steps) - 1]

    def _note_shapes(self, inputs: list[list[int]], output: list[int]) -> None:
        """Learns the shapes of a call, which has been made."""

    def _last(self) -> Pass | None:
        """The last call."""
        known = self._pass
        if known is not None and len(known) == 2:
            run, place = known
            self.__dict__["_pass"] = known = run.of(place)
        return known

    @property
    def _output(self) -> Tensor | None:
        """The output of the last call."""
        last = self._last()
        return None if last is None else last[1]

    def _called(self) -> Pass:
        last = self._last()
        if last is None:
            raise NotInitialized(f"{self._name}: has no inputs and outputs before the first call")
        return last

    def get_deepnet(self) -> DeepNet | None:
        """The graph behind the output of the last call; None before the first call.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2, name="fc")
            >>> fc.get_deepnet() is None, list(fc(n2d2.Tensor([1, 2])).get_deepnet().get_cells())
            (True, ['fc'])
        """
        last = self._last()
        if last is None:
            return None
        from n2d2.deepnet import DeepNet

        return DeepNet._behind(last[4])

    def get_inputs(self) -> Tensor:
        """The (first) input tensor of the last call.

        Shape: That of the tensor that was given.

        Raises:
            NotInitialized: The cell was never called.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.Reshape([1, 1, 6], name="flat")
            >>> y = cell(n2d2.Tensor([5, 3, 2, 1]))
            >>> cell.get_inputs().shape(), y.shape()
            ([5, 3, 2, 1], [5, 6, 1, 1])
        """
        return self._called()[0][0]

    def get_outputs(self) -> Tensor:
        """The output tensor of the last call.

        Shape: See the class of the cell.

        Raises:
            NotInitialized: The cell was never called.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.Softmax(name="softmax")
            >>> cell.get_outputs()
            Traceback (most recent call last):
            n2d2.error_handler.NotInitialized: softmax: has no inputs and outputs before the first call
            >>> y = cell(n2d2.Tensor([1, 2]))
            >>> cell.get_outputs() is y, y[0]
            (True, 0.5)
        """
        return self._called()[1]

    def _gradient(self, variable: _core.Var) -> Tensor:
        import numpy as np

        gradient = variable.grad()
        return Tensor._wrap(np.zeros(variable.shape, np.float32) if gradient is None else gradient, self)

    def get_diffinputs(self) -> Tensor:
        """The gradient given to the cell: minus the derivative by its output, before the activation.

        Shape: That of the output; zeros before a back-propagation.

        Raises:
            NotInitialized: The cell was never called.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.Softmax(with_loss=True, name="softmax")
            >>> y = cell(n2d2.Tensor([1, 2]))
            >>> wanted = n2d2.Tensor([1, 2, 1, 1])
            >>> wanted[0] = 1.0
            >>> y.back_propagate(wanted.to_numpy() - y.to_numpy())
            >>> list(cell.get_diffinputs())
            [0.5, -0.5]
        """
        return self._gradient(self._called()[3])

    def get_diffoutputs(self, index: int = 0) -> Tensor:
        """The gradient that went back to an input: minus the derivative, of all cells that read the input together.

        Shape: That of the input; zeros before a back-propagation, or if nobody wants the gradient.

        Arguments:
            index (int, optional): Number of the input, default=0.

        Raises:
            NotInitialized: The cell was never called.
            WrongValue: There is no such input.

        Example:
            >>> import n2d2
            >>> cell = n2d2.cells.ElemWise(operation="Prod", name="product")
            >>> y = cell(n2d2.Interface([n2d2.Tensor([1, 1], value=3.0), n2d2.Tensor([1, 1], value=5.0)]))
            >>> y.back_propagate(n2d2.Tensor([1, 1, 1, 1], value=1.0))
            >>> cell.get_diffoutputs()[0], cell.get_diffoutputs(index=1)[0]
            (5.0, 3.0)
        """
        variables = self._called()[2]
        if isinstance(index, bool) or not isinstance(index, int):
            raise WrongInputType(f"{self._name}: index", type(index), int)
        if not 0 <= index < len(variables):
            raise WrongValue(f"{self._name}: index", index, f"an integer from 0 to {len(variables) - 1}")
        return self._gradient(variables[index])

    def get_input_cells(self) -> list[str]:
        """Names of what made the inputs of the last call.

        Example:
            >>> import n2d2
            >>> first, second = n2d2.cells.Softmax(name="first"), n2d2.cells.Softmax(name="second")
            >>> y = second(first(n2d2.Tensor([1, 2])))
            >>> second.get_input_cells()
            ['first']
        """
        last = self._last()
        return [] if last is None else [t._source_name() for t in last[0]]

    def dims(self) -> list[int]:
        """Sizes of the output in N2D2's order `[width, height, channels, batch]`; `[]` before the first call.

        Example:
            >>> import n2d2
            >>> pool = n2d2.cells.Pool([2, 3])
            >>> before = pool.dims()
            >>> y = pool(n2d2.Tensor([8, 4, 10, 12]))
            >>> before, pool.dims()
            ([], [10, 9, 4, 8])
        """
        output = self._output
        return [] if output is None else output.dims()

    def get_nb_outputs(self) -> int:
        """Number of output channels; 0 if it is not known before the first call.

        Example:
            >>> import n2d2
            >>> flat = n2d2.cells.Reshape([1, 1, -1])
            >>> y = flat(n2d2.Tensor([2, 3, 4, 5]))
            >>> flat.get_nb_outputs()
            60
        """
        output = self._output
        return 0 if output is None else output.dimZ()

    def get_nb_channels(self) -> int:
        """Number of input channels; 0 if it is not known before the first call.

        Example:
            >>> import n2d2
            >>> pool = n2d2.cells.Pool([2, 2])
            >>> y = pool(n2d2.Interface([n2d2.Tensor([1, 3, 4, 4]), n2d2.Tensor([1, 2, 4, 4])]))
            >>> pool.get_nb_channels()
            5
        """
        last = self._last()
        return 0 if last is None else sum(t.dimZ() for t in last[0])

    def learn(self) -> Self:
        """Sets learning mode and returns the cell.

        Example:
            >>> import n2d2
            >>> drop = n2d2.cells.Dropout(dropout=0.5).test().learn()
            >>> sorted(set(drop(n2d2.Tensor([1, 100], value=1.0))))
            [0.0, 2.0]
        """
        self._handle.learn = True
        return self

    def test(self) -> Self:
        """Sets test mode and returns the cell.

        Example:
            >>> import n2d2
            >>> drop = n2d2.cells.Dropout(dropout=0.5)
            >>> set(drop.test()(n2d2.Tensor([1, 100], value=1.0)))
            {1.0}
        """
        self._handle.learn = False
        return self

    @classmethod
    def is_exportable_to(cls, export_name: str) -> bool:
        """True if cells of this class can be part of an export.

        Arguments:
            export_name (str): `C`, `CPP`, `CPP_TensorRT` or `CPP_STM32`.

        Raises:
            WrongInputType: It is not a str.
            WrongValue: There is no such export.

        Example:
            >>> from n2d2.cells import Conv, Dropout, Softmax
            >>> [cell.is_exportable_to("CPP_STM32") for cell in (Conv, Softmax, Dropout)]
            [True, False, False]
        """
        if not isinstance(export_name, str):
            raise WrongInputType("is_exportable_to: export_name", type(export_name), str)
        if export_name not in EXPORTS:
            raise WrongValue("is_exportable_to: export_name", export_name, EXPORTS)
        return export_name in cls._exports

    def _file_stem(self) -> str:
        """The name, fit for a file."""
        return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", self._name)

    def export_free_parameters(self, dir_name: str, verbose: bool = True) -> None:
        """Writes the parameters as text files (see the class for their names), each complete or not at all.

        Arguments:
            dir_name (str): Folder; it is made if it does not exist.
            verbose (bool, optional): If True, prints a line for each file, default=True.

        Raises:
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> fc = n2d2.cells.Fc(2, 1, filler=n2d2.filler.Constant(value=0.5), name="fc")
            >>> fc.export_free_parameters("weights", verbose=False)
            >>> pathlib.Path("weights/fc_weights.syntxt").read_text().split()
            ['0.5', '0.5']
        """
        from pathlib import Path

        folder = Path(dir_name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder}: the folder cannot be made: {error.strerror}") from error
        stem = folder / self._file_stem()
        if verbose:
            print(f"Export to {stem}.syntxt")
            print(f"Export to {stem}_quant.syntxt")
        self._export(stem)

    def import_free_parameters(self, dir_name: str, ignore_not_exists: bool = False) -> None:
        """Reads the parameters back from the files of `export_free_parameters`. Nothing changes if a file is wrong.

        Arguments:
            dir_name (str): Folder.
            ignore_not_exists (bool, optional): If True, a missing file changes nothing, default=False.

        Raises:
            MissingFileError: A file does not exist.
            FileError: A file holds too few or too many numbers, or something else.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 1, name="fc")
            >>> fc.import_free_parameters("nowhere", ignore_not_exists=True)
            Import nowhere/fc.syntxt
            >>> fc.import_free_parameters("nowhere")
            Traceback (most recent call last):
            n2d2.error_handler.MissingFileError: ...fc_weights.syntxt...
        """
        self._set_parameters(self._read_parameters(dir_name, ignore_not_exists))

    def _read_parameters(self, dir_name: str, ignore_not_exists: bool) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters of the files, by their names in the engine; those that may be missing and are left out."""
        from pathlib import Path

        stem = Path(dir_name) / self._file_stem()
        print(f"Import {stem}.syntxt")
        try:
            return self._import(stem, ignore_not_exists)
        except MissingFileError as error:
            text = f"{error}; cell '{self._name}' needs it, or keeps its values with ignore_not_exists=True"
            raise MissingFileError(text) from None
        except FileError as error:
            shapes = {name: self._handle.param_dims(name) for name in self._handle.param_names()}
            raise type(error)(f"{error}; cell '{self._name}' has parameters of shapes {shapes}") from None

    def _set_parameters(self, values: Mapping[str, npt.NDArray[np.float32]]) -> None:
        for name, array in values.items():
            self._handle.set_param(name, array)

    def _export(self, stem: Path) -> None:
        """Writes the files; cells without parameters have none."""

    def _import(self, stem: Path, ignore_not_exists: bool) -> dict[str, npt.NDArray[np.float32]]:
        """Reads the files; cells without parameters have none."""
        return {}

    def _read_file(
        self, stem: Path, suffix: str, count: int, ignore_not_exists: bool
    ) -> npt.NDArray[np.float32] | None:
        """The numbers of a parameter file; None if it may be missing and is."""
        try:
            return _core.read_syntxt(stem.with_name(f"{stem.name}_{suffix}.syntxt"), count)
        except MissingFileError:
            if ignore_not_exists:
                return None
            raise

    def __str__(self) -> str:
        key = f"{self._model}<{self._datatype}>" if self._key_has_datatype else self._model
        inputs = f"({self.get_input_cells()})" if self._pass is not None else ""
        return f"'{self._name}' {self.get_type()}({key}){self._parameters_text()}{inputs}"
