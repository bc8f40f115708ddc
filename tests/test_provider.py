"""Providers: batches, sequences, prefetch, and everything that can be wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import n2d2
from n2d2.error_handler import DataError, ShapeError, StateError, WrongInputType, WrongValue
from n2d2.provider import DataProvider, Provider, TensorPlaceholder


def numbers(count: int, partition: str = "Learn", random: bool = False) -> n2d2.database.Numpy:
    """Images of 2 x 2 bytes; image i is full of i, its label i % 4."""
    database = n2d2.database.Numpy(random_partitioning=random)
    database.load([np.full((1, 2, 2), i, np.uint8) for i in range(count)], [i % 4 for i in range(count)], partition)
    return database


def learning(count: int, batch_size: int, random: bool = False) -> DataProvider:
    provider = DataProvider(numbers(count, random=random), [2, 2, 1], batch_size=batch_size)
    provider.set_partition("Learn")
    return provider


def images(tensor: n2d2.Tensor) -> list[int]:
    """Return which images a batch holds."""
    return np.rint(tensor.to_numpy()[:, 0, 0, 0] * 255).astype(int).tolist()


def sequence(provider: DataProvider, shuffle: bool) -> list[list[int]]:
    provider.set_batch(shuffle)
    batches = []
    while not provider.all_batchs_provided():
        batches.append(images(provider.read_batch()))
    return batches


def test_a_loop_reads_every_stimulus_once_and_ends_with_a_short_batch() -> None:
    provider = learning(10, 4)
    batches = []
    for k, stimuli in enumerate(provider):
        batches.append(images(stimuli))
        assert provider.batch_number() == k + 1
        assert provider.labels_array().tolist() == [i % 4 for i in batches[-1]]
        assert provider.stimuli_ids().tolist() == batches[-1]
        assert provider.get_labels().shape() == [len(batches[-1]), 1, 1, 1]
        assert provider.get_data() is stimuli
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(provider) == 3
    assert images(next(iter(provider))) == [0, 1, 2, 3]
    assert images(next(provider)) == [4, 5, 6, 7]


def test_batches_are_tensors_of_the_provider() -> None:
    provider = learning(3, 2)
    stimuli = provider.read_batch(0)
    assert stimuli.shape() == [2, 1, 2, 2]
    assert stimuli.cell is provider
    assert stimuli.data_type() == "f"
    assert stimuli.N2D2().wants_gradient is False
    assert provider.get_labels().data_type() == "i"


def test_a_batch_stays_when_the_next_one_is_read() -> None:
    provider = learning(4, 2)
    first = provider.read_batch(0)
    values = first.to_numpy().copy()
    provider.read_batch(2)
    np.testing.assert_array_equal(first.to_numpy(), values)


def test_sequences() -> None:
    provider = learning(10, 4)
    assert sequence(provider, shuffle=False) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    n2d2.global_variables.seed = 5
    first, second = sequence(provider, shuffle=True), sequence(provider, shuffle=True)
    assert [len(b) for b in first] == [4, 4, 2]
    assert sorted(i for b in first for i in b) == list(range(10))
    assert first != second
    n2d2.global_variables.seed = 5
    assert [sequence(provider, shuffle=True), sequence(provider, shuffle=True)] == [first, second]
    n2d2.global_variables.seed = 6
    assert sequence(provider, shuffle=True) != first


def test_each_partition_has_its_sequence() -> None:
    database = numbers(4)
    database.load([np.full((1, 2, 2), i, np.uint8) for i in (100, 101)], [0, 0], "Test")
    provider = DataProvider(database, [2, 2, 1], batch_size=2)
    provider.set_partition("Learn")
    provider.set_batch(shuffle=False)
    provider.read_batch()
    provider.set_partition("Test")
    assert sequence(provider, shuffle=False) == [[100, 101]]
    provider.set_partition("Learn")
    assert not provider.all_batchs_provided()
    assert images(provider.read_batch()) == [2, 3]


def test_the_order_of_a_partition_is_that_of_the_original() -> None:
    n2d2.global_variables.seed = 1
    provider = learning(10, 4, random=True)
    # Recorded: stimuli 4 9 6 8 0 1 3 7 2 5. The original filled the third batch with stale stimuli.
    assert [images(b) for b in provider] == [[4, 9, 6, 8], [0, 1, 3, 7], [2, 5]]
    assert images(provider.read_batch(8)) == [2, 5]
    assert provider.labels_array().tolist() == [2, 1]


def test_random_batches_are_those_of_the_original() -> None:
    n2d2.global_variables.seed = 1
    provider = learning(10, 4, random=True)
    n2d2.global_variables.seed = 3
    # Recorded from the original with these seeds: drawn with replacement.
    recorded = [[1, 4, 7, 2], [6, 9, 1, 1], [2, 0, 2, 4], [9, 4, 6, 6], [4, 4, 0, 3], [4, 9, 0, 0]]
    assert [images(provider.read_random_batch()) for _ in recorded] == recorded
    n2d2.global_variables.seed = 3
    provider.set_reading_randomly(True)
    assert [images(b) for b in provider] == recorded[:3]


def test_reading_from_any_stimulus() -> None:
    provider = learning(10, 4)
    assert images(provider.read_batch(3)) == [3, 4, 5, 6]
    assert images(provider.read_batch(idx=np.int64(9))) == [9]


@pytest.mark.parametrize("size", [[28, 28, 1], [28, 28], (28, 28, 1)])
def test_sizes(size: list[int]) -> None:
    provider = DataProvider(n2d2.database.Digits(), size, batch_size=7)
    assert provider.get_size() == [28, 28, 1]
    assert provider.get_batch_size() == 7
    assert provider.dims() == [28, 28, 1, 7]
    assert provider.shape() == [7, 1, 28, 28]
    assert next(iter(provider)).shape() == provider.shape()


@pytest.mark.parametrize("on_the_fly", [False, True])
def test_batches_made_ahead_have_the_same_values(on_the_fly: bool) -> None:
    database = n2d2.database.Digits()

    def run(when: str) -> tuple[list[np.ndarray], int]:
        n2d2.global_variables.seed = 11
        provider = DataProvider(database, [32, 30, 1], batch_size=96)
        provider.set_prefetch(when)
        provider.set_partition("Learn")
        add = provider.add_on_the_fly_transformation if on_the_fly else provider.add_transformation
        add(n2d2.transform.Flip(random_horizontal_flip=True, random_vertical_flip=True))
        add(n2d2.transform.Rescale(32, 30))
        all_ = []
        for _ in range(2):
            provider.set_batch(shuffle=True)
            while not provider.all_batchs_provided():
                all_ += [provider.read_batch().to_numpy(), provider.labels_array()]
        provider.set_partition("Test")
        for stimuli in provider:
            all_ += [stimuli.to_numpy(), provider.labels_array()]
        all_.append(provider.read_random_batch().to_numpy())
        return all_, provider._core.prefetched()

    expected, none = run("never")
    ahead, some = run("always")
    automatic, _ = run("auto")
    # All but the first of 42, 42 and 11 batches.
    assert (none, some) == (0, 92)
    for batches in (ahead, automatic):
        assert all(np.array_equal(a, b) for a, b in zip(batches, expected, strict=True))


def test_nothing_depends_on_the_number_of_threads() -> None:
    def run(threads: int) -> np.ndarray:
        n2d2.global_variables.nb_threads = threads
        n2d2.global_variables.seed = 2
        provider = DataProvider(n2d2.database.Digits(), [64, 64, 1], batch_size=500)
        provider.add_on_the_fly_transformation(n2d2.transform.Flip(random_vertical_flip=True))
        provider.add_on_the_fly_transformation(n2d2.transform.Rescale(64, 64))
        return np.concatenate([b.to_numpy() for b in provider])

    before = n2d2.global_variables.nb_threads
    try:
        one, two, four = (run(n) for n in (1, 2, 4))
    finally:
        n2d2.global_variables.nb_threads = before
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, four)


def test_other_threads_run_while_a_batch_is_made() -> None:
    provider = DataProvider(n2d2.database.Digits(), [200, 200, 1], batch_size=1000)
    provider.add_on_the_fly_transformation(n2d2.transform.Rescale(200, 200))
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counted[0]
        provider.read_batch(0)
        assert counted[0] > before + 100
    finally:
        stop.set()
        thread.join()


def test_two_threads_may_share_a_provider() -> None:
    provider = learning(64, 1)
    provider.set_prefetch("always")
    provider.set_batch(shuffle=True)
    seen: list[int] = []

    def read() -> None:
        seen.extend(images(provider.read_batch())[0] for _ in range(32))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(64))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_goes_on_reading(tmp_path: Path) -> None:
    code = """
import os, numpy as np, n2d2
database = n2d2.database.Numpy(random_partitioning=False)
database.load([np.full((1, 1, 1), i, np.uint8) for i in range(8)], [0] * 8, "Test")
provider = n2d2.provider.DataProvider(database, [1, 1, 1], batch_size=2)
provider.set_prefetch("always")
provider.read_batch(0)
child = os.fork()
total = sum(round(float(provider.read_batch(i).to_numpy().sum()) * 255) for i in (2, 4, 6))
if child == 0:
    del provider
    os._exit(total)
_, status = os.waitpid(child, 0)
print(total, os.waitstatus_to_exitcode(status))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["27", "27"], done.stderr


def test_ctrl_c_stops_between_batches_and_the_provider_goes_on(tmp_path: Path) -> None:
    code = """
import os, signal, numpy as np, n2d2
signal.signal(signal.SIGINT, signal.default_int_handler)  # A background job starts with the signal ignored.
database = n2d2.database.Digits(random_partitioning=False)
provider = n2d2.provider.DataProvider(database, [96, 96, 1], batch_size=100)
provider.set_prefetch("always")
provider.set_partition("Learn")
provider.add_on_the_fly_transformation(n2d2.transform.Rescale(96, 96))
seen = 0
try:
    for stimuli in provider:
        seen += 1
        if seen == 3:
            os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    provider.set_batch(shuffle=False)
    print("stopped", seen, provider.read_batch().shape(), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "stopped 3 [100, 1, 96, 96]\n", done.stderr
    assert done.returncode == 0


def test_ctrl_c_ends_a_process_that_waits_for_data(tmp_path: Path) -> None:
    code = """
import signal, n2d2
signal.signal(signal.SIGINT, signal.default_int_handler)  # A background job starts with the signal ignored.
provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [96, 96, 1], batch_size=64)
provider.set_prefetch("always")
provider.add_on_the_fly_transformation(n2d2.transform.Rescale(96, 96))
print("ready", flush=True)
while True:
    for stimuli in provider:
        pass
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        assert p.stdout is not None
        assert p.stderr is not None
        assert p.stdout.readline() == b"ready\n"
        p.send_signal(signal.SIGINT)
        try:
            _, error = p.communicate(timeout=30)
        finally:
            p.kill()
    assert b"KeyboardInterrupt" in error


def test_values_that_are_not_finite_name_the_stimulus() -> None:
    stimuli = np.zeros((5, 2, 3, 4), np.float32)
    stimuli[3, 1, 2, 0] = np.nan
    stimuli[4, 0, 0, 3] = np.inf
    database = n2d2.database.Numpy(random_partitioning=False)
    database.load(stimuli, [0] * 5, "Test")
    provider = DataProvider(database, [4, 3, 2], batch_size=2, name="data")
    assert provider.read_batch(0).shape() == [2, 2, 3, 4]
    end = "; remove the stimulus or replace the value"
    with pytest.raises(DataError) as caught:
        provider.read_batch(2)
    assert str(caught.value) == f"data: stimulus 3 has the value NaN at channel 1, row 2, column 0{end}"
    with pytest.raises(DataError) as caught:
        provider.read_batch(4)
    assert str(caught.value) == f"data: stimulus 4 has the value inf at channel 0, row 0, column 3{end}"


def test_a_stimulus_of_another_size_is_named() -> None:
    provider = DataProvider(numbers(3, "Test"), [4, 2, 1], name="data")
    with pytest.raises(ShapeError) as caught:
        provider.read_batch(1)
    assert str(caught.value) == (
        "data: stimulus 1: [width, height, channels] after the transformations: expected [4, 2, 1] "
        "(add a Rescale or PadCrop, or give the provider another size), got [2, 2, 1]"
    )
    assert isinstance(caught.value, RuntimeError)


def test_states_that_do_not_allow_reading() -> None:
    provider = DataProvider(numbers(3), [2, 2, 1], batch_size=2, name="data")
    assert provider.get_partition() == "Test"
    empty = (
        "data: the Test partition of Numpy has no stimulus; choose another one with set_partition() "
        "or fill it with partition_stimuli()"
    )
    for read in (provider.set_batch, provider.read_random_batch, lambda: provider.read_batch(0)):
        with pytest.raises(StateError) as caught:
            read()
        assert str(caught.value) == empty
    assert list(provider) == []
    with pytest.raises(StateError, match="data: no batch has been read yet; call read_batch"):
        provider.get_labels()
    provider.set_partition("Learn")
    for read in (provider.read_batch, provider.all_batchs_provided):
        with pytest.raises(StateError, match=r"data: no sequence of the Learn partition; begin one with set_batch\(\)"):
            read()
    sequence(provider, shuffle=True)
    with pytest.raises(StateError, match=r"data: all batches of Learn have been read; begin again with set_batch\(\)"):
        provider.read_batch()
    with pytest.raises(StateError, match="data: stimulus 20 is beyond the 3 stimuli of the Learn partition"):
        provider.read_batch(20)


def test_a_loop_whose_partition_changes_is_stopped() -> None:
    provider = learning(6, 2)
    loop = iter(provider)
    next(loop)
    provider.set_partition("Test")
    with pytest.raises(StateError, match="the partition changed from Learn to Test in a loop over the provider"):
        next(loop)


def test_arguments_are_checked() -> None:
    database = numbers(3)
    with pytest.raises(WrongInputType, match="DataProvider: database must be of type AbstractDatabase, got str"):
        DataProvider("mnist", [2, 2, 1])  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="DataProvider: size must be of type list, got int"):
        DataProvider(database, 4)  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="DataProvider: a size must be of type int, got float"):
        DataProvider(database, [2, 2.0, 1])  # type: ignore[list-item]
    with pytest.raises(WrongValue, match=r"DataProvider: size is \[2\], expected \[width, height\] or"):
        DataProvider(database, [2])
    with pytest.raises(WrongValue, match="DataProvider: a size is 0, expected an integer of at least 1"):
        DataProvider(database, [2, 0, 1])
    with pytest.raises(WrongValue, match="DataProvider: batch_size is 0, expected an integer of at least 1"):
        DataProvider(database, [2, 2, 1], batch_size=0)
    with pytest.raises(WrongInputType, match="DataProvider: batch_size must be of type int, got bool"):
        DataProvider(database, [2, 2, 1], batch_size=True)
    with pytest.raises(WrongValue, match="composite_stimuli is True, expected False: a label a pixel is not built yet"):
        DataProvider(database, [2, 2, 1], composite_stimuli=True)
    with pytest.raises(WrongValue, match="DataProvider: `batchsize` is not a parameter; did you mean `batch_size`"):
        DataProvider(database, [2, 2, 1], batchsize=3)
    with pytest.raises(TypeError, match="Provider is abstract"):
        Provider()
    provider = DataProvider(database, [2, 2, 1], name="data")
    with pytest.raises(WrongValue, match=r"data: partition is 'learn', expected one of \[Learn, Validation, Test, Unp"):
        provider.set_partition("learn")
    with pytest.raises(WrongInputType, match="data: parameter `partition` must be a str, got int"):
        provider.set_partition(1)  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="data: idx must be of type int, got float"):
        provider.read_batch(1.0)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="data: idx is -1, expected an integer of at least 0"):
        provider.read_batch(-1)
    with pytest.raises(WrongInputType, match="data: transformation must be of type Transformation, got str"):
        provider.add_transformation("Flip")  # type: ignore[arg-type]
    with pytest.raises(WrongInputType, match="data: parameter `shuffle` must be a bool, got int"):
        provider.set_batch(1)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match='data: parameter `prefetch` is "often", expected one of auto, always, never'):
        provider.set_prefetch("often")


def test_a_size_beyond_the_memory_is_refused_before_it_is_taken() -> None:
    provider = DataProvider(numbers(3, "Test"), [1 << 20, 1 << 20, 1])
    with pytest.raises(ShapeError, match=r"expected \[1048576, 1048576, 1\]"):
        provider.read_batch(0)
    with pytest.raises(WrongValue, match=r"expected integers of at least 1, with a product of at most 2\^40"):
        DataProvider(numbers(3, "Test"), [1 << 40, 1 << 40, 1])


def test_names_and_printing() -> None:
    n2d2.utils._given.clear()
    provider = DataProvider(n2d2.database.Database(), [28, 28, 1], batch_size=4)
    assert str(provider) == "'DataProvider_0' DataProvider(database=, size=[28, 28, 1], batch_size=4)"
    provider = DataProvider(n2d2.database.Database(), [28, 28, 1])
    provider.add_transformation(n2d2.transform.Rescale(width=28, height=28))
    assert str(provider) == (
        "'DataProvider_1' DataProvider(database=, size=[28, 28, 1])"
        "[Transformations=Rescale(width=28, height=28 | keep_aspect_ratio=False, resize_to_fit=True)]"
    )
    assert DataProvider(n2d2.database.Database(), [2, 2], name="data").get_name() == "data"
    assert provider.get_parameter("size") == [28, 28, 1]
    assert provider.get_database() is provider.database
    provider.normalize_stimuli()


class TestTensorPlaceholder:
    def test_it_gives_its_tensor(self) -> None:
        n2d2.utils._given.clear()
        inputs = n2d2.Tensor([4, 3, 5, 6], value=1.0)
        labels = n2d2.Tensor([4, 1, 1, 1], datatype="int", value=2)
        placeholder = TensorPlaceholder(inputs, labels)
        assert placeholder() is inputs
        assert inputs.cell is placeholder
        assert str(placeholder) == "'TensorPlaceholder_0' TensorPlaceholder"
        assert placeholder.dims() == [6, 5, 3, 4]
        assert placeholder.get_partition() == "Learn"
        placeholder.set_partition("Test")
        assert placeholder.get_partition() == "Test"
        assert placeholder.labels_array().tolist() == [2, 2, 2, 2]
        assert placeholder.label_names() == []

    def test_labels_of_pixels(self) -> None:
        labels = n2d2.Tensor([2, 1, 5, 6], datatype="int")
        assert TensorPlaceholder(n2d2.Tensor([2, 3, 5, 6]), labels).labels_array().shape == (2, 5, 6)

    def test_two_axes(self) -> None:
        assert TensorPlaceholder(n2d2.Tensor([4, 10])).dims() == [1, 1, 10, 4]

    def test_arguments(self) -> None:
        x = n2d2.Tensor([4, 3, 5, 6])
        with pytest.raises(WrongInputType, match="TensorPlaceholder: inputs must be of type Tensor, got list"):
            TensorPlaceholder([1.0])  # type: ignore[arg-type]
        with pytest.raises(WrongInputType, match="inputs must be a tensor of datatype 'float', got 'int'"):
            TensorPlaceholder(n2d2.Tensor([4, 3], datatype="int"))
        with pytest.raises(WrongInputType, match="labels must be a tensor of datatype 'int', got 'float'"):
            TensorPlaceholder(x, n2d2.Tensor([4]))
        with pytest.raises(ShapeError, match="labels: expected 4, one a stimulus, got 3"):
            TensorPlaceholder(x, n2d2.Tensor([3], datatype="int"))
        with pytest.raises(StateError, match=r"TensorPlaceholder_.*: no labels; give them to the constructor"):
            TensorPlaceholder(x).labels_array()
