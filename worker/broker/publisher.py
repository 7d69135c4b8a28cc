"""The one way out to RabbitMQ: publishes events in bulk, and returns when the broker has confirmed every one.

Waiting for each confirm in turn costs a round trip a message. Here a window of messages is under way at once, on a
connection with a thread of its own that also keeps its heartbeats, however long nobody publishes.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from types import TracebackType
from typing import Final, Protocol, Self

import pika
from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosed

from worker.broker.line import Line
from worker.broker.topology import EVENTS_EXCHANGE
from worker.core.events import OutgoingEvent
from worker.errors import FeedlineError
from worker.unreachable import why_rabbitmq

WINDOW: Final = 1_000
"""Messages under way without a confirm: enough to hide the round trip, few enough to bound what a broken line repeats."""

CONNECT_SECONDS: Final = 5.0
"""For one URL: to connect, and again to open the protocol."""

CONFIRM_SECONDS: Final = 30.0
"""Without any confirm for so long the broker is stuck (a memory or disk alarm blocks publishers), and the caller is told."""

HEARTBEAT_SECONDS: Final = 30
SHORT_STRING_BYTES: Final = 255
"""The longest message id and routing key that AMQP 0-9-1 can say."""


class NotPublished(FeedlineError):  # says what is so, as its siblings in worker/errors.py do
    """Some of the events are not confirmed. Each may or may not have reached RabbitMQ: publish all of them again."""


class Unroutable(NotPublished):
    """RabbitMQ has confirmed the events, but no queue takes some of them."""


class Publisher:
    """Publishes events. Connects on first use, and anew after a fault; make it after a fork. Threads may share it.

    *urls*: the nodes of one cluster, tried in turn. Never prints them: they hold a password.
    """

    def __init__(self, urls: Sequence[str], *, confirm_seconds: float = CONFIRM_SECONDS) -> None:
        self._parameters = [_parameters(url) for url in urls]
        self._confirm_seconds = confirm_seconds
        self._one_at_a_time = threading.Lock()
        self._outlet: _Outlet | None = None

    def publish_events(self, events: Sequence[OutgoingEvent], *, exchange: str = EVENTS_EXCHANGE, mandatory: bool = False) -> None:
        """Publish *events* in their order, persistently, and return when all are confirmed. *mandatory*: some queue must take each.

        Raises: NotPublished (publish all again), Unroutable.
        """
        if not events:
            return
        with self._one_at_a_time:
            outlet = self._open_outlet()
            batch = _Batch(events, exchange, mandatory)
            outlet.begin(batch)
            try:
                batch.wait(self._confirm_seconds)
            except NotPublished as fault:
                if not isinstance(fault, Unroutable):
                    self._hang_up()  # late confirms of this batch must not meet the next one
                raise

    def close(self) -> None:
        with self._one_at_a_time:
            self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open_outlet(self) -> "_Outlet":
        if self._outlet is None or not self._outlet.is_open:
            self._hang_up()
            self._outlet = _Outlet(self._parameters)
            try:
                self._outlet.opened.result(2 * CONNECT_SECONDS * len(self._parameters) + 1)
            except (NotPublished, FutureTimeout) as fault:
                self._hang_up()
                nodes = ", ".join(f"{node.host}:{node.port}" for node in self._parameters)
                why = str(fault) or "no answer"
                raise NotPublished(f"RabbitMQ cannot be used at {nodes} ({why}). Check FEEDLINE_AMQP_URL with: feedline doctor") from None
        return self._outlet

    def _hang_up(self) -> None:
        if self._outlet is not None:
            self._outlet.hang_up()
            self._outlet = None


def _parameters(url: str) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = CONNECT_SECONDS
    parameters.connection_attempts = 1
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.client_properties = {"connection_name": "feedline publisher"}
    return parameters


class _Batch:
    """Events on their way, and what has been confirmed of them. Touched by the outlet's thread only, but for `wait`."""

    def __init__(self, events: Sequence[OutgoingEvent], exchange: str, mandatory: bool) -> None:  # noqa: FBT001  # AMQP's own flag
        self.events, self.exchange, self.mandatory = events, exchange, mandatory
        self.sent = 0
        self.confirmed = 0
        self.unroutable: list[str] = []
        self._ended: Future[None] = Future()

    def wait(self, seconds: float) -> None:
        """Wait for the end, as long as within any *seconds* something is confirmed. Raises: NotPublished."""
        while True:
            confirmed = self.confirmed
            try:
                return self._ended.result(seconds)
            except FutureTimeout:
                if self.confirmed == confirmed:
                    raise NotPublished(f"RabbitMQ has confirmed nothing for {seconds:g} seconds.") from None

    def end(self, fault: NotPublished | None = None) -> None:
        if self._ended.done():
            return
        if fault is None and self.unroutable:
            fault = Unroutable(
                f"{len(self.unroutable)} of {len(self.events)} messages have no queue, the first with routing key"
                f" {self.unroutable[0]}. Start a worker once: it declares exchange, queues and bindings."
            )
        if fault is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(fault)


class _Tagged(Protocol):
    delivery_tag: int
    multiple: bool


class _Confirm(Protocol):
    @property
    def method(self) -> _Tagged: ...


class _Outlet:
    """A line with its channel in confirm mode, and the thread that runs it until it is closed."""

    def __init__(self, nodes: Sequence[pika.URLParameters]) -> None:
        self.opened: Future[None] = Future()
        self.is_open = False
        self._line = Line(nodes, self._channel_open, self._lost)
        self._channel: Channel | None = None
        self._batch: _Batch | None = None
        self._tag = 0
        self._waiting: set[int] = set()
        self._lowest = 1
        self._guard = threading.Lock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="feedline-publisher", daemon=True)
        self._thread.start()

    # From other threads.

    def begin(self, batch: _Batch) -> None:
        with self._guard:
            self._batch = batch
            if not self._is_over:
                self._line.loop.add_callback_threadsafe(self._begin)
                return
        self._ended("the connection was lost")

    def hang_up(self) -> None:
        with self._guard:
            if not self._is_over:
                self._line.loop.add_callback_threadsafe(self._close)
        self._thread.join(CONNECT_SECONDS)

    # In the outlet's own thread.

    def _run(self) -> None:
        try:
            self._line.loop.start()
        finally:
            with self._guard:
                self._is_over = True
            self._ended("the connection was lost")
            self._line.loop.close()

    def _channel_open(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=self._ready)

    def _ready(self, _frame: object) -> None:
        self.is_open = True
        self.opened.set_result(None)

    def _lost(self, reason: object) -> None:
        if isinstance(reason, ChannelClosed):
            self._ended(f"RabbitMQ closed the channel: {reason.reply_text or type(reason).__name__}")
        else:
            self._ended(why_rabbitmq(reason) if isinstance(reason, BaseException) else "the connection was lost")

    def _begin(self) -> None:
        if self.is_open:
            self._send()
        else:
            self._ended("the connection was lost")

    def _send(self) -> None:
        batch, channel = self._batch, self._channel
        assert batch is not None and channel is not None  # noqa: PT018
        room = WINDOW - len(self._waiting)
        try:
            for event in batch.events[batch.sent : batch.sent + room]:
                # An AMQP property, for whoever looks at the queue; the CloudEvents id in the body is what counts.
                properties = pika.BasicProperties(
                    content_type=event.content_type,
                    delivery_mode=2,
                    message_id=event.id if len(event.id.encode()) <= SHORT_STRING_BYTES else None,
                    headers=dict(event.headers) if event.headers else None,
                )
                channel.basic_publish(batch.exchange, event.routing_key, event.body, properties, mandatory=batch.mandatory)
                self._tag += 1
                self._waiting.add(self._tag)
                batch.sent += 1
        except (AMQPError, ValueError, UnicodeError, AssertionError) as error:
            # pika refuses a routing key of more than 255 bytes, and a closed channel.
            self._ended(f"the AMQP client refused a message: {error}")

    def _confirmed(self, confirm: _Confirm) -> None:
        tags = self._tags(confirm.method)
        self._waiting.difference_update(tags)
        batch = self._batch
        if batch is None:
            return
        batch.confirmed += len(tags)
        if isinstance(confirm.method, pika.spec.Basic.Nack):
            self._ended("RabbitMQ refused a message; a queue may be full")
        elif batch.confirmed == len(batch.events):
            self._batch = None
            batch.end()
        elif batch.sent < len(batch.events) and len(self._waiting) <= WINDOW // 2:
            self._send()

    def _tags(self, method: _Tagged) -> Sequence[int]:
        """Return the delivery tags that a confirm speaks of: one, or all up to it that still wait."""
        if not method.multiple:
            return (method.delivery_tag,)
        tags = [tag for tag in range(self._lowest, method.delivery_tag + 1) if tag in self._waiting]
        self._lowest = method.delivery_tag + 1
        return tags

    def _returned(self, _channel: Channel, method: pika.spec.Basic.Return, _properties: object, _body: bytes) -> None:
        if self._batch is not None:
            self._batch.unroutable.append(str(method.routing_key))

    def _ended(self, reason: str) -> None:
        """Fail what is under way; nothing more is published here."""
        self.is_open = False
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.end(NotPublished(f"{batch.confirmed} of {len(batch.events)} messages are confirmed, then {reason}."))
        if not self.opened.done():
            self.opened.set_exception(NotPublished(reason))

    def _close(self) -> None:
        self.is_open = False
        self._line.close()
