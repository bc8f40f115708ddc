"""The most general container of cells."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from n2d2.cells.cell import Cell
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.cells.trainable import Trainable
from n2d2.cells.weighted_cell import WeightedCell
from n2d2.error_handler import UnknownCellError, WrongInputType, WrongValue
from n2d2.parameters import unknown_name
from n2d2.solver import SGD, Solver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.deepnet import DeepNet
    from n2d2.interface import Interface
    from n2d2.provider import Provider
    from n2d2.target.target import Target
    from n2d2.tensor import Tensor


class Block(Cell):
    """A named container of cells with no data flow of its own: subclasses define `__call__`.

    A subclass hands its cells to this constructor, so that solvers, modes and files reach them.

    Arguments:
        cells (list): Cells, each with a name of its own.
        name (str, optional): Name, default=`<ClassName>_<n>`.

    Raises:
        WrongInputType: `cells` is not a list of cells.
        WrongValue: Two cells have the same name.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import Block, Fc
        >>> class Twice(Block):
        ...     def __init__(self, fc):
        ...         self.fc = fc
        ...         super().__init__([fc], name="twice")
        ...     def __call__(self, x):
        ...         super().__call__(x)
        ...         return self.fc(self.fc(x))
        >>> model = Twice(Fc(2, 2, filler=n2d2.filler.Constant(value=1.0), no_bias=True, name="fc"))
        >>> model(n2d2.Tensor([1, 2], value=1.0))[0], model["fc"].get_name()
        (4.0, 'fc')
    """

    _deepnet: weakref.ref[DeepNet] | None = None

    def __init__(self, cells: list[Cell], name: str | None = None) -> None:
        if not isinstance(cells, list):
            raise WrongInputType(f"{type(self).__name__}: cells", type(cells), list)
        super().__init__(name)
        self._cells: dict[str, Cell] = {}
        for cell in cells:
            self._check_new(cell)
            self._cells[cell.name] = cell

    def _check_new(self, cell: object) -> None:
        if not isinstance(cell, Cell):
            raise WrongInputType(f"{self._name}: a cell", type(cell), "n2d2.cells.Cell")
        if self._cells.get(cell.name, cell) is not cell:
            raise WrongValue(f"{self._name}: two cells have the name `{cell.name}`; give each its own")

    def _children(self) -> list[Cell]:
        """The direct children in order."""
        return list(self._cells.values())

    def _layers(self) -> Iterator[NeuralNetworkCell]:
        """The layers of the whole tree."""
        for cell in self._children():
            if isinstance(cell, Block):
                yield from cell._layers()
            elif isinstance(cell, NeuralNetworkCell):
                yield cell

    def __call__(self, inputs: Tensor | Interface) -> Tensor | Interface:
        """Checks the input; a subclass calls this first, then computes its output.

        Arguments:
            inputs (Tensor or Interface): What the subclass takes.

        Raises:
            WrongInputType: The input is not a tensor or an interface.
            NotImplementedError: The class does not define how its cells are connected.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Block([n2d2.cells.Fc(2, 2)], name="block")(n2d2.Tensor([1, 2]))
            Traceback (most recent call last):
            NotImplementedError: block: a Block has no data flow; use Sequence or Layer, or define __call__
        """
        self._tensors(inputs)
        if type(self).__call__ is Block.__call__:
            raise NotImplementedError(
                f"{self._name}: a Block has no data flow; use Sequence or Layer, or define __call__"
            )
        return inputs

    def __getitem__(self, item: int | str) -> Cell:
        if isinstance(item, str):
            return self.get_cell(item)
        if isinstance(item, bool) or not isinstance(item, int):
            raise WrongInputType(f"{self._name}: an index", type(item), (int, str))
        children = self._children()
        if not -len(children) <= item < len(children):
            raise IndexError(f"{self._name}: index {item} is outside the {len(children)} cells")
        return children[item]

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._children())

    def items(self) -> list[tuple[str, Cell]]:
        """Names and cells of the direct children.

        Example:
            >>> from n2d2.cells import Fc, Sequence
            >>> inner = Sequence([Fc(2, 2, name="fc")], name="inner")
            >>> [name for name, cell in Sequence([inner]).items()]
            ['inner']
        """
        return [(cell.name, cell) for cell in self._children()]

    def get_cells(self) -> dict[str, Cell]:
        """All cells of the tree by name, containers before what they hold.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> model = Sequence([Sequence([Fc(2, 2, name="fc")], name="inner"), Softmax(name="softmax")])
            >>> for name, cell in model.get_cells().items():
            ...     print(name, cell.get_type())
            inner Sequence
            fc Fc
            softmax Softmax
        """
        cells: dict[str, Cell] = {}
        for cell in self._children():
            cells.setdefault(cell.name, cell)
            if isinstance(cell, Block):
                for name, inner in cell.get_cells().items():
                    cells.setdefault(name, inner)
        return cells

    def get_cell(self, item: str) -> Cell:
        """The cell of this name, searched in nested containers too.

        Arguments:
            item (str): Name.

        Raises:
            UnknownCellError: There is none.

        Example:
            >>> import n2d2
            >>> inner = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, name="fc")], name="inner")
            >>> n2d2.cells.Sequence([inner], name="net").get_cell("fc").get_type()
            'Fc'
            >>> inner.get_cell("fd")
            Traceback (most recent call last):
            n2d2.error_handler.UnknownCellError: inner: `fd` is not one of its cells; did you mean `fc`?
        """
        cells = self.get_cells()
        if item not in cells:
            raise UnknownCellError(unknown_name(self._name, item, cells, "one of its cells"))
        return cells[item]

    def get_deepnet(self) -> DeepNet | None:
        """The graph of the last call: what is behind the outputs of the cells of the tree; None before the first call.

        Cells whose last call has nothing in common with that of the last cell do not belong to it.

        Example:
            >>> import n2d2
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(2, 2, name="a"), n2d2.cells.Fc(2, 2, name="b")])
            >>> model.get_deepnet() is None, model(n2d2.Tensor([1, 2])).get_deepnet() is model.get_deepnet()
            (True, True)
        """
        from n2d2.deepnet import DeepNet, _connected_ends

        called = [cell for cell in self._layers() if cell._output is not None]
        if not called:
            return None
        ends = _connected_ends([cell._called()[4] for cell in called])
        if len(ends) == 1:
            return ends[0][0].get_deepnet()
        net = None if self._deepnet is None else self._deepnet()
        if net is None or list(map(id, net._outputs)) != list(map(id, ends)):
            net = DeepNet._of(ends)
            self._deepnet = weakref.ref(net)
        return net

    def is_integral(self) -> bool:
        """True if the parameters of every cell are integers; quantisation is not built yet.

        Example:
            >>> from n2d2.cells import Fc, Pool, Sequence
            >>> Sequence([Pool([2, 2])]).is_integral(), Sequence([Pool([2, 2]), Fc(4, 2)]).is_integral()
            (True, False)
        """
        return not any(isinstance(cell, WeightedCell) for cell in self._layers())

    def set_back_propagate(self, value: bool) -> None:
        """Sets `back_propagate` of every trainable cell of the tree.

        Arguments:
            value (bool): If False, no gradient goes back through these cells.

        Raises:
            WrongInputType: It is not a bool.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence
            >>> head = Fc(2, 1, name="head")
            >>> model = Sequence([Sequence([Fc(2, 2, name="body")]), head])
            >>> model.set_back_propagate(False)
            >>> head.back_propagate, model["body"].back_propagate
            (False, False)
        """
        if not isinstance(value, bool):
            raise WrongInputType(f"{self._name}: set_back_propagate: value", type(value), bool)
        for cell in self._layers():
            if isinstance(cell, Trainable):
                cell.back_propagate = value

    def set_solver(self, solver: Solver | None = None) -> None:
        """Gives every parameter of the tree its own copy of a solver.

        Arguments:
            solver (n2d2.solver.Solver, optional): Solver to copy, default=SGD().

        Raises:
            WrongInputType: It is not a solver.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence
            >>> model = Sequence([Fc(2, 2, name="a"), Fc(2, 1, name="b")])
            >>> model.set_solver(n2d2.solver.SGD(learning_rate=0.1))
            >>> model["a"].weights_solver.learning_rate = 0.5  # a copy: the bias and the other cell keep theirs
            >>> model["a"].bias_solver.learning_rate, model["b"].weights_solver.learning_rate
            (0.1, 0.1)
        """
        solver = SGD() if solver is None else solver
        if not isinstance(solver, Solver):
            raise WrongInputType(f"{self._name}: set_solver: solver", type(solver), "n2d2.solver.Solver")
        for cell in self._layers():
            if isinstance(cell, Trainable):
                for attribute in cell._solved:
                    setattr(cell, attribute, solver.copy())

    def learn(self) -> Self:
        """Sets learning mode of all cells and returns the container.

        Example:
            >>> import n2d2
            >>> model = n2d2.cells.Sequence([n2d2.cells.Dropout(name="drop")]).test()
            >>> model.learn() is model, model["drop"].N2D2().learn
            (True, True)
        """
        for cell in self._children():
            cell.learn()
        return self

    def test(self) -> Self:
        """Sets test mode of all cells and returns the container.

        Example:
            >>> import n2d2
            >>> model = n2d2.cells.Sequence([n2d2.cells.Dropout(dropout=0.75)])
            >>> list(model.test()(n2d2.Tensor([1, 4], value=2.0)))
            [2.0, 2.0, 2.0, 2.0]
        """
        for cell in self._children():
            cell.test()
        return self

    def to_deepnet_cell(self, provider: Provider, target: Target | list[Target] | None = None) -> DeepNetCell:
        """Makes a network of the container, which `fit` and `run_test` can train and test.

        The container is called with one stimulus in test mode, so its cells know their sizes afterwards. They are the
        same objects in both: what one learns, the other knows.

        Arguments:
            provider (n2d2.provider.DataProvider): Source of the stimuli.
            target (n2d2.target.Target, optional): Target of the output, or a list with one for each output if there are
                several, default=an `n2d2.target.Score` called `Target`.

        Returns:
            n2d2.cells.DeepNetCell: The network.

        Raises:
            WrongInputType: An argument has the wrong type.
            WrongValue: There are more or fewer targets than outputs.
            StateError: The container does not compute a tensor by cells.
            ShapeError: The stimuli do not fit a cell.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, name="fc")])
            >>> network = model.to_deepnet_cell(provider)
            >>> network["fc"] is model["fc"], network.get_name(), list(network.targets)
            (True, 'DeepNet_0', ['fc'])
        """
        from n2d2.cells.deepnet_cell import _converted

        return _converted(self, provider, target)

    def _check_files(self) -> None:
        stems: dict[str, NeuralNetworkCell] = {}
        for cell in self._layers():
            if stems.setdefault(cell._file_stem(), cell) is not cell:
                raise WrongValue(
                    f"{self._name}: two layers have the name `{cell.name}`, and so the same parameter files"
                )

    def export_free_parameters(self, dir_name: str, verbose: bool = True) -> None:
        """Writes the parameters of all cells as text files, each complete or not at all.

        Arguments:
            dir_name (str): Folder; it is made if it does not exist.
            verbose (bool, optional): If True, prints a line for each file, default=True.

        Raises:
            WrongValue: Two layers have the same name.
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> from n2d2.cells import Fc, Sequence
            >>> model = Sequence([Fc(2, 3, name="a"), Fc(3, 1, no_bias=True, name="b")])
            >>> model.export_free_parameters("weights", verbose=False)
            >>> sorted(file.name for file in pathlib.Path("weights").iterdir())
            ['a_biases.syntxt', 'a_weights.syntxt', 'b_weights.syntxt']
        """
        self._check_files()
        for cell in self._children():
            cell.export_free_parameters(dir_name, verbose)

    def import_free_parameters(self, dir_name: str, ignore_not_exists: bool = False) -> None:
        """Reads the parameters of all cells back from the files of `export_free_parameters`.

        Nothing changes if a file is wrong.

        Arguments:
            dir_name (str): Folder.
            ignore_not_exists (bool, optional): If True, a missing file changes nothing, default=False.

        Raises:
            WrongValue: Two layers have the same name.
            MissingFileError: A file does not exist.
            FileError: A file holds too few or too many numbers, or something else.

        Example:
            >>> import n2d2
            >>> def model(value):
            ...     fc = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=value), name="fc")
            ...     return n2d2.cells.Sequence([fc])
            >>> model(3.0).export_free_parameters("weights", verbose=False)
            >>> other = model(0.0)
            >>> other.import_free_parameters("weights")
            Import weights/fc.syntxt
            >>> other(n2d2.Tensor([1, 1], value=10.0))[0]
            33.0
        """
        self._check_files()
        read = [(layer, layer._read_parameters(dir_name, ignore_not_exists)) for layer in self._layers()]
        for layer, parameters in read:
            layer._set_parameters(parameters)

    def _text_at(self, level: int) -> str:
        tabs = "\t" * level
        lines = [f"{tabs}({i}): {cell._text_at(level + 1)}\n" for i, cell in enumerate(self._children())]
        return f"'{self._name}' {self.get_type()}(\n{''.join(lines)}{tabs[1:]})"

    def __str__(self) -> str:
        return self._text_at(1)
