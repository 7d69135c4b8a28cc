"""Deliveries that no sender should make, as data: what is on the wire, and the code that it is refused with."""

import json
import struct
from typing import Any, Final, NamedTuple

import pika

from tests.broker.raw_headers import RawHeaders, nested, table
from tests.end_to_end.upstream import NAME, STRUCTURED

MIB: Final = 1024 * 1024


class Garbage(NamedTuple):
    what: str
    code: str
    body: bytes
    content_type: str | None = STRUCTURED
    headers: bytes | None = None

    @property
    def properties(self) -> pika.BasicProperties:
        return RawHeaders(self.headers or table(), self.content_type)


def _with(**attributes: object) -> bytes:
    """Return a message that would be good, but for *attributes*; an attribute that is None is left out."""
    good = {"specversion": "1.0", "type": "feedline.inventory.v1", "source": "garbage", "id": "g"}
    whole = {**good, "data": {"connection": NAME, "sku": "MUG-1", "quantity": 1}, **attributes}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def _data(**fields: object) -> bytes:
    return _with(data={"connection": NAME, "sku": "MUG-1", **fields})


def _raw(text: str) -> bytes:
    """Return a message with *text* in the place of its quantity."""
    return _data(quantity="HERE").replace(b'"HERE"', text.encode("utf-8", "surrogatepass"))


def _numbered(garbage: Garbage, number: int) -> Garbage:
    """Give each an id of its own, where it has one, so that none is a repeat."""
    return garbage._replace(body=garbage.body.replace(b'"id": "g"', f'"id": "g{number}"'.encode()))


_HUGE: Final = (b"huge", b"S" + struct.pack(">I", 100_000) + b"x" * 100_000)
_EVERY_KIND: Final = table(
    (b"t", b"t\x01"),
    (b"b", b"b\xff"),
    (b"B", b"B\xff"),
    (b"s", b"s\xff\xff"),
    (b"u", b"u\xff\xff"),
    (b"I", b"I\xff\xff\xff\xff"),
    (b"i", b"i\xff\xff\xff\xff"),
    (b"l", b"l" + b"\xff" * 8),
    (b"f", b"f" + struct.pack(">f", 1.5)),
    (b"d", b"d" + struct.pack(">d", 1.5)),  # RabbitMQ lets neither NaN nor infinity pass
    (b"D", b"D\xff" + struct.pack(">i", 1)),
    (b"S", b"S\0\0\0\x02\xff\xfe"),
    (b"x", b"x\0\0\0\x02\0\xff"),
    (b"\xff", b"V"),
    (b"year 10000", b"T" + struct.pack(">Q", 253_402_300_800)),
    (b"last second", b"T" + b"\xff" * 8),
    (b"A", b"A\0\0\0\x01V"),
    (b"F", nested(b"F", 3)),
    (b"deep", nested(b"F", 2_000)),
)

_TABLE: Final = (
    Garbage("an empty body", "NOT_JSON", b""),
    Garbage("an empty body of no type", "NOT_JSON", b"", None),
    Garbage("broken JSON", "NOT_JSON", _with()[:-1]),
    Garbage("words", "NOT_JSON", b"hello", None),
    Garbage("a NUL", "NOT_JSON", b"\0"),
    Garbage("not UTF-8", "NOT_UTF8", b'{"specversion": "\xff\xfe"}'),
    Garbage("UTF-16", "NOT_UTF8", _with().decode().encode("utf-16")),
    Garbage("null", "NOT_CLOUDEVENT", b"null"),
    Garbage("a number", "NOT_CLOUDEVENT", b"1"),
    Garbage("an array in place of an event", "NOT_CLOUDEVENT", b"[]"),
    Garbage("bare data", "NOT_CLOUDEVENT", b'{"sku": "MUG-1", "quantity": 1}', None),
    Garbage("XML", "CONTENT_TYPE_UNKNOWN", b"<a/>", "text/xml"),
    Garbage("a wrong content type", "CONTENT_TYPE_UNKNOWN", _with(), "text/plain"),
    Garbage("an actor that is none of ours", "ACTOR_UNKNOWN", b'{"actor_name": "rm", "args": [{}], "kwargs": {}}', None),
    Garbage("a Dramatiq message without an event", "NOT_CLOUDEVENT", b'{"actor_name": "stage_inventory", "args": [1], "kwargs": {}}', None),
    Garbage("a key twice", "DUPLICATE_KEY", _with()[:-1] + b', "id": "other"}'),
    Garbage("a field twice", "DUPLICATE_KEY", _raw('1, "quantity": 2')),
    Garbage("nested 100,000 deep", "TOO_DEEP", _raw("[" * 100_000 + "]" * 100_000)),
    Garbage("objects 20,000 deep", "TOO_DEEP", _raw('{"a":' * 20_000 + "1" + "}" * 20_000)),
    Garbage("NaN", "NOT_JSON", _raw("NaN")),
    Garbage("Infinity", "NOT_JSON", _raw("-Infinity")),
    Garbage("400 digits", "NUMBER_OUT_OF_RANGE", _raw("1" * 400)),
    Garbage("an exponent", "NUMBER_OUT_OF_RANGE", _raw("1e999999999")),
    Garbage("no id", "ATTRIBUTE_MISSING", _with(id=None)),
    Garbage("no source", "ATTRIBUTE_MISSING", _with(source=None)),
    Garbage("no type", "ATTRIBUTE_MISSING", _with(type=None)),
    Garbage("no specversion", "ATTRIBUTE_MISSING", _with(specversion=None)),
    Garbage("an empty id", "ATTRIBUTE_INVALID", _with(id="")),
    Garbage("a number for an id", "ATTRIBUTE_INVALID", _with(id=1)),
    Garbage("an id of 2,000 bytes", "ATTRIBUTE_INVALID", _with(id="x" * 2_000)),
    Garbage("a NUL in the id", "ATTRIBUTE_INVALID", _with(id="a\0b")),
    Garbage("a lone surrogate in the id", "NOT_JSON", _with(id="\ud800")),
    Garbage("another specversion", "ATTRIBUTE_INVALID", _with(specversion="0.3")),
    Garbage("an unknown type", "TYPE_UNKNOWN", _with(type="com.example.thing")),
    Garbage("an unknown version", "TYPE_UNKNOWN", _with(type="feedline.inventory.v2")),
    Garbage("a time that is none", "ATTRIBUTE_INVALID", _with(time="yesterday")),
    Garbage("a time to come", "TIME_IN_FUTURE", _with(time="2999-01-01T00:00:00Z")),
    Garbage("a sequence that is none", "ATTRIBUTE_INVALID", _with(sequence="1.5")),
    Garbage("no data", "FIELD_MISSING", _with(data=None)),
    Garbage("data that is no object", "FIELD_INVALID", _with(data=[1])),
    Garbage("no connection", "FIELD_MISSING", _with(data={"sku": "MUG-1"})),
    Garbage("an unknown connection", "CONNECTION_UNKNOWN", _data(connection="Nobody's shop")),
    Garbage("no SKU", "FIELD_MISSING", _with(data={"connection": NAME, "quantity": 1})),
    Garbage("a SKU that is a number", "FIELD_INVALID", _data(sku=5)),
    Garbage("an empty SKU", "SKU_INVALID", _data(sku=" ")),
    Garbage("a control character in the SKU", "SKU_INVALID", _data(sku="MUG\x07")),
    Garbage("a NUL in the SKU", "SKU_INVALID", _data(sku="MUG\0")),
    Garbage("a SKU of 41 characters", "SKU_INVALID", _data(sku="M" * 41)),
    Garbage("a price with a comma", "MONEY_INVALID", _data(price="1,99")),
    Garbage("a price in words", "MONEY_INVALID", _data(price="cheap")),
    Garbage("a price that is an object", "MONEY_INVALID", _data(price={"amount": 1})),
    Garbage("a price of nothing", "PRICE_NOT_POSITIVE", _data(price=0)),
    Garbage("a price below nothing", "PRICE_NOT_POSITIVE", _data(price="-1.00")),
    Garbage("a price of three decimals", "PRICE_TOO_PRECISE", _data(price="1.999")),
    Garbage("another currency", "CURRENCY_MISMATCH", _data(price="1.99", currency="EUR")),
    Garbage("half a piece", "QUANTITY_INVALID", _data(quantity=0.5)),
    Garbage("a quantity in words", "QUANTITY_INVALID", _data(quantity="many")),
    Garbage("a handling time of 31 days", "HANDLING_TIME_INVALID", _data(handling_time=31)),
    Garbage("a handling time of -1 days", "HANDLING_TIME_INVALID", _data(handling_time=-1)),
    Garbage("a NUL in a field that nobody maps", "FIELD_INVALID", _data(quantity=1, note="a\0b")),
    Garbage("headers of every kind", "NOT_JSON", b"{", headers=_EVERY_KIND),
    Garbage("headers of 100 kB", "NOT_JSON", b"{", headers=table(_HUGE)),
    Garbage("a binary event with a broken id", "ATTRIBUTE_INVALID", b"{}", "application/json", table((b"ce-id", b"S\0\0\0\x02\xff\xfe"))),
    Garbage("5 MB", "BODY_TOO_LARGE", _data(quantity=1, note="x" * 5 * MIB)),
    Garbage("20 MB", "BODY_TOO_LARGE", b"x" * 20 * MIB),
)

GARBAGE: Final = tuple(_numbered(each, number) for number, each in enumerate(_TABLE, 1))


def floods(count: int) -> list[Any]:
    """Return *count* bodies of 5 MB."""
    return [_numbered(Garbage("a flood", "BODY_TOO_LARGE", _data(note="x" * 5 * MIB)), 1_000 + number) for number in range(count)]
