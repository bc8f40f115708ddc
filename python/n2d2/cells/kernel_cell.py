"""What convolution and transposed convolution share: the order of kernels in parameter files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from n2d2.cells.weighted_cell import WeightedCell
from n2d2.parameters import Parameter, check_bool, check_word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from n2d2.cells.weighted_cell import Floats


class KernelCell(WeightedCell):
    """Abstract parent of Conv and Deconv, whose weights are kernels of pixels.

    Files of `export_free_parameters`: with `weights_export_format="OCHW"` a line an output, its kernels channel after
    channel; with `HWCO` a line a kernel position. With `weights_export_flip` kernels are flipped in both directions.

    Arguments:
        solver (n2d2.solver.Solver, optional): Solver of weights and bias; overrides the specific ones.
        back_propagate (bool, optional): If False no gradient goes back to the inputs; the cell itself still learns,
            default=True.
        name (str, optional): Cell name, default=`<ClassName>_<n>`.
        activation (n2d2.activation.ActivationFunction, optional): Applied to the output, default=None (identity).
        datatype (str, optional): `float`, default=n2d2.global_variables.default_datatype.
        model (str, optional): Device, `Frame` or `Frame_CUDA`, default=n2d2.global_variables.default_model.

    Raises:
        TypeError: This class itself is instantiated.

    Example:
        >>> import n2d2
        >>> from n2d2.cells.kernel_cell import KernelCell
        >>> made = [n2d2.cells.Conv(1, 1, [3, 3]), n2d2.cells.Deconv(1, 1, [3, 3]), n2d2.cells.Fc(2, 2)]
        >>> [isinstance(cell, KernelCell) for cell in made]
        [True, True, False]
    """

    mappable = True

    weights_export_flip = Parameter[bool]("config", check=check_bool)
    weights_export_format = Parameter[str]("config", check=check_word("OCHW", "HWCO"))

    def _flipped(self, dense: Floats) -> Floats:
        return dense[..., ::-1, ::-1] if self.weights_export_flip else dense

    def _weight_lines(self, dense: Floats, connected: npt.NDArray[np.bool_]) -> list[Floats]:
        dense = self._flipped(dense)
        if self.weights_export_format == "OCHW":
            return super()._weight_lines(dense, connected)
        return [dense[:, :, r, s].T[connected.T] for r in range(dense.shape[2]) for s in range(dense.shape[3])]

    def _weights_of(self, numbers: Floats, connected: npt.NDArray[np.bool_]) -> Floats:
        import numpy as np

        if self.weights_export_format == "OCHW":
            return self._flipped(super()._weights_of(numbers, connected))
        by_channel = np.zeros((*connected.T.shape, *self._kernel_dims()), np.float32)
        by_channel[connected.T] = numbers.reshape(*self._kernel_dims(), -1).transpose(2, 0, 1)
        return self._flipped(by_channel.swapaxes(0, 1))

    def _kernel_dims(self) -> list[int]:
        return self._handle.param_dims("weights")[2:]
