"""What a network says of its kernels, its memory and its time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import (
    BatchNorm2d,
    Conv,
    ConvDepthWise,
    DeepNetCell,
    ElemWise,
    Explanation,
    Fc,
    Layer,
    Pool,
    Sequence,
    Softmax,
)
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.train import Profile


def network(body: Sequence, channels: int, size: int, batch: int = 4) -> DeepNetCell:
    images = n2d2.Tensor([batch, channels, size, size], value=0.5)
    return body.to_deepnet_cell(n2d2.provider.TensorPlaceholder(images))


def lenet() -> DeepNetCell:
    cells = [
        Conv(1, 6, [5, 5], activation=Rectifier(), name="conv1"),
        Pool([2, 2], stride_dims=[2, 2], name="pool1"),
        Conv(6, 16, [5, 5], activation=Rectifier(), name="conv2"),
        Pool([2, 2], stride_dims=[2, 2], name="pool2"),
        Fc(256, 10, name="fc"),
        Softmax(with_loss=True, name="softmax"),
    ]
    return network(Sequence(cells), 1, 28)


def parts(found: Explanation) -> list[tuple[str, tuple[str, ...], str]]:
    """Name, what is fused, and the first words of the kernel of each node."""
    isa = n2d2._core.isa()
    kernels = [node.kernel.removesuffix(f" {isa}").split() for node in found.nodes]
    return [(n.name, n.fused, " ".join(kernel[:2])) for n, kernel in zip(found.nodes, kernels, strict=True)]


def test_a_lenet() -> None:
    model = lenet()
    found = model.test().explain()
    assert parts(found) == [
        ("conv1", ("Rectifier",), "direct 5x5"),
        ("pool1", (), "loops"),
        ("conv2", ("Rectifier",), "direct 5x5"),
        ("pool2", (), "loops"),
        ("fc", (), "dense " + found.nodes[4].kernel.split()[1]),
        ("softmax", (), "loops"),
    ]
    conv1, softmax = found.nodes[0], found.nodes[-1]
    assert (conv1.kind, conv1.dtype, conv1.shape) == ("Conv", "float32", (4, 6, 24, 24))
    assert (conv1.macs, conv1.output_bytes) == (4 * (24 * 24 * 6 * 25 + 6), 4 * 4 * 6 * 24 * 24)
    assert conv1.parameter_bytes >= 4 * 156
    assert (conv1.buffer, softmax.buffer) == (0, None)
    assert softmax.macs == softmax.gflops == 0
    for node in found.nodes:
        assert node.ms > 0
        assert np.isclose(node.gflops, 2 * node.macs * found.threads / node.ms / 1e6)
        assert np.isclose(node.of_peak, node.gflops / found.peak_gflops)
        assert np.isclose(node.of_triad, node.gbytes / found.triad_gbytes)
    assert found.call_ms > 0
    assert found.threads == n2d2.global_variables.nb_threads
    with pytest.raises(dataclasses.FrozenInstanceError):
        conv1.ms = 0.0  # type: ignore[misc]


def test_the_table_has_a_row_a_node_and_what_was_measured_with() -> None:
    found = lenet().test().explain(batch_size=2)
    lines = str(found).splitlines()
    assert len(lines) == 2 + 6 + 1
    assert lines[0].split()[:8] == ["node", "class", "fused", "kernel", "output", "buffer", "bytes", "parameters"]
    assert "2x6x24x24" in lines[2]
    assert "27.0 KiB" in lines[2]
    assert lines[3].split()[:3] == ["pool1", "Pool", "loops"]
    assert lines[-1].startswith("test mode, fused; float32; a call takes ")
    assert f"peak {found.peak_gflops:.0f} GFLOP/s" in lines[-1]


def test_a_mobilenet_block() -> None:
    cells = [
        ConvDepthWise(32, [3, 3], padding_dims=[1, 1], no_bias=True, name="depthwise"),
        BatchNorm2d(32, activation=Rectifier(), name="norm1"),
        Conv(32, 64, [1, 1], no_bias=True, name="pointwise"),
        BatchNorm2d(64, activation=Rectifier(), name="norm2"),
    ]
    model = network(Sequence(cells), 32, 16)
    found = model.test().explain()
    led = ("depthwise", "norm1", "Rectifier", "norm2", "Rectifier")
    assert parts(found) == [("pointwise", led, "depthwise rows")]
    assert ", direct 1x1 " in found.nodes[0].kernel
    assert parts(network(Sequence(cells), 32, 16, batch=1).test().explain()) == [
        ("depthwise", ("norm1", "Rectifier"), "depthwise rows"),
        ("pointwise", ("norm2", "Rectifier"), "direct 1x1"),
    ]
    found = model.learn().explain()
    assert not found.is_fused
    assert parts(found) == [
        ("depthwise", (), "depthwise rows"),
        ("norm1", ("Rectifier",), "loops"),
        ("pointwise", (), "direct 1x1"),
        ("norm2", ("Rectifier",), "loops"),
    ]
    assert {node.buffer for node in found.nodes} == {None}
    assert "every cell recorded" in str(found)


def test_a_residual_block() -> None:
    main = Sequence([Conv(32, 32, [3, 3], padding_dims=[1, 1], name="main"), BatchNorm2d(32, name="norm")])
    cells = [
        Conv(3, 32, [3, 3], padding_dims=[1, 1], name="stem"),
        Layer([main, Sequence([])]),
        ElemWise(operation="Sum", activation=Rectifier(), name="sum"),
    ]
    found = network(Sequence(cells), 3, 16).test().explain()
    assert parts(found) == [
        ("stem", (), "direct 3x3"),
        ("main", ("norm", "sum", "Rectifier"), "winograd F(4x4,3x3)"),
    ]


def test_training_goes_on_as_if_there_had_been_none() -> None:
    def trained(explains: bool) -> list[bytes]:
        n2d2.global_variables.seed = 4
        cells = [
            Conv(1, 4, [3, 3], name="conv"),
            BatchNorm2d(4, name="norm"),
            n2d2.cells.Dropout(dropout=0.5, name="drop"),
            Fc(4 * 36, 3, name="fc"),
        ]
        model = network(Sequence(cells), 1, 8)
        model.set_solver(n2d2.solver.SGD(learning_rate=0.1, momentum=0.9))
        for _ in range(3):
            y = model(n2d2.Tensor([4, 1, 8, 8], value=0.5))
            assert isinstance(y, n2d2.Tensor)
            y.back_propagate(np.ones((4, 3, 1, 1), np.float32))
            if explains:
                assert len(model.explain(batch_size=3).nodes) == 4
            model.update()
        model.test()
        found = model(n2d2.Tensor([4, 1, 8, 8], value=0.25))
        assert isinstance(found, n2d2.Tensor)
        params = [cell.N2D2().param(n).tobytes() for cell in cells for n in cell.N2D2().param_names()]  # type: ignore[attr-defined]
        return [found.to_numpy().tobytes(), *params]

    assert trained(explains=True) == trained(explains=False)


def test_a_profile_does_not_see_it() -> None:
    model = lenet().test()
    with Profile() as profile:
        model.explain()
    assert profile.passes == []


def test_the_batch_size_is_that_of_the_provider_or_given() -> None:
    model = lenet().test()
    assert model.explain().nodes[0].shape[0] == 4
    assert model.explain(7).nodes[0].shape[0] == 7
    with pytest.raises(WrongInputType, match="batch_size"):
        model.explain("many")  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="batch_size"):
        model.explain(0)


def test_a_cell_that_computes_in_python_is_named() -> None:
    class Twice(Fc):
        def __call__(self, inputs: n2d2.Tensor | n2d2.Interface) -> n2d2.Tensor:
            return super().__call__(inputs)

    model = network(Sequence([Fc(4, 4, name="one"), Twice(4, 2, name="two")]), 1, 2)
    with pytest.raises(StateError, match=r"explain: `two` computes in Python.*n2d2.train.Profile"):
        model.explain()
