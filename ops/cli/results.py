"""`feedline results`: what became of a connection's messages, one line each."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.cli.output import Json, emit_lines, note
from ops.cli.reading import Limit, limited, messages_table, moment, snapshot
from ops.cli.session import database
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.database import Database


def results(
    *,
    connection: Annotated[str, typer.Option(help="The connection's name.")],
    outcome: Annotated[
        str | None, typer.Option(help="Only this outcome; pending, in_feed and held list messages that have none yet.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only outcomes since then: 15m, 24h, 7d, or a time as 2026-01-31T12:00:00Z.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List what became of a connection's messages, the newest outcome first.

    With --json, one line of JSON a message: the trace of `feedline trace`, without its history.
    """
    from worker.core.outcomes import Outcome
    from worker.core.trace import Standing

    words = [*Outcome, *Standing]
    if outcome is not None and outcome not in words:
        raise UsageError(f"There is no outcome {outcome!r}. Say one of: {', '.join(words)}.")
    after = None if since is None else moment(since)
    most = limited(limit, as_json=as_json)
    with database() as opened:
        if outcome is not None and outcome in set(Standing):
            found = _unended(opened, connection, outcome, after, most)
        else:
            found = _ended(opened, connection, outcome, after, most)
        if as_json:
            emit_lines(found)
            return
        shown = list(found)
    messages_table(shown, empty="No messages.")
    if limit is None and len(shown) == most:
        note(f"Only the newest {most} are shown; --limit or --json gives more.")


def _ended(opened: "Database", connection: str, outcome: str | None, since: datetime | None, limit: int | None) -> Iterator[dict[str, Any]]:
    """Yield page by page, each in a transaction of its own: whoever reads slowly holds nothing up."""
    from worker.core.trace import as_json
    from worker.store import connections, traces

    place, left = None, limit
    while left is None or left > 0:
        with snapshot(opened) as tx:
            connection_id = connections.by_name(tx, connection).id
            page_size = traces.AT_ONCE if left is None else min(left, traces.AT_ONCE)
            page = traces.ended(tx, connection_id, outcome=outcome, since=since, after=place, at_most=page_size)
            found = traces.traces(tx, [each.id for each in page])
        yield from map(as_json, found.values())
        if len(page) < page_size:
            return
        place, left = page[-1], None if left is None else left - len(page)


def _unended(opened: "Database", connection: str, word: str, since: datetime | None, limit: int | None) -> Iterator[dict[str, Any]]:
    from worker.core.trace import as_json
    from worker.store import connections, traces

    with snapshot(opened) as tx:
        waiting = traces.unended(tx, connections.by_name(tx, connection).id)
    left = limit
    for start in range(0, len(waiting), traces.AT_ONCE):
        with snapshot(opened) as tx:
            found = traces.traces(tx, waiting[start : start + traces.AT_ONCE])
        for trace in found.values():
            if left == 0:
                return
            if trace.outcome == word and (since is None or (trace.received_at is not None and trace.received_at >= since)):
                yield as_json(trace)
                left = None if left is None else left - 1
