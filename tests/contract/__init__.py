"""The acceptance test of the user's contract: every class and member that it promises, one row each."""

import pytest

# Before the modules are imported, so that a failing row shows its values.
pytest.register_assert_rewrite(
    "contract.cases",
    "contract.containers",
    "contract.layers",
    "contract.objects",
    "contract.scores",
    "contract.weighted",
)
