"""LeNet on images scaled to 32 x 32: learning, validation and test in one script, with its logs."""

from __future__ import annotations

from pathlib import Path

import n2d2
from n2d2.cells import Conv, Dropout, Fc, Pool2d, Sequence, Softmax

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


extractor = Sequence(
    [
        Conv(1, 6, [5, 5], **conv_def()),
        Pool2d([2, 2], stride_dims=[2, 2]),
        Conv(6, 16, [5, 5], **conv_def()),
        Pool2d([2, 2], stride_dims=[2, 2]),
        Conv(16, 120, [5, 5], **conv_def()),
    ],
    name="extractor",
)
head = Sequence(
    [
        Fc(120, 84, activation=n2d2.activation.Rectifier(), filler=n2d2.filler.He(), no_bias=True),
        Dropout(dropout=0.2),
        Fc(84, 10, no_bias=True),
    ],
    name="head",
)
model = Sequence([extractor, head, Softmax(with_loss=True)], name="lenet")
model.set_solver(n2d2.solver.SGD(learning_rate=0.05, momentum=0.9, decay=0.0005))
target = n2d2.target.Score(provider, name="target")

for _epoch in range(3):
    model.learn()
    provider.set_partition("Learn")
    provider.set_batch(shuffle=True)
    while not provider.all_batchs_provided():
        loss = target(model(provider.read_batch()))
        loss.back_propagate()
        loss.update()

    model.test()
    provider.set_partition("Validation")
    target.clear_success()
    for stimuli in provider:
        target(model(stimuli))
    validation = target.get_average_success()
target.log_success("validation")

provider.set_partition("Test")
for stimuli in provider:
    target(model(stimuli))
test = target.get_average_success()
assert validation > 0.9, validation
assert test > 0.9, test
assert target.get_average_score(metric="Sensitivity") > 0.9

target.log_confusion_matrix("lenet")
target.log_success("lenet")
target.log_stats("lenet_stats")
for written in (
    "target.Target/ConfusionMatrix_lenet_score.png",
    "target.Target/ConfusionMatrix_lenet.png",
    "target.Target/Success_validation.png",
    "target.Target/Success_lenet.png",
    "lenet_stats/stats.log",
):
    assert Path(written).stat().st_size > 100, written
print("success")
