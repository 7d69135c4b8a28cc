"""One AMQP delivery becomes the CloudEvents that it carries, whichever of the three forms its sender chose.

Structured: a CloudEvents 1.0 object or a batch of them. Binary: attributes in headers, data in the body. Enveloped: the
object as the one argument of a Dramatiq message. The type of an event decides what it is, not the queue it came by.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from worker.core import glimpse, wire_json
from worker.core.issues import Issue, issue
from worker.core.json import JsonValue

MOST_BYTES: Final = 1024 * 1024
"""Bytes of a body that is taken."""

MOST_BYTES_LOOKED_AT: Final = 16 * MOST_BYTES
"""Bytes of a body that is refused, but in which the id is still looked for."""

MOST_EVENTS: Final = 10_000
"""Events of a batch. A body that is taken holds some 7,000 of the shortest; of `[1,1,1...]` it would make 500,000 refused deliveries."""

_MOST_MARKS_OF_AN_EVENT: Final = 64
"""Commas and brackets. Beyond so many the elements of an oversized batch are not even parted: 16 MiB could hold sixteen million."""

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
ACTORS: Final = frozenset({"stage_inventory", "stage_listing", "stage_shipment"})


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """What RabbitMQ handed over, as the AMQP client decoded it: what is not UTF-8 in header names and content type stays bytes."""

    queue: str
    body: bytes
    content_type: str | bytes | None = None
    headers: Mapping[Any, object] = {}
    routing_key: str = ""
    redelivered: bool = False


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One CloudEvent that could be read; nothing of it is checked yet.

    `attributes`: by their names, as they came (from headers always text); without data. `data`: UNSET when there is none.
    `original`, `content_type`: this event alone, so that publishing them again says the same.
    """

    attributes: Mapping[str, JsonValue]
    data: JsonValue
    original: bytes
    content_type: str | None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be read as an event, and why. `attributes` and `data`: what could be made out, for its identity only."""

    faults: tuple[Issue, ...]
    attributes: Mapping[str, JsonValue]
    data: JsonValue
    original: bytes
    content_type: str | None


def decode(delivery: Delivery) -> list[Event | Refused]:
    """Return the events of *delivery* in their order; an empty batch has none. Never raises for anything a sender can send."""
    body = delivery.body
    if delivery.content_type == STRUCTURED and len(body) <= MOST_BYTES:
        return [_structured(body, STRUCTURED)]  # nearly every one
    content_type = _content_type(delivery)
    kind = _media_type(content_type)
    if len(body) > MOST_BYTES:
        return _too_large(delivery, content_type)
    if kind == STRUCTURED:
        return [_structured(body, content_type)]
    if kind == BATCH:
        return _batch(body, content_type)
    attributes = _attributes_in(delivery.headers)
    if attributes is not None:
        return [_binary(attributes, body, content_type)]
    if kind not in ("", "application/json"):
        fault = issue("CONTENT_TYPE_UNKNOWN", field="content_type", value=content_type)
        return [_refused([fault], *_made_out(body), body, content_type)]
    if _is_array(body):
        return _batch(body, content_type)
    return [_structured_or_enveloped(body, content_type)]


def headers_as_text(headers: Mapping[Any, object]) -> dict[str, str]:
    """Return *headers* as text that a database can store; enough to decode the same delivery once more."""
    return {_storable(_as_text(name)): _storable(_as_text(value)) for name, value in headers.items() if value is not None}


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _content_type(delivery: Delivery) -> str | None:
    value = delivery.content_type
    return value if value is None else _storable(_as_text(value))


def _media_type(content_type: str | None) -> str:
    return "" if content_type is None else content_type.partition(";")[0].strip().lower()


def _is_array(body: bytes) -> bool:
    return body.lstrip(b" \t\r\n")[:1] == b"["


def _structured(body: bytes, content_type: str | None) -> Event | Refused:
    try:
        value = wire_json.read(body)
    except wire_json.Unreadable as unreadable:
        return _unreadable(unreadable, body, content_type)
    return _event(value, body, content_type)


def _structured_or_enveloped(body: bytes, content_type: str | None) -> Event | Refused:
    try:
        value = wire_json.read(body)
    except wire_json.Unreadable as unreadable:
        return _unreadable(unreadable, body, content_type)
    if isinstance(value, dict):
        if "specversion" in value:
            return _event(value, body, content_type)
        if "actor_name" in value:
            return _enveloped(value, body, content_type)
    fault = issue("NOT_CLOUDEVENT", reason="it is not an object with specversion or actor_name.")
    return _refused([fault], *_parts(value), body, content_type)


def _event(value: JsonValue, body: bytes, content_type: str | None) -> Event | Refused:
    if not isinstance(value, dict):
        return _refused([issue("NOT_CLOUDEVENT", reason="it is not a JSON object.")], {}, msgspec.UNSET, body, content_type)
    data = value.pop("data", msgspec.UNSET)
    if "data_base64" in value:
        try:
            data = _data_in_base64(value.pop("data_base64"), data)
        except wire_json.Unreadable as unreadable:
            return _refused(unreadable.faults, value, unreadable.value, body, content_type)
    return Event(attributes=value, data=data, original=body, content_type=content_type)


def _data_in_base64(encoded: JsonValue, data: JsonValue) -> JsonValue:
    def invalid(reason: str) -> wire_json.Unreadable:
        return wire_json.Unreadable([issue("ATTRIBUTE_INVALID", field="data_base64", reason=reason)], None)

    if data is not msgspec.UNSET:
        raise invalid("it stands beside data; send one of the two.")
    try:
        return wire_json.read(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise invalid("it is not base64 text.") from None


def _enveloped(envelope: dict[str, JsonValue], body: bytes, content_type: str | None) -> Event | Refused:
    faults = []
    actor = envelope["actor_name"]
    if not isinstance(actor, str) or actor not in ACTORS:
        faults.append(issue("ACTOR_UNKNOWN", field="actor_name", value=actor))
    arguments = envelope.get("args")
    if not (isinstance(arguments, list) and len(arguments) == 1 and isinstance(arguments[0], dict)) or envelope.get("kwargs"):
        faults.append(issue("NOT_CLOUDEVENT", field="args", reason="the Dramatiq message needs one argument, the CloudEvent as an object."))
    if faults:
        return _refused(faults, *_parts(_inner(envelope)), body, content_type)
    return _event(envelope["args"][0], body, content_type)


def _batch(body: bytes, content_type: str | None) -> list[Event | Refused]:
    try:
        elements = wire_json.elements(body)
    except wire_json.Unreadable as unreadable:
        return [_unreadable(unreadable, body, content_type)]
    if len(elements) > MOST_EVENTS:
        fault = issue("NOT_CLOUDEVENT", reason=f"a batch has at most {MOST_EVENTS} events.")
        return [_refused([fault], {}, msgspec.UNSET, body, content_type)]
    return [_structured(element, STRUCTURED) for element in elements]


def _binary(attributes: dict[str, str], body: bytes, content_type: str | None) -> Event | Refused:
    kind = _media_type(content_type)
    if kind and not kind.endswith(("/json", "+json")):
        fault = issue("CONTENT_TYPE_UNKNOWN", field="content_type", value=content_type)
        return _refused([fault], attributes, msgspec.UNSET, body, content_type)
    try:
        data = wire_json.read(body)
    except wire_json.Unreadable as unreadable:
        return _refused(unreadable.faults, attributes, unreadable.value, body, content_type)
    return Event(attributes=attributes, data=data, original=body, content_type=content_type)


PREFIXES: Final = ("cloudevents:", "cloudevents_", "ce-", "ce_")
"""Beginnings of header names, in any case: the AMQP binding's two, and the RabbitMQ binding's with its usual variant."""


def _attributes_in(headers: Mapping[Any, object]) -> dict[str, str] | None:
    """Return the CloudEvents attributes in *headers*, or None when they have none."""
    attributes: dict[str, str] = {}
    for header, value in headers.items():
        name = _as_text(header).lower()
        for prefix in PREFIXES:
            if name.startswith(prefix):
                if value is not None:
                    attributes.setdefault(name.removeprefix(prefix), _as_text(value))
                break
    return attributes or None


def _as_text(value: object) -> str:
    """Return a header's value in the text form of CloudEvents' types."""
    match value:
        case str():
            return value
        case bytes():
            return value.decode(errors="surrogateescape")  # a surrogate is refused with the attribute's name
        case bool():
            return "true" if value else "false"
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()  # an AMQP timestamp counts from 1970 UTC
        case _:
            return str(value)


def _too_large(delivery: Delivery, content_type: str | None) -> list[Event | Refused]:
    """Refuse a body over the limit: a batch event by event, so that each has its outcome."""
    body, kind = delivery.body, _media_type(content_type)
    fault = issue("BODY_TOO_LARGE", value=len(body))
    attributes = None if kind in (STRUCTURED, BATCH) else _attributes_in(delivery.headers)
    if len(body) > MOST_BYTES_LOOKED_AT:
        return [_refused([fault], attributes or {}, msgspec.UNSET, body, content_type)]
    if attributes is not None:
        return [_refused([fault], attributes, glimpse.data(body), body, content_type)]
    if kind == BATCH or (kind in ("", "application/json") and _is_array(body)):
        if sum(map(body.count, (b",", b"[", b"{"))) > MOST_EVENTS * _MOST_MARKS_OF_AN_EVENT:
            return [_refused([fault], {}, msgspec.UNSET, body, content_type)]
        try:
            parts = wire_json.elements(body)
        except wire_json.Unreadable as unreadable:
            return [_refused([fault, *unreadable.faults], {}, msgspec.UNSET, body, content_type)]
        if len(parts) > MOST_EVENTS:
            return [_refused([fault], {}, msgspec.UNSET, body, content_type)]
        return [_refused([fault], *glimpse.attributes_and_data(part), part, STRUCTURED) for part in parts]
    return [_refused([fault], *glimpse.attributes_and_data(body), body, content_type)]


def _made_out(text: bytes) -> tuple[Mapping[str, JsonValue], JsonValue]:
    """Return the attributes and the data that a forgiving parser finds in *text*."""
    _, value = wire_json.examine(text)
    return _parts(value)


def _parts(value: JsonValue) -> tuple[Mapping[str, JsonValue], JsonValue]:
    value = _inner(value)
    return (value, value.get("data", msgspec.UNSET)) if isinstance(value, dict) else ({}, msgspec.UNSET)


def _inner(value: JsonValue) -> JsonValue:
    """Return the first argument of a Dramatiq message, anything else as it is."""
    if isinstance(value, dict) and "actor_name" in value and "specversion" not in value:
        arguments = value.get("args")
        return arguments[0] if isinstance(arguments, list) and arguments else None
    return value


def _unreadable(unreadable: wire_json.Unreadable, body: bytes, content_type: str | None) -> Refused:
    return _refused(unreadable.faults, *_parts(unreadable.value), body, content_type)


def _refused(
    faults: Sequence[Issue], attributes: Mapping[str, JsonValue], data: JsonValue, body: bytes, content_type: str | None
) -> Refused:
    return Refused(faults=tuple(faults), attributes=attributes, data=data, original=body, content_type=content_type)
