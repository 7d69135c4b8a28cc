from typing import Any

import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import GERMANY, US, Client, availability, offer, price


def test_an_item_is_shown_with_the_blocks_asked_for(client: Client) -> None:
    client.stock({"sku": "A", "asin": "B07X4K9Y9Z", "price": "10.00", "quantity": 1, "title": "Blue Widget"})

    default = client.call("GET", client.item_path("A")).json
    named = client.call("GET", client.item_path("A", "&includedData=offers,attributes")).json

    assert set(default) == {"sku", "summaries"}
    assert default["summaries"][0]["status"] == ["BUYABLE", "DISCOVERABLE"]
    assert default["summaries"][0]["itemName"] == "Blue Widget"
    assert set(named) == {"sku", "offers", "attributes"}
    assert named["offers"][0]["price"] == {"currencyCode": "USD", "amount": "10.00"}


def test_an_unknown_sku_is_not_found_in_amazons_words(client: Client) -> None:
    answer = client.call("GET", client.item_path("X"))

    assert answer.status == 404
    assert answer.error == {"code": "NOT_FOUND", "message": f"SKU 'X' not found in marketplace {US}"}


@pytest.mark.parametrize("sku", ["a/b", "a b", "50%", "ü", "a+b", "a?b", "a%2Fb"])
def test_a_sku_may_have_any_character(client: Client, sku: str) -> None:
    client.stock({"sku": sku, "quantity": 1})

    assert client.call("GET", client.item_path(sku)).json["sku"] == sku


@pytest.mark.parametrize("query", ["&includedData=everything", ""])
def test_malformed_reads_are_refused(client: Client, query: str) -> None:
    path = client.item_path("A", query) if query else client.item_path("A").split("?")[0]

    assert client.call("GET", path).status == 400


def test_another_seller_or_marketplace_is_denied(client: Client, other: Client) -> None:
    assert other.call("GET", client.item_path("A")).status == 403
    client.marketplace_id = GERMANY
    assert client.call("GET", client.item_path("A")).status == 403


def test_a_patch_is_applied_at_once(client: Client) -> None:
    client.stock({"sku": "A", "price": "10.00", "quantity": 1, "lead_time": 2})

    answer = client.patch_item("A", availability(quantity=7), offer(our_price=price(12.5)))

    assert (answer.json["sku"], answer.json["status"], answer.json["issues"]) == ("A", "ACCEPTED", [])
    item = client.item("A")
    assert (item["price"], item["quantity"], item["lead_time"]) == ("12.5", 7, 2)


def test_a_refused_patch_is_200_invalid_and_changes_nothing(client: Client) -> None:
    client.stock({"sku": "A", "quantity": 1})

    answer = client.patch_item("A", availability(quantity=-1))

    assert (answer.status, answer.json["status"]) == (200, "INVALID")
    assert answer.json["issues"][0]["attributeNames"] == ["fulfillment_availability"]
    assert client.item("A")["quantity"] == 1


def test_a_preview_changes_nothing(client: Client) -> None:
    client.stock({"sku": "A", "quantity": 1})

    answer = client.patch_item("A", availability(quantity=7), query="&mode=VALIDATION_PREVIEW")

    assert answer.json["status"] == "VALID"
    assert client.item("A")["quantity"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"productType": "PRODUCT"}, {"productType": "PRODUCT", "patches": []}, {"productType": 1, "patches": [{}]}]
)
def test_a_patch_of_the_wrong_shape_is_400(client: Client, body: dict[str, Any]) -> None:
    assert client.call("PATCH", client.item_path("A"), body).status == 400


def test_accepted_and_not_applied_happens_here_too(simulator: Simulator, client: Client) -> None:
    client.stock({"sku": "A", "quantity": 1})
    simulator.fault("accepted_not_applied", operation="patchListingsItem")

    answer = client.patch_item("A", availability(quantity=7))

    assert answer.json["status"] == "ACCEPTED"
    assert client.item("A")["quantity"] == 1


def test_an_item_is_put_and_deleted(client: Client) -> None:
    attributes = {
        "item_name": [{"value": "Lamp", "language_tag": "en_US"}],
        "supplier_declared_has_product_identifier_exemption": [{"value": True}],
        "fulfillment_availability": availability(quantity=2)["value"],
    }

    put = client.call("PUT", client.item_path("L"), {"productType": "LAMP", "attributes": attributes})
    stored = client.item("L")
    deleted = client.call("DELETE", client.item_path("L"))

    assert (put.json["status"], deleted.json["status"]) == ("ACCEPTED", "ACCEPTED")
    assert (stored["exists_as"], stored["product_type"], stored["quantity"]) == ("listing", "LAMP", 2)
    assert client.call("GET", client.item_path("L")).status == 404


def search_path(client: Client, query: str) -> str:
    return f"/listings/2021-08-01/items/{client.seller_id}?marketplaceIds={US}{query}"


def test_a_search_by_sku_leaves_out_what_is_unknown(client: Client) -> None:
    client.stock({"sku": "A"}, {"sku": "B"}, {"sku": "C"})

    found = client.call("GET", search_path(client, "&identifiersType=SKU&identifiers=A,C,X&includedData=productTypes")).json

    assert found["numberOfResults"] == 2
    assert [item["sku"] for item in found["items"]] == ["A", "C"]


def test_a_search_goes_page_by_page(simulator: Simulator, client: Client) -> None:
    simulator.put_catalogue(client.seller_id, US, generate={"prefix": "S", "count": 25})

    first = client.call("GET", search_path(client, "&pageSize=20")).json
    second = client.call("GET", search_path(client, f"&pageSize=20&pageToken={first['pagination']['nextToken']}")).json

    assert (first["numberOfResults"], len(first["items"]), len(second["items"])) == (25, 20, 5)
    assert "pagination" not in second


@pytest.mark.parametrize(
    "query",
    [
        "&identifiers=A",
        "&identifiers=A&identifiersType=NAME",
        f"&identifiersType=SKU&identifiers={','.join(map(str, range(21)))}",
        "&pageSize=21",
        "&pageSize=many",
        "&pageToken=x",
    ],
)
def test_malformed_searches_are_refused(client: Client, query: str) -> None:
    answer = client.call("GET", search_path(client, query))

    assert (answer.status, answer.error["code"]) == (400, "BAD_REQUEST")
