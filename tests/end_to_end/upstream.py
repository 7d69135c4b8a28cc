"""An upstream system for end-to-end tests: publishes with plain pika, listens to outcome events, looks at Amazon's side."""

import json
from collections.abc import Mapping
from typing import Any

import pika

from ops.simulator.control import Simulator

SELLER = "A1EXAMPLESELLER"
MARKETPLACE = "ATVPDKIKX0DER"
NAME = "US shop"


class Upstream:
    def __init__(self, amqp_url: str, simulator: Simulator) -> None:
        self._url = amqp_url
        self._simulator = simulator
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._connection: pika.BlockingConnection | None = None

    def _channel(self) -> Any:
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
        return self._connection.channel()

    def listen(self) -> None:
        """Bind a queue for outcome events, before anything is published."""
        channel = self._channel()
        channel.queue_declare("outcomes", durable=True)
        channel.queue_bind("outcomes", "feedline.events", "outcome.#")
        channel.close()

    def publish(self, *data: Mapping[str, Any], id: str | None = None, source: str = "erp", **attributes: object) -> None:
        """Publish inventory messages as structured CloudEvents; `id` names the only one, else each is named by its place."""
        channel = self._channel()
        channel.confirm_delivery()
        for number, one in enumerate(data, 1):
            event = {
                "specversion": "1.0",
                "type": "feedline.inventory.v1",
                "source": source,
                "id": id or f"m{number}",
                **attributes,
                "data": {"connection": NAME, **one},
            }
            self.publish_raw(json.dumps(event).encode(), "application/cloudevents+json", channel)
        channel.close()

    def publish_raw(self, body: bytes, content_type: str | None, channel: Any = None) -> None:
        (channel or self._channel()).basic_publish(
            "feedline", "inventory.test", body, pika.BasicProperties(content_type=content_type, delivery_mode=2), mandatory=True
        )

    def drain(self) -> None:
        """Take the outcome events that have come."""
        channel = self._channel()
        while True:
            method, _, body = channel.basic_get("outcomes", auto_ack=True)
            if method is None:
                break
            event = json.loads(body)
            self._events.setdefault(event["data"]["id"], []).append(event)
        channel.close()

    def told(self, id: str) -> dict[str, Any] | None:
        """Return the outcome event of a message, once it has come."""
        self.drain()
        return self._events.get(id, [None])[0]

    def all_told(self) -> Mapping[str, list[dict[str, Any]]]:
        self.drain()
        return self._events

    def item(self, sku: str) -> Mapping[str, Any]:
        return self._simulator.catalogue(SELLER, MARKETPLACE)[sku]

    def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
