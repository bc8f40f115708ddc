"""Fillers: how the first values of weights and biases are drawn.

All draws come from one Mersenne Twister (see `n2d2.global_variables.seed`). `fan_in` is the number of inputs of an
output, `fan_out` the number of outputs of an input, kernel positions included; for a bias of `n` values they are `n`
and 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from n2d2 import _core
from n2d2.parameters import CoreObject, Parameter

__all__ = ["Constant", "Filler", "He", "Normal", "NormalFiller", "Uniform", "Xavier"]


class Filler(CoreObject, ABC):
    """Abstract parent of the fillers. Their parameters are fixed once they exist.

    Arguments:
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> isinstance(He(), Filler), He().scaling
        (True, 1.0)
        >>> He().scaling = 2.0
        Traceback (most recent call last):
        n2d2.error_handler.StateError: He: `scaling` is not settable after construction; build a new object to change it
    """

    @abstractmethod
    def __init__(self, *, datatype: str | None = None) -> None: ...


class Constant(Filler):
    """Fill with a constant value.

    Arguments:
        value (float, optional): Value, default=0.0.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: The value is not a number.
        WrongValue: A name is unknown.

    Example:
        >>> print(Constant(value=1.0))
        Constant(value=1.0)
    """

    value = Parameter[float]("option")

    def __init__(self, *, value: float = 0.0, datatype: str | None = None, **unknown: object) -> None:
        self._start(_core.Filler, "Constant", locals())


class Normal(Filler):
    """Fill with a normal distribution.

    Arguments:
        mean (float, optional): Mean, default=0.0.
        std_dev (float, optional): Standard deviation, default=1.0.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongValue: The standard deviation is negative, or a name is unknown.

    Example:
        >>> print(Normal(std_dev=0.05))
        Normal(mean=0.0, std_dev=0.05)

    Source:
        Box and Muller, "A note on the generation of random normal deviates", 1958.
    """

    mean = Parameter[float]("option")
    std_dev = Parameter[float]("option")

    def __init__(
        self, *, mean: float = 0.0, std_dev: float = 1.0, datatype: str | None = None, **unknown: object
    ) -> None:
        self._start(_core.Filler, "Normal", locals())


NormalFiller = Normal


class Uniform(Filler):
    """Fill with a uniform distribution, both ends included.

    Arguments:
        min (float, optional): Lowest value, default=0.0.
        max (float, optional): Highest value, default=1.0.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongValue: `min` is above `max`, or a name is unknown.

    Example:
        >>> print(Uniform(min=-0.5, max=0.5))
        Uniform(min=-0.5, max=0.5)
    """

    min = Parameter[float]("option")
    max = Parameter[float]("option")

    def __init__(self, *, min: float = 0.0, max: float = 1.0, datatype: str | None = None, **unknown: object) -> None:
        self._start(_core.Filler, "Uniform", locals())


class Xavier(Filler):
    """Fill with a distribution whose variance is one over the fan.

    Uniform: `scaling * U(-sqrt(3 / n), sqrt(3 / n))`; Normal: `scaling * N(0, sqrt(1 / n))`, with `n` the fan chosen.

    Arguments:
        variance_norm (str, optional): `FanIn`, `Average` or `FanOut`, default="FanIn".
        distribution (str, optional): `Uniform` or `Normal`, default="Uniform".
        scaling (float, optional): Factor, default=1.0.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongValue: A name or a word is unknown.

    Example:
        >>> print(Xavier(distribution="Normal"))
        Xavier(variance_norm=VarianceNorm.FanIn, distribution=Distribution.Normal, scaling=1.0)

    Source:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    _words = frozenset({"variance_norm", "distribution"})

    variance_norm = Parameter[str]("option", prefix="VarianceNorm")
    distribution = Parameter[str]("option", prefix="Distribution")
    scaling = Parameter[float]("option")

    def __init__(
        self,
        *,
        variance_norm: str = "FanIn",
        distribution: str = "Uniform",
        scaling: float = 1.0,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Filler, "Xavier", locals())


class He(Filler):
    """Fill with a normal distribution for layers that end in a rectifier (also called MSRA or Kaiming).

    `scaling * N(mean_norm / n, sqrt(2 / n))`, with `n` the fan chosen.

    Arguments:
        variance_norm (str, optional): `FanIn`, `Average` or `FanOut`, default="FanIn".
        mean_norm (float, optional): Mean times the fan, default=0.0.
        scaling (float, optional): Factor, default=1.0.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongValue: A name or a word is unknown.

    Example:
        >>> print(He())
        He(variance_norm=VarianceNorm.FanIn, mean_norm=0.0, scaling=1.0)

    Source:
        He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
    """

    _words = frozenset({"variance_norm"})

    variance_norm = Parameter[str]("option", prefix="VarianceNorm")
    mean_norm = Parameter[float]("option")
    scaling = Parameter[float]("option")

    def __init__(
        self,
        *,
        variance_norm: str = "FanIn",
        mean_norm: float = 0.0,
        scaling: float = 1.0,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Filler, "He", locals())
