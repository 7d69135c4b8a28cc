"""Outgoing events: their routing keys, their ids and their bytes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import jsonschema_rs
import msgspec
import pytest

from schema.documents import OUTGOING, Outgoing, outgoing_schema
from worker.core.events import (
    ConnectionData,
    FeedData,
    OrderData,
    OrderedItem,
    OrderTold,
    OutcomeData,
    OutgoingEvent,
    RunData,
    connection_event,
    feed_event,
    order_event,
    outcome_event,
    routing_word,
    run_event,
    upstream_event,
)
from worker.core.issues import issue
from worker.core.messages import Message, MessageType, read
from worker.core.orders import Unmapped
from worker.core.wire import Delivery, decode

AT = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
OUTCOME = OutcomeData(
    id="42",
    source="erp",
    type=MessageType.INVENTORY,
    connection="My Amazon US Link",
    key="BK-1",
    outcome="rejected",
    feed_id=7,
    amazon_feed_id="99",
    message_id=3,
    issues=(issue("SKU_UNKNOWN", value="BK-1", reason=""),),
    facets={"price": {"value": Decimal("19.90")}},
)
FEED = FeedData(connection="US", feed_id=7, amazon_feed_id=None, feed_type="JSON_LISTINGS_FEED", state="cut", messages=3)
LOST = ConnectionData(connection="US", state="not_authorized", reason="Amazon refused the refresh token.")
RUN = RunData(run_id=5, connection="US", kind="get-orders", trigger="schedule", state="done", summary={"orders": 2})
ORDER = OrderData(
    connection="US",
    amazon_order_id="902-3159896-1390916",
    status="UNSHIPPED",
    purchased_at=AT,
    updated_at=None,
    total="39.98",
    currency="USD",
    items=[OrderedItem(amazon_order_item_id="1", sku="BK-1", quantity=2)],
    mapped={},
)
ALL = (
    outcome_event(11, OUTCOME, at=AT),
    feed_event(FEED, at=AT),
    connection_event(LOST, at=AT),
    run_event(RUN, at=AT),
    order_event("v2", ORDER, at=AT),
)


@pytest.mark.parametrize(("event", "published"), list(zip(ALL, OUTGOING, strict=True)), ids=[published.kind for published in OUTGOING])
def test_an_event_is_what_its_published_schema_says(event: OutgoingEvent, published: Outgoing) -> None:
    jsonschema_rs.validator_for(outgoing_schema(published), validate_formats=True).validate(json.loads(event.body))


def test_routing_keys_name_connection_and_state() -> None:
    assert [event.routing_key for event in ALL] == [
        "outcome.My_Amazon_US_Link.rejected",
        "feed.US.cut",
        "connection.US.not_authorized",
        "run.US.get-orders",
        "order.US",
    ]


@pytest.mark.parametrize(
    ("name", "word"),
    [("US-1_a", "US-1_a"), ("a.b#c*d e", "a_b_c_d_e"), ("Süd", "S_d"), (None, "_"), ("", "_"), ("x" * 300, "x" * 180)],
)
def test_a_name_in_a_routing_key_has_only_letters_digits_hyphen_and_underscore(name: str | None, word: str) -> None:
    assert routing_word(name) == word


def test_an_order_is_told_with_what_the_contract_lists_and_with_what_could_not_be_mapped_where_there_is_any() -> None:
    listed = {"connection", "amazon_order_id", "status", "purchased_at", "updated_at", "total", "currency", "items", "mapped"}
    faulty = msgspec.structs.replace(ORDER, unmapped=[Unmapped("invoice.total", None, "FIELD_INVALID")])

    assert json.loads(order_event("v2", ORDER, at=AT).body)["data"].keys() == listed
    assert json.loads(order_event("v2", faulty, at=AT).body)["data"].keys() == listed | {"unmapped"}


def test_neither_an_orders_event_nor_its_data_prints_personal_data() -> None:
    told = OrderTold("v2", "here", ORDER).event({"customer": "Jane Roe"}, at=AT)
    data = msgspec.structs.replace(ORDER, mapped={"customer": "Jane Roe"})

    assert b"Jane Roe" in told.body
    assert "Jane" not in f"{told!r} {data!r}"


def test_an_outcome_told_again_is_byte_for_byte_the_same_event() -> None:
    assert outcome_event(11, OUTCOME, at=AT) == outcome_event(11, OUTCOME, at=AT.astimezone(timezone(timedelta(hours=9))))


def test_a_feed_that_comes_into_a_state_again_is_another_event() -> None:
    assert feed_event(FEED, at=AT).id != feed_event(FEED, at=AT + timedelta(microseconds=1)).id


def test_an_outcome_carries_the_trace_context_and_exact_numbers() -> None:
    event = outcome_event(11, OUTCOME, at=AT, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    assert b'"value":19.90' in event.body
    assert json.loads(event.body)["traceparent"].startswith("00-aaaa")
    assert json.loads(event.body)["subject"] == "42"
    assert json.loads(event.body)["data"]["issues"][0]["code"] == "SKU_UNKNOWN"


@pytest.mark.requirement("R118")
def test_a_sample_that_we_publish_is_taken_at_our_own_door() -> None:
    data = {"connection": "My Link", "sku": "BK-1", "price": Decimal("19.90")}

    event = upstream_event(MessageType.INVENTORY, data, event_id="1", source="sample", time=AT, sequence=4)

    assert event.routing_key == "inventory.My_Link"
    [decoded] = decode(Delivery("q", event.body, event.content_type))
    found = read(decoded, now=AT)
    assert isinstance(found, Message)
    assert found.data == data
    assert (found.time, found.sequence) == (AT, 4)
