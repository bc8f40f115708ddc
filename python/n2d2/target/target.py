"""The base of all targets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from n2d2.error_handler import WrongInputType, WrongValue
from n2d2.parameters import Parametrised
from n2d2.provider import Provider
from n2d2.utils import generate_name

if TYPE_CHECKING:
    from n2d2.deepnet import DeepNet
    from n2d2.tensor import LossSource, Tensor


class Target(Parametrised):
    """What the output of a network should be: the abstract base of all targets.

    Arguments:
        provider (n2d2.provider.Provider): Source of the labels.
        name (str, optional): Name of the target, default=`<ClassName>_<n>`.
        log_dir (str or Path, optional): Folder of all files of the target, default=the working directory.

    Raises:
        TypeError: `Target` itself is instantiated.
        WrongInputType: An argument has the wrong type.
        WrongValue: The name has no characters.
    """

    _output: Tensor | None = None
    _source: LossSource | None = None
    """What the last loss goes back through."""

    def __init__(self, provider: Provider, *, name: str | None = None, log_dir: str | os.PathLike[str] = ".") -> None:
        if type(self) is Target:
            raise TypeError("Target is abstract: use n2d2.target.Score")
        if not isinstance(provider, Provider):
            raise WrongInputType(f"{type(self).__name__}: provider", type(provider), Provider)
        if name is not None and not isinstance(name, str):
            raise WrongInputType(f"{type(self).__name__}: name", type(name), str)
        if name is not None and not name.strip():
            raise WrongValue(f"{type(self).__name__}: name", name, "a text with characters")
        self._name = name or generate_name(self)
        self._provider = provider
        folder: object = log_dir
        if not isinstance(folder, (str, os.PathLike)) or not isinstance(os.fspath(folder), str):
            raise WrongInputType(f"{type(self).__name__}: log_dir", type(log_dir), (str, os.PathLike))
        self._log_dir = Path(log_dir)

    def __call__(self, output: Tensor) -> Tensor:
        """The loss of an output.

        Arguments:
            output (n2d2.Tensor): Output of the last cell, `[n, c, h, w]`.
        """
        raise NotImplementedError

    def _owner(self) -> str:
        return self._name

    @property
    def name(self) -> str:
        """Name of the target."""
        return self._name

    @property
    def provider(self) -> Provider:
        """Source of the labels."""
        return self._provider

    def _set_provider(self, provider: Provider) -> None:
        """Takes the labels from another provider from now on."""
        self._provider = provider

    @property
    def folder(self) -> Path:
        """Folder of the target's files: `<log_dir>/<name>.Target`."""
        return self._log_dir / f"{_file_name(self._name)}.Target"

    def get_name(self) -> str:
        """Name of the target."""
        return self._name

    def get_deepnet(self) -> DeepNet | None:
        """The graph behind the output that was compared last; None before the first call.

        Its `back_propagate()` starts from the loss of this target.
        """
        net = None if self._output is None else self._output.get_deepnet()
        if net is not None:
            net._target = self
        return net

    def recent(self, window: int) -> tuple[float, float, int]:
        """Mean loss, success rate and number of stimuli of the last batches of the provider's partition.

        Arguments:
            window (int): Number of last batches, 0 = all since they were cleared.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return self._name


def _file_name(text: str) -> str:
    """A text without the characters that have a meaning in paths."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", text).strip() or "_"
