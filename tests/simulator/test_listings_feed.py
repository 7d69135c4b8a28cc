"""What becomes of the messages of a JSON listings feed."""

import json
from decimal import Decimal
from typing import Any

import pytest

from ops.simulator.control import Simulator
from ops.simulator.feed_schema import header_fault, message_fault
from tests.simulator.client import CANADA, US, Client, availability, offer, patch, price
from tests.simulator.contract import SCHEMAS, feed_schema


def accepted(number: int, invalid: int = 0) -> dict[str, int]:
    return {"messagesProcessed": number + invalid, "messagesAccepted": number, "messagesInvalid": invalid}


def counters(report: dict[str, Any]) -> dict[str, int]:
    return {name: report["summary"][name] for name in accepted(0)}


def test_a_patch_of_price_quantity_and_handling_time_reaches_the_catalogue(client: Client) -> None:
    client.stock({"sku": "A", "price": "10.00", "quantity": 1, "lead_time": 2})

    report = client.process(patch("A", availability(quantity=7, lead_time_to_ship_max_days=3), offer(our_price=price(29.99))))

    assert report["issues"] == []
    assert counters(report) == accepted(1)
    item = client.item("A")
    assert (item["price"], item["currency"], item["quantity"], item["lead_time"]) == ("29.99", "USD", 7, 3)
    assert item["exists_as"] == "listing"
    assert item["last_feed_id"] == report["header"]["feedId"]


def test_a_price_keeps_every_digit(simulator: Simulator, client: Client) -> None:
    client.stock({"sku": "A"})
    feed = {
        "header": {"sellerId": client.seller_id, "version": "2.0"},
        "messages": [{"messageId": 1, **patch("A", offer(our_price=price(7)))}],
    }
    exact = json.dumps(feed).replace('"value_with_tax": 7', '"value_with_tax": 12345678901234567890.10')
    client.create_feed(client.upload(exact.encode()))
    simulator.advance(120)

    item = client.item("A")

    assert item["price"] == "12345678901234567890.10"
    stored = item["attributes"]["purchasable_offer"][0]["our_price"][0]["schedule"][0]["value_with_tax"]
    assert stored == Decimal("12345678901234567890.10")


def test_replace_wipes_the_handling_time_and_merge_keeps_it(client: Client) -> None:
    client.stock({"sku": "R", "quantity": 1, "lead_time": 2}, {"sku": "M", "quantity": 1, "lead_time": 2})

    client.process(patch("R", availability("replace", quantity=7)), patch("M", availability("merge", quantity=7)))

    assert (client.item("R")["quantity"], client.item("R")["lead_time"]) == (7, None)
    assert (client.item("M")["quantity"], client.item("M")["lead_time"]) == (7, 2)


def test_a_patch_of_an_unknown_sku_is_accepted_and_makes_an_incomplete_listing(client: Client) -> None:
    report = client.process(patch("NEW", availability(quantity=7)))

    assert counters(report) == accepted(1)
    assert client.item("NEW")["exists_as"] == "incomplete"
    assert client.item("NEW")["status"] == []


def test_skus_are_exact(client: Client) -> None:
    client.stock({"sku": "abc", "quantity": 1})

    client.process(patch("ABC", availability(quantity=7)), patch(" abc", availability(quantity=8)))

    assert client.item("abc")["quantity"] == 1
    assert client.item("ABC")["exists_as"] == "incomplete"


def test_a_default_quantity_strands_the_stock_of_an_fba_sku(client: Client) -> None:
    client.stock({"sku": "F", "fulfillment_channel": "AMAZON_NA", "quantity": 50, "price": "9.99"})
    before = client.item("F")

    client.process(patch("F", availability(quantity=3)))

    after = client.item("F")
    assert (before["fulfillment_channel"], before["quantity"], before["stranded"]) == ("AMAZON_NA", 50, False)
    assert (after["fulfillment_channel"], after["quantity"], after["stranded"]) == ("DEFAULT", 3, True)


def test_an_amazon_quantity_is_taken_and_changes_nothing(client: Client) -> None:
    client.stock({"sku": "F", "fulfillment_channel": "AMAZON_NA", "quantity": 50})

    report = client.process(patch("F", availability(fulfillment_channel_code="AMAZON_NA", quantity=3)))

    assert counters(report) == accepted(1)
    assert client.item("F")["quantity"] == 50
    assert not client.item("F")["stranded"]


# Every row: what is sent, and the code and the attribute that Amazon complains with.
BAD_PATCHES: tuple[tuple[str, dict[str, Any], str, str | None], ...] = (
    ("quantity below zero", availability(quantity=-1), "4000001", "fulfillment_availability.quantity"),
    ("half a piece", availability(quantity=1.5), "4000001", "fulfillment_availability.quantity"),
    ("quantity as a string", availability(quantity="7"), "4000000", "fulfillment_availability.quantity"),
    ("truth for a quantity", availability(quantity=True), "4000001", "fulfillment_availability.quantity"),
    # Complaint 15: the lead time is wrong, and the quantity is named.
    ("lead time over 30", availability(lead_time_to_ship_max_days=31), "4000001", "fulfillment_availability.quantity"),
    ("no channel", availability(fulfillment_channel_code="", quantity=1), "90220", "fulfillment_availability.fulfillment_channel_code"),
    ("channel of Europe", availability(fulfillment_channel_code="AMAZON_EU"), "8105", "fulfillment_availability.fulfillment_channel_code"),
    ("lower case channel", availability(fulfillment_channel_code="default"), "8105", "fulfillment_availability.fulfillment_channel_code"),
    ("a marketplace where none belongs", availability(quantity=1, marketplace_id=US), "4000000", "fulfillment_availability.marketplace_id"),
    ("null in a replace", availability("replace", quantity=None), "4000001", "fulfillment_availability.quantity"),
    ("restock date of another shape", availability(restock_date="1.2.2027"), "4000001", "fulfillment_availability.restock_date"),
    ("quantity beside available", availability(quantity=1, is_inventory_available=True), "4000001",
     "fulfillment_availability.is_inventory_available"),
    ("price as a string", offer(our_price=price("29.99")), "4000000", "purchasable_offer.our_price.schedule.value_with_tax"),
    ("price of nothing", offer(our_price=price(0)), "4000001", "purchasable_offer.our_price.schedule.value_with_tax"),
    ("three decimals", offer(our_price=price(29.999)), "4000001", "purchasable_offer.our_price.schedule.value_with_tax"),
    ("no schedule", offer(our_price=[{}]), "99022", "purchasable_offer.our_price"),
    ("empty price", offer(our_price=[]), "99022", "purchasable_offer.our_price"),
    ("another currency", offer(currency="CAD", our_price=price(1)), "4000001", "purchasable_offer.currency"),
    ("no currency", offer(currency=None, our_price=price(1)), "90220", "purchasable_offer.currency"),
    ("another marketplace", offer(marketplace_id=CANADA, our_price=price(1)), "4000001", "purchasable_offer.marketplace_id"),
    ("unknown audience", offer(audience="B2C", our_price=price(1)), "4000001", "purchasable_offer.audience"),
    ("end_date for end_at", offer(end_date={"value": "2027-01-01"}), "4000000", "purchasable_offer.end_date"),
    ("a discount without its end", offer(discounted_price=price(1)), "90220", "purchasable_offer.discounted_price.end_at"),
    ("nested path", {"op": "replace", "path": "/attributes/purchasable_offer/0", "value": [{}]}, "4000001", None),
    ("unknown attribute", {"op": "replace", "path": "/attributes/colour", "value": [{"value": "red"}]}, "90000900", "colour"),
    ("no instance", {"op": "replace", "path": "/attributes/item_name", "value": []}, "99022", "item_name"),
    ("no value", {"op": "replace", "path": "/attributes/item_name"}, "4002008", "item_name"),
    ("a deletion by name alone", {"op": "delete", "path": "/attributes/fulfillment_availability", "value": [{}]}, "90220",
     "fulfillment_availability.fulfillment_channel_code"),
)  # fmt: skip


@pytest.mark.parametrize(("bad", "code", "attribute"), [row[1:] for row in BAD_PATCHES], ids=[row[0] for row in BAD_PATCHES])
def test_a_bad_value_makes_its_message_invalid_and_no_other(client: Client, bad: dict[str, Any], code: str, attribute: str | None) -> None:
    client.stock({"sku": "A", "price": "10.00", "quantity": 1}, {"sku": "B", "quantity": 1})

    report = client.process(patch("A", availability(quantity=9), bad), patch("B", availability(quantity=9)))

    assert counters(report) == accepted(1, invalid=1)
    issue = report["issues"][0]
    assert (issue["messageId"], issue["severity"], issue["code"], issue.get("attributeName")) == (1, "ERROR", code, attribute)
    assert (client.item("A")["price"], client.item("A")["quantity"]) == ("10.00", 1)
    assert client.item("B")["quantity"] == 9


def test_yen_have_no_decimals() -> None:
    from ops.simulator.attributes import price_fault

    assert price_fault("p", Decimal("2999.5"), "JPY") is not None
    assert price_fault("p", 2999, "JPY") is None
    assert price_fault("p", Decimal("29.990"), "USD") is None


BAD_MESSAGES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("sku over 40 characters", patch("A" * 41, availability(quantity=1)), "4000001"),
    ("unknown product type", patch("A", availability(quantity=1), productType="NO_SUCH_TYPE"), "4000003"),
    ("product type in lower case", patch("A", availability(quantity=1), productType="luggage"), "4000003"),
    ("attributes in a patch", patch("A", availability(quantity=1), attributes={"brand": []}), "4002008"),
    ("unknown operation", patch("A", availability(quantity=1), operationType="UPSERT"), "4002008"),
    ("messageId too high", patch("A", availability(quantity=1), messageId=2_147_483_648), "4002008"),
    ("no patch", patch("A"), "4002008"),
    ("a product of the generic type",
     {"sku": "A", "operationType": "UPDATE", "productType": "PRODUCT", "attributes": {"item_name": [{"value": "x"}]}}, "4000004"),
)  # fmt: skip


@pytest.mark.parametrize(("message", "code"), [row[1:] for row in BAD_MESSAGES], ids=[row[0] for row in BAD_MESSAGES])
def test_a_bad_message_is_invalid(client: Client, message: dict[str, Any], code: str) -> None:
    report = client.process(message, patch("B", availability(quantity=1)))

    assert counters(report) == accepted(1, invalid=1)
    assert report["issues"][0]["code"] == code


def test_messages_with_one_id_or_one_sku_are_all_refused(client: Client) -> None:
    report = client.process(
        patch("A", availability(quantity=1), messageId=7),
        patch("B", availability(quantity=1), messageId=7),
        patch("C", availability(quantity=1)),
        patch("C", availability(quantity=2)),
        patch("D", availability(quantity=1)),
    )

    assert counters(report) == accepted(1, invalid=4)
    assert {issue["code"] for issue in report["issues"]} == {"4002008"}


@pytest.mark.parametrize(
    "header",
    [
        {"version": "1.0"},
        {"sellerId": "A9SOMEBODYELSE"},
        {"report": {"includedData": []}},
        {"report": {"includedData": ["all"], "apiVersion": "2021-08-01"}},
    ],
)
def test_a_bad_header_is_one_issue_about_the_feed_and_nothing_is_applied(client: Client, header: dict[str, Any]) -> None:
    client.stock({"sku": "A", "quantity": 1})

    report = client.process(patch("A", availability(quantity=9)), header=header)

    assert [(issue["code"], "messageId" in issue) for issue in report["issues"]] == [("4002006", False)]
    assert counters(report) == accepted(0)
    assert client.item("A")["quantity"] == 1


def test_a_feed_level_issue_may_end_fatal(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(feed_level_status="FATAL")
    feed_id = client.send(patch("A", availability(quantity=9)), header={"version": "1.0"})
    simulator.advance(120)

    assert client.status(feed_id) == "FATAL"
    assert client.report(feed_id)["issues"][0]["code"] == "4002006"


def test_over_25000_messages_are_too_many(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(max_messages=2)

    report = client.process(*(patch(sku, availability(quantity=1)) for sku in "ABC"))

    assert report["issues"][0]["message"].startswith("Feed messages list beyond allowed size")
    assert counters(report) == accepted(0)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b'{"header": {}, "messages": []} trailing'])
def test_a_document_that_is_no_json_is_fatal(simulator: Simulator, client: Client, content: bytes) -> None:
    feed_id = client.create_feed(client.upload(content)).json["feedId"]
    simulator.advance(120)

    assert client.status(feed_id) == "FATAL"


def test_a_document_over_ten_mebibytes_is_fatal(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(max_document_bytes=200)
    feed_id = client.send(patch("A", availability(quantity=1)), patch("B", availability(quantity=1)))
    simulator.advance(120)

    assert client.status(feed_id) == "FATAL"


def test_a_scripted_rejection_refuses_and_a_warning_does_not(client: Client) -> None:
    client.stock(
        {"sku": "E", "quantity": 1, "reject": [{"code": "8541", "message": "Contradicts the catalogue."}]},
        {"sku": "W", "quantity": 1, "reject": [{"code": "18448", "message": "Incomplete.", "severity": "WARNING"}]},
    )

    report = client.process(patch("E", availability(quantity=9)), patch("W", availability(quantity=9)))

    assert [(issue["sku"], issue["code"], issue["severity"]) for issue in report["issues"]] == [
        ("E", "8541", "ERROR"),
        ("W", "18448", "WARNING"),
    ]
    assert counters(report) == accepted(1, invalid=1)
    assert (client.item("E")["quantity"], client.item("W")["quantity"]) == (1, 9)


def test_included_data_brings_the_items_of_the_feed(client: Client) -> None:
    client.stock({"sku": "A", "price": "10.00", "quantity": 1, "asin": "B07X4K9Y9Z", "title": "Blue Widget"})
    blocks = ["summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement", "relationships", "productTypes"]
    request = {"includedData": blocks, "apiVersion": "2021-08-01"}

    report = client.process(
        patch("A", availability(quantity=5), offer(our_price=price(29.99), minimum_seller_allowed_price=price(31))),
        header={"report": request},
    )

    [item] = report["items"]
    assert set(item) == {"sku", *blocks}
    assert item["offers"][0]["price"] == {"currencyCode": "USD", "amount": "29.99"}
    assert item["fulfillmentAvailability"] == [{"fulfillmentChannelCode": "DEFAULT", "quantity": 5}]
    assert item["issues"][0]["code"] == "18155"
    assert report["summary"]["itemSummary"] == {"items": 1, "errors": 1, "warnings": 0}
    assert report["header"]["report"] == request


def test_a_feed_as_large_as_amazon_takes_them(simulator: Simulator, client: Client) -> None:
    simulator.put_catalogue(client.seller_id, US, generate={"prefix": "S", "count": 25_000, "quantity": 1, "lead_time": 2})

    report = client.process(*(patch(f"S{number}", availability(quantity=number)) for number in range(1, 25_001)))

    assert counters(report) == accepted(25_000)
    catalogue = simulator.catalogue(client.seller_id, US)
    assert all(item["quantity"] == int(sku[1:]) and item["lead_time"] == 2 for sku, item in catalogue.items())


def test_the_handwritten_schema_agrees_with_amazons() -> None:
    good: dict[str, Any] = {"messageId": 1, **patch("A", availability(quantity=1))}
    update: dict[str, Any] = {"messageId": 1, "sku": "A", "operationType": "UPDATE", "productType": "P", "attributes": {"a": 1}}
    values: list[Any] = [
        None,
        0,
        1,
        2.5,
        "",
        "x",
        True,
        [],
        {},
        [{}],
        {"a": 1},
        2_147_483_648,
        "PATCH",
        "DELETE",
        "PARTIAL_UPDATE",
        "LISTING",
    ]
    names = ["messageId", "sku", "operationType", "productType", "requirements", "attributes", "patches"]
    schema = feed_schema("listings-feed-schema-v2")

    for base in (good, update):
        variants = [base, *({**base, name: value} for name in names for value in values)]
        variants += [{key: value for key, value in base.items() if key != name} for name in names]
        variants += [
            {**base, "patches": [one]}
            for one in ({"op": "merge"}, {"path": "/"}, {"op": "test", "path": "/"}, {"op": "add", "path": "/", "value": [1]})
        ]
        for message in variants:
            whole: Any = {"header": {"sellerId": "S", "version": "2.0"}, "messages": [message]}
            assert (message_fault(message) is None) == schema.is_valid(whole), message
    headers: tuple[Any, ...] = (
        {},
        {"sellerId": "S"},
        {"sellerId": 1, "version": "2.0"},
        {"sellerId": "S", "version": "2.0", "issueLocale": 1},
    )
    for header in headers:
        whole = {"header": header, "messages": [good]}
        assert (header_fault(whole) is None) == schema.is_valid(whole), header


def test_amazons_own_example_feed_has_the_right_shape() -> None:
    example = json.loads((SCHEMAS / "listings-feed-schema-v2.example.json").read_bytes())

    assert header_fault(example) is None
    assert [message_fault(message) for message in example["messages"]] == [None] * len(example["messages"])
