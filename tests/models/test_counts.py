"""Parameters and multiply-accumulates of the models are the published ones."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import n2d2
from n2d2 import models
from n2d2.cells import BatchNorm2d, Block, Conv, Deconv, ElemWise, Fc, NeuralNetworkCell


class Published(NamedTuple):
    """What is published of a model.

    Arguments:
        make: Makes the model.
        size: `[channels, height, width]` of a stimulus.
        params: Trainable values, scales and biases of BatchNorm among them.
        macs: Products of a weight and a value for a stimulus; in units of `unit`.
        unit: 1, or 1e6 (1e9) if the source gives millions (thousands of millions) with some decimals.
        decimals: Decimals of `macs`.
        source: Where both stand.
    """

    make: Callable[[], Block]
    size: list[int]
    params: int
    macs: float
    unit: float
    decimals: int
    source: str


TORCHVISION = "torchvision 0.15 and later, table of pre-trained weights: columns Params (num_params) and GFLOPS (_ops)"
BY_HAND = "sum of the layers of the description, written out in this file"
LENET = [25 * 6, 25 * 6 * 16, 25 * 16 * 120, 120 * 84, 84 * 10]
LENET_MACS = [25 * 6 * 28**2, 25 * 6 * 16 * 10**2, 25 * 16 * 120, 120 * 84, 84 * 10]
AUTO_ENCODER = [784 * 1000, 1000 * 500, 500 * 250, 250 * 30]
# Convolutions 3x3 and their BatchNorms; 1x1 scores with bias; three Deconvs 4x4 and one 8x8.
SEGMENTATION = 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128 + 128 * 128) + 2 * (16 + 32 + 64 + 128 + 128)
SEGMENTATION += (32 + 64 + 128 + 128) * 21 + 4 * 21 + 21 * 21 * (3 * 16 + 64)
_CONVS = 3 * 16 * 32**2 + 16 * 32 * 16**2 + 32 * 64 * 8**2 + 64 * 128 * 4**2 + 128 * 128 * 2**2
_SCORES = 21 * (32 * 16**2 + 64 * 8**2 + 128 * 4**2 + 128 * 2**2)
_UPS = 21 * 21 * (16 * (2**2 + 4**2 + 8**2) + 64 * 16**2)
SEGMENTATION_MACS = 9 * _CONVS + _SCORES + _UPS
IMAGE = [3, 224, 224]

QUICK = {
    "LeNet": Published(models.LeNet, [1, 32, 32], sum(LENET), sum(LENET_MACS), 1, 0, BY_HAND),
    "LeNetBN": Published(models.LeNetBN, [1, 32, 32], sum(LENET) + 2 * 142, sum(LENET_MACS), 1, 0, BY_HAND),
    "MobileNetv1, with_bn": Published(
        lambda: models.MobileNetv1(with_bn=True),
        IMAGE,
        4_231_976,
        569,
        1e6,
        0,
        "params: Keras 3, MobileNet, trainable params; MACs: Howard et al., 2017, table 4",
    ),
    "MobileNetv1, alpha=0.25": Published(
        lambda: models.MobileNetv1(alpha=0.25, with_bn=True),
        IMAGE,
        470_072,
        41,
        1e6,
        0,
        "params: Keras 3, MobileNet with alpha=0.25, 475,544 in all less 5,472 running means and variances; "
        "MACs: Howard et al., 2017, table 6",
    ),
    "MobileNetV2": Published(models.MobileNetV2, IMAGE, 3_504_872, 0.301, 1e9, 3, TORCHVISION),
    "SqueezeNet 1.0": Published(lambda: models.SqueezeNet("1.0"), IMAGE, 1_248_424, 0.819, 1e9, 3, TORCHVISION),
    "SqueezeNet 1.1": Published(models.SqueezeNet, IMAGE, 1_235_496, 0.349, 1e9, 3, TORCHVISION),
    "ResNet18": Published(models.ResNet18, IMAGE, 11_689_512, 1.814, 1e9, 3, TORCHVISION),
    "AutoEncoder": Published(
        models.AutoEncoder,
        [1, 28, 28],
        2_837_314,
        2 * sum(AUTO_ENCODER),
        1,
        0,
        "params: Goldfarb et al., Practical quasi-Newton methods for deep neural networks, 2020; MACs: by hand",
    ),
    "SmallSegmentationNetwork": Published(
        models.SmallSegmentationNetwork, [3, 64, 64], SEGMENTATION, SEGMENTATION_MACS, 1, 0, BY_HAND
    ),
}
SLOW = {
    "AlexNet": Published(models.AlexNet, IMAGE, 61_100_840, 0.714, 1e9, 3, TORCHVISION),
    "ResNet34": Published(models.ResNet34, IMAGE, 21_797_672, 3.664, 1e9, 3, TORCHVISION),
    "ResNet50, version=1.5": Published(lambda: models.ResNet50(1.5), IMAGE, 25_557_032, 4.089, 1e9, 3, TORCHVISION),
    "ResNet101, version=1.5": Published(lambda: models.ResNet101(1.5), IMAGE, 44_549_160, 7.801, 1e9, 3, TORCHVISION),
    "ResNet152, version=1.5": Published(lambda: models.ResNet152(1.5), IMAGE, 60_192_808, 11.514, 1e9, 3, TORCHVISION),
    "ResNet50": Published(
        models.ResNet50,
        IMAGE,
        25_557_032,
        3.858,
        1e9,
        3,
        "params: as version 1.5; MACs: tables of ResNet-50 v1 (stride in the 1x1), 3.86; He et al., 2016, say 3.8",
    ),
}

# Parameters, those with BatchNorm, and thousands of millions of multiply-accumulates; from TORCHVISION.
VGG = {
    11: (132_863_336, 132_868_840, 7.609),
    13: (133_047_848, 133_053_736, 11.308),
    16: (138_357_544, 138_365_992, 15.470),
    19: (143_667_240, 143_678_248, 19.632),
}


def layers(model: Block, size: list[int]) -> list[NeuralNetworkCell]:
    model.test()
    model(n2d2.Tensor([1, *size]))
    return list({id(cell): cell for cell in model._layers()}.values())


def statistics(cell: NeuralNetworkCell) -> tuple[int, int]:
    if isinstance(cell, Fc):
        return cell.N2D2().statistics([[1, cell.nb_inputs, 1, 1]])
    batch, _, height, width = cell.get_inputs().shape()
    if isinstance(cell, ElemWise):
        return cell.N2D2().statistics([t.shape() for t in cell._called()[0]])
    return cell.N2D2().statistics([[batch, cell.get_nb_channels(), height, width]])


def params(cell: NeuralNetworkCell) -> int:
    return 2 * cell.nb_inputs if isinstance(cell, BatchNorm2d) else statistics(cell)[0]


def inside(cell: Conv | Deconv, axis: int) -> int:
    """Taps along an axis, of all positions of the kernel, that do not fall into the padding."""
    small, large = cell.get_inputs().shape()[2 + axis], cell.get_outputs().shape()[2 + axis]
    if isinstance(cell, Conv):
        small, large = large, small
    first = np.arange(small)[:, None] * cell.stride_dims[axis] - cell.padding_dims[axis]
    taps = first + np.arange(cell.kernel_dims[axis]) * cell.dilation_dims[axis]
    return int(((taps >= 0) & (taps < large)).sum())


def macs(cell: NeuralNetworkCell) -> int:
    """Products of weights and values, those with the zeros of the padding among them, as publications count them.

    The statistics of a cell, which `summary()` prints, leave those out, and count the bias once.
    """
    if not isinstance(cell, (Fc, Conv, Deconv)):
        assert params(cell) == (2 * cell.nb_inputs if isinstance(cell, BatchNorm2d) else 0)
        return 0
    bias = cell.nb_outputs if cell.has_bias() else 0
    weights = params(cell) - bias
    if isinstance(cell, Fc):
        assert statistics(cell)[1] == weights + bias
        return weights
    pairs, rest = divmod(weights, cell.kernel_dims[0] * cell.kernel_dims[1])
    assert not rest
    assert statistics(cell)[1] == pairs * inside(cell, 0) * inside(cell, 1) + bias
    images = cell.get_outputs() if isinstance(cell, Conv) else cell.get_inputs()
    return weights * images.dimX() * images.dimY()


def counts(model: Block, size: list[int]) -> tuple[int, int]:
    cells = layers(model, size)
    return sum(map(params, cells)), sum(map(macs, cells))


def check(published: Published) -> None:
    nb_params, nb_macs = counts(published.make(), published.size)
    assert nb_params == published.params
    counted = nb_macs / published.unit
    assert round(counted, published.decimals) == published.macs or math.isclose(
        math.floor(counted * 10**published.decimals) / 10**published.decimals, published.macs
    )


@pytest.mark.parametrize("name", QUICK)
def test_counts(name: str) -> None:
    check(QUICK[name])


def check_vgg(size: int) -> None:
    """Head and backbone one after the other, which takes less memory; the narrow models show that VGG has just them."""
    plain, normalised, giga = VGG[size]
    # Without a call, which would take half a gigabyte more.
    head = [cell for cell in models.VGGHead()._layers() if isinstance(cell, Fc)]
    more_params, more_macs = sum(map(params, head)), sum(map(macs, head))
    del head
    gc.collect()
    for batchnorm, published in ((False, plain), (True, normalised)):
        nb_params, nb_macs = counts(models.VGGBackbone(size, batchnorm), IMAGE)
        assert nb_params + more_params == published
        assert round((nb_macs + more_macs) / 1e9, 3) == giga


def apart(call: str) -> None:
    """Calls a function of this file in a process of its own, whose memory is free afterwards."""
    code = f"import runpy; here = runpy.run_path({__file__!r}); {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_counts_of_large_models(name: str) -> None:
    apart(f"here['check'](here['SLOW'][{name!r}])")


@pytest.mark.slow
@pytest.mark.parametrize("size", VGG)
def test_counts_of_vgg(size: int) -> None:
    apart(f"here['check_vgg']({size})")


def test_vgg_is_backbone_and_head() -> None:
    whole = models.VGG13(True, width=0.0625, input_size=64, nb_outputs=7)
    parts = [models.VGGBackbone(13, True, width=0.0625), models.VGGHead(7, width=0.0625, input_size=64)]
    both = [counts(part, size) for part, size in zip(parts, ([3, 64, 64], [32, 2, 2]), strict=True)]
    assert counts(whole, [3, 64, 64]) == tuple(map(sum, zip(*both, strict=True)))


@pytest.mark.parametrize("name", QUICK)
def test_the_summary_prints_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    published = QUICK[name]
    provider = n2d2.provider.DataProvider(n2d2.database.Database(), published.size[::-1])
    model = published.make()
    model.to_deepnet_cell(provider).summary()
    text = capsys.readouterr().out
    assert f"Total params:  {published.params:,}\n" in text
    # Without the products with the padding, and with each bias.
    printed = sum(statistics(cell)[1] for cell in model._layers() if isinstance(cell, (Conv, Deconv, Fc)))
    assert f"Total computing:  {printed:,} MAC" in text
    products = int(text.rpartition("As publications count it:  ")[2].split(" MAC")[0].replace(",", ""))
    assert products == counts(model, published.size)[1]
    if published.unit == 1:
        assert products == published.macs
