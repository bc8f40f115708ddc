"""The command `n2d2`: trains, tests, inspects and exports networks, and says what the machine offers.

Each subcommand has a file; its module is imported when it is used, so that help comes at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from n2d2._core import version
from n2d2.cli import options
from n2d2.cli.usage import UsageError
from n2d2.error_handler import Error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["OK", "ERROR", "INTERRUPTED", "USAGE", "main", "parser"]

OK, ERROR, USAGE, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = """\
exit codes:
  0    done
  1    something is wrong with the model, the data or the machine; the text says what
  2    the command is used in a wrong way
  130  interrupted (ctrl-c)
"""


def _train(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "train",
        "train a network",
        "Trains a network, tests it, and writes parameters, logs and learning curves.",
        """\
examples:
  n2d2 train lenet.ini --epochs 20
  n2d2 train lenet.onnx --data digits --lr 0.03 --batch 32 --seed 7
  n2d2 train lenet.onnx --data mnist:data/mnist --validation 0.1 --patience 3
  n2d2 train lenet.ini --weights runs/lenet/weights --epochs 5 --tensorboard
  n2d2 train lenet.ini --epochs 1 --profile
""",
    )
    options.model(command)
    command.add_argument(
        "--epochs", type=options.positive, default=10, metavar="N", help="times that each image is learnt"
    )
    command.add_argument(
        "--lr", type=options.rate, metavar="RATE", help="learning rate of all solvers (default: that of the model)"
    )
    options.data(command)
    command.add_argument(
        "--validation", type=options.part, metavar="PART", help="part of the images of --data to validate with, 0 to 1"
    )
    command.add_argument(
        "--patience", type=options.positive, metavar="N", help="stop after N validations without a better one"
    )
    command.add_argument("--weights", metavar="DIR", help="folder of parameters to begin with")
    command.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard too")
    command.add_argument(
        "--profile", action="store_true", help="print the time, arithmetic and bytes of each layer at the end"
    )
    options.log_dir(command)
    options.machine(command)


def _test(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "test",
        "test a network",
        "Tests a network on the images of its Test partition: success rate, metrics, confusion matrix.",
        """\
examples:
  n2d2 test lenet.ini runs/lenet/weights
  n2d2 test lenet.onnx --data mnist:data/mnist
  n2d2 test lenet.onnx runs/lenet/weights --data npz:mnist.npz --log-dir runs/test
""",
    )
    options.model(command)
    command.add_argument(
        "weights", nargs="?", metavar="WEIGHTS", help="folder of the parameters, as training writes it"
    )
    options.data(command)
    options.log_dir(command)
    options.machine(command)


def _inspect(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "inspect",
        "show what is in a model file",
        "Shows the layers of a model file: what runs, what trains, parameters, multiply-accumulates, memory. What is "
        "not supported is listed, with what to do, and the exit code is 1.",
        """\
examples:
  n2d2 inspect lenet.ini
  n2d2 inspect resnet18.onnx
""",
    )
    options.model(command)


def _export(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "export",
        "write a network in another format",
        "Writes a network in another format. The format is `onnx`.",
        """\
examples:
  n2d2 export onnx lenet.ini lenet.onnx --weights runs/lenet/weights
  n2d2 export onnx resnet18.ini resnet18.onnx --weights weights --fuse
""",
    )
    command.add_argument("format", choices=["onnx"], help="format to write")
    options.model(command)
    command.add_argument("out", metavar="OUT", help="file to write")
    command.add_argument("--weights", metavar="DIR", help="folder of the parameters")
    command.add_argument("--fuse", action="store_true", help="make batch normalisation a part of the layer before it")
    command.add_argument("--opset", type=options.positive, metavar="N", help="version of the operators (default: 17)")


def _doctor(add: Callable[..., argparse.ArgumentParser]) -> None:
    add(
        "doctor",
        "show what this machine offers and what is missing",
        "Shows version, processor, threads, memory, GPU, packages and environment variables, and says what is missing "
        "and how to get it. The exit code is 1 if a package that n2d2 needs is missing.",
        """\
examples:
  n2d2 doctor
""",
    )


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with all its help texts."""
    whole = argparse.ArgumentParser(
        prog="n2d2",
        description="Trains, tests, inspects and exports networks.",
        epilog="`n2d2 COMMAND --help` shows the options of a command, and examples.\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"n2d2 {version}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    def add(name: str, line: str, description: str, examples: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=line,
            description=description,
            epilog=f"{examples}\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("--debug", action="store_true", help="show where an error comes from")
        return command

    for define in (_train, _test, _inspect, _export, _doctor):
        define(add)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 error, 2 wrong use, 130 interrupted.

    Arguments:
        arguments (list of str, optional): Words behind the name of the command, default=those of the process.

    Example:
        >>> main(["inspect", "missing.onnx"])
        1
        >>> main(["--version"])
        n2d2 ...
        0
    """
    try:
        given = parser().parse_args(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _show_warning
        try:
            code: int = import_module(f"n2d2.cli.{given.command}").run(given)
        except KeyboardInterrupt:
            _say("interrupted")
            return INTERRUPTED
        except BrokenPipeError:
            # What reads the output has gone; the interpreter must not write to it again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ERROR
        except UsageError as error:
            _say(f"n2d2 {given.command}: {error}; see `n2d2 {given.command} --help`")
            return USAGE
        except (Error, OSError, MemoryError, ImportError) as error:
            if given.debug:
                traceback.print_exc()
            _say(f"n2d2 {given.command}: {_text(error)}")
            return ERROR
    return code


def _text(error: Exception) -> str:
    if isinstance(error, Error):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the package `{error.name}` is missing: `pip install {error.name}`; `n2d2 doctor` shows all packages"
    if isinstance(error, MemoryError):
        return "there is not enough memory; a smaller --batch needs less"
    return f"{type(error).__name__}: {error}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _show_warning(  # noqa: PLR0917 - the order of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> Any:
    del category, filename, lineno, file, line
    _say(f"warning: {message}")
