"""A perceptron on MNIST files: random batches to learn, then a pass over the test set."""

from __future__ import annotations

from pathlib import Path

import n2d2
from n2d2.cells import Fc, Sequence, Softmax

DATA_PATH = Path(n2d2.__file__).parent / "data"
BATCH_SIZE, EPOCHS = 50, 4

database = n2d2.database.MNIST(data_path=DATA_PATH, validation=0.1)
provider = n2d2.provider.DataProvider(database, [28, 28, 1], batch_size=BATCH_SIZE)
provider.set_partition("Learn")

model = Sequence(
    [
        Fc(28 * 28, 50, activation=n2d2.activation.Rectifier()),
        Fc(50, 10),
        Softmax(with_loss=True),
    ]
)
model[0].solver = n2d2.solver.SGD(learning_rate=0.1, momentum=0.9)
model[1].solver = n2d2.solver.SGD(learning_rate=0.1, momentum=0.9)
target = n2d2.target.Score(provider)

for _ in range(EPOCHS * database.get_nb_stimuli("Learn") // BATCH_SIZE):
    stimuli = provider.read_random_batch()
    loss = target(model(stimuli))
    loss.back_propagate()
    loss.update()
learnt = target.get_average_success(window=20)
assert learnt > 0.9, learnt
assert target.loss() == target.get_loss()[-1]
assert abs(loss[0] - target.loss()) < 1e-6

model.test()
provider.set_partition("Test")
for first in range(0, database.get_nb_stimuli("Test"), BATCH_SIZE):
    target(model(provider.read_batch(idx=first)))
success = target.get_average_success()
assert success > 0.9, success
assert len(target.get_loss()) == EPOCHS * 3600 // BATCH_SIZE + 1000 // BATCH_SIZE
print("success")
