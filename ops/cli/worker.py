"""`feedline worker`: the daemon. Prepares the process before anything that depends on it is imported, then runs Dramatiq."""

import os
import sys
from typing import Annotated

import typer

from worker.errors import FeedlineError, UsageError
from worker.instance_folder import instance_folder

DATABASE_PATIENCE_SECONDS = 30
"""How long a starting worker waits for Postgres before it gives up with a sentence."""


def worker(
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 8,
    queues: Annotated[
        str | None,
        typer.Option(help="Only these queues, comma separated: feedline.inventory, .listings, .shipments, .work. Default: all."),
    ] = None,
) -> None:
    """Run the daemon that turns messages into feeds."""
    chosen = _queues(queues)
    with instance_folder() as folder:
        # Both are read at import: prometheus_client chooses its kind of value, Dramatiq how soon a consumer comes back.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        os.environ.setdefault("dramatiq_restart_delay", "500")
        code = _run(processes, threads, chosen)
    raise typer.Exit(code)


def _queues(given: str | None) -> list[str]:
    from worker.broker.topology import INGEST_QUEUES, WORK

    known = (*INGEST_QUEUES, WORK)
    chosen = [name.strip() for name in (given or "").split(",") if name.strip()]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise UsageError(f"--queues names {', '.join(unknown)}, which is no queue of ours. Choose from {', '.join(known)}.")
    return chosen


def _run(processes: int, threads: int, queues: list[str]) -> int:
    from worker import http, logs
    from worker.settings import Settings

    settings = Settings.load()
    logs.configure(settings.log_format, settings.log_level)
    http.refuse_taken_port(settings)
    _prepare_database(settings.database_url.get_secret_value())

    from dramatiq import cli

    arguments = [
        "worker.app:setup",
        "--processes",
        str(processes),
        "--threads",
        str(threads),
        "--skip-logging",
        "--worker-shutdown-timeout",
        str(int(settings.drain_seconds * 1000)),
        *(["--queues", *queues] if queues else []),
    ]
    # Dramatiq's processes are forks of this one where the platform forks: they must not inherit our arguments.
    sys.argv = ["feedline"]
    return int(cli.main(cli.make_argument_parser().parse_args(arguments)) or 0)


def _prepare_database(url: str) -> None:
    """Make the partitions of today before anything is staged: after an outage of days nobody has.

    Raises FeedlineError when the schema does not fit, or Postgres does not answer for long.
    """
    from threading import Event

    import structlog
    from sqlalchemy.exc import DBAPIError

    from schema import migrate, partitions
    from worker.clock import Clock
    from worker.database import UNREACHABLE, Database, described
    from worker.unreachable import why_postgres

    log, clock, never = structlog.get_logger(), Clock(), Event()
    patience = clock.monotonic() + DATABASE_PATIENCE_SECONDS
    database = Database(url, application_name="feedline worker start")
    try:
        while True:
            try:
                with database.begin() as tx:
                    fault = migrate.unfit(tx)
            except UNREACHABLE as error:
                if clock.monotonic() > patience:
                    raise FeedlineError(f"Postgres cannot be used ({why_postgres(error)}). Check FEEDLINE_DATABASE_URL.") from error
                log.warning("worker_waits_for_database")
                clock.wait(never, 2)
                continue
            break
        if fault is not None:
            raise FeedlineError(fault)
        try:
            partitions.keep_partitions(database.begin)
        except DBAPIError as error:
            log.warning("partitions_not_made", error=described(error))  # housekeeping tries again
    finally:
        database.close()
