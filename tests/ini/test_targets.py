"""Targets and their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

import n2d2
from support import ini

NET = ini.HEAD + "[fc]\nInput=sp\nType=Fc\nNbOutputs=10\n"


def test_keys_reach_the_target(tmp_path: Path) -> None:
    keys = "Type=TargetScore\nTargetValue=0.9\nDefaultValue=-1\nTopN=2\nBinaryThreshold=0.4\nWeakTarget=-1\n"
    target = ini.load(tmp_path, f"{NET}[fc.Target]\n{keys}").targets["fc"]
    assert isinstance(target, n2d2.target.Score)
    assert target.get_name() == "fc"
    assert target.folder == Path("fc.Target")
    wanted = {"target_value": 0.9, "default_value": -1.0, "top_n": 2, "binary_threshold": 0.4, "weak_target": -1}
    assert {name: target.get_parameter(name) for name in wanted} == wanted


def test_labels_mapping_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "even.dat").write_text("".join(f"{i} {i % 2}\n" for i in range(10)))
    text = NET.replace("NbOutputs=10", "NbOutputs=2")
    model = ini.load(tmp_path, f"{text}[fc.Target]\nLabelsMapping=even.dat\n")
    assert model.targets["fc"].labels_mapping == str(tmp_path / "even.dat")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no target: a section with the name of a cell and .Target is needed, such as [fc.Target]"),
        ("[fc.Target]\nTop=2\n", "line 11: [fc.Target] Top is not a key of a TargetScore; did you mean TopN?"),
        ("[fc.Target]\nTopN=0\n", "line 10: [fc.Target] "),
        (
            "[fc.Target]\nType=TargetROIs\n",
            "line 11: [fc.Target] Type=TargetROIs: this target is not available; there is TargetScore",
        ),
        (
            "[fc.Target]\nType=TargetScor\n",
            "line 11: [fc.Target] Type is 'TargetScor', expected TargetScore; did you mean TargetScore?",
        ),
        (
            "[fc.Target]\n[fc.Target-2]\n",
            "line 11: [fc.Target-2]: [fc.Target] is a target of the same cell; several are not built yet",
        ),
        ("[fc.Target]\n[fd.Target]\n", "line 11: [fd.Target]: there is no cell [fd]; did you mean fc?"),
        ("[fc.Target]\nLabelsMapping=missing.dat\n", "missing.dat: no such file"),
        (
            "[fc.Target]\nLabelsMapping=../secret.dat\n",
            "line 11: [fc.Target] LabelsMapping is '../secret.dat': only files in the folder of the INI file are read",
        ),
        (
            "[fc.Target]\nLabelsMapping=/etc/passwd\n",
            "LabelsMapping is '/etc/passwd': only files in the folder of the INI file are read",
        ),
        ("[fc.Target]\nDataAsTarget=1\nTopN=2\n", "line 10: [fc.Target] "),
        ("[fc.Targt]\n[fc.Target]\n", "line 10: [fc.Targt] is used by nothing; did you mean fc.Target?"),
    ],
)
def test_problems(tmp_path: Path, text: str, problem: str) -> None:
    found = ini.problems(tmp_path, NET + text)
    assert len(found) == 1, found
    assert problem in found[0]
