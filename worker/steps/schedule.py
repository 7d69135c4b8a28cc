"""Schedule: turn ticks that are due into runs, one for a connection and tick across the fleet. Requirement row R10."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from worker.context import Context
from worker.core.runs import RunKind, Trigger, every
from worker.core.schedules import UNTOLD, next_tick, share
from worker.database import Transaction
from worker.store import connections, leases, runs
from worker.store.runs import Schedule

log = structlog.get_logger()

SETTINGS_SECONDS: Final = 5
"""How often connections are looked through for schedules that have changed."""

AT_ONCE: Final = 200
"""Schedules that one look takes up."""

PUT_OFF: Final = timedelta(hours=1)
"""When a schedule is looked at again that does not tell its next tick: all others go on."""

_UNREADABLE: Final = (ValueError, LookupError, msgspec.MsgspecError)


def tick(ctx: Context, kinds: Sequence[RunKind]) -> None:
    """Queue the runs of *kinds* whose tick is due, and note when the next ones are.

    However many ticks went by while nobody conducted, the connection was paused or its last run took long: one run makes up for
    them, and the next tick is the first after now.
    """
    with ctx.database.begin() as tx:
        if leases.take(tx, "schedules", SETTINGS_SECONDS):
            _read_settings(tx, kinds)
        _fire(tx, runs.due_schedules(tx, kinds, AT_ONCE))


def _read_settings(tx: Transaction, kinds: Sequence[RunKind]) -> None:
    now = _now(tx)
    told = []
    for connection_id, kind, known in runs.changed_schedules(tx, kinds, AT_ONCE):
        try:
            connection = connections.by_id(tx, connection_id)
        except _UNREADABLE as error:  # as a newer release has stored them: a worker that can read them will conduct
            log.error("connection_unreadable", connection_id=connection_id, kind=kind, error=type(error).__name__)  # noqa: TRY400  # may hold values
            continue
        if connection is None:
            continue
        wanted = Schedule(connection_id, kind, connection.revision, every(connection.settings, kind), connection.settings.timezone)
        if known is not None and (known.every, known.timezone) == (wanted.every, wanted.timezone):
            told.append(msgspec.structs.replace(known, revision=wanted.revision))
        else:
            told.append(_next(wanted, now))
    runs.keep_schedules(tx, told)


def _fire(tx: Transaction, due: Iterable[Schedule]) -> None:
    now = _now(tx)
    fired = []
    for schedule in due:
        if schedule.tick is None:
            fired.append(_next(schedule, now))
            continue
        run_id = runs.request(tx, schedule.connection_id, schedule.kind, Trigger.SCHEDULE, scheduled_for=schedule.tick)
        if run_id is None and runs.under_way(tx, schedule.connection_id, schedule.kind) is not None:
            continue  # somebody was faster by hand: this tick is made up when that run has ended
        fired.append(_next(schedule, now))
        if run_id is not None:
            log.info("run_queued", run_id=run_id, connection_id=schedule.connection_id, kind=schedule.kind, scheduled_for=schedule.tick)
    runs.keep_schedules(tx, fired)


def _next(schedule: Schedule, now: datetime) -> Schedule:
    """Return *schedule* with its first tick after *now*; without one, and put off, where it cannot be told."""
    if schedule.every is None:
        return schedule
    try:
        tick_ = next_tick(schedule.every, schedule.timezone, share(schedule.connection_id, schedule.kind), now)
    except UNTOLD as error:
        log.warning("schedule_put_off", connection_id=schedule.connection_id, kind=schedule.kind, reason=str(error))
        return msgspec.structs.replace(schedule, tick=None, due_at=now + PUT_OFF)
    return msgspec.structs.replace(schedule, tick=tick_.at, due_at=tick_.due_at)


def _now(tx: Transaction) -> datetime:
    now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
    return now
