"""Header tables that RabbitMQ passes on and pika's own decoder breaks at."""

import contextlib
import importlib.util
import math
import struct
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pika.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingConnection

from tests.broker.raw_headers import RawHeaders, nested, table
from worker.broker.tolerant_headers import DEEPEST, decode_table, install


def untouched_pika() -> ModuleType:
    """Return pika's module as it is on disk: in this process ours may be installed."""
    spec = importlib.util.spec_from_file_location("untouched_pika_data", pika.data.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decoded(value: bytes) -> Any:
    encoded = table((b"odd", value), (b"ce-id", b"S\0\0\0\x02m1"))
    found, end = decode_table(b"before" + encoded + b"after", len(b"before"))
    assert end == len(b"before") + len(encoded)
    assert found["ce-id"] == "m1", "what stands behind the odd one is read"
    return found["odd"]


@pytest.mark.requirement("R124")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"t\x01", True),
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"s\xff\xfe", -2),
        (b"U\xff\xfe", -2),
        (b"u\xff\xfe", 65534),
        (b"I\xff\xff\xff\xff", -1),
        (b"i\xff\xff\xff\xff", 2**32 - 1),
        (b"l" + b"\xff" * 8, -1),
        (b"L" + b"\x7f" + b"\xff" * 7, 2**63 - 1),
        (b"f" + struct.pack(">f", 1.5), 1.5),
        (b"d" + struct.pack(">d", math.inf), math.inf),
        (b"D\x02" + struct.pack(">i", 1999), Decimal("19.99")),
        (b"D\xff" + struct.pack(">i", 1), Decimal("1e-255")),
        (b"T" + struct.pack(">Q", 0), datetime(1970, 1, 1, tzinfo=UTC)),
        (b"T" + struct.pack(">Q", 253_402_300_800), 253_402_300_800),  # the first second of the year 10000
        (b"T" + b"\xff" * 8, 2**64 - 1),
        (b"S\0\0\0\x02\xff\xfe", b"\xff\xfe"),
        (b"x\0\0\0\x01a", b"a"),
        (b"V", None),
        (b"A\0\0\0\x03t\x01V", [True, None]),
        (b"F" + table((b"\xff", b"V")), {b"\xff": None}),
    ],
)
def test_every_kind_of_header_is_read(value: bytes, expected: object) -> None:
    assert decoded(value) == expected


def test_a_header_that_is_no_number_is_read() -> None:
    assert math.isnan(decoded(b"d" + struct.pack(">d", math.nan)))


@pytest.mark.parametrize("kind", [b"A", b"F"])
def test_tables_below_the_deepest_stay_bytes(kind: bytes) -> None:
    found, depth = decoded(nested(kind, 2_000)), 0

    while not isinstance(found, bytes):
        found = found[0] if isinstance(found, list) else found["k"]
        depth += 1

    assert depth == DEEPEST


def test_a_kind_that_nobody_knows_takes_the_rest_of_its_table() -> None:
    assert decode_table(table((b"ce-id", b"V"), (b"odd", b"?abc")), 0)[0] == {"ce-id": None, "odd": b"?abc"}


HEADERS = st.recursive(
    st.none() | st.booleans() | st.text() | st.binary() | st.integers(-(2**63), 2**63 - 1) | st.datetimes(datetime(1970, 1, 2)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=60), inner),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=60), HEADERS))
def test_what_pika_reads_is_read_alike(headers: dict[str, object]) -> None:
    pieces: list[bytes] = []
    pika.data.encode_table(pieces, headers)
    encoded = b"".join(pieces)

    assert decode_table(encoded, 0) == untouched_pika().decode_table(encoded, 0)


@pytest.mark.requirement("R124")
def test_a_header_that_pika_cannot_read_ends_no_connection(vhost: str) -> None:
    headers = table((b"year 10000", b"T" + struct.pack(">Q", 253_402_300_800)), (b"deep", nested(b"F", 2_000)))
    install()
    with contextlib.closing(BlockingConnection(pika.URLParameters(vhost))) as connection:
        channel = connection.channel()
        channel.queue_declare("poisoned", exclusive=True)
        channel.basic_publish("", "poisoned", b"{}", RawHeaders(headers))

        _, properties, body = channel.basic_get("poisoned", auto_ack=True)

    assert properties.headers["year 10000"] == 253_402_300_800
    assert body == b"{}"
