"""Options that several commands have."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    """An integer of at least 1.

    Arguments:
        text (str): Word of the command line.

    Raises:
        argparse.ArgumentTypeError: It is something else.

    Example:
        >>> positive("12")
        12
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return number


def rate(text: str) -> float:
    """A number above 0.

    Arguments:
        text (str): Word of the command line.

    Raises:
        argparse.ArgumentTypeError: It is something else.

    Example:
        >>> rate("0.03")
        0.03
    """
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def part(text: str) -> float:
    """A number from 0 to below 1.

    Arguments:
        text (str): Word of the command line.

    Raises:
        argparse.ArgumentTypeError: It is something else.

    Example:
        >>> part("0.1")
        0.1
    """
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return number


def seed(text: str) -> int:
    """An integer from 0 to 2^32 - 1.

    Arguments:
        text (str): Word of the command line.

    Raises:
        argparse.ArgumentTypeError: It is something else.

    Example:
        >>> seed("7")
        7
    """
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 4294967295")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def model(command: argparse.ArgumentParser) -> None:
    """Adds the model file.

    Arguments:
        command (argparse.ArgumentParser): Parser of the command.
    """
    command.add_argument("model", metavar="MODEL", help="model file, .ini or .onnx")


def data(command: argparse.ArgumentParser) -> None:
    """Adds the data and the size of a batch.

    Arguments:
        command (argparse.ArgumentParser): Parser of the command.
    """
    command.add_argument(
        "--data",
        metavar="DATA",
        help="digits (5,000 handwritten digits that come with n2d2), mnist:DIR (the four MNIST files) or npz:FILE "
        "(arrays x_train, y_train, x_test, y_test); needed for ONNX, in place of the data of an INI file",
    )
    command.add_argument(
        "--batch", type=positive, metavar="N", help="images in a batch (default: that of an INI file, else 32)"
    )


def log_dir(command: argparse.ArgumentParser) -> None:
    """Adds the folder of all files.

    Arguments:
        command (argparse.ArgumentParser): Parser of the command.
    """
    command.add_argument(
        "--log-dir",
        metavar="DIR",
        help="folder of all files that are written (default: runs/ and the name of the model)",
    )


def machine(command: argparse.ArgumentParser) -> None:
    """Adds seed, threads and device.

    Arguments:
        command (argparse.ArgumentParser): Parser of the command.
    """
    command.add_argument("--seed", type=seed, default=1, metavar="N", help="seed of all random numbers (default: 1)")
    command.add_argument("--threads", type=positive, metavar="N", help="threads (default: the physical cores)")
    command.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to compute (default: cpu)")
