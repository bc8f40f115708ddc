"""Every type of cell, every key, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import n2d2
from support import ini


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("Type=Conv\nKernelSize=3\nNbOutputs=4", {"kernel_dims": [3, 3], "nb_inputs": 1, "nb_outputs": 4}),
        ("Type=Conv\nKernelDims=3 5\nNbOutputs=4", {"kernel_dims": [5, 3]}),
        ("Type=Conv\nKernelDims=3\nNbOutputs=4", {"kernel_dims": [3, 3]}),
        ("Type=Conv\nKernelWidth=3\nKernelHeight=5\nNbOutputs=4", {"kernel_dims": [5, 3]}),
        (
            "Type=Conv\nKernelSize=3\nNbOutputs=2\nStride=2\nPaddingX=1\nDilationDims=2 1\nSubSampleY=2",
            {"stride_dims": [2, 2], "padding_dims": [0, 1], "dilation_dims": [1, 2], "sub_sample_dims": [2, 1]},
        ),
        (
            (
                "Type=Conv\nKernelSize=1\nNbOutputs=2\nNoBias=1\nBackPropagate=0\nWeightsExportFormat=HWCO\n"
                "WeightsExportFlip=1\nOutputsRemap=0:2,1:2"
            ),
            {
                "no_bias": True,
                "back_propagate": False,
                "weights_export_format": "HWCO",
                "weights_export_flip": True,
                "outputs_remap": "0:2,1:2",
            },
        ),
        ("Type=Deconv\nKernelSize=4\nStride=2\nPadding=1\nNbOutputs=3", {"kernel_dims": [4, 4], "nb_outputs": 3}),
        (
            "Type=Fc\nNbOutputs=5\nDropConnect=0.8\nNormalize=1\nWeightsExportFormat=CO",
            {"nb_inputs": 784, "nb_outputs": 5, "drop_connect": 0.8, "normalize": True, "weights_export_format": "CO"},
        ),
        (
            "Type=Pool\nPoolWidth=2\nPoolHeight=4\nStrideX=2\nStrideY=4\nPooling=Average\nNbOutputs=1\nMapping.Size=1",
            {"pool_dims": [4, 2], "stride_dims": [4, 2], "pooling": "Average"},
        ),
        ("Type=Softmax\nNbOutputs=1\nWithLoss=1\nGroupSize=1", {"with_loss": True, "group_size": 1}),
        ("Type=Dropout\nNbOutputs=1\nDropout=0.2", {"dropout": 0.2}),
        ("Type=Activation\nNbOutputs=1\nActivationFunction=Tanh", {}),
        (
            "Type=BatchNorm\nNbOutputs=1\nEpsilon=0.001\nMovingAverageMomentum=0.2",
            {"epsilon": 0.001, "moving_average_momentum": 0.2, "nb_inputs": 1},
        ),
        (
            "Type=ElemWise\nOperation=Sum\nWeights=2.0\nShifts=0.5\nNbOutputs=1",
            {"operation": "Sum", "mode": "PerInput", "weights": [2.0], "shifts": [0.5]},
        ),
        ("Type=ElemWise\nOperation=Prod\nCoeffMode=PerLayer\nNbOutputs=1", {"operation": "Prod", "mode": "PerLayer"}),
        (
            "Type=Padding\nTopPadding=1\nBottomPadding=2\nLeftPadding=3\nRightPadding=-4\nNbOutputs=1",
            {"top_pad": 1, "bot_pad": 2, "left_pad": 3, "right_pad": -4},
        ),
        ("Type=LRN\nNbOutputs=1\nN=3\nAlpha=0.1\nBeta=0.5\nK=1", {"n": 3, "alpha": 0.1, "beta": 0.5, "k": 1.0}),
        ("Type=Reshape\nDims=14 14 4\nNbOutputs=4", {"dims": [14, 14, 4]}),
        (
            "Type=Resize\nOutputWidth=7\nOutputHeight=14\nMode=BilinearTF\nAlignCorners=0\nNbOutputs=1",
            {"outputs_width": 7, "outputs_height": 14, "resize_mode": "BilinearTF", "align_corners": False},
        ),
        ("Type=Transpose\nPerm=2 1 0\nNbOutputs=28", {"perm": [2, 1, 0]}),
    ],
    ids=lambda value: value.split("\n")[0] if isinstance(value, str) else "",
)
def test_keys_reach_the_cell(tmp_path: Path, keys: str, expected: dict[str, Any]) -> None:
    cell = ini.cell(tmp_path, f"[c]\nInput=sp\n{keys}")
    assert {name: cell.get_parameter(name) for name in expected} == expected
    assert cell.get_name() == "c"


def test_scaling_and_transformation(tmp_path: Path) -> None:
    cell = ini.cell(tmp_path, "[c]\nInput=sp\nType=Scaling\nFactor=0.5\nNbOutputs=1")
    assert cell.scaling.scaling_per_output == [0.5]
    text = "[c]\nInput=sp\nType=Transformation\nTransformation=RescaleTransformation\nWidth=7\nHeight=14\nNbOutputs=1"
    cell = ini.cell(tmp_path, text)
    assert cell.transformation.get_type() == "Rescale"
    assert cell(n2d2.Tensor([1, 1, 28, 28])).shape() == [1, 1, 14, 7]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("Rectifier", "Rectifier(clipping=0.0, leak_slope=0.0, quantizer=None)"),
        (
            "Rectifier\nActivationFunction.Clipping=6\nActivationFunction.LeakSlope=0.1",
            "Rectifier(clipping=6.0, leak_slope=0.1, quantizer=None)",
        ),
        ("Linear\nActivationFunction.Clipping=2", "Linear(clipping=2.0, quantizer=None)"),
        ("Tanh\nActivationFunction.Alpha=0.5", "Tanh(alpha=0.5, quantizer=None)"),
        ("TanhLeCun", "Tanh(alpha=1.1439333333333332, quantizer=None)"),
        ("Logistic", "Logistic(with_loss=False, quantizer=None)"),
        ("LogisticWithLoss", "Logistic(with_loss=True, quantizer=None)"),
        ("Saturation\nActivationFunction.Threshold=2", "Saturation(threshold=2.0, quantizer=None)"),
        ("Softplus", "Softplus(quantizer=None)"),
        ("Swish", "Swish(quantizer=None)"),
    ],
    ids=lambda text: text.split("\n")[0],
)
def test_activations(tmp_path: Path, keys: str, text: str) -> None:
    cell = ini.cell(tmp_path, f"[c]\nInput=sp\nType=Fc\nNbOutputs=2\nActivationFunction={keys}")
    assert str(cell.activation) == text


def test_no_activation_is_the_identity(tmp_path: Path) -> None:
    assert ini.cell(tmp_path, "[c]\nInput=sp\nType=Fc\nNbOutputs=2").activation is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("ConstantFiller\nWeightsFiller.Value=0.5", "Constant(value=0.5)"),
        ("ConstantFiller", "Constant(value=0.0)"),
        ("NormalFiller\nWeightsFiller.Mean=1\nWeightsFiller.StdDev=2", "Normal(mean=1.0, std_dev=2.0)"),
        ("UniformFiller\nWeightsFiller.Min=-1\nWeightsFiller.Max=2", "Uniform(min=-1.0, max=2.0)"),
        (
            "HeFiller\nWeightsFiller.VarianceNorm=FanOut\nWeightsFiller.MeanNorm=1\nWeightsFiller.Scaling=2",
            "He(variance_norm=VarianceNorm.FanOut, mean_norm=1.0, scaling=2.0)",
        ),
        (
            "XavierFiller\nWeightsFiller.Distribution=Normal",
            "Xavier(variance_norm=VarianceNorm.FanIn, distribution=Distribution.Normal, scaling=1.0)",
        ),
    ],
    ids=lambda text: text.split("\n")[0],
)
def test_fillers(tmp_path: Path, keys: str, text: str) -> None:
    cell = ini.cell(tmp_path, f"[c]\nInput=sp\nType=Fc\nNbOutputs=2\nWeightsFiller={keys}\nBiasFiller=NormalFiller")
    assert str(cell.weights_filler) == text
    assert str(cell.bias_filler) == "Normal(mean=0.0, std_dev=1.0)"


def test_solvers_generic_then_specific(tmp_path: Path) -> None:
    text = """[c]
Input=sp
Type=Fc
NbOutputs=2
ConfigSection=one,two
[one]
Solvers.LearningRate=0.1
WeightsSolver.Momentum=0.5
BiasSolver.LearningRate=0.2
Solvers.LearningRateStepSize=$([sp]_EpochSize / 3)
[two]
WeightsSolver.Momentum=0.9
Solvers.Decay=0.001"""
    cell = ini.cell(tmp_path, text)
    weights, bias = cell.weights_solver, cell.bias_solver
    assert (weights.learning_rate, bias.learning_rate) == (0.1, 0.2)
    assert (weights.momentum, bias.momentum) == (0.9, 0.0)
    assert (weights.decay, bias.decay) == (0.001, 0.001)
    assert weights.learning_rate_step_size == 1333


def test_solver_types(tmp_path: Path) -> None:
    keys = "Solvers=Adam\nSolvers.LearningRate=0.002\nBiasSolver=SGD\nBiasSolver.Momentum=0.5"
    cell = ini.cell(tmp_path, f"[c]\nInput=sp\nType=Fc\nNbOutputs=2\n{keys}")
    assert (cell.weights_solver.get_type(), cell.weights_solver.learning_rate) == ("Adam", 0.002)
    assert (cell.bias_solver.get_type(), cell.bias_solver.momentum) == ("SGD", 0.5)
    cell = ini.cell(tmp_path, "[c]\nInput=sp\nType=BatchNorm\nNbOutputs=1\nScaleSolver=Adam\nBiasSolver.Decay=0.5")
    assert (cell.scale_solver.get_type(), cell.bias_solver.decay) == ("Adam", 0.5)


def test_own_section_comes_before_a_config_section(tmp_path: Path) -> None:
    text = "[c]\nInput=sp\nType=Dropout\nNbOutputs=1\nDropout=0.2\nConfigSection=k\n[k]\nDropout=0.3"
    assert ini.cell(tmp_path, text).dropout == 0.2
    assert ini.cell(tmp_path, text.replace("Dropout=0.2\n", "")).dropout == 0.3


def test_the_config_section_of_the_model_comes_first(tmp_path: Path) -> None:
    keys = "ConfigSection=k\nConfigSection(Frame)=f\nConfigSection(Frame_CUDA)=g"
    text = f"[c]\nInput=sp\nType=Dropout\nNbOutputs=1\n{keys}\n[k]\nDropout=0.3\n[f]\nDropout=0.4\n[g]\nDropout=0.6"
    assert ini.cell(tmp_path, text).dropout == 0.4
    assert (
        ini.cell(tmp_path, text.replace("ConfigSection(Frame)=f\n", "").replace("[f]\nDropout=0.4\n", "")).dropout
        == 0.3
    )


def test_several_inputs_are_joined(tmp_path: Path) -> None:
    text = """[a]
Input=sp
Type=Conv
KernelSize=1
NbOutputs=2
[b] a
Input=sp
NbOutputs=3
[c]
Input=a, b
Type=Conv
KernelSize=1
NbOutputs=[c_]N
[c_]
N=$([a]NbOutputs + [b]NbOutputs)"""
    cell = ini.cell(tmp_path, text)
    assert cell.nb_inputs == 5
    assert cell.nb_outputs == 5


def test_automatic_properties_of_cells(tmp_path: Path) -> None:
    text = """[a]
Input=sp
Type=Conv
KernelDims=3 5
NbOutputs=4
[c]
Input=a
Type=Pool
PoolDims=[a]_OutputsWidth [a]_OutputsHeight
NbOutputs=[a]_NbOutputs
Pooling=Average
Mapping.Size=1
[d]
Input=c
Type=Reshape
Dims=[c]_ChannelsWidth [c]_ChannelsHeight 1
NbOutputs=1"""
    found = ini.problems(tmp_path, f"{ini.HEAD}{text}\n{ini.TAIL.format('c')}")
    assert len(found) == 1
    assert "[d]" in found[0]
    cell = ini.cell(tmp_path, text.split("[d]", maxsplit=1)[0])
    assert cell.pool_dims == [24, 26]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "Type=Conv\nNbOutputs=2",
            "line 6: [c] KernelDims, KernelSize, or KernelWidth and KernelHeight is missing: a Conv cell needs it",
        ),
        ("Type=Conv\nKernelSize=3", "line 6: [c] NbOutputs is missing: a Conv cell needs it"),
        ("Type=Conv\nKernelWidth=3\nNbOutputs=2", "line 6: [c] KernelHeight is missing: a Conv cell needs it"),
        (
            "Type=Conv\nKernelSize=3\nKernelDims=3 3\nNbOutputs=2",
            "line 9: [c] KernelSize: give only one of KernelDims, KernelSize, or KernelWidth and KernelHeight",
        ),
        (
            "Type=Conv\nKernelDims=3 3 3\nNbOutputs=2",
            "line 9: [c] KernelDims is '3 3 3', expected `X Y` or one number, of at least 1",
        ),
        ("Type=Conv\nKernelSize=0\nNbOutputs=2", "line 9: [c] KernelSize is '0', expected an integer of at least 1"),
        (
            "Type=Conv\nKernelSize=3\nStrideZ=2\nNbOutputs=2",
            "line 10: [c] StrideZ has no meaning: only two-dimensional cells are built",
        ),
        (
            "Type=Conv\nKernelSize=3\nNbOutputs=0",
            "line 10: [c] NbOutputs is '0', expected an integer from 1 to 2147483647",
        ),
        (
            "Type=Conv\nKernelSize=3\nNbOutputs=2\nStrid=2",
            "line 11: [c] Strid is not a key of a Conv cell; did you mean Stride?",
        ),
        ("Type=Conv\nKernelSize=40\nNbOutputs=2", "line 6: [c] "),
        ("Type=Convv\nNbOutputs=2", "line 8: [c] Type is 'Convv', expected one of Conv, Deconv"),
        ("NbOutputs=2", "line 6: [c] Type is missing: a cell needs it"),
        (
            "Type=LSTM\nHiddenSize=3",
            "line 8: [c] Type=LSTM: cells of this type are not available; there are Conv, Deconv",
        ),
        ("Type=ROIPooling", "line 8: [c] Type=ROIPooling: cells of this type are not available"),
        ("Type=RP", "line 8: [c] Type=RP: cells of this type are not available"),
        (
            "Type=Fc\nNbOutputs=2\nModel=Spike",
            "line 10: [c] Model=Spike: simulations of spikes are not part of this library; write Frame",
        ),
        (
            "Type=Fc\nNbOutputs=2\nModel=Fram",
            "line 10: [c] Model is 'Fram', expected Frame or Frame_CUDA; did you mean Frame?",
        ),
        ("Type=Fc\nNbOutputs=2\nDataType=Float16", "line 10: [c] DataType is 'Float16', expected one of Float32"),
        ("Type=Fc\nNbOutputs=2\nNoBias=yes", "line 10: [c] NoBias is 'yes', expected 0 or 1"),
        ("Type=Fc\nNbOutputs=2\nDropConnect=2", "line 6: [c] "),
        ("Type=Fc\nNbOutputs=2\nInputOffsetX=2", "line 10: [c] InputOffsetX: a window of the input is not built yet"),
        (
            "Type=Fc\nNbOutputs=2\nWeightsSharing=d",
            "line 10: [c] WeightsSharing: parameters shared by several cells are not built yet",
        ),
        ("Type=Fc\nNbOutputs=2\nQWeight=LSQ", "line 10: [c] QWeight: quantisation is not built yet"),
        ("Type=Fc\nNbOutputs=2\nQAct.Range=255", "line 10: [c] QAct.Range: quantisation is not built yet"),
        (
            "Type=Conv\nKernelSize=3\nNbOutputs=2\nKernel(0,0)=Gaussian",
            "line 11: [c] Kernel(0,0): kernels of fixed values are not built yet",
        ),
        ("Type=Softmax\nNbOutputs=2", "line 9: [c] NbOutputs is 2, but the cell has 1 outputs"),
        ("Type=Activation\nNbOutputs=1", "line 6: [c] ActivationFunction is missing: an Activation cell needs it"),
        (
            "Type=Fc\nNbOutputs=2\nActivationFunction=Rectifer",
            "line 10: [c] ActivationFunction is 'Rectifer', expected one of Linear, Rectifier",
        ),
        (
            "Type=Fc\nNbOutputs=2\nActivationFunction=Tanh\nActivationFunction.LeakSlope=1",
            "line 11: [c] ActivationFunction.LeakSlope: Tanh has no parameter LeakSlope",
        ),
        (
            "Type=Fc\nNbOutputs=2\nActivationFunction.LeakSlope=1",
            "line 10: [c] ActivationFunction.LeakSlope has no meaning without ActivationFunction=",
        ),
        (
            "Type=Fc\nNbOutputs=2\nActivationFunction=Saturation\nActivationFunction.Threshold=-1",
            "line 10: [c] ActivationFunction: Saturation",
        ),
        (
            "Type=Fc\nNbOutputs=2\nWeightsFiller=ConstantFiller\nWeightsFiller.Valu=1",
            "line 11: [c] WeightsFiller.Valu: ConstantFiller has no parameter Valu; did you mean Value?",
        ),
        (
            "Type=Fc\nNbOutputs=2\nWeightsFiller.Mean=1",
            "line 10: [c] WeightsFiller.Mean has no meaning without WeightsFiller=",
        ),
        ("Type=Fc\nNbOutputs=2\nSolvers=RMS", "line 10: [c] Solvers is 'RMS', expected one of SGD, Adam"),
        (
            "Type=Fc\nNbOutputs=2\nSolvers.LearningRat=1",
            "line 10: [c] Solvers.LearningRat: SGD has no parameter LearningRat; did you mean LearningRate?",
        ),
        ("Type=Fc\nNbOutputs=2\nSolvers.Clamping=1", "line 10: [c] Solvers.Clamping: SGD"),
        (
            "Type=Fc\nNbOutputs=2\nSolvers=Adam\nSolvers.Momentum=1",
            "line 11: [c] Solvers.Momentum: Adam has no parameter Momentum",
        ),
        ("Type=Fc\nNbOutputs=2\nConfigSection=kk", "line 10: [c] ConfigSection: there is no section [kk]"),
        (
            "Type=Fc\nNbOutputs=2\nConfigSection=k\n[k]\nNoBia=1",
            "line 12: [k], a ConfigSection of [c], NoBia is not a key of a Fc cell; did you mean NoBias?",
        ),
        (
            "Type=Fc\nNbOutputs=2\nConfigSection=k\n[k]\nNoBias=2",
            "line 12: [k] NoBias (of [c]) is '2', expected 0 or 1",
        ),
        ("Type=Fc\nNbOutputs=1000000000", "line 6: [c] 784000000000 weights are too many: at most 134217728 in a cell"),
        (
            "Type=Resize\nOutputWidth=32000\nOutputHeight=32000\nMode=Bilinear\nNbOutputs=1",
            "line 6: [c] 1024000000 output values are too many: at most 67108864 for a stimulus",
        ),
        (
            "Type=Padding\nTopPadding=100000000\nBottomPadding=0\nLeftPadding=0\nRightPadding=0\nNbOutputs=1",
            "output values are too many",
        ),
        (
            "Type=Transformation\nTransformation=DistortionTransformation\nNbOutputs=1",
            "line 9: [c] Transformation=DistortionTransformation: this transformation is not built yet",
        ),
        (
            "Type=Transformation\nTransformation=Flp\nNbOutputs=1",
            "line 9: [c] Transformation is 'Flp', expected one of RescaleTransformation",
        ),
    ],
    ids=lambda value: value[:40].replace("\n", " "),
)
def test_problems(tmp_path: Path, keys: str, problem: str) -> None:
    found = ini.cell_problems(tmp_path, f"[c]\nInput=sp\n{keys}")
    assert len(found) == 1, found
    assert problem in found[0]


def test_cuda_falls_back(tmp_path: Path) -> None:
    text = f"DefaultModel=Frame_CUDA\n{ini.HEAD}{ini.TAIL.format('sp')}"
    with pytest.warns(
        UserWarning, match="Model=Frame_CUDA: this machine or version has no CUDA, Frame is used instead"
    ):
        model = ini.load(tmp_path, text)
    assert "Fc(Frame<float>)" in str(model["fc"])


def test_spiking_default_model(tmp_path: Path) -> None:
    found = ini.problems(tmp_path, f"DefaultModel=Transcode\n{ini.HEAD}{ini.TAIL.format('sp')}")
    assert found == ["line 1: DefaultModel=Transcode: simulations of spikes are not part of this library; write Frame"]


def test_a_pool_without_mapping_pools_each_channel(tmp_path: Path) -> None:
    text = "[a]\nInput=sp\nType=Conv\nKernelSize=1\nNbOutputs=2\n[c]\nInput=a\nType=Pool\nPoolSize=2\n"
    text += "Pooling=Max\nNbOutputs=2"
    with pytest.warns(UserWarning, match=r"\[c\] has no Mapping: each channel is pooled by itself, where N2D2 pools"):
        cell = ini.cell(tmp_path, text)
    x = n2d2.Tensor([1, 2, 2, 2])
    x.set_values([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]])
    assert list(cell(x)) == [4.0, 8.0]
    joint = ini.cell(tmp_path, text.replace("Pooling=Max\nNbOutputs=2", "Pooling=Max\nNbOutputs=3"))
    assert list(joint(x)) == [8.0, 8.0, 8.0], "another number of outputs can only mean all channels"
