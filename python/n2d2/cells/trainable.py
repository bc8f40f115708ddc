"""Layers whose parameters a solver updates."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.parameters import Parameter, check_bool
from n2d2.solver import SGD, Solver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from n2d2.activation import ActivationFunction


class Trainable(NeuralNetworkCell):
    """Abstract parent of the layers that learn.

    Arguments:
        solver (n2d2.solver.Solver, optional): Solver of all parameters of the cell; overrides the specific ones.
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
        >>> layers = [n2d2.cells.Fc(2, 2, name="fc"), n2d2.cells.Softmax(name="softmax")]
        >>> [layer.get_name() for layer in layers if isinstance(layer, n2d2.cells.Trainable)]
        ['fc']
    """

    back_propagate = Parameter[bool]("config", check=check_bool)

    _solved: ClassVar[dict[str, str]] = {}
    """Solver attribute -> the engine's parameter tensor."""

    @abstractmethod
    def __init__(
        self,
        *,
        solver: Solver | None = None,
        back_propagate: bool = True,
        name: str | None = None,
        activation: ActivationFunction | None = None,
        datatype: str | None = None,
        model: str | None = None,
    ) -> None: ...

    def _start(self, kind: str, given: Mapping[str, Any], **engine: object) -> None:
        super()._start(kind, given, **engine)
        self._handle.back_propagate = self._values["back_propagate"]
        shared = given["solver"]
        if shared is not None:
            self._check_solver("solver", shared)
        for attribute in self._solved:
            solver = given[attribute] if shared is None else shared
            setattr(self, attribute, SGD() if solver is None else solver)

    def _write(self, name: str, value: object) -> None:
        super()._write(name, value)
        if name == "back_propagate":
            self._handle.back_propagate = self._values[name]

    def _write_object(self, name: str, value: Any) -> None:
        if name not in self._solved:
            super()._write_object(name, value)
            return
        self._check_solver(name, value)
        if self._solved[name] in self._handle.param_names():
            self._handle.set_solver(self._solved[name], value.N2D2())

    def _check_solver(self, name: str, value: object) -> None:
        if not isinstance(value, Solver):
            raise WrongInputType(
                f"{self._name}: parameter `{name}` must be an n2d2.solver.Solver, got {type(value).__name__}"
            )

    @property
    def solver(self) -> NoReturn:
        """Writing it sets the solver of every parameter of the cell; it cannot be read."""
        raise AttributeError(f"{self._name}: `solver` can only be written; read {' or '.join(self._solved)}")

    @solver.setter
    def solver(self, solver: Solver) -> None:
        self.set_solver(solver)

    def set_solver(self, solver: Solver) -> None:
        """Sets one solver for every parameter of the cell.

        The solver is shared: a change of its hyper-parameters takes effect at the next update. What it remembers
        (momenta, counters) is kept for each parameter on its own, and starts afresh only for another kind of solver.

        Arguments:
            solver (n2d2.solver.Solver): Solver object.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2)
            >>> solver = n2d2.solver.SGD(momentum=0.9)
            >>> fc.set_solver(solver)
            >>> solver.momentum = 0.5
            >>> fc.weights_solver.momentum, fc.bias_solver.momentum
            (0.5, 0.5)
        """
        self._check_solver("solver", solver)
        for attribute in self._solved:
            setattr(self, attribute, solver)

    def set_solver_parameter(self, key: str, value: object) -> None:
        """Changes a hyper-parameter of every solver of the cell, or of none if one does not accept it.

        Arguments:
            key (str): Parameter name.
            value: New value.

        Raises:
            WrongValue: A solver has no such parameter, or does not accept the value.
            WrongInputType: The value has the wrong type.

        Example:
            >>> import n2d2
            >>> conv = n2d2.cells.Conv(1, 1, [3, 3], bias_solver=n2d2.solver.Adam())
            >>> conv.set_solver_parameter("learning_rate", 0.25)  # SGD of the weights, Adam of the bias
            >>> conv.weights_solver.learning_rate, conv.bias_solver.learning_rate
            (0.25, 0.25)
        """
        tried = ""
        try:
            for tried in self._solved:
                getattr(self, tried).copy().set_parameter(key, value)
        except (WrongInputType, WrongValue) as error:
            raise type(error)(f"{self._name}: {tried}: {error}") from None
        for attribute in self._solved:
            getattr(self, attribute).set_parameter(key, value)

    def has_quantizer(self) -> bool:
        """True if the cell uses a quantizer; quantisation is not built yet.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2).has_quantizer()
            False
        """
        return self._values.get("quantizer") is not None
