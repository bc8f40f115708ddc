from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import n2d2
from n2d2.cli import main
from support.models import INI, write_ini, write_onnx

Capture = pytest.CaptureFixture[str]


def inspect(capsys: Capture, model: str) -> tuple[int, str]:
    code = main(["inspect", model])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def test_layers_of_an_ini_file(capsys: Capture, tmp_path: Path) -> None:
    model = write_ini(tmp_path)
    code, text = inspect(capsys, model)
    assert code == 0
    assert text == (
        f"{model}: input 1 x 28 x 28, batches of 50; all 2 layers run\n"
        "layer     class     output       trains   parameters    MACs   activations\n"
        "--------------------------------------------------------------------------\n"
        "fc        Fc        10 x 1 x 1   yes           7,850   7,850            10\n"
        "softmax   Softmax   10 x 1 x 1   -                 0       0            10\n"
        "\n"
        "parameters   7,850 that learn, 30.7 KiB with statistics\n"
        "computing    7,850 MACs an image\n"
        "activations  20, 80 B an image\n"
        "learning     about 99.8 KiB in batches of 50\n"
    )


def test_operators_and_layers_of_an_onnx_file(capsys: Capture, tmp_path: Path) -> None:
    model = write_onnx(tmp_path)
    start = time.process_time()
    code, text = inspect(capsys, model)
    assert code == 0
    assert time.process_time() - start < 1.0
    assert text.startswith(f"{model}: ONNX, operators of ai.onnx 17, org.example 1, made by tests\n")
    assert dict(re.findall(r"^(\w+) +1   (yes|no)$", text, re.MULTILINE)) == dict.fromkeys(
        ("Conv", "Flatten", "Gemm", "MaxPool", "Relu", "Softmax"), "yes"
    )
    # 4 kernels of 25 values and 4 biases; 144 inputs and a bias for each of 10 outputs.
    assert re.search(r"^conv +Conv \+ Rectifier +4 x 24 x 24 +yes +104 ", text, re.MULTILINE)
    assert re.search(r"^fc +Fc +10 x 1 x 1 +yes +1,450 ", text, re.MULTILINE)
    assert "parameters   1,554 that learn" in text


def test_every_operator_that_is_not_supported_is_listed(capsys: Capture, tmp_path: Path) -> None:
    code, text = inspect(capsys, write_onnx(tmp_path, unsupported=True))
    assert code == 1
    runs = dict(re.findall(r"^([\w.]+) +1   (yes|no)$", text, re.MULTILINE))
    assert {name for name, answer in runs.items() if answer == "no"} == {"Det", "org.example.Fancy"}
    problems = text.partition("cannot be loaded; what is wrong, and what to do:\n")[2].splitlines()
    assert len(problems) == 2
    assert problems[0].startswith("  node 'strange' (Det): the operator Det is not supported; ")
    assert problems[1].startswith("  node 'stranger' (Fancy): the operator org.example.Fancy is not supported; ")


def test_every_problem_of_an_ini_file_is_listed(capsys: Capture, tmp_path: Path) -> None:
    text = INI.replace("Type=Fc", "Type=Fcc").replace("Validation=0.1", "Validatoin=0.1")
    code, out = inspect(capsys, write_ini(tmp_path, text))
    assert code == 1
    problems = out.splitlines()[1:]
    assert any("line 4" in problem and "Validation" in problem for problem in problems)
    assert any("line 13" in problem and "Fc" in problem for problem in problems)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"no model"])
def test_damaged_files_are_an_error_of_the_file(capsys: Capture, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    code, text = inspect(capsys, str(path))
    assert code == 1
    assert f"{path}: cannot be loaded; what is wrong, and what to do:\n  " in text


def test_a_file_that_is_not_there(capsys: Capture, tmp_path: Path) -> None:
    for name in ("none.ini", "none.onnx"):
        assert main(["inspect", str(tmp_path / name)]) == 1
        assert name in capsys.readouterr().err


def test_parameters_of_normalisations_are_counted(capsys: Capture) -> None:
    """MobileNet v2 as it is published: 34,112 of its parameters are scales and biases of normalisations."""
    file = Path(n2d2.models.__file__).parent / "ini" / "mobilenet_v2.ini"
    assert main(["inspect", str(file)]) == 0
    text, warning = capsys.readouterr()
    assert "there is no section [database]" in warning
    assert re.search(r"^conv1_bn +BatchNorm2d \+ Rectifier +32 x 112 x 112 +yes +64 ", text, re.MULTILINE)
    assert "parameters   3,504,872 that learn, 13.5 MiB with statistics\n" in text


def test_parameters_are_not_drawn_for_a_look_but_afterwards(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[str] = []
    fill = n2d2.cells.Fc.refill_weights

    def noted(cell: n2d2.cells.Fc) -> None:
        filled.append(cell.get_name())
        fill(cell)

    monkeypatch.setattr(n2d2.cells.Fc, "refill_weights", noted)
    for text in (INI, INI.replace("Type=Fc", "Type=Fcc")):
        inspect(capsys, write_ini(tmp_path, text))
        assert filled == []
    assert n2d2.cells.Fc(2, 2, name="after").get_weight(0, 0)[0] != 0
    assert filled == ["after"]


def test_a_large_network_is_not_computed(capsys: Capture) -> None:
    """VGG-16 as it is published; a forward pass of it is 15.5 thousand million products."""
    assert main(["inspect", str(Path(n2d2.models.__file__).parent / "ini" / "vgg16.ini")]) == 0
    assert "parameters   138,357,544 that learn" in capsys.readouterr().out
    fc = n2d2.cells.Fc(1, 1, filler=n2d2.filler.Constant(value=1.0))
    assert list(fc(n2d2.Tensor([1, 1], value=1.0))) == [2.0], "cells compute again afterwards"


def test_what_has_only_a_shape_cannot_be_gone_back_through() -> None:
    fc = n2d2.cells.Fc(1, 1)
    n2d2._core.set_shapes_only(True)
    try:
        y = fc(n2d2.Tensor([1, 1], value=1.0))
    finally:
        n2d2._core.set_shapes_only(False)
    assert list(y) == [0.0]
    with pytest.raises(n2d2.error_handler.StateError, match="only shapes were computed; call the cells again"):
        y.back_propagate(n2d2.Tensor([1, 1, 1, 1], value=1.0))
