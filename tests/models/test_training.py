"""Narrow models learn: forward, backward and update reach every parameter; wrong arguments are errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import n2d2
from n2d2 import models
from n2d2.cells import Block, Padding
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.models._units import divisible, scaled

# Also exported to ONNX by tests/onnx/test_export_models.py.
NARROW: dict[str, tuple[Callable[[], Block], list[int], list[int]]] = {
    "LeNet": (models.LeNet, [1, 32, 32], [10, 1, 1]),
    "LeNetBN": (models.LeNetBN, [1, 32, 32], [10, 1, 1]),
    "AlexNet": (lambda: models.AlexNet(5, width=0.0625, input_size=67), [3, 67, 67], [5, 1, 1]),
    "AlexNet, with_bn": (lambda: models.AlexNet(5, width=0.0625, with_bn=True, input_size=63), [3, 63, 63], [5, 1, 1]),
    "VGG11": (lambda: models.VGG11(nb_outputs=5, width=0.0625, input_size=32), [3, 32, 32], [5, 1, 1]),
    "VGG13": (lambda: models.VGG13(nb_outputs=5, width=0.03125, input_size=64), [3, 64, 64], [5, 1, 1]),
    "VGG16": (lambda: models.VGG16(True, nb_outputs=5, width=0.0625, input_size=32), [3, 32, 32], [5, 1, 1]),
    "VGG19": (lambda: models.VGG19(nb_outputs=5, width=0.03125, input_size=40), [3, 40, 40], [5, 1, 1]),
    "ResNet18": (lambda: models.ResNet18(nb_outputs=5, width=0.0625), [3, 45, 50], [5, 1, 1]),
    "ResNet34": (lambda: models.ResNet34(nb_outputs=5, width=0.0625, small_images=True), [3, 16, 16], [5, 1, 1]),
    "ResNet50": (lambda: models.ResNet50(nb_outputs=5, width=0.0625), [3, 40, 40], [5, 1, 1]),
    "ResNet50, 1.5": (lambda: models.ResNet50(1.5, nb_outputs=5, width=0.0625), [3, 33, 33], [5, 1, 1]),
    "MobileNetv1": (lambda: models.MobileNetv1(5, alpha=0.125), [3, 40, 40], [5, 1, 1]),
    "MobileNetv1, with_bn": (lambda: models.MobileNetv1(5, 0.125, True, small_images=True), [3, 32, 32], [5, 1, 1]),
    "MobileNetV2": (lambda: models.MobileNetV2(nb_outputs=5, alpha=0.125), [3, 48, 40], [5, 1, 1]),
    "MobileNetV2, no BN": (
        lambda: models.MobileNetV2(nb_outputs=5, alpha=0.125, with_bn=False, small_images=True),
        [3, 24, 24],
        [5, 1, 1],
    ),
    "SqueezeNet 1.0": (lambda: models.SqueezeNet("1.0", nb_outputs=5, width=0.25), [3, 60, 64], [5, 1, 1]),
    "SqueezeNet 1.1": (lambda: models.SqueezeNet(nb_outputs=5, width=0.25, with_bn=True), [3, 48, 48], [5, 1, 1]),
    "AutoEncoder": (lambda: models.AutoEncoder([12, 10, 3], nb_neurons=[32, 7]), [3, 10, 12], [3, 10, 12]),
    "SmallSegmentationNetwork": (
        lambda: models.SmallSegmentationNetwork(nb_outputs=4, width=0.25),
        [3, 37, 50],
        [4, 37, 50],
    ),
}


@pytest.mark.parametrize("name", NARROW)
def test_a_step_moves_every_parameter(name: str) -> None:
    n2d2.global_variables.seed = 3
    make, size, output = NARROW[name]
    model = make()
    x = np.random.default_rng(1).normal(size=(4, *size)).astype(np.float32)
    cells = list(model._layers())
    before = {cell.name: {p: cell.N2D2().param(p).copy() for p in cell.N2D2().param_names()} for cell in cells}
    y = model(n2d2.Tensor.from_numpy(x))
    assert y.shape() == [4, *output]
    assert np.isfinite(y.to_numpy()).all()
    y.back_propagate(np.random.default_rng(2).normal(size=y.shape()).astype(np.float32))
    y.update()
    still = [
        f"{cell.name}.{p}"
        for cell in cells
        for p, values in before[cell.name].items()
        if np.array_equal(values, cell.N2D2().param(p)) and not is_cancelled(cell, p)
    ]
    assert not still


def is_cancelled(cell: n2d2.cells.NeuralNetworkCell, parameter: str) -> bool:
    """True for what a BatchNorm takes out again, whose gradient is 0 but for rounding.

    That are the bias of a convolution before a BatchNorm, and the scales before a depthwise convolution with one.
    """
    scaled = cell.name.endswith(("_pw_bn", "_expand_bn"))
    return (parameter == "bias" and cell.name.startswith("conv")) or (parameter == "scales" and scaled)


def test_names_are_unique() -> None:
    for make, _, _ in NARROW.values():
        names = [cell.name for cell in make()._layers()]
        assert len(set(names)) == len(names)


def test_default_name_of_mobile_net_v1() -> None:
    assert models.MobileNetv1(alpha=0.125).get_name() == "mobilenet_v1"
    assert [cell.get_name() for cell in models.MobileNetv1(alpha=0.125)["extractor"]] == [
        "div2",
        "div4",
        "div8",
        "div16",
        "div32",
    ]


def test_segmentation_crops_what_the_doubling_adds() -> None:
    model = models.SmallSegmentationNetwork(nb_outputs=2, width=0.25)
    for height, width in ((32, 32), (33, 64), (70, 41)):
        assert model(n2d2.Tensor([1, 3, height, width])).shape() == [1, 2, height, width]
    crops = [cell for cell in model._layers() if isinstance(cell, Padding)]
    assert crops
    assert all(max(c.get_parameter(p) for p in ("top_pad", "bot_pad", "left_pad", "right_pad")) == 0 for c in crops)


def test_squeeze_net_pools_with_the_last_window_sticking_out() -> None:
    """54 pixels become 27, as in the published network, where the window would fit 26 times only."""
    model = models.SqueezeNet("1.0", width=0.0625, nb_outputs=3)
    model(n2d2.Tensor([1, 3, 224, 224]))
    sizes = [model[f"pool{i}"].get_outputs().dimX() for i in (1, 4, 8)]
    assert sizes == [54, 27, 13]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: models.LeNet(0), WrongValue, "LeNet: nb_outputs"),
        (lambda: models.LeNetBN("10"), WrongInputType, "LeNetBN: nb_outputs"),
        (lambda: models.VGG(12), WrongValue, "VGG: size"),
        (lambda: models.VGGHead(input_size=31), WrongValue, "VGGHead: input_size"),
        (lambda: models.ResNet.generate(20), WrongValue, "ResNet: size"),
        (lambda: models.ResNet18(2), WrongValue, "ResNet: version"),
        (lambda: models.ResNet18(width=-1.0), WrongValue, "ResNet: width"),
        (lambda: models.MobileNetv1(alpha="wide"), WrongInputType, "MobileNetv1: alpha"),
        (lambda: models.SqueezeNet("1.2"), WrongValue, "SqueezeNet: version"),
        (lambda: models.AlexNet(input_size=32), WrongValue, "at least 63"),
        (lambda: models.AutoEncoder(28), WrongInputType, "AutoEncoder: size"),
        (lambda: models.AutoEncoder([28, 28]), WrongValue, "three sizes"),
        (lambda: models.AutoEncoder(nb_neurons=[]), WrongValue, "at least one layer"),
        (lambda: models.SegmentationNetwork(models.LeNet(), [], []), WrongValue, "four"),
        (lambda: models.SegmentationNetwork(models.LeNet(), 4, [1] * 4), WrongInputType, "features"),
        (
            lambda: models.SegmentationNetwork(models.LeNet(), [n2d2.cells.Pool([2, 2], name="other")] * 4, [1] * 4),
            StateError,
            "`other` is not a cell of",
        ),
    ],
)
def test_errors(make: Callable[[], Block], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
    with pytest.raises(ValueError if error is WrongValue else n2d2.Error):
        make()


def test_numbers_of_channels() -> None:
    assert [scaled(64, 0.25), scaled(64, 0.001)] == [16, 1]
    # A multiple of 8, and not more than a tenth below.
    assert [divisible(n) for n in (24, 33.6, 11, 2, 42.0)] == [24, 32, 16, 8, 40]
