"""From an event to a message: the checks at the door, with every fault at once.

What depends on the connection's template (prices, quantities, handling times) is judged when the template is applied.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final, TypeGuard

import msgspec
import re2
from pydantic import ValidationError

from worker.core.issues import Issue, issue
from worker.core.json import JsonObject, JsonValue, encode
from worker.core.message_data import MOST_NAME_CHARACTERS, MOST_SHIPMENT_CHARACTERS, MOST_SKU_CHARACTERS, ShipmentData, instant
from worker.core.texts import unwanted_character
from worker.core.wire import Event, Refused
from worker.core.wire_json import walk


class MessageType(StrEnum):
    INVENTORY = "feedline.inventory.v1"
    LISTING = "feedline.listing.v1"
    SHIPMENT = "feedline.shipment.v1"


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One valid message. `body` is its data as canonical JSON, every number with its own digits.

    `key` is what the message is about: a SKU as the upstream writes it, or `shipment_key`. `digest` (16 bytes, of type
    and body) tells a repeat from other content under the same id. `time` is UTC.
    """

    source: str
    external_id: str
    type: MessageType
    connection: str
    key: str
    sequence: int | None
    time: datetime | None
    traceparent: str | None
    data: JsonObject
    body: bytes
    digest: bytes


class Invalid(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery, or one event of a batch, that is refused. The identity is what could be read of it and may be stored.

    `body`: the data as canonical JSON, where there is any; `digest` is then of type and body as for a message, else of
    `original`. `original` and `content_type`, published again with the delivery's headers, say the same again.
    """

    issues: tuple[Issue, ...]
    source: str | None
    external_id: str | None
    type: str | None
    connection: str | None
    key: str | None
    traceparent: str | None
    body: bytes | None
    digest: bytes
    original: bytes
    content_type: str | None


MOST_ATTRIBUTE_BYTES: Final = 1024
"""UTF-8 bytes of source and of id: both together fit one entry of a Postgres index (2704 bytes)."""

MOST_SEQUENCE: Final = 2**63 - 1
_SEQUENCE_DIGITS: Final = len(str(MOST_SEQUENCE))

FURTHEST_AHEAD: Final = timedelta(days=1)

_TRACEPARENT: Final = re2.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,100})?")
_TYPES: Final = {str(kind): kind for kind in MessageType}


def read(event: Event | Refused, *, now: datetime) -> Message | Invalid:
    """Return the message that *event* is, or every fault that it has. *now*: aware, from the context's clock."""
    if isinstance(event, Refused):
        return _invalid(event, event.faults)
    attributes, data = event.attributes, event.data
    faults: list[Issue] = []
    _specversion(attributes, faults)
    source = _identifier(attributes, "source", faults)
    external_id = _identifier(attributes, "id", faults)
    kind = _type(attributes, faults)
    time = _time(attributes, now, faults)
    sequence = _sequence(attributes, faults)
    _content_type(attributes, faults)
    connection, key = _data(kind, data, faults)
    if faults:
        return _invalid(event, faults)
    assert source is not None and external_id is not None and kind is not None and connection is not None and key is not None  # noqa: PT018
    body = encode(data, canonical=True)
    if b"\\u0000" in body:
        _nul(data, faults)
        if faults:
            return _invalid(event, faults)
    return Message(
        source=source,
        external_id=external_id,
        type=kind,
        connection=connection,
        key=key,
        sequence=sequence,
        time=time,
        traceparent=_traceparent(attributes),
        data=data,
        body=body,
        digest=_digest(kind, body),
    )


def _digest(kind: str | None, body: bytes) -> bytes:
    return blake2b((kind or "").encode(errors="surrogatepass") + b"\0" + body, digest_size=16).digest()


# The attributes of the CloudEvent.


def _specversion(attributes: JsonObject, faults: list[Issue]) -> None:
    version = attributes.get("specversion")
    if version == "1.0":
        return
    if version is None:
        faults.append(issue("ATTRIBUTE_MISSING", field="specversion"))
    else:
        faults.append(issue("ATTRIBUTE_INVALID", field="specversion", value=version, reason="it must be 1.0."))


def _identifier(attributes: JsonObject, name: str, faults: list[Issue]) -> str | None:
    value = attributes.get(name)
    if _is_plain(value, MOST_ATTRIBUTE_BYTES // 4):  # no character has more than four bytes
        return value
    if value is None:
        faults.append(issue("ATTRIBUTE_MISSING", field=name))
        return None
    reason = _unfit(value, MOST_ATTRIBUTE_BYTES)
    if reason:
        faults.append(issue("ATTRIBUTE_INVALID", field=name, value=value, reason=reason))
        return None
    text: str = value
    return text


def _is_plain(value: JsonValue, most_characters: int) -> TypeGuard[str]:
    """Tell of nearly every *value* that can be an identifier that it can: it is short enough and has nothing but printable characters."""
    return type(value) is str and 0 < len(value) <= most_characters and value.isprintable() and not value.isspace()


def _unfit(value: JsonValue, most_bytes: int) -> str | None:
    """Return why *value* cannot be an identifier, or None."""
    if not isinstance(value, str):
        return "it must be text."
    if not value or value.isspace():
        return "it is empty."
    character = unwanted_character(value)
    if character:
        return f"it holds the control character {character}."
    if len(value) * 4 > most_bytes and len(value.encode()) > most_bytes:
        return f"it has more than {most_bytes} bytes."
    return None


def _type(attributes: JsonObject, faults: list[Issue]) -> MessageType | None:
    value = attributes.get("type")
    if value is None:
        faults.append(issue("ATTRIBUTE_MISSING", field="type"))
        return None
    kind = _TYPES.get(value) if isinstance(value, str) else None
    if kind is None:
        faults.append(issue("TYPE_UNKNOWN", field="type", value=value))
    return kind


def _time(attributes: JsonObject, now: datetime, faults: list[Issue]) -> datetime | None:
    value = attributes.get("time")
    if value is None:
        return None
    try:
        time = instant(value)
    except ValueError as error:
        faults.append(issue("ATTRIBUTE_INVALID", field="time", value=value, reason=str(error)))
        return None
    if time > now + FURTHEST_AHEAD:
        faults.append(issue("TIME_IN_FUTURE", field="time", value=value))
    return time


def _sequence(attributes: JsonObject, faults: list[Issue]) -> int | None:
    value = attributes.get("sequence")
    if value is None:
        return None
    if type(value) is int:
        number = value
    elif isinstance(value, str) and len(value) <= _SEQUENCE_DIGITS and value.isascii() and value.isdigit():
        number = int(value)
    else:
        number = -1
    if 0 <= number <= MOST_SEQUENCE:
        return number
    faults.append(issue("ATTRIBUTE_INVALID", field="sequence", value=value, reason=f"it must be a whole number from 0 to {MOST_SEQUENCE}."))
    return None


def _content_type(attributes: JsonObject, faults: list[Issue]) -> None:
    value = attributes.get("datacontenttype")
    if value is None or value == "application/json":
        return
    if not isinstance(value, str) or not value.partition(";")[0].strip().lower().endswith(("/json", "+json")):
        faults.append(issue("ATTRIBUTE_INVALID", field="datacontenttype", value=value, reason="the data must be JSON."))


def _traceparent(attributes: JsonObject) -> str | None:
    """Return the W3C trace context; one that is malformed is left out, as that specification says."""
    value = attributes.get("traceparent")
    # RE2 takes no surrogates, which a header that is not UTF-8 has.
    return value if isinstance(value, str) and value.isascii() and _TRACEPARENT.fullmatch(value) else None


# The data.


def _data(kind: MessageType | None, data: JsonValue, faults: list[Issue]) -> tuple[str | None, str | None]:
    """Return connection and key, None where they are wrong."""
    if data is msgspec.UNSET or data is None:
        faults.append(issue("FIELD_MISSING", field="data"))
        return None, None
    if not isinstance(data, dict):
        faults.append(issue("FIELD_INVALID", field="data", reason="it must be a JSON object."))
        return None, None
    return (_untyped if kind is None else _DATA_OF[kind])(data, faults)


def _untyped(data: JsonObject, faults: list[Issue]) -> tuple[str | None, str | None]:
    return _connection(data, faults), None


def _inventory(data: JsonObject, faults: list[Issue]) -> tuple[str | None, str | None]:
    return _connection(data, faults), _sku(data, faults)


def _listing(data: JsonObject, faults: list[Issue]) -> tuple[str | None, str | None]:
    connection = _connection(data, faults)
    if data.get("operation") not in (None, "delete"):
        reason = "delete is the only operation that can be named."
        faults.append(issue("FIELD_INVALID", field="operation", value=data["operation"], reason=reason))
    return connection, _sku(data, faults)


def _connection(data: JsonObject, faults: list[Issue]) -> str | None:
    value = data.get("connection")
    if _is_plain(value, MOST_NAME_CHARACTERS):
        return value
    if value is None:
        faults.append(issue("FIELD_MISSING", field="connection"))
        return None
    reason = _unfit_name(value)
    if reason:
        faults.append(issue("FIELD_INVALID", field="connection", value=value, reason=reason))
        return None
    name: str = value
    return name


def _unfit_name(value: JsonValue) -> str | None:
    reason = _unfit(value, MOST_NAME_CHARACTERS * 4)
    return reason or (f"it has more than {MOST_NAME_CHARACTERS} characters." if len(value) > MOST_NAME_CHARACTERS else None)


def _sku(data: JsonObject, faults: list[Issue]) -> str | None:
    value = data.get("sku")
    if _is_plain(value, MOST_SKU_CHARACTERS):
        return value
    if value is None:
        faults.append(issue("FIELD_MISSING", field="sku"))
        return None
    if not isinstance(value, str):
        faults.append(issue("FIELD_INVALID", field="sku", value=value, reason="it must be text."))
        return None
    reason = _unfit_sku(value)
    if reason:
        faults.append(issue("SKU_INVALID", field="sku", value=value, reason=reason))
        return None
    return value


def _unfit_sku(sku: JsonValue) -> str | None:
    reason = _unfit(sku, MOST_SKU_CHARACTERS * 4)
    if reason or len(sku) <= MOST_SKU_CHARACTERS:
        return reason
    return f"it has {len(sku)} characters."


def _shipment(data: JsonObject, faults: list[Issue]) -> tuple[str | None, str | None]:
    try:
        shipment = ShipmentData.model_validate(data)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        faults += map(_field_fault, wrong)
        is_wrong = {fault["loc"][0] for fault in wrong if fault["loc"]}
        return (None if "connection" in is_wrong else data.get("connection")), None
    return shipment.connection, shipment_key(shipment.fulfillment_request_number, shipment.tracking_number)


_DATA_OF: Final = {MessageType.INVENTORY: _inventory, MessageType.LISTING: _listing, MessageType.SHIPMENT: _shipment}


def shipment_key(fulfillment_request_number: str, tracking_number: str | None) -> str:
    """Return the key of a parcel: the request, a space, and the tracking number in upper case without spaces.

    The last space of a key parts the two. Carriers tell no numbers apart by case or spaces, and neither do corrections.
    """
    return f"{fulfillment_request_number} {''.join((tracking_number or '').split()).upper()}"


def _field_fault(fault: Mapping[str, Any]) -> Issue:
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return issue("FIELD_MISSING", field=field)
    given = fault["input"]
    if given is None:
        return issue("FIELD_MISSING", field=field)
    reason = str(fault["msg"]).rstrip(".") + "."
    return issue("FIELD_INVALID", field=field, value=None if isinstance(given, (dict, list)) else given, reason=reason)


def _nul(data: JsonObject, faults: list[Issue]) -> None:
    """Find the fields that hold a NUL, which the database cannot store as JSON."""
    for name, value in data.items():
        if any(isinstance(item, str) and "\0" in item for _, item in walk([name, value])):
            faults.append(issue("FIELD_INVALID", field=name, value=value, reason="it holds the control character U+0000."))


# What is refused.


def _invalid(event: Event | Refused, faults: list[Issue] | tuple[Issue, ...]) -> Invalid:
    attributes, data = event.attributes, event.data
    kind = _kept(attributes.get("type"), lambda value: _unfit(value, MOST_ATTRIBUTE_BYTES))
    fields: JsonObject = data if isinstance(data, dict) else {}
    body = encode(data, canonical=True) if isinstance(event, Event) and data is not msgspec.UNSET else None
    return Invalid(
        issues=tuple(faults),
        source=_kept(attributes.get("source"), lambda value: _unfit(value, MOST_ATTRIBUTE_BYTES)),
        external_id=_kept(attributes.get("id"), lambda value: _unfit(value, MOST_ATTRIBUTE_BYTES)),
        type=kind,
        connection=_kept(fields.get("connection"), _unfit_name),
        key=_key(kind, fields),
        traceparent=_traceparent(attributes),
        body=body,
        digest=_digest(kind, event.original if body is None else body),
        original=event.original,
        content_type=event.content_type,
    )


def _kept(value: JsonValue, unfit: Callable[[JsonValue], str | None]) -> str | None:
    """Return *value* if a message could have it; what could not be stored is only in the original bytes."""
    return None if value is None or unfit(value) else value


def _key(kind: str | None, fields: JsonObject) -> str | None:
    if kind in (MessageType.INVENTORY, MessageType.LISTING):
        return _kept(fields.get("sku"), _unfit_sku)
    return _parcel_key(fields) if kind == MessageType.SHIPMENT else None


def _parcel_key(fields: JsonObject) -> str | None:
    request, given = _short_text(fields.get("fulfillment_request_number")), fields.get("tracking_number")
    number = "" if given is None else _short_text(given)
    return shipment_key(request, number) if request and number is not None else None


def _short_text(value: JsonValue) -> str | None:
    """Return *value* if a shipment may have it as a text."""
    is_one = isinstance(value, str) and len(value) <= MOST_SHIPMENT_CHARACTERS and unwanted_character(value) is None
    return value if is_one else None
