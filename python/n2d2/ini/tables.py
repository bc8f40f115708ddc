"""The keys of every kind of section, as data: the reader, the documentation and the tests all use these tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from n2d2.ini.keys import Key, Pair


@dataclass(frozen=True)
class Kind:
    """A kind of object that a section, or a part of one, describes.

    Arguments:
        made (str): Class, as `cells.Conv`.
        keys (tuple): Its keys.
        fixed (dict): Arguments that the name of the kind stands for.
    """

    made: str
    keys: tuple[Key | Pair, ...] = ()
    fixed: dict[str, float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class CellKind(Kind):
    """A kind of cell.

    Arguments:
        solvers (dict): First word of keys -> argument of the solver.
        fillers (dict): First word of keys -> argument of the filler.
        mapping (bool): Whether it has the keys of a mapping.
        later (dict): First word of keys that are known and not built yet -> what to say.
    """

    solvers: dict[str, str] = field(default_factory=dict)
    fillers: dict[str, str] = field(default_factory=dict)
    mapping: bool = False
    later: dict[str, str] = field(default_factory=dict)


CONFIG_KEYS = ("ConfigSection(Frame)", "ConfigSection(Frame_CUDA)", "ConfigSection")
"""Keys that name configuration sections; one for a model comes before the one for any."""

# Parts of sections --------------------------------------------------------------------------------------------------

_CLAMPING = Key("Clamping", "clamping", "text", "", config=True)
SOLVERS = {
    "SGD": Kind(
        "solver.SGD",
        (
            Key("LearningRate", "learning_rate", "float", "0.01", config=True),
            Key("Momentum", "momentum", "float", "0.0", config=True),
            Key("Decay", "decay", "float", "0.0", config=True),
            Key("MinDecay", "min_decay", "float", "0.0", config=True),
            Key(
                "LearningRatePolicy",
                "learning_rate_policy",
                "word",
                "None",
                (
                    "None",
                    "StepDecay",
                    "ExponentialDecay",
                    "InvTDecay",
                    "PolyDecay",
                    "InvDecay",
                    "CosineDecay",
                ),
                config=True,
            ),
            Key("LearningRateStepSize", "learning_rate_step_size", "int", "1", config=True),
            Key("LearningRateDecay", "learning_rate_decay", "float", "0.1", config=True),
            _CLAMPING,
            Key("IterationSize", "iteration_size", "int", "1", config=True),
            Key("MaxIterations", "max_iterations", "int", "0", config=True),
            Key("Power", "power", "float", "0.0", config=True),
            Key("PolyakMomentum", "polyak_momentum", "bool", "1", config=True),
            Key("WarmUpDuration", "warm_up_duration", "int", "0", config=True),
            Key("WarmUpLRFrac", "warm_up_lr_frac", "float", "0.25", config=True),
        ),
    ),
    "Adam": Kind(
        "solver.Adam",
        (
            Key("LearningRate", "learning_rate", "float", "0.001", config=True),
            Key("Beta1", "beta1", "float", "0.9", config=True),
            Key("Beta2", "beta2", "float", "0.999", config=True),
            Key("Epsilon", "epsilon", "float", "1e-08", config=True),
            _CLAMPING,
        ),
    ),
}

_NORM = Key("VarianceNorm", "variance_norm", "word", "FanIn", ("FanIn", "Average", "FanOut"))
_SCALING = Key("Scaling", "scaling", "float", "1.0")
FILLERS = {
    "ConstantFiller": Kind("filler.Constant", (Key("Value", "value", "float", "0.0"),)),
    "NormalFiller": Kind(
        "filler.Normal", (Key("Mean", "mean", "float", "0.0"), Key("StdDev", "std_dev", "float", "1.0"))
    ),
    "UniformFiller": Kind("filler.Uniform", (Key("Min", "min", "float", "0.0"), Key("Max", "max", "float", "1.0"))),
    "HeFiller": Kind("filler.He", (_NORM, Key("MeanNorm", "mean_norm", "float", "0.0"), _SCALING)),
    "XavierFiller": Kind(
        "filler.Xavier",
        (_NORM, Key("Distribution", "distribution", "word", "Uniform", ("Uniform", "Normal")), _SCALING),
    ),
}

_CLIPPING = Key("Clipping", "clipping", "float", "0.0")
_ALPHA = Key("Alpha", "alpha", "float", "1.0")
ACTIVATIONS = {
    "Linear": Kind("activation.Linear", (_CLIPPING,)),
    "Rectifier": Kind("activation.Rectifier", (Key("LeakSlope", "leak_slope", "float", "0.0"), _CLIPPING)),
    "Tanh": Kind("activation.Tanh", (_ALPHA,)),
    "TanhLeCun": Kind("activation.Tanh", (), {"alpha": 1.7159 * 2 / 3}),
    "Logistic": Kind("activation.Logistic"),
    "LogisticWithLoss": Kind("activation.Logistic", (), {"with_loss": True}),
    "Saturation": Kind("activation.Saturation", (Key("Threshold", "threshold", "float", "1.0"),)),
    "Softplus": Kind("activation.Softplus"),
    "Swish": Kind("activation.Swish"),
}

MAPPING_KEYS = (
    "Size",
    "SizeX",
    "SizeY",
    "Stride",
    "StrideX",
    "StrideY",
    "Offset",
    "OffsetX",
    "OffsetY",
    "NbIterations",
    "NbGroups",
    "ChannelsPerGroup",
)

# The file -----------------------------------------------------------------------------------------------------------

GLOBAL = (
    Key("DefaultModel", "model", "text", "Frame"),
    Key("DefaultDataType", "datatype", "word", "Float32", ("Float32",)),
    Key("InsertBatchNormAfterConv", "", "bool", "0", only="0"),
)

# Data ---------------------------------------------------------------------------------------------------------------

_RANDOM = Key("RandomPartitioning", "random_partitioning", "bool", "1")
_VALIDATION = Key("Validation", "validation", "float", "0.0")
DATABASES = {
    "MNIST_IDX_Database": Kind(
        "database.MNIST",
        (
            Key("DataPath", "data_path", "path", "${N2D2_DATA}/mnist"),
            Key("LabelPath", "label_path", "path", ""),
            _VALIDATION,
            _RANDOM,
        ),
    ),
    "Digits_Database": Kind("database.Digits", (_VALIDATION, _RANDOM)),
}
_NOT_YET = "is not built yet"
LATER_DATABASES = (
    "Actitracker",
    "CIFAR10",
    "CIFAR100",
    "CKP",
    "CSV",
    "Caltech101_DIR",
    "Caltech256_DIR",
    "CaltechPedestrian",
    "CelebA",
    "Cityscapes",
    "Composite",
    "DIR",
    "DOTA",
    "Daimler",
    "FDDB",
    "Fashion_MNIST_IDX",
    "GTSDB_DIR",
    "GTSRB_DIR",
    "ILSVRC2012",
    "IMDBWIKI",
    "KITTI",
    "KITTI_Object",
    "KITTI_Road",
    "LITISRouen",
    "N_MNIST",
)

_APPLY_TO = Key(
    "ApplyTo",
    "apply_to",
    "word",
    "All",
    ("All", "LearnOnly", "ValidationOnly", "TestOnly", "NoLearn", "NoValidation", "NoTest"),
)
_WIDTH, _HEIGHT = Key("Width", "width", "int", None), Key("Height", "height", "int", None)
_OPERATORS = ("Plus", "Minus", "Multiplies", "Divides")
TRANSFORMATIONS = {
    "RescaleTransformation": Kind(
        "transform.Rescale",
        (
            _WIDTH,
            _HEIGHT,
            Key("KeepAspectRatio", "keep_aspect_ratio", "bool", "0", config=True),
            Key("ResizeToFit", "resize_to_fit", "bool", "1", config=True),
            _APPLY_TO,
        ),
    ),
    "PadCropTransformation": Kind(
        "transform.PadCrop",
        (
            _WIDTH,
            _HEIGHT,
            Key("AdditiveWH", "additive_wh", "bool", "0", config=True),
            Key(
                "BorderType",
                "border_type",
                "word",
                "MinusOneReflectBorder",
                (
                    "MinusOneReflectBorder",
                    "ReflectBorder",
                    "ReplicateBorder",
                    "WrapBorder",
                    "ConstantBorder",
                    "MeanBorder",
                ),
                config=True,
            ),
            Key("BorderValue", "border_value", "floats", "", config=True),
            _APPLY_TO,
        ),
    ),
    "FlipTransformation": Kind(
        "transform.Flip",
        (
            Key("HorizontalFlip", "horizontal_flip", "bool", "0"),
            Key("VerticalFlip", "vertical_flip", "bool", "0"),
            Key("RandomHorizontalFlip", "random_horizontal_flip", "bool", "0", config=True),
            Key("RandomVerticalFlip", "random_vertical_flip", "bool", "0", config=True),
            _APPLY_TO,
        ),
    ),
    "RangeAffineTransformation": Kind(
        "transform.RangeAffine",
        (
            Key("FirstOperator", "first_operator", "word", None, _OPERATORS),
            Key("FirstValue", "first_value", "floats", None),
            Key("SecondOperator", "second_operator", "word", "Plus", _OPERATORS),
            Key("SecondValue", "second_value", "floats", ""),
            Key("Truncate", "truncate", "bool", "0", config=True),
            _APPLY_TO,
        ),
    ),
}
LATER_TRANSFORMATIONS = tuple(
    f"{name}Transformation"
    for name in (
        "Affine",
        "Apodization",
        "CentroidCrop",
        "ChannelExtraction",
        "ColorSpace",
        "CompressionNoise",
        "DCT",
        "DFT",
        "Distortion",
        "Equalize",
        "ExpandLabel",
        "Filter",
        "GradientFilter",
        "LabelExtraction",
        "LabelFilter",
        "LabelSliceExtraction",
        "MagnitudePhase",
        "MorphologicalReconstruction",
        "Morphology",
        "Normalize",
        "RandomAffine",
        "RandomResizeCrop",
        "RangeClipping",
        "Reshape",
        "SliceExtraction",
        "StripeRemove",
        "Threshold",
        "Trim",
        "WallisFilter",
    )
)

PROVIDER = (
    Key("Size", "size", "ints", "SizeX SizeY NbChannels"),
    Key("SizeX", "x", "int", "required without Size", least=1, most=32768),
    Key("SizeY", "y", "int", "required without Size", least=1, most=32768),
    Key("SizeD", "depth", "int", "1", only="1"),
    Key("NbChannels", "channels", "int", "1", least=1, most=32768),
    Key("TargetSize", "target_size", "ints", "the size of the data"),
    Key("TargetSizeX", "target_x", "int", "SizeX", least=1),
    Key("TargetSizeY", "target_y", "int", "SizeY", least=1),
    Key("TargetSizeD", "target_depth", "int", "1", only="1"),
    Key("TargetNbChannels", "target_channels", "int", "1", least=1),
    Key("BatchSize", "batch_size", "int", "1", least=1, most=65536),
    Key("CompositeStimuli", "composite_stimuli", "bool", "0", only="0"),
    Key("CachePath", "", "text", "", only=""),
    Key("ConfigSection", "", "text", ""),
    Key("DataSignedMapping", "signed", "bool", "0", config=True),
    Key("QuantizationLevels", "", "int", "0", config=True, only="0"),
    Key("QuantizationMin", "", "float", "0.0", config=True, only="0.0"),
    Key("QuantizationMax", "", "float", "1.0", config=True, only="1.0"),
)

# Cells --------------------------------------------------------------------------------------------------------------

CELL = (
    Key("Input", "", "text", None),
    Key("Type", "", "text", None),
    Key("Model", "model", "text", "DefaultModel"),
    Key("DataType", "datatype", "word", "DefaultDataType", ("Float32",)),
    Key("ConfigSection", "", "text", ""),
    Key("ActivationFunction", "", "text", ""),
)
NB_OUTPUTS = Key("NbOutputs", "nb_outputs", "int", None, least=1, most=2**31 - 1)

_NO_BIAS = Key("NoBias", "no_bias", "bool", "0", config=True)
_BACK = Key("BackPropagate", "back_propagate", "bool", "1", config=True)
_REMAP = Key("OutputsRemap", "outputs_remap", "text", "", config=True)
_STRIDE = Pair(("StrideDims", "Stride", "StrideX", "StrideY", "StrideZ"), "stride_dims", "1")
_PADDING = Pair(("PaddingDims", "Padding", "PaddingX", "PaddingY", "PaddingZ"), "padding_dims", "0", least=0)
_KERNEL = (
    Pair(("KernelDims", "KernelSize", "KernelWidth", "KernelHeight", "KernelDepth"), "kernel_dims", None),
    _STRIDE,
    _PADDING,
    Pair(("DilationDims", "Dilation", "DilationX", "DilationY", "DilationZ"), "dilation_dims", "1"),
    _NO_BIAS,
    _BACK,
    Key("WeightsExportFormat", "weights_export_format", "word", "OCHW", ("OCHW", "HWCO"), config=True),
    Key("WeightsExportFlip", "weights_export_flip", "bool", "0", config=True),
    _REMAP,
)
_SOLVERS = {"WeightsSolver": "weights_solver", "BiasSolver": "bias_solver"}
_FILLERS = {"WeightsFiller": "weights_filler", "BiasFiller": "bias_filler"}

_QUANTISED = "quantisation is not built yet"
_SHARED = "parameters shared by several cells are not built yet"
LATER_ANYWHERE = {
    "QAct": _QUANTISED,
    "QActSolver": _QUANTISED,
    "QWeight": _QUANTISED,
    "QWeightSolver": _QUANTISED,
}
_LATER = {"WeightsSharing": _SHARED, "BiasesSharing": _SHARED}
_LATER_KERNEL = {**_LATER, "Kernel": "kernels of fixed values are not built yet"}
_NO_WINDOW = dict.fromkeys(
    ("InputOffsetX", "InputOffsetY", "InputWidth", "InputHeight"), "a window of the input is not built yet"
)

CELLS = {
    "Conv": CellKind(
        "cells.Conv",
        (
            *_KERNEL,
            Pair(("SubSampleDims", "SubSample", "SubSampleX", "SubSampleY", "SubSampleZ"), "sub_sample_dims", "1"),
        ),
        solvers=_SOLVERS,
        fillers=_FILLERS,
        mapping=True,
        later=_LATER_KERNEL,
    ),
    "Deconv": CellKind("cells.Deconv", _KERNEL, solvers=_SOLVERS, fillers=_FILLERS, mapping=True, later=_LATER_KERNEL),
    "Fc": CellKind(
        "cells.Fc",
        (
            _NO_BIAS,
            _BACK,
            Key("Normalize", "normalize", "bool", "0", config=True),
            Key("DropConnect", "drop_connect", "float", "1.0", config=True),
            Key("WeightsExportFormat", "weights_export_format", "word", "OC", ("OC", "CO"), config=True),
            _REMAP,
        ),
        solvers=_SOLVERS,
        fillers=_FILLERS,
        later={**_LATER, **_NO_WINDOW},
    ),
    "Pool": CellKind(
        "cells.Pool",
        (
            Pair(("PoolDims", "PoolSize", "PoolWidth", "PoolHeight", "PoolDepth"), "pool_dims", None),
            Key("Pooling", "pooling", "word", None, ("Max", "Average")),
            _STRIDE,
            _PADDING,
        ),
        mapping=True,
    ),
    "Softmax": CellKind(
        "cells.Softmax",
        (
            Key("WithLoss", "with_loss", "bool", "0", config=True),
            Key("GroupSize", "group_size", "int", "0", config=True),
        ),
    ),
    "Dropout": CellKind("cells.Dropout", (Key("Dropout", "dropout", "float", "0.5", config=True),)),
    "Activation": CellKind("cells.Activation"),
    "BatchNorm": CellKind(
        "cells.BatchNorm2d",
        (
            Key("Epsilon", "epsilon", "float", "1e-5", config=True),
            Key("MovingAverageMomentum", "moving_average_momentum", "float", "0.1", config=True),
            _BACK,
        ),
        solvers={"ScaleSolver": "scale_solver", "BiasSolver": "bias_solver"},
        later=dict.fromkeys(("ScalesSharing", "BiasesSharing", "MeansSharing", "VariancesSharing"), _SHARED),
    ),
    "ElemWise": CellKind(
        "cells.ElemWise",
        (
            Key("Operation", "operation", "word", None, ("Sum", "AbsSum", "EuclideanSum", "Prod", "Max")),
            Key("CoeffMode", "mode", "word", "PerInput", ("PerLayer", "PerInput", "PerChannel")),
            Key("Weights", "weights", "floats", "1.0"),
            Key("Shifts", "shifts", "floats", "0.0"),
        ),
    ),
    "LRN": CellKind(
        "cells.LRN",
        (
            Key("N", "n", "int", "5", config=True),
            Key("Alpha", "alpha", "float", "1e-4", config=True),
            Key("Beta", "beta", "float", "0.75", config=True),
            Key("K", "k", "float", "2.0", config=True),
        ),
    ),
    "Padding": CellKind(
        "cells.Padding",
        (
            Key("TopPadding", "top_pad", "int", None),
            Key("BottomPadding", "bot_pad", "int", None),
            Key("LeftPadding", "left_pad", "int", None),
            Key("RightPadding", "right_pad", "int", None),
        ),
    ),
    "Reshape": CellKind("cells.Reshape", (Key("Dims", "dims", "ints", None),)),
    "Resize": CellKind(
        "cells.Resize",
        (
            Key("OutputWidth", "outputs_width", "int", None, least=1, most=32768),
            Key("OutputHeight", "outputs_height", "int", None, least=1, most=32768),
            Key("Mode", "resize_mode", "word", None, ("NearestNeighbor", "Bilinear", "BilinearTF")),
            Key("AlignCorners", "align_corners", "bool", "1", config=True),
        ),
    ),
    "Scaling": CellKind("cells.Scaling", (Key("Factor", "factor", "float", None),)),
    "Transpose": CellKind("cells.Transpose", (Key("Perm", "perm", "ints", None),)),
    "Transformation": CellKind("cells.Transformation", (Key("Transformation", "transformation", "text", None),)),
}

_SPIKING = "belongs to the simulation of spikes, which this library does not have"
LATER_CELLS = {
    **dict.fromkeys(
        (
            "Anchor",
            "Distance",
            "FMP",
            "LSTM",
            "Normalize",
            "ObjectDet",
            "Proposal",
            "ROIPooling",
            "RP",
            "TargetBias",
            "Threshold",
            "Unpool",
        ),
        _NOT_YET,
    )
}
SPIKING_MODELS = ("CSpike", "CSpike_BP", "RRAM", "Spike", "Spike_Analog", "Spike_RRAM", "Transcode")

# Targets ------------------------------------------------------------------------------------------------------------

TARGETS = {
    "TargetScore": Kind(
        "target.Score",
        (
            Key("TargetValue", "target_value", "float", "1.0"),
            Key("DefaultValue", "default_value", "float", "0.0"),
            Key("TopN", "top_n", "int", "1"),
            Key("LabelsMapping", "labels_mapping", "path", ""),
            Key("CreateMissingLabels", "create_missing_labels", "bool", "0"),
            Key("BinaryThreshold", "binary_threshold", "float", "0.5", config=True),
            Key("WeakTarget", "weak_target", "int", "-2", config=True),
            Key("DataAsTarget", "data_as_target", "bool", "0", config=True),
            Key("ConfusionRangeMin", "confusion_range_min", "float", "0.0", config=True),
            Key("ConfusionRangeMax", "confusion_range_max", "float", "1.0", config=True),
            Key("ConfusionQuantSteps", "confusion_quant_steps", "int", "10", config=True),
            Key("NoDisplayLabel", "no_display_label", "int", "-1", config=True),
            Key("LabelsHueOffset", "labels_hue_offset", "int", "0", config=True),
            Key("EstimatedLabelsValueDisplay", "estimated_labels_value_display", "bool", "1", config=True),
            Key("MaskedLabel", "masked_label", "int", "-1", config=True),
            Key("MaskedLabelValue", "masked_label_value", "bool", "0", config=True),
            Key("ValueThreshold", "value_threshold", "float", "0.0", config=True),
            Key("ImageLogFormat", "image_log_format", "text", "jpg", config=True),
        ),
    )
}
LATER_TARGETS = ("TargetAggregate", "TargetBBox", "TargetCompare", "TargetMatching", "TargetROIs", "TargetRP")

# Networks in other files --------------------------------------------------------------------------------------------

ONNX = (
    Key("Input", "", "text", None),
    Key("Type", "", "text", None),
    Key("Model", "model", "text", "DefaultModel"),
    Key("File", "path", "path", None),
    Key("Ignore", "ignore", "text", ""),
    Key("IgnoreInputSize", "ignore_input_size", "bool", "0"),
    Key("Transpose", "", "bool", "0", only="0"),
    Key("CNTK", "", "bool", "1", only="1"),
    Key("ONNX_init", "", "bool", "1", only="1"),
)
ONNX_DEFAULTS = {
    "Conv_def": "Conv",
    "Fc_def": "Fc",
    "BatchNorm_def": "BatchNorm",
    "Pool_def": "Pool",
    "Dropout_def": "Dropout",
    "LRN_def": "LRN",
}
ONNX_FILE = Key("ConfigSection", "", "text", "")
