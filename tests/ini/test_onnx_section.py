"""Sections `Type=ONNX`: a trunk in an ONNX file, the sections of its cells, and its problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import n2d2
from support import ini


def write_trunk(file: Path, channels: int = 1) -> None:
    """Write a convolution of ones, a rectifier, a pooling and a last product of which `old` is the name."""

    def value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    weights = [
        numpy_helper.from_array(np.ones((4, channels, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones((4 * 4 * 4, 2), np.float32), "v"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["conv"], ["features"]),
        helper.make_node("MaxPool", ["features"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "v"], ["old"]),
    ]
    graph = helper.make_graph(nodes, "trunk", [value("x", ["n", channels, 10, 10])], [value("old", ["n", 2])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)


NET = """[database]
Type=Digits_Database
[sp]
Size=10 10 1
BatchSize=4
[sp.Transformation]
Type=RescaleTransformation
Width=10
Height=10
[trunk]
Input=sp
Type=ONNX
File={file}
{keys}
[head]
Input={name}
Type=Fc
NbOutputs=10
[sm]
Input=head
Type=Softmax
NbOutputs=10
WithLoss=1
[sm.Target]
{more}"""


def text(file: str = "trunk.onnx", keys: str = "", name: str = "small", more: str = "") -> str:
    return NET.format(file=file, keys=keys, name=name, more=more)


def names(model: n2d2.cells.DeepNetCell) -> list[str]:
    return [c.get_name() for c in model.get_cells().values()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_trunk(tmp_path / "trunk.onnx")
    return tmp_path


def test_a_cell_reads_any_output_of_the_file(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"net\.ini: nothing reads small of an ONNX file: left out"):
        model = ini.load(folder, text(name="features", keys="Ignore=old"))
    assert "conv" in names(model)
    assert model["head"].nb_inputs == 4 * 8 * 8
    assert names(model) == ["conv", "head", "sm"]
    x = n2d2.Tensor([2, 1, 10, 10], value=1.0)
    model.test()
    model(x)
    assert model["conv"].get_outputs().to_numpy().max() == 9.0


def test_the_whole_trunk(folder: Path) -> None:
    model = ini.load(folder, text(name="old"))
    assert model["head"].nb_inputs == 2
    assert names(model)[-2:] == ["head", "sm"]
    assert list(model.targets) == ["sm"]


def test_sections_of_the_cells_of_the_file(folder: Path) -> None:
    more = """[trunk:Conv_def]
ConfigSection=frozen.cfg
[frozen.cfg]
BackPropagate=0
Solvers.LearningRate=0.0
[old]
Solvers=Adam
"""
    model = ini.load(folder, text(name="old", more=more))
    assert model["conv"].back_propagate is False
    assert model["conv"].weights_solver.learning_rate == 0.0
    assert model["old"].weights_solver.get_type() == "Adam"
    assert model["conv"].get_weights()[0][0][0] == 1.0


def test_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nets", "models"):
        (tmp_path / name).mkdir()
    write_trunk(tmp_path / "models" / "trunk.onnx")
    file = "${N2D2_MODELS}/trunk.onnx"
    monkeypatch.delenv("N2D2_MODELS", raising=False)
    (problem,) = ini.problems(tmp_path / "nets", text(file))
    assert problem == ("line 13: [trunk] File: ${N2D2_MODELS} is a variable neither of the file nor of the environment")
    monkeypatch.setenv("N2D2_MODELS", str(tmp_path / "models"))
    with pytest.warns(UserWarning, match="nothing reads old"):
        assert "conv" in names(ini.load(tmp_path / "nets", text(file)))


def test_the_stimuli_may_have_another_size(folder: Path) -> None:
    given = (
        text(name="small", keys="Ignore=old").replace("10 10 1", "12 12 1").replace("=10\nHeight=10", "=12\nHeight=12")
    )
    with pytest.warns(UserWarning, match=r"trunk\.onnx: input 'x' has shape .*, that of its input is \[1, 1, 12, 12\]"):
        ini.load(folder, given)
    model = ini.load(folder, given.replace("Ignore=old", "Ignore=old\nIgnoreInputSize=1"))
    assert model["head"].nb_inputs == 4 * 5 * 5


SAMPLE = """; template-generated blocks and an ONNX trunk
DefaultModel=Frame
[sp]
Size=10 10 1
BatchSize=16
[trunk]
Input=sp
Type=ONNX
File=${N2D2_MODELS}/trunk.onnx
Ignore=flat old
[trunk:Conv_def]
ConfigSection=frozen.cfg
[blk1@block.ini.tpl]
$FROM=small ; an output name of the ONNX graph
COUNT=3
WIDTH=24
[head]
Input=blk1_conv2
Type=Fc
NbOutputs=4
[sm]
Input=head
Type=Softmax
NbOutputs=4
WithLoss=1
[sm.Target]
[frozen.cfg]
BackPropagate=0
Solvers.LearningRate=0.0
"""
BLOCK = """{% for i in range(COUNT) %}
[{{SECTION_NAME}}_conv{{i}}]
Input={% if i == 0 %}{{$FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}
Type=Conv
KernelSize=1
NbOutputs={{WIDTH}}
{% endfor %}
"""


def test_sample_template_and_trunk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("N2D2_MODELS", str(folder))
    (folder / "block.ini.tpl").write_text(BLOCK)
    with pytest.warns(UserWarning, match=r"there is no section \[database\]"):
        model = ini.load(folder, SAMPLE)
    assert names(model) == ["conv", "small", "blk1_conv0", "blk1_conv1", "blk1_conv2", "head", "sm"]
    assert model["conv"].weights_solver.learning_rate == 0.0
    assert model(n2d2.Tensor([2, 1, 10, 10])).shape() == [2, 4, 1, 1]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (text("../trunk.onnx"), "File is '../trunk.onnx': only files in the folder of the INI file or of $N2D2_MODELS"),
        (text("none.onnx"), "line 10: [trunk] "),
        (text("broken.onnx"), "line 10: [trunk] broken.onnx: "),
        (text("wide.onnx"), "line 10: [trunk] wide.onnx: "),
        (text(keys="Ignor=old"), "line 14: [trunk] Ignor is not a key of an ONNX file; did you mean Ignore?"),
        (text(keys="Transpose=1"), "line 14: [trunk] Transpose is '1', expected 0: other values are not built yet"),
        (text(keys="Ignore=nothing"), "line 10: [trunk] trunk.onnx: ignore_cells: no node makes 'nothing'"),
        (text(name="smal"), "line 16: [head] Input: there is neither a cell nor an output of an ONNX file [smal]"),
        (text(more="[trunk:Con_def]\n"), "[trunk:Con_def] is not a section of defaults; there are [trunk:Conv_def]"),
        (text(more="[trunk:Conv_def]\nNoBia=1\n"), "NoBia is not a key of a Conv cell of an ONNX file"),
        (text(more="[conv]\nNoBia=1\n"), "NoBia is not a key of a Conv cell of an ONNX file"),
        (text(more="[convv]\nNoBias=1\n"), "[convv] is used by nothing"),
        (
            text(keys="[x]\nInput=trunk\nType=Fc\nNbOutputs=2"),
            "there is neither a cell nor an output of an ONNX file [trunk]",
        ),
    ],
)
def test_problems(folder: Path, given: str, problem: str) -> None:
    (folder / "broken.onnx").write_bytes(b"\x08\x07rubbish")
    write_trunk(folder / "wide.onnx", 3)
    found = ini.problems(folder, given)
    assert any(problem in p for p in found), found
