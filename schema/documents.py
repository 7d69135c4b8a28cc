"""The published documents: a JSON Schema for each message, and the AsyncAPI document that says where each one goes.

`python -m schema.documents` writes them again from the code; a test tells when that is due.
"""

import inspect
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import BaseModel
from ruamel.yaml import YAML

from worker.broker import topology
from worker.core import events
from worker.core.message_data import InventoryData, ListingData, ShipmentData
from worker.core.messages import MOST_ATTRIBUTE_BYTES, MOST_SEQUENCE, MessageType
from worker.core.wire import ACTORS, BATCH, MOST_BYTES, STRUCTURED

FOLDER: Final = Path(__file__).parent
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class Incoming(NamedTuple):
    """A message that upstreams publish."""

    kind: MessageType
    title: str
    data: type[BaseModel]
    queue: str
    word: str
    example: Mapping[str, Any]


class Outgoing(NamedTuple):
    """An event that Feedline publishes. `address`: its routing key."""

    kind: str
    title: str
    data: type[msgspec.Struct]
    address: str
    example: Mapping[str, Any]


_CONNECTION: Final = "My Amazon US Link"

INCOMING: Final = (
    Incoming(
        MessageType.INVENTORY,
        "New price, quantity or handling time of a SKU",
        InventoryData,
        topology.INVENTORY,
        "inventory",
        {"connection": _CONNECTION, "sku": "BK-10023-BLUE", "price": "19.99", "currency": "USD", "quantity": 12, "handling_time": 2},
    ),
    Incoming(
        MessageType.LISTING,
        "A listing, or its removal",
        ListingData,
        topology.LISTINGS,
        "listing",
        {
            "connection": _CONNECTION,
            "sku": "BK-10023-BLUE",
            "title": "Stainless bottle, blue, 750 ml",
            "asin": "B0EXAMPLE1",
            "condition": "New",
            "price": "19.99",
            "currency": "USD",
            "quantity": 12,
        },
    ),
    Incoming(
        MessageType.SHIPMENT,
        "A parcel that has left",
        ShipmentData,
        topology.SHIPMENTS,
        "shipment",
        {
            "connection": _CONNECTION,
            "fulfillment_request_number": "FR-20417",
            "amazon_order_id": "902-3159896-1390916",
            "shipped_at": "2026-01-31T12:00:00Z",
            "carrier": "UPS",
            "method": "Ground",
            "tracking_number": "1Z999AA10123456784",
            "items": [{"amazon_order_item_id": "28207111234567", "quantity": 2}],
        },
    ),
)

OUTGOING: Final = (
    Outgoing(
        events.OUTCOME,
        "What became of one message",
        events.OutcomeData,
        "outcome.{connection}.{outcome}",
        {
            "id": "018f2b1a",
            "source": "erp",
            "type": MessageType.INVENTORY,
            "connection": _CONNECTION,
            "key": "BK-10023-BLUE",
            "outcome": "accepted",
            "reason": None,
            "superseded_by": None,
            "superseded_by_source": None,
            "feed_id": 2501,
            "amazon_feed_id": "23492394",
            "message_id": 17,
            "deliveries": 1,
            "sequence": 1007,
            "time": "2026-01-30T08:15:00Z",
            "received_at": "2026-01-30T08:15:00.040Z",
            "decided_at": "2026-01-30T08:19:30Z",
            "issues": [],
            "facets": None,
        },
    ),
    Outgoing(
        events.FEED,
        "A feed came into a state",
        events.FeedData,
        "feed.{connection}.{state}",
        {
            "connection": _CONNECTION,
            "feed_id": 2501,
            "amazon_feed_id": "23492394",
            "feed_type": "JSON_LISTINGS_FEED",
            "state": "settled",
            "messages": 412,
            "accepted": 411,
            "rejected": 1,
        },
    ),
    Outgoing(
        events.CONNECTION,
        "A connection has lost its authorisation, or has it again",
        events.ConnectionData,
        "connection.{connection}.{state}",
        {"connection": _CONNECTION, "state": "not_authorized", "reason": "Amazon refused the refresh token (invalid_grant)."},
    ),
    Outgoing(
        events.RUN,
        "An import, an order pull or a re-sync began or ended",
        events.RunData,
        "run.{connection}.{kind}",
        {
            "run_id": 96,
            "connection": _CONNECTION,
            "kind": "get-orders",
            "trigger": "schedule",
            "state": "done",
            "summary": {"orders": 12},
            "fault": None,
        },
    ),
    Outgoing(
        events.ORDER,
        "An order as it now is",
        events.OrderData,
        "order.{connection}",
        {
            "connection": _CONNECTION,
            "amazon_order_id": "902-3159896-1390916",
            "status": "UNSHIPPED",
            "purchased_at": "2026-01-30T08:15:00Z",
            "updated_at": "2026-01-30T08:20:00Z",
            "total": "39.98",
            "currency": "USD",
            "items": [{"amazon_order_item_id": "28207111234567", "sku": "BK-10023-BLUE", "quantity": 2}],
            "mapped": {"reference_number": "902-3159896-1390916"},
        },
    ),
)


def documents() -> dict[Path, str]:
    """Return every document's text by its path."""
    written = {FOLDER / "messages" / file_of(message.kind): _json(incoming_schema(message)) for message in INCOMING}
    written |= {FOLDER / "messages" / file_of(event.kind): _json(outgoing_schema(event)) for event in OUTGOING}
    written[FOLDER / "asyncapi.yaml"] = _yaml(asyncapi())
    return written


def file_of(kind: str) -> str:
    return f"{kind}.schema.json"


def example_event(kind: str, data: Mapping[str, Any]) -> Schema:
    """Return a whole CloudEvent around *data*."""
    return {
        "specversion": "1.0",
        "id": "018f2b1a",
        "source": "erp" if kind in set(MessageType) else events.SOURCE,
        "type": str(kind),
        "time": "2026-01-31T12:00:00Z",
        "datacontenttype": "application/json",
        "data": dict(data),
    }


def incoming_schema(message: Incoming) -> Schema:
    """Return the JSON Schema of a whole CloudEvent as an upstream sends it."""
    data = message.data.model_json_schema()
    parts = data.pop("$defs", {})
    properties = {
        "id": _identifier("source and id identify the message; a repeat has no second effect"),
        "source": _identifier("who sends it; orders its own messages"),
        "time": {"type": "string", "format": "date-time", "description": "when the values were true; at most a day ahead of the clock"},
        "sequence": {
            "description": "orders the messages of this source for one key, in place of time",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_SEQUENCE},
                {"type": "string", "pattern": f"^[0-9]{{1,{len(str(MOST_SEQUENCE))}}}$"},
            ],
        },
        "datacontenttype": {"type": "string", "pattern": r"^[^;]*[/+]json\s*(;.*)?$"},
        "traceparent": {"type": "string", "description": "W3C trace context, carried through to the outcome event"},
    }
    return _event_schema(message.kind, message.title, properties, data, parts, message.example)


def outgoing_schema(event: Outgoing) -> Schema:
    """Return the JSON Schema of a whole CloudEvent as Feedline publishes it."""
    (reference,), parts = msgspec.json.schema_components((event.data,), ref_template="#/$defs/{name}")
    for part in parts.values():
        if "description" in part:
            part["description"] = inspect.cleandoc(part["description"])  # as Python 3.13 does by itself
    properties = {
        "id": _identifier("the same whenever the same is told again"),
        "source": {"const": events.SOURCE},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context of the message"},
    }
    data = parts.pop(reference["$ref"].rpartition("/")[2])
    return _event_schema(event.kind, event.title, properties, data, parts, event.example)


def _identifier(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": MOST_ATTRIBUTE_BYTES, "description": description}


def _event_schema(kind: str, title: str, properties: Schema, data: Schema, parts: Schema, example: Mapping[str, Any]) -> Schema:
    return {
        "$schema": DIALECT,
        "$id": f"urn:feedline:{kind}",
        "title": title,
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {"specversion": {"const": "1.0"}, "type": {"const": str(kind)}, **properties, "data": data},
        **({"$defs": parts} if parts else {}),
        "examples": [example_event(kind, example)],
    }


def asyncapi() -> Schema:
    """Return the AsyncAPI document, from Feedline's side: it receives what upstreams publish, and sends events."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Feedline",
            "version": "1.0.0",
            "description": (
                "Listing, inventory and shipment messages in; one outcome for each of them, and feeds, runs and orders out. "
                f"A message is a CloudEvents 1.0 event of at most {MOST_BYTES} bytes: structured ({STRUCTURED}), a batch "
                f"({BATCH}), binary with cloudEvents: or ce- headers, or the one argument of a Dramatiq "
                f"message for {', '.join(sorted(ACTORS))}."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "channels": {_name(m.kind): _incoming_channel(m) for m in INCOMING} | {_name(e.kind): _outgoing_channel(e) for e in OUTGOING},
        "operations": {f"receive_{_name(m.kind)}": _operation("receive", m.kind, m.title) for m in INCOMING}
        | {f"send_{_name(e.kind)}": _operation("send", e.kind, e.title) for e in OUTGOING},
        "components": {"messages": {_name(m.kind): _message(m.kind, m.title) for m in (*INCOMING, *OUTGOING)}},
    }


def _name(kind: str) -> str:
    """Return "inventory" for "feedline.inventory.v1"."""
    return kind.split(".")[1]


def _incoming_channel(message: Incoming) -> Schema:
    return {
        **_channel(f"{message.word}.{{connection}}", message.kind, topology.EXCHANGE),
        "description": f"Every routing key that begins with {message.word} reaches the quorum queue {message.queue}.",
    }


def _outgoing_channel(event: Outgoing) -> Schema:
    return _channel(event.address, event.kind, topology.EVENTS_EXCHANGE)


def _channel(address: str, kind: str, exchange: str) -> Schema:
    words = [word.strip("{}") for word in address.split(".") if word.startswith("{")]
    return {
        "address": address,
        "messages": {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"}},
        "parameters": {word: {"description": 'every character but letters, digits, "-" and "_" written as "_"'} for word in words},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", "durable": True}}},
    }


def _operation(action: str, kind: str, title: str) -> Schema:
    reference = f"#/channels/{_name(kind)}"
    return {
        "action": action,
        "summary": title,
        "channel": {"$ref": reference},
        "messages": [{"$ref": f"{reference}/messages/{_name(kind)}"}],
    }


def _message(kind: str, title: str) -> Schema:
    return {
        "name": str(kind),
        "title": title,
        "contentType": STRUCTURED,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./messages/{file_of(kind)}"},
        },
    }


def _json(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: Schema) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # declared as None by ruamel
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def main() -> None:
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
