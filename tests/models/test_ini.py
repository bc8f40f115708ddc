"""The INI files of the package describe the same networks as the classes."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import n2d2
from n2d2 import models
from n2d2.cells import BatchNorm2d, Block, DeepNetCell, ElemWise, NeuralNetworkCell

FOLDER = Path(str(files("n2d2.models"))) / "ini"
# Class, arguments of a narrow one, size of its images, and whether the full size is small enough for every run.
FILES: dict[str, tuple[Callable[..., Block], dict[str, Any], int, bool]] = {
    "lenet": (models.LeNet, {}, 0, True),
    "alexnet": (models.AlexNet, {"width": 0.125, "input_size": 64}, 64, False),
    "vgg11": (models.VGG11, {"width": 0.125, "input_size": 32}, 32, False),
    "vgg16": (models.VGG16, {"width": 0.125, "input_size": 32}, 32, False),
    "resnet18": (models.ResNet18, {"width": 0.125}, 40, True),
    "resnet34": (models.ResNet34, {"width": 0.125}, 40, False),
    "resnet50": (lambda **given: models.ResNet50(1.5, **given), {"width": 0.125}, 40, False),
    "mobilenet_v1": (lambda **given: models.MobileNetv1(with_bn=True, **given), {"alpha": 0.25}, 64, True),
    "mobilenet_v2": (models.MobileNetV2, {"alpha": 0.5}, 64, True),
    "squeezenet_1_0": (lambda **given: models.SqueezeNet("1.0", **given), {"width": 0.25}, 64, True),
    "squeezenet_1_1": (models.SqueezeNet, {"width": 0.25}, 64, True),
    "autoencoder": (models.AutoEncoder, {}, 0, True),
    "segmentation": (models.SmallSegmentationNetwork, {"width": 0.25}, 64, True),
}


def load(path: Path) -> DeepNetCell:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "there is no section .database.")
        return n2d2.ini.load(path)


def described(model: Block) -> dict[str, tuple[int, int, list[int], str]]:
    """For each cell the parameters, multiply-accumulates, size of the output and activation."""
    made = {}
    for cell in model._layers():
        shapes = [t.shape() for t in cell._called()[0]]
        if not isinstance(cell, ElemWise) and len(shapes) > 1:
            shapes = [[shapes[0][0], sum(s[1] for s in shapes), *shapes[0][2:]]]
        params, macs = cell.N2D2().statistics(shapes)
        params += 2 * cell.nb_inputs if isinstance(cell, BatchNorm2d) else 0
        made[cell.name] = (params, macs, cell.get_outputs().shape()[1:], str(cell.activation))
    return made


def same(network: DeepNetCell, model: Block) -> None:
    """Compares cells by their names, and what they compute with the same parameters."""
    shape = network._input_shapes[0][1:]
    x = n2d2.Tensor.from_numpy(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32))
    model.test()
    network.test()
    expected = model(x)
    theirs: dict[str, NeuralNetworkCell] = {cell.name: cell for cell in network._layers()}
    for cell in model._layers():
        for parameter in cell.N2D2().param_names():
            theirs[cell.name].N2D2().set_param(parameter, cell.N2D2().param(parameter))
    network(x)
    found, wanted = described(network), described(model)
    found.pop("softmax", None)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        assert found[name] == values, name
    last = theirs[expected.cell.name].get_outputs()
    np.testing.assert_array_equal(last.to_numpy(), expected.to_numpy())


def test_every_file_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.ini")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_narrow(name: str, tmp_path: Path) -> None:
    make, given, size, _ = FILES[name]
    for path in FOLDER.iterdir():
        shutil.copy(path, tmp_path)
    file = tmp_path / f"{name}.ini"
    text = file.read_text()
    for key, value in (("WIDTH", given.get("width", given.get("alpha"))), ("SIZE", size or None)):
        if value is not None:
            text, count = re.subn(rf"^\${key}=\S+", f"${key}={value}", text, flags=re.MULTILINE)
            assert count == 1
    file.write_text(text)
    network = load(file)
    assert len(network.targets) == 1
    same(network, make(**given))


@pytest.mark.parametrize("name", [name for name, (_, _, _, quick) in FILES.items() if quick])
def test_full(name: str) -> None:
    same(load(FOLDER / f"{name}.ini"), FILES[name][0]())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, (_, _, _, quick) in FILES.items() if not quick and "vgg" not in name])
def test_full_of_large_models(name: str) -> None:
    same(load(FOLDER / f"{name}.ini"), FILES[name][0]())


@pytest.mark.slow
def test_lenet_learns_the_digits(tmp_path: Path) -> None:
    n2d2.global_variables.seed = 1
    network = load(FOLDER / "lenet.ini")
    network.fit(6, log_dir=tmp_path)
    assert network.history[0]["success"] < 0.5
    assert network.history[-1]["success"] > 0.8


@pytest.mark.slow
def test_the_auto_encoder_learns_the_digits(tmp_path: Path) -> None:
    n2d2.global_variables.seed = 1
    network = load(FOLDER / "autoencoder.ini")
    network.fit(2, log_dir=tmp_path)
    first, last = (epoch["loss"] for epoch in network.history)
    assert 0 < last < 0.98 * first
