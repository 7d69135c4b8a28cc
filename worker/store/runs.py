"""Runs: asked for, taken up step by step, ended; one of a kind and connection at a time, one for a tick.

A run that gets a single order, by its `order` argument, goes beside the others: one at a time for each order.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from worker.core.events import RunData
from worker.core.json import JsonObject, decode, encode
from worker.core.runs import MOST_ATTEMPTS, RunEvent, RunKind, RunState, Trigger, after
from worker.database import Transaction
from worker.store import outbox

CLAIM_SECONDS: Final = 60
"""How long a worker may work on one step of a run before another may take it up. Who is slower finds itself overtaken."""


class Overtaken(Exception):  # not an error: whoever came later goes on
    """Our claim had ended, and another worker has taken the run further. Nothing was written."""


class Run(msgspec.Struct):
    """A run that this worker has taken up. `cursor` and `summary` are as the last step left them, `{}` before the first."""

    id: int
    connection_id: int
    kind: RunKind
    trigger: Trigger
    state: RunState
    arguments: JsonObject
    cursor: JsonObject
    summary: JsonObject
    claims: int
    attempts: int
    fault: str | None
    requested_at: datetime
    scheduled_for: datetime | None
    started_at: datetime
    now: datetime
    """Postgres' clock at the claim."""


def request(
    tx: Transaction,
    connection_id: int,
    kind: RunKind,
    trigger: Trigger,
    *,
    scheduled_for: datetime | None = None,
    arguments: JsonObject | None = None,
) -> int | None:
    """Queue a run and return its id; None while such a one is under way, or when the tick *scheduled_for* has had its run."""
    row = tx.exec_driver_sql(
        "INSERT INTO run (connection_id, kind, trigger, state, arguments, scheduled_for, requested_at, due_at) "
        "VALUES (%s, %s, %s, 'queued', %s::jsonb, %s, now(), now()) ON CONFLICT DO NOTHING RETURNING id",
        (connection_id, kind, trigger, encode(arguments or {}).decode(), scheduled_for),
    ).first()
    return None if row is None else int(row[0])


def under_way(tx: Transaction, connection_id: int, kind: RunKind, *, order: str = "") -> int | None:
    """Return the run of that kind that has not ended, if there is one; with *order* the one that gets that order alone."""
    row = tx.exec_driver_sql(
        "SELECT id FROM run WHERE connection_id = %s AND kind = %s AND coalesce(arguments ->> 'order', '') = %s AND finished_at IS NULL",
        (connection_id, kind, order),
    ).first()
    return None if row is None else int(row[0])


def dispatch_due(tx: Transaction, *, at_most: int, every_seconds: float) -> list[int]:
    """Return runs whose next step is due, each at most once in *every_seconds*. Those of paused connections wait."""
    rows = tx.exec_driver_sql(
        "UPDATE run SET dispatched_until = now() + %s * interval '1 second' WHERE id IN ("
        "SELECT r.id FROM run r JOIN connection c ON c.id = r.connection_id "
        "WHERE r.due_at <= now() AND (r.claimed_until IS NULL OR r.claimed_until < now()) "
        "AND (r.dispatched_until IS NULL OR r.dispatched_until < now()) AND NOT c.paused "
        "ORDER BY r.due_at LIMIT %s FOR UPDATE OF r SKIP LOCKED) RETURNING id",
        (every_seconds, at_most),
    )
    return [row[0] for row in rows]


_CLAIM: Final = f"""
    UPDATE run r SET state = 'running', started_at = coalesce(r.started_at, now()), claims = r.claims + 1, attempts = r.attempts + 1,
           claimed_until = now() + interval '{CLAIM_SECONDS} seconds'
      FROM (SELECT id, state FROM run WHERE id = %s AND due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
               FOR UPDATE) AS before
     WHERE r.id = before.id
    RETURNING r.id, r.connection_id, r.kind, r.trigger, before.state, r.arguments::text, r.cursor::text, r.summary::text, r.claims,
              r.attempts, r.fault, r.requested_at, r.scheduled_for, r.started_at, now()"""


def claim(tx: Transaction, run_id: int) -> Run | None:
    """Take up a run whose next step is due; None when it is not, or another worker has it."""
    row = tx.exec_driver_sql(_CLAIM, (run_id,)).first()
    if row is None:
        return None
    id_, connection_id, kind, trigger, before, arguments, cursor, summary, *rest = row
    was = RunState(before)
    state = after(was, RunEvent.TAKEN_UP)
    run = Run(id_, connection_id, RunKind(kind), Trigger(trigger), state, decode(arguments), decode(cursor), decode(summary), *rest)
    if was is not state:
        _tell(tx, run)
    return run


def note(
    tx: Transaction,
    run: Run,
    *,
    cursor: JsonObject | None = None,
    summary: JsonObject | None = None,
    claim_seconds: int = CLAIM_SECONDS,
) -> None:
    """Store how far *run* is, and keep it for *claim_seconds* more. Without *cursor* or *summary*, that of *run* is stored.

    A step that writes more than a call could repeat stores its cursor with what it writes, in one transaction.
    Raises: Overtaken.
    """
    run.cursor = run.cursor if cursor is None else cursor
    run.summary = run.summary if summary is None else summary
    _write(
        tx,
        run,
        "cursor = %(cursor)s::jsonb, summary = %(summary)s::jsonb, claimed_until = now() + %(claim)s * interval '1 second', "
        "attempts = 1, fault = NULL",
        {"cursor": encode(run.cursor).decode(), "summary": encode(run.summary).decode(), "claim": claim_seconds},
    )
    run.attempts = 1


def release(tx: Transaction, run: Run, *, due_in: timedelta | None = None, at: datetime | None = None) -> None:
    """Give *run* back in good order: its next step is due *at* a time, or after a while. Raises: Overtaken."""
    _write(
        tx,
        run,
        "attempts = 0, claimed_until = NULL, dispatched_until = NULL, due_at = coalesce(%(at)s, now() + %(due_in)s)",
        {"due_in": due_in, "at": at},
    )


def retry(tx: Transaction, run: Run, *, due_in: timedelta, fault: str) -> None:
    """Give *run* back after a failed attempt, which counts. Raises: Overtaken."""
    _write(
        tx,
        run,
        "claimed_until = NULL, dispatched_until = NULL, due_at = now() + %(due_in)s, fault = %(fault)s",
        {"due_in": due_in, "fault": fault},
    )


def end(tx: Transaction, run: Run, event: RunEvent, summary: JsonObject, fault: str | None = None) -> None:
    """Bring *run* to its end, and tell of it. Raises: Overtaken."""
    state = after(run.state, event)
    run.summary = summary
    _write(
        tx,
        run,
        "state = %(state)s, summary = %(summary)s::jsonb, fault = %(fault)s, finished_at = now(), due_at = NULL, claimed_until = NULL, "
        "dispatched_until = NULL",
        {"state": state, "summary": encode(summary).decode(), "fault": fault},
    )
    run.state, run.fault = state, fault
    _tell(tx, run)


def has_no_attempt_left(run: Run) -> bool:
    return run.attempts > MOST_ATTEMPTS


def _write(tx: Transaction, run: Run, sets: str, values: dict[str, object]) -> None:
    written = tx.exec_driver_sql(
        f"UPDATE run SET {sets} WHERE id = %(id)s AND claims = %(claims)s AND finished_at IS NULL",
        {**values, "id": run.id, "claims": run.claims},
    )
    if written.rowcount != 1:
        raise Overtaken


def _tell(tx: Transaction, run: Run) -> None:
    name, now = tx.exec_driver_sql("SELECT name, now() FROM connection WHERE id = %s", (run.connection_id,)).one()
    data = RunData(
        run_id=run.id, connection=name, kind=run.kind, trigger=run.trigger, state=run.state, summary=run.summary, fault=run.fault
    )
    outbox.tell(tx, outbox.RUN, msgspec.to_builtins(data), now)


# --- schedules -----------------------------------------------------------------------------------------------------------------


class Schedule(msgspec.Struct, frozen=True):
    """A connection's schedule for one kind: `every` and `timezone` as they were when its `tick` was told from them.

    With `due_at` and without `tick`: it could not be told, and is asked for again then.
    """

    connection_id: int
    kind: RunKind
    revision: int
    every: str | None
    timezone: str
    tick: datetime | None = None
    due_at: datetime | None = None


def changed_schedules(tx: Transaction, kinds: Sequence[RunKind], at_most: int) -> list[tuple[int, RunKind, Schedule | None]]:
    """Return connections whose settings are newer than what is known of their schedule: id, kind, and what is known."""
    rows = tx.exec_driver_sql(
        "SELECT c.id, kinds.kind, s.revision, s.every, s.timezone, s.tick, s.due_at FROM connection c "
        "CROSS JOIN unnest(%s::text[]) AS kinds (kind) LEFT JOIN schedule s ON s.connection_id = c.id AND s.kind = kinds.kind "
        "WHERE s.revision IS DISTINCT FROM c.revision ORDER BY c.id, kinds.kind LIMIT %s",
        (list(kinds), at_most),
    )
    return [(id_, RunKind(kind), None if known[0] is None else Schedule(id_, RunKind(kind), *known)) for id_, kind, *known in rows]


def due_schedules(tx: Transaction, kinds: Sequence[RunKind], at_most: int) -> list[Schedule]:
    """Lock and return schedules whose tick is due and can become a run.

    Not those of paused or unauthorised connections, nor while a run of the kind is under way: they stay due, and are made up once.
    """
    rows = tx.exec_driver_sql(
        "SELECT s.connection_id, s.kind, s.revision, s.every, s.timezone, s.tick, s.due_at FROM schedule s "
        "JOIN connection c ON c.id = s.connection_id JOIN account a ON a.id = c.account_id "
        "WHERE s.due_at <= now() AND s.kind = ANY(%s::text[]) AND NOT c.paused AND a.authorization_fault IS NULL "
        "AND NOT EXISTS (SELECT FROM run r WHERE r.connection_id = s.connection_id AND r.kind = s.kind AND r.finished_at IS NULL "
        "AND coalesce(r.arguments ->> 'order', '') = '') "
        "ORDER BY s.due_at LIMIT %s FOR UPDATE OF s SKIP LOCKED",
        (list(kinds), at_most),
    )
    return [Schedule(id_, RunKind(kind), *known) for id_, kind, *known in rows]


def keep_schedules(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    """Write schedules, each in place of what was known of it."""
    if schedules:
        tx.exec_driver_sql(
            "INSERT INTO schedule (connection_id, kind, revision, every, timezone, tick, due_at) "
            "SELECT * FROM unnest(%s::integer[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) "
            "ON CONFLICT (connection_id, kind) DO UPDATE SET revision = excluded.revision, every = excluded.every, "
            "timezone = excluded.timezone, tick = excluded.tick, due_at = excluded.due_at",
            tuple([list(column) for column in zip(*(msgspec.structs.astuple(each) for each in schedules), strict=True)]),
        )


# --- reading -------------------------------------------------------------------------------------------------------------------

AT_ONCE: Final = 1_000
"""Rows that a list reads at once."""

_SHOWN: Final = """
    SELECT r.id, c.name, r.kind, r.trigger, r.state, r.fault, r.requested_at, r.scheduled_for, r.started_at, r.finished_at, r.due_at,
           r.arguments::text, r.summary::text, c.paused
      FROM run r JOIN connection c ON c.id = r.connection_id"""


def shown(tx: Transaction, run_id: int) -> dict[str, Any]:
    """Return a run as plain JSON values. Raises: NoResultFound."""
    return _shown(tx.exec_driver_sql(f"{_SHOWN} WHERE r.id = %s", (run_id,)).one())


def listed(
    tx: Transaction, *, connection: str | None, kind: RunKind | None, state: RunState | None, at_most: int | None
) -> Iterator[dict[str, Any]]:
    """Yield runs as plain JSON values, the newest first; never many at once in memory."""
    rows = tx.exec_driver_sql(
        f"{_SHOWN} WHERE (%(connection)s::text IS NULL OR c.name = %(connection)s) AND (%(kind)s::text IS NULL OR r.kind = %(kind)s) "
        "AND (%(state)s::text IS NULL OR r.state = %(state)s) ORDER BY r.id DESC LIMIT %(most)s::bigint",
        {"connection": connection, "kind": kind, "state": state, "most": at_most},
        execution_options={"yield_per": AT_ONCE},
    )
    return map(_shown, rows)


def _shown(row: Sequence[Any]) -> dict[str, Any]:
    id_, name, kind, trigger, state, fault, *times, arguments, summary, paused = row
    requested_at, scheduled_for, started_at, finished_at, due_at = times
    return {
        "run_id": id_,
        "connection": name,
        "kind": kind,
        "trigger": trigger,
        "state": state,
        "fault": fault,
        "requested_at": requested_at,
        "scheduled_for": scheduled_for,
        "started_at": started_at,
        "finished_at": finished_at,
        "due_at": due_at,
        "paused": paused,
        "arguments": decode(arguments),
        "summary": decode(summary),
    }


def forget_ended(tx: Transaction, retention_days: int) -> int:
    """Remove runs that ended before the retention. Return how many."""
    return tx.exec_driver_sql("DELETE FROM run WHERE finished_at < now() - %s * interval '1 day'", (retention_days,)).rowcount
