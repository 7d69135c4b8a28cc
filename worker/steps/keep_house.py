"""Keep house: make the partitions of the days to come, drop those whose retention has passed."""

import structlog

from schema.partitions import drop_partitions, ensure_partitions
from worker.context import Context
from worker.store import runs, shipments

log = structlog.get_logger()


def keep_house(ctx: Context) -> None:
    with ctx.database.begin() as tx:
        made = ensure_partitions(tx)
    with ctx.database.begin() as tx:
        dropped = drop_partitions(tx, retention_days=ctx.settings.retention_days)
        # An order for which nothing waits is forgotten with the last message that spoke of it.
        orders = shipments.forget_idle_orders(tx) if dropped else 0
    with ctx.database.begin() as tx:
        runs.forget_ended(tx, ctx.settings.retention_days)
    if made or dropped:
        log.info("partitions_kept", made=made, days_dropped=dropped, orders_forgotten=orders)
