"""What becomes of the shipments of an order fulfilment feed."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ops.simulator.carrier_codes import CODES
from ops.simulator.control import Simulator
from tests.simulator.client import CANADA, US, Client
from tests.simulator.contract import SCHEMAS

ORDER = "114-1234567-1234567"
MUG, CUP = "11498765431234", "11498765431235"
SHIPPED = "2026-08-05T10:15:00+00:00"
_SCHEMA = etree.XMLSchema(etree.parse(SCHEMAS / "order-fulfillment.xsd"))


def order(**changes: object) -> dict[str, object]:
    items = [{"order_item_id": MUG, "sku": "MUG", "quantity": 4}, {"order_item_id": CUP, "sku": "CUP", "quantity": 1}]
    return {"order_id": ORDER, "marketplace_id": US, "created_at": "2026-08-01T00:00:00Z", "items": items, **changes}


@pytest.fixture
def client(client: Client) -> Client:
    client.simulator.put_orders(client.seller_id, [order()])
    return client


def items(**quantities: int | None) -> str:
    codes = {"mug": MUG, "cup": CUP, "other": "11111111111111"}
    return "".join(_item(codes[name], quantity) for name, quantity in quantities.items())


def _item(code: str, quantity: int | None) -> str:
    pieces = "" if quantity is None else f"<Quantity>{quantity}</Quantity>"
    return f"<Item><AmazonOrderItemCode>{code}</AmazonOrderItemCode>{pieces}</Item>"


def carriage(tracking: str | None = "1Z9999990399999999", *, code: str = "UPS", name: str | None = None) -> str:
    parts = (("CarrierCode", code), ("CarrierName", name), ("ShippingMethod", "Ground"), ("ShipperTrackingNumber", tracking))
    return f"<FulfillmentData>{''.join(f'<{tag}>{text}</{tag}>' for tag, text in parts if text is not None)}</FulfillmentData>"


def shipment(content: str = "", *, data: str | None = None, order_id: str = ORDER, shipped: str = SHIPPED) -> str:
    head = f"<AmazonOrderID>{order_id}</AmazonOrderID><FulfillmentDate>{shipped}</FulfillmentDate>"
    return f"<OrderFulfillment>{head}{carriage() if data is None else data}{content}</OrderFulfillment>"


def envelope(*shipments: str, seller: str = "A1EXAMPLESELLER", ids: list[int] | None = None) -> bytes:
    numbered = zip(ids or range(1, len(shipments) + 1), shipments, strict=True)
    messages = "".join(f"<Message><MessageID>{number}</MessageID>{content}</Message>" for number, content in numbered)
    header = f"<Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{seller}</MerchantIdentifier></Header>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">{header}<MessageType>OrderFulfillment</MessageType>{messages}</AmazonEnvelope>'
    ).encode()


def report_of(client: Client, feed_id: str) -> Any:
    """The processing report of a feed, valid against the schema."""
    raw = client.get(client.document(client.feed(feed_id)["resultFeedDocumentId"])["url"]).body
    report = etree.fromstring(gzip.decompress(raw))
    _SCHEMA.assertValid(report)
    return report.find("Message/ProcessingReport")


def process(client: Client, document: bytes) -> Any:
    feed_id = client.ship(document)
    client.simulator.advance(120)
    return report_of(client, feed_id)


def counters(report: Any) -> list[int]:
    """Processed, successful, with error, with warning."""
    return [int(element.text) for element in report.find("ProcessingSummary")]


def results(report: Any) -> list[tuple[str | None, ...]]:
    return [tuple(result.findtext(tag) for tag in ("MessageID", "ResultCode", "ResultMessageCode")) for result in report.iterfind("Result")]


def shipped(client: Client) -> dict[str, tuple[int, int]]:
    """Pieces shipped and confirmations by SKU."""
    return {item["sku"]: (item["shipped"], item["confirmations"]) for item in client.simulator.order(client.seller_id, ORDER)["items"]}


def test_a_parcel_is_recorded_on_its_order_and_its_quantities_add_up(client: Client) -> None:
    first = process(client, envelope(shipment(items(mug=3))))
    after_first = client.simulator.order(client.seller_id, ORDER)
    second = process(client, envelope(shipment(items(mug=1, cup=1), data=carriage("500123456", code="Other", name="GLS US"))))

    assert counters(first) == counters(second) == [1, 1, 0, 0]
    assert after_first["status"] == "PARTIALLY_SHIPPED"
    found = client.simulator.order(client.seller_id, ORDER)
    assert found["status"] == "SHIPPED"
    assert [package["items"] for package in found["packages"]] == [{MUG: 3}, {MUG: 1, CUP: 1}]
    assert found["packages"][1] | {"feed_id": ""} == {
        "reference": "2", "carrier_code": "Other", "carrier_name": "GLS US", "shipping_method": "Ground", "tracking_number": "500123456",
        "ship_date": SHIPPED, "items": {MUG: 1, CUP: 1}, "confirmations": 1, "feed_id": "", "message_id": 1,
    }  # fmt: skip
    assert shipped(client) == {"MUG": (4, 2), "CUP": (1, 1)}


def test_without_items_the_rest_of_the_order_is_shipped_and_without_quantity_the_rest_of_the_line(client: Client) -> None:
    process(client, envelope(shipment(items(mug=1))))
    process(client, envelope(shipment(items(mug=None), data=carriage("T2")), shipment(data=carriage("T3"))))

    assert [package["items"] for package in client.simulator.order(client.seller_id, ORDER)["packages"]] == [{MUG: 1}, {MUG: 3}, {CUP: 1}]


def test_the_report_names_the_feed_and_who_sent_it(client: Client) -> None:
    feed_id = client.ship(envelope(shipment(items(cup=1))))
    client.simulator.advance(120)

    report = report_of(client, feed_id)

    assert report.findtext("DocumentTransactionID") == feed_id
    assert report.getroottree().findtext("Header/MerchantIdentifier") == client.seller_id
    assert report.findtext("StatusCode") == "Complete"


# Every row: what is wrong, and the order item that Amazon names with it.
BAD_SHIPMENTS: tuple[tuple[str, str, str | None], ...] = (
    ("an unknown order", shipment(order_id="114-0000000-0000000"), None),
    ("an unknown order item", shipment(items(other=1)), "11111111111111"),
    ("more pieces than were ordered", shipment(items(mug=5)), MUG),
    ("an item named twice", shipment(items(mug=1) + items(mug=1)), None),
    ("a date in the future", shipment(shipped="2099-01-01T00:00:00Z"), None),
    ("a date before the order", shipment(shipped="2026-07-31T23:59:59Z"), None),
    ("a date without a zone", shipment(shipped="2026-08-05T10:15:00"), None),
    ("a year that is none", shipment(shipped="12026-08-05T10:15:00Z"), None),
    ("a carrier in another case", shipment(data=carriage(code="Ups")), None),
    ("a carrier in other spaces", shipment(data=carriage(code="UPS ")), None),
    ("an unlisted carrier", shipment(data=carriage(code="GLS US")), None),
    ("Other without a name", shipment(data=carriage(code="Other")), None),
)


@pytest.mark.parametrize(("bad", "item"), [row[1:] for row in BAD_SHIPMENTS], ids=[row[0] for row in BAD_SHIPMENTS])
def test_a_bad_shipment_is_an_error_and_no_other_is(client: Client, bad: str, item: str | None) -> None:
    report = process(client, envelope(bad, shipment(items(cup=1))))

    assert counters(report) == [2, 1, 1, 0]
    assert results(report) == [("1", "Error", "18028")]
    assert report.findtext("Result/AdditionalInfo/AmazonOrderItemCode") == item
    assert shipped(client) == {"MUG": (0, 0), "CUP": (1, 1)}


@pytest.mark.parametrize(
    "changes",
    [{"status": "PENDING"}, {"status": "CANCELLED"}, {"fulfilled_by": "AMAZON"}, {"marketplace_id": CANADA}],
    ids=["pending", "cancelled", "fulfilled by Amazon", "of another marketplace"],
)
def test_an_order_that_is_not_the_sellers_to_ship_is_refused(client: Client, changes: dict[str, object]) -> None:
    client.simulator.put_orders(client.seller_id, [order(**changes)])

    assert results(process(client, envelope(shipment(items(mug=1))))) == [("1", "Error", "18028")]


def test_the_order_of_another_seller_is_unknown(client: Client, other: Client) -> None:
    report = process(other, envelope(shipment(), seller=other.seller_id))

    assert results(report) == [("1", "Error", "18028")]


def test_a_shipment_said_again_is_a_warning_and_no_second_parcel(client: Client) -> None:
    document = envelope(shipment(items(mug=2)))
    process(client, document)

    report = process(client, document)

    assert (counters(report), results(report)) == ([1, 1, 0, 1], [("1", "Warning", "18029")])
    [package] = client.simulator.order(client.seller_id, ORDER)["packages"]
    assert package["confirmations"] == 2
    assert shipped(client) == {"MUG": (2, 2), "CUP": (0, 0)}


def test_the_same_items_under_another_number_move_to_it_when_nothing_else_is_left(client: Client) -> None:
    process(client, envelope(shipment(items(cup=1)), shipment(items(mug=2))))

    moved = process(client, envelope(shipment(items(cup=1), data=carriage("T2")), shipment(items(mug=2), data=carriage("T3"))))

    assert results(moved) == [("1", "Warning", "18029")]
    packages = client.simulator.order(client.seller_id, ORDER)["packages"]
    assert [(package["tracking_number"], package["items"]) for package in packages] == [
        ("T2", {CUP: 1}),
        ("1Z9999990399999999", {MUG: 2}),
        ("T3", {MUG: 2}),
    ]


def test_a_fulfilled_order_without_that_parcel_is_refused(client: Client) -> None:
    process(client, envelope(shipment(items(mug=4)), shipment(items(cup=1), data=carriage("T2"))))

    report = process(client, envelope(shipment(data=carriage("T3")), shipment(items(mug=1), data=carriage("T4"))))

    assert [result[:2] for result in results(report)] == [("1", "Error"), ("2", "Error")]


@pytest.mark.parametrize(("rule", "expected"), [("accept", []), ("error", [("1", "Error", "18028")])])
def test_a_repeated_confirmation_may_be_silent_or_an_error(
    simulator: Simulator, client: Client, rule: str, expected: list[tuple[str, ...]]
) -> None:
    simulator.set_limits(repeated_confirmation=rule)
    process(client, envelope(shipment(items(cup=1))))

    assert results(process(client, envelope(shipment(items(cup=1))))) == expected


GOOD = envelope(shipment(items(mug=1)))

BAD_FEEDS: tuple[tuple[str, bytes, str], ...] = (
    ("an element out of order", GOOD.replace(b"<Item>", b"<Item><Quantity>1</Quantity>"), "25"),
    ("a quantity of zero", GOOD.replace(b"<Quantity>1", b"<Quantity>0"), "25"),
    ("a tracking number of 51 characters", envelope(shipment(data=carriage("9" * 51))), "25"),
    ("an order id of another shape", envelope(shipment(order_id="1141234567")), "25"),
    ("two messages with one id", envelope(shipment(items(mug=1)), shipment(items(cup=1)), ids=[7, 7]), "25"),
    ("another seller", envelope(shipment(), seller="A2OTHERSELLER"), "25"),
    ("another message type", GOOD.replace(b"<MessageType>OrderFulfillment", b"<MessageType>ProcessingReport"), "25"),
    ("a namespace", GOOD.replace(b"<AmazonEnvelope", b'<AmazonEnvelope xmlns="urn:amazon"'), "25"),
    ("no XML", b"{}", "5000"),
    ("an element that is not closed", GOOD.replace(b"</AmazonEnvelope>", b""), "5000"),
    ("a bare ampersand", GOOD.replace(b"Ground", b"Ground & Air"), "5000"),
    ("bytes that are no UTF-8", GOOD.replace(b"Ground", b"Gr\xfcnd"), "5000"),
    ("an entity", GOOD.replace(b"<AmazonEnvelope", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><AmazonEnvelope', 1), "5000"),
)


@pytest.mark.parametrize(("document", "code"), [row[1:] for row in BAD_FEEDS], ids=[row[0] for row in BAD_FEEDS])
def test_a_feed_that_breaks_the_schema_is_refused_as_a_whole(client: Client, document: bytes, code: str) -> None:
    report = process(client, document)

    assert results(report) == [("0", "Error", code)]
    assert shipped(client) == {"MUG": (0, 0), "CUP": (0, 0)}


def test_a_refused_feed_may_end_fatal_and_blame_its_first_message(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(feed_level_status="FATAL", xml_fault_message_id=1)
    feed_id = client.ship(BAD_FEEDS[0][1])
    simulator.advance(120)

    assert client.status(feed_id) == "FATAL"
    assert results(report_of(client, feed_id)) == [("1", "Error", "25")]


def test_every_listed_carrier_is_taken(client: Client) -> None:
    pieces = len(CODES)
    client.simulator.put_orders(client.seller_id, [order(items=[{"order_item_id": MUG, "quantity": pieces}])])
    names = enumerate(sorted(CODES - {"Other"}))

    report = process(client, envelope(*(shipment(items(mug=1), data=carriage(f"T{number}", code=code)) for number, code in names)))

    assert counters(report) == [pieces - 1, pieces - 1, 0, 0]


@pytest.mark.parametrize(
    ("kind", "rule", "told", "taken"),
    [
        ("accepted_not_applied", {}, [2, 2, 0, 0], 0),
        ("accepted_not_applied", {"skus": [ORDER]}, [2, 2, 0, 0], 0),
        ("feed_fatal", {"apply": "some", "report": True}, [2, 2, 0, 0], 1),
        ("feed_fatal", {"apply": "all", "report": True}, [2, 2, 0, 0], 2),
        ("counters_off", {}, [3, 2, 1, 0], 2),
        ("issue_for_unknown_message", {}, [2, 1, 1, 0], 2),
        ("feed_level_issue", {}, [0, 0, 1, 0], 0),
    ],
)
def test_the_faults_of_a_feed_strike_shipments_too(client: Client, kind: str, rule: dict[str, object], told: list[int], taken: int) -> None:
    client.simulator.fault(kind, feed_type="POST_ORDER_FULFILLMENT_DATA", **rule)

    report = process(client, envelope(shipment(items(mug=1)), shipment(items(cup=1), data=carriage("T2"))))

    assert counters(report) == told
    assert len(client.simulator.order(client.seller_id, ORDER)["packages"]) == taken


def test_orders_come_from_a_scenario_and_odd_ones_are_refused(tmp_path: Path, client: Client) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"orders": [{"seller_id": "A1", "items": [order()]}]}), encoding="utf-8")

    with Simulator.start(scenario=scenario) as simulator:
        assert list(simulator.orders("A1")) == [ORDER]
    odd_orders: tuple[dict[str, object], ...] = (
        {"items": []},
        {"marketplace_id": "X"},
        {"created_at": "yesterday"},
        {"items": [{"order_item_id": MUG, "quantity": 0}]},
    )
    for odd in odd_orders:
        status = client.http.request("POST", f"{client.simulator.url}/_simulator/orders/A1", json=[order(**odd)]).status
        assert status == 400
