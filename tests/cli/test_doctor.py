from __future__ import annotations

import re
from importlib import metadata

import pytest

import n2d2
from n2d2 import _core
from n2d2.cli import main

Capture = pytest.CaptureFixture[str]


def doctor(capsys: Capture) -> tuple[int, dict[str, str]]:
    """Return the exit code and the lines below each title."""
    code = main(["doctor"])
    captured = capsys.readouterr()
    assert captured.err == ""
    parts: dict[str, str] = {}
    title = ""
    for line in captured.out.splitlines():
        title = line[:13].strip() or title
        parts[title] = parts.get(title, "") + line[13:] + "\n"
    return code, parts


def test_what_this_machine_offers(capsys: Capture) -> None:
    code, parts = doctor(capsys)
    assert code == 0
    assert parts["n2d2"].startswith(f"{n2d2.__version__}, Python 3.")
    assert f"kernels in use: {_core.isa()}" in parts["processor"]
    assert parts["threads"].startswith(f"{n2d2.global_variables.nb_threads} by default")
    assert re.match(r"[\d.,]+ [KMG]iB, [\d.,]+ [KMG]iB of it free$", parts["memory"].splitlines()[0])
    assert f"numpy {metadata.version('numpy')}\n" in parts["packages"]


def test_why_there_is_no_gpu(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2d2.cli.doctor._loads", lambda library: library == "libcuda.so.1")
    gpu = doctor(capsys)[1]["GPU"]
    assert gpu.startswith("not used: this version has no CUDA backend")
    assert "libcuda.so.1: found" in gpu
    assert "libcudnn.so.9: missing (cuDNN 9: pip install 'n2d2-rs[cuda]')" in gpu


def test_packages_that_are_missing(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"numpy": "2.0", "onnx": "1.20", "matplotlib": "3.9"}
    monkeypatch.setattr("n2d2.cli.doctor._version", versions.get)
    code, parts = doctor(capsys)
    assert code == 0
    assert "pillow: not installed (image files): pip install 'n2d2-rs[images]'" in parts["packages"]
    assert "pip install 'n2d2-rs[tensorboard]'" in parts["packages"]
    del versions["onnx"]
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "onnx: MISSING, n2d2 needs it for ONNX files: pip install onnx" in out
    assert out.endswith("missing: onnx: pip install onnx\n")


def test_environment_variables(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("N2D2_DATA", "somewhere")
    monkeypatch.setenv("N2D2_MODLES", "elsewhere")
    monkeypatch.setenv("N2D2_ISA", "sse9")
    monkeypatch.delenv("N2D2_MODELS", raising=False)
    parts = doctor(capsys)[1]
    assert parts["environment"].splitlines()[:4] == [
        "N2D2_DATA=somewhere",
        "N2D2_MODELS: not set (folder of model files that INI files name)",
        "N2D2_ISA=sse9",
        "N2D2_MODLES: set, but n2d2 does not read it; did you mean N2D2_MODELS?",
    ]
    assert "N2D2_ISA asks for sse9, which does not exist here" in parts["processor"]
