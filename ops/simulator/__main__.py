"""`python -m ops.simulator`, with the options of `feedline simulator`."""

import typer

from ops.cli.simulator import simulator

typer.run(simulator)
