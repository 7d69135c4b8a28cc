"""An upstream system for end-to-end tests: publishes with plain pika, listens to outcome events, looks at Amazon's side."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pika
from pika.exceptions import AMQPError

from ops.simulator.control import Simulator
from worker.broker.publisher import Publisher
from worker.core.events import OutgoingEvent

SELLER = "A1EXAMPLESELLER"
MARKETPLACE = "ATVPDKIKX0DER"
NAME = "US shop"
STRUCTURED = "application/cloudevents+json"


def event(id_: str, data: Mapping[str, Any], source: str = "erp", **attributes: object) -> bytes:
    """Return an inventory message as a structured CloudEvent."""
    whole = {
        "specversion": "1.0",
        "type": "feedline.inventory.v1",
        "source": source,
        "id": id_,
        **attributes,
        "data": {"connection": NAME, **data},
    }
    return json.dumps(whole).encode()


class Upstream:
    def __init__(self, amqp_url: str, simulator: Simulator) -> None:
        self._url = amqp_url
        self._simulator = simulator
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._connection: pika.BlockingConnection | None = None

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        """Yield a channel of the kept connection, or of a new one when RabbitMQ has ended that."""
        try:
            channel = self._connected().channel()
        except (AMQPError, OSError):
            self._connection = None
            channel = self._connected().channel()
        yield channel
        channel.close()

    def _connected(self) -> pika.BlockingConnection:
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
        return self._connection

    def listen(self) -> None:
        """Bind a queue for outcome events, before anything is published."""
        with self.channel() as channel:
            channel.queue_declare("outcomes", durable=True)
            channel.queue_bind("outcomes", "feedline.events", "outcome.#")

    def publish(self, *data: Mapping[str, Any], id_: str | None = None, source: str = "erp", **attributes: object) -> None:
        """Publish inventory messages as structured CloudEvents; `id_` names the only one, else each is named by its place."""
        self.publish_bodies(event(id_ or f"m{number}", one, source, **attributes) for number, one in enumerate(data, 1))

    def publish_bodies(self, bodies: Iterable[bytes]) -> None:
        """Publish structured CloudEvents; RabbitMQ has confirmed each when this returns."""
        with self.channel() as channel:
            channel.confirm_delivery()
            for body in bodies:
                self.publish_raw(channel, body, pika.BasicProperties(content_type=STRUCTURED, delivery_mode=2))

    def publish_many(self, bodies: Iterable[bytes]) -> None:
        """The same, many under way at once.

        Without confirms it will not do: a quorum queue lost 119 of 7,200 messages when their channels were closed (RabbitMQ 3.10).
        """
        publisher = Publisher([self._url])
        publisher.publish_events(
            [OutgoingEvent("inventory.test", str(number), body, STRUCTURED) for number, body in enumerate(bodies)],
            exchange="feedline",
            mandatory=True,
        )
        publisher.close()

    def publish_raw(self, channel: Any, body: bytes, properties: pika.BasicProperties) -> None:
        channel.basic_publish("feedline", "inventory.test", body, properties, mandatory=True)

    def waiting(self) -> int:
        """How many inventory messages wait in RabbitMQ and are with no worker."""
        with self.channel() as channel:
            return int(channel.queue_declare("feedline.inventory", passive=True).method.message_count)

    def drain(self) -> None:
        """Take the outcome events that have come."""
        with self.channel() as channel:
            last = None
            for method, _, body in channel.consume("outcomes", inactivity_timeout=0.05):
                if method is None:
                    break
                told = json.loads(body)
                self._events.setdefault(told["data"]["id"], []).append(told)
                last = method.delivery_tag
            if last is not None:
                channel.basic_ack(last, multiple=True)
            channel.cancel()

    def told(self, id_: str) -> Any:
        """Return the outcome event of a message once it has come, and None before."""
        self.drain()
        return self._events.get(id_, [None])[0]

    def all_told(self) -> Mapping[str, list[dict[str, Any]]]:
        self.drain()
        return self._events

    def has_heard_of(self, ids: Iterable[str]) -> bool:
        return set(ids) <= self.all_told().keys()

    def item(self, sku: str) -> Mapping[str, Any]:
        return self.catalogue()[sku]

    def catalogue(self, seller: str = SELLER) -> Mapping[str, Mapping[str, Any]]:
        """Return what Amazon has, by SKU."""
        return self._simulator.catalogue(seller, MARKETPLACE)

    def offers(self, seller: str = SELLER) -> Mapping[str, tuple[Decimal | None, int | None]]:
        """Return price and quantity that Amazon has, by SKU."""
        return {
            sku: (None if item["price"] is None else Decimal(str(item["price"])), item["quantity"])
            for sku, item in self.catalogue(seller).items()
        }

    def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
