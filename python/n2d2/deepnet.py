"""The graph of cells behind a tensor: what was called to compute it, in order, with its pictures and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from n2d2 import _core
from n2d2.error_handler import FileError, StateError, WrongInputType
from n2d2.utils import generate_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2d2.cells.neural_network_cell import NeuralNetworkCell
    from n2d2.provider import Provider
    from n2d2.tensor import Tensor

_PICTURES = (".png", ".svg", ".pdf")
# Every layer by its number in the engine, as long as somebody holds it.
_layers: WeakValueDictionary[int, NeuralNetworkCell] = WeakValueDictionary()


class Node(NamedTuple):
    """A cell of a graph, or the source of its data.

    Arguments:
        name (str): Name of the cell or source.
        kind (str): Class of the cell, `""` for a source.
        parents (list of int): Places in the list of nodes of what it reads.
        shape (list of int): Shape of its output.

    Example:
        >>> import n2d2
        >>> fc = n2d2.cells.Fc(2, 3, name="fc")
        >>> fc(n2d2.Tensor([1, 2])).get_deepnet().nodes()[-1]
        Node(name='fc', kind='Fc', parents=[0], shape=[1, 3, 1, 1])
    """

    name: str
    kind: str
    parents: list[int]
    shape: list[int]


def _are_tensors(outputs: object) -> bool:
    from n2d2.tensor import Tensor

    return isinstance(outputs, list) and all(isinstance(t, Tensor) for t in outputs)


class DeepNet:
    """The cells behind one or several tensors, each once, in the order of their (last) calls.

    `get_deepnet()` of a tensor, a cell, a container or a target makes one. It describes the calls as they were: a later
    call of the same cells has a graph of its own.

    Arguments:
        outputs (list of Tensor): Tensors at the end of the graph.

    Raises:
        WrongInputType: `outputs` is not a list of tensors.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import ElemWise, Fc, Layer, Sequence
        >>> split = Layer([Fc(2, 2, name="left"), Fc(2, 2, name="right")])
        >>> model = Sequence([split, ElemWise(name="sum")])
        >>> net = model(n2d2.Tensor([1, 2])).get_deepnet()
        >>> list(net.get_cells()), [c.name for c in net.get_input_cells()], [c.name for c in net.get_output_cells()]
        (['left', 'right', 'sum'], ['left', 'right'], ['sum'])
    """

    def __init__(self, outputs: list[Tensor]) -> None:
        if not _are_tensors(outputs):
            raise WrongInputType("DeepNet: outputs", type(outputs), "a list of n2d2.Tensor")
        self._name = generate_name(self)
        self._outputs = list(outputs)

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

    def _calls(self) -> dict[int, _core._Call]:
        """The last call of each cell, by the number of the cell."""
        calls: dict[int, _core._Call] = {}
        for tensor in self._outputs:
            for call in tensor._graph_calls():
                calls.setdefault(call[0], call)
        return calls

    def nodes(self) -> list[Node]:
        """The sources of data and the cells, each after all that it reads.

        Example:
            >>> import n2d2
            >>> pool = n2d2.cells.GlobalPool2d(name="pool")
            >>> [(n.name, n.parents) for n in pool(n2d2.Tensor([1, 2, 4, 4])).get_deepnet().nodes()]
            [('TensorPlaceholder_0', []), ('pool', [0])]
        """
        nodes: list[Node] = []
        place: dict[int | str, int] = {}
        for number, name, kind, parents, shape in self._calls().values():
            cell = _layers.get(number)
            read = []
            for k, parent in enumerate(parents):
                key: int | str | None = parent
                if key not in place:
                    source = "data"
                    size: list[int] = []
                    if cell is not None and len(cell._inputs) == len(parents):
                        source, size = cell._inputs[k]._source_name(), cell._inputs[k].shape()
                    key = source
                    if key not in place:
                        place[key] = len(nodes)
                        nodes.append(Node(source, "", [], size))
                assert key is not None
                read.append(place[key])
            place[number] = len(nodes)
            nodes.append(Node(name, kind if cell is None else cell.get_type(), read, shape))
        return nodes

    def _cells(self, numbers: Sequence[int]) -> list[NeuralNetworkCell]:
        return [_layers[n] for n in numbers if n in _layers]

    def get_cells(self) -> dict[str, NeuralNetworkCell]:
        """The cells by name, in the order of their calls.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 2, name="fc")
            >>> net = fc(fc(n2d2.Tensor([1, 2]))).get_deepnet()
            >>> net.get_cells()["fc"] is fc, len(net.get_cells())
            (True, 1)
        """
        return {cell.name: cell for cell in self._cells(list(self._calls()))}

    def get_input_cells(self) -> list[NeuralNetworkCell]:
        """The cells that read data.

        Example:
            >>> import n2d2
            >>> first, second = n2d2.cells.Fc(2, 2, name="first"), n2d2.cells.Fc(2, 2)
            >>> [cell.name for cell in second(first(n2d2.Tensor([1, 2]))).get_deepnet().get_input_cells()]
            ['first']
        """
        return self._cells([call[0] for call in self._calls().values() if None in call[3]])

    def get_output_cells(self) -> list[NeuralNetworkCell]:
        """The cells whose output no other cell reads.

        Example:
            >>> import n2d2
            >>> first, second = n2d2.cells.Fc(2, 2), n2d2.cells.Fc(2, 2, name="second")
            >>> [cell.name for cell in second(first(n2d2.Tensor([1, 2]))).get_deepnet().get_output_cells()]
            ['second']
        """
        calls = self._calls()
        read = {parent for call in calls.values() for parent in call[3] if parent != call[0]}
        return self._cells([number for number in calls if number not in read])

    def get_provider(self) -> Provider | None:
        """The provider whose stimuli the graph reads, None if it reads other tensors.

        Example:
            >>> import n2d2
            >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
            >>> net = n2d2.cells.Fc(784, 10)(provider.read_batch(0)).get_deepnet()
            >>> net.get_provider() is provider
            True
        """
        from n2d2.provider import Provider

        for cell in self.get_input_cells():
            for tensor in cell._inputs:
                if isinstance(tensor.cell, Provider):
                    return tensor.cell
        return None

    def back_propagate(self) -> None:
        """Computes the gradients of everything behind the loss that the graph ends in.

        Raises:
            StateError: The graph does not end in a loss; give a gradient to `Tensor.back_propagate` instead.

        Example:
            >>> import n2d2
            >>> labels = n2d2.Tensor([1], datatype="int", value=1)
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([1, 2], value=1.0), labels)
            >>> fc = n2d2.cells.Fc(2, 3, filler=n2d2.filler.Constant())
            >>> net = n2d2.target.Score(source)(fc(source())).get_deepnet()
            >>> net.back_propagate()
            >>> list(fc.get_diffinputs())
            [0.0, 1.0, 0.0]
        """
        for tensor in self._outputs:
            tensor.back_propagate()

    def update(self) -> None:
        """Lets the solvers move the parameters of every cell of the graph, once.

        Raises:
            StateError: The graph holds no cell.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(), solver=n2d2.solver.SGD(learning_rate=0.5))
            >>> y = fc(n2d2.Tensor([1, 1], value=1.0))
            >>> y.back_propagate(n2d2.Tensor([1, 1, 1, 1], value=3.0))
            >>> y.get_deepnet().update()
            >>> fc.get_bias(0)[0]
            1.5
        """
        for tensor in self._outputs:
            tensor.update()

    def mermaid(self) -> str:
        """The graph as a Mermaid flow chart, which many Markdown viewers draw.

        Example:
            >>> import n2d2
            >>> net = n2d2.cells.Fc(2, 3, name="fc")(n2d2.Tensor([1, 2])).get_deepnet()
            >>> print(net.mermaid())
            flowchart TD
                n0(["TensorPlaceholder_0<br/>1 x 2"])
                n1["<b>fc</b><br/>Fc<br/>1 x 3 x 1 x 1"]
                n0 --> n1

        Source:
            Flow charts of Mermaid 10.
        """
        lines = ["flowchart TD"]
        edges = []
        for i, node in enumerate(self.nodes()):
            size = " x ".join(map(str, node.shape))
            name = node.name.replace('"', "#quot;")
            text = f'["<b>{name}</b><br/>{node.kind}<br/>{size}"]' if node.kind else f'(["{name}<br/>{size}"])'
            lines.append(f"    n{i}{text}")
            edges += [f"    n{parent} --> n{i}" for parent in node.parents]
        return "\n".join(lines + edges)

    def draw(self, filename: str) -> None:
        """Draws the graph from top to bottom: names, classes and output shapes of the cells.

        Arguments:
            filename (str): File to write; `.png`, `.svg` and `.pdf` choose the form, anything else gets `.png` added.

        Raises:
            WrongInputType: `filename` is not a text.
            StateError: The graph holds no cell.
            FileError: The file cannot be written.

        Example:
            >>> import pathlib, n2d2
            >>> n2d2.cells.Fc(2, 3)(n2d2.Tensor([1, 2])).get_deepnet().draw("network")
            >>> pathlib.Path("network.png").exists()
            True
        """
        from n2d2 import plots

        plots.network(self._drawable(), self._file(filename, _PICTURES, ".png"))

    def draw_graph(self, filename: str) -> None:
        r"""Writes the graph as a Mermaid flow chart.

        Arguments:
            filename (str): File to write; `.mmd` is added if it ends in neither `.mmd` nor `.md`.

        Raises:
            WrongInputType: `filename` is not a text.
            StateError: The graph holds no cell.
            FileError: The file cannot be written.

        Example:
            >>> import pathlib, n2d2
            >>> n2d2.cells.Fc(2, 3)(n2d2.Tensor([1, 2])).get_deepnet().draw_graph("network")
            >>> pathlib.Path("network.mmd").read_text().split("\n")[0]
            'flowchart TD'
        """
        from n2d2.files import write_text

        self._drawable()
        file = self._file(filename, (".mmd", ".md"), ".mmd")
        text = self.mermaid()
        write_text(file, f"```mermaid\n{text}\n```\n" if file.suffix == ".md" else text + "\n")

    def _drawable(self) -> list[Node]:
        nodes = self.nodes()
        if not nodes:
            raise StateError(f"{self._name}: no cell made the tensor, so there is no graph to draw")
        return nodes

    def _file(self, filename: str, suffixes: Sequence[str], suffix: str) -> Path:
        if not isinstance(filename, str):
            raise WrongInputType(f"{self._name}: filename", type(filename), str)
        file = Path(filename)
        return file if file.suffix in suffixes else file.with_name(file.name + suffix)

    def export_network_free_parameters(self, dirname: str) -> None:
        """Writes the parameters of every cell of the graph as text files, as their `export_free_parameters` does.

        Arguments:
            dirname (str): Folder; it is made if it does not exist.

        Raises:
            FileError: Two cells have the same name, or a file cannot be written.

        Example:
            >>> import pathlib, n2d2
            >>> y = n2d2.cells.Fc(2, 3, name="fc")(n2d2.Tensor([1, 2]))
            >>> y.get_deepnet().export_network_free_parameters("weights")
            >>> sorted(file.name for file in pathlib.Path("weights").iterdir())
            ['fc_biases.syntxt', 'fc_weights.syntxt']
        """
        cells = self._cells(list(self._calls()))
        names = [cell._file_stem() for cell in cells]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FileError(f"{self._name}: two cells have the name `{twice}`, and so the same parameter files")
        for cell in cells:
            cell.export_free_parameters(dirname, verbose=False)

    def log_stats(self, dirname: str) -> None:
        r"""Writes the memory and computing needs of each cell into a folder, as `Score.log_stats` does.

        Arguments:
            dirname (str): Folder to write.

        Raises:
            FileError: A file cannot be written.

        Example:
            >>> import pathlib, n2d2
            >>> n2d2.cells.Fc(2, 3, name="fc")(n2d2.Tensor([1, 2])).get_deepnet().log_stats("stats")
            >>> pathlib.Path("stats/stats.dat").read_text().split("\n")[1]
            'fc 9 9 3'
        """
        from n2d2.target import logs

        layers: dict[str, logs.Layer] = {}
        for tensor in self._outputs:
            for layer in tensor._graph_layers():
                layers.setdefault(layer[0], logs.Layer(*layer))
        logs.write_stats(Path(dirname), list(layers.values()))

    def __str__(self) -> str:
        cells = ", ".join(f"'{name}'" for name in self.get_cells())
        return f"'{self._name}' DeepNet({cells})"
