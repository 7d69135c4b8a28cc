"""Dramatiq's RabbitMQ broker, taught to consume our queues as they are: no delay queues, topology from one place."""

from collections.abc import Mapping

import structlog
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware
from pika.exceptions import AMQPError

from worker.broker import topology
from worker.broker.consumer import BatchConsumer, WorkConsumer, connect
from worker.clock import Clock
from worker.settings import Settings
from worker.unreachable import why_rabbitmq

log = structlog.get_logger()

STAGING_ACTORS: Mapping[str, str] = {
    topology.INVENTORY: "stage_inventory",
    topology.LISTINGS: "stage_listing",
    topology.SHIPMENTS: "stage_shipment",
}


class FeedlineBroker(RabbitmqBroker):
    """One broker a process. Every wait is a due time in Postgres, so that there are no delay queues and no retries here."""

    def __init__(self, settings: Settings, middleware: list[Middleware], clock: Clock) -> None:
        super().__init__(url=list(settings.amqp_urls()), confirm_delivery=True, middleware=middleware)
        for parameters in self.parameters:
            parameters.connection_attempts = 1
            parameters.socket_timeout = parameters.stack_timeout = 5
            parameters.blocked_connection_timeout = 60
            parameters.heartbeat = parameters.heartbeat or 30
        self._settings = settings
        self._clock = clock
        self._noticed: set[str] = set()
        self._waiting: set[str] = set()

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:  # noqa: ARG002  # Dramatiq's signature
        """Make the queue known to Dramatiq. RabbitMQ learns of it when it is consumed."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Declare the topology on a connection of its own, and return the queue's consumer.

        Raises: ConnectionClosed, which Dramatiq meets by trying again; told once an outage, in place of Dramatiq's own lines.
        """
        try:
            self._declare_topology()
            consumer = self._consumer(queue_name, prefetch, timeout)
        except ConnectionClosed as error:
            if queue_name not in self._waiting:
                self._waiting.add(queue_name)
                log.warning("consumer_waits_for_rabbitmq", queue=queue_name, reason=why_rabbitmq(error))
            raise
        self._waiting.discard(queue_name)
        log.info("consumer_connected", queue=queue_name)
        return consumer

    def _consumer(self, queue_name: str, prefetch: int, timeout: int) -> Consumer:
        if queue_name not in STAGING_ACTORS:
            return WorkConsumer(self, queue_name, prefetch, timeout)
        return BatchConsumer(
            self.parameters,
            queue_name,
            STAGING_ACTORS[queue_name],
            size=self._settings.ingest_batch,
            linger_seconds=self._settings.ingest_linger_ms / 1000,
            idle_seconds=timeout / 1000,
            clock=self._clock,
        )

    def _declare_topology(self) -> None:
        connection = connect(self.parameters)
        try:
            for notice in topology.declare(connection):
                if notice not in self._noticed:
                    self._noticed.add(notice)
                    log.warning("topology_differs", notice=notice)
            connection.close()
        except AMQPError as error:
            if connection.is_open:
                connection.close()
            raise ConnectionClosed(error) from None
