"""Keep house: make the partitions of the days to come, forget what is past retention, erase personal data in time."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from schema import partitions
from worker.context import Context
from worker.core.ids import first_of_day
from worker.database import Transaction, described
from worker.store import leases, orders, retention, runs, shipments

log = structlog.get_logger()

LEASE: Final = "housekeeping"
AGAIN_SECONDS: Final = 60
"""When a chore has failed; without failure it is done by the hour."""

AT_ONCE: Final = 1_000
"""Rows that one transaction forgets or erases."""


def keep_house(ctx: Context) -> None:
    """Do every chore. One that fails holds up no other, and is tried again soon."""
    failed = [event for event, chore in _CHORES.items() if not _is_done(ctx, event, chore)]
    if failed:
        with ctx.database.begin() as tx:
            leases.keep(tx, LEASE, AGAIN_SECONDS)


def _is_done(ctx: Context, event: str, chore: Callable[[Context], int]) -> bool:
    try:
        count = chore(ctx)
    except DBAPIError as error:
        log.warning("housekeeping_failed", chore=event, error=described(error))
        return False
    if count:
        log.info(event, count=count)
    return True


def _erase_personal_data(ctx: Context) -> int:
    return _in_batches(ctx, lambda tx: orders.erase_personal_data(tx, AT_ONCE))


def _make_partitions(ctx: Context) -> int:
    return partitions.keep_partitions(ctx.database.begin)


def _drop_partitions(ctx: Context) -> int:
    """A drop waits for everybody who uses the table, and everybody for it: all that takes time happens before and after."""
    with ctx.database.begin() as tx:
        expired = partitions.expired(tx, retention_days=ctx.settings.retention_days)
    for partition in expired:
        if partition.table == "message":
            _forget_identities(ctx, partition)
        with ctx.database.begin() as tx:
            partitions.drop(tx, partition)
    if expired:
        _forget_idle_orders(ctx)
    return len(expired)


def _forget_identities(ctx: Context, messages: partitions.Partition) -> None:
    last: int | None = 0
    while last is not None:
        with ctx.database.begin() as tx:
            last = retention.forget_identities(tx, messages, last, AT_ONCE)


def _forget_idle_orders(ctx: Context) -> None:
    """An order for which nothing waits is forgotten with the last message that spoke of it."""
    with ctx.database.begin() as tx:
        connection_ids = tx.exec_driver_sql("SELECT id FROM connection ORDER BY id").scalars().all()
    for connection_id in connection_ids:
        last: str | None = ""
        while last is not None:
            with ctx.database.begin() as tx:
                last = shipments.forget_idle_orders(tx, connection_id, last, AT_ONCE)


def _forget_repeats(ctx: Context) -> int:
    return _in_batches(ctx, lambda tx: retention.forget_repeats(tx, _oldest_kept(ctx, tx), AT_ONCE))


def _forget_refused(ctx: Context) -> int:
    return _in_batches(ctx, lambda tx: retention.forget_refused(tx, ctx.settings.retention_days, AT_ONCE))


def _forget_feeds(ctx: Context) -> int:
    return _in_batches(ctx, lambda tx: retention.forget_feeds(tx, _oldest_kept(ctx, tx), AT_ONCE))


def _forget_runs(ctx: Context) -> int:
    with ctx.database.begin() as tx:
        return runs.forget_ended(tx, ctx.settings.retention_days)


def _oldest_kept(ctx: Context, tx: Transaction) -> int:
    """Return the smallest identifier that is not past retention."""
    return first_of_day(partitions.today(tx) - ctx.settings.retention_days)


def _in_batches(ctx: Context, forget: Callable[[Transaction], int]) -> int:
    """Call *forget*, a transaction each time, until it finds fewer than `AT_ONCE`. Return how many it has found."""
    total = 0
    while True:
        with ctx.database.begin() as tx:
            at_once = forget(tx)
        total += at_once
        if at_once < AT_ONCE:
            return total


_CHORES: Final[Mapping[str, Callable[[Context], int]]] = {
    "personal_data_erased": _erase_personal_data,
    "partitions_made": _make_partitions,
    "partitions_dropped": _drop_partitions,
    "repeats_forgotten": _forget_repeats,
    "refused_forgotten": _forget_refused,
    "feeds_forgotten": _forget_feeds,
    "runs_forgotten": _forget_runs,
}
"""By the event that tells how much of it was done. What is promised to buyers comes first."""
