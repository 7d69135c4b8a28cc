"""Ingest: stage a batch of deliveries, however long Postgres is away, and say that it is committed.

A batch that Postgres cannot take for what it holds is staged in halves, until the one delivery that it chokes on is alone, then
event by event, and the one event is kept as refused: no message can block those behind it, nor those beside it.
"""

import traceback
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
from worker.steps.stage import Incoming, count_deliveries, events, keep_unstorable, stage, stage_events

log = structlog.get_logger()

PRIORITY: Final = 10
"""Dramatiq runs lower numbers first: a feed's next step goes before a batch, which takes longer."""


def ingest(ctx: Context, batch: Batch, stopping: Event) -> None:
    """Stage *batch* and mark it as committed. When the worker stops before, it goes back to RabbitMQ."""
    attempt = 0
    while not stopping.is_set():
        attempt += 1
        try:
            if attempt > 1:
                ctx.database.ping()  # before everything is read again for nothing
            _stage(ctx, batch.deliveries, batch.arrived)
        except UNREACHABLE as error:
            # What was read of the batch hangs on frames that the error's tracebacks hold, in circles that nobody collects for long.
            traceback.clear_frames(error.__traceback__)
            # The deliveries stay ours, unacknowledged: giving them back would only bring them round again.
            log.warning("staging_waits_for_database", attempt=attempt, deliveries=len(batch.deliveries), error=_described(error))
            ctx.clock.wait(stopping, min(retry_after(attempt).total_seconds(), 5))
        else:
            batch.committed = True
            return


def _described(error: Exception) -> str:
    return described(error) if isinstance(error, DBAPIError) else type(error).__name__


_FAULTS_OF_DATA: Final = (StatementError, ValueError, TypeError, ArithmeticError, RecursionError)


def _is_of_postgres(error: Exception) -> bool:
    return isinstance(error, UNREACHABLE) and not is_of_the_data(error)


def _stage(ctx: Context, deliveries: Sequence[Delivery], arrived: datetime) -> None:
    try:
        stage(ctx, deliveries, arrived)
    except _FAULTS_OF_DATA as error:
        if _is_of_postgres(error):
            raise
        if len(deliveries) == 1:
            _stage_alone(ctx, deliveries[0], arrived)
            return
        middle = len(deliveries) // 2
        _stage(ctx, deliveries[:middle], arrived)
        _stage(ctx, deliveries[middle:], arrived)


def _stage_alone(ctx: Context, delivery: Delivery, arrived: datetime) -> None:
    """Stage event by event: one that Postgres chokes on takes none of its batch along."""
    try:
        found = list(events((delivery,), arrived))
    except _FAULTS_OF_DATA as error:
        _keep(ctx, delivery, arrived, error)
        found = []
    for event in found:
        try:
            stage_events(ctx, (event,), arrived)
        except _FAULTS_OF_DATA as error:
            if _is_of_postgres(error):
                raise
            _keep(ctx, delivery, arrived, error, event)
    count_deliveries((delivery,))


def _keep(ctx: Context, delivery: Delivery, arrived: datetime, error: Exception, event: Incoming | None = None) -> None:
    log.error("delivery_unstorable", queue=delivery.queue, error=_described(error))  # its text may hold data
    keep_unstorable(ctx, delivery, arrived, event)
