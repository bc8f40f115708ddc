"""Whole files: the samples of the grammar, layer order, templates, and what is said about a file with many mistakes."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import FileError, MissingFileError, ModelFileError, WrongInputType
from n2d2.ini.network import read_network
from support import ini

BASIC = """; a classifier with shared parameters, references and a decay per epoch
DefaultModel=Frame
$CLASSES=10

[database]
Type=MNIST_IDX_Database
DataPath=.
Validation=0.1

[sp]
SizeX=28
SizeY=28
BatchSize=50

[stem]
Input=sp
Type=Conv
KernelSize=3
Padding=1
NbOutputs=8
ActivationFunction=Rectifier
WeightsFiller=HeFiller
ConfigSection=all.cfg,nobias.cfg

[down]
Input=stem
Type=Pool
PoolDims=2 2
Stride=2
NbOutputs=[stem]NbOutputs
Pooling=Max
Mapping.Size=1

[scores]
Input=down
Type=Fc
NbOutputs=${CLASSES}
WeightsFiller=XavierFiller
ConfigSection=all.cfg

[prob]
Input=scores
Type=Softmax
NbOutputs=[scores]NbOutputs
WithLoss=1

[prob.Target]
TopN=2

[all.cfg]
Solvers.LearningRate=0.02
Solvers.LearningRatePolicy=StepDecay
Solvers.LearningRateStepSize=[sp]_EpochSize
Solvers.LearningRateDecay=0.5
WeightsSolver.Momentum=0.9
WeightsSolver.Decay=0.0001

[nobias.cfg]
NoBias=1
"""

RESIDUAL = """; inheritance, expressions, residual sum, batch norm, depth-wise mapping, clipping
DefaultModel=Frame
$W=16

[database]
Type=MNIST_IDX_Database
DataPath=${N2D2_DATA}/digits

[sp]
Size=32 32 1
BatchSize=$(4 * 8)
[sp.Transformation-size]
Type=RescaleTransformation
Width=32
Height=32
[sp.OnTheFlyTransformation-flip]
Type=FlipTransformation
ApplyTo=LearnOnly
RandomHorizontalFlip=1

[cbase]
Type=Conv
KernelSize=3
Padding=1
NbOutputs=${W}
WeightsFiller=HeFiller
ConfigSection=c.cfg
[bbase]
Type=BatchNorm
NbOutputs=${W}
ActivationFunction=Rectifier
ActivationFunction.Clipping=6

[c0] cbase
Input=sp
[b0] bbase
Input=c0
[dw] cbase
Input=b0
Mapping.ChannelsPerGroup=1
[bdw] bbase
Input=dw
[add]
Input=b0,bdw
Type=ElemWise
Operation=Sum
NbOutputs=${W}
[gap]
Input=add
Type=Pool
PoolDims=[add]_OutputsWidth [add]_OutputsHeight
NbOutputs=${W}
Pooling=Average
Mapping.Size=1
[fc]
Input=gap
Type=Fc
NbOutputs=5
[soft]
Input=fc
Type=Softmax
NbOutputs=5
WithLoss=1
[soft.Target]
LabelsMapping=five_classes.dat
[c.cfg]
NoBias=1
Solvers.LearningRate=0.05
Solvers.LearningRatePolicy=CosineDecay
Solvers.LearningRateStepSize=[sp]_EpochSize
Solvers.MaxIterations=100
"""

ENCODER = """; auto-encoder: data as target, Adam, deconvolution, signed data
DefaultModel=Frame
[database]
Type=MNIST_IDX_Database
DataPath=.
[sp]
SizeX=28
SizeY=28
BatchSize=32
TargetSize=28 28 1
ConfigSection=sp.cfg
[sp.cfg]
DataSignedMapping=1
[enc]
Input=sp
Type=Conv
KernelSize=4
Stride=2
Padding=1
NbOutputs=12
ActivationFunction=Tanh
Solvers=Adam
Solvers.LearningRate=0.002
[dec]
Input=enc
Type=Deconv
KernelSize=4
Stride=2
Padding=1
NbOutputs=1
ActivationFunction=Tanh
Solvers=Adam
[dec.Target]
DataAsTarget=1
ConfusionRangeMin=-1.0
"""

BLOCK = """{% for i in range(COUNT) %}
[{{SECTION_NAME}}_conv{{i}}]
Input={% if i == 0 %}{{$FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}
Type=Conv
KernelSize=1
NbOutputs={{WIDTH}}
{% endfor %}
"""


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def write_mnist(folder: Path, count: int = 100) -> None:
    """Write images whose lines are as bright as their label says."""
    folder.mkdir(exist_ok=True)
    labels = np.arange(count) % 10
    images = np.zeros((count, 28, 28))
    images[np.arange(count), 2 * labels] = 250
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


def trains(model: n2d2.cells.DeepNetCell) -> float:
    """Make steps on one batch and return the last loss over the first."""
    provider = model.provider
    assert isinstance(provider, n2d2.provider.DataProvider)
    (target,) = model.targets.values()
    provider.set_partition("Learn")
    losses = []
    for _ in range(8):
        loss = target(model(provider.read_batch(0)))
        losses.append(loss[0])
        loss.back_propagate()
        loss.update()
    return float(losses[-1] / losses[0])


def test_sample_basic(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    model = ini.load(tmp_path, BASIC)
    assert [c.get_name() for c in model.get_cells().values()] == ["stem", "down", "scores", "prob"]
    stem, scores = model["stem"], model["scores"]
    assert (stem.no_bias, scores.no_bias) == (True, False)
    assert stem.weights_solver.learning_rate_step_size == 90
    assert (scores.weights_solver.momentum, scores.bias_solver.momentum) == (0.9, 0.0)
    assert model.targets["prob"].top_n == 2
    assert model(n2d2.Tensor([3, 1, 28, 28])).shape() == [3, 10, 1, 1]
    assert trains(model) < 0.9


def test_sample_residual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "digits")
    monkeypatch.setenv("N2D2_DATA", str(tmp_path))
    (tmp_path / "five_classes.dat").write_text("".join(f"{i} {i // 2}\n" for i in range(10)))
    model = ini.load(tmp_path, RESIDUAL)
    names = [c.get_name() for c in model.get_cells().values()]
    assert names == ["c0", "b0", "dw", "bdw", "add", "gap", "fc", "soft"]
    assert model.provider.get_batch_size() == 32
    np.testing.assert_array_equal(model["dw"].mapping.to_numpy(), np.eye(16, dtype=bool))
    assert model["bdw"].activation.clipping == 6.0
    assert model["gap"].pool_dims == [32, 32]
    assert model["c0"].weights_solver.learning_rate_policy == "CosineDecay"
    assert trains(model) < 1.0


def test_sample_auto_encoder(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    model = ini.load(tmp_path, ENCODER)
    assert model["enc"].weights_solver.learning_rate == 0.002
    assert model["dec"].weights_solver.get_type() == "Adam"
    assert model.targets["dec"].data_as_target
    x = model.provider.read_batch(0).to_numpy()
    assert x.min() == -1.0
    assert x.max() == np.float32((250 - 128) / 128)
    assert trains(model) < 1.0


TEMPLATE = f"{ini.HEAD}[features]\nInput=sp\nType=Conv\nKernelSize=5\nNbOutputs=4\n"


def test_templates_make_sections(tmp_path: Path) -> None:
    (tmp_path / "block.ini.tpl").write_text(BLOCK)
    text = "[blk1@block.ini.tpl]\n$FROM=features ; a cell\nCOUNT=3\nWIDTH=$(20 + 4)\n"
    model = ini.load(tmp_path, f"{TEMPLATE}{text}{ini.TAIL.format('blk1_conv2')}")
    names = [c.get_name() for c in model.get_cells().values()]
    assert names == ["features", "blk1_conv0", "blk1_conv1", "blk1_conv2", "fc"]
    assert model["blk1_conv2"].nb_outputs == 24


def test_templates_include_files_and_know_their_parent(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "outer.tpl").write_text("[x]\nInput=features\nType=Fc\n{% include parts/inner.tpl %}\n")
    (tmp_path / "parts" / "inner.tpl").write_text("NbOutputs=[${PARENT_SECTION_NAME}]N\n")
    # A reference is evaluated before variables, so that this one stays a text.
    text = f"{TEMPLATE}[host@parts/outer.tpl]\nN=3\n{ini.TAIL.format('x')}"
    (problem,) = ini.problems(tmp_path, text)
    assert problem.startswith("parts/outer.tpl for [host], line 4: [x] NbOutputs is '[host]N', expected an integer")
    (tmp_path / "parts" / "inner.tpl").write_text("NbOutputs=[{{SECTION_NAME}}]N\n")
    assert ini.load(tmp_path, text)["x"].nb_outputs == 3


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("missing.tpl", None, "line 11: [host@missing.tpl]: missing.tpl: no such file"),
        ("../a.tpl", None, "line 11: [host]: ../a.tpl: only files in the folder of the INI file are read"),
        ("/etc/passwd", None, "line 11: [host]: /etc/passwd: only files in the folder of the INI file are read"),
        ("a.tpl", "{{NO}}", "line 11: [host@a.tpl]: line 1: 'NO' has no value; there are N, SECTION_FILE_NAME"),
        ("a.tpl", "{% include ../b %}", "line 11: [host]: ../b: only files in the folder of the INI file are read"),
        ("a.tpl", "x=1\n", "a.tpl for [host], line 1: a template must begin with a section"),
        ("a.tpl", "[{{SECTION_NAME}}@a.tpl]\n", "a.tpl for [host], line 1: [host] is there twice, first at line 11"),
        ("a.tpl", "[{{SECTION_NAME}}x@a.tpl]\n", "templates are nested more than 8 deep"),
    ],
)
def test_problems_of_templates(tmp_path: Path, name: str, content: str | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    found = ini.problems(tmp_path, f"{TEMPLATE}[host@{name}]\nN=1\n{ini.TAIL.format('features')}")
    assert any(problem in text for text in found), found


def test_order_is_by_inputs_then_by_file(tmp_path: Path) -> None:
    conv = "Type=Conv\nKernelSize=1\nNbOutputs=1\n"
    text = "".join(
        f"[{name}]\nInput={inputs}\n{conv}" for name, inputs in [("d", "c,a"), ("c", "b"), ("b", "sp"), ("a", "sp")]
    )
    model = ini.load(tmp_path, f"{ini.HEAD}{text}{ini.TAIL.format('d')}")
    assert [c.get_name() for c in model.get_cells().values()] == ["b", "a", "c", "d", "fc"]


def test_several_outputs_and_targets(tmp_path: Path) -> None:
    net = "[a]\nInput=sp\nType=Fc\nNbOutputs=10\n[b] a\nInput=a\nNbOutputs=10\n[a.Target]\n[b.Target]\n"
    model = ini.load(tmp_path, ini.HEAD + net)
    assert sorted(model.targets) == ["a", "b"]
    outputs = model(n2d2.Tensor([2, 1, 28, 28]))
    assert isinstance(outputs, n2d2.Interface)
    assert [t.cell.get_name() for t in outputs.get_tensors()] == ["a", "b"]


def test_a_bom_and_quotes(tmp_path: Path) -> None:
    file = tmp_path / "net.ini"
    text = f'{ini.HEAD}[c]\nInput="sp" ; "quoted; " #\nType="Fc"\nNbOutputs=2\n[c.Target]\n'
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert n2d2.ini.load(str(file))["c"].nb_outputs == 2


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = """DefaultModl=Frame
[database]
Type=Digits_Databas
[sp]
Size=28 28 1
BatchSiz=50
[conv1]
Input=sp
Type=Conv
KernelSiz=3
NbOutputs=[conv0]NbOutputs
ConfigSection=comon.cfg
[lstm]
Input=conv1
Type=LSTM
[fc]
Input=conv2
Type=Fc
NbOutputs=$(9**9**9)
[softmax]
Input=fc
Type=Softmax
NbOutputs=[fc]NbOutput
WithLos=1
[softmax.Targt]
[common.cfg]
Solvers.LearningRat=0.1
[a]
Input=b
Type=Fc
NbOutputs=1
[b]
Input=a
bla
"""
    expected = [
        "line 1: DefaultModl is not a key of the global section; did you mean DefaultModel?",
        "line 3: [database] Type is 'Digits_Databas', expected one of MNIST_IDX_Database, Digits_Database",
        "line 6: [sp] BatchSiz is not a key of a provider; did you mean BatchSize?",
        "line 7: [conv1] KernelDims, KernelSize, or KernelWidth and KernelHeight is missing: a Conv cell needs it",
        "line 10: [conv1] KernelSiz is not a key of a Conv cell; did you mean KernelSize?",
        (
            "line 11: [conv1] NbOutputs is '[conv0]NbOutputs', expected an integer from 1 to 2147483647 "
            "(there is no section [conv0])"
        ),
        "line 12: [conv1] ConfigSection: there is no section [comon.cfg]; did you mean common.cfg?",
        "line 15: [lstm] Type=LSTM: cells of this type are not available; there are Conv",
        "line 17: [fc] Input: there is no cell [conv2]; did you mean conv1?",
        "line 19: [fc] NbOutputs: $(9**9**9): a power is out of range",
        "line 23: [softmax] NbOutputs refers to [fc]NbOutput, but [fc] has no such property; did you mean NbOutputs?",
        "line 24: [softmax] WithLos is not a key of a Softmax cell; did you mean WithLoss?",
        "line 25: [softmax.Targt] is used by nothing; did you mean softmax.Target?",
        "line 26: [common.cfg] is used by nothing",
        "line 29: cells are inputs of each other, in a circle: [a], [b]",
        "line 34: [b] expected key=value, got 'bla'",
        "there is no target: a section with the name of a cell and .Target is needed, such as [softmax.Target]",
    ]
    found = ini.problems(tmp_path, text)
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no section [sp]"),
        ("[x]\nType=Fc\n", "[x] is used by nothing: a cell needs an Input="),
        (
            f"{ini.HEAD}[base]\nType=Fc\n[c]\nInput=base\nType=Fc\nNbOutputs=2\n[c.Target]\n",
            "[c] Input: [base] is not a cell, because it has no Input=",
        ),
        (
            f"{ini.HEAD}[c]\nInput= ,\nType=Fc\nNbOutputs=2\n[c.Target]\n",
            "[c] Input is empty, expected sp or names of cells",
        ),
        (
            "InsertBatchNormAfterConv=1\n",
            "line 1: InsertBatchNormAfterConv is '1', expected 0: other values are not built yet",
        ),
        ("DefaultDataType=Float16\n", "line 1: DefaultDataType is 'Float16', expected one of Float32"),
    ],
)
def test_problems(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.warns(UserWarning, match="no section") if "[database]" not in text else contextlib.nullcontext():
        found = ini.problems(tmp_path, text)
    assert any(problem in p for p in found), found


def test_a_network_without_drawn_weights(tmp_path: Path) -> None:
    text = f"{ini.HEAD}[c]\nInput=sp\nType=Conv\nKernelSize=3\nNbOutputs=2\n{ini.TAIL.format('c')}"
    network = read_network(ini.write(tmp_path, text), draw=False)
    (output,) = network.outputs
    assert output.cell is not None
    assert {w[0] for row in output.cell.get_weights() for w in row} == {0.0}


def test_warnings_name_the_line_that_loads(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no section") as caught:
        n2d2.ini.load(ini.write(tmp_path, "[sp]\nSize=2 2\n[c]\nInput=sp\nType=Fc\nNbOutputs=2\n[c.Target]\n"))
    assert caught[0].filename == __file__


def test_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.ini: no such file"):
        n2d2.ini.load(tmp_path / "none.ini")
    with pytest.raises(FileError, match="not a file"):
        n2d2.ini.load(tmp_path)
    with pytest.raises(WrongInputType, match=r"load: path must be of type str, PathLike, got int"):
        n2d2.ini.load(3)
    with pytest.raises(WrongInputType):
        n2d2.ini.load(b"net.ini")
    file = ini.write(tmp_path, "x\n")
    with pytest.warns(UserWarning, match="no section"), pytest.raises(ModelFileError, match=r"net\.ini: \d problems"):
        n2d2.ini.load(file)


LENET = """[database]
Type=Digits_Database
Validation=0.1
[sp]
Size=32 32 1
BatchSize=32
[sp.Transformation]
Type=RescaleTransformation
Width=32
Height=32
[conv1]
Input=sp
Type=Conv
KernelSize=5
NbOutputs=6
ActivationFunction=Rectifier
WeightsFiller=HeFiller
ConfigSection=common
[pool1]
Input=conv1
Type=Pool
PoolSize=2
Stride=2
NbOutputs=[conv1]NbOutputs
Pooling=Max
Mapping.Size=1
[conv2] conv1
Input=pool1
NbOutputs=16
[pool2] pool1
Input=conv2
NbOutputs=16
[conv3] conv1
Input=pool2
NbOutputs=120
[fc1]
Input=conv3
Type=Fc
NbOutputs=84
ActivationFunction=Rectifier
WeightsFiller=HeFiller
ConfigSection=common
[drop]
Input=fc1
Type=Dropout
NbOutputs=84
Dropout=0.2
[fc2]
Input=drop
Type=Fc
NbOutputs=10
WeightsFiller=XavierFiller
ConfigSection=common
[softmax]
Input=fc2
Type=Softmax
NbOutputs=10
WithLoss=1
[softmax.Target]
[common]
NoBias=0
Solvers.LearningRate=0.05
Solvers.Momentum=0.9
Solvers.Decay=0.0005
Solvers.LearningRatePolicy=StepDecay
Solvers.LearningRateStepSize=[sp]_EpochSize
Solvers.LearningRateDecay=0.7
"""


@pytest.mark.slow
def test_lenet_learns_the_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    n2d2.global_variables.seed = 1
    model = n2d2.cells.DeepNetCell.load_from_INI(str(ini.write(tmp_path, LENET)))
    model.fit(4)
    model.run_test()
    assert model.targets["softmax"].get_average_success() > 0.94
