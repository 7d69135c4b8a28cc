"""Listings that a feed creates, replaces and removes, and the products that an offer needs."""

import json
from typing import Any

import pytest

from ops.simulator.control import Simulator
from ops.simulator.identifiers import common_form, is_right
from tests.simulator.client import CANADA, US, Client, availability, offer, patch, price

MUG = "B07X4K9Y9Z"
UPC = "123456789012"
PRODUCT = {"asin": MUG, "title": "Blue mug", "product_type": "DRINKING_CUP", "identifiers": [UPC]}


@pytest.fixture
def client(client: Client) -> Client:
    client.simulator.put_products(US, [PRODUCT])
    return client


def asin(value: str) -> dict[str, Any]:
    return {"merchant_suggested_asin": [{"marketplace_id": US, "value": value}]}


def identifier(kind: object, value: object) -> dict[str, Any]:
    return {"externally_assigned_product_identifier": [{"marketplace_id": US, "type": kind, "value": value}]}


def terms(quantity: int = 5, **stock: Any) -> dict[str, Any]:
    return {
        "condition_type": [{"marketplace_id": US, "value": "new_new"}],
        "purchasable_offer": offer(our_price=price(29.99))["value"],
        "fulfillment_availability": availability(quantity=quantity, **stock)["value"],
    }


def publish(
    sku: str, attributes: dict[str, Any], *, product_type: str = "PRODUCT", requirements: str = "LISTING_OFFER_ONLY"
) -> dict[str, Any]:
    return {"sku": sku, "operationType": "UPDATE", "productType": product_type, "requirements": requirements, "attributes": attributes}


def codes(report: dict[str, Any]) -> list[str]:
    return [issue["code"] for issue in report["issues"]]


def test_an_offer_for_an_asin_enters_the_catalogue_as_amazon_knows_the_product(client: Client) -> None:
    report = client.process(publish("A", asin(MUG) | terms(lead_time_to_ship_max_days=1)))

    assert codes(report) == []
    item = client.item("A")
    assert (item["exists_as"], item["asin"], item["product_type"]) == ("listing", MUG, "DRINKING_CUP")
    assert (item["price"], item["quantity"], item["lead_time"]) == ("29.99", 5, 1)
    assert item["status"] == ["BUYABLE", "DISCOVERABLE"]
    summary = client.call("GET", client.item_path("A")).json["summaries"][0]
    assert (summary["asin"], summary["itemName"], summary["conditionType"]) == (MUG, "Blue mug", "new_new")


@pytest.mark.parametrize(("kind", "value"), [("upc", UPC), ("ean", f"0{UPC}"), ("gtin", f"00{UPC}")])
def test_an_offer_finds_its_product_by_any_writing_of_its_identifier(client: Client, kind: str, value: str) -> None:
    client.process(publish("A", identifier(kind, value) | terms()))

    assert client.item("A")["asin"] == MUG


def test_an_isbn_of_ten_and_of_thirteen_digits_mean_one_book(client: Client) -> None:
    client.simulator.put_products(US, [{"asin": "0306406152", "identifiers": ["9780306406157"]}])

    client.process(publish("A", identifier("isbn", "0306406152") | terms()))

    assert client.item("A")["asin"] == "0306406152"


@pytest.mark.parametrize(
    ("named", "attribute"),
    [
        (asin("B000000000"), "merchant_suggested_asin"),
        (identifier("upc", "036000291452"), "externally_assigned_product_identifier"),
    ],
)
def test_an_offer_for_a_product_that_amazon_does_not_have_is_refused(client: Client, named: dict[str, Any], attribute: str) -> None:
    report = client.process(publish("A", named | terms()))

    assert [(issue["code"], issue["attributeName"]) for issue in report["issues"]] == [("8560", attribute), ("13013", attribute)]
    assert report["summary"]["messagesInvalid"] == 1
    assert client.simulator.item(client.seller_id, US, "A") is None


def test_a_product_is_known_in_its_own_marketplace_only(client: Client) -> None:
    client.simulator.put_products(CANADA, [{"asin": "B0CANADA01"}])

    assert codes(client.process(publish("A", asin("B0CANADA01") | terms()))) == ["8560", "13013"]


def test_an_offer_without_a_product_may_become_an_incomplete_listing(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(unmatched_offer="item_issue")
    included = {"includedData": ["issues"], "apiVersion": "2021-08-01"}

    report = client.process(publish("A", asin("B000000000") | terms()), header={"report": included})

    assert (codes(report), report["summary"]["messagesAccepted"]) == ([], 1)
    assert {issue["code"] for issue in report["items"][0]["issues"]} == {"8560", "13013"}
    assert (client.item("A")["exists_as"], client.item("A")["status"]) == ("incomplete", [])


def test_every_right_asin_and_identifier_can_be_taken_for_a_product(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(unregistered_products="known", unknown_asins=["B0GONE0000"])

    report = client.process(
        publish("A", asin("B000000000") | terms()),
        publish("B", identifier("upc", "036000291452") | terms()),
        publish("C", asin("B0GONE0000") | terms()),
    )

    assert codes(report) == ["8560", "13013"]
    assert client.item("A")["exists_as"] == client.item("B")["exists_as"] == "listing"


def test_the_asin_of_a_listing_in_place_is_a_product(client: Client) -> None:
    client.stock({"sku": "OLD", "asin": "B0LISTED01"})

    assert codes(client.process(publish("A", asin("B0LISTED01") | terms()))) == []


def test_an_identifier_of_two_products_and_one_of_another_product_are_refused(client: Client) -> None:
    client.simulator.put_products(US, [{"asin": "B0SECOND00", "identifiers": [UPC, "036000291452"]}])

    report = client.process(
        publish("A", identifier("upc", UPC) | terms()), publish("B", asin(MUG) | identifier("upc", "036000291452") | terms())
    )

    assert codes(report) == ["8542", "8541"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("upc", "123456789013"),
        ("upc", "0123456789012"),
        ("ean", "4006381333932"),
        ("isbn", "0306406153"),
        ("isbn", "9780306406158"),
        ("gtin", "1234"),
        ("upc", "12345678901x"),
        ("upc", "1234 5678901"),
        ("upc", 123456789012),
    ],
)
def test_a_wrong_check_digit_or_length_is_refused(client: Client, kind: str, value: object) -> None:
    report = client.process(publish("A", identifier(kind, value) | terms()))

    assert [(issue["code"], issue["attributeName"]) for issue in report["issues"]] == [
        ("4000001", "externally_assigned_product_identifier.value")
    ]


def test_an_identifier_is_right_with_its_check_digit_and_only_with_it() -> None:
    for kind, number in (("upc", UPC), ("ean", "4006381333931"), ("ean", "96385074"), ("isbn", "080442957X"), ("minsan", "012345678")):
        assert is_right(kind, number)
    assert common_form("080442957X") == common_form("9780804429573")


@pytest.mark.parametrize("kind", [1, "UPC", "asin"])
def test_an_identifier_of_another_type_is_not_understood(client: Client, kind: object) -> None:
    report = client.process(publish("A", identifier(kind, UPC) | terms()))

    assert [issue["attributeName"] for issue in report["issues"] if issue["code"] == "90220"] == [
        "externally_assigned_product_identifier",
        "merchant_suggested_asin",
    ]


def test_an_offer_without_its_parts_is_refused_part_by_part(client: Client) -> None:
    report = client.process(publish("A", {"condition_note": [{"language_tag": "en_US", "value": "Box opened once."}]}))

    assert set(codes(report)) == {"90220"}
    assert [issue["attributeName"] for issue in report["issues"]] == [
        "condition_type", "purchasable_offer", "fulfillment_availability",
        "merchant_suggested_asin", "externally_assigned_product_identifier",
    ]  # fmt: skip


def test_an_update_replaces_the_sales_terms_and_leaves_the_facts(client: Client) -> None:
    client.stock({"sku": "A", "asin": MUG, "price": "10.00", "quantity": 1, "lead_time": 2, "title": "Old title"})
    note = {"condition_note": [{"language_tag": "en_US", "value": "Box opened once."}]}

    client.process(publish("A", asin(MUG) | terms() | note))
    client.process(publish("A", asin(MUG) | terms(quantity=6)))

    item = client.item("A")
    assert (item["price"], item["quantity"], item["lead_time"]) == ("29.99", 6, None)
    assert "condition_note" not in item["attributes"]
    assert item["attributes"]["item_name"][0]["value"] == "Old title"


def test_facts_in_an_offer_are_ignored_or_refused(simulator: Simulator, client: Client) -> None:
    attributes = asin(MUG) | terms() | {"item_name": [{"language_tag": "en_US", "value": "My own title"}]}

    ignored = client.process(publish("A", attributes))
    simulator.set_limits(facts_in_an_offer="refuse")
    refused = client.process(publish("B", attributes))

    assert (codes(ignored), codes(refused)) == ([], ["90000900"])
    assert "item_name" not in client.item("A")["attributes"]


def test_a_whole_listing_makes_a_product_that_others_can_sell(client: Client) -> None:
    name = {"item_name": [{"language_tag": "en_US", "value": "Green mug"}]}
    code = identifier("upc", "036000291452")

    first = client.process(publish("A", code | name | terms(), product_type="DRINKING_CUP", requirements="LISTING"))
    second = client.process(publish("B", code | terms()))

    assert (codes(first), codes(second)) == ([], [])
    assert client.item("A")["asin"] == client.item("B")["asin"]
    assert client.simulator.products(US)[client.item("A")["asin"]]["title"] == "Green mug"


def test_a_whole_listing_needs_a_type_of_its_own_and_an_identifier_or_an_exemption(client: Client) -> None:
    name = {"item_name": [{"language_tag": "en_US", "value": "Green mug"}]}
    exempt = {"supplier_declared_has_product_identifier_exemption": [{"value": True}]}

    report = client.process(
        publish("A", name | identifier("upc", "036000291452"), requirements="LISTING"),
        publish("B", name, product_type="DRINKING_CUP", requirements="LISTING"),
        publish("C", name | exempt, product_type="DRINKING_CUP", requirements="LISTING"),
    )

    assert codes(report) == ["4000004", "8560"]
    assert client.item("C")["exists_as"] == "listing"


def test_an_offer_that_amazon_fulfils_begins_without_stock(client: Client) -> None:
    stock = {"fulfillment_availability": [{"fulfillment_channel_code": "AMAZON_NA"}]}

    client.process(publish("A", asin(MUG) | terms() | stock))

    assert (client.item("A")["fulfillment_channel"], client.item("A")["quantity"]) == ("AMAZON_NA", 0)


def test_delete_takes_the_listing_away_and_partial_update_replaces_attributes(client: Client) -> None:
    client.stock({"sku": "D", "quantity": 1}, {"sku": "P", "quantity": 1, "lead_time": 2, "price": "10.00"})
    partial = {"fulfillment_availability": availability(quantity=4)["value"]}

    client.process(
        {"sku": "D", "operationType": "DELETE"},
        {"sku": "P", "operationType": "PARTIAL_UPDATE", "productType": "PRODUCT", "attributes": partial},
    )

    assert client.simulator.item(client.seller_id, US, "D") is None
    assert (client.item("P")["quantity"], client.item("P")["lead_time"], client.item("P")["price"]) == (4, None, "10.00")


def test_the_history_of_a_sku_tells_every_submission_and_its_outcome(simulator: Simulator, client: Client) -> None:
    client.process(publish("A", asin("B000000000") | terms()))
    feed_id = client.process(publish("A", asin(MUG) | terms()))["header"]["feedId"]
    simulator.fault("accepted_not_applied")
    client.process(patch("A", availability(quantity=7)))
    client.call("DELETE", client.item_path("A"))

    told = [(one["operation"], one["outcome"], one.get("message_id")) for one in simulator.history(client.seller_id, US, "A")]

    assert told == [("UPDATE", "refused", 1), ("UPDATE", "applied", 1), ("PATCH", "accepted", 1), ("DELETE", "applied", None)]
    assert simulator.history(client.seller_id, US, "A")[1]["feed_id"] == feed_id
    assert simulator.history(client.seller_id, US, "B") == []


def test_products_come_from_a_scenario(tmp_path: Any) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"products": [{"marketplace_id": US, "items": [PRODUCT]}]}), encoding="utf-8")

    with Simulator.start(scenario=scenario) as simulator:
        assert simulator.products(US) == {MUG: PRODUCT}
