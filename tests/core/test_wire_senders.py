"""Senders that are not ours: what they put on the wire is read. And whatever is on the wire, nothing breaks."""

import json
import string
from datetime import UTC, datetime, timedelta, timezone

import dramatiq
import msgspec
import pytest
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from worker.core.messages import Invalid, Message, MessageType, read
from worker.core.wire import Delivery, Event, Refused, decode

NOW = datetime(2026, 2, 1, tzinfo=UTC)
TIME = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
DATA = {"connection": "My Amazon US Link", "sku": "BK-1", "quantity": 12}
ATTRIBUTES = {
    "id": "42",
    "source": "urn:erp:ä",
    "type": "feedline.inventory.v1",
    "time": TIME,
    "sequence": "0042",
    "datacontenttype": "application/json",
}


def message(delivery: Delivery) -> Message:
    [event] = decode(delivery)
    found = read(event, now=NOW)
    assert isinstance(found, Message), found
    return found


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("binding", [rabbitmq.to_binary, rabbitmq.to_structured])
def test_the_cloudevents_sdk_sends_what_we_read(binding: object) -> None:
    sent = binding(CloudEvent(attributes=dict(ATTRIBUTES), data=dict(DATA)), JSONFormat())  # type: ignore[operator]

    found = message(Delivery("feedline.inventory", sent.body, sent.content_type, sent.headers))

    assert (found.source, found.external_id, found.type) == ("urn:erp:ä", "42", MessageType.INVENTORY)
    assert found.time == TIME
    assert found.time.tzinfo is UTC
    assert found.sequence == 42
    assert found.data == DATA


@pytest.mark.requirement("R118")
def test_dramatiq_sends_what_we_read() -> None:
    event = {"specversion": "1.0", "id": "42", "source": "erp", "type": "feedline.inventory.v1", "data": DATA}
    sent = dramatiq.Message("feedline.inventory", "stage_inventory", (event,), {}, {}).encode()

    found = message(Delivery("feedline.inventory", sent))

    assert found.external_id == "42"
    assert found.data == DATA


@pytest.mark.requirement("R118", "R123")
def test_one_message_has_one_digest_whichever_form_it_came_in() -> None:
    event = CloudEvent(attributes=dict(ATTRIBUTES), data=dict(DATA))
    binary, structured = rabbitmq.to_binary(event, JSONFormat()), rabbitmq.to_structured(event, JSONFormat())
    enveloped = dramatiq.Message("q", "stage_inventory", (json.loads(structured.body),), {}, {}).encode()

    digests = {
        message(Delivery("q", binary.body, binary.content_type, binary.headers)).digest,
        message(Delivery("q", structured.body, structured.content_type)).digest,
        message(Delivery("q", b"[" + structured.body + b"]")).digest,
        message(Delivery("q", enveloped)).digest,
    }

    assert len(digests) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "sequence", "data", "data_base64", "traceparent", "datacontenttype"]
)
TYPES = st.sampled_from([*map(str, MessageType), "other"])
SPECIFIC = st.sampled_from(
    ["1.0", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "e30=", "18446744073709551616"]
)
FIELDS = st.sampled_from(
    ["connection", "sku", "operation", "items", "shipped_at", "amazon_order_id", "fulfillment_request_number", "tracking_number", "carrier"]
)
EVENTS = st.dictionaries(NAMES, JSON | SPECIFIC | TYPES | st.dictionaries(FIELDS, JSON | SPECIFIC, max_size=9), max_size=10)
HEADERS = st.dictionaries(
    st.binary(max_size=5) | st.builds("{}{}".format, st.sampled_from(["ce-", "cloudEvents:", "x"]), NAMES),
    JSON | SPECIFIC | TYPES | st.binary(max_size=5) | st.datetimes() | st.decimals(),
    max_size=8,
)
BODIES = (
    st.binary(max_size=300)
    | st.text(alphabet=string.printable, max_size=100).map(str.encode)
    | (EVENTS | st.lists(EVENTS, max_size=3) | st.builds(lambda e: {"actor_name": "stage_inventory", "args": [e]}, EVENTS) | JSON).map(
        lambda value: json.dumps(value).encode()
    )
)
CONTENT_TYPES = st.sampled_from(
    [None, "application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "", b"\xff"]
)


@pytest.mark.requirement("R124")
@given(BODIES, CONTENT_TYPES | st.text(max_size=5), HEADERS)
def test_whatever_comes_is_a_message_or_invalid_with_reasons(
    body: bytes, content_type: str | bytes | None, headers: dict[object, object]
) -> None:
    for event in decode(Delivery("q", body, content_type, headers)):
        assert isinstance(event, Event | Refused)
        found = read(event, now=NOW)
        if isinstance(found, Invalid):
            assert found.issues
            assert all(issue.message and issue.remedy for issue in found.issues)
        assert len(found.digest) == 16
        stored = msgspec.structs.asdict(found)
        for name in ("source", "external_id", "type", "connection", "key"):
            text = stored[name]
            assert text is None or ("\0" not in text and len(text.encode()) <= 1100)
