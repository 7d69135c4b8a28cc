"""The three forms of a delivery, and what is refused of each."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from worker.core.wire import BATCH, MOST_BYTES, STRUCTURED, Delivery, Event, Refused, decode, headers_as_text

DATA = {"connection": "My Amazon US Link", "sku": "BK-1", "price": "19.99"}
EVENT = {"specversion": "1.0", "id": "1", "source": "erp", "type": "feedline.inventory.v1", "data": DATA}


def delivery(body: object, content_type: str | bytes | None = STRUCTURED, headers: Mapping[Any, object] | None = None) -> Delivery:
    return Delivery("feedline.inventory", body if isinstance(body, bytes) else json.dumps(body).encode(), content_type, headers or {})


def event(body: object, content_type: str | bytes | None = STRUCTURED, headers: Mapping[Any, object] | None = None) -> Event:
    [only] = decode(delivery(body, content_type, headers))
    assert isinstance(only, Event)
    return only


def refused(body: object, content_type: str | bytes | None = STRUCTURED, headers: Mapping[Any, object] | None = None) -> Refused:
    [only] = decode(delivery(body, content_type, headers))
    assert isinstance(only, Refused)
    return only


def codes(refused: Refused) -> list[str]:
    return [fault.code for fault in refused.faults]


@pytest.mark.requirement("R118")
@pytest.mark.parametrize(
    "content_type",
    [
        STRUCTURED,
        "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON",
        None,
        "application/json",
        b"application/json",
    ],
)
def test_a_structured_event_is_read_with_and_without_its_content_type(content_type: str | bytes | None) -> None:
    read = event(EVENT, content_type)

    assert read.data == DATA
    assert read.attributes["id"] == "1"
    assert read.original == json.dumps(EVENT).encode()


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("content_type", [BATCH, f"{BATCH};charset=utf-8", None, "application/json"])
def test_each_event_of_a_batch_keeps_its_own_bytes(content_type: str | None) -> None:
    body = b'[ {"specversion": "1.0", "id": "1"} ,\n{"specversion":"1.0","id":"2","data":{"a":1.10}} ]'

    events = decode(delivery(body, content_type))

    assert [read.original for read in events] == [
        b'{"specversion": "1.0", "id": "1"}',
        b'{"specversion":"1.0","id":"2","data":{"a":1.10}}',
    ]
    assert {read.content_type for read in events} == {STRUCTURED}


def test_an_empty_batch_has_no_events() -> None:
    assert decode(delivery(b" [ ] ", BATCH)) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"id":"2","data":{"price":NaN}}', "NOT_JSON"),
        (b'{"id":"2","data":{"price":-Infinity}}', "NOT_JSON"),
        (b'{"id":"2","data":{"title":"\xff"}}', "NOT_UTF8"),
        (b'{"id":"2","data":{"title":"\\ud800"}}', "NOT_JSON"),
        (b'{"id":"2","data":{"price":1' + b"0" * 399 + b"}}", "NUMBER_OUT_OF_RANGE"),
        (b'{"id":"2","data":{"price":1,"price":2}}', "DUPLICATE_KEY"),
        (b'{"id":"2","data":' + b"[" * 40 + b"]" * 40 + b"}", "TOO_DEEP"),
        (b'{"id":"2","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "TOO_DEEP"),
        (b'{"id":"2","data":}', "NOT_JSON"),
        (b'{"id":"2"} {"id":"3"}', "NOT_JSON"),
        (b'{"id":"2","data":{"title":"],\\"[\\\\","price":NaN}}', "NOT_JSON"),
        (b'"a text"', "NOT_CLOUDEVENT"),
    ],
)
def test_one_bad_event_of_a_batch_does_not_sink_the_others(bad: bytes, code: str) -> None:
    good = json.dumps(EVENT).encode()

    first, second, third = decode(delivery(b"[%b, %b ,%b]" % (good, bad, good), BATCH))

    assert isinstance(first, Event)
    assert isinstance(second, Refused)
    assert isinstance(third, Event)
    assert codes(second) == [code]
    assert second.original == bad


@pytest.mark.parametrize("body", [b'[{"id":"1"}', b'[{"id":"1"},]', b'[,{"id":"1"}]', b'[{"id":"1"}] x', b'[{"id":"1"}]]', b'["', b"["])
def test_a_batch_that_nobody_can_take_apart_is_refused_as_a_whole(body: bytes) -> None:
    only = refused(body, BATCH)

    assert codes(only) == ["NOT_JSON"]
    assert only.original == body


def test_a_batch_must_be_an_array() -> None:
    assert codes(refused(EVENT, BATCH)) == ["NOT_CLOUDEVENT"]


def test_data_in_base64_is_read_as_the_json_that_it_holds() -> None:
    encoded = {key: value for key, value in EVENT.items() if key != "data"}
    encoded["data_base64"] = base64.b64encode(b'{"connection":"c","sku":"s","price":0.10}').decode()

    assert event(encoded).data == {"connection": "c", "sku": "s", "price": Decimal("0.10")}


@pytest.mark.parametrize("value", ["***", 7, None, "é"])
def test_data_in_base64_that_is_none_is_named(value: object) -> None:
    body = {key: value for key, value in EVENT.items() if key != "data"} | {"data_base64": value}

    [fault] = refused(body).faults

    assert (fault.code, fault.field) == ("ATTRIBUTE_INVALID", "data_base64")


def test_data_twice_is_refused() -> None:
    assert codes(refused(EVENT | {"data_base64": "e30="})) == ["ATTRIBUTE_INVALID"]


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "ce_", "CE-"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/vnd.erp+json", None])
def test_binary_mode_has_its_attributes_in_headers(prefix: str, content_type: str | None) -> None:
    headers = {f"{prefix}{name}": value for name, value in EVENT.items() if name != "data"} | {"x-other": "ignored"}

    read = event(DATA, content_type, headers)

    assert read.attributes == {name: value for name, value in EVENT.items() if name != "data"}
    assert read.data == DATA


def test_header_values_of_other_amqp_types_are_read_as_text() -> None:
    headers = {
        "ce-id": 42,
        b"ce-source": b"erp",
        "ce-time": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "ce-flag": True,
        "ce-none": None,
        "ce-sequence": Decimal(7),
    }

    assert event(DATA, "application/json", headers).attributes == {
        "id": "42",
        "source": "erp",
        "time": "2026-01-31T12:00:00+00:00",
        "flag": "true",
        "sequence": "7",
    }


def test_structured_mode_goes_before_headers() -> None:
    assert event(EVENT, STRUCTURED, {"ce-id": "other"}).attributes["id"] == "1"


def enveloped(**changes: object) -> dict[str, object]:
    return {"queue_name": "q", "actor_name": "stage_inventory", "args": [EVENT], "kwargs": {}, "options": {}, "message_id": "m"} | changes


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("actor", ["stage_inventory", "stage_listing", "stage_shipment"])
def test_a_dramatiq_envelope_carries_one_event(actor: str) -> None:
    read = event(enveloped(actor_name=actor), None)

    assert read.attributes["id"] == "1"
    assert read.data == DATA


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"actor_name": "submit_feed"}, "ACTOR_UNKNOWN"),
        ({"actor_name": 7}, "ACTOR_UNKNOWN"),
        ({"args": []}, "NOT_CLOUDEVENT"),
        ({"args": [EVENT, EVENT]}, "NOT_CLOUDEVENT"),
        ({"args": ["text"]}, "NOT_CLOUDEVENT"),
        ({"args": None}, "NOT_CLOUDEVENT"),
        ({"kwargs": {"event": 1}}, "NOT_CLOUDEVENT"),
    ],
)
def test_other_dramatiq_messages_are_refused(changes: dict[str, object], code: str) -> None:
    assert codes(refused(enveloped(**changes), None)) == [code]


def test_a_refused_envelope_still_tells_the_events_identity() -> None:
    assert refused(enveloped(actor_name="other"), None).attributes["id"] == "1"


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("body", [DATA, "text", 7, None])
def test_bare_json_is_no_message(body: object) -> None:
    assert codes(refused(body, None)) == ["NOT_CLOUDEVENT"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/octet-stream", "garbage", b"\xff"])
def test_an_unknown_content_type_is_refused_with_the_identity_that_the_body_has(content_type: str | bytes) -> None:
    only = refused(EVENT, content_type)

    assert codes(only) == ["CONTENT_TYPE_UNKNOWN"]
    assert only.attributes["id"] == "1"


def test_binary_mode_with_another_content_type_is_refused() -> None:
    only = refused(DATA, "text/csv", {"ce-id": "1"})

    assert codes(only) == ["CONTENT_TYPE_UNKNOWN"]
    assert only.attributes == {"id": "1"}


def test_a_body_over_one_mebibyte_is_refused_and_its_identity_read() -> None:
    only = refused(EVENT | {"padding": "x" * 5_000_000})

    assert codes(only) == ["BODY_TOO_LARGE"]
    assert only.attributes["id"] == "1"
    assert only.data == {name: DATA[name] for name in ("connection", "sku")}


@pytest.mark.requirement("R124")
@pytest.mark.parametrize("content_type", [STRUCTURED, BATCH, None])
def test_a_body_of_millions_of_small_values_is_refused_as_one(content_type: str | None) -> None:
    for body in (
        b"[" + b"1," * 500_000 + b"1]",
        b"[" + b"1," * 6_000_000 + b"1]",
        b"[" * 6_000_000,
        b'{"id": "1", "a": [' + b"1," * 6_000_000 + b"1]}",
    ):
        [only] = decode(Delivery("feedline.inventory", body, content_type))

        assert isinstance(only, Refused)
        assert only.original == body


def test_the_identity_in_a_dramatiq_message_over_one_mebibyte_is_read() -> None:
    envelope = {"actor_name": "stage_inventory", "args": [EVENT | {"padding": "x" * 2_000_000}], "kwargs": {}}

    assert refused(envelope, None).attributes["id"] == "1"


def test_a_body_of_exactly_one_mebibyte_is_taken() -> None:
    body = json.dumps(EVENT).encode()

    assert event(body + b" " * (MOST_BYTES - len(body))).data == DATA
    assert codes(refused(body + b" " * (MOST_BYTES - len(body) + 1))) == ["BODY_TOO_LARGE"]


def test_a_body_over_sixteen_mebibytes_is_not_looked_into() -> None:
    only = refused(json.dumps(EVENT).encode() + b" " * 16 * MOST_BYTES)

    assert codes(only) == ["BODY_TOO_LARGE"]
    assert only.attributes == {}


def test_a_batch_over_one_mebibyte_is_refused_event_by_event() -> None:
    events = decode(delivery([EVENT | {"id": str(number), "padding": "x" * 600_000} for number in range(3)], BATCH))

    assert [read.attributes["id"] for read in events] == ["0", "1", "2"]
    assert all(isinstance(read, Refused) and codes(read) == ["BODY_TOO_LARGE"] for read in events)


def test_a_large_binary_body_keeps_the_identity_of_its_headers() -> None:
    assert refused({"x": "x" * 2_000_000}, "application/json", {"ce-id": "1"}).attributes == {"id": "1"}


def test_headers_are_kept_as_text_that_postgres_can_store() -> None:
    assert headers_as_text({"a\0b": b"\xff", "n": 1, "none": None}) == {"a\ufffdb": "?", "n": "1"}


def test_an_event_without_data_says_so() -> None:
    assert event({"specversion": "1.0"}).data is msgspec.UNSET
