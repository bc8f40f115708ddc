"""`python -m n2d2` is the command `n2d2`."""

from __future__ import annotations

import sys

from n2d2.cli import main

if __name__ == "__main__":
    sys.exit(main())
