"""Listings, product types and marketplaces through the gateway."""

import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, US, Worker
from worker.amazon.listings import ListingsItem
from worker.core.accounts import Seller
from worker.errors import Refused


@pytest.fixture
def listed(simulator: Simulator) -> None:
    items = [
        {"sku": "ABC", "quantity": 1, "asin": "B07X4K9Y9Z", "product_type": "LUGGAGE"},
        {"sku": "A/B ü?&=#%", "quantity": 1},
        {"sku": "red,XL", "quantity": 1},
    ]
    simulator.put_catalogue(CREDENTIALS.seller_id, US, items)


@pytest.mark.requirement("R6", "R67")
@pytest.mark.usefixtures("listed")
def test_a_search_finds_exactly_the_skus_that_amazon_lists(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    found = worker.amazon.search_listings(seller, ["ABC", "abc", "A/B ü?&=#%", "red,XL", "blue,XL", "unknown"])

    assert {item.sku for item in found} == {"ABC", "A/B ü?&=#%", "red,XL"}
    assert next(item for item in found if item.sku == "ABC") == ListingsItem("ABC", "LUGGAGE", "B07X4K9Y9Z", ("DEFAULT",))
    assert len(simulator.calls("searchListingsItems")) == 1
    assert len(simulator.calls("getListingsItem")) == 2


@pytest.mark.usefixtures("listed")
def test_twenty_skus_with_commas_are_found_though_the_burst_is_ten(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    skus = [f"{number},XL" for number in range(20)]
    simulator.put_catalogue(CREDENTIALS.seller_id, US, [{"sku": sku, "quantity": 1} for sku in skus])

    assert len(worker.amazon.search_listings(seller, skus)) == 20
    assert set(simulator.call_counts()["getListingsItem"]) == {"200"}


def test_a_search_takes_twenty_skus_and_no_more(worker: Worker, seller: Seller) -> None:
    with pytest.raises(ValueError, match="20 SKUs, not 21"):
        worker.amazon.search_listings(seller, [str(number) for number in range(21)])


@pytest.mark.requirement("R67")
@pytest.mark.usefixtures("listed")
def test_one_listing_is_read_or_said_to_be_none(worker: Worker, seller: Seller) -> None:
    item = worker.amazon.get_listings_item(seller, "ABC")

    assert item is not None
    assert (item.product_type, item.asin) == ("LUGGAGE", "B07X4K9Y9Z")
    assert worker.amazon.get_listings_item(seller, "unknown") is None


@pytest.mark.requirement("R69")
def test_product_types_are_found_by_keyword(worker: Worker, seller: Seller) -> None:
    found = worker.amazon.search_product_types(seller, ["luggage"])

    assert [(each.name, each.display_name) for each in found] == [("LUGGAGE", "Luggage")]
    assert worker.amazon.search_product_types(seller, ["no-such-thing"]) == []


@pytest.mark.requirement("R15")
def test_an_account_knows_where_it_sells(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    assert worker.amazon.marketplace_participations(seller.account) == [US]

    simulator.fault("role_missing", operation="getMarketplaceParticipations")
    with pytest.raises(Refused):
        worker.amazon.marketplace_participations(seller.account)
