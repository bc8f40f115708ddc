"""Lines, comments, quotes, sections and inheritance."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2d2.error_handler import FileError, MissingFileError, ModelFileError
from n2d2.ini.problems import Problems, Refused
from n2d2.ini.reader import LARGEST_BYTES, Document, Reader, inside, logical_lines, read_text


def read(text: str, folder: Path = Path()) -> Document:
    document, problems = Document(folder), Problems("net.ini")
    Reader(document, problems, lambda section: "").read(text, "")
    problems.raise_any()
    return document


def refused(text: str) -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        read(text)
    return caught.value.problems


def texts(document: Document, name: str) -> dict[str, str]:
    return {key: p.text for key, p in document[name].properties.items()}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a=1\n\n  b=2  \n", [(1, "a=1"), (3, "b=2")]),
        ("a=1 ; one\n# all\nb=2#two", [(1, "a=1"), (3, "b=2")]),
        ('a="x;y#z" ; c', [(1, 'a="x;y#z"')]),
        ("m=1 0 \\\n  0 1\nb=2", [(1, "m=1 0 0 1"), (3, "b=2")]),
        ("m=1 \\ ; no continuation\nb=2", [(1, "m=1 \\"), (2, "b=2")]),
        ("; a \\\nb=2", [(2, "b=2")]),
        ("a=1\r\nb=2\rc=3", [(1, "a=1"), (2, "b=2"), (3, "c=3")]),
        ("a=1 \\", [(1, "a=1")]),
        ("\\\n\\\n", []),
    ],
)
def test_logical_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert [(number, line) for number, line, _ in logical_lines(text)] == lines


def test_sections_and_places() -> None:
    document = read('A=1\n$V=2\n[one]\nx = a = b \nq="two words"\n[two]\n')
    assert [section.name for section in document] == ["one", "two"]
    assert texts(document, "") == {"A": "1", "$V": "2"}
    assert texts(document, "one") == {"x": "a = b", "q": "two words"}
    assert document["one"].properties["q"].place.line == 5
    assert document["two"].previous == "one"


def test_inheritance_takes_the_first_parent_and_own_lines_first() -> None:
    document = read("[p]\na=1\nb=1\n[q]\nb=2\nc=2\n[h] p q\na=3\n")
    assert texts(document, "h") == {"a": "3", "b": "1", "c": "2"}
    assert document["h"].properties["c"].place.line == 6
    assert document["p"].used
    assert document["q"].used


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a]\nfoo\n", "line 2: [a] expected key=value, got 'foo'"),
        ("=1\n", "line 1: expected key=value, got '=1'"),
        ("[a]\n[b]\n[a]\n", "line 3: [a] is there twice, first at line 1"),
        ("[a]\nx=1\nx=2\n", "line 3: [a] x is given twice, first at line 2"),
        ("[conv]\n[b] cnv\n", "line 2: [b] inherits from [cnv], which is not a section before it; did you mean conv?"),
        ("[a] a\n", "line 1: [a] inherits from [a], which is not a section before it"),
        ("[a] b\n[b] a\n", "line 1: [a] inherits from [b], which is not a section before it"),
        ("[a\n", "line 1: expected a section header [name], [name] parent ... or [name@template.tpl.ini], got '[a'"),
        ("[]\n", "line 1: expected a section header"),
        ('[a]\nx="1\n', 'line 2: a double quote is not closed: write " at the end of the text'),
    ],
)
def test_malformed_lines(text: str, problem: str) -> None:
    assert refused(text)[0].startswith(problem)


def test_too_many_lines_and_properties() -> None:
    problems = Problems("net.ini")
    with pytest.raises(Refused, match="more than 100000 lines are too many"):
        Reader(Document(Path()), problems, lambda section: "").read("".join(f"k{i}=1\n" for i in range(100_001)), "")
    wide = "[p]\n" + "".join(f"k{i}=1\n" for i in range(1000)) + "".join(f"[s{i}] p\n" for i in range(300))
    problems = Problems("net.ini")
    with pytest.raises(Refused, match="properties are too many"):
        Reader(Document(Path()), problems, lambda section: "").read(wide, "")


def test_read_text(tmp_path: Path) -> None:
    file = tmp_path / "a.ini"
    file.write_bytes("\ufeffa=é".encode())
    assert read_text(file, "a.ini") == "a=é"
    file.write_bytes(b"a=\xff")
    with pytest.raises(FileError, match=r"a.ini: not a text in UTF-8 \(byte 2\)"):
        read_text(file, "a.ini")
    file.write_bytes(b"a=\0")
    with pytest.raises(FileError, match=r"a.ini: not a text \(byte 2 is 0\)"):
        read_text(file, "a.ini")
    with file.open("wb") as large:
        large.truncate(LARGEST_BYTES + 1)
    with pytest.raises(FileError, match="more than 4 MiB are too many"):
        read_text(file, "a.ini")
    with pytest.raises(MissingFileError, match=r"b\.ini: no such file"):
        read_text(tmp_path / "b.ini", "b.ini")
    with pytest.raises(FileError, match="folder: not a file"):
        read_text(tmp_path, "folder")
    with pytest.raises(FileError, match="cannot be read"):
        read_text(tmp_path / ("x" * 300), "x")


def test_inside_follows_links(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "net" / "link").symlink_to(tmp_path / "secret")
    assert inside(tmp_path / "net", tmp_path / "net" / "sub" / "a.ini")
    assert not inside(tmp_path / "net", tmp_path / "net" / ".." / "secret")
    assert not inside(tmp_path / "net", tmp_path / "net" / "link")
