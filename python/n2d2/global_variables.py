"""Settings of the process: defaults of new objects, verbosity, seed, threads."""

from __future__ import annotations

import enum
from typing import NoReturn

from n2d2 import _core
from n2d2.error_handler import StateError, WrongInputType, WrongValue


class Verbosity(enum.IntEnum):
    """How much of an object `str()` shows: names and links, also what it is made of, or every parameter.

    Example:
        >>> list(map(str, Verbosity))
        ['Verbosity.graph_only', 'Verbosity.short', 'Verbosity.detailed']
    """

    graph_only = 0
    short = 1
    detailed = 2

    def __str__(self) -> str:
        return f"Verbosity.{self.name}"


_Verbosity = Verbosity


class GlobalVariables:
    """The settings of the process, reached as `n2d2.global_variables`.

    | attribute | default | meaning |
    |---|---|---|
    | `default_model` | `"Frame"` | device of objects built afterwards: `Frame` or `Frame_CUDA` |
    | `default_datatype` | `"float"` | datatype of objects built afterwards |
    | `verbosity` | `Verbosity.detailed` | how much `str()` shows: `graph_only`, `short`, `detailed` |
    | `seed` | 1 | seed of the generator; writing it restarts the generator |
    | `nb_threads` | physical cores | threads of the engine; results never depend on it |
    | `model_cache` | `~/MODELS` | folder for downloaded models |
    | `cuda_device`, `cuda_available` | 0, False | this version has no CUDA backend |

    Raises:
        WrongInputType: A value has the wrong type.
        WrongValue: A value is not accepted.
        StateError: The attribute is read-only, or this version cannot do what is asked.
        AttributeError: There is no such setting.

    Example:
        >>> import n2d2
        >>> n2d2.global_variables.seed = 7
        >>> first = n2d2.cells.Fc(2, 2).get_weight(0, 0)
        >>> n2d2.global_variables.seed = 7
        >>> n2d2.cells.Fc(2, 2).get_weight(0, 0) == first
        True
        >>> n2d2.global_variables.seed = 1
    """

    Verbosity = _Verbosity
    _settings = ("default_model", "default_datatype", "verbosity", "seed", "nb_threads", "model_cache", "cuda_device")
    _facts = ("cuda_available", "json_compiled", "onnx_compiled", "n2d2_ip_compiled")

    def __init__(self) -> None:
        self._default_model = "Frame"
        self._default_datatype = "float"
        self._verbosity = _Verbosity.detailed
        self._seed = 1
        self._model_cache: str | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if name[0] != "_" and name not in self._settings:
            if name in self._facts:
                raise StateError(f"global_variables: `{name}` is a fact of this build and cannot be set")
            near = _core.nearest(name, list(self._settings))
            hint = f"; did you mean `{near}`?" if near else ""
            raise AttributeError(f"global_variables: `{name}` is not a setting{hint}")
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name == "default_net":
            raise AttributeError(
                "global_variables: `default_net` does not exist: a graph belongs to the tensors that were computed; "
                "ask them, or a cell, for get_deepnet()"
            )
        near = _core.nearest(name, [*self._settings, *self._facts])
        hint = f"; did you mean `{near}`?" if near else ""
        raise AttributeError(f"global_variables: `{name}` is not a setting{hint}")

    @property
    def default_model(self) -> str:
        """Device of objects built afterwards: `Frame` or `Frame_CUDA`.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.default_model
            'Frame'
        """
        return self._default_model

    @default_model.setter
    def default_model(self, model: str) -> None:
        if not isinstance(model, str):
            raise WrongInputType("default_model", type(model), str)
        _core.check_model("global_variables", model)
        self._default_model = model

    @property
    def default_datatype(self) -> str:
        """Datatype of objects built afterwards: `float`.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.default_datatype
            'float'
        """
        return self._default_datatype

    @default_datatype.setter
    def default_datatype(self, datatype: str) -> None:
        if not isinstance(datatype, str):
            raise WrongInputType("default_datatype", type(datatype), str)
        if datatype != "float":
            raise WrongValue("default_datatype", datatype, ["float"])
        self._default_datatype = datatype

    @property
    def verbosity(self) -> _Verbosity:
        """How much `str()` shows.

        Example:
            >>> import n2d2
            >>> fc = n2d2.cells.Fc(2, 3, name="fc")
            >>> n2d2.global_variables.verbosity = n2d2.global_variables.Verbosity.short
            >>> print(fc)
            'fc' Fc(Frame<float>)(nb_inputs=2, nb_outputs=3)
            >>> n2d2.global_variables.verbosity = n2d2.global_variables.Verbosity.graph_only
            >>> print(fc)
            'fc' Fc(Frame<float>)
            >>> n2d2.global_variables.verbosity = n2d2.global_variables.Verbosity.detailed
        """
        return self._verbosity

    @verbosity.setter
    def verbosity(self, verbosity: _Verbosity | int) -> None:
        if isinstance(verbosity, bool) or not isinstance(verbosity, int):
            raise WrongInputType("verbosity", type(verbosity), (_Verbosity, int))
        try:
            self._verbosity = _Verbosity(verbosity)
        except ValueError:
            raise WrongValue("verbosity", verbosity, list(_Verbosity)) from None

    @property
    def seed(self) -> int:
        """Seed of the generator of fillers, dropout, shuffles and augmentation. Writing it restarts the generator.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.seed = 1
            >>> n2d2.global_variables.seed
            1
        """
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise WrongInputType("seed", type(seed), int)
        if not 0 <= seed < 2**32:
            raise WrongValue("seed", seed, "an integer from 0 to 4294967295")
        _core.seed(seed)
        self._seed = seed

    @property
    def nb_threads(self) -> int:
        """Threads of the engine. Results never depend on it.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.nb_threads >= 1
            True
        """
        return _core.threads()

    @nb_threads.setter
    def nb_threads(self, threads: int) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int):
            raise WrongInputType("nb_threads", type(threads), int)
        if not 1 <= threads <= 1024:
            raise WrongValue("nb_threads", threads, "an integer from 1 to 1024")
        _core.set_threads(threads)

    @property
    def model_cache(self) -> str:
        """Folder for downloaded models.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.model_cache.endswith("MODELS")
            True
        """
        if self._model_cache is None:
            from pathlib import Path

            self._model_cache = str(Path("~/MODELS").expanduser())
        return self._model_cache

    @model_cache.setter
    def model_cache(self, folder: str) -> None:
        if not isinstance(folder, str):
            raise WrongInputType("model_cache", type(folder), str)
        self._model_cache = folder

    @property
    def cuda_device(self) -> int:
        """Number of the CUDA device; this version has no CUDA backend.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.cuda_device
            0
        """
        return 0

    @cuda_device.setter
    def cuda_device(self, device: int | tuple[int, ...]) -> None:
        if isinstance(device, bool) or not isinstance(device, (int, tuple, list)):
            raise WrongInputType("cuda_device", type(device), (int, tuple, list))
        devices = list(device) if isinstance(device, (tuple, list)) else [device]
        for number in devices:
            if isinstance(number, bool) or not isinstance(number, int):
                raise WrongInputType("cuda_device: a device", type(number), int)
            if number < 0:
                raise WrongValue("cuda_device: a device", number, "an integer of at least 0")
        if not devices:
            raise WrongValue("cuda_device", device, "at least one device")
        raise StateError("global_variables: `cuda_device` cannot be set: this version has no CUDA backend")

    @property
    def cuda_available(self) -> bool:
        """True if a CUDA device can be used.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.cuda_available
            False
        """
        return False

    @property
    def json_compiled(self) -> bool:
        """True if JSON can be written.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.json_compiled
            True
        """
        return True

    @property
    def onnx_compiled(self) -> bool:
        """True if ONNX files can be read.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.onnx_compiled
            False
        """
        return False

    @property
    def n2d2_ip_compiled(self) -> bool:
        """True if the closed part of N2D2 is present.

        Example:
            >>> import n2d2
            >>> n2d2.global_variables.n2d2_ip_compiled
            False
        """
        return False

    def set_cuda_device(self, device: int) -> NoReturn:
        """Gone: write `n2d2.global_variables.cuda_device = device` instead.

        Arguments:
            device (int): Number of the device.

        Raises:
            StateError: Always.

        Example:
            >>> import n2d2
            >>> try:
            ...     n2d2.global_variables.set_cuda_device(1)
            ... except n2d2.Error as error:
            ...     print(error)
            set_cuda_device is gone: write n2d2.global_variables.cuda_device = 1
        """
        raise StateError(f"set_cuda_device is gone: write n2d2.global_variables.cuda_device = {device}")

    def set_random_seed(self, seed: int) -> NoReturn:
        """Gone: write `n2d2.global_variables.seed = seed` instead.

        Arguments:
            seed (int): Seed.

        Raises:
            StateError: Always.

        Example:
            >>> import n2d2
            >>> try:
            ...     n2d2.global_variables.set_random_seed(5)
            ... except n2d2.Error as error:
            ...     print(error)
            set_random_seed is gone: write n2d2.global_variables.seed = 5
        """
        raise StateError(f"set_random_seed is gone: write n2d2.global_variables.seed = {seed}")

    def __str__(self) -> str:
        names = sorted(self._settings + self._facts)
        return "n2d2 global variables :" + "".join(f"\n\t- {name} : {getattr(self, name)}" for name in names)


global_variables = GlobalVariables()
