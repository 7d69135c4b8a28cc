"""Outgoing CloudEvents, as the bytes that are published: what became of messages, feeds, runs and orders.

An event's id follows from what it tells, so that telling it again is a repeat that receivers can recognise.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from worker.core.issues import Issue
from worker.core.json import JsonObject, JsonValue
from worker.core.messages import MessageType
from worker.core.orders import Unmapped
from worker.core.wire import STRUCTURED

SOURCE: Final = "feedline"
OUTCOME: Final = "feedline.outcome.v1"
FEED: Final = "feedline.feed.v1"
CONNECTION: Final = "feedline.connection.v1"
RUN: Final = "feedline.run.v1"
ORDER: Final = "feedline.order.v1"

MOST_NAME_CHARACTERS: Final = 180
"""Characters of a connection's name in a routing key, which AMQP limits to 255 bytes as a whole."""


class OutgoingEvent(msgspec.Struct, frozen=True):
    """One event as it is published. `id` is also the AMQP message id. `headers`: AMQP headers, if any."""

    routing_key: str
    id: str
    body: bytes
    content_type: str | None = STRUCTURED
    headers: Mapping[str, object] | None = None

    def __repr__(self) -> str:
        return f"OutgoingEvent({self.id})"  # the body may hold personal data


class OutcomeData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of `feedline.outcome.v1`: the trace of one message, without its history.

    `id` and `source` are the upstream's; `feed_id` is ours, `amazon_feed_id` and `message_id` (in the feed) are Amazon's.
    `superseded_by` and `superseded_by_source` name the message that went instead. `deliveries` counts repeats in. `time` and
    `sequence` are the upstream's; `decided_at` is null before the end. `shipment`: of a shipment message only, its order, the decision
    on its carrier, the stages that it has come through, and the feed messages that carried it.
    """

    id: str | None
    source: str | None
    type: str | None
    connection: str | None
    key: str | None
    outcome: str
    reason: str | None = None
    superseded_by: str | None = None
    superseded_by_source: str | None = None
    feed_id: int | None = None
    amazon_feed_id: str | None = None
    message_id: int | None = None
    deliveries: int = 1
    sequence: int | None = None
    time: datetime | None = None
    received_at: datetime | None = None
    decided_at: datetime | None = None
    issues: Sequence[Issue] = ()
    facets: JsonValue = None
    shipment: JsonObject | msgspec.UnsetType = msgspec.UNSET


class FeedData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of `feedline.feed.v1`. `messages` counts feed messages; `accepted` and `rejected` are null until Amazon has reported."""

    connection: str
    feed_id: int
    amazon_feed_id: str | None
    feed_type: str
    state: str
    messages: int
    accepted: int | None = None
    rejected: int | None = None


class ConnectionData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of `feedline.connection.v1`. `state`: not_authorized, or authorized again; `reason`: what Amazon said, and what to do."""

    connection: str
    state: str
    reason: str | None = None


class RunData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of `feedline.run.v1`. `summary`: what was done, its shape is the kind's; `fault`: why the run failed, and what to do."""

    run_id: int
    connection: str
    kind: str
    trigger: str
    state: str
    summary: JsonObject
    fault: str | None = None


class OrderedItem(msgspec.Struct, frozen=True, kw_only=True):
    amazon_order_item_id: str
    sku: str | None
    quantity: int


class OrderData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of `feedline.order.v1`. `total` is decimal text; `mapped` is what the connection's template made, by target.

    `unmapped`: targets that got nothing for a fault of the order or the template; only where there are any.
    """

    connection: str
    amazon_order_id: str
    status: str
    purchased_at: datetime | None
    updated_at: datetime | None
    total: str | None
    currency: str | None
    items: Sequence[OrderedItem]
    mapped: JsonObject
    unmapped: Sequence[Unmapped] | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return f"OrderData({self.amazon_order_id})"  # what is mapped may be personal


class OrderTold(msgspec.Struct, frozen=True):
    """An order's event as the outbox holds it. `place`: where the personal data beside it rests, as the vault wants it."""

    version: str
    place: str
    data: OrderData

    def event(self, personal: JsonObject, *, at: datetime) -> OutgoingEvent:
        """Return the event, with *personal* data among what was mapped."""
        data = msgspec.structs.replace(self.data, mapped={**self.data.mapped, **personal})
        return order_event(self.version, data, at=at)


def outcome_event(message_id: int, data: OutcomeData, *, at: datetime, traceparent: str | None = None) -> OutgoingEvent:
    """Tell what became of a message. *message_id*: ours; *at*: when it was decided."""
    return _event(
        OUTCOME,
        f"outcome-{message_id}",
        f"outcome.{routing_word(data.connection)}.{data.outcome}",
        data,
        subject=data.id,
        at=at,
        traceparent=traceparent,
    )


def feed_event(data: FeedData, *, at: datetime) -> OutgoingEvent:
    """Tell that a feed came into a state *at* a time, which is part of the id: a feed may come into a state again."""
    event_id = f"feed-{data.feed_id}-{data.state}-{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    return _event(FEED, event_id, f"feed.{routing_word(data.connection)}.{data.state}", data, subject=str(data.feed_id), at=at)


def connection_event(data: ConnectionData, *, at: datetime) -> OutgoingEvent:
    """Tell that a connection has lost its authorisation or has it again."""
    event_id = f"connection-{routing_word(data.connection)}-{data.state}-{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    return _event(CONNECTION, event_id, f"connection.{routing_word(data.connection)}.{data.state}", data, subject=data.connection, at=at)


def run_event(data: RunData, *, at: datetime) -> OutgoingEvent:
    """Tell that a run came into a state. A run comes into each state once."""
    event_id = f"run-{data.run_id}-{data.state}"
    return _event(RUN, event_id, f"run.{routing_word(data.connection)}.{routing_word(data.kind)}", data, subject=data.kind, at=at)


def order_event(version: str, data: OrderData, *, at: datetime) -> OutgoingEvent:
    """Tell of an order as it now is. *version*: what tells one change of the order from the next."""
    event_id = f"order-{data.amazon_order_id}-{version}"
    return _event(ORDER, event_id, f"order.{routing_word(data.connection)}", data, subject=data.amazon_order_id, at=at)


def upstream_event(
    kind: MessageType,
    data: JsonObject,
    *,
    event_id: str,
    source: str,
    time: datetime | None = None,
    sequence: int | None = None,
    traceparent: str | None = None,
) -> OutgoingEvent:
    """Return a message as an upstream would publish it to Feedline: for samples, for the demo, and to replay."""
    connection = data.get("connection")
    event: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": source, "type": kind.value}
    event |= {name: value for name, value in (("time", time), ("sequence", sequence), ("traceparent", traceparent)) if value is not None}
    event |= {"datacontenttype": "application/json", "data": data}
    return OutgoingEvent(upstream_routing_key(kind, connection if isinstance(connection, str) else None), event_id, _ENCODER.encode(event))


def upstream_routing_key(kind: MessageType, connection: str | None) -> str:
    """Return "inventory.CONNECTION" and the like: any key that begins with the kind's word reaches its queue."""
    return f"{kind.removeprefix('feedline.').partition('.')[0]}.{routing_word(connection)}"


def routing_word(name: str | None) -> str:
    """Return *name* with "_" for every character but ASCII letters, digits, "-" and "_"; "_" where there is no name."""
    return _NOT_IN_ROUTING_KEYS.sub("_", name)[:MOST_NAME_CHARACTERS] if name else "_"


_NOT_IN_ROUTING_KEYS: Final = re.compile(r"[^A-Za-z0-9_-]")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
"""Decimals go as JSON numbers with their own digits, times as RFC 3339."""


def _event(
    kind: str, event_id: str, routing_key: str, data: object, *, subject: str | None, at: datetime, traceparent: str | None = None
) -> OutgoingEvent:
    event: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": kind}
    if subject is not None:
        event["subject"] = subject
    event["time"] = at.astimezone(UTC)
    event["datacontenttype"] = "application/json"
    if traceparent is not None:
        event["traceparent"] = traceparent
    event["data"] = data
    return OutgoingEvent(routing_key, event_id, _ENCODER.encode(event))
