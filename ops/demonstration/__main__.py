"""`python -m ops.demonstration`, which `ops/demo` runs."""

import sys

from ops.demonstration.command import main

if __name__ == "__main__":
    sys.exit(main())
