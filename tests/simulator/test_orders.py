"""The reads of the Orders API: windows, pages, blocks, and orders that change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import CANADA, GERMANY, US, Client

PATH = "/orders/2026-01-01/orders"
EVERYTHING = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
MUG = "11498765431234"


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="milliseconds")


def order(number: int = 1, **changes: object) -> dict[str, object]:
    """An order that was updated so many minutes before an hour ago."""
    item = {"order_item_id": MUG, "sku": "MUG", "quantity": 2, "unit_price": "19.99", "title": "Blue mug", "asin": "B07X4K9Y9Z"}
    updated = {"created_at": ago(days=1), "updated_at": ago(hours=1, minutes=number)}
    return {"order_id": order_id(number), "marketplace_id": US, "items": [item], **updated, **changes}


def order_id(number: int) -> str:
    return f"114-1234567-{number:07d}"


def search(client: Client, **query: object) -> Any:
    """searchOrders since yesterday."""
    return client.call("GET", f"{PATH}?{urlencode({'lastUpdatedAfter': ago(days=1), **query})}")


def get(client: Client, number: int = 1, included: str = EVERYTHING) -> dict[str, Any]:
    found: dict[str, Any] = client.call("GET", f"{PATH}/{order_id(number)}?includedData={included}").json["order"]
    return found


def ids(answer: Any) -> list[str]:
    return [found["orderId"] for found in answer.json["orders"]]


def pages(client: Client, query: dict[str, object]) -> list[list[str]]:
    """The order ids of every page; all parameters are repeated."""
    found, token = [], None
    while True:
        answer = client.call("GET", f"{PATH}?{urlencode(query | ({'paginationToken': token} if token else {}))}")
        assert answer.status == 200, answer.json
        found.append(ids(answer))
        token = answer.json.get("pagination", {}).get("nextToken")
        if token is None:
            return found


def test_an_order_is_shown_with_every_block_that_was_asked_for(client: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order(seller_order_id="WEB-1")])

    found = get(client)

    assert found["orderAliases"] == [{"aliasId": "WEB-1", "aliasType": "SELLER_ORDER_ID"}]
    assert found["proceeds"]["grandTotal"] == {"amount": "39.98", "currencyCode": "USD"}
    assert found["buyer"]["buyerEmail"].endswith("@marketplace.amazon.com")
    assert found["recipient"]["deliveryAddress"]["name"] == "Jane Roe"
    assert found["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    [item] = found["orderItems"]
    assert item["product"]["sellerSku"] == "MUG"
    assert item["product"]["price"]["unitPrice"] == {"amount": "19.99", "currencyCode": "USD"}
    assert item["fulfillment"] == {"quantityFulfilled": 0, "quantityUnfulfilled": 2}


def test_without_included_data_there_are_the_items_and_no_status(client: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order()])

    found = client.call("GET", f"{PATH}/{order_id(1)}").json["order"]

    assert set(found) == {"orderId", "createdTime", "lastUpdatedTime", "programs", "associatedOrders", "salesChannel", "orderItems"}
    assert set(found["orderItems"][0]) == {"orderItemId", "quantityOrdered", "product"}


def test_an_order_may_lack_its_sku_its_price_and_its_total(client: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order(items=[{"order_item_id": MUG}], amend={"recipient": None})])

    found = get(client)

    assert found["orderItems"][0]["product"] == {"condition": {"conditionType": "NEW", "conditionSubtype": "NEW"}}
    assert (found["proceeds"], "recipient" in found) == ({}, False)


def test_any_part_of_an_order_can_be_amended(client: Client) -> None:
    amend = {"proceeds": {"grandTotal": {"amount": "-1.00"}}, "createdTime": "1995-01-01T00:00:00Z"}
    item = {"order_item_id": MUG, "unit_price": "5", "amend": {"product": {"title": "X"}}}
    client.simulator.put_orders(client.seller_id, [order(amend=amend, items=[item])])

    found = get(client)

    assert found["proceeds"]["grandTotal"] == {"amount": "-1.00", "currencyCode": "USD"}
    assert found["createdTime"] == "1995-01-01T00:00:00Z"
    assert found["orderItems"][0]["product"]["title"] == "X"


def test_yen_have_no_decimals_in_an_order(simulator: Simulator) -> None:
    japan = "A1VC38T7YXB528"
    seller = Client(simulator, simulator.register_seller("A3JAPAN", (japan,)), japan)
    seller.log_in()
    simulator.put_orders("A3JAPAN", [order(marketplace_id=japan, items=[{"order_item_id": MUG, "unit_price": "2980"}])])

    assert get(seller)["proceeds"]["grandTotal"] == {"amount": "2980", "currencyCode": "JPY"}
    seller.http.clear()


def test_a_shipment_shows_in_the_order(client: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order(created_at="2026-08-01T00:00:00Z")])
    document = (
        f"<AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{client.seller_id}</MerchantIdentifier></Header>"
        "<MessageType>OrderFulfillment</MessageType><Message><MessageID>1</MessageID><OrderFulfillment>"
        f"<AmazonOrderID>{order_id(1)}</AmazonOrderID><FulfillmentDate>2026-08-05T10:15:00Z</FulfillmentDate>"
        "<FulfillmentData><CarrierCode>UPS</CarrierCode><ShipperTrackingNumber>T1</ShipperTrackingNumber></FulfillmentData>"
        f"<Item><AmazonOrderItemCode>{MUG}</AmazonOrderItemCode><Quantity>1</Quantity></Item></OrderFulfillment></Message></AmazonEnvelope>"
    )
    client.ship(document.encode())
    client.simulator.advance(120)

    found = get(client)

    assert found["fulfillment"]["fulfillmentStatus"] == "PARTIALLY_SHIPPED"
    assert found["packages"][0]["trackingNumber"] == "T1"
    assert found["orderItems"][0]["fulfillment"] == {"quantityFulfilled": 1, "quantityUnfulfilled": 1}


def test_orders_come_page_by_page_until_there_is_no_token(client: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order(number) for number in range(5)])

    found = pages(client, {"lastUpdatedAfter": ago(days=1), "maxResultsPerPage": 2})

    assert [len(page) for page in found] == [2, 2, 1]
    assert sorted(one for page in found for one in page) == [order_id(number) for number in range(5)]


def test_the_answer_names_the_upper_bound_that_it_used(client: Client) -> None:
    before = datetime.fromisoformat(ago(minutes=3))

    default = search(client).json
    given = search(client, lastUpdatedBefore=before.isoformat()).json
    created = client.call("GET", f"{PATH}?createdAfter={quote(ago(days=1))}").json

    assert timedelta(seconds=119) < datetime.now(UTC) - datetime.fromisoformat(default["lastUpdatedBefore"]) < timedelta(seconds=150)
    assert datetime.fromisoformat(given["lastUpdatedBefore"]) == before
    assert "createdBefore" in created


def test_the_window_is_inclusive_and_about_the_time_that_it_names(client: Client) -> None:
    client.simulator.put_orders(
        client.seller_id,
        [order(1, created_at="2026-08-01T00:00:00Z", updated_at="2026-08-03T00:00:00Z"), order(2, created_at="2026-08-02T00:00:00Z")],
    )

    def found(**query: str) -> list[str]:
        return ids(client.call("GET", f"{PATH}?{urlencode(query)}"))

    assert found(lastUpdatedAfter="2026-08-03T00:00:00Z", lastUpdatedBefore="2026-08-03T00:00:00Z") == [order_id(1)]
    assert found(createdAfter="2026-08-01T00:00:00Z", createdBefore="2026-08-01T23:59:59Z") == [order_id(1)]
    assert found(createdAfter="2026-08-02T00:00:00Z") == [order_id(2)]


# A timedelta is so long before the test: the table is made when the tests are collected.
BAD_QUERIES: tuple[tuple[str, dict[str, object]], ...] = (
    ("no window", {}),
    ("two windows", {"createdAfter": timedelta(days=1), "lastUpdatedAfter": timedelta(days=1)}),
    ("the bound of the other window", {"createdAfter": timedelta(days=1), "lastUpdatedBefore": timedelta(hours=1)}),
    ("a bound that is too young", {"lastUpdatedAfter": timedelta(days=1), "lastUpdatedBefore": timedelta(minutes=1)}),
    ("a bound before its partner", {"lastUpdatedAfter": timedelta(hours=1), "lastUpdatedBefore": timedelta(hours=2)}),
    ("a window that begins now", {"lastUpdatedAfter": timedelta(seconds=10)}),
    ("no time", {"lastUpdatedAfter": "yesterday"}),
    ("101 a page", {"lastUpdatedAfter": timedelta(days=1), "maxResultsPerPage": 101}),
    ("none a page", {"lastUpdatedAfter": timedelta(days=1), "maxResultsPerPage": 0}),
    ("an unknown status", {"lastUpdatedAfter": timedelta(days=1), "fulfillmentStatuses": "Shipped"}),
    ("an unknown block", {"lastUpdatedAfter": timedelta(days=1), "includedData": "ADDRESS"}),
    ("an unknown party", {"lastUpdatedAfter": timedelta(days=1), "fulfilledBy": "MFN"}),
    ("51 marketplaces", {"lastUpdatedAfter": timedelta(days=1), "marketplaceIds": ",".join([US] * 51)}),
    ("a token that is none", {"lastUpdatedAfter": timedelta(days=1), "paginationToken": "x"}),
)


@pytest.mark.parametrize("query", [row[1] for row in BAD_QUERIES], ids=[row[0] for row in BAD_QUERIES])
def test_a_malformed_search_is_refused(client: Client, query: dict[str, object]) -> None:
    client.simulator.put_orders(client.seller_id, [order()])

    told = {name: (datetime.now(UTC) - value).isoformat() if isinstance(value, timedelta) else value for name, value in query.items()}
    answer = client.call("GET", f"{PATH}?{urlencode(told)}")

    assert (answer.status, answer.error["code"]) == (400, "InvalidInput")


def test_a_token_goes_with_the_parameters_that_it_was_given_for(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(number) for number in range(3)])
    window = {"lastUpdatedAfter": ago(days=1), "maxResultsPerPage": 1, "marketplaceIds": US}
    token = client.call("GET", f"{PATH}?{urlencode(window)}").json["pagination"]["nextToken"]

    def status(**changes: object) -> int:
        return client.call("GET", f"{PATH}?{urlencode({**window, 'paginationToken': token, **changes})}").status

    assert status() == status(maxResultsPerPage=100, includedData="BUYER") == 200
    assert status(lastUpdatedAfter=ago(days=2)) == status(marketplaceIds=CANADA) == status(fulfillmentStatuses="SHIPPED") == 400
    simulator.fault("pagination_token_expired")
    assert status() == 400
    assert status() == 200
    simulator.advance(86_401)
    client.log_in()
    assert status() == 400


def test_filters_choose_by_status_party_and_marketplace(client: Client) -> None:
    client.simulator.put_orders(
        client.seller_id,
        [order(1, status="SHIPPED"), order(2, fulfilled_by="AMAZON"), order(3, marketplace_id=CANADA)],
    )

    assert ids(search(client, fulfillmentStatuses="SHIPPED,PARTIALLY_SHIPPED")) == [order_id(1)]
    assert ids(search(client, fulfilledBy="AMAZON")) == [order_id(2)]
    assert ids(search(client, marketplaceIds=CANADA)) == [order_id(3)]
    assert len(ids(search(client))) == 3


def test_orders_are_their_own_sellers(client: Client, other: Client) -> None:
    client.simulator.put_orders(client.seller_id, [order()])

    assert ids(search(other)) == []
    assert other.call("GET", f"{PATH}/{order_id(1)}").status == 404
    assert search(other, marketplaceIds=GERMANY).status == 403


def test_an_order_goes_from_pending_to_unshipped_to_shipped(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(status="PENDING")])
    simulator.change_order(client.seller_id, order_id(1), status="UNSHIPPED", after=60, updated_at=ago(minutes=30))
    simulator.change_order(client.seller_id, order_id(1), status="SHIPPED", after=120)

    pending = get(client)
    simulator.advance(60)
    unshipped = get(client)
    simulator.advance(60)
    shipped = get(client)

    assert [found["fulfillment"]["fulfillmentStatus"] for found in (pending, unshipped, shipped)] == ["PENDING", "UNSHIPPED", "SHIPPED"]
    assert {"buyer", "recipient", "proceeds"}.isdisjoint(pending)
    assert "price" not in pending["orderItems"][0]["product"]
    assert unshipped["buyer"]["buyerName"] == "Jane Roe"
    assert pending["lastUpdatedTime"] < unshipped["lastUpdatedTime"] < shipped["lastUpdatedTime"]
    assert shipped["orderItems"][0]["fulfillment"]["quantityUnfulfilled"] == 0


def test_a_late_update_shows_after_its_time_has_passed(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(1), order(2, visible_after=600)])

    before = ids(search(client))
    simulator.advance(600)

    assert before == [order_id(1)]
    assert sorted(ids(search(client))) == [order_id(1), order_id(2)]


def test_an_order_that_changes_between_pages_leaves_the_window(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(number) for number in range(4)])
    simulator.fault("order_changes_between_pages")

    found = pages(client, {"lastUpdatedAfter": ago(days=1), "maxResultsPerPage": 1})

    # The longest unchanged come first: 3, then 2, which has just changed.
    assert found == [[order_id(3)], [order_id(1)], [order_id(0)]]
    assert get(client, 2)["lastUpdatedTime"] > ago(minutes=1)


def test_a_page_may_have_an_order_twice(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(1), order(2)])
    simulator.fault("order_repeated")

    assert ids(search(client)) == [order_id(2), order_id(1), order_id(2)]


def test_personal_data_is_left_out_without_the_role(simulator: Simulator, client: Client) -> None:
    simulator.put_orders(client.seller_id, [order(1), order(2)])
    simulator.fault("personal_data_withheld", skip=1)

    first, second = search(client, includedData="BUYER,RECIPIENT").json["orders"]

    assert first["recipient"]["deliveryAddress"]["postalCode"] == "98101"
    assert second["buyer"] == {}
    assert second["recipient"]["deliveryAddress"] == {
        "city": "Seattle",
        "stateOrRegion": "WA",
        "countryCode": "US",
        "addressType": "RESIDENTIAL",
    }


def test_the_quota_of_search_is_one_page_in_three_minutes(simulator: Simulator, client: Client) -> None:
    statuses = [search(client).status for _ in range(21)]
    simulator.advance(179)

    assert statuses == [200] * 20 + [429]
    assert search(client).status == 200
