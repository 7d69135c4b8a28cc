"""What the reading commands share: one consistent view of the database, times on the command line, messages as rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.cli.output import table
from ops.cli.session import database
from worker.clock import Clock
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.database import Database, Transaction

MOST_SHOWN: Final = 100
"""Rows of a table that is meant for people. Programs, which ask for JSON, get all."""

MOST_ASKED_FOR: Final = 2**31 - 1
"""Rows that anybody may ask for: far more than can be read, and no more than Postgres counts to."""

Limit = Annotated[
    int | None, typer.Option(min=1, max=MOST_ASKED_FOR, help="At most so many. Default: 100 in a table, all of them with --json.")
]
"""The option of every command that lists rows: `def feeds(*, limit: Limit = None)`."""


@contextmanager
def snapshot(opened: "Database") -> Iterator["Transaction"]:
    """A transaction that sees one moment, and can change nothing."""
    with opened.begin() as tx:
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield tx


@contextmanager
def reading() -> Iterator["Transaction"]:
    """A snapshot of the database of the settings."""
    with database() as opened, snapshot(opened) as tx:
        yield tx


def moment(given: str) -> datetime:
    """Return the time that `--since` says: an age as 15m, 24h or 7d, or RFC 3339. Raises UsageError for anything else."""
    from worker.core.message_data import instant
    from worker.core.schedules import interval_seconds

    age = interval_seconds(given)
    if age is not None:
        return Clock().now() - timedelta(seconds=age)
    try:
        return instant(given)
    except ValueError:
        raise UsageError(f"{given!r} is no time. Write an age as 15m, 24h or 7d, or a time as 2026-01-31T12:00:00Z.") from None


def limited(limit: int | None, *, as_json: bool) -> int | None:
    """Return how many rows to print: as many as were asked for, else all for programs and `MOST_SHOWN` for people."""
    return limit if limit is not None or as_json else MOST_SHOWN


def messages_table(traces: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print one row a message."""
    columns = ("received", "id", "source", "key", "outcome", "why", "feed")
    rows = [
        (when(each["received_at"]), each["id"], each["source"], each["key"], each["outcome"], why(each), each["feed_id"]) for each in traces
    ]
    table(columns, rows, empty=empty)


def why(trace: Mapping[str, Any]) -> str | None:
    """Return in a few words what stands behind an outcome: the reason, the winner, or the first issue's code."""
    if trace["superseded_by"] is not None:
        return f"by {trace['superseded_by']}"
    codes = list(dict.fromkeys(issue["code"] for issue in trace["issues"]))
    return trace["reason"] or (", ".join(codes) or None)


def when(text: str | None) -> datetime | None:
    """Return the time that a trace's JSON holds as text."""
    return None if text is None else datetime.fromisoformat(text)
