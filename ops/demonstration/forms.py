"""Messages as they go over the wire: the demo's upstreams write all the forms that Feedline reads, mixed on one queue."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from ops.demonstration.sayings import INVENTORY, Saying
from ops.demonstration.scenario import Message, Scenario
from worker.core.events import OutgoingEvent

MOST_IN_A_BATCH: Final = 20


class Published(NamedTuple):
    """One AMQP message, and how many of ours are in it."""

    event: OutgoingEvent
    messages: int


def published(scenario: Scenario, seed: int, now: datetime) -> Iterator[Published]:
    """Yield what is published, in order. *now*: the messages' times lie before it, a millisecond apart."""
    sayings = list(reversed(scenario.sayings(now)))
    stock = list(_about_stock(scenario, seed, now))
    for number, each in enumerate(stock):
        while sayings and sayings[-1].at * len(stock) <= number:
            yield _said(sayings.pop())
        yield each
    yield from map(_said, reversed(sayings))


def _said(saying: Saying) -> Published:
    event: dict[str, Any] = {"specversion": "1.0", "id": saying.id, "source": saying.source, "type": saying.type, "sequence": saying.number}
    event |= {"datacontenttype": "application/json", "data": saying.data}
    return Published(OutgoingEvent(saying.routing_key, saying.id, _json(event), "application/cloudevents+json"), 1)


def _about_stock(scenario: Scenario, seed: int, now: datetime) -> Iterator[Published]:
    chance = Random(seed)  # noqa: S311  # repeatable, not secret
    first = now - timedelta(milliseconds=len(scenario.messages))
    waiting = list(reversed(scenario.arrivals))
    while waiting:
        message = waiting.pop()
        form = _structured if message.fault and not message.fault.is_of_the_data else chance.choices(_FORMS, _WEIGHTS)[0]
        together = [message]
        if form is _batch:
            wanted = chance.randint(2, MOST_IN_A_BATCH)
            while len(together) < wanted and waiting and _may_share(waiting[-1]):
                together.append(waiting.pop())
        yield Published(form(together, first), len(together))


def _may_share(message: Message) -> bool:
    return message.fault is None or message.fault.is_of_the_data


def _structured(messages: Sequence[Message], first: datetime) -> OutgoingEvent:
    (message,) = messages
    return OutgoingEvent(_routing_key(message), message.id, _body(message, first), "application/cloudevents+json")


def _batch(messages: Sequence[Message], first: datetime) -> OutgoingEvent:
    body = b"[" + b",".join(_body(message, first) for message in messages) + b"]"
    return OutgoingEvent(_routing_key(messages[0]), f"batch-of-{messages[0].id}", body, "application/cloudevents-batch+json")


def _binary(messages: Sequence[Message], first: datetime) -> OutgoingEvent:
    (message,) = messages
    event = _event(message, first)
    data = event.pop("data")
    # The AMQP binding's prefix, or that of RabbitMQ's own binding.
    prefix = "cloudEvents:" if message.number % 2 else "ce-"
    headers = {f"{prefix}{name}": value for name, value in event.items() if name != "datacontenttype"}
    return OutgoingEvent(_routing_key(message), message.id, _json(data), "application/json", headers)


def _dramatiq(messages: Sequence[Message], first: datetime) -> OutgoingEvent:
    (message,) = messages
    envelope = {
        "queue_name": "feedline.inventory",
        "actor_name": "stage_inventory",
        "args": [_event(message, first)],
        "kwargs": {},
        "options": {},
        "message_id": message.id,
        "message_timestamp": int(first.timestamp() * 1000) + message.number,
    }
    return OutgoingEvent(_routing_key(message), message.id, _json(envelope), None)


_FORMS: Final = (_structured, _batch, _binary, _dramatiq)
_WEIGHTS: Final = (50, 4, 30, 16)


def _routing_key(message: Message) -> str:
    return f"inventory.{message.listing.seller.connection.replace(' ', '_')}"


def _body(message: Message, first: datetime) -> bytes:
    body = _json(_event(message, first))
    return body if message.fault is None else message.fault.spoil_body(body)


def _event(message: Message, first: datetime) -> dict[str, Any]:
    event: dict[str, Any] = {"specversion": "1.0", "id": message.id, "source": message.source, "type": INVENTORY}
    event["time"] = (first + timedelta(milliseconds=message.number)).isoformat()
    if message.listing.seller.gives_sequence:
        event["sequence"] = message.number
    event |= {"datacontenttype": "application/json", "data": dict(message.data)}
    return event if message.fault is None else message.fault.spoil_event(event)


_json: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Decimals go as JSON numbers with their own digits."""


def chunks(everything: Iterable[Published], size: int) -> Iterator[list[Published]]:
    """Yield *everything* in lists of *size* and a last shorter one."""
    chunk: list[Published] = []
    for each in everything:
        chunk.append(each)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
