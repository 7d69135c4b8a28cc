"""Probe: try whether a seller's lost authorisation is back, so that a connection recovers without anybody looking."""

import structlog

from worker.context import Context
from worker.errors import AmazonError
from worker.store import connections

log = structlog.get_logger()


def probe(ctx: Context, connection_id: int) -> None:
    """Log in for the connection's account, which clears the fault when Amazon lets us."""
    with ctx.database.begin() as tx:
        connection = connections.by_id(tx, connection_id)
    if connection is None:
        return
    try:
        ctx.amazon.marketplace_participations(connection.seller.account)
    except AmazonError as error:
        log.info("authorization_still_gone", connection=connection.name, operation=error.operation, status=error.status)
