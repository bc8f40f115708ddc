from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tomllib

import n2d2
from n2d2 import cli
from n2d2.cli import main
from support.models import write_ini, write_onnx

ROOT = Path(__file__).parent.parent.parent
COMMANDS = ("train", "test", "inspect", "export", "doctor")
Capture = pytest.CaptureFixture[str]


def python(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "n2d2", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def words(text: str) -> list[str]:
    return text.split()


def help_of(capsys: Capture, *command: str) -> str:
    assert main([*command, "--help"]) == 0
    return capsys.readouterr().out


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = python("inspect", write_ini(tmp_path), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^fc +Fc +10 x 1 x 1 +yes +7,850 +7,850 +10$", done.stdout, re.MULTILINE)
    wrong = python("inspect", "net.txt", folder=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("n2d2 inspect: net.txt: the name of a model file ends with .ini or .onnx")


def test_the_package_installs_the_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"n2d2": "n2d2.cli:main"}


@pytest.mark.parametrize("command", [["--help"], ["doctor"], ["train", "--help"]])
def test_help_and_doctor_import_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    code = (
        "import sys; from n2d2.cli import main; "
        f"assert main({command!r}) == 0; "
        "heavy = {'numpy', 'onnx', 'matplotlib', 'PIL', 'google.protobuf', 'tensorboard'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_are_valid_and_the_exit_codes(capsys: Capture, command: str) -> None:
    text = help_of(capsys, command)
    examples = re.findall(r"^  n2d2 (.*)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        assert cli.parser().parse_args(example.split()).command == command
    assert cli.EXIT_CODES in text


def test_examples_of_the_readme_are_valid() -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    examples = re.findall(r"^n2d2 (\w.*?)(?: +#.*)?$", "".join(blocks), re.MULTILINE)
    assert examples
    for example in examples:
        assert cli.parser().parse_args(example.split()).command == example.split()[0]


def test_the_page_shows_the_help(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word by word: how lines are wrapped differs between versions of Python."""
    monkeypatch.setenv("COLUMNS", "100")
    page = (ROOT / "docs" / "command.md").read_text()
    blocks = [words(block) for block in re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    for command in ((), *((name,) for name in COMMANDS)):
        text = help_of(capsys, *command)
        assert words(text) in blocks, f"docs/command.md should show:\n```text\n{text}```"


def test_the_page_shows_every_command(capsys: Capture) -> None:
    page = (ROOT / "docs" / "command.md").read_text()
    listed = re.search(r"commands:\n  COMMAND\n((?:    .*\n)+)", help_of(capsys))
    assert listed is not None
    assert tuple(re.findall(r"^    (\w+)", listed[1], re.MULTILINE)) == COMMANDS
    assert re.findall(r"^## n2d2 (\w+)$", page, re.MULTILINE) == list(COMMANDS)
    assert "command.md" in (ROOT / "mkdocs.yml").read_text()


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"n2d2 {n2d2.__version__}\n"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["tran"], "invalid choice: 'tran'"),
        (["train"], "the following arguments are required: MODEL"),
        (["train", "net.ini", "--epochs", "0"], "argument --epochs: '0' is not an integer of at least 1"),
        (["train", "net.ini", "--lr", "fast"], "argument --lr: 'fast' is not a number above 0"),
        (["train", "net.ini", "--lr", "nan"], "argument --lr: 'nan' is not a number above 0"),
        (["train", "net.ini", "--seed", "-1"], "argument --seed: '-1' is not an integer from 0 to 4294967295"),
        (["train", "net.ini", "--validation", "1"], "argument --validation: '1' is not a number from 0 to below 1"),
        (["train", "net.ini", "--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["train", "net.ini", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (
            ["train", "net.ini", "--data", "mnis:x"],
            "`mnis` is not one of digits, mnist:DIR, npz:FILE; did you mean `mnist`?",
        ),
        (["train", "net.ini", "--data", "mnist"], "--data: `mnist` needs a path: mnist:DIR"),
        (
            ["train", "net.ini", "--data", "digits:x"],
            "--data: `digits` takes no path, got `x`; MNIST files are `mnist:x`",
        ),
        (["train", "net.onnx"], "net.onnx: an ONNX file has no data: give --data digits, mnist:DIR or npz:FILE"),
        (["export", "tflite", "net.ini", "x"], "argument format: invalid choice: 'tflite'"),
    ],
)
def test_wrong_use_is_2(capsys: Capture, command: list[str], text: str) -> None:
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert "Traceback" not in captured.err


def test_errors_are_text_and_1(capsys: Capture, tmp_path: Path) -> None:
    for command in ("train", "test", "inspect"):
        assert main([command, str(tmp_path / "missing.ini")]) == 1
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith(f"n2d2 {command}: {tmp_path / 'missing.ini'}")
        assert "Traceback" not in err


def test_debug_shows_where_an_error_comes_from(capsys: Capture, tmp_path: Path) -> None:
    assert main(["inspect", "--debug", str(tmp_path / "missing.ini")]) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last):" in err
    assert err.splitlines()[-1].startswith("n2d2 inspect: ")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 1, "n2d2 doctor: there is not enough memory; a smaller --batch needs less"),
        (OSError(28, "No space left on device"), 1, "n2d2 doctor: OSError: [Errno 28] No space left on device"),
        (
            ModuleNotFoundError("No module named 'onnx'", name="onnx"),
            1,
            "n2d2 doctor: the package `onnx` is missing: `pip install onnx`; `n2d2 doctor` shows all packages",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_goes_wrong_inside(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fails(options: object) -> int:
        raise error

    monkeypatch.setattr("n2d2.cli.doctor.run", fails)
    assert main(["doctor"]) == code
    assert capsys.readouterr().err == text + "\n"


def test_a_mistake_of_the_library_is_no_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(options: object) -> int:
        raise AssertionError("a mistake")

    monkeypatch.setattr("n2d2.cli.doctor.run", fails)
    with pytest.raises(AssertionError, match="a mistake"):
        main(["doctor"])


def test_output_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    line = f"{sys.executable} -m n2d2 inspect {write_onnx(tmp_path)} | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert "BrokenPipeError" not in done.stderr


@pytest.fixture
def interrupting() -> Callable[[subprocess.Popen[str]], None]:
    def interrupt(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)

    return interrupt


def test_ctrl_c_is_130_and_keeps_the_parameters(
    tmp_path: Path, interrupting: Callable[[subprocess.Popen[str]], None]
) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from n2d2.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "train", write_ini(tmp_path), "--epochs", "10000", "--log-dir", "run"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdout is not None
        assert "3,600 Learn, 400 Validation, 1,000 Test images" in process.stdout.readline()
        assert "epoch" in process.stdout.readline()
        interrupting(process)
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err == "interrupted\n"
    assert (tmp_path / "run/weights_interrupted/fc_weights.syntxt").stat().st_size > 0
