"""Where the time of n2d2 goes, as the comparison tells it."""

from __future__ import annotations

import pytest

import n2d2
import profiles
from n2d2.train import ProfiledPass


def test_passes_of_a_kind_are_added_and_set_against_the_peaks() -> None:
    passes = [
        ProfiledPass("a", "Conv", False, 2, 0.5, 40e9, 1e9),
        ProfiledPass("b", "Conv", False, 2, 0.5, 20e9, 3e9),
        ProfiledPass("a", "Conv", True, 2, 2.0, 60e9, 8e9),
        ProfiledPass("(between cells)", "", False, 1, 0.1, 0.0, 2e9),
    ]
    kinds = {"a": "conv 3x3", "b": "conv 3x3"}
    found = profiles.grouped(passes, kinds, (2, 240.0, 40.0))
    assert [(one["what"], one["backward"]) for one in found] == [
        ("conv 3x3", True),
        ("conv 3x3", False),
        ("(between cells)", False),
    ]
    # Seconds are those of all threads: two threads at 60 GFLOP/s each would be at half of the peak.
    assert found[1] == {
        "what": "conv 3x3",
        "backward": False,
        "seconds": 1.0,
        "of_peak": pytest.approx(0.5),
        "of_triad": pytest.approx(0.2),
    }
    assert (found[2]["of_peak"], found[2]["of_triad"]) == (0.0, pytest.approx(1.0))


def test_what_cells_are_called() -> None:
    cells = n2d2.cells
    assert [
        profiles._kind(cell)
        for cell in (
            cells.Conv(3, 4, [5, 3]),
            cells.Conv(4, 4, [1, 1]),
            cells.Conv(1, 1, [3, 3], mapping=n2d2.mapping.Mapping(nb_groups=1)),
            cells.Conv(4, 4, [3, 3], mapping=n2d2.mapping.Mapping(nb_groups=4)),
            cells.Conv(4, 4, [3, 3], mapping=n2d2.mapping.Mapping(nb_groups=2)),
            cells.BatchNorm2d(4),
            cells.Fc(4, 2),
        )
    ] == ["conv 5x3", "conv 1x1", "conv 3x3", "depthwise 3x3", "conv 3x3", "BatchNorm", "Fc"]


@pytest.mark.parametrize("key", ["profile-training-lenet-1", "profile-inference-mlp-32"])
def test_a_row(key: str) -> None:
    found = profiles.measured(key, 0.02)
    training = "training" in key
    assert list(found["parts_ms"]) == (["forward", "loss", "backward", "update"] if training else ["inference"])
    assert all(ms > 0 for ms in found["parts_ms"].values())
    assert found["threads"] == n2d2.global_variables.nb_threads
    kinds = {cell["what"] for cell in found["cells"]}
    assert kinds >= ({"conv 5x5", "Fc", "Pool", "Softmax"} if training else {"Fc", "Softmax"})
    assert any(cell["backward"] for cell in found["cells"]) == training
    assert 0 < sum(cell["share"] for cell in found["cells"]) < 1
    shares = [cell["share"] for cell in found["cells"]]
    assert shares == sorted(shares, reverse=True)


def test_an_unknown_row() -> None:
    with pytest.raises(ValueError, match="there is no row 'nothing'"):
        profiles.measured("profile-nothing", 0.1)
