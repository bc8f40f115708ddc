from __future__ import annotations

import math
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from n2d2.error_handler import FileError, WrongInputType, WrongValue
from n2d2.train import TensorBoard
from support.training import play


def crc32c(data: bytes) -> int:
    """Divide by the polynomial of Castagnoli bit by bit, without a table, highest bit first."""
    remainder = 0xFFFFFFFF
    for byte in data:
        for i in range(8):
            bit = byte >> i & 1 ^ remainder >> 31
            remainder = (remainder << 1 & 0xFFFFFFFF) ^ (0x1EDC6F41 if bit else 0)
    return int(f"{remainder ^ 0xFFFFFFFF:032b}"[::-1], 2)


def records(path: Path) -> list[bytes]:
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        length, length_crc = struct.unpack_from("<QI", data, at)
        body = data[at + 12 : at + 12 + length]
        (body_crc,) = struct.unpack_from("<I", data, at + 12 + length)
        for part, crc in ((data[at : at + 8], length_crc), (body, body_crc)):
            unmasked = crc - 0xA282EAD8 & 0xFFFFFFFF
            assert (unmasked >> 17 | unmasked << 15) & 0xFFFFFFFF == crc32c(part)
        found.append(body)
        at += 16 + length
    return found


def message(data: bytes) -> list[tuple[int, Any]]:
    """Return the fields of a protobuf message as they stand on the wire."""
    fields, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        value: Any
        if kind == 0:
            value = varint()
        elif kind == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif kind == 2:
            length = varint()
            value, at = data[at : at + length], at + length
        else:
            assert kind == 5
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        fields.append((key >> 3, value))
    assert at == len(data)
    return fields


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    first, *events = [dict(message(record)) for record in records(path)]
    assert first[3] == b"brain.Event:2"
    assert abs(first[1] - time.time()) < 60
    series: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        assert abs(event[1] - time.time()) < 60
        for number, value in message(event[5]):
            assert number == 1
            fields = dict(message(value))
            series.setdefault(fields[1].decode(), []).append((event[2], fields[2]))
    return series


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    assert "tfevents" in path.name
    return path


METRICS: list[dict[str, float]] = [
    {"loss": 0.5, "success": 0.25, "images_per_s": 1000.0, "learning_rate": 0.125},
    {"loss": 0.25, "validation_loss": 0.375, "validation_success": 0.75, "validation_score": 0.5, "mine": 1.0},
]


def test_an_independent_reader_finds_the_metrics(tmp_path: Path) -> None:
    play(tmp_path, METRICS, TensorBoard(every=100), batches=150)
    assert scalars(the_file(tmp_path / "tensorboard")) == {
        "loss/batch": [(100, 1.0), (200, 2.0), (300, 3.0)],
        "loss/learn": [(150, 0.5), (300, 0.25)],
        "success/learn": [(150, 0.25)],
        "training/images_per_s": [(150, 1000.0)],
        "training/learning_rate": [(150, 0.125)],
        "loss/validation": [(300, 0.375)],
        "success/validation": [(300, 0.75)],
        "score/validation": [(300, 0.5)],
        "mine": [(300, 1.0)],
    }


def test_tensorboard_reads_it(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    play(tmp_path, METRICS, TensorBoard(every=100), batches=150)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss/learn")] == [(150, 0.5), (300, 0.25)]
    assert set(events.Tags()["scalars"]) == set(scalars(the_file(tmp_path / "tensorboard")))


def test_numbers_out_of_range_are_infinite(tmp_path: Path) -> None:
    values = [1e300, -1e300, math.inf, math.nan]
    play(tmp_path, [{"loss": value} for value in values], TensorBoard())
    read = [value for _, value in scalars(the_file(tmp_path / "tensorboard"))["loss/learn"]]
    assert read[:3] == [math.inf, -math.inf, math.inf]
    assert math.isnan(read[3])


def test_each_training_writes_a_file_of_its_own(tmp_path: Path) -> None:
    board = TensorBoard("runs")
    for _ in range(2):
        play(tmp_path, [{"loss": 0.5}], board)
    files = list((tmp_path / "runs").iterdir())
    assert len(files) == 2
    assert [scalars(file)["loss/learn"] for file in files] == [[(3, 0.5)]] * 2


def test_what_was_learnt_before_an_exception_is_in_the_file(tmp_path: Path) -> None:
    def fails(run: Any) -> None:
        if run.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, [{"loss": 0.5}] * 2, TensorBoard(), learn=fails)
    assert scalars(the_file(tmp_path / "tensorboard")) == {"loss/learn": [(3, 0.5)]}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(FileError, match=r"events\.out\.tfevents.*: cannot be written: "):
        play(tmp_path, [{"loss": 0.5}], TensorBoard())


def test_arguments_are_checked() -> None:
    with pytest.raises(WrongInputType, match="TensorBoard: folder must be of type str, PathLike, got int"):
        TensorBoard(1)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="TensorBoard: parameter `every` is 0"):
        TensorBoard(every=0)
