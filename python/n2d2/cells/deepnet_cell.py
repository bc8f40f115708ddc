"""A whole network as one cell: what model files become, with training, test and logs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from n2d2.cells.block import Block
from n2d2.cells.plan import Plan, Step
from n2d2.deepnet import DeepNet
from n2d2.error_handler import StateError, UnknownCellError, WrongInputType, WrongValue
from n2d2.interface import Interface
from n2d2.parameters import check_bool, check_count, check_str, unknown_name
from n2d2.provider import PARTITIONS, Provider
from n2d2.target.score import Score
from n2d2.target.target import Target
from n2d2.tensor import Tensor, _as_read

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from n2d2.cells.cell import Cell
    from n2d2.cells.explanation import Explanation
    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.tensor import Array, Call
    from n2d2.train.callback import Callback


class _Graph(Plan):
    """The graph of a network."""

    def cells(self) -> list[NeuralNetworkCell]:
        """The cells, layer by layer, each once."""
        layer = [0] * self.inputs
        for step in self.steps:
            layer.append(1 + max(layer[place] for place in step.reads))
        order = sorted(range(len(self.steps)), key=lambda i: layer[self.inputs + i])
        return list({id(self.steps[i].cell): self.steps[i].cell for i in order}.values())

    def end_cell(self, place: int) -> NeuralNetworkCell:
        """The cell at a place that is not an input."""
        return self.steps[place - self.inputs].cell

    def without(self, name: str, reconnect: bool) -> _Graph:
        """The graph without the steps of a cell, and without those that nobody reads then."""
        gone = {self.inputs + i for i, step in enumerate(self.steps) if step.cell.name == name}

        def behind(place: int) -> list[int]:
            if place not in gone:
                return [place]
            return [p for read in self.steps[place - self.inputs].reads for p in behind(read)]

        reads = [
            tuple(p for place in step.reads for p in (behind(place) if reconnect or place not in gone else ()))
            for step in self.steps
        ]
        ends = tuple(dict.fromkeys(p for place in self.ends for p in behind(place)))
        if not ends or min(ends) < self.inputs:
            raise StateError(f"remove: without `{name}` an input of the network would be an output of it")
        needed, stack = set(), list(ends)
        while stack:
            place = stack.pop()
            if place >= self.inputs and place not in needed:
                needed.add(place)
                stack.extend(reads[place - self.inputs])
        places = {place: place for place in range(self.inputs)}
        steps: list[Step] = []
        for i, step in enumerate(self.steps):
            if self.inputs + i in needed:
                if not reads[i]:
                    raise StateError(f"remove: without `{name}`, `{step.cell.name}` would read nothing; reconnect it")
                places[self.inputs + i] = self.inputs + len(steps)
                steps.append(Step(step.cell, tuple(places[p] for p in reads[i])))
        return _Graph(self.inputs, tuple(steps), tuple(places[p] for p in ends))


def _graph_of(ends: Sequence[Call], inputs: Sequence[Tensor]) -> _Graph:
    """The graph behind some calls."""
    from n2d2.deepnet import _ordered

    places = {id(tensor): i for i, tensor in enumerate(inputs)}
    steps: list[Step] = []
    for item in _ordered(ends):
        if isinstance(item, tuple):
            places[id(item)] = len(inputs) + len(steps)
            steps.append(Step(item[0], tuple(places[id(parent)] for parent in item[2])))
        elif id(item) not in places:
            raise StateError(
                "DeepNetCell: a cell reads a tensor that is no input of the network; let a provider give it"
            )
    return _Graph(len(inputs), tuple(steps), tuple(places[id(end)] for end in ends))


@contextlib.contextmanager
def _testing(cells: Iterable[NeuralNetworkCell]) -> Iterator[None]:
    """Sets the cells to test mode for a while."""
    learning = [cell for cell in cells if cell._handle.learn]
    for cell in learning:
        cell.test()
    try:
        yield
    finally:
        for cell in learning:
            cell.learn()


def _one_stimulus(provider: Provider) -> Tensor:
    return Tensor([1, *provider.get_size()[::-1]])


class DeepNetCell(Block):
    """A network as one cell: made by `load_from_ONNX`, `load_from_INI` or `to_deepnet_cell` of any container.

    It can be trained and tested by `fit` and `run_test`, which need a provider, or be called on a tensor like any other
    cell, alone or inside of a `Sequence`. Its cells are layers of this package: `model["conv1"]` gives one.

    A network with several inputs is called with an `n2d2.Interface` of as many tensors, and one with several outputs
    gives an `n2d2.Interface`.

    Arguments:
        N2D2_object (n2d2.deepnet.DeepNet): Graph whose sources become the inputs.
        name (str, optional): Name, default=that of the graph.

    Raises:
        WrongInputType: It is not a graph.
        StateError: The graph has no cells.
        WrongValue: Two of its cells have the same name.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import Fc, Sequence, Softmax
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
        >>> body = Sequence([Fc(784, 10, name="fc"), Softmax(with_loss=True, name="softmax")])
        >>> model = body.to_deepnet_cell(provider)
        >>> [cell.get_name() for cell in model], model(n2d2.Tensor([5, 1, 28, 28])).shape()
        (['fc', 'softmax'], [5, 10, 1, 1])
    """

    def __init__(self, N2D2_object: DeepNet, *, name: str | None = None) -> None:
        net: object = N2D2_object
        if not isinstance(net, DeepNet):
            raise WrongInputType("DeepNetCell: N2D2_object", type(net), "n2d2.deepnet.DeepNet")
        if not net._outputs:
            raise StateError(f"DeepNetCell: the graph {net.name} has no cells")
        self._begin(_graph_of(net._outputs, net._sources), net, [[1, *t.shape()[1:]] for t in net._sources], name)

    @classmethod
    def _of(
        cls,
        outputs: Sequence[Tensor],
        *,
        inputs: Sequence[Tensor],
        provider: Provider | None = None,
        targets: Mapping[str, Target] | None = None,
        name: str | None = None,
    ) -> Self:
        """The network that computed some tensors from others, in learning mode."""
        ends = [tensor._call for tensor in outputs]
        calls = [call for call in ends if call is not None]
        if not calls or len(calls) < len(ends):
            raise StateError("DeepNetCell: an output that no cell made; put an Activation cell behind the input")
        model = object.__new__(cls)
        shapes = [tensor.shape() for tensor in inputs]
        model._begin(_graph_of(calls, inputs), DeepNet._of(calls), shapes, name)
        model._input_names = [tensor._placeholder for tensor in inputs]
        model._provider = provider
        model._targets = dict(targets or {})
        if provider is not None:
            model._embedded._provider = provider
        return model.learn()

    def _begin(self, graph: _Graph, net: DeepNet, shapes: list[list[int]], name: str | None) -> None:
        Block.__init__(self, cast("list[Cell]", graph.cells()), net.name if name is None else name)
        self._graph = graph
        self._embedded = net
        self._input_shapes = shapes
        self._input_names: list[str | None] = [None] * len(shapes)
        """The names that the file of the network gave to its inputs."""
        self._output: Tensor | Interface | None = None
        self._provider: Provider | None = None
        self._targets: dict[str, Target] = {}
        self.history: list[dict[str, float]] = []
        """The metrics of each epoch that `fit` has done."""

    @classmethod
    def load_from_ONNX(
        cls,
        provider: Provider,
        model_path: str | os.PathLike[str],
        ini_file: str | os.PathLike[str] | None = None,
        ignore_cells: list[str] | None = None,
        ignore_input_size: bool = False,
    ) -> DeepNetCell:
        """Reads an ONNX file for the stimuli of a provider; `n2d2.onnx.load` needs no provider.

        The cells have the names of the (first) outputs of their nodes. A Softmax at the end gets `with_loss=True` and a
        target. Constant parts are computed, and constants that are added behind a layer become its bias.

        Arguments:
            provider (n2d2.provider.DataProvider): Source of the stimuli; its size replaces that of the file.
            model_path (str or Path): File.
            ini_file (str or Path, optional): INI file with instructions for the cells, default=None.
            ignore_cells (list of str, optional): Outputs of nodes to leave out; what reads one reads its first input,
                default=None.
            ignore_input_size (bool, optional): If True, no warning is given if the file has another input size than the
                provider, default=False.

        Raises:
            ModelFileError: The file is damaged or has what the library does not; the text lists all problems.
            MissingFileError: There is no such file.
            WrongInputType: An argument has the wrong type.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> n2d2.cells.DeepNetCell.load_from_ONNX(provider, "missing.onnx")
            Traceback (most recent call last):
            n2d2.error_handler.MissingFileError: missing.onnx...
        """
        from n2d2 import onnx

        model: DeepNetCell = onnx.load_onto(provider, model_path, ini_file, ignore_cells, ignore_input_size)
        return model

    @classmethod
    def load_from_INI(cls, path: str | os.PathLike[str]) -> DeepNetCell:
        """Reads a network, its database, provider and targets from an INI file; `n2d2.ini` describes the grammar.

        Arguments:
            path (str or Path): File.

        Raises:
            ModelFileError: The file has errors; the text lists all of them, with lines.
            MissingFileError: There is no such file.

        Example:
            >>> import n2d2
            >>> n2d2.cells.DeepNetCell.load_from_INI("missing.ini")
            Traceback (most recent call last):
            n2d2.error_handler.MissingFileError: missing.ini...
        """
        from n2d2 import ini

        model: DeepNetCell = ini.load(path)
        return model

    @property
    def provider(self) -> Provider | None:
        """The source of the stimuli of `fit` and `run_test`; None if there is none."""
        return self._provider

    @property
    def targets(self) -> dict[str, Target]:
        """The targets, by the names of the output cells that they compare."""
        return dict(self._targets)

    def __call__(self, inputs: Tensor | Interface | Sequence[Tensor]) -> Tensor | Interface:
        """Computes the output, in the mode of the cells.

        Arguments:
            inputs (Tensor, Interface or list): A tensor, or one for each input of the network; a list if they differ in
                batch size, height or width.

        Returns:
            n2d2.Tensor or n2d2.Interface: The output; a bundle of them if the network has several.

        Raises:
            WrongInputType: It is something else.
            WrongValue: The network has another number of inputs.
            ShapeError: A size does not fit a cell.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Pool([28, 28], pooling="Max")]).to_deepnet_cell(provider)
            >>> model(n2d2.Tensor([3, 1, 28, 28], value=0.5)).shape()
            [3, 1, 1, 1]
        """
        listed: object = inputs
        if isinstance(listed, (list, tuple)):
            tensors = [tensor for one in listed for tensor in self._tensors(one)]
        else:
            tensors = self._tensors(inputs)
        if len(tensors) != self._graph.inputs:
            raise WrongValue(f"{self._name}: inputs", f"{len(tensors)} tensors", f"{self._graph.inputs}, one an input")
        outputs = self._graph.run(tensors)
        self._output = outputs[0] if len(outputs) == 1 else Interface._of(outputs)
        return self._output

    def predict(self, inputs: Array | Sequence[Array], batch_size: int | None = None) -> Array | list[Array]:
        """Computes the output for an array of images, in test mode whatever the mode of the cells is.

        The fastest way to an output: the array is read where it lies, and nothing is remembered. Tensors and gradients
        of earlier calls stay as they are, and `get_outputs` of a cell gives what it gave before (unless a cell of the
        network computes in Python). What a call with a tensor in test mode gives is the same, to the bit.

        **Shape:** `[batch, channels, height, width]` to `[batch, channels, height, width]` of the last cell; a
        two-dimensional array is `[batch, channels]`.

        Arguments:
            inputs (numpy.ndarray or list): Of type float32; a list of one for each input if the network has several.
            batch_size (int, optional): Number of images computed at a time, which bounds the memory, default=all.

        Returns:
            numpy.ndarray or list: The output, memory of its own; a list if the network has several.

        Raises:
            WrongInputType: It is something else, or of another type.
            WrongValue: The network has another number of inputs, they have different numbers of images, or `batch_size`
                is below 1.
            ShapeError: A size does not fit a cell.

        Example:
            >>> import n2d2, numpy as np
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> body = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10), n2d2.cells.Softmax()])
            >>> model = body.to_deepnet_cell(provider)
            >>> y = model.predict(np.zeros([100, 1, 28, 28], np.float32), batch_size=32)
            >>> y.shape, round(float(y[99].sum()), 4)
            ((100, 10, 1, 1), 1.0)
        """
        given: object = inputs
        arrays: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
        outputs = self._graph.predict(arrays) if batch_size is None else None
        if outputs is None:
            outputs = self._predict(arrays, batch_size)
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict(self, arrays: list[Any], batch_size: int | None) -> list[Array]:
        """The same for arrays that the engine does not take as they are, with errors that name what is wrong."""
        import numpy as np

        what = f"{self._name}: predict: inputs"
        for array in arrays:
            if not isinstance(array, np.ndarray):
                raise WrongInputType(what, type(array), np.ndarray)
        if len(arrays) != self._graph.inputs:
            raise WrongValue(what, f"{len(arrays)} arrays", f"{self._graph.inputs}, one an input")
        images = [_as_read(a, owner, rank) for a, (owner, rank) in zip(arrays, self._graph.readers, strict=True)]
        if len({len(array) for array in images}) > 1:
            raise WrongValue(what, f"{[len(array) for array in images]} images", "as many for each input")
        size = max(len(images[0]), 1)
        if batch_size is not None:
            size = check_count(self._name, "batch_size", batch_size)
        with _testing(self._graph.cells()):
            return self._graph.outputs(images, size)

    def get_deepnet(self) -> DeepNet:
        """The graph of the last call; before the first call that of `get_embedded_deepnet`.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Softmax(name="softmax")]).to_deepnet_cell(provider)
            >>> model.get_deepnet() is model.get_embedded_deepnet()
            True
            >>> y = model(n2d2.Tensor([3, 1, 28, 28]))
            >>> model.get_deepnet() is y.get_deepnet()
            True
        """
        return self._embedded if self._output is None else self._output.get_deepnet()

    def get_embedded_deepnet(self) -> DeepNet:
        """The graph that the network was made from, computed with one stimulus; after `remove` the one that is left.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, name="fc")]).to_deepnet_cell(provider)
            >>> list(model.get_embedded_deepnet().get_cells())
            ['fc']
        """
        return self._embedded

    def get_input_cells(self) -> list[NeuralNetworkCell]:
        """The cells that read an input of the network.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = Sequence([Fc(784, 10, name="fc"), Softmax(name="softmax")]).to_deepnet_cell(provider)
            >>> [cell.name for cell in model.get_input_cells()], [cell.name for cell in model.get_output_cells()]
            (['fc'], ['softmax'])
        """
        first = [step.cell for step in self._graph.steps if min(step.reads) < self._graph.inputs]
        return list({id(cell): cell for cell in first}.values())

    def get_output_cells(self) -> list[NeuralNetworkCell]:
        """The cells that give the outputs of the network, in the order of the outputs.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, name="fc")]).to_deepnet_cell(provider)
            >>> [cell.name for cell in model.get_output_cells()]
            ['fc']
        """
        return [self._graph.end_cell(place) for place in self._graph.ends]

    def update(self) -> None:
        """Lets the solvers move the parameters of every cell once, after a back-propagation from the last output.

        Raises:
            StateError: The network was not called yet.

        Example:
            >>> import n2d2
            >>> one = n2d2.filler.Constant(value=1.0)
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> fc = n2d2.cells.Fc(784, 1, filler=one, name="fc")
            >>> model = n2d2.cells.Sequence([fc]).to_deepnet_cell(provider)
            >>> y = model(n2d2.Tensor([1, 1, 28, 28], value=1.0))
            >>> y.back_propagate(n2d2.Tensor([1, 1, 1, 1], value=100.0))
            >>> model.update()
            >>> fc.get_bias(0)[0]
            2.0
        """
        if self._output is None:
            raise StateError(f"{self._name}: update: the network was not called yet")
        self._output.get_deepnet().update()

    def set_provider(self, provider: Provider) -> None:
        """Takes the stimuli from another provider.

        Targets compare with its labels from now on. A network without targets gets one for each output, called
        `Target_0`, `Target_1` ...

        Arguments:
            provider (n2d2.provider.Provider): Source of stimuli that the network can take.

        Raises:
            WrongInputType: It is not a provider.
            ShapeError: A cell cannot take stimuli of its size; nothing changes.

        Example:
            >>> import n2d2
            >>> digits = n2d2.database.Digits()
            >>> provider = n2d2.provider.DataProvider(digits, [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10)]).to_deepnet_cell(provider)
            >>> model.set_provider(n2d2.provider.DataProvider(digits, [28, 28, 1], batch_size=50, name="other"))
            >>> model.provider.name, [target.provider.name for target in model.targets.values()]
            ('other', ['other'])
        """
        given: object = provider
        if not isinstance(given, Provider):
            raise WrongInputType(f"{self._name}: provider", type(provider), Provider)
        if self._graph.inputs != 1:
            raise StateError(f"{self._name}: set_provider: the network has {self._graph.inputs} inputs")
        x = _one_stimulus(provider)
        if [x.shape()] != self._input_shapes:
            self._trace(self._graph, [x])
        self._embedded.set_provider(provider)
        self._provider = provider
        if not self._targets:
            cells = self.get_output_cells()
            self._targets = {cell.name: Score(provider, name=f"Target_{i}") for i, cell in enumerate(cells)}
        for target in self._targets.values():
            target._set_provider(provider)

    def _trace(self, graph: _Graph, inputs: list[Tensor]) -> None:
        """Computes a graph with one stimulus, so that all sizes are known, and takes it."""
        with _testing(graph.cells()):
            outputs = graph.run(inputs)
        self._embedded = DeepNet._of([t._call for t in outputs if t._call is not None])
        self._input_shapes = [t.shape() for t in inputs]
        self._graph = graph
        self._cells = {cell.name: cell for cell in graph.cells()}
        self._output = None

    def remove(self, name: str, reconnect: bool = True) -> None:
        """Takes a cell out of the network.

        What read the cell reads its inputs then, or with `reconnect=False` only what else it read; cells that nobody
        reads then go too. A target of the cell goes to the cell before it.

        Arguments:
            name (str): Name of the cell.
            reconnect (bool, optional): If True, the inputs of the cell take its place, default=True.

        Raises:
            UnknownCellError: There is no such cell.
            StateError: A cell or the network would have no input, or a target would have several cells.
            ShapeError: A cell cannot take what it would read. Nothing changes if there is an error.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = Sequence([Fc(784, 10, name="fc"), Softmax(name="softmax")]).to_deepnet_cell(provider)
            >>> model.remove("softmax")
            >>> list(model.get_cells()), list(model.targets)
            (['fc'], ['fc'])
        """
        check_str(self._name, "name", name)
        check_bool(self._name, "reconnect", reconnect)
        if name not in self._cells:
            raise UnknownCellError(unknown_name(self._name, name, self._cells, "one of its cells"))
        try:
            graph = self._graph.without(name, reconnect)
        except StateError as error:
            raise StateError(f"{self._name}: {error}") from None
        heir = name
        if name in self._targets:
            heirs = {
                self._graph.end_cell(p).name
                for step in self._graph.steps
                if step.cell.name == name
                for p in step.reads
                if p >= self._graph.inputs
            } - {name}
            if len(heirs) != 1:
                raise StateError(f"{self._name}: remove: the target of `{name}` cannot go to its {len(heirs)} parents")
            heir = heirs.pop()
            if heir in self._targets:
                raise StateError(f"{self._name}: remove: `{heir}` has a target already, and would get that of `{name}`")
        self._trace(graph, [Tensor(shape) for shape in self._input_shapes])
        if self._provider is not None:
            self._embedded._provider = self._provider
        self._targets = {heir if cell == name else cell: target for cell, target in self._targets.items()}

    def summary(self, verbose: bool = False) -> None:
        """Prints a table of the cells: output shapes, parameters, multiply-accumulates, connections.

        Arguments:
            verbose (bool, optional): If True, BatchNorm cells have rows too; else only the totals count them,
                default=False.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
            >>> model = Sequence([Fc(784, 10, name="fc"), Softmax(name="softmax")]).to_deepnet_cell(provider)
            >>> model.summary()
            ------------------------------------------------------------------------------------------
            Layer (type)         Output Shape       Param #     MAC #    Connected to    Extra    Grad
            ==========================================================================================
            Image1 (input)       (32, 1, 28, 28)    0          0k                                 -
            <BLANKLINE>
            fc (Fc)              (32, 10, 1, 1)     7,850      7k        Image1                   True
            <BLANKLINE>
            softmax (Softmax)    (32, 10, 1, 1)     0          0k        fc                       -
            <BLANKLINE>
            Features (output)    (32, 10, 1, 1)     0          0k        softmax                  -
            ==========================================================================================
            Total params:  7,850
            Total computing:  7,850 MAC
            As publications count it:  7,840 MAC, with the padding and without biases
        """
        from n2d2.cells.summary import _table

        check_bool(self._name, "verbose", verbose)
        batch = 1 if self._provider is None else self._provider.get_batch_size()
        print(_table(self._embedded, batch, verbose))

    def explain(self, batch_size: int | None = None) -> Explanation:
        """Measures what the network computes with: kernel, memory and time of each node, and what is fused into it.

        The network is called a few times with random images, in the mode of its cells: `model.test().explain()` shows
        the fused network of the inference, `model.learn().explain()` the forward passes of a training step, each cell
        by itself. Nothing of it stays: statistics, gradients and random numbers are those of before. Where the time of
        the way back goes, `n2d2.train.Profile` tells.

        Arguments:
            batch_size (int, optional): Number of images, default=the batch size of the provider, or 1.

        Returns:
            n2d2.cells.Explanation: The nodes; as text, a table.

        Raises:
            WrongInputType: `batch_size` is not an int.
            WrongValue: It is below 1.
            StateError: A cell computes in Python, so that the network is no single call of the engine.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Conv, Fc, Pool, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=8)
            >>> conv = Conv(1, 6, [5, 5], activation=n2d2.activation.Rectifier(), name="conv")
            >>> pool, fc = Pool([2, 2], stride_dims=[2, 2], name="pool"), Fc(864, 10, name="fc")
            >>> model = Sequence([conv, pool, fc, Softmax(name="softmax")]).to_deepnet_cell(provider)
            >>> print(model.test().explain())
            node      class     fused       kernel ...
            -------...
            conv      Conv      Rectifier   direct 5x5 ...
            pool      Pool                  loops ...
            fc        Fc                    dense ...
            softmax   Softmax               loops ...
            test mode, fused; float32; a call takes ... ms on ... threads; 3 buffers of 135.3 KiB; peak ... GB/s
        """
        if batch_size is not None:
            batch = check_count(self._name, "batch_size", batch_size)
        else:
            batch = 1 if self._provider is None else self._provider.get_batch_size()
        import numpy as np

        values = np.random.default_rng(1)
        shapes = [(batch, *shape[1:]) for shape in self._input_shapes]
        found = self._graph.explain([Tensor.from_numpy(values.random(shape, np.float32)) for shape in shapes])
        if found is None:
            owner = next((step.cell.name for step in self._graph.steps if not step.cell._direct), "a cell")
            raise StateError(
                f"{self._name}: explain: `{owner}` computes in Python, so the network is no single call of the engine; "
                "n2d2.train.Profile measures its cells"
            )
        return found

    def fit(  # noqa: PLR0917 - the promised order
        self,
        learn_epoch: int,
        log_epoch: int = 1000,
        avg_window: int = 10000,
        bench: bool = False,
        ban_multi_device: bool = False,
        valid_metric: str = "Sensitivity",
        stop_valid: int = 0,
        log_kernels: bool = False,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        callbacks: Sequence[Callback] = (),
        restore_best: bool = False,
    ) -> None:
        """Trains the network on the Learn partition of its provider.

        Each epoch reads the stimuli in a new order; the batch after the present one is made ahead by a thread. The
        parameters are the same bits as those of a loop by hand over `read_batch`, `back_propagate` and `update`.

        Every `log_epoch` epochs and at the last one the learning curve and the confusion matrix are written, and the
        Validation partition, if it has stimuli, is tested. Files, below `log_dir`:

        | file | content |
        |---|---|
        | `weights_init/` | parameters before the training |
        | `weights_validation/` | parameters of the best validation |
        | `weights/` | parameters after the last epoch that logged, if there is no Validation set |
        | `metrics.jsonl`, `metrics.csv` | loss, success and speed of each epoch |
        | `<name>.Target/` | learning curves and confusion matrices, `learning` and `validation` |
        | `kernels/` | weights of the convolutions as pictures, with `log_kernels` |

        Arguments:
            learn_epoch (int): Number of times that all stimuli are learnt.
            log_epoch (int, optional): Epochs between logs and validations; 0 for the last only, default=1000.
            avg_window (int, optional): Number of last stimuli whose mean success is shown, default=10000.
            bench (bool, optional): If True, prints the speed and what part of the time goes where, default=False.
            ban_multi_device (bool, optional): Of use with several GPUs only, which are not supported, default=False.
            valid_metric (str, optional): Metric of the validation: `Sensitivity`, `Specificity`, `Precision`,
                `NegativePredictiveValue`, `MissRate`, `FallOut`, `FalseDiscoveryRate`, `FalseOmissionRate`, `Accuracy`,
                `F1Score`, `Informedness`, `Markedness` or `IU`, default="Sensitivity".
            stop_valid (int, optional): Ends the training after this number of validations in a row that are not the
                best; 0 for never, default=0.
            log_kernels (bool, optional): If True, draws the weights of the convolutions at the end, default=False.
            log_dir (str or Path, optional): Folder of all files, default=the working directory, and for the targets
                their own.
            callbacks (list of n2d2.train.Callback, optional): What to call during the training, default=[].
            restore_best (bool, optional): If True, the network ends with the parameters of the best validation instead
                of the last ones, default=False.

        Raises:
            WrongInputType: An argument has the wrong type.
            WrongValue: An argument is not accepted.
            StateError: The network has no provider with data, no target, or the Learn partition is empty.
            DataError: An output is not finite; the error names the first cell with such an output.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=50)
            >>> body = Sequence([Fc(784, 10, name="fc"), Softmax(with_loss=True, name="softmax")])
            >>> model = body.to_deepnet_cell(provider)
            >>> model.fit(2, log_dir="run")
            epoch 1/2   loss ...
            epoch 2/2   loss ...
            ...
            >>> model.history[-1]["success"] > 0.5
            True
        """
        from n2d2.train.fit import _Options, fit

        options = _Options(
            learn_epoch, log_epoch, avg_window, bench, ban_multi_device, valid_metric, stop_valid, log_kernels
        )
        fit(self, options, log_dir, callbacks, restore_best)

    def run_test(  # noqa: PLR0917 - the promised order
        self,
        log: int = 1000,
        report: int = 100,
        nb_test: int = -1,
        test_index: int = -1,
        test_id: int = -1,
        qat_sat: bool = False,
        log_kernels: bool = False,
        wt_round_mode: str = "NONE",
        b_round_mode: str = "NONE",
        c_round_mode: str = "NONE",
        act_scaling_mode: str = "FLOAT_MULT",
        log_JSON: bool = False,
        log_outputs: int = 0,
        *,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        """Tests the network on the Test partition of its provider, prints the scores and writes the logs.

        Files, below `log_dir`: confusion matrix and success curve `test` in `<name>.Target/`, `kernels/` with
        `log_kernels`, `<name>.Target/test.json` with `log_JSON` (a record for each stimulus: number, name, target,
        estimated class, value), `outputs_<n>/<cell>.dat` with `log_outputs`.

        Arguments:
            log (int, optional): Stimuli between two logs of the success curve, default=1000.
            report (int, optional): Stimuli between two reports, default=100.
            nb_test (int, optional): Number of stimuli, -1 for all, default=-1.
            test_index (int, optional): Place in the Test partition of the only stimulus to test, default=-1.
            test_id (int, optional): Number in the database of the only stimulus to test; goes before `test_index`,
                default=-1.
            qat_sat (bool, optional): Must be False: quantisation is not built yet, default=False.
            log_kernels (bool, optional): If True, draws the weights of the convolutions, default=False.
            wt_round_mode (str, optional): Must be `NONE`, default="NONE".
            b_round_mode (str, optional): Must be `NONE`, default="NONE".
            c_round_mode (str, optional): Must be `NONE`, default="NONE".
            act_scaling_mode (str, optional): Must be `FLOAT_MULT`, default="FLOAT_MULT".
            log_JSON (bool, optional): If True, writes what was estimated for each stimulus, default=False.
            log_outputs (int, optional): Number of the stimulus, from 1, whose outputs of every cell are written; 0 for
                none, default=0.
            log_dir (str or Path, optional): Folder of all files, default=the working directory, and for the targets
                their own.

        Raises:
            WrongInputType: An argument has the wrong type.
            WrongValue: An argument is not accepted, or both `nb_test` and a stimulus are given.
            StateError: The network has no provider with data, no target, or the Test partition is empty.

        Example:
            >>> import n2d2
            >>> from n2d2.cells import Fc, Sequence, Softmax
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=50)
            >>> body = Sequence([Fc(784, 10, name="fc"), Softmax(with_loss=True, name="softmax")])
            >>> body.to_deepnet_cell(provider).run_test(report=500, log_dir="run")
            500/1000   success ... %
            1000/1000   success ... %
            Target: ... % of 1000 stimuli right
            Sensitivity ... %   Specificity ... %   Precision ... %   Accuracy ... %   ...
        """
        from n2d2.train.testing import _Options, run_test

        options = _Options(
            log,
            report,
            nb_test,
            test_index,
            test_id,
            qat_sat,
            log_kernels,
            wt_round_mode,
            b_round_mode,
            c_round_mode,
            act_scaling_mode,
            log_JSON,
            log_outputs,
        )
        run_test(self, options, log_dir)

    def log_confusion_matrix(self, file_name: str, partition: str = "Test") -> None:
        """Writes the confusion matrix of every target: see `n2d2.target.Score.log_confusion_matrix` for the files.

        Arguments:
            file_name (str): Part of the names of the files.
            partition (str, optional): `Learn`, `Validation`, `Test` or `Unpartitioned`, default="Test".

        Raises:
            WrongValue: There is no such partition.
            StateError: Nothing was evaluated in it, or there is no target.

        Example:
            >>> import n2d2, pathlib
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=50)
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10)]).to_deepnet_cell(provider)
            >>> model.run_test(report=1000)
            1000/1000 ...
            >>> model.log_confusion_matrix("mine")
            >>> pathlib.Path("Target.Target/ConfusionMatrix_mine_score.png").exists()
            True
        """
        for target in self._logging(partition):
            with target.provider._showing(partition):
                target.log_confusion_matrix(file_name)

    def log_success(self, path: str, partition: str = "Test") -> None:
        """Writes loss and success rate against the step for every target: see `n2d2.target.Score.log_success`.

        Arguments:
            path (str): Part of the names of the files.
            partition (str, optional): `Learn`, `Validation`, `Test` or `Unpartitioned`, default="Test".

        Raises:
            WrongValue: There is no such partition.
            StateError: Nothing was evaluated in it, or there is no target.

        Example:
            >>> import n2d2, pathlib
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=50)
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10)]).to_deepnet_cell(provider)
            >>> model.fit(1)
            epoch 1/1 ...
            >>> model.log_success("mine", "Learn")
            >>> pathlib.Path("Target.Target/Success_mine.png").exists()
            True
        """
        for target in self._logging(partition):
            with target.provider._showing(partition):
                target.log_success(path)

    def _logging(self, partition: str) -> list[Score]:
        if check_str(self._name, "partition", partition) not in PARTITIONS:
            raise WrongValue(f"{self._name}: partition", partition, PARTITIONS)
        if not self._targets:
            raise StateError(f"{self._name}: the network has no target; give it one by to_deepnet_cell or set_provider")
        return [target for target in self._targets.values() if isinstance(target, Score)]

    def log_stats(self, path: str) -> None:
        """Writes the memory and computing needs of each cell: see `n2d2.target.Score.log_stats` for the files.

        Arguments:
            path (str): Folder to write.

        Raises:
            WrongInputType: It is not a str.
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(784, 10, name="fc")]).to_deepnet_cell(provider)
            >>> model.log_stats("stats")
            >>> print(pathlib.Path("stats/stats.dat").read_text().splitlines()[1])
            fc 7850 7850 10
        """
        self._embedded.log_stats(check_str(self._name, "path", path))


def _converted(block: Block, provider: Provider, target: Target | list[Target] | None) -> DeepNetCell:
    """The network of a container, computed with one stimulus of a provider in test mode; the cells are the same.

    Arguments:
        block (Block): Container.
        provider (n2d2.provider.Provider): Source of the stimuli.
        target (n2d2.target.Target or list): Target of the output; one for each output if there are several; None for an
            `n2d2.target.Score` called `Target`.
    """
    given: object = provider
    if not isinstance(given, Provider):
        raise WrongInputType(f"{block.name}: provider", type(provider), Provider)
    targets: list[Any] = target if isinstance(target, list) else [] if target is None else [target]
    for item in targets:
        if not isinstance(item, Target):
            raise WrongInputType(f"{block.name}: target", type(item), Target)
    x = _one_stimulus(provider)
    learning = {id(cell): cell._handle.learn for cell in block._layers()}
    with _testing(block._layers()):
        result: object = block(x)
    outputs = result.tensors if isinstance(result, Interface) else [result]
    if not all(isinstance(t, Tensor) and t._call is not None for t in outputs):
        got = type(result).__name__
        raise StateError(
            f"{block.name}: to_deepnet_cell: expected the container to compute a tensor by cells, got {got}"
        )
    tensors = cast("list[Tensor]", outputs)
    cells = [cast("NeuralNetworkCell", t.cell) for t in tensors]
    if not targets:
        names = ["Target"] if len(cells) == 1 else [f"Target_{i}" for i in range(len(cells))]
        targets = [Score(provider, name=name) for name in names]
    if len(targets) != len(cells):
        raise WrongValue(f"{block.name}: target", f"{len(targets)} targets", f"{len(cells)}, one for each output")
    if len({cell.name for cell in cells}) < len(cells):
        raise StateError(
            f"{block.name}: to_deepnet_cell: one cell makes two outputs; put an Activation of its own behind each"
        )
    by_cell = {cell.name: item for cell, item in zip(cells, targets, strict=True)}
    model = DeepNetCell._of(tensors, inputs=[x], provider=provider, targets=by_cell)
    for cell in model._layers():
        if not learning.get(id(cell), True):
            cell.test()
    for item in targets:
        item._set_provider(provider)
    return model
