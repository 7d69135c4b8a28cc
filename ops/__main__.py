"""`python -m ops`: the command `feedline`, also where its console script is not installed."""

from ops.cli import main

if __name__ == "__main__":
    main()
