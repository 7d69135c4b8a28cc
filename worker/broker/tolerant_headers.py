"""A decoder of AMQP header tables that takes whatever RabbitMQ passes on, in place of pika's.

pika decodes headers while it reads frames from the socket, and what it raises there ends the connection. The message stays
unacknowledged, so that RabbitMQ delivers it again: one message with a timestamp beyond the year 9999, or a table nested
a thousand times, stops its queue for ever, with all that stand behind it. Seen with pika 1.4.4 and RabbitMQ 3.10.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pika.data

DEEPEST: Final = 16
"""Tables and arrays within one another that are decoded; those below stay bytes. RabbitMQ itself nests two (x-death)."""


def install() -> None:
    """Let pika decode tables with `decode_table`, for every connection of this process."""
    pika.data.decode_table = decode_table


def decode_table(encoded: bytes, offset: int, depth: int = 1) -> tuple[dict[str | bytes, object], int]:
    """Return the table at *offset* of *encoded*, and the offset behind it. Never raises for a table within *encoded*.

    What has no Python value of its kind stays as it is on the wire: a number, or bytes. So does text that is not UTF-8.
    """
    offset, end = _span(encoded, offset)
    table: dict[str | bytes, object] = {}
    while offset < end:
        name_end = offset + 1 + encoded[offset]
        name = _text(encoded[offset + 1 : name_end])
        table[name], offset = _value(encoded, name_end, end, depth)
    return table, end


def _value(encoded: bytes, offset: int, end: int, depth: int) -> tuple[object, int]:
    """Return the value at *offset*, which begins with its kind, and the offset behind it. A kind that is unknown takes all up to *end*."""
    kind, offset = encoded[offset : offset + 1], offset + 1
    number = _NUMBERS.get(kind)
    if number is not None:
        return number.unpack_from(encoded, offset)[0], offset + number.size
    if kind == b"V":
        return None, offset
    if kind == b"T":
        return _instant(_UNSIGNED_64.unpack_from(encoded, offset)[0]), offset + _UNSIGNED_64.size
    if kind == b"D":
        places, digits = _DECIMAL.unpack_from(encoded, offset)
        return Decimal(digits).scaleb(-places), offset + _DECIMAL.size
    if kind in _LONG:
        start, after = _span(encoded, offset)
        return (encoded[start:after] if depth > DEEPEST else _LONG[kind](encoded, offset, depth)), after
    return encoded[offset - 1 : end], end


def _span(encoded: bytes, offset: int) -> tuple[int, int]:
    """Return where the content that a 32-bit length at *offset* announces begins and ends."""
    start = offset + _LENGTH.size
    return start, start + int(_LENGTH.unpack_from(encoded, offset)[0])


def _text(encoded: bytes) -> str | bytes:
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return encoded


def _instant(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return seconds


def _long_text(encoded: bytes, offset: int, _depth: int) -> str | bytes:
    return _text(_bytes(encoded, offset, _depth))


def _bytes(encoded: bytes, offset: int, _depth: int) -> bytes:
    start, end = _span(encoded, offset)
    return encoded[start:end]


def _table(encoded: bytes, offset: int, depth: int) -> dict[str | bytes, object]:
    return decode_table(encoded, offset, depth + 1)[0]


def _array(encoded: bytes, offset: int, depth: int) -> list[object]:
    offset, end = _span(encoded, offset)
    array = []
    while offset < end:
        value, offset = _value(encoded, offset, end, depth + 1)
        array.append(value)
    return array


_LENGTH: Final = struct.Struct(">I")
_UNSIGNED_64: Final = struct.Struct(">Q")
_DECIMAL: Final = struct.Struct(">Bi")

# Source: AMQP 0-9-1, 4.2.5, with RabbitMQ's errata, where the specification and its implementations differ in s, U, l and L.
_NUMBERS: Final[Mapping[bytes, struct.Struct]] = {
    kind: struct.Struct(layout)
    for kind, layout in (
        (b"t", ">?"),
        (b"b", ">b"),
        (b"B", ">B"),
        (b"s", ">h"),
        (b"U", ">h"),
        (b"u", ">H"),
        (b"I", ">i"),
        (b"i", ">I"),
        (b"l", ">q"),
        (b"L", ">q"),
        (b"f", ">f"),
        (b"d", ">d"),
    )
}
_LONG: Final[Mapping[bytes, Callable[[bytes, int, int], object]]] = {b"S": _long_text, b"x": _bytes, b"F": _table, b"A": _array}
