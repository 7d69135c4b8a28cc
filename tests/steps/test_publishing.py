"""Listings on their whole way: published, changed, refused, deleted, with Amazon simulated over HTTP."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.steps.shop import MARKETPLACE, SELLER, Shop

ASIN, UPC = "B07X4K9Y9Z", "123456789012"
PRODUCT = {"asin": ASIN, "title": "Blue Widget", "product_type": "DRINKING_CUP", "identifiers": [UPC]}

TEMPLATE: Mapping[str, Any] = {
    "sku": {"field": "sku"},
    "title": {"field": "title"},
    "product_id": {"option": "ASIN", "rules": ["If no ASIN use UPC"]},
    "quantity": {"field": "quantity"},
    "item_condition": {"mapping_set": "conditions", "field": "condition"},
    "price": {"field": "price"},
}
OFFER: Mapping[str, Any] = {name: spec for name, spec in TEMPLATE.items() if name not in {"price", "quantity"}}
"""Says neither price nor quantity."""


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.simulator.put_products(MARKETPLACE, [PRODUCT])
    return shop


def listing(sku: str = "FLX12345", **data: Any) -> Mapping[str, Any]:
    """A listing message; a field that is None is left out."""
    usual = {"title": "Blue Widget", "asin": ASIN, "condition": "New", "price": "29.99", "quantity": 5}
    fields = {name: value for name, value in {**usual, **data}.items() if value is not None}
    return {"type": "feedline.listing.v1", "sku": sku, **fields}


def deletion(sku: str = "FLX12345", **data: Any) -> Mapping[str, Any]:
    return {"type": "feedline.listing.v1", "sku": sku, "operation": "delete", **data}


def operations(shop: Shop) -> list[list[str]]:
    """What each feed's messages did."""
    return [[message["operationType"] for message in document["messages"]] for document in shop.documents()]


def is_listed(shop: Shop, sku: str = "FLX12345") -> bool:
    return sku in shop.simulator.catalogue(SELLER, MARKETPLACE)


@pytest.mark.requirement("R32", "R49")
def test_a_listing_attaches_an_offer_to_its_asin(shop: Shop) -> None:
    shop.connect()

    (published,) = shop.publish(listing())
    shop.run()

    assert shop.outcome(published) == "accepted"
    item = shop.at_amazon("FLX12345")
    assert (item["asin"], item["price"], item["quantity"]) == (ASIN, "29.99", 5)
    assert operations(shop) == [["UPDATE"]]


@pytest.mark.requirement("R45", "R48")
def test_a_listing_without_asin_finds_its_product_by_its_upc_and_is_marked(shop: Shop) -> None:
    shop.connect()

    (published,) = shop.publish(listing(asin="", upc=UPC))
    shop.run()

    assert shop.at_amazon("FLX12345")["asin"] == ASIN
    outcome = shop.outcomes()[published]
    assert (outcome["outcome"], [issue["code"] for issue in outcome["issues"]]) == ("accepted", ["MATCHED_BY_IDENTIFIER"])


def test_a_price_and_a_quantity_after_the_listing_are_patches_of_it(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()

    (later,) = shop.publish({"sku": "FLX12345", "price": "19.99", "quantity": 0})
    shop.run()

    assert shop.outcome(later) == "accepted"
    assert operations(shop) == [["UPDATE"], ["PATCH"]]
    assert (shop.at_amazon("FLX12345")["price"], shop.at_amazon("FLX12345")["quantity"]) == ("19.99", 0)
    assert len(shop.simulator.calls("searchListingsItems")) == 1


@pytest.mark.parametrize("first", ["price", "listing"])
def test_a_price_waits_for_the_listing_that_is_pending_and_goes_with_it(shop: Shop, first: str) -> None:
    shop.connect(publish_listings={"template": {**OFFER, "quantity": {"field": "quantity"}}})
    both = [{"sku": "FLX12345", "price": "19.99"}, listing(quantity=2)]

    ids = shop.publish(*(both if first == "price" else reversed(both)))
    shop.run()

    assert shop.words(*ids) == ["accepted", "accepted"]
    assert operations(shop) == [["UPDATE"]]
    assert (shop.at_amazon("FLX12345")["price"], shop.at_amazon("FLX12345")["quantity"]) == ("19.99", 2)


def test_a_price_that_comes_while_its_listing_is_in_flight_waits_for_it(shop: Shop) -> None:
    shop.connect()
    shop.simulator.fault("feed_stuck_in_progress")
    (published,) = shop.publish(listing())
    shop.run_until(lambda: "in_progress" in shop.states())

    (price,) = shop.publish({"sku": "FLX12345", "price": "19.99"})
    for _ in range(3):
        shop.run_until(lambda: True)
    waiting = shop.states()
    shop.simulator.release_feed(SELLER, shop.feeds()[0]["amazon_feed_id"])
    shop.run()

    assert waiting == ["in_progress"]
    assert shop.words(published, price) == ["accepted", "accepted"]
    assert operations(shop) == [["UPDATE"], ["PATCH"]]
    assert shop.at_amazon("FLX12345")["price"] == "19.99"


@pytest.mark.requirement("R48")
def test_a_refused_listing_does_not_sink_the_batch_nor_the_price_of_another_message(shop: Shop) -> None:
    shop.connect(publish_listings={"template": {**OFFER, "quantity": {"field": "quantity"}}})
    shop.lists("KNOWN", price="10.00", quantity=1)

    good, bad, price, unknown, orphan = shop.publish(
        listing(),
        listing("KNOWN", asin="B000000000"),
        {"sku": "KNOWN", "price": "12.00"},
        listing("NEW", asin="B000000000"),
        {"sku": "NEW", "price": "13.00"},
        {"sku": "FLX12345", "price": "14.00"},
    )[:5]
    shop.run()

    outcomes = shop.outcomes()
    assert shop.words(good, bad, price, unknown, orphan) == ["accepted", "rejected", "accepted", "rejected", "rejected"]
    assert outcomes[bad]["reason"] == outcomes[unknown]["reason"] == "8560"
    assert outcomes[orphan]["reason"] == "SKU_UNKNOWN"
    assert shop.at_amazon("KNOWN")["price"] == "12.00"
    assert not is_listed(shop, "NEW")


def test_a_deletion_removes_the_listing_and_what_comes_after_it_finds_none(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()

    (deleted,) = shop.publish(deletion(price="0.00"))
    shop.run()
    (late,) = shop.publish({"sku": "FLX12345", "quantity": 3})
    shop.run()

    assert shop.outcome(deleted) == "accepted"
    assert not is_listed(shop)
    assert (shop.outcome(late), shop.outcomes()[late]["reason"]) == ("rejected", "SKU_UNKNOWN")
    assert operations(shop) == [["UPDATE"], ["DELETE"]]


def test_a_deletion_supersedes_what_waits_and_a_listing_after_it_starts_anew(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()

    price, deleted = shop.publish({"sku": "FLX12345", "price": "19.99"}, deletion())
    shop.run()
    (again,) = shop.publish(listing())
    shop.run()

    assert shop.words(price, deleted, again) == ["superseded", "accepted", "accepted"]
    assert operations(shop) == [["UPDATE"], ["DELETE"], ["UPDATE"]]
    assert shop.at_amazon("FLX12345")["price"] == "29.99"


def test_a_deletion_of_what_amazon_does_not_list_has_nothing_to_do(shop: Shop) -> None:
    shop.connect()

    published, deleted = shop.publish(listing("NEW"), deletion("NEW"))
    shop.run()

    assert shop.words(published, deleted) == ["superseded", "unchanged"]
    assert shop.feeds() == []


def test_a_partial_update_of_what_amazon_does_not_list_is_refused_and_makes_no_listing(shop: Shop) -> None:
    shop.connect(publish_listings={"operation": "PARTIAL_UPDATE", "template": TEMPLATE})

    ids = shop.publish(listing(), {"sku": "FLX12345", "price": "19.99"})
    shop.run()

    assert [(shop.outcomes()[each]["outcome"], shop.outcomes()[each]["reason"]) for each in ids] == [("rejected", "SKU_UNKNOWN")] * 2
    assert not is_listed(shop)
    assert shop.feeds() == []


def test_the_same_listing_again_is_unchanged_and_one_with_another_price_patches_that(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()

    (same,) = shop.publish(listing())
    (dearer,) = shop.publish(listing(price="31.00"))
    shop.run()

    assert shop.words(same, dearer) == ["unchanged", "accepted"]
    assert operations(shop) == [["UPDATE"], ["PATCH"]]


def test_a_listing_with_another_condition_goes_whole_and_keeps_price_and_quantity(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()
    shop.publish({"sku": "FLX12345", "price": "19.99", "quantity": 9})
    shop.run()
    shop.connect(publish_listings={"template": OFFER})

    (used,) = shop.publish(listing(condition="Used - Good"))
    shop.run()

    assert shop.outcome(used) == "accepted"
    item = shop.simulator.item(SELLER, MARKETPLACE, "FLX12345")
    assert item is not None
    assert (item["price"], item["quantity"]) == ("19.99", 9)
    assert item["attributes"]["condition_type"][0]["value"] == "used_good"


def test_a_cancelled_feed_goes_again_with_the_price_that_it_carried(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing())
    shop.run()
    shop.connect(publish_listings={"template": OFFER})
    shop.simulator.fault("feed_cancelled")

    (used,) = shop.publish(listing(condition="Used - Good"))
    shop.run()

    assert shop.outcome(used) == "accepted"
    assert operations(shop) == [["UPDATE"], ["UPDATE"], ["UPDATE"]]
    assert (shop.at_amazon("FLX12345")["price"], shop.at_amazon("FLX12345")["quantity"]) == ("29.99", 5)


def test_the_guard_keeps_a_quantity_from_a_listing_that_amazon_fulfils(shop: Shop) -> None:
    shop.connect()
    shop.lists("FBA", asin=ASIN, fulfillment_channel="AMAZON_NA", quantity=9)

    (published,) = shop.publish(listing("FBA"))
    shop.run()

    outcome = shop.outcomes()[published]
    assert (outcome["outcome"], outcome["reason"]) == ("rejected", "FBA_GUARD")
    (message,) = shop.documents()[0]["messages"]
    assert message["attributes"]["fulfillment_availability"] == [{"fulfillment_channel_code": "AMAZON_NA"}]
    assert shop.at_amazon("FBA")["price"] == "29.99"


@pytest.mark.requirement("R7", "R8", "R40")
def test_a_mapped_sku_with_its_prefix_is_what_amazon_and_the_inventory_messages_speak_of(shop: Shop) -> None:
    shop.connect(sku_prefix="AMZ-", publish_listings={"template": {**TEMPLATE, "sku": {"field": "item"}}})

    (published,) = shop.publish(listing("whatever", item="AMZ-7"))
    (price,) = shop.publish({"sku": "7", "price": "19.99"})
    shop.run()

    assert shop.words(published, price) == ["accepted", "accepted"]
    assert shop.at_amazon("AMZ-7")["price"] == "19.99"
    assert [row["key"] for row in shop.query("SELECT key FROM key_state")] == ["7"]


@pytest.mark.requirement("R18")
def test_quantities_go_to_the_fulfillment_center_that_the_listing_named(shop: Shop) -> None:
    shop.connect(publish_listings={"fulfillment_center_id": {"field": "warehouse"}})
    shop.publish(listing(warehouse="W1"))
    shop.run()

    (later,) = shop.publish({"sku": "FLX12345", "quantity": 8})
    shop.run()

    assert shop.outcome(later) == "accepted"
    stock = [message["patches"][0]["value"] for message in shop.documents()[1]["messages"]]
    assert stock == [[{"fulfillment_channel_code": "W1", "quantity": 8}]]


@pytest.mark.requirement("R68")
def test_a_listing_says_its_product_type_and_later_patches_use_it(shop: Shop) -> None:
    shop.connect()
    shop.publish(listing(product_type="LUGGAGE"))
    shop.run()
    shop.publish({"sku": "FLX12345", "quantity": 8})
    shop.run()

    assert [document["messages"][0]["productType"] for document in shop.documents()] == ["LUGGAGE", "LUGGAGE"]
    (row,) = shop.query("SELECT product_type, product_type_source, asin, channels FROM listing")
    assert row == {"product_type": "LUGGAGE", "product_type_source": "message", "asin": ASIN, "channels": ["DEFAULT"]}


@pytest.mark.requirement("R51")
def test_an_invalid_listing_is_kept_with_every_fault_and_nothing_is_sent(shop: Shop) -> None:
    shop.connect(publish_listings={"template": {**TEMPLATE, "sku": "set_to_empty"}})

    (refused,) = shop.publish(listing(asin="", upc="123456789013", condition="new"))
    shop.run()

    assert shop.outcome(refused) == "invalid"
    (kept,) = shop.refused()
    assert set(kept["codes"]) == {"SKU_REQUIRED", "CHECK_DIGIT_WRONG", "MAPPING_KEY_UNKNOWN"}
    assert shop.feeds() == []
