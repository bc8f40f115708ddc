"""Graphs of cells: what was computed to make a tensor."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from n2d2 import _core
from n2d2.error_handler import IsEmptyError, NotInitialized, ShapeError, StateError, WrongInputType, WrongValue
from n2d2.tensor import Tensor
from n2d2.utils import generate_name

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.provider import Provider
    from n2d2.target import logs
    from n2d2.target.target import Target
    from n2d2.tensor import Call

__all__ = ["DeepNet", "GraphNode"]


class GraphNode(NamedTuple):
    """A cell of a graph, or a source of data.

    Arguments:
        name (str): Name of the cell or source.
        kind (str): Its class, with that of its activation: `Conv + Rectifier`.
        shape (list of int): Shape of its output, outermost first.
        parents (list of int): Places in the list of nodes of what it reads.
        layer (int): 0 for a source, else one more than the deepest parent at the first call.
        calls (int): Calls of the cell in the graph; 0 for a source.
    """

    name: str
    kind: str
    shape: list[int]
    parents: list[int]
    layer: int
    calls: int


def _ordered(ends: Sequence[Call | Tensor]) -> list[Call | Tensor]:
    """The calls and sources behind some calls, each after what it reads."""
    order: list[Call | Tensor] = []
    seen: set[int] = set()
    stack = [(end, False) for end in reversed(ends)]
    while stack:
        item, expanded = stack.pop()
        if expanded:
            order.append(item)
        elif id(item) not in seen:
            seen.add(id(item))
            stack.append((item, True))
            if isinstance(item, tuple):
                stack.extend((parent, False) for parent in reversed(item[2]))
    return order


def _connected_ends(calls: Sequence[Call]) -> list[Call]:
    """The calls that no other one reads and that share a call or a source with the last of them, in order."""
    ends: list[tuple[Call, set[int]]] = []
    behind = [{id(item) for item in _ordered([call])} for call in calls]
    for i, call in enumerate(calls):
        if not any(id(call) in own for j, own in enumerate(behind) if j != i):
            ends.append((call, behind[i]))
    common = ends[-1][1]
    while True:
        grown = common.union(*(own for _, own in ends if own & common))
        if len(grown) == len(common):
            return [call for call, own in ends if own & common]
        common = grown


def _kind(cell: NeuralNetworkCell) -> str:
    return cell.get_type() + (f" + {type(cell.activation).__name__}" if cell.activation is not None else "")


class DeepNet:
    """A view of the graph of cells behind one or several tensors, as it was when they were computed.

    `get_deepnet()` of a tensor, an interface, a cell, a container, a provider or a target gives it. It is made when it
    is asked for, so that a training loop that never asks pays nothing. A cell that was called several times appears
    once.

    Arguments:
        tensors (list): The ends of the graph.

    Raises:
        WrongInputType: It is not a list of tensors.
        IsEmptyError: The list is empty.

    Example:
        >>> import n2d2
        >>> one = n2d2.filler.Constant(value=1.0)
        >>> model = n2d2.cells.Sequence([n2d2.cells.Fc(2, 3, name="a"), n2d2.cells.Fc(3, 1, name="b")])
        >>> y = model(n2d2.Tensor([1, 2], value=1.0))
        >>> net = y.get_deepnet()
        >>> net.get_name(), list(net.get_cells()), net is model.get_deepnet()
        ('DeepNet_0', ['a', 'b'], True)
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        given: object = tensors
        if not isinstance(given, list) or not all(isinstance(t, Tensor) for t in given):
            raise WrongInputType("DeepNet: tensors", type(tensors), "list of n2d2.Tensor")
        if not tensors:
            raise IsEmptyError("DeepNet: the list of tensors must not be empty")
        self._start([t._call or t for t in tensors])

    @classmethod
    def _of(cls, ends: Sequence[Call | Tensor]) -> DeepNet:
        net = object.__new__(cls)
        net._start(ends)
        return net

    @classmethod
    def _behind(cls, call: Call) -> DeepNet:
        """The graph behind a call, which keeps it: it is freed with the tensors that it shows."""
        if not call[3]:
            call[3].append(cls._of([call]))
        net: DeepNet = call[3][0]
        return net

    def _start(self, ends: Sequence[Call | Tensor]) -> None:
        self._name = generate_name(self)
        order = _ordered(ends)
        read = {id(parent) for item in order if isinstance(item, tuple) for parent in item[2]}
        distinct = {id(end): end for end in ends if id(end) not in read}.values()
        self._outputs: list[Call] = [end for end in distinct if isinstance(end, tuple)]
        self._calls = [item for item in order if isinstance(item, tuple)]
        self._sources = [item for item in order if isinstance(item, Tensor)]
        self._provider: Provider | None = None
        self._target: Target | None = None
        self._tell_providers()

    def _tell_providers(self) -> None:
        from n2d2.provider import Provider

        for source in self._sources:
            if isinstance(source.cell, Provider):
                source.cell._deepnet = weakref.ref(self)

    def __str__(self) -> str:
        cells = "".join(f"\n\t({i}): '{node.name}' {node.kind}" for i, node in enumerate(self.nodes()) if node.calls)
        return f"'{self._name}' DeepNet({cells}\n)" if cells else f"'{self._name}' DeepNet()"

    @property
    def name(self) -> str:
        """The name, `DeepNet_<n>`."""
        return self._name

    def get_name(self) -> str:
        """The name, `DeepNet_<n>`.

        Example:
            >>> import n2d2
            >>> n2d2.Tensor([1, 2]).get_deepnet().get_name()
            'DeepNet_0'
        """
        return self._name

    def _by_identity(self) -> list[NeuralNetworkCell]:
        return list({id(cell): cell for cell, *_ in self._calls}.values())

    def get_cells(self) -> dict[str, NeuralNetworkCell]:
        """The cells by name, each after those that it reads.

        Raises:
            WrongValue: Two cells have the same name.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2, name="fc")
            >>> fc(fc(n2d2.Tensor([1, 2]))).get_deepnet().get_cells()["fc"] is fc
            True
        """
        cells: dict[str, NeuralNetworkCell] = {}
        for cell in self._by_identity():
            if cells.setdefault(cell.name, cell) is not cell:
                raise WrongValue(f"{self._name}: two cells have the name `{cell.name}`; give each its own")
        return cells

    def get_input_cells(self) -> list[NeuralNetworkCell]:
        """The cells that read data, and not only outputs of other cells.

        Example:
            >>> import n2d2
            >>> a, b = n2d2.cells.Fc(2, 2, name="a"), n2d2.cells.Fc(2, 2, name="b")
            >>> [cell.name for cell in b(a(n2d2.Tensor([1, 2]))).get_deepnet().get_input_cells()]
            ['a']
        """
        first = [cell for cell, _, parents, _ in self._calls if any(isinstance(p, Tensor) for p in parents)]
        return list({id(cell): cell for cell in first}.values())

    def get_output_cells(self) -> list[NeuralNetworkCell]:
        """The cells at the ends of the graph, whose outputs no other cell of it reads.

        Example:
            >>> import n2d2
            >>> a, b = n2d2.cells.Fc(2, 2, name="a"), n2d2.cells.Fc(2, 2, name="b")
            >>> [cell.name for cell in b(a(n2d2.Tensor([1, 2]))).get_deepnet().get_output_cells()]
            ['b']
        """
        return list({id(cell): cell for cell, *_ in self._outputs}.values())

    def get_provider(self) -> Provider:
        """The (first) source of data; a plain tensor gets an `n2d2.provider.TensorPlaceholder` around it.

        Raises:
            WrongInputType: The tensor is not one of floats.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 2)(n2d2.Tensor([4, 2])).get_deepnet().get_provider().get_batch_size()
            4
        """
        from n2d2.provider import Provider, TensorPlaceholder

        if self._provider is None:
            for source in self._sources:
                if isinstance(source.cell, Provider):
                    self._provider = source.cell
                    break
            else:
                source = self._sources[0]
                self._provider = TensorPlaceholder(source, name=source._source_name())
                self._provider._deepnet = weakref.ref(self)
        return self._provider

    def set_provider(self, provider: Provider) -> None:
        """Names another provider as the source of data, for what reads it from here; nothing is computed again.

        Arguments:
            provider (n2d2.provider.Provider): Provider of stimuli of the size that the graph was computed with.

        Raises:
            WrongInputType: It is not a provider.
            ShapeError: Its stimuli have another size.

        Example:
            >>> import n2d2
            >>> net = n2d2.cells.Fc(2, 2)(n2d2.Tensor([4, 2])).get_deepnet()
            >>> other = n2d2.provider.TensorPlaceholder(n2d2.Tensor([8, 2]), name="other")
            >>> net.set_provider(other)
            >>> net.get_provider().name, other.get_deepnet() is net
            ('other', True)
        """
        from n2d2.provider import Provider

        if not isinstance(provider, Provider):
            raise WrongInputType(f"{self._name}: provider", type(provider), Provider)
        expected = self.get_provider().get_size()
        if provider.get_size() != expected:
            raise ShapeError(
                f"{self._name}: set_provider: expected stimuli of size {expected} [width, height, channels], "
                f"got {provider.get_size()} from `{provider.name}`"
            )
        self._provider = provider
        provider._deepnet = weakref.ref(self)

    def back_propagate(self) -> None:
        """Computes the gradient of every parameter of the graph from the loss of its target.

        Raises:
            StateError: No target was called with the output of the graph, or it was called with another one since.

        Example:
            >>> import n2d2
            >>> labels = n2d2.Tensor([2], datatype="int", value=1)
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([2, 3], value=1.0), labels)
            >>> fc = n2d2.cells.Fc(3, 2)
            >>> target = n2d2.target.Score(source)
            >>> loss = target(fc(source()))
            >>> net = loss.get_deepnet()
            >>> net.back_propagate()
            >>> before = fc.get_bias(1)[0]
            >>> net.update()
            >>> fc.get_bias(1)[0] != before
            True
        """
        target = self._target
        if target is None or target._source is None:
            raise StateError(
                f"{self._name}: back_propagate: no target compares the output with labels; ask the loss for its "
                "get_deepnet(), or call back_propagate(gradient) of the output tensor"
            )
        call = self._outputs[0] if self._outputs else None
        if target._output is None or target._output._call is not call:
            raise StateError(f"{self._name}: back_propagate: `{target.name}` has evaluated another output since")
        target._source.back_propagate()

    def update(self) -> None:
        """Lets the solvers move the parameters of every cell of the graph, once.

        Raises:
            StateError: The graph has no cells.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=1.0), no_bias=True)
            >>> y = fc(n2d2.Tensor([1, 1], value=1.0))
            >>> y.back_propagate(n2d2.Tensor([1, 1, 1, 1], value=10.0))
            >>> y.get_deepnet().update()
            >>> round(fc.get_weight(0, 0)[0], 6)
            1.1
        """
        if not self._calls:
            raise StateError(f"{self._name}: update: the graph has no cells")
        _core.update([variable for _, variable, *_ in self._outputs])

    def nodes(self) -> list[GraphNode]:
        """Sources and cells in an order in which each comes after what it read when it was first called.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 3, name="fc")
            >>> for node in fc(n2d2.Tensor([1, 2])).get_deepnet().nodes():
            ...     print(node.name, node.kind, node.shape, node.parents, node.layer)
            TensorPlaceholder_0 Tensor [1, 2] [] 0
            fc Fc [1, 3, 1, 1] [0] 1
        """
        places: dict[int, int] = {}
        nodes: list[GraphNode] = []
        producers: dict[int, int] = {}
        for source in self._sources:
            producer = source if source.cell is None else source.cell
            place = places[id(source)] = producers.setdefault(id(producer), len(nodes))
            if place == len(nodes):
                nodes.append(GraphNode(source._source_name(), type(producer).__name__, source.shape(), [], 0, 0))
        for cell, variable, parents, _ in self._calls:
            read = [places[id(p if isinstance(p, Tensor) else p[0])] for p in parents]
            place = places.setdefault(id(cell), len(nodes))
            if place == len(nodes):
                layer = 1 + max((nodes[p].layer for p in read), default=0)
                nodes.append(GraphNode(cell.name, _kind(cell), variable.shape, [], layer, 0))
            node = nodes[place]
            nodes[place] = node._replace(parents=list(dict.fromkeys([*node.parents, *read])), calls=node.calls + 1)
        return nodes

    def draw(self, filename: str | os.PathLike[str]) -> None:
        """Draws the graph: names, classes and output shapes of the cells, and what reads what.

        Arguments:
            filename (str or Path): File ending in `.png` or `.svg`; with any other ending both are written.

        Raises:
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> n2d2.cells.Fc(2, 3)(n2d2.Tensor([1, 2])).get_deepnet().draw("net")
            >>> sorted(file.name for file in pathlib.Path().iterdir())
            ['net.png', 'net.svg']
        """
        from n2d2.graph_drawing import draw

        path = Path(filename)
        if path.suffix in (".png", ".svg"):
            draw(self.nodes(), path)
        else:
            for suffix in (".png", ".svg"):
                draw(self.nodes(), path.with_name(path.name + suffix))

    def draw_graph(self, filename: str | os.PathLike[str]) -> None:
        """Writes the graph as Mermaid text, which Markdown viewers show, and as a picture.

        Arguments:
            filename (str or Path): Files without ending: `<filename>.mmd` and `<filename>.png`; an ending `.mmd` or
                `.png` is left out.

        Raises:
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> n2d2.cells.Fc(2, 3, name="fc")(n2d2.Tensor([1, 2])).get_deepnet().draw_graph("net")
            >>> print(pathlib.Path("net.mmd").read_text())
            flowchart TD
                n0(["TensorPlaceholder_0<br/>Tensor<br/>1 x 2"])
                n1["fc<br/>Fc<br/>1 x 3 x 1 x 1"]
                n0 --> n1
        """
        from n2d2.files import write_text
        from n2d2.graph_drawing import draw, mermaid

        path = Path(filename)
        stem = path.with_suffix("") if path.suffix in (".mmd", ".png") else path
        write_text(stem.with_name(stem.name + ".mmd"), mermaid(self.nodes()))
        draw(self.nodes(), stem.with_name(stem.name + ".png"))

    def export_network_free_parameters(self, dirname: str) -> None:
        """Writes the parameters of every cell of the graph as text files, each complete or not at all.

        Arguments:
            dirname (str): Folder; it is made if it does not exist.

        Raises:
            WrongValue: Two cells have the same name, and so the same files.
            FileError: A file cannot be written.

        Example:
            >>> import n2d2
            >>> n2d2.cells.Fc(2, 3, name="fc")(n2d2.Tensor([1, 2])).get_deepnet().export_network_free_parameters("run")
            Export to run/fc.syntxt
            Export to run/fc_quant.syntxt
        """
        stems: dict[str, NeuralNetworkCell] = {}
        for cell in self._by_identity():
            if stems.setdefault(cell._file_stem(), cell) is not cell:
                raise WrongValue(
                    f"{self._name}: two cells have the name `{cell.name}`, and so the same parameter files"
                )
        for cell in self._by_identity():
            cell.export_free_parameters(dirname)

    def _layers(self) -> list[logs.Layer]:
        """The needs of each cell, for one stimulus."""
        from n2d2.target import logs

        layers: dict[str, logs.Layer] = {}
        # From the end, so that one call of the engine lists a whole network; what a cell that the engine does not know
        # stands before needs another one.
        for cell, variable, *_ in reversed(self._calls):
            if cell.name not in layers:
                for layer in _core.layers(variable):
                    layers.setdefault(layer[0], logs.Layer(*layer))
        return [layers[cell.name] for cell in self._by_identity() if cell.name in layers]

    def log_stats(self, dirname: str | os.PathLike[str]) -> None:
        """Writes the memory and computing needs of each cell: see `n2d2.target.Score.log_stats` for the files.

        Arguments:
            dirname (str or Path): Folder to write.

        Raises:
            NotInitialized: The graph has no cells.
            FileError: A file cannot be written.

        Example:
            >>> import n2d2, pathlib
            >>> n2d2.cells.Fc(2, 3)(n2d2.Tensor([1, 2])).get_deepnet().log_stats("stats")
            >>> print(pathlib.Path("stats/stats.log").read_text().splitlines()[3])
            Total number of synapses: 9
        """
        from n2d2.target import logs

        if not self._calls:
            raise NotInitialized(f"{self._name}: log_stats: the graph has no cells")
        logs.write_stats(Path(dirname), self._layers())
