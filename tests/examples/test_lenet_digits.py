"""Runs the demo as a user does."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "examples" / "lenet_digits.py"


def run(folder: Path, *options: str) -> str:
    command = [sys.executable, "-W", "error", str(SCRIPT), "--out", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def without_times(text: str) -> str:
    return re.sub(r" *[\d,]+ images/s|trained in [\d.]+ s", "", text)


def test_a_short_run_learns_writes_and_reads_back(tmp_path: Path) -> None:
    out = tmp_path / "run"
    text = run(out, "--epochs", "2", "--seed", "3")
    rates = [float(rate) for rate in re.findall(r"test (\d+\.\d+) %", text)]
    assert len(rates) == 2
    assert rates[-1] > 90
    assert f"{rates[-1]:.2f} % of 1000 test images right" in text
    assert f"{rates[-1]:.2f} % with the parameters read from" in text
    assert re.search(r"^average +1000 ", text, re.MULTILINE)
    for file in (
        "lenet.Target/Success_test.png",
        "lenet.Target/ConfusionMatrix_test.png",
        "lenet.Target/ConfusionMatrix_test_score.png",
        "stats/stats.png",
    ):
        assert (out / file).stat().st_size > 5000, file
    layers = ("conv1", "conv2", "fc1", "fc2", "fc3")
    expected = {f"{layer}_{kind}.syntxt" for layer in layers for kind in ("weights", "biases")}
    assert {f.name for f in (out / "weights").iterdir()} == expected


def test_two_runs_of_a_seed_print_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    texts = [run(tmp_path / "run", "--epochs", "1", "--seed", "5", "--threads", threads) for threads in ("1", "1", "2")]
    first, again, two = (without_times(text) for text in texts)
    assert first == again
    assert first.replace("1 threads", "") == two.replace("2 threads", "")
    assert first != without_times(run(tmp_path / "run", "--epochs", "1", "--seed", "6", "--threads", "1"))


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--epochs", "few", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "argument --epochs: invalid int value: 'few'" in done.stderr


def test_ctrl_c_stops_between_batches_with_parameters_intact() -> None:
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # A background job starts with the signal ignored.
sys.path.insert(0, {str(SCRIPT.parent)!r})
import numpy, n2d2, lenet_digits
provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=32)
model = lenet_digits.lenet(n2d2.solver.SGD(learning_rate=0.01))
target = n2d2.target.Score(provider)
print("ready", flush=True)
try:
    lenet_digits.train(model, provider, target, 1000)
except KeyboardInterrupt:
    steps = len(target.get_loss())
    weights = model["fc1"].get_weights()
    assert all(numpy.isfinite(w.to_numpy()).all() for row in weights for w in row)
    before = target.loss()
    target(model(provider.get_data())).back_propagate()
    print("stopped", steps > 0, before >= 0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdout.readline()  # an epoch has passed
        process.send_signal(signal.SIGINT)
        try:
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert rest.splitlines()[-1] == "stopped True True"
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_every_seed_reaches_98_percent(tmp_path: Path, seed: int) -> None:
    text = run(tmp_path / "run", "--seed", str(seed))
    rate = re.search(r"(\d+\.\d+) % of 1000 test images right", text)
    time_s = re.search(r"trained in ([\d.]+) s", text)
    assert rate is not None
    assert time_s is not None
    print(f"seed {seed}: {rate[1]} % in {time_s[1]} s")
    assert float(rate[1]) >= 98.0
    assert f"{rate[1]} % with the parameters read from" in text
