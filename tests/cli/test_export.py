from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.cli import main
from support.models import INI, write_ini, write_onnx

Capture = pytest.CaptureFixture[str]

X = np.random.default_rng(1).random((3, 1, 28, 28), dtype=np.float32)


def outputs(model: n2d2.cells.DeepNetCell) -> np.ndarray:
    return np.array(model.test()(n2d2.Tensor.from_numpy(X)).to_numpy())


def test_an_ini_file_with_parameters_becomes_onnx(capsys: Capture, tmp_path: Path) -> None:
    ini = write_ini(tmp_path)
    n2d2.global_variables.seed = 3
    model = n2d2.ini.load(ini)
    n2d2.global_variables.seed = 1
    model.export_free_parameters(str(tmp_path / "weights"), verbose=False)
    out = tmp_path / "out" / "net.onnx"
    assert main(["export", "onnx", ini, str(out), "--weights", str(tmp_path / "weights")]) == 0
    assert capsys.readouterr().out == f"{out}: written\n"
    assert np.array_equal(outputs(n2d2.onnx.load(out)), outputs(model))


def test_an_onnx_file_is_written_again(capsys: Capture, tmp_path: Path) -> None:
    given = write_onnx(tmp_path)
    out = tmp_path / "again.onnx"
    assert main(["export", "onnx", given, str(out), "--opset", "15"]) == 0
    import onnx

    assert [opset.version for opset in onnx.load(out).opset_import if not opset.domain] == [15]
    assert np.array_equal(outputs(n2d2.onnx.load(out)), outputs(n2d2.onnx.load(given)))
    capsys.readouterr()


def test_batch_normalisation_is_fused_when_asked(capsys: Capture, tmp_path: Path) -> None:
    text = INI.replace("[softmax]\nInput=fc", "[bn]\nInput=fc\nType=BatchNorm\nNbOutputs=10\n[softmax]\nInput=bn")
    ini = write_ini(tmp_path, text)
    import onnx

    operators = []
    for options in ([], ["--fuse"]):
        out = tmp_path / "net.onnx"
        assert main(["export", "onnx", ini, str(out), *options]) == 0
        operators.append({node.op_type for node in onnx.load(out).graph.node})
    assert operators[0] - operators[1] == {"BatchNormalization"}
    capsys.readouterr()


def test_what_cannot_be_written_is_an_error(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert main(["export", "onnx", write_ini(tmp_path), str(tmp_path / "file" / "net.onnx")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("n2d2 export: ")
    assert "Traceback" not in err
    assert main(["export", "onnx", write_ini(tmp_path), str(tmp_path / "net.onnx"), "--opset", "3"]) == 1
    assert "opset" in capsys.readouterr().err
