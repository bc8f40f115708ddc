"""Solvers: how the parameters of a cell move along their gradient.

A solver holds hyper-parameters only. Momenta and step counters belong to each parameter tensor, so one solver may serve
several cells, and a change of a hyper-parameter takes effect at the next update of every cell that uses the solver.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from n2d2 import _core
from n2d2.parameters import CoreObject, Parameter

__all__ = ["SGD", "Adam", "Solver"]


class Solver(CoreObject, ABC):
    """Abstract parent of the solvers.

    Arguments:
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> solver = SGD(learning_rate=0.1)
        >>> solver.learning_rate = 0.05
        >>> solver.get_parameter("learning_rate")
        0.05
    """

    @abstractmethod
    def __init__(self, *, model: str | None = None, datatype: str | None = None) -> None: ...

    def copy(self) -> Solver:
        """A solver of its own with the same hyper-parameters.

        Example:
            >>> first = SGD(momentum=0.9)
            >>> second = first.copy()
            >>> second.momentum = 0.0
            >>> first.momentum
            0.9
        """
        other = object.__new__(type(self))
        other._model, other._datatype = self._model, self._datatype
        other._handle = self._handle.copy()
        other._values = dict(self._values)
        return other


class SGD(Solver):
    """Stochastic gradient descent with momentum, weight decay, clamping and learning-rate policies.

    With the gradient `g` (minus the derivative, summed over the batch), the batch size `B` and `K = iteration_size`:

    - without momentum and decay: `w <- w + rate / (B K) g`;
    - else: `m <- momentum m + rate / (B K) g - decay rate w`, `w <- w + m`;
    - then `w` is clamped.

    `rate` follows the policy, with `step = floor(stimuli / learning_rate_step_size)`:

    | policy | rate |
    |---|---|
    | `None` | `learning_rate` |
    | `StepDecay` | `learning_rate * learning_rate_decay^step` |
    | `ExponentialDecay` | `learning_rate * exp(-learning_rate_decay step)` |
    | `InvTDecay` | `learning_rate / (1 + learning_rate_decay step)` |
    | `InvDecay` | `learning_rate * (1 + learning_rate_decay i)^-power` after `i` updates |
    | `PolyDecay` | `learning_rate * (1 - i / max_iterations)^power` |
    | `CosineDecay` | warm-up, then half a cosine down to `min_decay learning_rate` at `max_iterations` steps |

    Arguments:
        learning_rate (float, optional): Base rate, default=0.01.
        momentum (float, optional): Part of the last move that is kept, default=0.0.
        decay (float, optional): Weight decay, default=0.0.
        min_decay (float, optional): Lowest rate of `CosineDecay`, as a part of `learning_rate`, default=0.0.
        learning_rate_policy (str, optional): One of the policies above, default="None".
        learning_rate_step_size (int, optional): Length of a step in stimuli, default=1.
        learning_rate_decay (float, optional): See the policies, default=0.1.
        clamping (str, optional): Range of the weights, `min:max`, `:max`, `min:` or empty, default="".
        iteration_size (int, optional): Batches whose gradients are added up before each update, default=1.
        max_iterations (int, optional): End of `PolyDecay` (in updates) and `CosineDecay` (in steps), default=0.
        power (float, optional): Exponent of `PolyDecay` and `InvDecay`, default=0.0.
        polyak_momentum (bool, optional): Kept for old scripts; has no effect, as in N2D2, default=True.
        warm_up_duration (int, optional): Steps of warm-up of `CosineDecay`, default=0.
        warm_up_lr_frac (float, optional): Rate at the start of the warm-up, as a part of `learning_rate`, default=0.25.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A name or a value is not accepted.

    Example:
        >>> print(SGD(learning_rate=0.1, momentum=0.9))
        SGD(clamping=, decay=0.0, iteration_size=1, learning_rate=0.1, learning_rate_decay=0.1, \
learning_rate_policy=None, learning_rate_step_size=1, max_iterations=0, min_decay=0.0, momentum=0.9, \
polyak_momentum=True, power=0.0, warm_up_duration=0, warm_up_lr_frac=0.25)

    Source:
        Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Loshchilov and Hutter, "SGDR:
        stochastic gradient descent with warm restarts", 2017 (cosine).
    """

    _words = frozenset({"learning_rate_policy", "clamping"})

    clamping = Parameter[str]("config")
    decay = Parameter[float]("config")
    iteration_size = Parameter[int]("config")
    learning_rate = Parameter[float]("config")
    learning_rate_decay = Parameter[float]("config")
    learning_rate_policy = Parameter[str]("config")
    learning_rate_step_size = Parameter[int]("config")
    max_iterations = Parameter[int]("config")
    min_decay = Parameter[float]("config")
    momentum = Parameter[float]("config")
    polyak_momentum = Parameter[bool]("config")
    power = Parameter[float]("config")
    warm_up_duration = Parameter[int]("config")
    warm_up_lr_frac = Parameter[float]("config")

    def __init__(
        self,
        *,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        min_decay: float = 0.0,
        learning_rate_policy: str = "None",
        learning_rate_step_size: int = 1,
        learning_rate_decay: float = 0.1,
        clamping: str = "",
        iteration_size: int = 1,
        max_iterations: int = 0,
        power: float = 0.0,
        polyak_momentum: bool = True,
        warm_up_duration: int = 0,
        warm_up_lr_frac: float = 0.25,
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Solver, "SGD", locals())


class Adam(Solver):
    """Adam: moves by the mean of the gradient over the root of its mean square.

    At update `t`, with the gradient `g` (minus the derivative, summed over the batch, *not* divided by its size):
    `m <- beta1 m + (1 - beta1) g`, `v <- beta2 v + (1 - beta2) g^2`,
    `w <- w + learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon sqrt(1 - beta2^t))`, then clamped.

    Arguments:
        learning_rate (float, optional): Rate, default=0.001.
        beta1 (float, optional): Decay of the first moment, default=0.9.
        beta2 (float, optional): Decay of the second moment, default=0.999.
        epsilon (float, optional): Keeps the division finite, default=1e-08.
        clamping (str, optional): Range of the weights, `min:max`, `:max`, `min:` or empty, default="".
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A name or a value is not accepted.

    Example:
        >>> print(Adam(learning_rate=0.1))
        Adam(beta1=0.9, beta2=0.999, clamping=, epsilon=1e-08, learning_rate=0.1)

    Source:
        Kingma and Ba, "Adam: a method for stochastic optimization", 2015.
    """

    _words = frozenset({"clamping"})

    beta1 = Parameter[float]("config")
    beta2 = Parameter[float]("config")
    clamping = Parameter[str]("config")
    epsilon = Parameter[float]("config")
    learning_rate = Parameter[float]("config")

    def __init__(
        self,
        *,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        clamping: str = "",
        model: str | None = None,
        datatype: str | None = None,
        **unknown: object,
    ) -> None:
        self._start(_core.Solver, "Adam", locals())
