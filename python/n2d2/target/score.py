"""The target of a classifier."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from n2d2 import _core
from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.parameters import Parameter, check_bool, check_str, refuse_unknown
from n2d2.provider import DataProvider
from n2d2.target.labels_mapping import LabelsMapping, read_labels_mapping
from n2d2.target.target import Target
from n2d2.tensor import Tensor

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from n2d2.provider import Provider
    from n2d2.target import logs


def _only(default: Any) -> Callable[[str, str, Any], Any]:
    """A check for a parameter of pictures that are not drawn yet: it accepts its default."""

    def check(owner: str, name: str, value: Any) -> Any:
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default):
            raise WrongInputType(f"{owner}: parameter `{name}`", type(value), type(default))
        if value != default:
            raise WrongValue(f"{owner}: parameter `{name}` is {value!r}, expected {default!r}: others are not built yet")
        return value

    return check


_FOR_DATA = {"confusion_range_min", "confusion_range_max", "confusion_quant_steps"}
_FOR_LABELS = {
    "target_value",
    "default_value",
    "top_n",
    "labels_mapping",
    "create_missing_labels",
    "binary_threshold",
    "weak_target",
}


class Score(Target):
    r"""Loss, gradient and score of the output of a classifier.

    For an output $y$ of shape `[n, c, h, w]`, with $t$ the `target_value` at the channel of the label and the
    `default_value` at the others, and $k = 1$ (for outputs of one pixel) or 1 / (pixels of the class in this stimulus):

    $$e = k\,(t - y) \qquad \text{loss} = \frac{1}{n} \sum e^2$$

    $e$ is what back-propagation starts from: minus the derivative, summed over the batch. The loss is this sum of
    squares in every partition and behind every cell; behind a `Softmax`, `cross_entropy()` gives the cross-entropy too.
    Stimuli and pixels of label -1 count for nothing. An output of one channel is binary: label 1 wants `target_value`,
    label 0 `default_value`. The class estimated is the largest output, the first among equals.

    Statistics are kept for each partition; the methods mean the partition that the provider has when they are called.

    With `data_as_target` the target is the batch itself (an auto-encoder). Rare values weigh as much as frequent ones:
    with $m$ the number of values of the batch that share a value's bin, of 20 over [-1, 1],

    $$e = (t - y) / m \qquad \text{loss} = \frac{1}{n} \sum e^2$$

    The "success" is then the mean squared error of a stimulus, 0 the best, and classes are steps of values.

    Arguments:
        provider (n2d2.provider.Provider): Source of the labels.
        name (str, optional): Name of the target, default=`Score_<n>`.
        target_value (float, optional): Wanted output at the channel of the label, default=1.0
        default_value (float, optional): Wanted output at the other channels, default=0.0
        top_n (int, optional): Number of best outputs kept; a stimulus has top-N success if its label is among them,
            default=1
        labels_mapping (str, optional): File that says which output each label means: see `read_labels_mapping`; empty:
            each label is the number of its output, default=""
        create_missing_labels (bool, optional): Labels of the mapping that the database does not have become labels
            without stimuli, default=False
        binary_threshold (float, optional): Output above which a single channel means label 1, default=0.5
        weak_target (int, optional): Class that yields to the second most frequent one when several labels meet in one
            output pixel, -2: none, default=-2
        data_as_target (bool, optional): The output should be equal to the provider's data, of the same shape, or in its
            order if the output is `[n, c * h * w, 1, 1]`, default=False
        confusion_range_min (float, optional): With `data_as_target`: value of the first step of the confusion matrix of data, to
            which all lower values belong, default=0.0
        confusion_range_max (float, optional): With `data_as_target`: value of the last step of the confusion matrix of data, to which
            all higher values belong, default=1.0
        confusion_quant_steps (int, optional): With `data_as_target`: number of steps of values, 2 to 4096, default=10
        no_display_label (int, optional): Kept for old scripts: pictures of estimated labels are not drawn yet, default=-1
        labels_hue_offset (int, optional): As `no_display_label`, default=0
        estimated_labels_value_display (bool, optional): As `no_display_label`, default=True
        masked_label (int, optional): As `no_display_label`, default=-1
        masked_label_value (bool, optional): As `no_display_label`, default=False
        value_threshold (float, optional): As `no_display_label`, default=0.0
        image_log_format (str, optional): As `no_display_label`, default="jpg"
        log_dir (str, optional): Folder of all files of the target, default=the working directory.

    Shape:
        Output `[n, c, h, w]`, labels `[n]` or `[n, h, w]`, returned loss `[1]`.

    Raises:
        WrongInputType: An argument has the wrong type.
        WrongValue: An argument has a value or a name that is not accepted.
        FileError: The labels mapping cannot be read or understood.

    Export:
        INI section `[<cell>.Target]`: `TargetValue`, `DefaultValue`, `TopN`, `LabelsMapping`, `CreateMissingLabels`,
        `BinaryThreshold`, `WeakTarget`, `DataAsTarget`, `ConfusionRangeMin`, `ConfusionRangeMax`, `ConfusionQuantSteps`.

    Example:
        >>> import n2d2
        >>> n2d2.global_variables.seed = 1
        >>> provider = n2d2.provider.DataProvider(n2d2.database.Digits(), [28, 28, 1], batch_size=50)
        >>> provider.set_partition("Learn")
        >>> fc = n2d2.cells.Fc(28 * 28, 10, solver=n2d2.solver.SGD(learning_rate=0.1))
        >>> model = n2d2.cells.Sequence([fc, n2d2.cells.Softmax(with_loss=True)])
        >>> target = n2d2.target.Score(provider)
        >>> for stimuli in provider:
        ...     output = model(stimuli)
        ...     loss = target(output)
        ...     loss.back_propagate()
        ...     loss.update()
        >>> target.get_average_success() > 0.6
        True

    Source:
        N2D2 `TargetScore`.
    """

    target_value = Parameter[float]("option", float)
    default_value = Parameter[float]("option", float)
    top_n = Parameter[int]("option", int)
    labels_mapping = Parameter[str]("option", check=check_str)
    create_missing_labels = Parameter[bool]("option", check=check_bool)
    data_as_target = Parameter[bool]("option", check=check_bool)
    binary_threshold = Parameter[float]("config", float)
    weak_target = Parameter[int]("config", int)
    confusion_range_min = Parameter[float]("config", float)
    confusion_range_max = Parameter[float]("config", float)
    confusion_quant_steps = Parameter[int]("config", int)
    no_display_label = Parameter[int]("config", check=_only(-1))
    labels_hue_offset = Parameter[int]("config", check=_only(0))
    estimated_labels_value_display = Parameter[bool]("config", check=_only(True))
    masked_label = Parameter[int]("config", check=_only(-1))
    masked_label_value = Parameter[bool]("config", check=_only(False))
    value_threshold = Parameter[float]("config", check=_only(0.0))
    image_log_format = Parameter[str]("config", check=_only("jpg"))

    def __init__(
        self,
        provider: Provider,
        *,
        name: str | None = None,
        target_value: float = 1.0,
        default_value: float = 0.0,
        top_n: int = 1,
        labels_mapping: str = "",
        create_missing_labels: bool = False,
        binary_threshold: float = 0.5,
        weak_target: int = -2,
        data_as_target: bool = False,
        confusion_range_min: float = 0.0,
        confusion_range_max: float = 1.0,
        confusion_quant_steps: int = 10,
        no_display_label: int = -1,
        labels_hue_offset: int = 0,
        estimated_labels_value_display: bool = True,
        masked_label: int = -1,
        masked_label_value: bool = False,
        value_threshold: float = 0.0,
        image_log_format: str = "jpg",
        log_dir: str | os.PathLike[str] = ".",
        **unknown: Any,
    ) -> None:
        refuse_unknown(type(self).__name__, unknown, Score.__init__)
        super().__init__(provider, name=name, log_dir=log_dir)
        given = locals()
        check_bool(self._name, "data_as_target", data_as_target)
        for n in self._parameters:
            self._has_meaning(n, given[n], data_as_target)
        self._values = {
            n: given[n] if p.check is None else p.check(self._name, n, given[n]) for n, p in self._parameters.items()
        }
        options = {n: given[n] for n, p in self._parameters.items() if p.check is None}
        self._mapping: LabelsMapping | None = None
        if labels_mapping:
            known = provider.label_names()
            self._mapping = read_labels_mapping(labels_mapping, known, create_missing_labels)
            if self._mapping.created and isinstance(provider, DataProvider):
                provider.get_database().N2D2().set_label_names([*known, *self._mapping.created])
            options.update(labels_mapping=self._mapping.targets, ignore_target=self._mapping.ignore)
        self._core = _core.Score(self._name, options)
        self._values = {n: self._normalised(n, v) for n, v in self._values.items()}
        self._source: _core.Loss | None = None
        self._output: Tensor | None = None
        self._ids: NDArray[np.uint32] | None = None

    def _has_meaning(self, name: str, value: object, data: bool) -> None:
        """Refuses an option that this kind of target would ignore."""
        default = (Score.__init__.__kwdefaults__ or {}).get(name)
        unchanged = isinstance(value, (bool, int, float, str)) and value == default
        if name in (_FOR_LABELS if data else _FOR_DATA) and not unchanged:
            what = f"parameter `{name}` is {value!r}, but has no meaning with data_as_target={data}"
            raise WrongValue(f"{self._name}: {what}")

    def _write(self, name: str, value: object) -> None:
        self._has_meaning(name, value, self.data_as_target)
        check = self._parameters[name].check
        if check is None:
            self._core.set({name: value})
            self._values[name] = self._normalised(name, value)
        else:
            self._values[name] = check(self._name, name, value)

    def N2D2(self) -> _core.Score:  # noqa: N802 - a promised name
        """The object of the engine that keeps the statistics.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> n2d2.target.Score(source).N2D2().losses()
            []
        """
        return self._core

    def __call__(self, output: Tensor) -> Tensor:
        """Compares an output with the labels of the provider's current batch, or with its data.

        Arguments:
            output (n2d2.Tensor): Output of the last cell, `[n, c, h, w]`.

        Returns:
            n2d2.Tensor: The loss, `[1]`: `back_propagate()` and `update()` start from it.

        Raises:
            WrongInputType: `output` is not a tensor.
            ShapeError: Output and labels have different numbers of stimuli, or output and data different shapes.
            DataError: A label means no output, or an output is not finite.
            StateError: The provider has no batch or no labels, or `confusion_quant_steps` changed in between.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> fc = n2d2.cells.Fc(3, 2)
            >>> loss = n2d2.target.Score(source)(fc(source()))
            >>> loss.back_propagate()
            >>> loss.update()
            >>> loss.shape()
            [1]
        """
        if not isinstance(output, Tensor):
            raise WrongInputType(f"{self._name}: output", type(output), Tensor)
        var, partition = output._as_var(self._name), self._partition()
        if self.data_as_target:
            source = self._core.evaluate_data(partition, var, self._provider.get_data()._as_var(self._name))
            ids = None
        else:
            labels, ids = self._provider.labels_array(), self._provider.stimuli_ids()
            source = self._core.evaluate(partition, var, labels, ids, _is_softmax(output))
        # Not by attribute: `__setattr__` would take as long as a small cell.
        self.__dict__.update(_source=source, _output=output, _ids=ids)
        return _loss_tensor(source, self)

    def _partition(self) -> str:
        return str(self._provider.get_partition())

    def loss(self) -> float:
        """The loss of the last batch.

        Raises:
            StateError: There was no batch yet.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.loss()
            1.0
        """
        return self._last().value

    def get_current_loss(self) -> float:
        """The loss of the last batch, as `loss()`.

        Raises:
            StateError: There was no batch yet.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.get_current_loss() == target.get_loss()[-1]
            True
        """
        return self.loss()

    def cross_entropy(self) -> float:
        """The cross-entropy of the last batch, `-sum(k ln y[label]) / n`.

        Raises:
            StateError: There was no batch yet, or its output did not come from a `Softmax`.
        """
        value = self._last().cross_entropy
        if math.isnan(value):
            raise StateError(f"{self._name}: no cross-entropy: the output does not come from a Softmax")
        return value

    def _last(self) -> _core.Loss:
        if self._source is None:
            raise StateError(f"{self._name}: no batch yet; call the target with the output of a network first")
        return self._source

    def get_loss(self) -> list[float]:
        """The loss of every batch of every partition since the target exists.

        Returns:
            list of float: Losses in the order of the calls.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.get_loss()
            [1.0]
        """
        return self._core.losses()

    def recent(self, window: int) -> tuple[float, float, int]:
        """Mean loss, success rate and number of stimuli of the last batches since `clear_success()`.

        Arguments:
            window (int): Number of last batches, 0 = all since `clear_success()`.

        Raises:
            WrongInputType: `window` is not an int.
            WrongValue: `window` is negative.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.recent(0)
            (1.0, 1.0, 4)
        """
        loss, _, success, _, stimuli = self._core.averages(self._partition(), self._window(window))
        return loss, success, stimuli

    def get_average_success(self, window: int = 0) -> float:
        """Part of the stimuli whose largest output is that of their label, 0 to 1.

        Arguments:
            window (int, optional): Number of last batches to average, 0 = all since `clear_success()`, default=0

        Warns:
            RuntimeWarning: `top_n` is not 1: `get_average_top_n_success()` counts all best outputs.

        Raises:
            WrongInputType: `window` is not an int.
            WrongValue: `window` is negative.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.get_average_success()
            1.0
        """
        if self.top_n != 1:
            text = (
                f"{self._name}: top_n is {self.top_n}: get_average_top_n_success() counts all {self.top_n} best outputs"
            )
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        return self._core.averages(self._partition(), self._window(window))[2]

    def get_average_top_n_success(self, window: int = 0) -> float:
        """Part of the stimuli whose label is among the `top_n` largest outputs, 0 to 1; 0 if `top_n` is 1.

        Arguments:
            window (int, optional): Number of last batches to average, 0 = all since `clear_success()`, default=0

        Raises:
            WrongInputType: `window` is not an int.
            WrongValue: `window` is negative.

        Example:
            >>> import n2d2
            >>> labels = n2d2.Tensor([4], datatype="int", value=1)
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), labels)
            >>> target = n2d2.target.Score(source, top_n=2)
            >>> _ = target(source())
            >>> target.get_average_top_n_success()
            1.0
        """
        window = self._window(window)
        return 0.0 if self.top_n == 1 else self._core.averages(self._partition(), window)[3]

    def get_average_score(self, metric: str) -> float:
        """Mean of a metric over the classes that occurred as label or as estimate since `clear_score()`.

        Arguments:
            metric (str): One of `Sensitivity`, `Specificity`, `Precision`, `NegativePredictiveValue`, `MissRate`,
                `FallOut`, `FalseDiscoveryRate`, `FalseOmissionRate`, `Accuracy`, `F1Score`, `Informedness`,
                `Markedness`, `IU`.

        Raises:
            WrongInputType: `metric` is not a str.
            WrongValue: There is no such metric.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.get_average_score("Sensitivity")
            1.0
        """
        if not isinstance(metric, str):
            raise WrongInputType(f"{self._name}: metric", type(metric), str)
        return self._core.average_score(self._partition(), metric)

    def _estimated(self) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
        self._last()
        estimated = self._core.estimated()
        if estimated is None:
            raise StateError(f"{self._name}: data has no labels that could be estimated; `data_as_target` is True")
        return estimated

    def estimated_labels(self) -> NDArray[np.int32]:
        """The `top_n` best classes of each stimulus of the last batch, best first: `[n, top_n, h, w]`.

        Raises:
            StateError: There was no batch yet, or its target was data.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.estimated_labels().ravel().tolist()
            [0, 0, 0, 0]
        """
        return self._estimated()[0]

    def estimated_values(self) -> NDArray[np.float32]:
        """The outputs of the `estimated_labels()`: `[n, top_n, h, w]`.

        Raises:
            StateError: There was no batch yet, or its target was data.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.estimated_values().ravel().tolist()
            [0.0, 0.0, 0.0, 0.0]
        """
        return self._estimated()[1]

    def confusion_matrix(self) -> NDArray[np.int64]:
        """How often each label (row) was estimated as each class (column) since `clear_score()`.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.confusion_matrix().tolist()
            [[4, 0, 0], [0, 0, 0], [0, 0, 0]]
        """
        return self._core.confusion(self._partition())

    def clear_success(self) -> None:
        """Starts the average success of the provider's partition anew.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.clear_success()
            >>> target.get_average_success(), int(target.confusion_matrix().sum())
            (0.0, 4)
        """
        self._core.clear_success(self._partition())

    def clear_score(self) -> None:
        """Starts average success, confusion matrix and misclassified stimuli of the provider's partition anew.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.clear_score()
            >>> target.get_average_score("Sensitivity"), int(target.confusion_matrix().sum())
            (0.0, 0)
        """
        self._core.clear_score(self._partition())

    def class_names(self) -> list[str]:
        """The name of each class: that of its label in the database or in the labels mapping; else the step of values.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> target.class_names()
            ['', '', '']
        """
        n = len(self._core.relevant(self._partition()))
        if self.data_as_target:
            return [str(i) for i in range(n)]
        if self._mapping is not None:
            return [self._mapping.names.get(i, "") for i in range(n)]
        known = self._provider.label_names()
        return [known[i] if i < len(known) else "" for i in range(n)]

    def _scores(self) -> logs.Scores:
        from n2d2.target import logs

        partition = self._partition()
        metrics = {name: self._core.metric(partition, name) for name in _core.METRICS}
        averages = {name: self._core.average_score(partition, name) for name in _core.METRICS}
        counts, relevant = self._core.confusion(partition), self._core.relevant(partition)
        return logs.Scores(counts, self.class_names(), metrics, averages, relevant)

    def score_table(self) -> str:
        """Metrics of each class and their averages in the provider's partition, in percent, as a table to print.

        Example:
            >>> import n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> target = n2d2.target.Score(source)
            >>> _ = target(source())
            >>> print(target.score_table().splitlines()[1][:25])
            0               4
        """
        return self._scores().table()

    def log_confusion_matrix(self, file_name: str) -> None:
        """Writes confusion matrix and metrics of the provider's partition into the folder `<name>.Target`.

        | file | content |
        |---|---|
        | `ConfusionMatrix_<file_name>.dat` | a line a pair: `target estimated # %` (part of the row) |
        | `ConfusionMatrix_<file_name>.csv` | the matrix, a row a target |
        | `ConfusionMatrix_<file_name>.png` | the matrix as a picture |
        | `ConfusionMatrix_<file_name>_score.dat` | metrics of each class, and their averages |
        | `ConfusionMatrix_<file_name>_score.json` | all metrics |
        | `ConfusionMatrix_<file_name>_score.png` | metrics of each class as bars |
        | `Misclassified_<file_name>.dat` | a line a stimulus and wrong estimate: `id "name" target estimated count` |

        Arguments:
            file_name (str): Part of the names of the files.

        Raises:
            WrongInputType: `file_name` is not a str.
            WrongValue: `file_name` is empty or has a slash.
            StateError: Nothing was evaluated in this partition.
            FileError: A file cannot be written.

        Example:
            >>> import pathlib, tempfile, n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     target = n2d2.target.Score(source, log_dir=folder)
            ...     _ = target(source())
            ...     target.log_confusion_matrix("test")
            ...     sorted(file.name for file in target.folder.glob("*.dat"))
            ['ConfusionMatrix_test.dat', 'ConfusionMatrix_test_score.dat', 'Misclassified_test.dat']
        """
        from n2d2.target import logs

        stem = self._stem("ConfusionMatrix", file_name)
        partition, scores = self._partition(), self._scores()
        if not scores.counts.any():
            raise StateError(f"{self._name}: nothing was evaluated in partition {partition} since clear_score()")
        logs.write_confusion(self.folder / stem, scores, f"{self._name}, {partition}")
        if not self.data_as_target:
            wrong = self._core.misclassified(partition)
            rows = [(i, self._provider.stimulus_name(i), t, e, count) for i, t, e, count in wrong]
            logs.write_misclassified(self.folder / f"Misclassified_{file_name}.dat", rows)

    def log_success(self, path: str) -> None:
        """Writes loss and success rate against the learning step into the folder `<name>.Target`.

        | file | content |
        |---|---|
        | `Success_<path>.dat` | Learn: a line a batch: success, running average; else a line a pass: step, success |
        | `Success_<path>.csv` | every batch of every partition |
        | `Success_<path>.png` | the learning curves of all partitions |
        | `<path>_LearningSuccess.dat` | Validation only: the lines of Learn |

        With `top_n` above 1 the names begin with `SuccessTopN_` and end with `_LearningTopNSuccess.dat`.

        Arguments:
            path (str): Part of the names of the files.

        Raises:
            WrongInputType: `path` is not a str.
            WrongValue: `path` is empty or has a slash.
            StateError: Nothing was evaluated in this partition.
            FileError: A file cannot be written.

        Example:
            >>> import pathlib, tempfile, n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     target = n2d2.target.Score(source, log_dir=folder)
            ...     _ = target(source())
            ...     target.log_success("run")
            ...     (target.folder / "Success_run.dat").read_text()
            '1 1\\n'
        """
        from n2d2.target import logs

        stem = self._stem("Success" if self.top_n == 1 else "SuccessTopN", path)
        partition = self._partition()
        histories = {name: self._core.history(name) for name in self._core.partitions()}
        if not len(histories.get(partition, [])):
            raise StateError(f"{self._name}: nothing was evaluated in partition {partition} yet")
        logs.write_success(self.folder / stem, histories, partition, self.top_n, self._name, self.data_as_target)
        if partition == "Validation" and len(histories.get("Learn", [])):
            name = f"{path}_LearningSuccess.dat" if self.top_n == 1 else f"{path}_LearningTopNSuccess.dat"
            logs.write_learning(self.folder / name, histories["Learn"], self.top_n)

    def log_estimated_labels(self, path: str) -> None:
        """Appends the last batch to the file `<name>.Target/<path>/classif.log`, a line a stimulus.

        A line is `id "name" target estimated value output...`: number and name of the stimulus, its target (-1: ignored)
        and estimated class, the output of that class, and all outputs.

        Arguments:
            path (str): Folder below that of the target.

        Raises:
            WrongInputType: `path` is not a str.
            StateError: There was no batch yet, its target was data, or its outputs are maps.
            FileError: The file cannot be written.

        Example:
            >>> import pathlib, tempfile, n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     target = n2d2.target.Score(source, log_dir=folder)
            ...     _ = target(source())
            ...     target.log_estimated_labels("run")
            ...     print((target.folder / "run" / "classif.log").read_text().splitlines()[0][-11:])
            0 0 0 0 0 0
        """
        from n2d2.target import logs

        if not isinstance(path, str):
            raise WrongInputType(f"{self._name}: path", type(path), str)
        estimated, values, targets = self._estimated()
        assert self._output is not None
        assert self._ids is not None
        outputs = self._output.to_numpy()
        if targets.size != len(targets):
            shape = list(outputs.shape)
            raise StateError(f"{self._name}: outputs of shape {shape} are maps; their pictures are not built yet")
        outputs = outputs.reshape(len(targets), -1)
        names = [self._provider.stimulus_name(i) for i in self._ids.tolist()]
        columns = (self._ids, names, targets.ravel(), estimated[:, 0].ravel(), values[:, 0].ravel(), outputs)
        logs.append_estimates(self.folder / path / "classif.log", zip(*columns, strict=True))

    def log_stats(self, path: str) -> None:
        """Writes the memory and computing needs of each cell behind the last output into a folder.

        | file | content |
        |---|---|
        | `stats.log` | totals: parameters, activations, memory for 8, 16 and 32 bits, multiply-accumulates |
        | `stats.dat`, `stats_relative.dat` | a line a cell: parameters, multiply-accumulates, activations |
        | `stats.csv`, `stats.json` | the same with shapes |
        | `stats.png` | the same as bars |

        Arguments:
            path (str): Folder to write, below `log_dir`.

        Raises:
            WrongInputType: `path` is not a str.
            StateError: The target was not called yet.
            FileError: A file cannot be written.

        Example:
            >>> import pathlib, tempfile, n2d2
            >>> source = n2d2.provider.TensorPlaceholder(n2d2.Tensor([4, 3]), n2d2.Tensor([4], datatype="int"))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     target = n2d2.target.Score(source, log_dir=folder)
            ...     _ = target(n2d2.cells.Fc(3, 2, name="fc")(source()))
            ...     target.log_stats("stats")
            ...     print(pathlib.Path(folder, "stats", "stats.dat").read_text().splitlines()[1])
            fc 8 8 2
        """
        from n2d2.target import logs

        if not isinstance(path, str):
            raise WrongInputType(f"{self._name}: path", type(path), str)
        self._last()
        assert self._output is not None
        layers = [logs.Layer(*layer) for layer in _core.layers(self._output._as_var(self._name))]
        logs.write_stats(self._log_dir / path, layers)

    def _stem(self, kind: str, name: str) -> str:
        if not isinstance(name, str):
            raise WrongInputType(f"{self._name}: file name", type(name), str)
        if not name or any(c in name for c in "/\\\0"):
            raise WrongValue(f"{self._name}: file name", name, "a name without slashes")
        return f"{kind}_{name}"

    def _window(self, window: int) -> int:
        if isinstance(window, bool) or not isinstance(window, int):
            raise WrongInputType(f"{self._name}: window", type(window), int)
        if window < 0:
            raise WrongValue(f"{self._name}: window", window, "a number of batches of at least 0")
        return window


def _loss_tensor(source: _core.Loss, target: Score) -> Tensor:
    tensor = object.__new__(Tensor)
    tensor._start(target)
    tensor._array = None
    tensor._datatype = "float"
    tensor._loss_source = source
    return tensor


def _is_softmax(output: Tensor) -> bool:
    return type(output.cell).__name__ == "Softmax"
