"""ONNX's own test cases, run by the importer.

`ignored.txt` lists the cases that n2d2 does not support, each with the reason; they must end in an error of n2d2, so
that the list stays true. The counts are printed at the end.
"""

from __future__ import annotations

import warnings
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

import n2d2
from n2d2.onnx.backend import N2D2Backend

COUNTED_FOR = "1.23.2"
"""The version of onnx whose cases the list is about; others have more or fewer."""
SETS = ("node", "pytorch-converted", "pytorch-operator", "simple")
NUMBERS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64)
ORIGINAL = """
Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvInteger Div Dropout Flatten Gather Gemm
GlobalAveragePool GlobalMaxPool Identity LRN LeakyRelu MatMul MatMulInteger Max MaxPool Mul Pad ReduceMax ReduceMean
Relu Reshape Resize SequenceEmpty Shape Sigmoid Slice Softmax Softplus Squeeze Sub Sum Tanh Transpose Unsqueeze
"""
# Those, and the operators that exporters of convolutional networks write.
WIDER = f"""{ORIGINAL}
Abs ArgMax ArgMin CastLike Ceil Celu ConvTranspose DepthToSpace DequantizeLinear DynamicQuantizeLinear Elu Equal Erf Exp
Expand Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish InstanceNormalization LayerNormalization Less LessOrEqual
Log LogSoftmax Mean Min Mish Mod Neg Not PRelu Pow QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMin ReduceProd ReduceSum ReduceSumSquare Round Selu Sign Size Softsign SpaceToDepth Split Sqrt
ThresholdedRelu Tile TopK Upsample Where
"""

LEAST = {
    "node, numbers, operators of the original": 274,
    "node, numbers, wider set": 663,
    "pytorch-converted": 75,
    "pytorch-operator": 31,
}
OPERATORS = {"operators of the original": ORIGINAL, "wider set": WIDER}

pytestmark = pytest.mark.skipif(onnx.__version__ != COUNTED_FOR, reason=f"the list is about onnx {COUNTED_FOR}")


def _ignored() -> dict[str, str]:
    """Return the reasons by pattern."""
    lines = (Path(__file__).parent / "ignored.txt").read_text().splitlines()
    pairs = [line.split(":", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {pattern.strip(): reason.strip() for pattern, reason in pairs}


def _cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {f"{kind}/{case.name}": case for kind in SETS for case in load_model_tests(kind=kind)}
    return {name: found[name] for name in sorted(found)}


IGNORED = _ignored()
CASES = _cases()
RESULTS: dict[str, str] = {}


def _model(case: Any) -> Any:
    return case.model if case.model is not None else onnx.load(Path(case.model_dir) / "model.onnx")


def _proto(file: Path, value: Any) -> Any:
    kind = value.type.WhichOneof("value")
    content = file.read_bytes()
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _data(case: Any, model: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return inputs and outputs of each set of data."""
    if case.data_sets is not None:
        return [([_array(i) for i in inputs], [_array(o) for o in outputs]) for inputs, outputs in case.data_sets]
    made = []
    weights = {t.name for t in model.graph.initializer}
    given = [i for i in model.graph.input if i.name not in weights] or list(model.graph.input)
    for folder in sorted(Path(case.model_dir).glob("test_data_set*")):
        count = len(list(folder.glob("input_*.pb")))
        named = given if count == len(given) else list(model.graph.input)
        inputs = [_proto(folder / f"input_{i}.pb", named[i]) for i in range(count)]
        outputs = [_proto(folder / f"output_{i}.pb", v) for i, v in enumerate(model.graph.output)]
        made.append((inputs, outputs))
    return made


def _run(case: Any) -> None:
    """Run a case as onnx's own runner does, which would also ask the network for models."""
    model = _model(case)
    prepared = N2D2Backend.prepare(model)
    for inputs, outputs in _data(case, model):
        # The cells compute with float32: two units of the last place of a float16, as onnx allows for bfloat16.
        half = any(getattr(o, "dtype", None) == np.float16 for o in outputs)
        Runner.assert_similar_outputs(outputs, prepared.run(inputs), max(case.rtol, 2**-9 * half), case.atol)


def _reason(name: str) -> str | None:
    return next((reason for pattern, reason in IGNORED.items() if fnmatchcase(name, pattern)), None)


def _sets_of(name: str) -> list[str]:
    """Return which counts a case belongs to."""
    kind = name.partition("/")[0]
    counted = [kind]
    if kind == "node":
        model = _model(CASES[name])
        values = [*model.graph.input, *model.graph.output]
        if all(v.type.tensor_type.elem_type in NUMBERS for v in values):
            counted.append("node, numbers")
            found = {n.op_type for n in model.graph.node}
            counted += [f"node, numbers, {which}" for which, words in OPERATORS.items() if found <= set(words.split())]
    return counted


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    if _reason(name) is None:
        _run(CASES[name])
        RESULTS[name] = "passed"
        return
    with pytest.raises(n2d2.Error) as caught:
        _run(CASES[name])
    assert str(caught.value).strip()
    RESULTS[name] = "excluded"


def test_every_line_of_the_list_has_a_reason_and_a_case() -> None:
    for pattern, reason in IGNORED.items():
        assert len(reason) > 10, pattern
        assert any(fnmatchcase(name, pattern) for name in CASES), f"{pattern} matches no case"


def test_counts(capsys: pytest.CaptureFixture[str]) -> None:
    if len(RESULTS) < len(CASES):
        pytest.skip("not all cases ran")
    totals: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for name, result in RESULTS.items():
        for counted in _sets_of(name):
            totals[counted] += 1
            passed[counted] += result == "passed"
    with capsys.disabled():
        for counted, total in sorted(totals.items()):
            print(
                f"\nonnx {onnx.__version__} {counted}: {passed[counted]} passed, "
                f"{total - passed[counted]} excluded, {total} total",
                end="",
            )
    for counted, least in LEAST.items():
        assert passed[counted] >= least, counted
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    for counted in (*LEAST, "node"):
        row = f"| {counted} | {passed[counted]} | {totals[counted] - passed[counted]} | {totals[counted]} |"
        assert row in readme, f"README.md: expected the row {row}"
