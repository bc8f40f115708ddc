"""What a network computes with, node by node, and how long each takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExplainedNode:
    """A cell of a network with those that are computed in its pass.

    Arguments:
        name (str): Name of the cell.
        kind (str): Its class in the engine.
        fused (tuple of str): What is computed in the same pass, in order: names of cells, those in front first, and
            classes of activations.
        kernel (str): What computes it; `docs/engine.md` lists the words.
        dtype (str): Type of its values, as NumPy names it.
        shape (tuple of int): Shape of the output.
        parameter_bytes (int): Bytes of the parameters as they lie in memory, with their padding.
        output_bytes (int): Bytes of the output.
        buffer (int, optional): Number of the buffer that holds the output until another node needs it; None if the
            output stays.
        macs (int): Multiply-accumulates of a call, as the definition of the cell has them.
        moved_bytes (int): Bytes that must move: inputs, output and parameters, once each.
        ms (float): Time of all threads together for a call, in milliseconds: the median of a few.
        gflops (float): Operations a second while all threads work, in 10^9: two for a multiply-accumulate.
        of_peak (float): Part of the machine's peak; more than 1 where an algorithm needs fewer products than the
            definition.
        gbytes (float): `moved_bytes` a second while all threads work, in 10^9.
        of_triad (float): Part of the triad's rate.

    Example:
        >>> import n2d2
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
        >>> fc = n2d2.cells.Fc(784, 10, activation=n2d2.activation.Rectifier(), name="fc")
        >>> node = n2d2.cells.Sequence([fc]).to_deepnet_cell(provider).test().explain().nodes[0]
        >>> node.name, node.fused, node.shape, node.macs, node.output_bytes, node.kernel.split()[0]
        ('fc', ('Rectifier',), (32, 10, 1, 1), 251200, 1280, 'dense')
    """

    name: str
    kind: str
    fused: tuple[str, ...]
    kernel: str
    dtype: str
    shape: tuple[int, ...]
    parameter_bytes: int
    output_bytes: int
    buffer: int | None
    macs: int
    moved_bytes: int
    ms: float
    gflops: float
    of_peak: float
    gbytes: float
    of_triad: float


@dataclass(frozen=True)
class Explanation:
    """What `DeepNetCell.explain` finds; as text, a table.

    Arguments:
        nodes (tuple of ExplainedNode): The nodes in the order in which they are computed.
        is_fused (bool): True if all cells are in test mode, in which they are computed in each other's passes and
            buffers are used again; else each cell is a node, and its output is kept for the way back.
        call_ms (float): Time of a whole call, in milliseconds: the median of a few.
        threads (int): Number of threads.
        peak_gflops (float): Fused multiply-adds of these threads in registers, measured before and after the calls.
        triad_gbytes (float): What these threads read and write by `a = b + s c` in the caches, in 10^9 bytes a second.

    Example:
        >>> import n2d2
        >>> from n2d2.cells import BatchNorm2d, Conv, Sequence
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=2)
        >>> model = Sequence([Conv(1, 4, [3, 3], name="conv"), BatchNorm2d(4, name="norm")]).to_deepnet_cell(provider)
        >>> found = model.test().explain()
        >>> [(node.name, node.fused) for node in found.nodes], found.is_fused
        ([('conv', ('norm',))], True)
        >>> print(str(found).splitlines()[0].split()[:5])
        ['node', 'class', 'fused', 'kernel', 'output']
        >>> [node.name for node in model.learn().explain().nodes]
        ['conv', 'norm']
    """

    nodes: tuple[ExplainedNode, ...]
    is_fused: bool
    call_ms: float
    threads: int
    peak_gflops: float
    triad_gbytes: float

    def __str__(self) -> str:
        from n2d2.cli.table import size, table

        total = sum(node.ms for node in self.nodes) or 1.0
        rows = [
            [
                node.name,
                node.kind,
                ", ".join(node.fused),
                node.kernel,
                "x".join(str(n) for n in node.shape),
                "" if node.buffer is None else node.buffer,
                size(node.output_bytes),
                size(node.parameter_bytes) if node.parameter_bytes else "",
                f"{node.macs / 1e6:,.2f}" if node.macs else "",
                f"{node.ms:.4f}",
                f"{100 * node.ms / total:.1f}",
                *([f"{node.gflops:.1f}", f"{100 * node.of_peak:.0f} %"] if node.macs else ["", ""]),
                f"{node.gbytes:.1f}",
                f"{100 * node.of_triad:.0f} %",
            ]
            for node in self.nodes
        ]
        sizes = ["buffer", "bytes", "parameters", "million MAC"]
        numbers = [*sizes, "ms", "%", "GFLOP/s", "of peak", "GB/s", "of triad"]
        text = table(["node", "class", "fused", "kernel", "output", *numbers], rows, right=numbers)
        held: dict[int, int] = {}
        for node in self.nodes:
            if node.buffer is not None:
                held[node.buffer] = max(held.get(node.buffer, 0), node.output_bytes)
        buffers = f"{len(held)} buffers of {size(sum(held.values()))}" if held else "no buffers used again"
        mode = "test mode, fused" if self.is_fused else "every cell recorded"
        types = ", ".join(dict.fromkeys(node.dtype for node in self.nodes))
        return (
            f"{text}\n{mode}; {types}; a call takes {self.call_ms:.4f} ms on {self.threads} threads; {buffers}; "
            f"peak {self.peak_gflops:.0f} GFLOP/s, triad {self.triad_gbytes:.0f} GB/s"
        )
