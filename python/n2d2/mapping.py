"""Which input channels of a cell are connected to which outputs."""

from __future__ import annotations

from n2d2.error_handler import StateError, WrongInputType, WrongValue
from n2d2.parameters import refuse_unknown
from n2d2.tensor import Tensor


class Mapping:
    """Makes mappings of groups: the outputs of a group see the inputs of the same group only.

    Exactly one of the two arguments must be given.

    Arguments:
        nb_groups (int, optional): Number of groups.
        nb_channels_per_group (int, optional): Number of columns (outputs) of each group.

    Raises:
        WrongValue: None or both are given, or the value is below 1.
        WrongInputType: The value is not an int.

    Example:
        >>> mapping = Mapping(nb_groups=2).create_mapping(4, 6)
        >>> print(mapping.to_numpy().astype(int))
        [[1 1 1 0 0 0]
         [1 1 1 0 0 0]
         [0 0 0 1 1 1]
         [0 0 0 1 1 1]]
    """

    def __init__(
        self, nb_groups: int | None = None, nb_channels_per_group: int | None = None, **unknown: object
    ) -> None:
        refuse_unknown("Mapping", unknown, Mapping.__init__)
        given = {"nb_groups": nb_groups, "nb_channels_per_group": nb_channels_per_group}
        for name, value in given.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise WrongInputType(f"Mapping: {name}", type(value), int)
            if value is not None and value < 0:
                raise WrongValue(f"Mapping: {name}", value, "an integer of at least 1")
        if bool(nb_groups) == bool(nb_channels_per_group):
            what = "both" if nb_groups else "none"
            raise WrongValue(f"Mapping: give one of nb_groups and nb_channels_per_group, got {what}")
        self.nb_groups = nb_groups
        self.nb_channels_per_group = nb_channels_per_group

    def create_mapping(self, nb_channels: int, nb_outputs: int) -> Tensor:
        """A bool tensor with one row an input channel and one column an output.

        With `R` rows, `C` columns and `G` groups, group `g` owns the columns from `g C / G` and the rows from
        `floor(g R / G)`, up to those of the next group.

        Arguments:
            nb_channels (int): Number of rows, the input channels.
            nb_outputs (int): Number of columns, the outputs.

        Returns:
            Tensor: Shape `[nb_channels, nb_outputs]`.

        Raises:
            WrongInputType: An argument is not an int.
            WrongValue: The groups do not divide the outputs.
            StateError: There are fewer rows than groups.

        Example:
            >>> Mapping(nb_channels_per_group=2).create_mapping(3, 4).to_numpy().astype(int).tolist()
            [[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
        """
        for name, value in (("nb_channels", nb_channels), ("nb_outputs", nb_outputs)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise WrongInputType(f"create_mapping: {name}", type(value), int)
            if value < 1:
                raise WrongValue(f"create_mapping: {name}", value, "an integer of at least 1")
        size = self.nb_channels_per_group or nb_outputs // (self.nb_groups or 1)
        if size == 0 or nb_outputs % size or (self.nb_groups and nb_outputs % self.nb_groups):
            divisor = self.nb_groups or self.nb_channels_per_group
            kind = "groups" if self.nb_groups else "channels per group"
            raise WrongValue(f"create_mapping: {divisor} {kind} do not divide {nb_outputs} outputs")
        groups = nb_outputs // size
        if nb_channels < groups:
            raise StateError(
                f"create_mapping: {nb_channels} channels cannot make {groups} groups of at least one channel"
            )
        if nb_channels * nb_outputs > 2**31:
            raise WrongValue(f"create_mapping: {nb_channels} channels times {nb_outputs} outputs is above {2**31}")
        mapping = Tensor([nb_channels, nb_outputs], datatype="bool")
        connected = mapping.to_numpy()
        for g in range(groups):
            rows = slice(g * nb_channels // groups, (g + 1) * nb_channels // groups)
            connected[rows, g * size : (g + 1) * size] = True
        return mapping


def check_mapping(owner: str, mapping: object) -> Tensor:
    """The mapping of a cell: a bool tensor with one row an input channel and one column an output.

    Arguments:
        owner (str): Name of the cell in the text of the error.
        mapping: What was given.

    Raises:
        WrongInputType: It is something else.
    """
    if isinstance(mapping, Tensor) and mapping.nb_dims() == 2 and mapping.to_numpy().dtype == bool:
        return mapping
    got = type(mapping).__name__
    if isinstance(mapping, Tensor):
        got = f"a {mapping.data_type()} tensor of shape {mapping.shape()}"
    raise WrongInputType(f"{owner}: parameter `mapping` must be a bool Tensor [inputs, outputs], got {got}")
