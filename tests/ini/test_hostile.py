"""Files that mean harm: an error in under a second and under 200 MB, whatever they say."""

from __future__ import annotations

import resource
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import n2d2
from n2d2.error_handler import Error, ModelFileError
from n2d2.ini.sizes import Sizes
from support import ini

FC = "Type=Fc\nNbOutputs=2\n"


CONV, DECONV = (f"[c]\nInput=sp\nType={kind}\n" for kind in ("Conv", "Deconv"))
SOFTMAX = "[c]\nInput=sp\nType=Softmax\nNbOutputs=1\n"
DIGITS = "[database]\nType=Digits_Database\n"


def chain(count: int) -> str:
    return "".join(f"[c{i}]\nInput=c{i + 1}\n{FC}" for i in range(count))


HOSTILE = {
    "huge product": f"{ini.HEAD}[c]\nInput=sp\nType=Fc\nNbOutputs=$(10 ** 12)\n",
    "huge layer": f"{ini.HEAD}[c]\nInput=sp\nType=Fc\nNbOutputs=2000000000\n",
    "huge kernel": f"{ini.HEAD}{CONV}KernelSize=1000000\nPadding=1000000\nNbOutputs=1\n",
    "huge padding": f"{ini.HEAD}{CONV}KernelSize=1\nPadding=10000000\nNbOutputs=1\n",
    "huge dilation": f"{ini.HEAD}{DECONV}KernelSize=3\nDilation=100000\nNbOutputs=9\n",
    "huge stride of a deconvolution": f"{ini.HEAD}{DECONV}KernelSize=1\nStride=100000\nNbOutputs=1\n",
    "huge sub-sampling": f"{ini.HEAD}{CONV}KernelSize=1\nSubSample=0\nNbOutputs=1\n",
    "huge stimulus": DIGITS + "[sp]\nSize=32768 32768 32768\n" + SOFTMAX,
    "huge batch": DIGITS + "[sp]\nSize=4096 4096 1\nBatchSize=65536\n" + SOFTMAX,
    "huge pool": f"{ini.HEAD}[c]\nInput=sp\nType=Pool\nNbOutputs=1\n"
    "PoolSize=1000000000\nPadding=500000000\nPooling=Max\n",
    "huge resize": f"{ini.HEAD}[c]\nInput=sp\nType=Resize\nNbOutputs=1\n"
    "OutputWidth=32768\nOutputHeight=32768\nMode=Bilinear\n",
    "huge transformation": f"{ini.HEAD}[c]\nInput=sp\nType=Transformation\nNbOutputs=1\n"
    "Transformation=RescaleTransformation\nWidth=32768\nHeight=32768\n",
    "huge mapping": f"{ini.HEAD}[a]\nInput=sp\nType=Conv\nKernelSize=1\nNbOutputs=9000\n"
    "[c]\nInput=a\nType=Pool\nPoolSize=1\nPooling=Max\nNbOutputs=9000\nMapping.Size=1\n",
    "much work": f"{ini.HEAD}{CONV}KernelSize=101\nPadding=500\nNbOutputs=4000\n",
    "circle of cells": f"{ini.HEAD}{chain(300)}[c300]\nInput=c0\n{FC}",
    "long circle of variables": "".join(f"$V{i}=${{V{(i + 1) % 5000}}}\n" for i in range(5000))
    + f"{ini.HEAD}[c]\nInput=sp\nType=Fc\nNbOutputs=${{V0}}\n",
    "self inheritance": "[a] a\n[b] c\n[c] b\n",
    "inheritance bomb": "[p0]\n"
    + "".join(f"k{i}=1\n" for i in range(500))
    + "".join(f"[p{i}] {' '.join(f'p{j}' for j in range(i))}\nx{i}=1\n" for i in range(1, 200)),
    "variable bomb": "".join(f"$V{i}=${{V{i + 1}}}${{V{i + 1}}}\n" for i in range(50))
    + f"$V50=x\n{ini.HEAD}[c]\nInput=${{V0}}\n{FC}",
    "reference bomb": "".join(f"[s{i}]\nX=[s{i + 1}]X [s{i + 1}]X\n" for i in range(50))
    + f"[s50]\nX=x\n{ini.HEAD}[c]\nInput=[s0]X\n{FC}",
    "expression bomb": f"{ini.HEAD}[c]\nInput=sp\nType=Fc\nNbOutputs=$(" + "(" * 500 + "1" + ")" * 500 + ")\n",
    "many problems": "".join(f"foo{i}\n" for i in range(90_000)),
    "many brackets": "[" * 100_000 + "\n",
    "one long line": "x=" + "[a" * 1_000_000 + "\n[s]\ny=1\n",
    "long names": f"[{'a' * 1_000_000}]\n[{'b' * 1_000_000}]\nType={'x' * 1_000_000}\nInput={'y' * 1_000_000}\n",
    "many sections": "".join(f"[s{i}]\n" for i in range(30_000)),
    "system call": f"{ini.HEAD}[c]\nInput=sp\nType=Fc\nNbOutputs=$(__import__('os').system('touch owned'))\n",
    "loop": f"{ini.HEAD}[t@loop.tpl]\nN=1000000000\n",
    "nested loops": f"{ini.HEAD}[t@nested.tpl]\nN=100000\n",
    "template that is itself": f"{ini.HEAD}[t@self.tpl]\n",
    "many templates": f"{ini.HEAD}" + "".join(f"[t{i}@big.tpl]\nN=20000\n" for i in range(40)),
}
TEMPLATES = {
    "loop.tpl": "{% for i in range(N) %}[x{{i}}]\n{% endfor %}",
    "nested.tpl": "{% for i in range(N) %}{% for j in range(N) %}{% endfor %}{% endfor %}",
    "self.tpl": "[{{SECTION_NAME}}x@self.tpl]\n[{{SECTION_NAME}}y@self.tpl]\n",
    "big.tpl": "{% for i in range(N) %}[{{SECTION_NAME}}_{{i}}]\nA=1\n{% endfor %}",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_error_at_once(tmp_path: Path, name: str) -> None:
    for template, text in TEMPLATES.items():
        (tmp_path / template).write_text(text)
    file = ini.write(tmp_path, HOSTILE[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(ModelFileError) as caught:
        n2d2.ini.load(file)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    assert len(caught.value.problems) <= 201
    assert all(len(problem) < 2000 for problem in caught.value.problems)
    assert not (tmp_path / "owned").exists()


KEYS = [
    "Input",
    "Type",
    "NbOutputs",
    "KernelSize",
    "Stride",
    "Padding",
    "ConfigSection",
    "Size",
    "BatchSize",
    "Pooling",
]
KEYS += ["Mapping.Size", "PoolDims", "ActivationFunction", "Solvers.LearningRate", "WeightsFiller", "$A", "Operation"]
VALUES = [
    "sp",
    "a",
    "b",
    "a,b",
    "Fc",
    "Conv",
    "Pool",
    "Softmax",
    "ElemWise",
    "BatchNorm",
    "1",
    "2",
    "3 3",
    "-1",
    "28 28 1",
]
VALUES += [
    "$(1+1)",
    "$(",
    "${A}",
    "[a]NbOutputs",
    "[b]_NbOutputs",
    "Rectifier",
    "HeFiller",
    "Max",
    "Sum",
    '"x',
    "1e9",
    "",
]
LINES = (
    st.sampled_from(["[a]", "[b] a", "[c] a b", "[sp]", "[database]", "[a.Target]", "[b@t.tpl]", "[", "\\", "; x"])
    | st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map("=".join)
    | st.text(max_size=20)
)
QUICK = settings(
    deadline=2000, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(st.lists(LINES, max_size=40).map("\n".join))
def test_any_text_is_a_network_or_an_error(tmp_path: Path, text: str) -> None:
    check(tmp_path, text.encode("utf-8", "surrogatepass"))


@QUICK
@given(st.lists(LINES, max_size=15).map("\n".join))
def test_any_section_in_a_network(tmp_path: Path, text: str) -> None:
    check(tmp_path, f"{ini.HEAD}[a]\nInput=sp\n{text}\n[fc]\nInput=sp\n{FC}[fc.Target]\n".encode("utf-8", "replace"))


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    check(tmp_path, data)


def test_layers_that_are_large_together() -> None:
    sizes = Sizes()
    given = {"nb_outputs": 1 << 17}
    assert [sizes.refused("cells.Fc", given, 1000, [1, 1]) for _ in range(2)] == [None, None]
    assert sizes.refused("cells.Fc", given, 1000, [1, 1]) == (
        "393216000 weights are too many: at most 268435456 in a network"
    )


def check(folder: Path, data: bytes) -> None:
    file = folder / "net.ini"
    file.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            model = n2d2.ini.load(file)
        except Error as error:
            assert str(error)  # noqa: PT017
        else:
            assert isinstance(model, n2d2.cells.DeepNetCell)
