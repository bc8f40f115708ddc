"""A LeNet described in Python, in an INI file and in an ONNX file learns the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.cells import Conv, DeepNetCell, Fc, Pool, Sequence, Softmax

INI = """
DefaultModel=Frame
[database]
Type=Digits_Database

[sp]
Size=28 28 1
BatchSize=32

[conv1]
Input=sp
Type=Conv
KernelSize=5
NbOutputs=6
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
ConfigSection=common

[pool1]
Input=conv1
Type=Pool
PoolDims=2 2
Stride=2
NbOutputs=6
Pooling=Max
Mapping.Size=1

[conv2]
Input=pool1
Type=Conv
KernelSize=5
NbOutputs=16
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
ConfigSection=common

[pool2]
Input=conv2
Type=Pool
PoolDims=2 2
Stride=2
NbOutputs=16
Pooling=Max
Mapping.Size=1

[fc1]
Input=pool2
Type=Fc
NbOutputs=120
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
ConfigSection=common

[fc2]
Input=fc1
Type=Fc
NbOutputs=10
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
ConfigSection=common

[softmax]
Input=fc2
Type=Softmax
NbOutputs=10
WithLoss=1

[softmax.Target]

[common]
Solvers.LearningRate=0.03
Solvers.Momentum=0.9
Solvers.Decay=0.0005
"""


def provider() -> n2d2.provider.DataProvider:
    return n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)


def solver() -> n2d2.solver.SGD:
    return n2d2.solver.SGD(learning_rate=0.03, momentum=0.9, decay=0.0005)


def from_python() -> DeepNetCell:
    # A file draws the partitions of its database before the weights of its cells.
    source = provider()
    relu = n2d2.activation.Rectifier
    more = n2d2.ConfigSection(
        weights_filler=n2d2.filler.He(), bias_filler=n2d2.filler.Constant(value=0.0), solver=solver()
    )
    layers = [
        Conv(1, 6, [5, 5], activation=relu(), name="conv1", **more),
        Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="pool1"),
        Conv(6, 16, [5, 5], activation=relu(), name="conv2", **more),
        Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="pool2"),
        Fc(256, 120, activation=relu(), name="fc1", **more),
        Fc(120, 10, name="fc2", **more),
        Softmax(with_loss=True, name="softmax"),
    ]
    return Sequence(layers).to_deepnet_cell(source)


def from_ini(folder: Path) -> DeepNetCell:
    (folder / "lenet.ini").write_text(INI)
    return DeepNetCell.load_from_INI(folder / "lenet.ini")


def from_onnx(folder: Path) -> DeepNetCell:
    n2d2.onnx.save(from_python(), folder / "lenet.onnx")
    n2d2.global_variables.seed = 1
    model = DeepNetCell.load_from_ONNX(provider(), folder / "lenet.onnx")
    model.set_solver(solver())
    return model


def weights(model: DeepNetCell) -> list[np.ndarray]:
    return [cell.N2D2().param(name) for cell in model._layers() for name in cell.N2D2().param_names()]


@pytest.mark.slow
def test_the_three_ways_end_with_the_same_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scores, results = {}, {}
    for way, make in (
        ("python", from_python),
        ("ini", lambda: from_ini(tmp_path)),
        ("onnx", lambda: from_onnx(tmp_path)),
    ):
        n2d2.global_variables.seed = 1
        model = make()
        n2d2.global_variables.seed = 1
        model.fit(5, log_dir=way)
        model.run_test(log_dir=way)
        (target,) = model.targets.values()
        with target.provider._showing("Test"):
            scores[way] = target.get_average_success()
        results[way] = weights(model)
    assert scores["python"] > 0.95
    assert scores["ini"] == scores["onnx"] == scores["python"]
    for way in ("ini", "onnx"):
        for own, expected in zip(results[way], results["python"], strict=True):
            np.testing.assert_array_equal(own, expected, err_msg=way)
