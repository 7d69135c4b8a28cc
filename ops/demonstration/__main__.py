"""`python -m ops.demonstration`, which `ops/demo` runs."""

import sys

if __name__ == "__main__":
    try:
        from ops.demonstration.command import main
    except KeyboardInterrupt:  # Python takes a second or two to read all of this
        sys.exit(130)
    sys.exit(main())
