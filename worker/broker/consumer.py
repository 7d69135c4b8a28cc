"""Consumers: many deliveries a batch from the ingest queues, and wake-ups from the work queue.

Dramatiq acknowledges whatever its actor has returned from, and an actor that raised as well. Promise 1 cannot hang on
that: a batch is acknowledged only if the staging transaction has said that it is committed, whatever else happened.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from threading import Event
from typing import Any, Final

import dramatiq
import pika
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingConnection
from pika.channel import Channel
from pika.exceptions import AMQPError

from worker.broker import tolerant_headers
from worker.broker.line import Line
from worker.broker.unreachable import UNREACHABLE
from worker.clock import Clock
from worker.core.wire import Delivery
from worker.health import Heartbeat

log = logging.getLogger(__name__)

tolerant_headers.install()

PREFETCHED_BATCHES: Final = 3
"""Batches that a queue's consumer may hold: one in Postgres, one in Python, one arriving."""

MOST_HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes of bodies that a consumer holds before it stops taking more: a flood of huge messages must not fill the memory."""

CRAMMED_SECONDS: Final = 1.0
"""Between two turns of a consumer that holds so much. In each pika reads up to 100 kB, heartbeats among it; most stay with RabbitMQ."""

MOST_BATCH_BYTES: Final = 8 * 1024 * 1024

CLOSE_SECONDS: Final = 5.0
"""For a node to answer the goodbye."""


class Batch:
    """Deliveries that are staged in one transaction.

    `committed` is set by the actor, after the commit; only then are they acknowledged.
    """

    def __init__(self, consumer: "BatchConsumer", deliveries: list[Delivery], tags: list[int], bytes_: int, arrived: datetime) -> None:
        self.consumer = consumer
        self.deliveries = deliveries
        self.tags = tags
        self.arrived = arrived
        self.bytes = bytes_
        self.committed = False
        self.over = False

    def __repr__(self) -> str:
        # Dramatiq logs an actor's arguments when it fails.
        return f"Batch({len(self.deliveries)} deliveries)"


class BatchMessage(MessageProxy):
    def __init__(self, message: "dramatiq.Message[None]", batch: Batch) -> None:
        super().__init__(message)
        self.batch = batch


class BatchConsumer(Consumer):
    """Hands the deliveries of one queue to its actor, up to *size* at once, and acknowledges them by prefix.

    Lives in Dramatiq's consumer thread; `ack` and `nack` are called from worker threads. It does without pika's BlockingConnection,
    which wraps every delivery in an event of its own: a sixth of the time that a delivery takes.

    Raises: ConnectionClosed, when none of *nodes* lets it consume the queue, which Dramatiq retries; later from `next`.
    """

    def __init__(
        self,
        nodes: "Sequence[pika.URLParameters]",
        queue_name: str,
        actor_name: str,
        *,
        size: int,
        linger_seconds: float,
        idle_seconds: float,
        clock: Clock,
    ) -> None:
        self._queue_name = queue_name
        self._actor_name = actor_name
        self._size = size
        self._linger_seconds = linger_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._arrived: deque[tuple[int, Delivery]] = deque()
        self._open: OrderedDict[int, Batch] = OrderedDict()
        self._open_bytes = 0
        self._arrived_bytes = 0
        self._released = Event()
        self._until: Callable[[], bool] | None = None
        self._fault: object = None
        self._is_over = False
        self._is_closed = False
        self._line = Line(nodes, self._opened, self._lost)
        self._line.loop.start()
        if self._is_over:
            self._hang_up()
            raise self._closed()
        self._heartbeat = Heartbeat(f"consumer {queue_name}", clock=clock)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_cancel_callback(self._lost)  # the queue is gone, or its node: no fault by itself, but nothing comes any more
        channel.basic_qos(prefetch_count=self._size * PREFETCHED_BATCHES, callback=self._consume)

    def _consume(self, _frame: object) -> None:
        self._channel.basic_consume(self._queue_name, self._on_delivery, callback=lambda _frame: self._line.loop.stop())

    def _lost(self, reason: object) -> None:
        self._is_over = True
        self._fault = reason
        self._look()

    def _closed(self) -> ConnectionClosed:
        return ConnectionClosed(self._fault if isinstance(self._fault, BaseException) else None)

    def _on_delivery(self, _channel: object, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401  # pika has no types
        delivery = Delivery(
            self._queue_name, body, properties.content_type, properties.headers or {}, method.routing_key, method.redelivered
        )
        self._arrived.append((method.delivery_tag, delivery))
        self._arrived_bytes += len(body)
        self._look()

    def __next__(self) -> BatchMessage | None:
        self._heartbeat.beat()
        if self._open_bytes + self._arrived_bytes > MOST_HELD_BYTES:
            if not self._may_go():
                self._clock.wait(self._released, CRAMMED_SECONDS)
                self._released.clear()
                self._turn(0)  # acknowledgements go out
            return self._batch() if self._may_go() else None
        self._turn(0 if self._may_go() else self._idle_seconds, self._may_go)
        if self._may_go() and not self._is_full():
            self._turn(self._linger_seconds, self._is_full)
        return self._batch() if self._may_go() else None

    def _turn(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Let pika read, write and keep its heartbeats for so many seconds, or *until* something has come. Raises: ConnectionClosed."""
        loop = self._line.loop
        self._until = until
        end = loop.call_later(seconds, loop.stop)
        try:
            loop.start()
        except AMQPError as error:
            raise ConnectionClosed(error) from None
        finally:
            loop.remove_timeout(end)
        if self._is_over:
            raise self._closed()

    def _look(self) -> None:
        """Stop the loop if what it was started for has come."""
        if self._until is not None and (self._is_over or self._until()):
            self._until = None
            self._line.loop.stop()

    def _may_go(self) -> bool:
        """Whether there is a batch to hand out. One that is not full lets those before it end, so that what comes first commits first."""
        return bool(self._arrived) and (not self._open or self._is_full())

    def _is_full(self) -> bool:
        return len(self._arrived) >= self._size or self._arrived_bytes >= MOST_BATCH_BYTES

    def _batch(self) -> BatchMessage:
        tags: list[int] = []
        deliveries: list[Delivery] = []
        taken = 0
        while self._arrived and len(tags) < self._size and taken < MOST_BATCH_BYTES:
            tag, delivery = self._arrived.popleft()
            tags.append(tag)
            deliveries.append(delivery)
            taken += len(delivery.body)
        batch = Batch(self, deliveries, tags, taken, self._clock.now())
        self._open[tags[-1]] = batch
        self._arrived_bytes -= taken
        self._open_bytes += taken
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=self._queue_name, actor_name=self._actor_name, args=(batch,), kwargs={}, options={}
        )
        return BatchMessage(message, batch)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge the batch if it is committed, else give it back to RabbitMQ."""
        batch = message.batch if isinstance(message, BatchMessage) else None
        if batch is None or batch.consumer is not self:
            # Of a connection that is gone: RabbitMQ delivers it again, and tags mean something else by now.
            return
        if self._is_closed:
            log.info("The connection closed before a batch was acknowledged; RabbitMQ delivers it again.")
        self._line.loop.add_callback_threadsafe(lambda: self._end(batch))
        self._released.set()

    nack = ack

    def _end(self, batch: Batch) -> None:
        batch.over = True
        self._open_bytes -= batch.bytes
        if not self._channel.is_open:
            return
        if not batch.committed:
            for tag in batch.tags:
                self._channel.basic_nack(tag, requeue=True)
        # Only a prefix: with multiple=True RabbitMQ takes everything up to the tag.
        last = None
        while self._open and next(iter(self._open.values())).over:
            tag, ended = self._open.popitem(last=False)
            if ended.committed:
                last = tag
        if last is not None:
            self._channel.basic_ack(last, multiple=True)
        self._look()

    def requeue(self, messages: object) -> None:
        """RabbitMQ delivers again what a closed connection had not acknowledged."""

    def close(self) -> None:
        """Close the connection, once: Dramatiq closes the consumer that it has before every attempt to get another."""
        if self._is_closed:
            return
        self._is_closed = True
        self._heartbeat.end()
        try:
            with suppress(ConnectionClosed):
                self._turn(0)  # what waits to be acknowledged
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        loop = self._line.loop
        try:
            self._line.close()
            loop.call_later(CLOSE_SECONDS, self._line.abort)
            loop.call_later(2 * CLOSE_SECONDS, loop.stop)
            loop.start()
        except AMQPError as error:
            raise ConnectionClosed(error) from None
        finally:
            loop.close()


class WorkConsumer(_RabbitmqConsumer):
    """Dramatiq's consumer, but deaf to messages of an earlier connection.

    Delivery tags begin at 1 on every channel: the stock consumer would acknowledge a stranger after a reconnect.
    """

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._heartbeat = Heartbeat(f"consumer {queue_name}")

    def __next__(self) -> MessageProxy | None:
        self._heartbeat.beat()
        message: Any = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            message.consumer = self
        return message  # type: ignore[no-any-return]

    def ack(self, message: Any) -> None:  # noqa: ANN401
        if message.consumer is self:
            super().ack(message)  # type: ignore[no-untyped-call]

    def nack(self, message: Any) -> None:  # noqa: ANN401
        if message.consumer is self:
            super().nack(message)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._heartbeat.end()
        super().close()  # type: ignore[no-untyped-call]


def connect(parameters: "pika.URLParameters | list[pika.URLParameters]") -> BlockingConnection:
    """Open a connection to the first node that answers. Raises: ConnectionClosed, which Dramatiq retries."""
    try:
        return BlockingConnection(parameters)
    except UNREACHABLE as error:
        raise ConnectionClosed(error) from None
