from __future__ import annotations

import json
from pathlib import Path

import pytest

import n2d2
from n2d2.error_handler import FileError, StateError, WrongValue
from n2d2.train import Callback, Checkpoint, EarlyStopping, Run
from support.training import model, play


def folders(path: Path) -> list[str]:
    return sorted(folder.name for folder in path.iterdir())


def losses(*values: float) -> list[dict[str, float]]:
    return [{"loss": value} for value in values]


def count(run: Run) -> None:
    """The bias is the number of batches learnt."""
    run.model["fc"].set_bias(0, n2d2.Tensor([1], value=float(run.step)))


def bias(folder: Path) -> float:
    net = model()
    net.import_free_parameters(str(folder))
    return float(net["fc"].get_bias(0)[0])


def test_a_folder_an_epoch_of_which_the_last_are_kept(tmp_path: Path) -> None:
    play(tmp_path, losses(5, 4, 3, 2, 1), Checkpoint(), learn=count)
    path = tmp_path / "checkpoints"
    assert folders(path) == ["epoch-0003", "epoch-0004", "epoch-0005"]
    assert [bias(path / name) for name in folders(path)] == [9.0, 12.0, 15.0]


def test_the_facts_of_the_epoch_stand_beside_the_parameters(tmp_path: Path) -> None:
    n2d2.global_variables.seed = 7
    try:
        run = play(tmp_path, [{"loss": 0.5, "success": float("nan")}], Checkpoint("here"))
    finally:
        n2d2.global_variables.seed = 1
    facts = json.loads((tmp_path / "here/epoch-0001/checkpoint.json").read_text())
    assert facts.pop("seconds") >= 0
    assert facts == {
        "run": run.started,
        "epoch": 1,
        "step": 3,
        "loss": 0.5,
        "success": None,
        "seed": 7,
        "n2d2": n2d2.__version__,
    }


def test_the_best_epoch_is_kept_besides(tmp_path: Path) -> None:
    play(tmp_path, losses(0.5, 0.1, 0.4, 0.3), Checkpoint(keep=1, best="loss"), learn=count)
    assert folders(tmp_path / "checkpoints") == ["best", "epoch-0004"]
    assert bias(tmp_path / "checkpoints/best") == 6.0
    assert json.loads((tmp_path / "checkpoints/best/checkpoint.json").read_text())["epoch"] == 2


def test_every_few_epochs_and_the_last_one(tmp_path: Path) -> None:
    play(tmp_path, losses(*[1.0] * 7), Checkpoint(every=3, keep=9))
    assert folders(tmp_path / "checkpoints") == ["epoch-0003", "epoch-0006", "epoch-0007"]


@pytest.mark.parametrize("first", [True, False])
def test_the_last_epoch_of_a_training_that_was_asked_to_stop(tmp_path: Path, first: bool) -> None:
    callbacks: list[Callback] = [Checkpoint(every=3), EarlyStopping("loss", patience=1)]
    play(tmp_path, losses(0.5, 0.4, 0.3, 0.2, 0.6, 0.1), *(callbacks if first else callbacks[::-1]), learn=count)
    assert folders(tmp_path / "checkpoints") == ["epoch-0003", "epoch-0005"]
    assert bias(tmp_path / "checkpoints/epoch-0005") == 15.0


def test_an_exception_writes_nothing(tmp_path: Path) -> None:
    def fails(run: Run) -> None:
        if run.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, losses(0.5, 0.4), Checkpoint(), learn=fails)
    assert folders(tmp_path / "checkpoints") == ["epoch-0001"]


def test_an_export_that_fails_leaves_the_old_folder_complete(tmp_path: Path) -> None:
    play(tmp_path, losses(0.5), Checkpoint(best="loss"), learn=count)
    before = (tmp_path / "checkpoints/best/fc_weights.syntxt").read_bytes()

    class Full(n2d2.cells.Sequence):
        def export_free_parameters(self, dir_name: str, verbose: bool = True) -> None:
            super().export_free_parameters(dir_name, verbose)
            raise OSError(28, "No space left on device")

    net = Full([n2d2.cells.Fc(2, 2, name="fc")])
    with pytest.raises(FileError, match="epoch-0001: cannot be written: No space left on device"):
        play(tmp_path, losses(0.5), Checkpoint(best="loss"), net=net)
    assert folders(tmp_path / "checkpoints") == ["best", "epoch-0001"]
    for name in ("best", "epoch-0001"):
        assert bias(tmp_path / "checkpoints" / name) == 3.0
    assert (tmp_path / "checkpoints/best/fc_weights.syntxt").read_bytes() == before


def test_another_training_replaces_folders_of_the_same_name(tmp_path: Path) -> None:
    play(tmp_path, losses(0.1), Checkpoint(best="loss"), learn=count)
    play(tmp_path, losses(0.5), Checkpoint(best="loss"), batches=7, learn=count)
    assert bias(tmp_path / "checkpoints/epoch-0001") == 7.0
    assert bias(tmp_path / "checkpoints/best") == 7.0


def test_a_folder_elsewhere(tmp_path: Path) -> None:
    play(tmp_path / "logs", losses(0.1), Checkpoint(tmp_path / "kept"))
    assert folders(tmp_path) == ["kept"]


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(WrongValue, match=r"Checkpoint: `sucess` is not a metric of an epoch; did you mean `success`\?"):
        Checkpoint(best="sucess")
    for name in ("every", "keep"):
        with pytest.raises(WrongValue, match=f"Checkpoint: parameter `{name}` is 0"):
            Checkpoint(**{name: 0})
    provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1])
    with pytest.raises(StateError, match="Checkpoint: `validation_score` needs stimuli in the partition Validation"):
        Checkpoint(best="validation_score").begin(Run(model(), provider, [], epochs=1))
