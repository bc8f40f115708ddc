"""Tensors: arrays that cells read and make, sharing their memory with NumPy."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Protocol

from n2d2 import _core
from n2d2.error_handler import ShapeError, StateError, WrongInputType, WrongValue
from n2d2.utils import generate_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.cells.plan import Run
    from n2d2.deepnet import DeepNet

    Array = npt.NDArray[Any]
    # The cell, its output, the calls or tensors that it read, and the graph if somebody asked for it.
    # Recorded even where `detach` cuts a tensor later.
    Call = tuple[NeuralNetworkCell, _core.Var, list[Any], list[DeepNet]]

# Datatype, one-letter code, NumPy type and Python type.
_DATATYPES: tuple[tuple[str, str, str, type], ...] = (
    ("float", "f", "float32", float),
    ("double", "d", "float64", float),
    ("int", "i", "int32", int),
    ("uint", "j", "uint32", int),
    ("short", "s", "int16", int),
    ("long", "l", "int64", int),
    ("bool", "b", "bool", bool),
    ("char", "c", "int8", int),
    ("uchar", "h", "uint8", int),
)
_NUMPY_TYPES = {key: dtype for name, code, dtype, _ in _DATATYPES for key in (name, code)}
_PYTHON_TYPES = {key: python for name, code, _, python in _DATATYPES for key in (name, code)}
_NAMES = {dtype: name for name, _, dtype, _ in _DATATYPES}
_CODES = {name: code for name, code, _, _ in _DATATYPES}
_KNOWN: dict[Any, str] = {}


def _datatype_of(array: Array) -> str | None:
    """The datatype of an array; None if tensors do not have it."""
    dtype = array.dtype
    name = _KNOWN.get(dtype)
    if name is None:
        # NumPy puts this word together anew each time, which takes as long as a small cell.
        name = _NAMES.get(dtype.name)
        if name is not None:
            _KNOWN[dtype] = name
    return name


class Producer(Protocol):
    """What makes a tensor: a cell, a provider or a target."""

    def get_name(self) -> str:
        """The name."""


class LossSource(Protocol):
    """What a loss tensor goes back through: a target."""

    @property
    def value(self) -> float:
        """The loss."""

    def back_propagate(self) -> None:
        """Computes the gradients of every cell behind the loss."""

    def update(self) -> None:
        """Lets the solvers move the parameters of every cell behind the loss."""


def _is_datatype(datatype: object) -> bool:
    return isinstance(datatype, str) and datatype in _NUMPY_TYPES


def _sizes(dims: object, what: str) -> list[int]:
    if not isinstance(dims, (list, tuple)):
        raise WrongInputType(f"Tensor: {what}", type(dims), (list, tuple))
    sizes = []
    for d in dims:
        try:
            size = operator.index(d)
        except TypeError:
            raise WrongInputType(f"Tensor: a size in {what}", type(d), int) from None
        if isinstance(d, bool):
            raise WrongInputType(f"Tensor: a size in {what}", bool, int)
        if size < 0:
            raise WrongValue(f"Tensor: a size in {what}", size, "an integer of at least 0")
        sizes.append(size)
    return sizes


def _whole(index: object) -> int:
    try:
        number = operator.index(index)  # type: ignore[arg-type]
    except TypeError:
        raise WrongInputType("Tensor: an index of an axis", type(index), int) from None
    if isinstance(index, bool):
        raise WrongInputType("Tensor: an index of an axis", bool, int)
    return number


def _in_tuple(key: object) -> tuple[Any, ...]:
    if isinstance(key, tuple):
        return key
    return () if key is ... else (key,)


def _as_read(array: Array, owner: str, any_rank: bool) -> Array:
    """The array as the cell called `owner` reads it: as images, or as it is if of `any_rank`."""
    if (name := _datatype_of(array)) != "float":
        got = name or array.dtype
        raise WrongInputType(f"{owner}: the input must be a tensor of datatype 'float', got '{got}'")
    if any_rank or array.ndim == 4:
        return array
    if array.ndim == 2:
        return array[:, :, None, None]
    if array.ndim == 3 and array.shape[0] == 1:
        return array[None]
    hint = "; add the batch axis: reshape to [1, ...]" if array.ndim == 3 else ""
    raise ShapeError(f"{owner}: the input must be [batch, channels, height, width], got {list(array.shape)}{hint}")


class _Writable:
    """The memory of an array, writable: NumPy takes what cannot say that it is for read-only."""

    def __init__(self, array: Array) -> None:
        self._owner = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


class _Producer:
    """Hands on the DLPack capsule of an object, and remembers whether it can say that its memory is read-only."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.says_read_only = False

    def __dlpack__(self, **wanted: Any) -> Any:
        try:
            capsule = self._source.__dlpack__(**wanted)
        except TypeError:  # It is of a version of the protocol without arguments.
            capsule = self._source.__dlpack__()
        self.says_read_only = "dltensor_versioned" in repr(capsule)
        return capsule

    def __dlpack_device__(self) -> Any:
        return self._source.__dlpack_device__()


def _number_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(int(value))


def _values_text(array: Array) -> str:
    if array.ndim <= 1:
        return " ".join(_number_text(v) for v in array.ravel().tolist()) + "\n"
    if array.ndim == 2:
        return "".join(_values_text(row) for row in array)
    colon = ":\n" if array.ndim == 3 else ""
    return "".join(f"[{i}]{colon}{_values_text(part)}" for i, part in enumerate(array))


class Tensor:
    """An array of numbers, and the place in the graph where it comes from.

    Indices: what N2D2 defines keeps its meaning, what it leaves open follows NumPy. None of them goes into the graph.

    | index | read | written |
    |---|---|---|
    | `t[5]` | the element at this place of the flat tensor | the same |
    | `t[0, 1, 2, 3]`, `t[[0, 1, 2, 3]]` | the element; one number of at least 0 an axis | the same |
    | `t[2:7]` | a copy of flat elements | one value, or as many as elements |
    | `t[0, ...]`, `t[:, -1]`, `t[None]` | a *view* that shares memory; negative numbers count back | what broadcasts |
    | `t[mask]`, bools of the same shape | a copy of the chosen elements | one value, or as many as elements |

    Axis order: like NumPy, outermost first (`[batch, channels, height, width]`), everywhere but in `dims()` and the
    `dimX()` family, which use N2D2's own order `[width, height, channels, batch]`.

    Arguments:
        dims (list): Sizes, outermost first; `[]` gives an empty tensor.
        value (optional): Every element; of the type of the datatype, default=None (zeros).
        cuda (bool, optional): True is refused: this version has no CUDA backend, default=False.
        datatype (str, optional): `float`, `double`, `int`, `uint`, `short`, `long`, `bool`, `char` or `uchar`,
            default="float".
        cell (optional): What made the tensor, default=None.
        dim_format (str, optional): `Numpy`, or `N2D2` if `dims` is in N2D2's order, default="Numpy".

    Raises:
        WrongInputType: An argument has the wrong type, or the datatype is unknown.
        WrongValue: A size is negative, or `dim_format` is unknown.
        StateError: `cuda` is True.

    Example:
        >>> t = Tensor([2, 3], value=1.5)
        >>> t[0, 1] = 4
        >>> print(t)
        n2d2.Tensor([
        1.5 4 1.5
        1.5 1.5 1.5
        ], device=cpu, datatype=float)
        >>> t.shape(), t.dims(), len(t), t.mean()
        ([2, 3], [3, 2], 6, 1.9166666269302368)
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_datatype",
        "_deepnet",
        "_link",
        "_loss_source",
        "_placeholder",
        "_var",
        "_wants_gradient",
        "cell",
    )

    _array: Array | None
    """The values; None until somebody reads those of a cell's output, or of a loss."""
    _datatype: str
    _var: _core.Var | None
    """The place in the graph; None until a cell reads the tensor."""
    _link: Call | tuple[Run, int] | None
    """The call of a cell that made it, or the run of a network and a place in it."""
    _deepnet: DeepNet
    """The graph without cells of a tensor that no cell made; the slot is empty until somebody asks."""
    _loss_source: LossSource | None
    _wants_gradient: bool
    """False for data, whose gradient nobody needs."""
    _placeholder: str | None
    cell: Producer | None

    def __init__(  # noqa: PLR0917  the order of N2D2
        self,
        dims: Sequence[int],
        value: float | None = None,
        cuda: bool = False,
        datatype: str = "float",
        cell: Producer | None = None,
        dim_format: str = "Numpy",
    ) -> None:
        import numpy as np

        sizes = _sizes(dims, "dims")
        word: object = dim_format
        if not isinstance(word, str) or word not in ("Numpy", "N2D2"):
            raise WrongValue("Tensor: dim_format", dim_format, ["Numpy", "N2D2"])
        if not isinstance(cuda, bool):
            raise WrongInputType("Tensor: cuda", type(cuda), bool)
        if cuda:
            raise StateError("Tensor: cuda=True needs the CUDA backend, which this version does not have")
        if not _is_datatype(datatype):
            names = ", ".join(name for name, *_ in _DATATYPES)
            raise WrongInputType(f"Tensor: datatype is {datatype!r}, expected one of {names}")
        if dim_format == "N2D2":
            sizes.reverse()
        python = _PYTHON_TYPES[datatype]
        given: object = value
        if isinstance(given, np.generic):
            given = given.item()
        if given is not None and not isinstance(given, (bool, int, float)):
            raise WrongInputType(f"Tensor: value of a tensor of datatype {datatype!r}", type(given), python)
        if given:
            fits = isinstance(given, (float, int) if python is float else python)
            if not fits or (isinstance(given, bool) and python is not bool):
                raise WrongInputType(f"Tensor: value of a tensor of datatype {datatype!r}", type(given), python)
        if math.prod(sizes) > 2**31:
            raise WrongValue(f"Tensor: a tensor of shape {sizes} does not fit into memory, at most {2**31} values do")
        if cell is not None and not hasattr(cell, "get_name"):
            raise WrongInputType(f"Tensor: cell must be a cell or None, got {type(cell).__name__}")
        try:
            with np.errstate(over="raise"):
                self._array = np.full(sizes or [0], given or 0, dtype=_NUMPY_TYPES[datatype])
        except ArithmeticError:
            raise WrongValue(f"Tensor: value {given} is outside the range of datatype {datatype!r}") from None
        except (ValueError, MemoryError):
            raise WrongValue(f"Tensor: a tensor of shape {sizes} does not fit into memory") from None
        self._datatype = datatype
        self._start(cell)

    def _start(self, cell: Producer | None) -> None:
        self._var = None
        self._link = None
        self._loss_source = None
        self._wants_gradient = True
        self._placeholder = None
        self.cell = cell

    @classmethod
    def _wrap(cls, array: Array, cell: Producer | None = None, wants_gradient: bool = True) -> Tensor:
        """A tensor over the memory of an array, named by the one-letter code of its type."""
        tensor = object.__new__(cls)
        tensor._array = array
        tensor._datatype = _CODES[_datatype_of(array) or array.dtype.name]
        tensor._start(cell)
        tensor._wants_gradient = wants_gradient
        return tensor

    @classmethod
    def _from_var(cls, var: _core.Var, cell: Producer | None) -> Tensor:
        """The tensor of a place in the graph; its values are fetched when somebody reads them."""
        tensor = object.__new__(cls)
        tensor._array = None
        tensor._datatype = "f"
        tensor._start(cell)
        tensor._var = var
        return tensor

    @property
    def _call(self) -> Call | None:
        """The call of a cell that made it."""
        link = self._link
        if link is not None and len(link) == 2:
            run, place = link
            self._link = call = run.call(place)
            return call
        return link

    @property
    def _data(self) -> Array:
        if self._array is None:
            self._array = self._fetched()
        return self._array

    def _fetched(self) -> Array:
        if self._var is not None:
            return self._var.numpy()
        import numpy as np

        assert self._loss_source is not None
        # A loss that float32 does not hold is infinite in the tensor; `loss()` of the target gives it.
        with np.errstate(over="ignore"):
            return np.array([self._loss_source.value], dtype=np.float32)

    def _as_var(self, owner: str, any_rank: bool = False) -> _core.Var:
        """The place in the graph, for the cell called `owner` that reads the tensor, as it is if of `any_rank`."""
        if self._var is None or (self._link is None and any_rank and self._var.shape != self.shape()):
            array = self._data
            aligned = array = _as_read(array, owner, any_rank)
            if not array.flags.aligned:
                aligned = array.copy()
            var = _core.Var.from_numpy(aligned, self._wants_gradient)
            if aligned is not array or (self._var is not None and var.shape != self._var.shape):
                return var  # A copy would not see later writes, and each rank that readers want is a place of its own.
            self._var = var
        return self._var

    def _source_name(self) -> str:
        """The name of what made the tensor; raw tensors get one when a cell reads them."""
        if self.cell is not None:
            return self.cell.get_name()
        if self._placeholder is None:
            self._placeholder = generate_name("TensorPlaceholder")
        return self._placeholder

    def N2D2(self) -> _core.Var:
        """The engine's object.

        Example:
            >>> Tensor([1, 2]).N2D2().shape
            [1, 2, 1, 1]
        """
        return self._as_var("Tensor")

    @classmethod
    def from_numpy(cls, np_array: Array) -> Tensor:
        """A tensor with a copy of an array.

        Arguments:
            np_array (numpy.ndarray): Of type float32, float64, int8, uint8, int16, int32, uint32, int64 or bool.

        Raises:
            WrongInputType: It is not an array, or of another type.

        Example:
            >>> import numpy as np
            >>> Tensor.from_numpy(np.arange(6).reshape(2, 3)).data_type()
            'long'
        """
        import numpy as np

        if not isinstance(np_array, np.ndarray):
            raise WrongInputType("Tensor.from_numpy: np_array", type(np_array), np.ndarray)
        datatype = _datatype_of(np_array)
        if datatype is None:
            raise WrongInputType(
                f"Tensor.from_numpy: arrays of {np_array.dtype} are not supported, only of {', '.join(_NAMES)}"
            )
        dtype = np_array.dtype
        native = dtype if dtype.isnative else dtype.newbyteorder("=")
        tensor = cls._wrap(np.array(np_array, dtype=native, order="C", ndmin=1))
        tensor._datatype = datatype
        return tensor

    def to_numpy(self, copy: bool = False) -> Array:
        """The values as an array of shape `shape()`.

        Arguments:
            copy (bool, optional): If False the array shares memory with the tensor, default=False.

        Example:
            >>> t = Tensor([2])
            >>> t.to_numpy()[0] = 3
            >>> t.to_numpy(copy=True)[1] = 4
            >>> list(t)
            [3.0, 0.0]
        """
        return self._data.copy() if copy else self._data

    @classmethod
    def from_dlpack(cls, source: Any, copy: bool | None = None) -> Tensor:
        """A tensor over the memory of an array of another library, by the DLPack protocol.

        Both see what either writes. The other direction is `numpy.from_dlpack(tensor)`, `torch.from_dlpack(tensor)`.

        Arguments:
            source: Array or tensor in the memory of the processor, with `__dlpack__` and `__dlpack_device__`.
            copy (bool, optional): None to copy read-only memory only, True to copy always, False never, default=None.

        Raises:
            WrongInputType: It does not speak DLPack, or its elements have a type that tensors do not have.
            WrongValue: A copy is needed and `copy` is False.
            StateError: The memory cannot be reached, for example on another device.

        Example:
            >>> import numpy as np
            >>> a = np.zeros((2, 3), np.float32)
            >>> t = Tensor.from_dlpack(a)
            >>> t[1, 2] = 5
            >>> float(a[1, 2])
            5.0
        """
        import numpy as np

        if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
            raise WrongInputType("Tensor.from_dlpack: source", type(source), "an array with __dlpack__")
        producer = _Producer(source)
        try:
            array = np.from_dlpack(producer)
        except (BufferError, RuntimeError, ValueError) as error:
            raise StateError(f"Tensor.from_dlpack: the memory cannot be shared: {error}") from error
        datatype = _datatype_of(array)
        if datatype is None:
            raise WrongInputType(
                f"Tensor.from_dlpack: arrays of {array.dtype} are not supported, only of {', '.join(_NAMES)}"
            )
        if not array.flags.writeable and not producer.says_read_only:
            array = np.asarray(_Writable(array))
        if copy is False and not array.flags.writeable:
            raise WrongValue("Tensor.from_dlpack: read-only memory must be copied, which copy=False forbids")
        if copy or not array.flags.writeable:
            array = array.copy()
        tensor = cls._wrap(array.reshape(1) if array.ndim == 0 else array)
        tensor._datatype = datatype
        return tensor

    @classmethod
    def from_N2D2(cls, core: _core.Var) -> Tensor:
        """The tensor of an object of the engine, sharing its memory and its place in the graph.

        Arguments:
            core: What `N2D2()` of a tensor gives.

        Raises:
            WrongInputType: It is something else.

        Example:
            >>> t = Tensor([1, 2, 1, 1])
            >>> other = Tensor.from_N2D2(t.N2D2())
            >>> other[1] = 3
            >>> t[1], other.data_type()
            (3.0, 'f')
        """
        if not isinstance(core, _core.Var):
            raise WrongInputType("Tensor.from_N2D2: core", type(core), _core.Var)
        return cls._from_var(core, None)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        import numpy as np

        data = self._data
        if dtype is None or np.dtype(dtype) == data.dtype:
            return data.copy() if copy else data
        if copy is False:
            raise WrongValue(
                f"Tensor: an array of {np.dtype(dtype)} must be a copy of the {data.dtype} values, which copy=False "
                "forbids"
            )
        return data.astype(dtype)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._data.__dlpack_device__()

    @property
    def is_cuda(self) -> bool:
        """True if the tensor lies on a CUDA device.

        Example:
            >>> Tensor([1]).is_cuda
            False
        """
        return False

    def cuda(self) -> Tensor:
        """Not available: this version has no CUDA backend.

        Raises:
            StateError: Always.

        Example:
            >>> import n2d2
            >>> try:
            ...     Tensor([1]).cuda()
            ... except n2d2.Error as error:
            ...     print(error)
            Tensor.cuda: this version has no CUDA backend
        """
        raise StateError("Tensor.cuda: this version has no CUDA backend")

    def cpu(self) -> Tensor:
        """Moves the tensor to the processor, where it already is, and returns it.

        Example:
            >>> t = Tensor([1])
            >>> t.cpu() is t
            True
        """
        return self

    def htod(self) -> Tensor:
        """Not available: the tensor has no copy on a device.

        Raises:
            StateError: Always.

        Example:
            >>> import n2d2
            >>> try:
            ...     Tensor([1]).htod()
            ... except n2d2.Error as error:
            ...     print(error)
            Tensor.htod: the tensor is not on a CUDA device
        """
        raise StateError("Tensor.htod: the tensor is not on a CUDA device")

    def dtoh(self) -> Tensor:
        """Not available: the tensor has no copy on a device.

        Raises:
            StateError: Always.

        Example:
            >>> import n2d2
            >>> try:
            ...     Tensor([1]).dtoh()
            ... except n2d2.Error as error:
            ...     print(error)
            Tensor.dtoh: the tensor is not on a CUDA device
        """
        raise StateError("Tensor.dtoh: the tensor is not on a CUDA device")

    def data_type(self) -> str:
        """The datatype, spelt as the tensor prints it.

        Example:
            >>> Tensor([1]).data_type(), Tensor.from_N2D2(Tensor([1, 1]).N2D2()).data_type()
            ('float', 'f')
        """
        return self._datatype

    def shape(self) -> list[int]:
        """Sizes, outermost first.

        Example:
            >>> Tensor([2, 3, 4, 5]).shape()
            [2, 3, 4, 5]
        """
        if self._array is None and self._var is not None:
            return self._var.shape
        return list(self._data.shape)

    def dims(self) -> list[int]:
        """Sizes in N2D2's order, innermost first.

        Example:
            >>> Tensor([2, 3, 4, 5]).dims()
            [5, 4, 3, 2]
        """
        return self.shape()[::-1]

    def nb_dims(self) -> int:
        """Number of axes.

        Example:
            >>> Tensor([2, 3, 4, 5]).nb_dims()
            4
        """
        return len(self.shape())

    def dimX(self) -> int:
        """Size of the innermost axis: the width.

        Example:
            >>> Tensor([2, 3, 4, 5]).dimX()
            5
        """
        dims = self.dims()
        return dims[0] if dims else 0

    def dimY(self) -> int:
        """Size of the second innermost axis, the height; 0 if there is none.

        Example:
            >>> Tensor([2, 3, 4, 5]).dimY(), Tensor([7]).dimY()
            (4, 0)
        """
        dims = self.dims()
        return dims[1] if len(dims) > 1 else 0

    def dimZ(self) -> int:
        """Number of channels, in N2D2's rule: `dims()[-2]` of four or more, the last of three, the first of two.

        Example:
            >>> [Tensor(dims).dimZ() for dims in ([7], [7, 5], [7, 5, 3], [7, 5, 3, 2])]
            [0, 5, 7, 5]
        """
        dims = self.dims()
        if len(dims) < 2:
            return 0
        return {2: dims[0], 3: dims[-1]}.get(len(dims), dims[-2])

    def dimB(self) -> int:
        """Size of the outermost axis: the batch.

        Example:
            >>> Tensor([2, 3, 4, 5]).dimB()
            2
        """
        dims = self.dims()
        return dims[-1] if dims else 0

    def set_values(self, values: list[Any]) -> None:
        """Sets all elements.

        Arguments:
            values (list): Nested list of exactly the shape of the tensor.

        Raises:
            WrongInputType: It is not a list, or holds values of another kind than the tensor.
            ShapeError: It has another shape, or is ragged.

        Example:
            >>> t = Tensor([2, 2], datatype="bool")
            >>> t.set_values([[1, 0], [0, 1]])
            >>> t[1, 1]
            True
        """
        if not isinstance(values, list):
            raise WrongInputType("Tensor.set_values: values", type(values), list)
        array = self._converted("Tensor.set_values", values)
        if list(array.shape) != self.shape():
            raise ShapeError(f"Tensor.set_values: expected shape {self.shape()}, got {list(array.shape)}")
        self._data[...] = array

    def reshape(self, new_dims: Sequence[int]) -> None:
        """Gives the same elements another shape, in place.

        Arguments:
            new_dims (list): Sizes, outermost first.

        Raises:
            ShapeError: The number of elements differs.
            StateError: A cell made the tensor: reshape it in the graph with `n2d2.cells.Reshape`, or detach it first.

        Example:
            >>> t = Tensor([2, 3])
            >>> t.reshape([3, 2])
            >>> t.shape()
            [3, 2]
        """
        self._refuse_linked("reshape")
        sizes = _sizes(new_dims, "new_dims")
        data = self._data
        count = 1
        for size in sizes:
            count *= size
        if count != data.size:
            raise ShapeError(
                f"Tensor.reshape: new shape {sizes} has {count} elements, the tensor {self.shape()} has {data.size}"
            )
        self._array, self._var = data.reshape(sizes), None

    def resize(self, new_dims: Sequence[int]) -> None:
        """Gives the tensor another shape, in place; elements beyond the old ones are zero.

        Arguments:
            new_dims (list): Sizes, outermost first.

        Raises:
            StateError: A cell made the tensor.

        Example:
            >>> t = Tensor([2], value=1.0)
            >>> t.resize([2, 2])
            >>> list(t)
            [1.0, 1.0, 0.0, 0.0]
        """
        import numpy as np

        self._refuse_linked("resize")
        sizes = _sizes(new_dims, "new_dims")
        old = self._data.ravel()
        new = np.zeros(sizes, dtype=old.dtype)
        kept = min(old.size, new.size)
        new.ravel()[:kept] = old[:kept]
        self._array, self._var = new, None

    def _refuse_linked(self, what: str) -> None:
        if self._loss_source is not None or (self._var is not None and self._var.cells()):
            raise StateError(f"Tensor.{what}: the tensor belongs to a graph; detach() it or copy() it first")

    def copy(self) -> Tensor:
        """A tensor of its own with the same values, datatype and `cell`, outside of any graph.

        Example:
            >>> t = Tensor([2], value=1.0)
            >>> other = t.copy()
            >>> other[0] = 5
            >>> t[0], other[0]
            (1.0, 5.0)
        """
        other = self._wrap(self._data.copy(), self.cell, self._wants_gradient)
        other._datatype = self._datatype
        return other

    def detach(self) -> Tensor:
        """Cuts the tensor from the graph behind it and returns it.

        Example:
            >>> import n2d2
            >>> first, second = n2d2.cells.Fc(2, 2), n2d2.cells.Fc(2, 2)
            >>> y = second(first(Tensor([1, 2], value=1.0)).detach())
            >>> y.back_propagate(Tensor([1, 2, 1, 1], value=1.0))
            >>> list(first.get_diffinputs())
            [0.0, 0.0]
        """
        self._data  # noqa: B018  fetches the values before the link is cut
        self._start(None)
        return self

    def get_tensors(self) -> list[Tensor]:
        """The tensor alone, in a list.

        Example:
            >>> t = Tensor([1])
            >>> t.get_tensors()[0] is t
            True
        """
        return [self]

    def get_deepnet(self) -> DeepNet:
        """The graph of cells behind the tensor; that of a loss is the one behind its target's last output.

        A tensor that no cell made has a graph without cells.

        Example:
            >>> import n2d2
            >>> y = n2d2.cells.Fc(2, 2, name="fc")(Tensor([1, 2]))
            >>> list(y.get_deepnet().get_cells()), list(y.detach().get_deepnet().get_cells())
            (['fc'], [])
        """
        if self._loss_source is not None:
            behind: DeepNet | None = getattr(self.cell, "get_deepnet", lambda: None)()
            if behind is not None:
                return behind
        from n2d2.deepnet import DeepNet

        if self._call is not None:
            return DeepNet._behind(self._call)
        known: DeepNet | None = getattr(self, "_deepnet", None)
        if known is None:
            known = self._deepnet = DeepNet([self])
        return known

    def draw_associated_graph(self, path: str | os.PathLike[str]) -> None:
        """Draws the graph of cells behind the tensor: `<path>.png`, and `<path>.mmd` for Markdown viewers.

        Arguments:
            path (str or Path): Files without ending.

        Raises:
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> n2d2.cells.Fc(2, 2)(Tensor([1, 2])).draw_associated_graph("graph")
            >>> sorted(file.name for file in pathlib.Path().iterdir())
            ['graph.mmd', 'graph.png']
        """
        self.get_deepnet().draw_graph(path)

    def is_leaf(self) -> bool:
        """True for a loss, the end of a graph: a tensor that a target made.

        Example:
            >>> Tensor([1]).is_leaf()
            False
        """
        return self._loss_source is not None

    def back_propagate(self, gradient: Tensor | Array | None = None) -> None:
        """Computes the gradient of every parameter and tensor behind this one.

        Gradients are *minus* the derivative of the loss, summed over the batch, because solvers add.

        Arguments:
            gradient (Tensor or numpy.ndarray, optional): Gradient to start from, of the shape of the tensor; only a
                loss needs none, default=None.

        Raises:
            StateError: The tensor is not a loss and no gradient is given, or nothing is behind it.
            ShapeError: The gradient has another shape.

        Example:
            >>> import n2d2
            >>> one, half = n2d2.filler.Constant(value=1.0), n2d2.solver.SGD(learning_rate=0.5)
            >>> fc = n2d2.cells.Fc(2, 1, filler=one, solver=half)
            >>> y = fc(Tensor([1, 2], value=3.0))
            >>> target = 5.0
            >>> y.back_propagate(target - y.to_numpy())
            >>> y.update()
            >>> fc.get_weight(0, 0)[0]
            -2.0
        """
        if self._loss_source is not None:
            if gradient is not None:
                raise StateError("Tensor.back_propagate: a loss takes no gradient")
            self._loss_source.back_propagate()
            return
        if gradient is None:
            raise StateError("Tensor.back_propagate: this tensor is not the leaf of a graph; give it a gradient")
        import numpy as np

        if self._var is None or not isinstance(gradient, (Tensor, np.ndarray)):
            if self._var is None:
                raise StateError("Tensor.back_propagate: no cell made this tensor")
            raise WrongInputType("Tensor.back_propagate: gradient", type(gradient), (Tensor, np.ndarray))
        array = np.asarray(gradient)
        if array.dtype.kind not in "iuf":
            raise WrongInputType(f"Tensor.back_propagate: gradient must hold numbers, got {array.dtype}")
        if list(array.shape) != self.shape():
            raise ShapeError(
                f"Tensor.back_propagate: expected a gradient of shape {self.shape()}, got {list(array.shape)}"
            )
        self._var.back_propagate(np.require(array, np.float32, "A"))

    def update(self) -> None:
        """Lets the solvers move the parameters of every cell behind this tensor, once.

        Raises:
            StateError: No cell made this tensor.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=1.0), no_bias=True)
            >>> y = fc(Tensor([1, 1], value=1.0))
            >>> y.back_propagate(Tensor([1, 1, 1, 1], value=100.0))
            >>> y.update()
            >>> fc.get_weight(0, 0)[0]
            2.0
        """
        if self._loss_source is not None:
            self._loss_source.update()
        elif self._var is not None:
            self._var.update()
        else:
            raise StateError("Tensor.update: no cell made this tensor")

    def mean(self) -> float:
        """The mean of all elements.

        Raises:
            StateError: There are none.

        Example:
            >>> Tensor([2, 2], value=3.0).mean()
            3.0
        """
        if not len(self):
            raise StateError("Tensor.mean: the tensor has no elements")
        return float(self._data.mean())

    def _index(self, key: object) -> Any:
        """The NumPy index of a coordinate, or the position of a flat index."""
        import numpy as np

        shape = self.shape()
        if isinstance(key, (tuple, list)):
            coordinate = [_whole(k) for k in key]
            if len(key) != len(shape):
                raise WrongValue(
                    f"Tensor: coordinate {coordinate} must have {len(shape)} numbers, one an axis; "
                    "for a part of the tensor end it by `...`"
                )
            if any(not 0 <= k < n for k, n in zip(coordinate, shape, strict=True)):
                raise WrongValue(f"Tensor: coordinate {coordinate} is outside the shape {shape}")
            return tuple(coordinate)
        if isinstance(key, (int, float, np.integer, np.floating)) and not isinstance(key, bool):
            try:
                position = int(key)
            except (ValueError, OverflowError):
                raise IndexError(f"Tensor: index {key} is not a number of an element") from None
            if not 0 <= position < len(self):
                raise IndexError(f"Tensor: index {position} is outside the {len(self)} elements")
            return position
        raise WrongInputType("Tensor: an index", type(key), (int, tuple, list, slice))

    def _part(self, key: object) -> Array | None:
        """The view of an index with slices, `...` or None in it; None for any other index."""
        if isinstance(key, tuple):
            if not any(k is None or k is ... or isinstance(k, slice) for k in key):
                return None
            key = tuple(k if k is None or k is ... or isinstance(k, slice) else _whole(k) for k in key)
        elif key is not None and key is not ...:
            return None
        view: Array
        try:
            # A last `...` keeps NumPy from making a scalar, which would be a copy.
            view = self._data[key if isinstance(key, tuple) and ... in key else (*_in_tuple(key), ...)]
        except IndexError as error:
            raise WrongValue(f"Tensor: index {key} does not fit the shape {self.shape()}: {error}") from None
        return view

    def _mask(self, key: object) -> Array | None:
        """A boolean mask over all elements; None for any other index."""
        import numpy as np

        if not isinstance(key, (Tensor, np.ndarray)):
            return None
        mask = np.asarray(key)
        if mask.dtype != bool:
            raise WrongInputType(f"Tensor: an index that is an array must be a mask of bool, got {mask.dtype}")
        if list(mask.shape) != self.shape():
            raise ShapeError(f"Tensor: expected a mask of shape {self.shape()}, got {list(mask.shape)}")
        return mask

    def _alike(self, array: Array) -> Tensor:
        """A tensor outside of the graph over some memory, of the same datatype by the same name."""
        tensor = self._wrap(array)
        tensor._datatype = self._datatype
        return tensor

    def __getitem__(self, key: object) -> Any:
        if isinstance(key, slice):
            return self._alike(self._data.ravel()[key].copy())
        if (part := self._part(key)) is not None:
            return self._alike(part)
        if (mask := self._mask(key)) is not None:
            return self._alike(self._data[mask])
        index = self._index(key)
        return (self._data[index] if isinstance(index, tuple) else self._data.flat[index]).item()

    def __setitem__(self, key: object, value: object) -> None:
        import numpy as np

        data = self._data
        several = isinstance(value, (Tensor, np.ndarray, list))
        if (part := self._part(key)) is not None:
            if not several:
                part[...] = self._scalar(value)
                return
            array = self._converted("Tensor", value)
            try:
                part[...] = array
            except ValueError:
                raise ShapeError(
                    f"Tensor: a part of shape {list(part.shape)} cannot take values of shape {list(array.shape)}"
                ) from None
            return
        positions = None
        if isinstance(key, slice):
            positions = np.arange(data.size)[key]
        elif (mask := self._mask(key)) is not None:
            positions = np.flatnonzero(mask)
        if positions is not None:
            if several:
                array = self._converted("Tensor", value)
                if array.size != positions.size:
                    kind = "another tensor" if isinstance(value, Tensor) else "an array"
                    raise ShapeError(f"Tensor: {positions.size} elements cannot take the {array.size} of {kind}")
                data.flat[positions] = array.ravel()
            else:
                data.flat[positions] = self._scalar(value)
            return
        index = self._index(key)
        if isinstance(index, tuple):
            data[index] = self._scalar(value)
        else:
            data.flat[index] = self._scalar(value)

    def _converted(self, where: str, values: object) -> Array:
        """Values as an array of the type of the tensor, refused where they would change."""
        import numpy as np

        try:
            array = np.asarray(values)
        except (ValueError, TypeError):
            array = np.array(None)
        if array.dtype == object:
            raise ShapeError(
                f"{where}: expected nested lists of shape {self.shape()}, got lists of unequal length or other objects"
            )
        accepted = {float: "iuf", int: "iu", bool: "iub"}[_PYTHON_TYPES[self._datatype]]
        if array.size and array.dtype.kind not in accepted:
            raise WrongInputType(f"{where}: values for datatype {self._datatype!r} cannot be {array.dtype}")
        cast = array.astype(self._data.dtype)
        if array.dtype.kind in "iu" and self._data.dtype.kind in "iu" and not np.array_equal(cast, array):
            raise WrongValue(f"{where}: values outside the range of datatype {self._datatype!r}")
        return cast

    def _scalar(self, value: Any) -> Any:
        python = _PYTHON_TYPES[self._datatype]
        try:
            return self._data.dtype.type(python(value))
        except (TypeError, ValueError, OverflowError):
            raise StateError(f"Tensor: {value!r} cannot be an element of datatype {self._datatype!r}") from None

    def __len__(self) -> int:
        count = 1
        for size in self.shape():
            count *= size
        return count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._data.ravel().tolist())

    def __contains__(self, value: object) -> bool:
        import numpy as np

        if not isinstance(value, (bool, int, float, np.number, np.bool_)):
            return False
        return bool((self._data == value).any())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            raise WrongInputType(
                "Tensor: a tensor can be compared with a tensor only; the other operand", type(other), Tensor
            )
        return self.shape() == other.shape() and bool((self._data == other._data).all())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return _values_text(self._data)

    def __str__(self) -> str:
        linked = "" if self.cell is None else f", cell='{self.cell.get_name()}'"
        return f"n2d2.Tensor([\n{_values_text(self._data)}], device=cpu, datatype={self._datatype}{linked})"
