"""The base of all databases, and the empty one."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from n2d2 import _core
from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.options import HidesDefaults, Option
from n2d2.parameters import Parameter, check_bool, check_str, refuse_unknown, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTITIONS = ("Learn", "Test", "Validation", "Unpartitioned")

# Parameters of N2D2's databases that concern regions of interest, label images and multi-channel files.
_NOT_BUILT: dict[str, object] = {
    "composite_label": "Auto",
    "data_file_label": True,
    "default_label": "",
    "multi_channel_match": "",
    "multi_channel_replace": "",
    "rois_margin": 0,
    "target_data_path": "",
}


def fraction(owner: str, name: str, value: object) -> float:
    """A number as a float; the engine checks that it lies between 0 and 1.

    Arguments:
        owner (str): Name of the object in the text of the error.
        name (str): Name of the argument.
        value: What was given.

    Raises:
        WrongInputType: It is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongInputType(f"{owner}: {name}", type(value), float)
    return float(value)


class AbstractDatabase(HidesDefaults, ABC):
    """Stimuli with labels, in the partitions Learn, Validation and Test.

    Stimuli that belong to no partition yet are Unpartitioned.

    Arguments:
        random_partitioning (bool, optional): Stimuli are drawn into partitions at random, from the generator of
            `n2d2.global_variables.seed`; else in the order of loading, default=True.
        composite_label, data_file_label, default_label, multi_channel_match, multi_channel_replace, rois_margin,
            target_data_path (optional): Parameters of N2D2 for label images and several files a stimulus; only their
            defaults are available.

    Raises:
        TypeError: This class itself is instantiated.
        WrongInputType: A value has the wrong type.
        WrongValue: A name or a value is not accepted.
    """

    _handle: _core.Dataset

    composite_label = Parameter[str]("config")
    data_file_label = Parameter[bool]("config")
    default_label = Parameter[str]("config")
    multi_channel_match = Parameter[str]("config")
    multi_channel_replace = Parameter[str]("config")
    rois_margin = Parameter[int]("config")
    random_partitioning = Parameter[bool]("config")
    target_data_path = Parameter[str]("config")

    @abstractmethod
    def __init__(self, *, random_partitioning: bool = True) -> None: ...

    def _begin(self, arguments: Mapping[str, object], random_partitioning: bool, config: Mapping[str, object]) -> None:
        """Makes the engine's empty dataset; `arguments` are those that the class declares itself."""
        owner = self._owner()
        known = {k: v for k, v in config.items() if k in _NOT_BUILT}
        unknown = [k for k in config if k not in _NOT_BUILT]
        if unknown:
            raise WrongValue(unknown_name(owner, unknown[0], [*arguments, "random_partitioning", *_NOT_BUILT]))
        self._handle = _core.Dataset(owner)
        self._values = {**_NOT_BUILT, **arguments}
        self._write("random_partitioning", random_partitioning)
        for name, value in known.items():
            self._write(name, value)

    def _write(self, name: str, value: object) -> None:
        if name == "random_partitioning":
            self._values[name] = check_bool(self._owner(), name, value)
        elif value != _NOT_BUILT[name]:
            raise WrongValue(f"{self._owner()}: {name}", value, f"{_NOT_BUILT[name]!r}: other values are not built yet")

    def _parameters_text(self) -> str:
        # N2D2 sorts by its own names, and ROIsMargin comes before RandomPartitioning.
        return re.sub(r"(random_partitioning=\w+), (rois_margin=\w+)", r"\2, \1", super()._parameters_text())

    def N2D2(self) -> _core.Dataset:
        """The engine's object; always the same one."""
        return self._handle

    def get_nb_stimuli(self, partition: str) -> int:
        """Number of stimuli of a partition.

        Arguments:
            partition (str): `Learn`, `Validation`, `Test` or `Unpartitioned`.

        Raises:
            WrongInputType: It is not a str.
            WrongValue: There is no such partition.
        """
        return self._handle.nb_stimuli(check_str(self._owner(), "partition", partition))

    def get_partition_summary(self) -> None:
        """Prints the number of stimuli of each partition.

        Example:
            >>> import n2d2
            >>> n2d2.database.Digits(validation=0.1).get_partition_summary()
            Number of stimuli : 5000
            Learn         : 3600 stimuli (72.0%)
            Test          : 1000 stimuli (20.0%)
            Validation    : 400 stimuli (8.0%)
            Unpartitioned : 0 stimuli (0.0%)
            <BLANKLINE>
        """
        total = len(self._handle)
        if not total:
            print("No stimulus in the database !")
            return
        print(f"Number of stimuli : {total}")
        for partition in PARTITIONS:
            n = self._handle.nb_stimuli(partition)
            print(f"{partition:<13} : {n} stimuli ({round(100 * n / total, 2)}%)")
        print()

    def get_label_name(self, idx: int) -> str:
        """The name of a label.

        Arguments:
            idx (int): Label.

        Raises:
            WrongInputType: It is not an int.
            WrongValue: The database has no such label.
        """
        if isinstance(idx, bool) or not isinstance(idx, int):
            raise WrongInputType(f"{self._owner()}: label", type(idx), int)
        if idx < 0:
            raise WrongValue(
                f"{self._owner()}: label", idx, f"less than the {len(self.label_names())} labels from 0 on"
            )
        return self._handle.label_name(idx)

    def label_names(self) -> list[str]:
        """The names of all labels, label 0 first."""
        return self._handle.label_names()

    def partition_stimuli(self, learn: float, validation: float, test: float) -> None:
        """Distributes the unpartitioned stimuli.

        The number of stimuli for Learn is rounded half up, that for the other two half down; what is left stays
        unpartitioned.

        Arguments:
            learn (float): Part of the stimuli that goes to Learn, from 0 to 1.
            validation (float): Part that goes to Validation.
            test (float): Part that goes to Test.

        Raises:
            WrongInputType: A part is not a number.
            WrongValue: A part is not between 0 and 1, or their sum is above 1.

        Example:
            >>> import n2d2, numpy
            >>> database = n2d2.database.Numpy()
            >>> database.load([numpy.zeros((1, 2, 2), numpy.uint8)] * 10, [0] * 10)
            >>> database.partition_stimuli(0.6, 0.3, 0.1)
            >>> [database.get_nb_stimuli(p) for p in ("Learn", "Validation", "Test")]
            [6, 3, 1]
        """
        parts = {"learn": learn, "validation": validation, "test": test}
        numbers = [fraction(self._owner(), name, value) for name, value in parts.items()]
        self._handle.partition(numbers[0], numbers[1], numbers[2], self.random_partitioning)


class Database(AbstractDatabase):
    """An empty database, for networks that get their data elsewhere.

    Arguments:
        load_data_in_memory (bool, optional): Kept for old scripts: images are always kept in memory, default=False.

    Raises:
        WrongInputType: `load_data_in_memory` is not a bool.

    Example:
        >>> import n2d2
        >>> n2d2.database.Database().get_partition_summary()
        No stimulus in the database !
    """

    load_data_in_memory = Option(False)

    def __init__(self, load_data_in_memory: bool = False, **unknown: object) -> None:
        refuse_unknown("Database", unknown, Database.__init__)
        arguments = {"load_data_in_memory": check_bool("Database", "load_data_in_memory", load_data_in_memory)}
        self._begin(arguments, random_partitioning=True, config={})

    def __str__(self) -> str:
        return ""
