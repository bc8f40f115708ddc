"""The INI file that `DeepNetCell.load_from_ONNX` takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import n2d2
from n2d2.error_handler import MissingFileError, ModelFileError, WrongInputType
from n2d2.ini.settings import read_settings
from support import ini


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    value = helper.make_tensor_value_info
    weights = [
        numpy_helper.from_array(np.ones((4, 1, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones((4 * 8 * 8, 2), np.float32), "v"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], kernel_shape=[3, 3]),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("MatMul", ["flat", "v"], ["y"]),
    ]
    inputs, outputs = [value("x", TensorProto.FLOAT, ["n", 1, 10, 10])], [value("y", TensorProto.FLOAT, ["n", 2])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    file = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def load(folder: Path, text: str) -> n2d2.cells.DeepNetCell:
    provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [10, 10, 1])
    file = ini.write(folder, text, "onnx.ini")
    return n2d2.cells.DeepNetCell.load_from_ONNX(provider, str(folder / "net.onnx"), ini_file=str(file))


def test_defaults_and_sections_of_cells(tmp_path: Path, model_file: Path) -> None:
    text = """$RATE=0.5
[onnx:Conv_def]
ConfigSection=frozen
[frozen]
BackPropagate=0
Solvers.LearningRate=$(${RATE} / 5)
[y]
Solvers=Adam
WeightsSolver.Beta1=0.8
"""
    model = load(tmp_path, text)
    assert model["conv"].back_propagate is False
    assert model["conv"].weights_solver.learning_rate == 0.1
    assert (model["y"].weights_solver.get_type(), model["y"].weights_solver.beta1) == ("Adam", 0.8)
    assert model["conv"].get_weights()[0][0][0] == 1.0


def test_options(tmp_path: Path) -> None:
    settings = read_settings(ini.write(tmp_path, "[onnx]\nIgnore=a b\nIgnoreInputSize=1\nCNTK=1\n"))
    assert settings.ignored == ["a", "b"]
    assert settings.ignore_input_size
    empty = read_settings(ini.write(tmp_path, ""))
    assert (empty.ignored, empty.ignore_input_size) == ([], False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[onnx]\nIgnor=a\n", "line 2: [onnx] Ignor is not a key of an ONNX file; did you mean Ignore?"),
        ("[onnx]\nTranspose=1\n", "line 2: [onnx] Transpose is '1', expected 0: other values are not built yet"),
        ("[onnx]\n[onnx:Con_def]\n", "line 2: [onnx:Con_def] is not a section of defaults"),
        ("DefaultModel=Spike\n", "Model=Spike: simulations of spikes are not part of this library"),
        ("[onnx]\nfoo\n", "line 2: [onnx] expected key=value, got 'foo'"),
    ],
)
def test_problems_of_the_file(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_settings(ini.write(tmp_path, text))
    assert problem in str(caught.value)


def test_problems_of_a_cell(tmp_path: Path, model_file: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        load(tmp_path, "[conv]\nNoBia=1\n")
    assert "line 2: [conv] NoBia is not a key of a Conv cell of an ONNX file; did you mean NoBias?" in str(caught.value)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_settings(tmp_path / "none.ini")
    with pytest.raises(WrongInputType, match="ini_file must be of type str, PathLike, got int"):
        read_settings(3)
