"""Exchanges and queues: their names and arguments as data, and the one function that declares them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker

EXCHANGE: Final = "feedline"
EVENTS_EXCHANGE: Final = "feedline.events"
DEAD_EXCHANGE: Final = "feedline.dead"

LISTINGS: Final = "feedline.listings"
INVENTORY: Final = "feedline.inventory"
SHIPMENTS: Final = "feedline.shipments"
WORK: Final = "feedline.work"
DEAD: Final = "feedline.dead"

INGEST_QUEUES: Final = (LISTINGS, INVENTORY, SHIPMENTS)

UNLIMITED_DELIVERIES: Final = 1_000_000_000
"""RabbitMQ 4 drops a quorum queue's message at its 20th delivery. -1 means "never" there, and "at once" to RabbitMQ 3.10."""


class Exchange(NamedTuple):
    """A durable exchange."""

    name: str
    type: str


class Queue(NamedTuple):
    """A durable queue, and where its messages come from: exchange and routing pattern."""

    name: str
    arguments: Mapping[str, str | int]
    bindings: tuple[tuple[str, str], ...] = ()


_QUORUM: Final = MappingProxyType[str, str | int]({"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED_DELIVERIES})

# Feedline itself lets nothing die: what it refuses, it keeps in Postgres. But an operator may set a TTL or a limit, and
# what falls out then is to be found somewhere. At least once, for which RabbitMQ asks that a full queue refuse
# publishers; better in any case than to drop its oldest message.
_INGEST: Final = MappingProxyType[str, str | int](
    {**_QUORUM, "x-dead-letter-exchange": DEAD_EXCHANGE, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
)

EXCHANGES: Final = (Exchange(EXCHANGE, "topic"), Exchange(EVENTS_EXCHANGE, "topic"), Exchange(DEAD_EXCHANGE, "fanout"))
QUEUES: Final = (
    Queue(DEAD, _QUORUM, ((DEAD_EXCHANGE, ""),)),
    Queue(LISTINGS, _INGEST, ((EXCHANGE, "listing.#"),)),
    Queue(INVENTORY, _INGEST, ((EXCHANGE, "inventory.#"),)),
    Queue(SHIPMENTS, _INGEST, ((EXCHANGE, "shipment.#"),)),
    # Wake-ups only: Postgres is the record of what is due, so that what gets lost here is sent again.
    Queue(WORK, _QUORUM),
)

_REFUSALS: Final = {403: "this user may not declare it", 406: "it was declared with other arguments"}


def declare(connection: BlockingConnection) -> list[str]:
    """Declare all exchanges, queues and bindings. Return a sentence for each that exists otherwise and is used as it is.

    Raises: pika.exceptions.AMQPError where one neither exists nor may be declared, and when the connection is lost.
    """
    notices = []
    channel = connection.channel()
    for exchange in EXCHANGES:
        try:
            channel.exchange_declare(exchange.name, exchange.type, durable=True)
        except ChannelClosedByBroker as refusal:
            channel = connection.channel()
            notices.append(_used_as_it_is("exchange", exchange.name, refusal))
            channel.exchange_declare(exchange.name, passive=True)
    for queue in QUEUES:
        try:
            channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        except ChannelClosedByBroker as refusal:
            channel = connection.channel()
            notices.append(_used_as_it_is("queue", queue.name, refusal))
            channel.queue_declare(queue.name, passive=True)
        channel = _bind(channel, connection, queue, notices)
    channel.close()
    return notices


def _bind(channel: BlockingChannel, connection: BlockingConnection, queue: Queue, notices: list[str]) -> BlockingChannel:
    """Bind *queue*; return the channel to go on with, since a refusal closes it."""
    for exchange, pattern in queue.bindings:
        try:
            channel.queue_bind(queue.name, exchange, pattern)
        except ChannelClosedByBroker as refusal:
            if refusal.reply_code != 403:
                raise
            channel = connection.channel()
            notices.append(f"This user may not bind queue {queue.name} to {exchange} with {pattern}; the binding must exist already.")
    return channel


def _used_as_it_is(kind: str, name: str, refusal: ChannelClosedByBroker) -> str:
    """Raises: the refusal, when it is not one of those that an existing queue or exchange explains."""
    reason = _REFUSALS.get(refusal.reply_code)
    if reason is None:
        raise refusal
    remedy = (
        "" if refusal.reply_code == 403 else f" Delete it, once it is empty, to have it declared anew. RabbitMQ says: {refusal.reply_text}"
    )
    return f"The {kind} {name} is used as it is, for {reason}.{remedy}"
