"""Providers: where the batches of a network come from."""

from __future__ import annotations

import contextlib
import operator
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.database import AbstractDatabase
from n2d2.error_handler import ShapeError, StateError, WrongInputType, WrongValue
from n2d2.options import HidesDefaults, Option
from n2d2.parameters import Parameter, check_bool, check_str, refuse_unknown
from n2d2.tensor import Tensor
from n2d2.transform import Transformation
from n2d2.utils import generate_name

if TYPE_CHECKING:
    import weakref
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from n2d2.deepnet import DeepNet

__all__ = ["DataProvider", "Provider", "TensorPlaceholder"]

PARTITIONS = ("Learn", "Validation", "Test", "Unpartitioned")


def _integer(owner: str, name: str, value: object, least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise WrongInputType(f"{owner}: {name}", type(value), int) from None
    if isinstance(value, bool):
        raise WrongInputType(f"{owner}: {name}", bool, int)
    if not least <= number < 2**63:
        raise WrongValue(f"{owner}: {name}", number, f"an integer of at least {least}")
    return number


class Provider(HidesDefaults):
    """A source of batches and labels: the abstract parent of all providers.

    Arguments:
        name (str, optional): Name of the provider, default=`<ClassName>_<n>`.

    Raises:
        TypeError: This class itself is instantiated.
        WrongInputType: The name is not a str.
        WrongValue: The name has no characters.
    """

    _name: str
    _size: list[int]
    _nb: int
    _partition: str
    _deepnet: weakref.ref[DeepNet] | None = None

    def __init__(self, *, name: str | None = None) -> None:
        if type(self) is Provider:
            raise TypeError("Provider is abstract: use n2d2.provider.DataProvider")
        self._begin(name, "Learn")

    def _begin(self, name: str | None, partition: str) -> None:
        if name is not None and not check_str(type(self).__name__, "name", name).strip():
            raise WrongValue(f"{type(self).__name__}: name", name, "a text with characters")
        self._name = name or generate_name(self)
        self._partition = partition

    def _owner(self) -> str:
        return getattr(self, "_name", type(self).__name__)

    @property
    def name(self) -> str:
        """Name of the provider."""
        return self._name

    def get_name(self) -> str:
        """Name of the provider."""
        return self._name

    def get_size(self) -> list[int]:
        """Size of a stimulus in N2D2's order: `[width, height, channels]`."""
        return list(self._size)

    def get_batch_size(self) -> int:
        """Stimuli in a batch."""
        return self._nb

    def dims(self) -> list[int]:
        """Size of a batch in N2D2's order: `[width, height, channels, batch]`."""
        return [*self._size, self._nb]

    def shape(self) -> list[int]:
        """Size of a batch, outermost first: `[batch, channels, height, width]`."""
        return self.dims()[::-1]

    def set_partition(self, partition: str) -> None:
        """Chooses the partition that is read.

        Arguments:
            partition (str): `Learn`, `Validation`, `Test` or `Unpartitioned`.

        Raises:
            WrongInputType: It is not a str.
            WrongValue: There is no such partition.
        """
        if check_str(self._name, "partition", partition) not in PARTITIONS:
            raise WrongValue(f"{self._name}: partition", partition, PARTITIONS)
        self._partition = partition

    def get_partition(self) -> str:
        """The partition that is read."""
        return self._partition

    @contextlib.contextmanager
    def _showing(self, partition: str) -> Iterator[None]:
        """Lets targets speak of another partition for a while, without reading anything of it."""
        present, self._partition = self._partition, partition
        try:
            yield
        finally:
            self._partition = present

    def get_deepnet(self) -> DeepNet | None:
        """The graph last asked for (`get_deepnet()` of a tensor, cell ...) that reads this provider; None if none is.

        A provider does not keep the tensors of a graph in memory: the graph exists as long as they do.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 2]))
            >>> y = n2d2.cells.Fc(2, 2)(source())
            >>> y.get_deepnet() is source.get_deepnet()
            True
        """
        return None if self._deepnet is None else self._deepnet()

    def set_deepnet(self, deepnet: DeepNet) -> None:
        """Makes this provider that of a graph.

        Arguments:
            deepnet (n2d2.deepnet.DeepNet): Graph that was computed with stimuli of the size of this provider.

        Raises:
            WrongInputType: It is not a DeepNet.
            ShapeError: The graph was computed with stimuli of another size.
        """
        from n2d2.deepnet import DeepNet

        if not isinstance(deepnet, DeepNet):
            raise WrongInputType(f"{self._name}: deepnet", type(deepnet), DeepNet)
        deepnet.set_provider(self)

    def labels_array(self) -> NDArray[np.int32]:
        """The labels of the current batch: `[n]`, or `[n, h, w]` for a label a pixel."""
        raise NotImplementedError

    def label_names(self) -> list[str]:
        """The names of the labels, label 0 first; empty if they have none."""
        raise NotImplementedError

    def get_data(self) -> Tensor:
        """The stimuli of the current batch."""
        raise NotImplementedError

    def stimuli_ids(self) -> NDArray[np.uint32]:
        """The numbers of the stimuli of the current batch, `[n]`."""
        raise NotImplementedError

    def stimulus_name(self, idx: int) -> str:
        """The name of a stimulus in the files of a target.

        Arguments:
            idx (int): Number of the stimulus, one of `stimuli_ids()`.

        Example:
            >>> import n2d2
            >>> n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 2]), name="source").stimulus_name(3)
            'source[3]'
        """
        return f"{self._name}[{idx}]"

    def __str__(self) -> str:
        return f"'{self._name}' {super().__str__()}"


class DataProvider(Provider):
    """Reads a database in batches.

    Three ways to read the chosen partition:

    - a sequence: `set_batch()`, then `read_batch()` until `all_batchs_provided()`;
    - from any stimulus: `read_batch(idx)`; a loop `for stimuli in provider` reads the whole partition in order;
    - at random: `read_random_batch()`, drawn with replacement.

    Images of bytes are divided by 255, images of floats taken as they are. The last batch of a partition is short.
    Batches that take long to make are made ahead by a thread while the caller computes: their values are the same.
    Shuffles and random transformations depend on `n2d2.global_variables.seed` only.

    Arguments:
        database (n2d2.database.AbstractDatabase): Source of the stimuli.
        size (list): Size of a stimulus after all transformations: `[width, height, channels]`, or `[width, height]` for
            one channel.
        random_read (bool, optional): A loop over the provider reads random batches, default=False.
        batch_size (int, optional): Stimuli in a batch, default=1.
        composite_stimuli (bool, optional): Not available: must be False (a label a stimulus), default=False.
        name (str, optional): Name of the provider, default=`DataProvider_<n>`.

    **Shape**: batches `[batch_size, channels, height, width]`.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A value is not accepted.

    Example:
        >>> import n2d2
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=64)
        >>> provider.set_partition("Learn")
        >>> len(provider), [stimuli.shape() for stimuli in provider][-1]
        (63, [32, 1, 28, 28])
        >>> provider.set_batch(shuffle=True)
        >>> stimuli = provider.read_batch()
        >>> stimuli.shape(), provider.get_labels().shape()
        ([64, 1, 28, 28], [64, 1, 1, 1])
    """

    database = Parameter[AbstractDatabase]("constructor")
    size = Parameter["list[int]"]("constructor")
    batch_size = Option(1)
    composite_stimuli = Option(False)

    def __init__(
        self,
        database: AbstractDatabase,
        size: Sequence[int],
        random_read: bool = False,
        batch_size: int = 1,
        composite_stimuli: bool = False,
        *,
        name: str | None = None,
        **unknown: object,
    ) -> None:
        kind = type(self).__name__
        refuse_unknown(kind, unknown, type(self).__init__)
        if not isinstance(database, AbstractDatabase):
            raise WrongInputType(f"{kind}: database", type(database), AbstractDatabase)
        if not isinstance(size, (list, tuple)):
            raise WrongInputType(f"{kind}: size", type(size), list)
        if len(size) not in (2, 3):
            raise WrongValue(f"{kind}: size", size, "[width, height] or [width, height, channels]")
        sizes = [_integer(kind, "a size", s, 1) for s in size]
        batch_size = _integer(kind, "batch_size", batch_size, 1)
        if check_bool(kind, "composite_stimuli", composite_stimuli):
            raise WrongValue(f"{kind}: composite_stimuli", True, "False: a label a pixel is not built yet")
        self._begin(name, "Test")
        self.set_reading_randomly(random_read)
        self._size = [*sizes, 1][:3]
        self._nb = batch_size
        self._values = {"database": database, "size": sizes, "batch_size": batch_size, "composite_stimuli": False}
        self._core = _core.Provider(self._name, database.N2D2(), sizes, batch_size)
        self._cacheable: list[Transformation] = []
        self._on_the_fly: list[Transformation] = []
        self._batch: tuple[Tensor, NDArray[np.int32], NDArray[np.uint32]] | None = None
        self._loop: Iterator[Tensor] = iter(())
        self._given = 0

    def set_partition(self, partition: str) -> None:
        """Chooses the partition that is read; Test at first.

        Arguments:
            partition (str): `Learn`, `Validation`, `Test` or `Unpartitioned`.

        Raises:
            WrongInputType: It is not a str.
            WrongValue: There is no such partition.
        """
        super().set_partition(partition)
        self._core.set_partition(partition)

    def set_reading_randomly(self, random_read: bool) -> None:
        """Chooses whether a loop over the provider reads random batches.

        Arguments:
            random_read (bool): True for batches drawn with replacement.

        Raises:
            WrongInputType: It is not a bool.
        """
        self._random_read = check_bool(self._name, "random_read", random_read)

    def set_prefetch(self, when: str) -> None:
        """Chooses when the next batch is made ahead by a thread; the values of the batches never depend on it.

        Arguments:
            when (str): `auto` (if a batch takes longer to make than to hand over), `always` or `never`.

        Raises:
            WrongInputType: It is not a str.
            WrongValue: It is another word.
        """
        self._core.set_prefetch(check_str(self._name, "prefetch", when))

    def get_database(self) -> AbstractDatabase:
        """The database that is read."""
        return self.database

    def add_transformation(self, transformation: Transformation) -> None:
        """Adds a transformation that is applied once to each stimulus, when it is first read.

        Arguments:
            transformation (n2d2.transform.Transformation): What to apply after those added before.

        Raises:
            WrongInputType: It is not a transformation.
        """
        self._add(transformation, self._cacheable, on_the_fly=False)

    def add_on_the_fly_transformation(self, transformation: Transformation) -> None:
        """Adds a transformation that is applied at every read, after those applied once.

        Arguments:
            transformation (n2d2.transform.Transformation): What to apply after those added before.

        Raises:
            WrongInputType: It is not a transformation.
        """
        self._add(transformation, self._on_the_fly, on_the_fly=True)

    def _add(self, transformation: Transformation, to: list[Transformation], on_the_fly: bool) -> None:
        if not isinstance(transformation, Transformation):
            raise WrongInputType(f"{self._name}: transformation", type(transformation), Transformation)
        for leaf in transformation._unfolded():
            self._core.add(leaf.N2D2(), on_the_fly)
            to.append(leaf)

    def get_transformations(self) -> list[Transformation]:
        """The transformations: those applied at every read, then those applied once."""
        return [*self._on_the_fly, *self._cacheable]

    def normalize_stimuli(self) -> None:
        """Scales images of bytes to [0, 1], which every read does anyway; kept for old scripts."""

    def set_batch(self, shuffle: bool = True) -> None:
        """Begins a sequence over the whole partition, for `read_batch()`.

        Arguments:
            shuffle (bool, optional): Read in an order drawn anew; else in the order of the partition, default=True.

        Raises:
            WrongInputType: It is not a bool.
            StateError: The partition is empty.
        """
        self._core.set_batch(check_bool(self._name, "shuffle", shuffle))

    def all_batchs_provided(self) -> bool:
        """True when the sequence begun by `set_batch` has been read to its end.

        Raises:
            StateError: `set_batch` was not called for the partition.
        """
        return self._core.all_provided()

    def read_batch(self, idx: int | None = None) -> Tensor:
        """Reads the next batch of the sequence, or the one that begins at a stimulus.

        Arguments:
            idx (int, optional): Place of the first stimulus in the partition (not the number of a batch); None for the
                next batch of the sequence begun by `set_batch`, default=None.

        Returns:
            n2d2.Tensor: The stimuli, `[n, channels, height, width]`; fewer at the end of the partition.

        Raises:
            WrongInputType: `idx` is not an int.
            WrongValue: `idx` is negative.
            StateError: There is no such stimulus, no sequence, or the sequence is at its end.
            ShapeError: A stimulus does not have the size of the provider.
            DataError: A stimulus has a value that is not finite.
        """
        if idx is None:
            return self._keep(self._core.read_next())
        return self._keep(self._core.read_at(_integer(self._name, "idx", idx, 0)))

    def read_random_batch(self) -> Tensor:
        """Reads a whole batch of stimuli, each drawn with replacement from the generator of the seed.

        Returns:
            n2d2.Tensor: The stimuli, `[batch_size, channels, height, width]`.

        Raises:
            StateError: The partition is empty.
            ShapeError: A stimulus does not have the size of the provider.
            DataError: A stimulus has a value that is not finite.
        """
        return self._keep(self._core.read_random())

    def _keep(self, batch: tuple[_core.Var, NDArray[np.int32], NDArray[np.uint32]]) -> Tensor:
        stimuli = Tensor._from_var(batch[0], self)
        stimuli._wants_gradient = False
        self._batch = (stimuli, batch[1], batch[2])
        return stimuli

    def _current(self) -> tuple[Tensor, NDArray[np.int32], NDArray[np.uint32]]:
        if self._batch is None:
            raise StateError(f"{self._name}: no batch has been read yet; call read_batch() first")
        return self._batch

    def get_data(self) -> Tensor:
        """The stimuli of the last batch.

        Raises:
            StateError: No batch has been read yet.
        """
        return self._current()[0]

    def get_labels(self) -> Tensor:
        """The labels of the last batch, `[n, 1, 1, 1]`; -1 for a stimulus that no target counts.

        Raises:
            StateError: No batch has been read yet.
        """
        return Tensor._wrap(self._current()[1].reshape(-1, 1, 1, 1), wants_gradient=False)

    def labels_array(self) -> NDArray[np.int32]:
        """The labels of the last batch, `[n]`.

        Raises:
            StateError: No batch has been read yet.
        """
        return self._current()[1]

    def stimuli_ids(self) -> NDArray[np.uint32]:
        """The numbers in the database of the stimuli of the last batch, `[n]`.

        Raises:
            StateError: No batch has been read yet.
        """
        return self._current()[2]

    def label_names(self) -> list[str]:
        """The names of the labels of the database, label 0 first."""
        return self.database.label_names()

    def batch_number(self) -> int:
        """Number of batches that the present loop over the provider has given."""
        return self._given

    def __len__(self) -> int:
        return self._core.nb_batches()

    def _batches(self) -> Iterator[Tensor]:
        partition = self._partition
        self._core.begin_pass()
        for k in range(len(self)):
            if self._partition != partition:
                text = f"the partition changed from {partition} to {self._partition} in a loop over the provider"
                raise StateError(f"{self._name}: {text}; set it back before the next batch, or leave the loop")
            stimuli = self.read_random_batch() if self._random_read else self.read_batch(k * self._nb)
            self._given = k + 1
            yield stimuli

    def __iter__(self) -> Iterator[Tensor]:
        self._given = 0
        self._loop = self._batches()
        return self._loop

    def __next__(self) -> Tensor:
        return next(self._loop)

    def __str__(self) -> str:
        transformations = ", ".join(str(t) for t in self.get_transformations())
        return super().__str__() + (f"[Transformations={transformations}]" if transformations else "")


class TensorPlaceholder(Provider):
    """One tensor, and its labels if there are any, as a source of data.

    With labels, a target can score what a network makes of the tensor.

    Arguments:
        inputs (n2d2.Tensor): Stimuli of datatype float; their `cell` becomes the placeholder.
        labels (n2d2.Tensor, optional): A label of datatype int for each stimulus, default=None.
        name (str, optional): Name of the provider, default=`TensorPlaceholder_<n>`.

    Raises:
        WrongInputType: An argument is not a tensor, or of another datatype.
        ShapeError: There are not as many labels as stimuli.

    Example:
        >>> import n2d2
        >>> labels = n2d2.Tensor([4], datatype="int", value=1)
        >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3, 8, 8], value=0.5), labels)
        >>> source.get_size(), source.get_batch_size(), source().shape()
        ([8, 8, 3], 4, [4, 3, 8, 8])
    """

    def __init__(self, inputs: Tensor, labels: Tensor | None = None, *, name: str | None = None) -> None:
        for what, tensor, datatype in (("inputs", inputs, "float32"), ("labels", labels, "int32")):
            if tensor is None and what == "labels":
                continue
            if not isinstance(tensor, Tensor):
                raise WrongInputType(f"TensorPlaceholder: {what}", type(tensor), Tensor)
            if tensor.to_numpy().dtype != datatype:
                expected = {"float32": "float", "int32": "int"}[datatype]
                raise WrongInputType(
                    f"TensorPlaceholder: {what} must be a tensor of datatype '{expected}', got '{tensor.data_type()}'"
                )
        count = inputs.dimB()
        if labels is not None and labels.dimB() != count:
            raise ShapeError(f"TensorPlaceholder: labels: expected {count}, one a stimulus, got {labels.dimB()}")
        self._begin(name, "Learn")
        self._size = [inputs.dimX(), max(inputs.dimY(), 1), inputs.dimZ()]
        if inputs.nb_dims() == 2:
            self._size = [1, 1, inputs.dimX()]
        self._nb = count
        self._inputs = inputs
        self._labels = labels
        inputs.cell = self

    def __call__(self) -> Tensor:
        """The tensor."""
        return self._inputs

    def get_data(self) -> Tensor:
        """The tensor."""
        return self._inputs

    def stimuli_ids(self) -> NDArray[np.uint32]:
        """The places of the stimuli in the tensor: 0, 1 ..."""
        import numpy as np

        return np.arange(self._nb, dtype=np.uint32)

    def labels_array(self) -> NDArray[np.int32]:
        """The labels, `[n]` or `[n, h, w]`.

        Raises:
            StateError: The placeholder has no labels.
        """
        if self._labels is None:
            raise StateError(f"{self._name}: no labels; give them to the constructor")
        labels: NDArray[np.int32] = self._labels.to_numpy()
        if labels.size == self._nb:
            return labels.reshape(self._nb)
        return labels.reshape(self._nb, labels.shape[-2], labels.shape[-1])

    def label_names(self) -> list[str]:
        """Empty: the labels of a tensor have no names."""
        return []

    def __str__(self) -> str:
        return f"'{self._name}' TensorPlaceholder"
