"""`n2d2 train`: trains a network and tests it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from n2d2.cli.model import log_dir_of, read_weights, read_with_data, set_machine
from n2d2.global_variables import global_variables

if TYPE_CHECKING:
    import argparse

    from n2d2.cells.deepnet_cell import DeepNetCell
    from n2d2.provider import DataProvider
    from n2d2.train.callback import Callback


def run(options: argparse.Namespace) -> int:
    """Trains, tests and writes the parameters to `weights/` in the folder of the run.

    Arguments:
        options (argparse.Namespace): Command line.

    Raises:
        Error: Something is wrong with the model or the data.
    """
    from n2d2.cli.usage import UsageError
    from n2d2.train import Profile, TensorBoard

    set_machine(options)
    model = read_with_data(options, options.validation or 0.0)
    read_weights(model, options.weights)
    if options.lr is not None:
        _set_learning_rate(model, options.lr)
    provider = cast("DataProvider", model.provider)
    counts = {name: provider.get_database().get_nb_stimuli(name) for name in ("Learn", "Validation", "Test")}
    validates = counts["Validation"] > 0
    if options.patience is not None and not validates:
        raise UsageError("--patience counts validations, but there are no images to validate with: give --validation")
    folder = log_dir_of(options)
    callbacks: list[Callback] = []
    if options.tensorboard:
        callbacks.append(TensorBoard())
    parts = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    threads = global_variables.nb_threads
    print(f"{options.model}: {parts} images, batches of {provider.get_batch_size()}, {threads} threads", flush=True)
    with contextlib.ExitStack() as stack:
        profile = stack.enter_context(Profile()) if options.profile else None
        model.fit(
            options.epochs,
            log_epoch=1 if validates else 0,
            stop_valid=options.patience or 0,
            log_dir=folder,
            callbacks=callbacks,
            restore_best=validates,
        )
    if profile is not None:
        print(profile.table())
    model.export_free_parameters(str(folder / "weights"), verbose=False)
    if counts["Test"]:
        model.run_test(report=max(counts["Test"], 1), log_dir=folder)
    print(f"parameters: {folder / 'weights'}   logs: {folder}")
    return 0


def _set_learning_rate(model: DeepNetCell, rate: float) -> None:
    from n2d2.cells.trainable import Trainable

    for cell in model._layers():
        if isinstance(cell, Trainable):
            for attribute in cell._solved:
                getattr(cell, attribute).learning_rate = rate
