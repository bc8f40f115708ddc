"""The binding: the GIL, threads, values from and to Python."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

import n2d2
from n2d2 import _core


def test_computing_releases_the_gil() -> None:
    """Python switches threads only where a call gives the GIL up."""
    cell, x = n2d2.cells.Conv(16, 16, [3, 3]), n2d2.Tensor([4, 16, 64, 64], value=1.0)
    done = threading.Event()

    def work() -> None:
        for _ in range(200):
            cell(x)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.001)
        interleaved = not done.is_set()
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert interleaved


def test_one_cell_in_several_threads() -> None:
    cell = n2d2.cells.Fc(64, 10)
    inputs = [n2d2.Tensor([8, 64], value=float(i)) for i in range(4)]
    expected = [cell(x).to_numpy().copy() for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        wrong.extend(i for _ in range(50) if not np.array_equal(cell(inputs[i]).to_numpy(), expected[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_arrays_outlive_what_they_look_at() -> None:
    cell = n2d2.cells.BatchNorm2d(3)
    scales, output = cell.get_scales().to_numpy(), cell(n2d2.Tensor([2, 3, 4, 4])).to_numpy()
    var = _core.Var.from_numpy(np.full((1, 3, 64, 64), 7.0, np.float32))
    del cell
    values = var.numpy()
    del var
    assert scales.ravel().tolist() == [1.0, 1.0, 1.0]
    assert output.shape == (2, 3, 4, 4)
    assert values.min() == values.max() == 7.0


def test_parameters_may_be_numpy_values() -> None:
    conv = n2d2.cells.Conv(np.int64(2), np.int32(3), np.array([3, 1]), no_bias=np.bool_(True))
    assert (conv.nb_inputs, conv.kernel_dims) == (2, [3, 1])
    assert not n2d2.cells.Fc(1, 1, no_bias=True).has_bias()


def test_texts_of_values_that_no_parameter_takes() -> None:
    with pytest.raises(
        TypeError, match=r"e: parameter `nb_inputs` must be a bool, a number, a str, a list .*, got dict"
    ):
        _core.Cell("Fc", "e", {"nb_inputs": {}})
    with pytest.raises(TypeError, match=r"e: parameter `dims` must be .*, got a list with a str in it"):
        _core.Cell("Reshape", "e", {"dims": ["a"]})
    with pytest.raises(ValueError, match="n2d2: `Cnv` is not a cell; did you mean `Conv`"):
        _core.Cell("Cnv", "e", {})


def test_parameter_tensors() -> None:
    cell = _core.Cell("Fc", "f", {"nb_inputs": 3, "nb_outputs": 2})
    assert (cell.kind, cell.param_names(), cell.param_dims("weights")) == ("Fc", ["weights", "bias"], [2, 3])
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    cell.set_param("weights", w[:, ::-1])
    assert np.array_equal(cell.param("weights"), w[:, ::-1])
    assert cell.statistics([[1, 3, 1, 1]]) == (8, 8)
    with pytest.raises(ValueError, match=r"f: weights: expected \[2, 3\], got \[3, 2\]"):
        cell.set_param("weights", w.T.copy())
    with pytest.raises(ValueError, match="f: `weight` is not one of its parameter tensors; did you mean `weights`"):
        cell.param("weight")
    with pytest.raises(ValueError, match="weights: parameter `index` is"):
        cell.param_view("weights", [2])
    norm = _core.Cell("BatchNorm2d", "n", {"nb_inputs": 3})
    with pytest.raises(RuntimeError, match="n: `means` are statistics, which no solver updates"):
        norm.set_solver("means", _core.Solver("SGD", {}))


def test_arrays_must_be_aligned_float32() -> None:
    raw = np.zeros(17, np.uint8)[1:].view(np.float32)
    with pytest.raises(RuntimeError, match="the array is not aligned to its elements; copy it first"):
        _core.Var.from_numpy(raw)
    aligned = n2d2.Tensor._wrap(raw.reshape(1, 4))
    assert n2d2.cells.Fc(4, 1)(aligned).shape() == [1, 1, 1, 1]
    with pytest.raises(TypeError):
        _core.Var.from_numpy(np.zeros((1, 4)))


def test_facts() -> None:
    assert n2d2.__version__ == _core.version
    assert _core.isa() in ("avx512", "avx2", "portable")
    assert {"Conv", "Fc", "Pool"} <= set(_core.cell_kinds())
    assert _core.nearest("paddin", ["stride", "padding"]) == "padding"
    assert _core.nearest("zzzz", ["stride", "padding"]) is None
