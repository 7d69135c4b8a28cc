"""The checks at the door: what is a message, and every fault of what is none."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from worker.core.messages import MOST_ATTRIBUTE_BYTES, Invalid, Message, MessageType, read, shipment_key
from worker.core.wire import STRUCTURED, Delivery, decode

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
INVENTORY: dict[str, Any] = {"connection": "My Amazon US Link", "sku": "BK-1", "price": "19.99", "quantity": 3}
LISTING: dict[str, Any] = {"connection": "My Amazon US Link", "sku": "BK-1", "title": "Bottle"}
SHIPMENT: dict[str, Any] = {
    "connection": "My Amazon US Link",
    "fulfillment_request_number": "FR-1",
    "amazon_order_id": "902-3159896-1390916",
    "shipped_at": "2026-01-31T12:00:00Z",
    "carrier": "UPS",
    "tracking_number": "1Z 999 AA1",
    "items": [{"amazon_order_item_id": "1", "quantity": 2}],
}


def take(body: bytes) -> Message | Invalid:
    [event] = decode(Delivery("feedline.inventory", body, STRUCTURED))
    return read(event, now=NOW)


def sent(data: object, kind: str = "inventory", **attributes: object) -> Message | Invalid:
    event = {"specversion": "1.0", "id": "1", "source": "erp", "type": f"feedline.{kind}.v1"} | attributes
    return take(json.dumps({key: value for key, value in event.items() if value is not ...} | {"data": data}).encode())


def message(data: object, kind: str = "inventory", **attributes: object) -> Message:
    found = sent(data, kind, **attributes)
    assert isinstance(found, Message), found
    return found


def faults(data: object, kind: str = "inventory", **attributes: object) -> list[tuple[str, str | None]]:
    found = sent(data, kind, **attributes)
    assert isinstance(found, Invalid), found
    return [(fault.code, fault.field) for fault in found.issues]


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    ("kind", "data", "key"),
    [("inventory", INVENTORY, "BK-1"), ("listing", LISTING, "BK-1"), ("shipment", SHIPMENT, "FR-1 1Z999AA1")],
)
def test_each_type_has_its_key(kind: str, data: dict[str, Any], key: str) -> None:
    found = message(data, kind)

    assert found.key == key
    assert found.type is MessageType(f"feedline.{kind}.v1")
    assert found.connection == "My Amazon US Link"


def test_the_body_is_canonical_and_keeps_every_digit() -> None:
    data = b'{"sku":"s","price":19.990000000000000001,"connection":"c"}'

    found = take(b'{"specversion":"1.0","id":"1","source":"erp","type":"feedline.inventory.v1","data":%b}' % data)

    assert isinstance(found, Message)
    assert found.data["price"] == Decimal("19.990000000000000001")
    assert found.body == b'{"connection":"c","price":19.990000000000000001,"sku":"s"}'


def test_the_digest_tells_other_content_and_other_types_apart() -> None:
    assert message(INVENTORY).digest == message(dict(reversed(INVENTORY.items()))).digest
    assert message(INVENTORY).digest != message(INVENTORY | {"quantity": 4}).digest
    assert message(LISTING, "listing").digest != message(LISTING, "inventory").digest


@pytest.mark.requirement("R6")
def test_a_sku_is_taken_exactly_as_it_is_written() -> None:
    assert message(INVENTORY | {"sku": " abc"}).key == " abc"


def test_a_template_may_use_fields_that_we_do_not_know() -> None:
    assert message({"connection": "c", "sku": "s", "warehouse": {"stock": [1, None]}}).data["warehouse"] == {"stock": [1, None]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"id": ...}, [("ATTRIBUTE_MISSING", "id")]),
        ({"source": None}, [("ATTRIBUTE_MISSING", "source")]),
        ({"type": ...}, [("ATTRIBUTE_MISSING", "type")]),
        ({"specversion": ...}, [("ATTRIBUTE_MISSING", "specversion")]),
        ({"id": ..., "source": ...}, [("ATTRIBUTE_MISSING", "source"), ("ATTRIBUTE_MISSING", "id")]),
        ({"id": ""}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "  "}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": 7}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "a\0b"}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "a\nb"}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "a\ufffe"}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "x" * (MOST_ATTRIBUTE_BYTES + 1)}, [("ATTRIBUTE_INVALID", "id")]),
        ({"id": "ä" * (MOST_ATTRIBUTE_BYTES // 2 + 1)}, [("ATTRIBUTE_INVALID", "id")]),
        ({"specversion": "0.3"}, [("ATTRIBUTE_INVALID", "specversion")]),
        ({"specversion": 1.0}, [("ATTRIBUTE_INVALID", "specversion")]),
        ({"type": "feedline.inventory.v2"}, [("TYPE_UNKNOWN", "type")]),
        ({"type": "inventory"}, [("TYPE_UNKNOWN", "type")]),
        ({"type": ["feedline.inventory.v1"]}, [("TYPE_UNKNOWN", "type")]),
        ({"time": "yesterday"}, [("ATTRIBUTE_INVALID", "time")]),
        ({"time": "2026-01-31"}, [("ATTRIBUTE_INVALID", "time")]),
        ({"time": "2026-01-31T12:00:00"}, [("ATTRIBUTE_INVALID", "time")]),
        ({"time": 1769860800}, [("ATTRIBUTE_INVALID", "time")]),
        ({"time": "0001-01-01T00:00:00+10:00"}, [("ATTRIBUTE_INVALID", "time")]),
        ({"time": "2026-02-02T12:00:01Z"}, [("TIME_IN_FUTURE", "time")]),
        ({"sequence": "12a"}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": "-1"}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": -1}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": 1.5}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": True}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": "٣"}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": ""}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": 2**63}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"sequence": "9223372036854775808"}, [("ATTRIBUTE_INVALID", "sequence")]),
        ({"datacontenttype": "text/xml"}, [("ATTRIBUTE_INVALID", "datacontenttype")]),
    ],
)
def test_a_fault_of_an_attribute_is_named(attributes: dict[str, object], expected: list[tuple[str, str]]) -> None:
    assert faults(INVENTORY, "inventory", **attributes) == expected


@pytest.mark.parametrize(
    ("attributes", "field", "value"),
    [
        ({"sequence": 0}, "sequence", 0),
        ({"sequence": "007"}, "sequence", 7),
        ({"sequence": "9223372036854775807"}, "sequence", 2**63 - 1),
        ({"sequence": 1_764_000_000_123_456_789}, "sequence", 1_764_000_000_123_456_789),
        ({}, "sequence", None),
        ({"time": "2026-02-02T12:00:00Z"}, "time", NOW + timedelta(days=1)),
        ({"time": "2026-02-01T13:00:00+01:00"}, "time", NOW),
        ({}, "time", None),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ({"traceparent": "broken\n"}, "traceparent", None),
        ({"datacontenttype": "application/json; charset=utf-8"}, "external_id", "1"),
        ({"source": "https://erp.example/ä b"}, "source", "https://erp.example/ä b"),
        ({"unheardof": {"a": 1}}, "external_id", "1"),
    ],
)
def test_attributes_are_read(attributes: dict[str, object], field: str, value: object) -> None:
    assert getattr(message(INVENTORY, "inventory", **attributes), field) == value


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("inventory", None, [("FIELD_MISSING", "data")]),
        ("inventory", [], [("FIELD_INVALID", "data")]),
        ("inventory", '{"sku":"s"}', [("FIELD_INVALID", "data")]),
        ("inventory", {}, [("FIELD_MISSING", "connection"), ("FIELD_MISSING", "sku")]),
        ("inventory", {"connection": 7, "sku": 7}, [("FIELD_INVALID", "connection"), ("FIELD_INVALID", "sku")]),
        ("inventory", {"connection": "", "sku": ""}, [("FIELD_INVALID", "connection"), ("SKU_INVALID", "sku")]),
        ("inventory", {"connection": "c" * 256, "sku": "s" * 41}, [("FIELD_INVALID", "connection"), ("SKU_INVALID", "sku")]),
        ("inventory", {"connection": "c", "sku": "a\tb"}, [("SKU_INVALID", "sku")]),
        ("inventory", {"connection": "c", "sku": "s", "note": ["a\0b"]}, [("FIELD_INVALID", "note")]),
        ("listing", LISTING | {"operation": "remove"}, [("FIELD_INVALID", "operation")]),
        ("listing", LISTING | {"operation": True}, [("FIELD_INVALID", "operation")]),
        (
            "shipment",
            {"connection": "c"},
            [("FIELD_MISSING", f) for f in ("fulfillment_request_number", "amazon_order_id", "shipped_at", "items")],
        ),
        ("shipment", SHIPMENT | {"amazon_order_id": "902-3159896"}, [("FIELD_INVALID", "amazon_order_id")]),
        ("shipment", SHIPMENT | {"amazon_order_id": "902-3159896-1390916\n"}, [("FIELD_INVALID", "amazon_order_id")]),
        ("shipment", SHIPMENT | {"shipped_at": "2026-01-31T12:00:00"}, [("FIELD_INVALID", "shipped_at")]),
        ("shipment", SHIPMENT | {"carrier": "c" * 51, "method": "m" * 51}, [("FIELD_INVALID", "carrier"), ("FIELD_INVALID", "method")]),
        ("shipment", SHIPMENT | {"tracking_number": 12345}, [("FIELD_INVALID", "tracking_number")]),
        ("shipment", SHIPMENT | {"items": [{"quantity": 1}]}, [("FIELD_INVALID", "items.0")]),
        ("shipment", SHIPMENT | {"items": [{"sku": "s", "quantity": 0}]}, [("FIELD_INVALID", "items.0.quantity")]),
        ("shipment", SHIPMENT | {"items": [{"sku": "s", "quantity": 2**31}]}, [("FIELD_INVALID", "items.0.quantity")]),
        ("shipment", SHIPMENT | {"items": [{"sku": "s", "quantity": "1"}]}, [("FIELD_INVALID", "items.0.quantity")]),
        ("shipment", SHIPMENT | {"items": [{"sku": "s", "quantity": 1.5}]}, [("FIELD_INVALID", "items.0.quantity")]),
        ("shipment", SHIPMENT | {"items": None}, [("FIELD_MISSING", "items")]),
        (
            "shipment",
            SHIPMENT | {"items": [{"sku": "s", "quantity": 1, "bundle": {"amazon_order_item_id": "1", "components": []}}]},
            [("FIELD_INVALID", "items.0.bundle.components")],
        ),
        (
            "shipment",
            SHIPMENT
            | {
                "items": [{"sku": "s", "quantity": 1, "bundle": {"amazon_order_item_id": "1", "components": [{"sku": "t", "quantity": 1}]}}]
            },
            [("FIELD_INVALID", "items.0")],
        ),
    ],
)
def test_a_fault_of_the_data_is_named(kind: str, data: object, expected: list[tuple[str, str]]) -> None:
    assert faults(data, kind) == expected


def test_faults_of_attributes_and_data_are_named_together() -> None:
    assert faults({"sku": 7}, id=..., time="x", sequence="x") == [
        ("ATTRIBUTE_MISSING", "id"),
        ("ATTRIBUTE_INVALID", "time"),
        ("ATTRIBUTE_INVALID", "sequence"),
        ("FIELD_MISSING", "connection"),
        ("FIELD_INVALID", "sku"),
    ]


def test_a_listing_can_be_deleted() -> None:
    assert message(LISTING | {"operation": "delete"}, "listing").data["operation"] == "delete"


def test_a_shipment_without_items_is_a_message() -> None:
    assert message(SHIPMENT | {"items": []}, "shipment").data["items"] == []


def test_a_shipment_may_have_a_component_of_a_bundle() -> None:
    bundle = {"amazon_order_item_id": "1", "components": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]}

    assert message(SHIPMENT | {"items": [{"sku": "b", "quantity": 2, "bundle": bundle}]}, "shipment")


@pytest.mark.parametrize("tracking_number", [None, "", " "])
def test_an_untracked_parcel_has_an_empty_second_half(tracking_number: str | None) -> None:
    assert message(SHIPMENT | {"tracking_number": tracking_number}, "shipment").key == "FR-1 "


def test_two_parcels_never_share_a_key() -> None:
    assert shipment_key("FR 1", "2") != shipment_key("FR", "1 2")
    assert shipment_key("FR-1", "1Z 9") == shipment_key("FR-1", "1Z9") == shipment_key("FR-1", "1z9")


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"tracking_number": "1z 9"}, "FR-1 1Z9"),
        ({"tracking_number": None}, "FR-1 "),
        ({"tracking_number": "9" * 51}, None),
        ({"tracking_number": 9}, None),
        ({"fulfillment_request_number": ""}, None),
        ({"fulfillment_request_number": "a\0"}, None),
    ],
)
def test_an_invalid_shipment_keeps_its_key_if_that_is_whole(given: dict[str, Any], key: str | None) -> None:
    found = sent(SHIPMENT | {"items": [{"sku": "s", "quantity": 0}]} | given, "shipment")

    assert isinstance(found, Invalid)
    assert found.key == key


def test_what_is_invalid_keeps_its_bytes_and_what_identifies_it() -> None:
    found = sent({"connection": "c", "sku": "BK-1", "note": "a\0"})

    assert isinstance(found, Invalid)
    assert (found.source, found.external_id, found.type, found.connection, found.key) == ("erp", "1", "feedline.inventory.v1", "c", "BK-1")
    assert json.loads(found.original)["data"]["sku"] == "BK-1"
    assert found.digest == sent({"note": "a\0", "sku": "BK-1", "connection": "c"}).digest


def test_what_is_invalid_keeps_its_trace_context() -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    found = sent(INVENTORY | {"sku": ""}, traceparent=traceparent)

    assert isinstance(found, Invalid)
    assert found.traceparent == traceparent


def test_a_trace_context_that_is_not_utf_8_is_left_out() -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "erp", "type": "feedline.inventory.v1"}
    headers = {f"ce-{name}": value for name, value in attributes.items()} | {"ce-traceparent": b"\xff"}
    [event] = decode(Delivery("feedline.inventory", json.dumps(INVENTORY).encode(), None, headers))

    found = read(event, now=NOW)

    assert isinstance(found, Message)
    assert found.traceparent is None


def test_what_is_not_json_is_still_identified_where_possible() -> None:
    found = take(
        b'{"specversion":"1.0","id":"1","source":"erp","type":"feedline.inventory.v1","data":{"connection":"c","sku":"s","price":NaN}}'
    )

    assert isinstance(found, Invalid)
    assert [fault.code for fault in found.issues] == ["NOT_JSON"]
    assert (found.source, found.external_id, found.connection, found.key) == ("erp", "1", "c", "s")


def test_an_identity_that_no_table_could_hold_is_left_in_the_bytes() -> None:
    found = sent(INVENTORY | {"sku": "s" * 5000, "connection": "c\0"}, id="x" * 5000, type="t" * 5000)

    assert isinstance(found, Invalid)
    assert (found.external_id, found.type, found.connection, found.key) == (None, None, None, None)


def test_an_issue_names_value_and_remedy_and_shows_no_control_character() -> None:
    found = sent(INVENTORY | {"sku": "a\x1bb"})

    assert isinstance(found, Invalid)
    [fault] = found.issues
    assert fault.value == "a\\x1bb"
    assert fault.message == "The SKU a\\x1bb is not valid: it holds the control character U+001B."
    assert fault.remedy is not None
    assert fault.remedy.startswith("Send a SKU of 1 to 40")
