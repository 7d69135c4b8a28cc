"""The conductor: each worker process has one, and the one that holds the advisory lock acts."""

import contextlib
from collections.abc import Iterator
from threading import Event, Thread
from typing import Final

import structlog
from dramatiq.errors import BrokerConnectionError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from worker import metrics
from worker.context import Context
from worker.database import UNREACHABLE, described
from worker.health import Heartbeat
from worker.steps.conduct import Wake, conduct

log = structlog.get_logger()

LOCK: Final = 7_301_945
"""The advisory lock of the leader. It lives and dies with one connection, so that a leader's kill -9 frees it at once."""

TICK_SECONDS: Final = 0.5
ELECTION_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 2.0


class Conductor(Thread):
    def __init__(self, ctx: Context, wake: Wake, stopping: Event) -> None:
        super().__init__(name="conductor", daemon=True)
        self._ctx = ctx
        self._wake = wake
        self._stopping = stopping
        self._heartbeat = Heartbeat("conductor", clock=ctx.clock)
        self._outage: str | None = None

    def run(self) -> None:
        while not self._stopping.is_set():
            self._heartbeat.beat()
            try:
                with self._connection() as connection:
                    self._stand(connection)
            except UNREACHABLE as error:
                self._tell("conductor_without_database", described(error) if isinstance(error, DBAPIError) else type(error).__name__)
            except BrokerConnectionError as error:
                self._tell("conductor_without_broker", type(error).__name__)
            except Exception:
                log.exception("conductor_failed")
            metrics.leads(is_leader=False)
            self._ctx.clock.wait(self._stopping, RETRY_SECONDS)
        self._heartbeat.end()

    def _tell(self, outage: str, error: str) -> None:
        """Say of an outage that it has begun, not every time that it has not ended."""
        if outage != self._outage:
            self._outage = outage
            log.warning(outage, error=error)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection of the conductor's own: the lock must not wander with a pooled one."""
        with self._ctx.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                # Closed for good, not handed back: the lock goes with it.
                connection.invalidate()

    def _stand(self, connection: Connection) -> None:
        """Stand for election until elected, then lead until stopped or cut off."""
        while not self._stopping.is_set():
            self._heartbeat.beat()
            if connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (LOCK,)).scalar():
                break
            self._ctx.clock.wait(self._stopping, ELECTION_SECONDS)
        else:
            return
        log.info("leadership_taken")
        metrics.leads(is_leader=True)
        while not self._stopping.is_set():
            self._heartbeat.beat()
            connection.exec_driver_sql("SELECT 1")
            conduct(self._ctx, self._wake)
            self._outage = None
            self._ctx.clock.wait(self._stopping, TICK_SECONDS)
