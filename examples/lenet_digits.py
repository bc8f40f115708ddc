"""Trains a LeNet on handwritten digits with the loop of N2D2 scripts, and shows how well it does.

The 5,000 digits come with the package. The folder given by `--out` gets the parameters (`weights/`), the learning curve
and the confusion matrix (`lenet.Target/`), and the needs of each layer (`stats/`).
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import n2d2
from n2d2.activation import Rectifier
from n2d2.cells import Conv, Fc, Pool, Sequence, Softmax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2d2.provider import DataProvider
    from n2d2.solver import Solver
    from n2d2.target import Score


def lenet(solver: Solver) -> Sequence:
    shared = n2d2.ConfigSection(
        weights_filler=n2d2.filler.He(), bias_filler=n2d2.filler.Constant(value=0.0), solver=solver
    )
    return Sequence(
        [
            Conv(1, 6, [5, 5], activation=Rectifier(), name="conv1", **shared),
            Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="pool1"),
            Conv(6, 16, [5, 5], activation=Rectifier(), name="conv2", **shared),
            Pool([2, 2], stride_dims=[2, 2], pooling="Max", name="pool2"),
            Fc(16 * 4 * 4, 120, activation=Rectifier(), name="fc1", **shared),
            Fc(120, 84, activation=Rectifier(), name="fc2", **shared),
            Fc(84, 10, name="fc3", **shared),
            Softmax(with_loss=True, name="softmax"),
        ],
        name="lenet",
    )


def shuffled(provider: DataProvider) -> Iterator[n2d2.Tensor]:
    provider.set_batch(shuffle=True)
    while not provider.all_batchs_provided():
        yield provider.read_batch()


def test(model: Sequence, provider: DataProvider, target: Score) -> float:
    """The success rate on the test images, 0 to 1."""
    partition = provider.get_partition()
    model.test()
    provider.set_partition("Test")
    target.clear_score()
    for stimuli in provider:
        target(model(stimuli))
    success = target.get_average_success()
    provider.set_partition(partition)
    model.learn()
    return success


def train(model: Sequence, provider: DataProvider, target: Score, epochs: int) -> n2d2.train.Progress:
    progress = n2d2.train.Progress(target, epochs)
    provider.set_partition("Learn")
    for _ in range(epochs):
        batches = progress(
            shuffled(provider), len(provider), after=lambda: f"test {100 * test(model, provider, target):.2f} %"
        )
        for stimuli in batches:
            output = model(stimuli)
            loss = target(output)
            loss.back_propagate()
            loss.update()
    return progress


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="seed of the parameters and of the order of the images")
    parser.add_argument("--epochs", type=int, default=25, help="times that every image is learnt")
    parser.add_argument("--batch", type=int, default=32, help="images in a batch")
    parser.add_argument("--threads", type=int, default=None, help="threads (default: the physical cores)")
    parser.add_argument("--out", type=Path, default=Path("runs/lenet_digits"), help="folder of all files")
    options = parser.parse_args(arguments)

    n2d2.global_variables.seed = options.seed
    if options.threads is not None:
        n2d2.global_variables.nb_threads = options.threads

    database = n2d2.database.Digits()
    provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=options.batch)
    steps = options.epochs * -(-database.get_nb_stimuli("Learn") // options.batch)
    solver = n2d2.solver.SGD(
        learning_rate=0.03,
        momentum=0.9,
        decay=0.005,
        learning_rate_policy="CosineDecay",
        learning_rate_step_size=options.batch,
        max_iterations=steps,
    )
    model = lenet(solver)
    target = n2d2.target.Score(provider, name="lenet", log_dir=options.out)

    print(f"LeNet on {database.get_nb_stimuli('Learn')} digits, {n2d2.global_variables.nb_threads} threads")
    progress = train(model, provider, target, options.epochs)
    images = options.epochs * database.get_nb_stimuli("Learn")
    print(f"trained in {progress.learning_s:.1f} s, {images / progress.learning_s:,.0f} images/s\n")

    provider.set_partition("Test")
    score = target.get_average_success()
    print(target.score_table())
    target.log_confusion_matrix("test")
    target.log_success("test")
    target.log_stats("stats")
    weights = options.out / "weights"
    model.export_free_parameters(str(weights), verbose=False)

    fresh = lenet(solver)
    with contextlib.redirect_stdout(io.StringIO()):
        fresh.import_free_parameters(str(weights))
    again = test(fresh, provider, target)
    print(f"\n{100 * score:.2f} % of {database.get_nb_stimuli('Test')} test images right")
    print(f"{100 * again:.2f} % with the parameters read from {weights} into a fresh network")
    print(f"learning curve and confusion matrix: {target.folder}")
    return score


if __name__ == "__main__":
    main()
