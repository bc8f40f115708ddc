"""Files that are damaged, wrong or malicious: one clear error, soon, and without much memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import n2d2
from n2d2.error_handler import ModelFileError
from support.malformed_onnx import external, malformed, model, small_model, value

MODELS = malformed()
CONTENT = small_model().SerializeToString()


def test_the_model_that_is_changed_is_right() -> None:
    assert [c.get_type() for c in n2d2.onnx.load(CONTENT)] == ["Conv", "Pool2d", "Fc", "Softmax"]


@pytest.mark.parametrize("name", MODELS)
def test_a_malformed_model_is_one_error_that_names_file_and_place(name: str, tmp_path: Path) -> None:
    proto, text = MODELS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError) as caught:
        n2d2.onnx.load(path)
    assert text in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.problems


def test_a_file_that_ends_too_early_is_an_error_wherever_it_ends() -> None:
    for end in range(len(CONTENT)):
        with pytest.raises(ModelFileError):
            n2d2.onnx.load(CONTENT[:end])


def test_all_problems_of_a_file_are_listed() -> None:
    nodes = [
        onnx.helper.make_node("Unique", ["x"], ["u"], name="first"),
        onnx.helper.make_node("Relu", ["u"], ["r"]),
        onnx.helper.make_node("NonZero", ["x"], ["n"], name="second"),
        onnx.helper.make_node("Softmax", ["x"], ["y"], axis=0, name="third"),
        onnx.helper.make_node("Own", ["x"], ["o"], name="fourth", domain="com.example"),
    ]
    proto = model(nodes, [value("x", [2, 3])])
    proto.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    with pytest.raises(ModelFileError) as caught:
        n2d2.onnx.load(proto)
    found = caught.value.problems
    assert [p.partition("'")[2].partition("'")[0] for p in found if "third" not in p] == ["first", "second", "fourth"]
    proto = small_model()
    proto.graph.node[0].input[1] = "nowhere"
    proto.opset_import[0].version = 99
    with pytest.raises(ModelFileError) as caught:
        n2d2.onnx.load(proto)
    assert len(caught.value.problems) == 2


def test_weights_in_another_file_of_the_folder_are_read(tmp_path: Path) -> None:
    weights = onnx.numpy_helper.to_array(small_model().graph.initializer[0])
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"head" + weights.tobytes() + b"tail")
    proto = external("sub/w.bin", offset="4", length=str(weights.nbytes))
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    cell = n2d2.onnx.load(tmp_path / "model.onnx")["c"]
    np.testing.assert_array_equal(cell.N2D2().param("weights"), weights)
    with pytest.raises(ModelFileError, match="load the model by its path"):
        n2d2.onnx.load(proto)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(1000))
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "w.bin").symlink_to(outside)
    (folder / "model.onnx").write_bytes(external("w.bin").SerializeToString())
    with pytest.raises(ModelFileError, match="outside of the folder"):
        n2d2.onnx.load(folder / "model.onnx")


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(n2d2.error_handler.MissingFileError, match=r"no\.onnx"):
        n2d2.onnx.load(tmp_path / "no.onnx")
    with pytest.raises(n2d2.error_handler.FileError, match="is no file"):
        n2d2.onnx.load(tmp_path)
    with pytest.raises(n2d2.error_handler.WrongInputType):
        n2d2.onnx.load(3)  # type: ignore[arg-type]
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ModelFileError, match="empty"):
        n2d2.onnx.load(tmp_path / "empty.onnx")
    with pytest.raises(n2d2.error_handler.FileError):
        n2d2.onnx.load("a\0b.onnx")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_an_error_of_n2d2_or_none(changes: list[tuple[int, int]]) -> None:
    content = bytearray(CONTENT)
    for place, byte in changes:
        content[place] = byte
    try:
        model = n2d2.onnx.load(bytes(content))
    except n2d2.Error as error:
        assert str(error)  # noqa: PT017  most files load
    else:
        assert len(list(model)) > 0


LIMITED = """
import resource, sys, time
import n2d2
from support.malformed_onnx import malformed, small_model
models = {name: proto.SerializeToString() for name, (proto, _) in malformed().items()}
n2d2.onnx.load(small_model())
for content in models.values():  # loads what is imported late
    try:
        n2d2.onnx.load(content)
    except n2d2.Error:
        pass
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + 200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name, content in models.items():
    start = time.process_time()
    try:
        n2d2.onnx.load(content)
    except n2d2.error_handler.ModelFileError:
        pass
    else:
        sys.exit(f"{name}: no error")
    if time.process_time() - start > 1:
        sys.exit(f"{name}: {time.process_time() - start} s")
print(len(models))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_no_malformed_model_takes_a_second_or_200_megabytes() -> None:
    tests = Path(__file__).parent.parent
    path = f"{Path(n2d2.__file__).parent.parent}:{tests}"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, env={"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == len(MODELS)
