"""Models for the stimuli of a provider: sizes, targets, and the INI file that says how cells learn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import n2d2
from n2d2.cells import DeepNetCell
from n2d2.error_handler import MissingFileError, ModelFileError, WrongInputType
from support.malformed_onnx import model, small_model, value


def provider(size: list[int], count: int = 12) -> Any:
    x = np.random.default_rng(2).normal(size=(count, *size[::-1])).astype(np.float32)
    database = n2d2.database.Numpy(random_partitioning=False)
    database.load(list(x), [int(i) for i in np.arange(count) % 4])
    database.partition_stimuli(1.0, 0.0, 0.0)
    return n2d2.provider.DataProvider(database, size, batch_size=4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "small.onnx"
    file.write_bytes(small_model().SerializeToString())
    return file


def test_the_softmax_at_the_end_has_a_loss_and_a_target(path: Path) -> None:
    source = provider([4, 4, 2])
    net = DeepNetCell.load_from_ONNX(source, path)
    assert net["y"].with_loss is True
    assert list(net.targets) == ["y"]
    assert net.targets["y"].name == "y"
    assert net.get_embedded_deepnet().get_provider() is source
    before = net["c"].N2D2().param("weights").copy()
    net.fit(1, log_dir=str(path.parent / "log"))
    assert np.abs(net["c"].N2D2().param("weights") - before).max() > 0


def test_the_size_of_the_provider_wins_with_a_warning(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])]
    (tmp_path / "pool.onnx").write_bytes(model(nodes, [value("x", [1, 2, 8, 8])]).SerializeToString())
    source = provider([4, 6, 2])
    with pytest.warns(UserWarning, match=r"input 'x' has shape \[1, 2, 8, 8\], the provider's \[1, 2, 6, 4\] is used"):
        net = DeepNetCell.load_from_ONNX(source, tmp_path / "pool.onnx")
    assert net(n2d2.Tensor([3, 2, 6, 4])).shape() == [3, 2, 1, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DeepNetCell.load_from_ONNX(source, tmp_path / "pool.onnx", ignore_input_size=True)


def test_stimuli_that_do_not_fit_the_weights_are_an_error_of_the_node(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"node 'conv' \(Conv\)"), pytest.warns(UserWarning, match="provider"):
        DeepNetCell.load_from_ONNX(provider([4, 4, 3]), path)


def test_images_for_a_model_of_flat_values(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Gemm", ["x", "w"], ["y"])]
    proto = model(nodes, [value("x", ["n", 12])], {"w": np.ones((12, 5), np.float32)})
    (tmp_path / "flat.onnx").write_bytes(proto.SerializeToString())
    net = DeepNetCell.load_from_ONNX(provider([2, 3, 2]), tmp_path / "flat.onnx")
    assert [cell.get_type() for cell in net] == ["Fc"]
    assert net(n2d2.Tensor([4, 2, 3, 2], value=1.0)).to_numpy().tolist() == np.full((4, 5, 1, 1), 12.0).tolist()


def test_several_data_inputs_are_an_error(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Add", ["x", "z"], ["y"])]
    proto = model(nodes, [value("x", [1, 2]), value("z", [1, 2])])
    (tmp_path / "two.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match=r"has 2 data inputs \(x, z\); a provider gives one"):
        DeepNetCell.load_from_ONNX(provider([1, 1, 2]), tmp_path / "two.onnx")


def test_wrong_arguments(path: Path) -> None:
    source = provider([4, 4, 2])
    with pytest.raises(WrongInputType, match="provider"):
        DeepNetCell.load_from_ONNX("data", path)  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="ignore_cells"):
        DeepNetCell.load_from_ONNX(source, path, ignore_cells="y")  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="ignore_input_size"):
        DeepNetCell.load_from_ONNX(source, path, ignore_input_size=1)  # type: ignore[arg-type]
    with pytest.raises(MissingFileError, match=r"none\.ini"):
        DeepNetCell.load_from_ONNX(source, path, ini_file=path.parent / "none.ini")


INI = """
[onnx]
Ignore=r
IgnoreInputSize=1

[onnx:Conv_def]
ConfigSection=slow

[slow]
Solvers.LearningRate=0.125
Solvers.Momentum=0.5

[g]
WeightsSolver=Adam
WeightsSolver.LearningRate=0.25
BackPropagate=0
ConfigSection=frozen

[frozen]
BackPropagate=0
"""


def test_an_ini_file_gives_solvers_options_and_what_is_left_out(path: Path, tmp_path: Path) -> None:
    ini = tmp_path / "how.ini"
    ini.write_text(INI.replace("BackPropagate=0\nConfigSection", "ConfigSection"))
    net = DeepNetCell.load_from_ONNX(provider([4, 4, 2]), path, ini_file=ini)
    assert net["c"].activation is None  # r, the rectifier, is left out
    assert net["c"].weights_solver.learning_rate == 0.125
    assert net["c"].bias_solver.momentum == 0.5
    assert net["g"].weights_solver.get_type() == "Adam"
    assert net["g"].weights_solver.learning_rate == 0.25
    assert net["g"].back_propagate is False
    known = {t.name: onnx.numpy_helper.to_array(t) for t in small_model().graph.initializer}
    np.testing.assert_array_equal(net["c"].N2D2().param("weights"), known["w"])


def test_problems_of_an_ini_file_are_listed_with_their_lines(path: Path, tmp_path: Path) -> None:
    ini = tmp_path / "how.ini"
    ini.write_text("[c]\nConfigSection=slow\n\n[slow]\nSolver.LearningRate=1\n")
    with pytest.raises(ModelFileError, match=r"line 5: .*Solver\.LearningRate is not a key"):
        DeepNetCell.load_from_ONNX(provider([4, 4, 2]), path, ini_file=ini)
    ini.write_text("[c]\n\n[other]\nx=1\n")
    with pytest.raises(ModelFileError, match=r"line 3: \[other\] is used by nothing"):
        DeepNetCell.load_from_ONNX(provider([4, 4, 2]), path, ini_file=ini)
