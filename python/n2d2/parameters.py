"""Named parameters of solvers, fillers, activations and cells: how they are declared, read, written and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, SupportsIndex, TypeVar, overload

from n2d2 import _core
from n2d2.error_handler import NotInitialized, StateError, WrongInputType, WrongValue
from n2d2.global_variables import Verbosity, global_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from typing_extensions import Self

    # `[height, width]`; one number stands for both.
    Pair = int | Sequence[int]

T = TypeVar("T")
Store = Literal["constructor", "option", "config", "object"]


def unknown_name(owner: str, name: str, known: Iterable[str], what: str = "a parameter") -> str:
    """The text about a word that `owner` does not know, with the nearest word that it does know.

    Arguments:
        owner (str): Name of the object in the text.
        name (str): The word.
        known (iterable of str): Words that it knows.
        what (str, optional): What the word is not, default="a parameter".

    Example:
        >>> unknown_name("Conv_0", "stride_dim", ["stride_dims", "name"])
        'Conv_0: `stride_dim` is not a parameter; did you mean `stride_dims`?'
    """
    near = _core.nearest(name, list(known))
    return f"{owner}: `{name}` is not {what}" + (f"; did you mean `{near}`?" if near else "")


def refuse_unknown(owner: str, unknown: Mapping[str, object], constructor: Callable[..., object]) -> None:
    """Raises WrongValue if keyword arguments are left that a constructor does not name.

    Arguments:
        owner (str): Name of the object in the text.
        unknown (dict): The keyword arguments that are left.
        constructor (callable): What names the accepted ones.
    """
    for name in unknown:
        import inspect

        signature = inspect.signature(constructor).parameters
        known = [p.name for p in signature.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"]
        raise WrongValue(unknown_name(owner, name, known))


def refuse_quantizer(owner: str, quantizer: object) -> None:
    """Raises WrongInputType for anything but None.

    Arguments:
        owner (str): Name of the object in the text.
        quantizer: What was given.
    """
    if quantizer is not None:
        got = type(quantizer).__name__
        raise WrongInputType(f"{owner}: parameter `quantizer` must be None, got {got}; quantisation is not built yet")


class Parameter(Generic[T]):
    """A parameter of a class, read and written like an attribute.

    Arguments:
        store (str): `constructor` arguments, creation `option`s, scalar `config` parameters and `object`s are printed
            in this order. The last two may change after construction.
        normalise (callable, optional): Applied to a value that the engine has accepted, so that reading gives one type.
        check (callable, optional): For a parameter that the engine does not have: checks `(owner, name, value)` and
            returns the value to keep.
        prefix (str, optional): Printed before the value, as `Pooling` in `Pooling.Max`, default="".
        writable (bool, optional): Overrides the rule of the store.
        name (str, optional): Name, if a method of the class already has it, default=that of the attribute.

    Example:
        >>> import n2d2
        >>> n2d2.solver.SGD.momentum.store, n2d2.filler.Normal.mean.store
        ('config', 'option')
    """

    def __init__(
        self,
        store: Store,
        normalise: Callable[[Any], T] | None = None,
        *,
        check: Callable[[str, str, Any], T] | None = None,
        prefix: str = "",
        writable: bool | None = None,
        name: str = "",
    ) -> None:
        self.store = store
        self.normalise = normalise
        self.check = check
        self.prefix = prefix
        self.writable = store in ("config", "object") if writable is None else writable
        self.name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Parametrised, owner: type) -> T: ...
    def __get__(self, instance: Parametrised | None, owner: type) -> T | Self:
        if instance is None:
            return self
        value: T = instance._read(self.name)
        return value

    def __set__(self, instance: Parametrised, value: T) -> None:
        if not self.writable:
            kind = (
                "an argument of the constructor" if self.store == "constructor" else "not settable after construction"
            )
            raise StateError(f"{instance._owner()}: `{self.name}` is {kind}; build a new object to change it")
        instance._write(self.name, value)


def check_bool(owner: str, name: str, value: Any) -> bool:
    """A bool, or WrongInputType.

    Arguments:
        owner (str): Name of the object in the text.
        name (str): Name of the parameter.
        value: Value to check.
    """
    if not isinstance(value, bool):
        raise WrongInputType(f"{owner}: parameter `{name}` must be a bool, got {type(value).__name__} ({value!r})")
    return value


def check_str(owner: str, name: str, value: Any) -> str:
    """A str, or WrongInputType.

    Arguments:
        owner (str): Name of the object in the text.
        name (str): Name of the parameter.
        value: Value to check.
    """
    if not isinstance(value, str):
        raise WrongInputType(f"{owner}: parameter `{name}` must be a str, got {type(value).__name__} ({value!r})")
    return value


def check_word(*words: str) -> Callable[[str, str, Any], str]:
    """A check for one of these words: WrongInputType for anything but a str, WrongValue for another word.

    Arguments:
        *words (str): Words that are accepted.
    """

    def check(owner: str, name: str, value: Any) -> str:
        if check_str(owner, name, value) not in words:
            raise WrongValue(f"{owner}: parameter `{name}` is {value!r}, expected one of {', '.join(words)}")
        return str(value)

    return check


def listed(value: Any) -> list[Any]:
    """The elements of a list or array; a number, or an array without axes, is a list of one.

    Arguments:
        value (object): A list, an array or a number.

    Example:
        >>> listed(3), listed((1, 2))
        ([3], [1, 2])
    """
    try:
        return list(value)
    except TypeError:
        return [value]


def pair(value: Any) -> list[int]:
    """`[height, width]`; one number stands for both.

    Arguments:
        value (int or list): One number, or a list.

    Example:
        >>> pair(3), pair([1, 2])
        ([3, 3], [1, 2])
    """
    values = [int(v) for v in listed(value)]
    return values * 2 if len(values) == 1 else values


def check_count(owner: str, name: str, value: Any) -> int:
    """An int from 1 to 2^31 - 1.

    Arguments:
        owner (str): Name of the object, for errors.
        name (str): Name of the parameter, for errors.
        value (object): What was given.

    Raises:
        WrongInputType: `value` is not an int.
        WrongValue: It is below 1 or above 2^31 - 1.

    Example:
        >>> check_count("Conv_0", "nb_inputs", 3)
        3
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise WrongInputType(f"{owner}: parameter `{name}` must be an int, got {type(value).__name__} ({value!r})")
    try:
        number = value.__index__()
    except TypeError:
        raise WrongInputType(f"{owner}: parameter `{name}` must be an int, got {type(value).__name__}") from None
    if not 1 <= number < 2**31:
        raise WrongValue(f"{owner}: parameter `{name}` is {number}, expected an integer from 1 to {2**31 - 1}")
    return number


class Parametrised:
    """An object with named parameters. Subclasses declare them as `Parameter` and accept them in their constructor.

    Example:
        >>> import n2d2
        >>> solver = n2d2.solver.SGD()
        >>> solver.momentun = 0.9
        Traceback (most recent call last):
        AttributeError: SGD: `momentun` is not an attribute that can be set; did you mean `momentum`?
    """

    _parameters: ClassVar[dict[str, Parameter[Any]]] = {}
    _values: dict[str, Any]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        own = {p.name: p for p in vars(cls).values() if isinstance(p, Parameter)}
        cls._parameters = {**cls._parameters, **own}

    def _owner(self) -> str:
        """The name in error texts."""
        return type(self).__name__

    def _read(self, name: str) -> Any:
        try:
            return self._values[name]
        except (AttributeError, KeyError):
            raise NotInitialized(
                f"{self._owner()}: `{name}` has no value; call the constructor of the parent"
            ) from None

    def _write(self, name: str, value: object) -> None:
        raise NotImplementedError

    def _normalised(self, name: str, value: Any) -> Any:
        normalise = self._parameters[name].normalise
        return value if normalise is None or value is None else normalise(value)

    def _of_store(self, *stores: Store) -> dict[str, Any]:
        return {n: self._values[n] for n, p in self._parameters.items() if p.store in stores and n in self._values}

    def __setattr__(self, name: str, value: object) -> None:
        if name[0] != "_" and type(self).__module__.startswith("n2d2."):
            attribute = getattr(type(self), name, None)
            if not hasattr(type(attribute), "__set__"):
                raise AttributeError(
                    unknown_name(self._owner(), name, self._parameters, "an attribute that can be set")
                )
        object.__setattr__(self, name, value)

    def get_type(self) -> str:
        """The class name.

        Example:
            >>> import n2d2
            >>> n2d2.solver.Adam().get_type()
            'Adam'
        """
        return type(self).__name__

    def get_parameter(self, key: str) -> Any:
        """The value of a parameter.

        Arguments:
            key (str): Parameter name.

        Raises:
            WrongValue: No parameter has this name.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Conv(1, 4, [3, 5], padding_dims=[1, 2]).get_parameter("padding_dims")
            [1, 2]
            >>> n2d2.solver.Adam().get_parameter("beta3")
            Traceback (most recent call last):
            n2d2.error_handler.WrongValue: Adam: `beta3` is not a parameter; did you mean `beta1`?
        """
        if key not in self._parameters:
            raise WrongValue(unknown_name(self._owner(), key, self._parameters))
        return self._read(key)

    def set_parameter(self, key: str, value: object) -> None:
        """Changes a parameter that may change after construction.

        Arguments:
            key (str): Parameter name.
            value: New value.

        Raises:
            WrongValue: No parameter has this name, or it does not accept this value.
            WrongInputType: The value has the wrong type.
            StateError: The parameter is fixed once the object exists.

        Example:
            >>> import n2d2
            >>> relu = n2d2.activation.Rectifier()
            >>> relu.set_parameter("clipping", 6.0)
            >>> relu.clipping
            6.0
            >>> n2d2.filler.Normal().set_parameter("mean", 1.0)
            Traceback (most recent call last):
            n2d2.error_handler.StateError: Normal: `mean` is not settable after construction; ...
        """
        if key not in self._parameters:
            raise WrongValue(unknown_name(self._owner(), key, self._parameters))
        self._parameters[key].__set__(self, value)

    def _text(self, name: str, value: object) -> str:
        prefix = self._parameters[name].prefix
        return f"{name}={prefix}.{value}" if prefix else f"{name}={value}"

    def _parameters_text(self) -> str:
        """The parameters in parentheses, as far as the verbosity asks for them."""
        if global_variables.verbosity == Verbosity.graph_only or not self._parameters:
            return ""
        fixed = ", ".join(self._text(n, v) for n, v in self._of_store("constructor", "option").items())
        if global_variables.verbosity == Verbosity.short:
            return f"({fixed})"
        scalars, objects = sorted(self._of_store("config").items()), self._of_store("object").items()
        free = ", ".join(self._text(n, v) for n, v in [*scalars, *objects])
        return "(" + " | ".join(filter(None, (fixed, free))) + ")"

    def __str__(self) -> str:
        return self.get_type() + self._parameters_text()


def check_model(owner: str, model: str | None, datatype: str | None) -> tuple[str, str]:
    """The model and datatype to use, with the defaults of `global_variables`.

    Arguments:
        owner (str): Name of the object in the text.
        model (str, optional): Model that was given.
        datatype (str, optional): Datatype that was given.

    Raises:
        WrongInputType: One of them is not a str.
        WrongValue: It is not a model or datatype that exists.
        StateError: The model is not available on this machine.
    """
    model = global_variables.default_model if model is None else model
    datatype = global_variables.default_datatype if datatype is None else datatype
    for name, value in (("model", model), ("datatype", datatype)):
        if not isinstance(value, str):
            raise WrongInputType(f"{owner}: parameter `{name}` must be a str, got {type(value).__name__}")
    _core.check_model(owner, model)
    if datatype != "float":
        raise WrongValue(f"{owner}: parameter `datatype` is {datatype!r}, expected 'float'")
    return model, datatype


class CoreObject(Parametrised):
    """An object that lives in the engine and can be shared by several cells."""

    _words: ClassVar[frozenset[str]] = frozenset()
    """Enumerations: anything but a str is refused by the engine as a word that it does not know."""
    _handle: Any

    def _sent(self, name: str, value: Any) -> Any:
        return str(value) if name in self._words else value

    def _start(self, make: Callable[[str, dict[str, Any]], Any], kind: str, given: Mapping[str, Any]) -> None:
        """Makes the engine's object from the constructor's arguments."""
        unknown = given.get("unknown", {})
        refuse_unknown(kind, unknown, type(self).__init__)
        self._model, self._datatype = check_model(kind, given.get("model"), given.get("datatype"))
        scalars = [name for name, p in self._parameters.items() if p.store != "object"]
        self._handle = make(kind, {name: self._sent(name, given[name]) for name in scalars})
        self._values = self._handle.parameters()

    def _write(self, name: str, value: object) -> None:
        self._handle.set(name, self._sent(name, value))
        self._values[name] = self._handle.get(name)

    def N2D2(self) -> Any:
        """The object of the engine behind this one; always the same one.

        Example:
            >>> import n2d2
            >>> tanh = n2d2.activation.Tanh(alpha=0.5)
            >>> tanh.N2D2() is tanh.N2D2(), tanh.N2D2().kind, tanh.N2D2().parameters()
            (True, 'Tanh', {'alpha': 0.5})
        """
        return self._handle
