"""What layers with weights and biases share: fillers, access to single values, parameter files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from n2d2 import _core
from n2d2.cells.trainable import Trainable
from n2d2.error_handler import ShapeError, StateError, WrongInputType, WrongValue
from n2d2.filler import Filler, Normal
from n2d2.mapping import Mapping as GroupMapping
from n2d2.mapping import check_mapping
from n2d2.parameters import Parameter, check_count, check_str
from n2d2.solver import Solver
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

# Spellings of N2D2's documentation that its own code does not know.
_ALIASES = {"weight_filler": "weights_filler", "filer": "filler"}


class WeightedCell(Trainable):
    """Abstract parent of the layers with weights and a bias.

    Files of `export_free_parameters`: `<name>_weights.syntxt`, one line an output, and `<name>_biases.syntxt`, one
    value a line. A single file `<name>.syntxt` with the weights and the bias of each output is read too.

    Arguments:
        solver (n2d2.solver.Solver, optional): Solver of weights and bias; overrides the specific ones.
        back_propagate (bool, optional): If False no gradient goes back to the inputs; the cell itself still learns,
            default=True.
        name (str, optional): Cell name, default=`<ClassName>_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Applied to the output, default=None (identity).
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> from n2d2.cells.weighted_cell import WeightedCell
        >>> made = [n2d2.cells.Conv(1, 1, [3, 3]), n2d2.cells.Fc(2, 2), n2d2.cells.BatchNorm2d(2)]
        >>> [isinstance(cell, WeightedCell) for cell in made]
        [True, True, False]
    """

    no_bias = Parameter[bool]("config", writable=False)
    outputs_remap = Parameter[str]("config", check=check_str)
    weights_solver = Parameter[Solver]("object")
    bias_solver = Parameter[Solver]("object")
    weights_filler = Parameter[Filler]("object")
    bias_filler = Parameter[Filler]("object")

    _solved: ClassVar[dict[str, str]] = {"weights_solver": "weights", "bias_solver": "bias"}
    _tensor_of: ClassVar[dict[str, str]] = {"weights_filler": "weights", "bias_filler": "bias"}

    _fills: ClassVar[bool] = True
    """False makes cells of zeros: for a look at a network that computes nothing of meaning."""

    _channels: int
    """Input channels of all input cells together."""
    _outputs: int
    _mapping: Tensor | None
    _connected: npt.NDArray[np.bool_] | None
    """A copy of the mapping, which its owner cannot change any more."""

    def _start(self, kind: str, given: Mapping[str, Any], **engine: object) -> None:
        given = dict(given)
        given["unknown"] = unknown = dict(given["unknown"])
        for alias in [a for a in _ALIASES if a in unknown]:
            given[_ALIASES[alias]] = unknown.pop(alias)
        owner = given["name"] if isinstance(given["name"], str) else self.get_type()
        grouped = isinstance(given["mapping"], GroupMapping)
        # The engine checks the others, unless a mapping of their size is made before it sees them.
        for name in ("nb_inputs", "nb_outputs", "nb_input_cells") if grouped else ("nb_input_cells",):
            given[name] = check_count(owner, name, given[name])
        cells = given["nb_input_cells"]
        mapping = given["mapping"]
        if isinstance(mapping, GroupMapping):
            mapping = mapping.create_mapping(given["nb_inputs"] * cells, given["nb_outputs"])
        connected = None
        if mapping is not None:
            engine["mapping"] = connected = check_mapping(self.get_type(), mapping).to_numpy(copy=True)
        super()._start(kind, given, nb_input_cells=cells, **engine)
        self._mapping, self._connected = mapping, connected
        self._channels, self._outputs = self.get_parameter("nb_inputs") * cells, self.get_parameter("nb_outputs")
        if "quantizer" in self._parameters:
            self._write("quantizer", given["quantizer"])
        shared = given["filler"]
        if shared is not None:
            self._check_filler("filler", shared)
        for attribute in self._tensor_of:
            filler = given[attribute] if shared is None else shared
            self._set_filler(attribute, Normal(std_dev=0.05) if filler is None else filler)
        if self._fills:
            if self.has_bias():
                self.refill_bias()
            self.refill_weights()

    def _write_object(self, name: str, value: Any) -> None:
        if name not in self._tensor_of:
            super()._write_object(name, value)
        elif name == "bias_filler":
            self._require_bias("set_bias_filler")
            self._check_filler(name, value)
        else:
            self._check_filler(name, value)

    def _check_filler(self, name: str, value: object) -> None:
        if not isinstance(value, Filler):
            raise WrongInputType(
                f"{self._name}: parameter `{name}` must be an n2d2.filler.Filler, got {type(value).__name__}"
            )

    def _set_filler(self, attribute: str, filler: Filler) -> None:
        self._check_filler(attribute, filler)
        self._values[attribute] = filler

    @property
    def mapping(self) -> Tensor | None:
        """Connections, one row an input channel and one column an output; None if all are connected."""
        return self._mapping

    @property
    def filler(self) -> NoReturn:
        """Writing it sets the filler of weights and bias; it cannot be read."""
        raise AttributeError(f"{self._name}: `filler` can only be written; read weights_filler or bias_filler")

    @filler.setter
    def filler(self, filler: Filler) -> None:
        self.set_filler(filler)

    filer = filler

    @property
    def weight_filler(self) -> Filler:
        """Another name of `weights_filler`."""
        return self.weights_filler

    @weight_filler.setter
    def weight_filler(self, filler: Filler) -> None:
        self.weights_filler = filler

    def get_weights_solver(self) -> Solver:
        """The solver of the weights.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2, weights_solver=n2d2.solver.Adam()).get_weights_solver().get_type()
            'Adam'
        """
        return self.weights_solver

    def set_weights_solver(self, solver: Solver) -> None:
        """Sets the solver of the weights, as `cell.weights_solver = solver` does.

        Arguments:
            solver (n2d2.solver.Solver): Solver object.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2)
            >>> fc.set_weights_solver(n2d2.solver.Adam())
            >>> fc.weights_solver.get_type(), fc.bias_solver.get_type()
            ('Adam', 'SGD')
        """
        self.weights_solver = solver

    def get_bias_solver(self) -> Solver:
        """The solver of the bias.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2, solver=n2d2.solver.SGD(decay=0.5)).get_bias_solver().decay
            0.5
        """
        return self.bias_solver

    def set_bias_solver(self, solver: Solver) -> None:
        """Sets the solver of the bias, as `cell.bias_solver = solver` does.

        Arguments:
            solver (n2d2.solver.Solver): Solver object.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2)
            >>> fc.set_bias_solver("SGD")
            Traceback (most recent call last):
            n2d2.error_handler.WrongInputType: Fc_0: parameter `bias_solver` must be an n2d2.solver.Solver, got str
        """
        self.bias_solver = solver

    def set_filler(self, filler: Filler, refill: bool = False) -> None:
        """Sets a filler for the weights and, if there is one, the bias.

        Arguments:
            filler (n2d2.filler.Filler): Filler object.
            refill (bool, optional): If True, draws new values, bias first, default=False.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 1)
            >>> fc.set_filler(n2d2.filler.Constant(value=0.5), refill=True)
            >>> fc.get_weight(0, 1)[0], fc.get_bias(0)[0]
            (0.5, 0.5)
        """
        self._check_filler("filler", filler)
        if self.has_bias():
            self.set_bias_filler(filler, refill)
        self.set_weights_filler(filler, refill)

    def set_weights_filler(self, filler: Filler, refill: bool = False) -> None:
        """Sets a filler for the weights.

        Arguments:
            filler (n2d2.filler.Filler): Filler object.
            refill (bool, optional): If True, draws new values, default=False.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(1, 1, [1, 1], filler=n2d2.filler.Constant(value=1.0))
            >>> conv.set_weights_filler(n2d2.filler.Constant(value=2.0))  # for the next refill
            >>> conv.get_weight(0, 0)[0]
            1.0
            >>> conv.set_weights_filler(n2d2.filler.Constant(value=3.0), refill=True)
            >>> conv.get_weight(0, 0)[0], conv.get_bias(0)[0]
            (3.0, 1.0)
        """
        self.weights_filler = filler
        if refill:
            self.refill_weights()

    def set_bias_filler(self, filler: Filler, refill: bool = False) -> None:
        """Sets a filler for the bias.

        Arguments:
            filler (n2d2.filler.Filler): Filler object.
            refill (bool, optional): If True, draws new values, default=False.

        Raises:
            WrongInputType: It is something else.
            StateError: The cell has no bias.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(1, 2, [1, 1], filler=n2d2.filler.Constant(value=1.0))
            >>> conv.set_bias_filler(n2d2.filler.Constant(value=0.0), refill=True)
            >>> [bias[0] for bias in conv.get_biases()], conv.get_weight(1, 0)[0]
            ([0.0, 0.0], 1.0)
        """
        self.bias_filler = filler
        if refill:
            self.refill_bias()

    set_biases_filler = set_bias_filler

    def refill_weights(self) -> None:
        """Draws the weights again with their filler.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(1, 2, weights_filler=n2d2.filler.Normal(), no_bias=True)
            >>> n2d2.global_variables.seed = 1
            >>> fc.refill_weights()
            >>> [round(row[0][0], 4) for row in fc.get_weights()]
            [1.3224, -0.0234]
        """
        self._handle.fill("weights", self.weights_filler.N2D2())

    def refill_bias(self) -> None:
        """Draws the bias again with its filler.

        Raises:
            StateError: The cell has no bias.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2)
            >>> fc.bias_filler = n2d2.filler.Constant(value=0.25)
            >>> fc.refill_bias()
            >>> [bias[0] for bias in fc.get_biases()]
            [0.25, 0.25]
        """
        self._require_bias("refill_bias")
        self._handle.fill("bias", self.bias_filler.N2D2())

    def has_bias(self) -> bool:
        """True if the cell uses a bias.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2).has_bias(), n2d2.cells.Fc(2, 2, no_bias=True).has_bias()
            (True, False)
        """
        return not self.no_bias

    def _require_bias(self, method: str) -> None:
        if self.no_bias:
            raise StateError(f"{self._name}: {method} needs a bias, and the cell was built with no_bias=True")

    def _check_index(self, name: str, index: object, count: int) -> int:
        if isinstance(index, bool) or not hasattr(index, "__index__"):
            raise WrongInputType(f"{self._name}: {name}", type(index), int)
        position = int(index.__index__())
        if not 0 <= position < count:
            raise WrongValue(f"{self._name}: {name}", position, f"an integer from 0 to {count - 1}")
        return position

    def _place(self, output: int, channel: int) -> tuple[int, int] | None:
        """Where the engine keeps a weight: groups keep their own channels only. None without a connection."""
        per_group = self._handle.param_dims("weights")[1]
        if per_group < self._channels:
            groups = self._channels // per_group
            same = channel // per_group == output // (self._outputs // groups)
            return (output, channel % per_group) if same else None
        connected = self._connected is None or bool(self._connected[channel, output])
        return (output, channel) if connected else None

    def get_weight(self, output_index: int, channel_index: int) -> Tensor:
        """A copy of the weights between an output and an input channel; zeros if they are not connected.

        Shape: The kernel for Conv, `[1]` for Fc.

        Arguments:
            output_index (int): Output.
            channel_index (int): Input channel, counted through all input cells.

        Raises:
            WrongValue: An index is out of range.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(1, 1, [2, 2], filler=n2d2.filler.Constant(value=0.5))
            >>> conv.get_weight(0, 0).to_numpy().tolist()
            [[0.5, 0.5], [0.5, 0.5]]
            >>> conv.get_weight(output_index=1, channel_index=0)
            Traceback (most recent call last):
            n2d2.error_handler.WrongValue: Conv_0: output_index is 1, expected an integer from 0 to 0
        """
        import numpy as np

        output = self._check_index("output_index", output_index, self._outputs)
        channel = self._check_index("channel_index", channel_index, self._channels)
        place = self._place(output, channel)
        if place is None:
            return Tensor._wrap(np.zeros(self._handle.param_dims("weights")[2:] or [1], np.float32))
        return Tensor._wrap(np.atleast_1d(self._handle.param_view("weights", list(place))).copy())

    def get_weights(self) -> list[list[Tensor]]:
        """Copies of all weights, as a list of outputs, each a list of input channels (see `get_weight`).

        Shape: `[nb_outputs][channels]` tensors of the shape that `get_weight` gives.

        Example:
            >>> import n2d2
            >>> weights = n2d2.cells.Conv(3, 4, [5, 5]).get_weights()
            >>> len(weights), len(weights[0]), weights[0][0].shape()
            (4, 3, [5, 5])
        """
        dense, _ = self._dense(self._handle.param("weights"))
        kernels = dense if dense.ndim > 2 else dense[..., None]
        return [[Tensor._wrap(kernel) for kernel in of_output] for of_output in kernels]

    def _float_values(self, what: str, value: object, shape: list[int]) -> Floats:
        import numpy as np

        if not isinstance(value, Tensor):
            raise WrongInputType(f"{self._name}: {what}", type(value), Tensor)
        squeezed = [n for n in value.shape() if n != 1]
        if squeezed != [n for n in shape if n != 1]:
            raise ShapeError(f"{self._name}: {what}: expected a tensor of shape {shape}, got {value.shape()}")
        return value.to_numpy().astype(np.float32).reshape(shape)

    def set_weight(self, output_index: int, channel_index: int, value: Tensor) -> None:
        """Sets the weights between an output and an input channel.

        Arguments:
            output_index (int): Output.
            channel_index (int): Input channel, counted through all input cells.
            value (Tensor): Of the shape that `get_weight` gives.

        Raises:
            WrongValue: An index is out of range.
            WrongInputType: The value is not a tensor.
            ShapeError: The value has another shape.
            StateError: The two are not connected and the value is not zero.

        Shape: Value: the kernel for Conv, `[1]` for Fc; axes of size 1 do not matter.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(1, 1, [1, 3], no_bias=True)
            >>> edge = n2d2.Tensor([1, 3])
            >>> edge.set_values([[-1.0, 0.0, 1.0]])
            >>> conv.set_weight(0, 0, edge)
            >>> x = n2d2.Tensor([1, 1, 1, 4])
            >>> x.set_values([[[[2.0, 2.0, 5.0, 9.0]]]])
            >>> list(conv(x))
            [3.0, 7.0]
        """
        output = self._check_index("output_index", output_index, self._outputs)
        channel = self._check_index("channel_index", channel_index, self._channels)
        values = self._float_values("weight", value, self._handle.param_dims("weights")[2:] or [1])
        place = self._place(output, channel)
        if place is None:
            if values.any():
                raise StateError(f"{self._name}: output {output} and channel {channel} are not connected")
            return
        view = self._handle.param_view("weights", list(place))
        view[...] = values.reshape(view.shape)

    def get_bias(self, output_index: int) -> Tensor:
        """A copy of the bias of an output.

        Shape: `[1]`.

        Arguments:
            output_index (int): Output.

        Raises:
            WrongValue: The index is out of range.
            StateError: The cell has no bias.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 3, bias_filler=n2d2.filler.Constant(value=0.5))
            >>> fc.get_bias(2)[0]
            0.5
            >>> n2d2.cells.Fc(2, 3, no_bias=True, name="bare").get_bias(0)
            Traceback (most recent call last):
            n2d2.error_handler.StateError: bare: get_bias needs a bias, and the cell was built with no_bias=True
        """
        self._require_bias("get_bias")
        output = self._check_index("output_index", output_index, self._outputs)
        return Tensor._wrap(self._handle.param("bias")[output : output + 1])

    def get_biases(self) -> list[Tensor]:
        """Copies of the biases, one tensor an output.

        Raises:
            StateError: The cell has no bias.

        Shape: `nb_outputs` tensors `[1]`.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(4, 3, bias_filler=n2d2.filler.Constant(value=-1.0))
            >>> sum(bias[0] for bias in fc.get_biases())
            -3.0
        """
        self._require_bias("get_biases")
        bias = self._handle.param("bias")
        return [Tensor._wrap(bias[i : i + 1]) for i in range(self._outputs)]

    def set_bias(self, output_index: int, value: Tensor) -> None:
        """Sets the bias of an output.

        Arguments:
            output_index (int): Output.
            value (Tensor): One element.

        Raises:
            WrongValue: The index is out of range.
            WrongInputType: The value is not a tensor.
            ShapeError: The value has more or less than one element.
            StateError: The cell has no bias.

        Shape: Value: `[1]`.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(1, 2, filler=n2d2.filler.Constant(value=0.0))
            >>> fc.set_bias(1, n2d2.Tensor([1], value=7.0))
            >>> list(fc(n2d2.Tensor([1, 1])))
            [0.0, 7.0]
        """
        self._require_bias("set_bias")
        output = self._check_index("output_index", output_index, self._outputs)
        self._handle.param_view("bias", [output])[...] = self._float_values("bias", value, [1])[0]

    def _dense(self, weights: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The weights of all pairs `[output, channel, ...]`, 0 where there is no connection, and the connections."""
        import numpy as np

        connected = np.ones((self._outputs, self._channels), bool)
        per_group = weights.shape[1]
        if per_group == self._channels:
            if self._connected is not None:
                connected = self._connected.T.copy()
            return weights, connected
        groups = self._channels // per_group
        outputs = np.arange(self._outputs)[:, None] // (self._outputs // groups)
        connected = outputs == np.arange(self._channels)[None, :] // per_group
        dense = np.zeros((self._outputs, self._channels, *weights.shape[2:]), np.float32)
        dense[connected] = weights.reshape(-1, *weights.shape[2:])
        return dense, connected

    def _compact(self, dense: Floats, connected: npt.NDArray[np.bool_]) -> Floats:
        """The weights as the engine keeps them."""
        dims = self._handle.param_dims("weights")
        return dense.reshape(dims) if dims[1] == self._channels else dense[connected].reshape(dims)

    def _remapped(self) -> list[int]:
        """The output that each line of an imported file goes to, by `outputs_remap`."""
        if not self.outputs_remap:
            return list(range(self._outputs))
        order: list[int] = []
        for entry in self.outputs_remap.replace(",", " ").split():
            try:
                offset, step = (int(v) for v in entry.split(":"))
            except ValueError:
                raise WrongValue(
                    f"{self._name}: outputs_remap", self.outputs_remap, "'offset:step, offset:step ...'"
                ) from None
            if offset < 0 or step < 1:
                raise WrongValue(f"{self._name}: outputs_remap", self.outputs_remap, "offsets >= 0 and steps >= 1")
            order.extend(range(offset, self._outputs, step))
        if sorted(order) != list(range(self._outputs)):
            raise WrongValue(
                f"{self._name}: outputs_remap", self.outputs_remap, f"every output from 0 to {self._outputs - 1} once"
            )
        remap = [0] * self._outputs
        for new, old in enumerate(order):
            remap[old] = new
        return remap

    def _weight_lines(self, dense: Floats, connected: npt.NDArray[np.bool_]) -> list[Floats]:
        """The lines of a weights file."""
        return [dense[o][connected[o]].ravel() for o in range(self._outputs)]

    def _weights_of(self, numbers: Floats, connected: npt.NDArray[np.bool_]) -> Floats:
        """The dense weights from the numbers of a file."""
        import numpy as np

        dense = np.zeros((self._outputs, self._channels, *self._handle.param_dims("weights")[2:]), np.float32)
        dense[connected] = numbers.reshape(-1, *dense.shape[2:])
        return dense

    def _export(self, stem: Path) -> None:
        lines = self._weight_lines(*self._dense(self._handle.param("weights")))
        _core.write_syntxt(stem.with_name(f"{stem.name}_weights.syntxt"), lines)
        if self.has_bias():
            biases = self._handle.param("bias")
            _core.write_syntxt(
                stem.with_name(f"{stem.name}_biases.syntxt"), [biases[i : i + 1] for i in range(biases.size)]
            )

    def _import(self, stem: Path, ignore_not_exists: bool) -> dict[str, Floats]:
        import numpy as np

        _, connected = self._dense(self._handle.param("weights"))
        kernel_dims = self._handle.param_dims("weights")[2:]
        remap = self._remapped()
        in_file = connected[remap]
        lengths = in_file.sum(axis=1) * int(np.prod(kernel_dims, dtype=int))
        count, nb_biases = int(lengths.sum()), self._outputs if self.has_bias() else 0

        bias: Floats | None = None
        single = stem.with_name(f"{stem.name}.syntxt")
        if single.exists():
            numbers = _core.read_syntxt(single, count + nb_biases)
            lines = np.split(numbers, np.cumsum(lengths + bool(nb_biases))[:-1])
            values = np.concatenate([line[:n] for line, n in zip(lines, lengths, strict=True)])
            single_weights = np.zeros((*in_file.shape, *kernel_dims), np.float32)
            single_weights[in_file] = values.reshape(-1, *kernel_dims)
            weights: Floats | None = single_weights
            if nb_biases:
                bias = np.array([line[-1] for line in lines], np.float32)
        else:
            read = self._read_file(stem, "weights", count, ignore_not_exists)
            weights = None if read is None else self._weights_of(read, in_file)
            if nb_biases:
                bias = self._read_file(stem, "biases", nb_biases, ignore_not_exists)
        found: dict[str, Floats] = {}
        if weights is not None:
            dense = np.empty_like(weights)
            dense[remap] = weights
            found["weights"] = self._compact(dense, connected)
        if bias is not None:
            found["bias"] = np.empty_like(bias)
            found["bias"][remap] = bias
        return found
