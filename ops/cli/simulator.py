"""`feedline simulator`: Amazon's SP-API on localhost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.errors import UsageError


def simulator(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 9510,
    speed: Annotated[float, typer.Option(min=0.001, help="Virtual seconds per real second.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Makes the faults that come by chance repeatable.")] = None,
    start: Annotated[str | None, typer.Option(help="Where the virtual clock starts (ISO 8601); default: now.")] = None,
    scenario: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Sellers, catalogue, faults and limits (YAML or JSON).")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written with the URL when the simulator can be called.")] = None,
    public_url: Annotated[str | None, typer.Option(help="How clients reach it, for presigned URLs.")] = None,
) -> None:
    """Serve Amazon's SP-API on localhost: quotas, serial feeds, a readable catalogue, faults by script.

    Ends with exit code 0 on SIGTERM or Ctrl-C. What it holds is in memory only.
    """
    try:
        from ops.simulator.command import run
    except ModuleNotFoundError as missing:
        raise UsageError(f"The simulator needs {missing.name}, which is not installed. Install feedline[simulator].") from None
    try:
        run(host=host, port=port, speed=speed, seed=seed, start=start, scenario=scenario, ready_file=ready_file, public_url=public_url)
    except (OSError, ValueError) as error:
        typer.echo(f"feedline simulator: {error}", err=True)
        raise typer.Exit(2) from error
