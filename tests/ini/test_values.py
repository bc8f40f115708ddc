"""References, variables, expressions in the text of properties, and cycles of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from n2d2.ini.problems import Place, Problems, Refused
from n2d2.ini.reader import Document, Property, Reader
from n2d2.ini.values import Values, expand_path


def values(text: str) -> Values:
    document, problems = Document(Path()), Problems("net.ini")
    Reader(document, problems, lambda section: "").read(text, "")
    return Values(document, problems)


def value(text: str, section: str = "s", key: str = "X") -> str:
    made = values(text)
    return made.text(made.document[section], key).text


def refused(text: str, section: str = "s", key: str = "X") -> str:
    made = values(text)
    with pytest.raises(Refused) as caught:
        made.text(made.document[section], key)
    assert len(made.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nN=3\n[s]\nX=[a]N\n", "3"),
        ("[a]\nN=3\n[b]\nN=[a]N\n[s]\nX=[b]N [a]N\n", "3 3"),
        ("[a]\nN=3\n[s]\nX=$([a]N * 2)\n", "6"),
        ("[a]\nN=3\n[s]\nX=$(2 * [a]N)\n", "6"),
        ("[a]\nN=3\n[s]\nX=$(2 * [a]N + 1)\n", "7"),
        ("[a]\nP(b).N=3\n[s]\nX=[a]P(b).N\n", "3"),
        ("[s]\nX=[other]N\n", "[other]N"),
        ("[s]\nX=1 [ 2\n", "1 [ 2"),
        ("$V=7\n[s]\nX=${V}\n", "7"),
        ("$V=7\n[s]\n$V=8\nX=${V}\n", "8"),
        ("$V=${W}\n$W=1\n[s]\n$W=2\nX=${V}\n", "2"),
        ("[s]\nX=${UNKNOWN}/a\n", "${UNKNOWN}/a"),
        ("[p]\n[s]\nX=${SECTION_NAME} ${PREV_SECTION_NAME} ${PARENT_SECTION_NAME}\n", "s p ${PARENT_SECTION_NAME}"),
        ("[b]\n$V=1\nX=$(${V} + 1)\n[s] b\n$V=5\n", "6"),
        ("[s]\nX=$(7 / 2) $(8 / 2) $(1 < 2)\n", "3.5 4 1"),
        ("[s]\nX=$('a' + 'b')c\n", "abc"),
        ("[s]\nX=$($(1 + 1) * 3)\n", "6"),
        ("[s]\nX=$(len('('))\n", "1"),
        ("$V=-1\n[s]\nX=$(2 - ${V})\n", "3"),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert value(text) == expected


def test_a_reference_marks_its_section_as_used() -> None:
    made = values("[a]\nN=1\n[s]\nX=[a]N\n")
    made.text(made.document["s"], "X")
    assert made.document["a"].used


def test_computed_values_are_marked() -> None:
    made = values("[a]\nN=$(7/2)\n[s]\nX=[a]N\nY=3.5\n")
    assert made.text(made.document["s"], "X") == ("3.5", True)
    assert made.text(made.document["s"], "Y") == ("3.5", False)


def test_automatic_properties() -> None:
    made = values("[a]\nN=1\n[s]\nX=$([a]_OutputsWidth * 2)\nY=[a]_NbOutputs\nZ=[a]_OutputsHeight\n")
    made.set_automatic("a", "_OutputsWidth", 14)
    made.set_automatic("a", "_NbOutputs", None)
    section = made.document["s"]
    assert made.text(section, "X").text == "28"
    with pytest.raises(Refused):
        made.text(section, "Y")
    assert not made.problems
    with pytest.raises(Refused, match="exists once the cell is built, so only in sections that come after it"):
        made.text(section, "Z")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[a]\nNbOutputs=1\n[s]\nX=[a]NbOutput\n",
            "[s] X refers to [a]NbOutput, but [a] has no such property; did you mean NbOutputs?",
        ),
        ("[s]\nX=[s]X\n", "[s] X refers to itself: [s]X -> [s]X"),
        ("[a]\nX=[s]X\n[s]\nX=[a]X\n", "refers to itself: [s]X -> [a]X -> [s]X"),
        ("$V=${V}\n[s]\nX=${V}\n", "refers to itself: [s]$V -> [s]$V"),
        ("$V=${W}\n$W=${V}\n[s]\nX=${V}\n", "refers to itself: [s]$V -> [s]$W -> [s]$V"),
        ("[s]\nX=$(1 + 2\n", "[s] X: `$(` is not closed in '$(1 + 2'"),
        ("[s]\nX=$(9**9**9)\n", "[s] X: $(9**9**9): a power is out of range"),
        ("[s]\nX=$(a)\n", "[s] X: $(a): the name a is not known here"),
    ],
)
def test_refused(text: str, problem: str) -> None:
    assert problem in refused(text)


def test_a_problem_is_reported_once() -> None:
    made = values("[a]\nN=$(1/0)\n[s]\nX=[a]N\nY=[a]N\n")
    for key in ("X", "Y"):
        with pytest.raises(Refused):
            made.text(made.document["s"], key)
    assert len(made.problems) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("".join(f"$V{i}=${{V{i + 1}}}\n" for i in range(100)) + "[s]\nX=${V0}\n", "more than 64 references"),
        (
            "".join(f"$V{i}=${{V{i + 1}}}${{V{i + 1}}}\n" for i in range(40)) + "$V40=x\n[s]\nX=${V0}\n",
            "more than 1048576",
        ),
        ("[s]\nX=" + "$(" * 100 + "1" + ")" * 100 + "\n", "expressions are nested too deeply"),
    ],
)
def test_bombs_are_refused_at_once(text: str, problem: str) -> None:
    start = time.perf_counter()
    assert problem in refused(text)
    assert time.perf_counter() - start < 1


def test_an_empty_bomb_costs_nothing() -> None:
    start = time.perf_counter()
    assert not value("".join(f"$V{i}=${{V{i + 1}}}${{V{i + 1}}}\n" for i in range(60)) + "$V60=\n[s]\nX=${V0}\n")
    assert time.perf_counter() - start < 1


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found, problems = Property("File", "", Place("", 3)), Problems("net.ini")
    monkeypatch.setenv("N2D2_TEST_FOLDER", "/data")
    monkeypatch.delenv("N2D2_DATA", raising=False)
    monkeypatch.setenv("USER", "me")
    assert expand_path("${N2D2_TEST_FOLDER}/a", problems, found, "File") == Path("/data/a")
    assert expand_path("$N2D2_TEST_FOLDER/a", problems, found, "File") == Path("/data/a")
    assert expand_path("${N2D2_DATA}/a", problems, found, "File") == Path("/local/me/n2d2_data/a")
    with pytest.raises(Refused, match="is a variable neither of the file nor of the environment"):
        expand_path("${N2D2_NOWHERE}/a", problems, found, "File")
    for text in ("", " ", "a\0b", "x" * 5000):
        with pytest.raises(Refused, match="expected the name of a file or folder"):
            expand_path(text, problems, found, "File")
