"""Ingest: stage a batch of deliveries, however long Postgres is away, and say that it is committed.

A batch that Postgres cannot take for what it holds is staged in halves, until the one delivery that it chokes on is alone
and is kept as refused: no message can block those behind it.
"""

from collections.abc import Sequence
from datetime import datetime
from threading import Event
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError, StatementError

from worker.broker.consumer import Batch
from worker.context import Context
from worker.core.polling import retry_after
from worker.core.wire import Delivery
from worker.database import UNREACHABLE, described, is_of_the_data
from worker.steps.stage import keep_unstorable, stage

log = structlog.get_logger()

PRIORITY: Final = 10
"""Dramatiq runs lower numbers first: a feed's next step goes before a batch, which takes longer."""


def ingest(ctx: Context, batch: Batch, stopping: Event) -> None:
    """Stage *batch* and mark it as committed. When the worker stops before, it goes back to RabbitMQ."""
    attempt = 0
    while not stopping.is_set():
        attempt += 1
        try:
            _stage(ctx, batch.deliveries, batch.arrived)
        except UNREACHABLE as error:
            # The deliveries stay ours, unacknowledged: giving them back would only bring them round again.
            log.warning("staging_waits_for_database", attempt=attempt, deliveries=len(batch.deliveries), error=_described(error))
            ctx.clock.wait(stopping, min(retry_after(attempt).total_seconds(), 5))
        else:
            batch.committed = True
            return


def _described(error: Exception) -> str:
    return described(error) if isinstance(error, DBAPIError) else type(error).__name__


def _stage(ctx: Context, deliveries: Sequence[Delivery], arrived: datetime) -> None:
    try:
        stage(ctx, deliveries, arrived)
    except (StatementError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, UNREACHABLE) and not is_of_the_data(error):
            raise
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            _stage(ctx, deliveries[:middle], arrived)
            _stage(ctx, deliveries[middle:], arrived)
        else:
            log.error("delivery_unstorable", queue=deliveries[0].queue, error=_described(error))  # noqa: TRY400  # the text may hold data
            keep_unstorable(ctx, deliveries[0], arrived)
