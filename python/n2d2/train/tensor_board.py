"""The log of a training for TensorBoard, written without its package.

An events file is a list of records: the length of the data (8 bytes, little-endian), the masked checksum of these 8
bytes, the data, and its masked checksum. The data of a record is a protobuf message `Event`; only its fields for
scalars are written.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from itertools import count
from typing import TYPE_CHECKING

from n2d2.error_handler import FileError
from n2d2.parameters import check_count
from n2d2.train.callback import Callback
from n2d2.train.log_file import check_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from n2d2.train.run import Run

_TAGS = {
    "loss": "loss/learn",
    "success": "success/learn",
    "validation_loss": "loss/validation",
    "validation_success": "success/validation",
    "validation_score": "score/validation",
    "learning_rate": "training/learning_rate",
    "images_per_s": "training/images_per_s",
}
_written = count()


class TensorBoard(Callback):
    """Writes the metrics of each epoch, and the loss of some batches, as an events file that TensorBoard reads.

    The tags are `loss/learn`, `loss/validation`, `success/learn`, `success/validation`, `score/validation`,
    `training/learning_rate`, `training/images_per_s` and `loss/batch`; their step is the number of batches learnt. Each
    training writes a file of its own, `events.out.tfevents.*`. `tensorboard --logdir FOLDER` shows them.

    Arguments:
        folder (str or Path, optional): Folder of the file, in the folder of the training, default="tensorboard".
        every (int, optional): Batches between two values of `loss/batch`, default=10

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: `folder` is empty, or `every` is below 1.

    Example:
        >>> import n2d2, pathlib
        >>> run = n2d2.train.Run(n2d2.cells.Sequence([]), None, [], epochs=2, epoch=1, step=125)
        >>> board = TensorBoard()
        >>> board.begin(run)
        >>> board.epoch(run, {"loss": 0.25, "success": 0.875})
        >>> board.end(run)
        >>> [file.name.split(".")[2] for file in pathlib.Path("tensorboard").iterdir()]
        ['tfevents']

    Source:
        TensorFlow, `event.proto`, `summary.proto` and `record_writer.h`; CRC-32C: RFC 3720, appendix B.4.
    """

    def __init__(self, folder: str | os.PathLike[str] = "tensorboard", every: int = 10) -> None:
        self._folder = check_path("TensorBoard", "folder", folder)
        self._every = check_count("TensorBoard", "every", every)
        self._path: Path | None = None
        self._file: BinaryIO | None = None

    def begin(self, run: Run) -> None:
        """Begins a file.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be written.
        """
        self.end(run)
        folder = run.log_dir / self._folder
        now = time.time()
        name = f"events.out.tfevents.{now:.0f}.{platform.node() or 'host'}.{os.getpid()}.{next(_written)}"
        self._path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        except OSError as error:
            raise FileError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self._write(_double(1, now) + _bytes(3, b"brain.Event:2"))

    def batch(self, run: Run) -> None:
        """Writes the loss of some batches.

        Arguments:
            run (n2d2.train.Run): State of the training.

        Raises:
            FileError: The file cannot be written.
        """
        if run.step % self._every == 0 and run.targets:
            self._scalars(run.step, {"loss/batch": run.targets[0].recent(1)[0]})

    def epoch(self, run: Run, metrics: dict[str, float]) -> None:
        """Writes the metrics of the epoch.

        Arguments:
            run (n2d2.train.Run): State of the training.
            metrics (dict of float): The numbers of the epoch.

        Raises:
            FileError: The file cannot be written.
        """
        self._scalars(run.step, {_TAGS.get(name, name): value for name, value in metrics.items()})
        if self._file is not None:
            self._file.flush()

    def end(self, run: Run) -> None:
        """Closes the file.

        Arguments:
            run (n2d2.train.Run): State of the training.
        """
        del run
        if self._file is not None:
            self._file.close()
            self._file = None

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        # Summary.value = { tag = 1, simple_value = 2 }
        entries = (_bytes(1, tag.encode()) + _float(2, value) for tag, value in values.items())
        summary = b"".join(_bytes(1, entry) for entry in entries)
        # Event = { wall_time = 1, step = 2, file_version = 3, summary = 5 }
        self._write(_double(1, time.time()) + _varint(2 << 3) + _varint(step) + _bytes(5, summary))

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        length = struct.pack("<Q", len(data))
        record = length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))
        try:
            self._file.write(record)
        except OSError as error:
            raise FileError(f"{self._path}: cannot be written: {error.strerror or error}") from error


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _varint(field << 3 | 5) + packed


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The checksum CRC-32C (Castagnoli) of some bytes.

    Arguments:
        data (bytes): Data.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The checksum as records hold it: turned by 15 bits, plus a constant, so that checksums of checksums differ.

    Arguments:
        data (bytes): Data.

    Example:
        >>> masked_crc(b"") == 0xA282EAD8
        True
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
