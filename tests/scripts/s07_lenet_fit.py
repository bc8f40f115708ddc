"""The LeNet of script 6 as a network: fit, run_test, summary; its parameters are those of a loop by hand."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

import n2d2
from n2d2.cells import Conv, DeepNetCell, Dropout, Fc, Pool2d, Sequence, Softmax

EPOCHS = 2


def lenet() -> tuple[n2d2.provider.DataProvider, Sequence]:
    n2d2.global_variables.seed = 1
    database = n2d2.database.Digits(validation=0.1)
    provider = n2d2.provider.DataProvider(database, [32, 32, 1], batch_size=60)
    provider.add_transformation(n2d2.transform.Rescale(32, 32))

    def conv_def() -> n2d2.ConfigSection:
        return n2d2.ConfigSection(
            no_bias=True,
            activation=n2d2.activation.Rectifier(),
            weights_filler=n2d2.filler.Xavier(variance_norm="FanOut", scaling=1.0),
        )

    model = Sequence(
        [
            Conv(1, 6, [5, 5], name="conv1", **conv_def()),
            Pool2d([2, 2], stride_dims=[2, 2], name="pool1"),
            Conv(6, 16, [5, 5], name="conv2", **conv_def()),
            Pool2d([2, 2], stride_dims=[2, 2], name="pool2"),
            Conv(16, 120, [5, 5], name="conv3", **conv_def()),
            Fc(120, 84, activation=n2d2.activation.Rectifier(), filler=n2d2.filler.He(), no_bias=True, name="fc1"),
            Dropout(dropout=0.2, name="drop"),
            Fc(84, 10, no_bias=True, name="fc2"),
            Softmax(with_loss=True, name="softmax"),
        ]
    )
    model.set_solver(n2d2.solver.SGD(learning_rate=0.05, momentum=0.9, decay=0.0005))
    return provider, model


def printed(network: DeepNetCell) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        network.summary()
    return text.getvalue()


provider, model = lenet()
target = n2d2.target.Score(provider, name="target")
network = model.to_deepnet_cell(provider, target)
network.fit(EPOCHS, valid_metric="Sensitivity")
network.run_test()
provider.set_partition("Test")
assert target.get_average_success() > 0.9, target.get_average_success()
for written in (
    "weights_init/conv1_weights.syntxt",
    "weights_validation/fc2_weights.syntxt",
    "metrics.jsonl",
    "target.Target/Success_learning.png",
    "target.Target/ConfusionMatrix_test_score.png",
):
    assert Path(written).stat().st_size > 100, written

hand_provider, hand = lenet()
hand_target = n2d2.target.Score(hand_provider, name="hand")
hand_provider.set_partition("Learn")
for _epoch in range(EPOCHS):
    hand_provider.set_batch(shuffle=True)
    while not hand_provider.all_batchs_provided():
        loss = hand_target(hand(hand_provider.read_batch()))
        loss.back_propagate()
        loss.update()
for name in ("conv1", "conv2", "conv3", "fc1", "fc2"):
    ours, theirs = (which[name].N2D2().param("weights") for which in (network, hand))
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32), name)

before = printed(network)
# 6 x 25, 16 x 6 x 25, 120 x 16 x 25, 84 x 120, 10 x 84 weights.
assert "Total params:  61,470" in before, before
assert "drop (Dropout)" in before
network.remove("drop")
after = printed(network)
assert "drop" not in after
assert "fc2 (Fc)             (60, 10, 1, 1)" in after, after
assert "Total params:  61,470" in after
print(after)
print("success")
