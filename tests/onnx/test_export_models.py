"""Export of the networks of `n2d2.models`, with and without their normalisations fused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from n2d2 import Tensor, models
from n2d2.cells import BatchNorm2d
from support.exported import check

if TYPE_CHECKING:
    from collections.abc import Callable

# Narrow, on small images: the graphs are those of the full networks.
MODELS: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "AlexNet": (lambda: models.AlexNet(width=0.125), (3, 224, 224)),
    "AlexNet with normalisation": (lambda: models.AlexNet(width=0.125, with_bn=True), (3, 224, 224)),
    "AutoEncoder": (lambda: models.AutoEncoder(nb_neurons=[100, 50, 30]), (1, 28, 28)),
    "LeNet": (models.LeNet, (1, 32, 32)),
    "LeNetBN": (models.LeNetBN, (1, 32, 32)),
    "MobileNetV2": (lambda: models.MobileNetV2(alpha=0.35), (3, 64, 64)),
    "MobileNetv1": (lambda: models.MobileNetv1(alpha=0.25), (3, 64, 64)),
    "MobileNetv1 with normalisation": (lambda: models.MobileNetv1(alpha=0.25, with_bn=True), (3, 64, 64)),
    "ResNet18": (lambda: models.ResNet18(width=0.25), (3, 64, 64)),
    "ResNet18 for small images": (lambda: models.ResNet18(width=0.25, small_images=True), (3, 32, 32)),
    "ResNet34": (lambda: models.ResNet34(width=0.125), (3, 64, 64)),
    "ResNet50": (lambda: models.ResNet50(width=0.125), (3, 64, 64)),
    "ResNet50 of version 1.5": (lambda: models.ResNet50(1.5, width=0.125), (3, 64, 64)),
    "ResNet101": (lambda: models.ResNet101(width=0.125), (3, 64, 64)),
    "ResNet152": (lambda: models.ResNet152(width=0.125), (3, 64, 64)),
    "SmallSegmentationNetwork": (lambda: models.SmallSegmentationNetwork(width=0.5), (3, 64, 48)),
    "SqueezeNet": (lambda: models.SqueezeNet(width=0.5), (3, 96, 96)),
    "SqueezeNet of version 1.0": (lambda: models.SqueezeNet("1.0", width=0.5, with_bn=True), (3, 96, 96)),
    "VGG11": (lambda: models.VGG11(width=0.125, input_size=64), (3, 64, 64)),
    "VGG13": (lambda: models.VGG13(width=0.125, input_size=64), (3, 64, 64)),
    "VGG16": (lambda: models.VGG16(True, width=0.125, input_size=64), (3, 64, 64)),
    "VGG19": (lambda: models.VGG19(True, width=0.125, input_size=64), (3, 64, 64)),
}
# Parents of the others, and parts.
ABSTRACT = {"ResNet", "SegmentationNetwork", "VGG", "VGGBackbone", "VGGHead"}


def test_every_model_is_here() -> None:
    classes = {name for name in models.__all__ if isinstance(getattr(models, name), type)}
    assert {name.partition(" ")[0] for name in MODELS} == classes - ABSTRACT


def draw_statistics(model: Any) -> bool:
    """Gives the normalisations statistics as after a training; False if there are none."""
    rng = np.random.default_rng(11)
    norms = [cell for cell in model.get_cells().values() if isinstance(cell, BatchNorm2d)]
    for cell in norms:
        for name in ("scales", "biases", "means", "variances"):
            near_one = name in ("scales", "variances")
            values = rng.uniform(0.7, 1.4, cell.nb_inputs) if near_one else 0.1 * rng.normal(size=cell.nb_inputs)
            getattr(cell, f"set_{name}")(Tensor.from_numpy(values.astype(np.float32)))
    return bool(norms)


@pytest.mark.parametrize("name", MODELS)
def test_a_model(name: str) -> None:
    make, shape = MODELS[name]
    model = make()
    has_norms = draw_statistics(model)
    check(model, [shape])
    if has_norms:
        check(model, [shape], fuse_batch_norm=True, same_bits=False)
