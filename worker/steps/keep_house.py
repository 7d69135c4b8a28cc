"""Keep house: make the partitions of the days to come, drop those whose retention has passed, erase personal data in time."""

from typing import Final

import structlog

from schema.partitions import drop_partitions, ensure_partitions
from worker.context import Context
from worker.store import orders, runs, shipments

log = structlog.get_logger()


ERASED_AT_ONCE: Final = 1_000
"""Orders whose personal data one transaction erases."""


def keep_house(ctx: Context) -> None:
    """Do what is due of all of it. What is promised to buyers comes first: no trouble with a partition puts it off."""
    erased = _erase_personal_data(ctx)
    if erased:
        log.info("personal_data_erased", orders=erased)
    with ctx.database.begin() as tx:
        made = ensure_partitions(tx)
    with ctx.database.begin() as tx:
        dropped = drop_partitions(tx, retention_days=ctx.settings.retention_days)
        # An order for which nothing waits is forgotten with the last message that spoke of it.
        forgotten = shipments.forget_idle_orders(tx) if dropped else 0
    with ctx.database.begin() as tx:
        runs.forget_ended(tx, ctx.settings.retention_days)
    if made or dropped:
        log.info("partitions_kept", made=made, days_dropped=dropped, orders_forgotten=forgotten)


def _erase_personal_data(ctx: Context) -> int:
    erased = 0
    while True:
        with ctx.database.begin() as tx:
            at_once = orders.erase_personal_data(tx, ERASED_AT_ONCE)
        erased += at_once
        if at_once < ERASED_AT_ONCE:
            return erased
