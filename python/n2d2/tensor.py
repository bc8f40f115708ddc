"""Tensors: arrays that cells read and make, sharing their memory with NumPy."""

from __future__ import annotations

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
    from n2d2.deepnet import DeepNet

    Array = npt.NDArray[Any]
    # The cell, its output, and the calls or tensors that it read. Recorded even where `detach` cuts a tensor later.
    Call = tuple[NeuralNetworkCell, _core.Var, list[Any]]

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
_CODES = {dtype: code for _, code, dtype, _ in _DATATYPES}


class Producer(Protocol):
    """What makes a tensor: a cell, a provider or a target."""

    def get_name(self) -> str:
        """The name."""


class LossSource(Protocol):
    """What a loss tensor goes back through: a target."""

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
        "_call",
        "_datatype",
        "_deepnet",
        "_loss_source",
        "_placeholder",
        "_var",
        "_wants_gradient",
        "cell",
    )

    _array: Array | None
    """The values; None until somebody reads those of a cell's output."""
    _datatype: str
    _var: _core.Var | None
    """The place in the graph; None until a cell reads the tensor."""
    _call: Call | None
    """The call of a cell that made it."""
    _deepnet: tuple[DeepNet, Call | None]
    """The graph that was asked for, and the call that it is of."""
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
        if dim_format not in ("Numpy", "N2D2"):
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
        if value:
            fits = isinstance(value, (float, int) if python is float else python)
            if not fits or (isinstance(value, bool) and python is not bool):
                raise WrongInputType(f"Tensor: value of a tensor of datatype {datatype!r}", type(value), python)
        self._array = np.full(sizes or [0], value or 0, dtype=_NUMPY_TYPES[datatype])
        self._datatype = datatype
        self._start(cell)

    def _start(self, cell: Producer | None) -> None:
        self._var = None
        self._call = None
        self._loss_source = None
        self._wants_gradient = True
        self._placeholder = None
        self.cell = cell

    @classmethod
    def _wrap(cls, array: Array, cell: Producer | None = None, wants_gradient: bool = True) -> Tensor:
        """A tensor over the memory of an array, named by the one-letter code of its type."""
        tensor = object.__new__(cls)
        tensor._array = array
        tensor._datatype = _CODES[array.dtype.name]
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
    def _data(self) -> Array:
        if self._array is None:
            assert self._var is not None
            self._array = self._var.numpy()
        return self._array

    def _as_var(self, owner: str) -> _core.Var:
        """The place in the graph, for the cell called `owner` that reads the tensor."""
        if self._var is None:
            import numpy as np

            array = self._data
            if array.dtype != np.float32:
                name = _NAMES[array.dtype.name]
                raise WrongInputType(f"{owner}: the input must be a tensor of datatype 'float', got '{name}'")
            if array.ndim == 2:
                array = array[:, :, None, None]
            elif array.ndim == 3 and array.shape[0] == 1:
                array = array[None]
            elif array.ndim != 4:
                hint = "; add the batch axis: reshape to [1, ...]" if array.ndim == 3 else ""
                raise ShapeError(
                    f"{owner}: the input must be [batch, channels, height, width], got {list(array.shape)}{hint}"
                )
            aligned = np.require(array, requirements="A")
            var = _core.Var.from_numpy(aligned, self._wants_gradient)
            if aligned is not array:
                return var  # A copy would not see later writes.
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
        """The engine's object."""
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
        if np_array.dtype.name not in _NAMES:
            raise WrongInputType(
                f"Tensor.from_numpy: arrays of {np_array.dtype} are not supported, only of {', '.join(_NAMES)}"
            )
        tensor = cls._wrap(np.array(np_array, dtype=np_array.dtype.newbyteorder("="), order="C", ndmin=1))
        tensor._datatype = _NAMES[np_array.dtype.name]
        return tensor

    def to_numpy(self, copy: bool = False) -> Array:
        """The values as an array of shape `shape()`.

        Arguments:
            copy (bool, optional): If False the array shares memory with the tensor, default=False.
        """
        return self._data.copy() if copy else self._data

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._data if dtype is None else self._data.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._data.__dlpack_device__()

    @property
    def is_cuda(self) -> bool:
        """True if the tensor lies on a CUDA device."""
        return False

    def cuda(self) -> Tensor:
        """Not available: this version has no CUDA backend.

        Raises:
            StateError: Always.
        """
        raise StateError("Tensor.cuda: this version has no CUDA backend")

    def cpu(self) -> Tensor:
        """Moves the tensor to the processor, where it already is, and returns it."""
        return self

    def htod(self) -> Tensor:
        """Not available: the tensor has no copy on a device.

        Raises:
            StateError: Always.
        """
        raise StateError("Tensor.htod: the tensor is not on a CUDA device")

    def dtoh(self) -> Tensor:
        """Not available: the tensor has no copy on a device.

        Raises:
            StateError: Always.
        """
        raise StateError("Tensor.dtoh: the tensor is not on a CUDA device")

    def data_type(self) -> str:
        """The datatype, spelt as the tensor prints it."""
        return self._datatype

    def shape(self) -> list[int]:
        """Sizes, outermost first."""
        if self._array is None and self._var is not None:
            return self._var.shape
        return list(self._data.shape)

    def dims(self) -> list[int]:
        """Sizes in N2D2's order, innermost first."""
        return self.shape()[::-1]

    def nb_dims(self) -> int:
        """Number of axes."""
        return len(self.shape())

    def dimX(self) -> int:
        """Size of the innermost axis: the width."""
        return self.dims()[0]

    def dimY(self) -> int:
        """Size of the second innermost axis, the height; 0 if there is none."""
        dims = self.dims()
        return dims[1] if len(dims) > 1 else 0

    def dimZ(self) -> int:
        """Number of channels, in N2D2's rule: `dims()[-2]` of four or more, the last of three, the first of two."""
        dims = self.dims()
        return {0: 0, 1: 0, 2: dims[0], 3: dims[-1]}.get(len(dims), dims[-2] if len(dims) > 3 else 0)

    def dimB(self) -> int:
        """Size of the outermost axis: the batch."""
        return self.dims()[-1]

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
        import numpy as np

        if not isinstance(values, list):
            raise WrongInputType("Tensor.set_values: values", type(values), list)
        try:
            array = np.array(values)
        except (ValueError, TypeError):
            array = np.array(None)
        if array.dtype == object:
            raise ShapeError(
                f"Tensor.set_values: expected nested lists of shape {self.shape()}, got lists of unequal length"
            )
        if list(array.shape) != self.shape():
            raise ShapeError(f"Tensor.set_values: expected shape {self.shape()}, got {list(array.shape)}")
        accepted = {float: "iuf", int: "iu", bool: "iub"}[_PYTHON_TYPES[self._datatype]]
        if array.size and array.dtype.kind not in accepted:
            raise WrongInputType(f"Tensor.set_values: values for datatype {self._datatype!r} cannot be {array.dtype}")
        cast = array.astype(self._data.dtype)
        if array.dtype.kind in "iu" and self._data.dtype.kind in "iu" and not np.array_equal(cast, array):
            raise WrongValue(f"Tensor.set_values: values outside the range of datatype {self._datatype!r}")
        self._data[...] = cast

    def reshape(self, new_dims: Sequence[int]) -> None:
        """Gives the same elements another shape, in place.

        Arguments:
            new_dims (list): Sizes, outermost first.

        Raises:
            ShapeError: The number of elements differs.
            StateError: A cell made the tensor: reshape it in the graph with `n2d2.cells.Reshape`, or detach it first.
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
        """A tensor of its own with the same values, datatype and `cell`, outside of any graph."""
        other = self._wrap(self._data.copy(), self.cell, self._wants_gradient)
        other._datatype = self._datatype
        return other

    def detach(self) -> Tensor:
        """Cuts the tensor from the graph behind it and returns it."""
        self._data  # noqa: B018  fetches the values before the link is cut
        self._start(None)
        return self

    def get_tensors(self) -> list[Tensor]:
        """The tensor alone, in a list."""
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
        if self._call is not None and self._call[0]._call is self._call:
            return self._call[0].get_deepnet()  # type: ignore[return-value]
        # The slot is empty until now.
        known: tuple[DeepNet, Call | None] | None = getattr(self, "_deepnet", None)
        if known is None or known[1] is not self._call:
            from n2d2.deepnet import DeepNet

            self._deepnet = known = DeepNet([self]), self._call
        return known[0]

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
        """True for a loss, the end of a graph: a tensor that a target made."""
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
        """
        if self._loss_source is not None:
            self._loss_source.update()
        elif self._var is not None:
            self._var.update()
        else:
            raise StateError("Tensor.update: no cell made this tensor")

    def mean(self) -> float:
        """The mean of all elements."""
        return float(self._data.mean())

    def _index(self, key: object) -> Any:
        """The NumPy index of a coordinate, or the position of a flat index."""
        shape = self.shape()
        if isinstance(key, (tuple, list)):
            if len(key) != len(shape):
                raise WrongValue(f"Tensor: coordinate {list(key)} must have {len(shape)} numbers, one an axis")
            if any(not 0 <= operator.index(k) < n for k, n in zip(key, shape, strict=True)):
                raise WrongValue(f"Tensor: coordinate {list(key)} is outside the shape {shape}")
            return tuple(key)
        if isinstance(key, (int, float)) and not isinstance(key, bool):
            position = int(key)
            if not 0 <= position < len(self):
                raise IndexError(f"Tensor: index {position} is outside the {len(self)} elements")
            return position
        raise WrongInputType("Tensor: an index", type(key), (int, tuple, list, slice))

    def __getitem__(self, key: object) -> Any:
        if isinstance(key, slice):
            part = self._wrap(self._data.ravel()[key].copy())
            part._datatype = self._datatype
            return part
        index = self._index(key)
        return (self._data[index] if isinstance(index, tuple) else self._data.flat[index]).item()

    def __setitem__(self, key: object, value: object) -> None:
        import numpy as np

        data = self._data
        if isinstance(key, slice):
            if isinstance(value, Tensor):
                positions = np.arange(data.size)[key]
                if len(value) != positions.size:
                    raise ShapeError(
                        f"Tensor: {positions.size} elements cannot take the {len(value)} of another tensor"
                    )
                data.flat[positions] = value._data.ravel()
            else:
                data.flat[np.arange(data.size)[key]] = self._scalar(value)
            return
        index = self._index(key)
        if isinstance(index, tuple):
            data[index] = self._scalar(value)
        else:
            data.flat[index] = self._scalar(value)

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
