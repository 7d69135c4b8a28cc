"""Clients that nobody here wrote, unchanged but for their base URLs."""

import gzip
import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulator.client import FEED_TYPE, FULFILLMENT_TYPE, JSON_UTF8, REPORT_TYPE, US, XML_UTF8, Client, availability, patch
from tests.simulator.contract import check_report

ORDERS = ["114-1234567-1234567", "114-1234567-1234568"]
ITEM = "11498765431234"

# The package's own source warns.
pytestmark = [pytest.mark.usefixtures("quiet_logging"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def quiet_logging() -> Iterator[None]:
    """Amazon's package configures the root logger when it is imported."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


@pytest.fixture
def client(client: Client) -> Client:
    """A seller with one listing, known and orderable, and two orders of an hour ago."""
    client.stock({"sku": "A", "asin": "B07X4K9Y9Z", "price": "10.00", "quantity": 1, "lead_time": 2, "title": "Café"})
    item = {"order_item_id": ITEM, "sku": "A", "quantity": 2, "unit_price": "10.00"}
    client.simulator.put_orders(client.seller_id, [{"order_id": one, "marketplace_id": US, "items": [item]} for one in ORDERS])
    return client


@pytest.fixture
def amazons(client: Client) -> Iterator[Any]:
    """Amazon's own client, logged in."""
    from spapi.auth.credentials import SPAPIConfig
    from spapi.client import SPAPIClient

    credentials = client.credentials
    config = SPAPIConfig(credentials.client_id, credentials.client_secret, credentials.refresh_token)
    api_client = SPAPIClient(config, oauth_endpoint=client.simulator.lwa_url, endpoint=client.simulator.url).api_client
    yield api_client
    api_client.rest_client.pool_manager.clear()


@pytest.fixture
def package(client: Client) -> Iterator[Callable[..., Any]]:
    """Makes the APIs of python-amazon-sp-api, logged in."""
    from sp_api.auth import AccessTokenClient

    host = client.simulator.url.removeprefix("http://")

    class LocalTokens(AccessTokenClient):  # type: ignore[misc]  # an untyped package
        """The package's own token client, on our host."""

        scheme = "http://"

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.host = host

    # The package keeps access tokens by refresh token, beyond a test.
    credentials = client.simulator.register_seller(client.seller_id, refresh_token=f"Atzr|{uuid.uuid4()}")
    made: list[Any] = []

    def make(api: Any, **options: Any) -> Any:
        made.append(
            api(
                marketplace=SimpleNamespace(endpoint=client.simulator.url, marketplace_id=US, region="us-east-1"),
                refresh_token=credentials.refresh_token,
                credentials={
                    "lwa_app_id": credentials.client_id,
                    "lwa_client_secret": credentials.client_secret,
                    "refresh_token": credentials.refresh_token,
                },
                auth_token_client_class=LocalTokens,
                **options,
            )
        )
        return made[-1]

    yield make
    for api in made:
        api.close()
        api._auth._transport.close()


def listings_feed(client: Client) -> bytes:
    terms = {
        "merchant_suggested_asin": [{"value": "B07X4K9Y9Z"}],
        "condition_type": [{"value": "new_new"}],
        "purchasable_offer": [{"currency": "USD", "our_price": [{"schedule": [{"value_with_tax": 29.99}]}]}],
        "fulfillment_availability": availability(quantity=5)["value"],
    }
    update = {"operationType": "UPDATE", "productType": "PRODUCT", "requirements": "LISTING_OFFER_ONLY", "attributes": terms}
    messages = [{"messageId": 1, **patch("A", availability(quantity=7))}, {"messageId": 2, "sku": "NEW", **update}]
    return json.dumps({"header": {"sellerId": client.seller_id, "version": "2.0"}, "messages": messages}).encode()


def fulfillment_feed(client: Client) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    header = f"<Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>{client.seller_id}</MerchantIdentifier></Header>"
    data = "<FulfillmentData><CarrierCode>UPS</CarrierCode><ShipperTrackingNumber>T1</ShipperTrackingNumber></FulfillmentData>"
    item = f"<Item><AmazonOrderItemCode>{ITEM}</AmazonOrderItemCode><Quantity>2</Quantity></Item>"
    content = f"<AmazonOrderID>{ORDERS[0]}</AmazonOrderID><FulfillmentDate>{now}</FulfillmentDate>{data}{item}"
    message = f"<Message><MessageID>1</MessageID><OrderFulfillment>{content}</OrderFulfillment></Message>"
    return f"<AmazonEnvelope>{header}<MessageType>OrderFulfillment</MessageType>{message}</AmazonEnvelope>".encode()


def day_before_yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=2)


def test_amazons_own_client_sends_a_listings_feed(client: Client, amazons: Any) -> None:
    from spapi.api.feeds_v2021_06_30.feeds_api import FeedsApi

    api = FeedsApi(amazons)

    document = api.create_feed_document({"contentType": JSON_UTF8})
    upload = client.put(document.url, listings_feed(client))
    created = api.create_feed({"feedType": FEED_TYPE, "marketplaceIds": [US], "inputFeedDocumentId": document.feed_document_id})
    waiting = api.get_feed(created.feed_id)
    client.simulator.advance(120)
    done = api.get_feed(created.feed_id)
    result = api.get_feed_document(done.result_feed_document_id, enable_content_encoding_url_header=True)

    assert upload.status == 200
    assert (waiting.processing_status, done.processing_status) == ("IN_PROGRESS", "DONE")
    assert check_report(client.get(result.url, unpack=True).body)["summary"]["messagesAccepted"] == 2
    assert (client.item("A")["quantity"], client.item("NEW")["exists_as"]) == (7, "listing")


def test_amazons_own_client_confirms_a_shipment(client: Client, amazons: Any) -> None:
    from spapi.api.feeds_v2021_06_30.feeds_api import FeedsApi

    api = FeedsApi(amazons)

    document = api.create_feed_document({"contentType": XML_UTF8})
    client.put(document.url, fulfillment_feed(client), XML_UTF8)
    created = api.create_feed({"feedType": FULFILLMENT_TYPE, "marketplaceIds": [US], "inputFeedDocumentId": document.feed_document_id})
    client.simulator.advance(120)
    done = api.get_feed(created.feed_id)
    result = api.get_feed_document(done.result_feed_document_id)

    assert b"<MessagesSuccessful>1</MessagesSuccessful>" in gzip.decompress(client.get(result.url).body)
    assert client.simulator.order(client.seller_id, ORDERS[0])["status"] == "SHIPPED"


def test_amazons_own_client_reads_orders(client: Client, amazons: Any) -> None:
    from spapi.api.orders_v2026_01_01.get_order_api import GetOrderApi
    from spapi.api.orders_v2026_01_01.search_orders_api import SearchOrdersApi

    api = SearchOrdersApi(amazons)
    window = {
        "last_updated_after": day_before_yesterday(),
        "marketplace_ids": [US],
        "included_data": ["FULFILLMENT", "PROCEEDS", "RECIPIENT"],
    }

    first = api.search_orders(**window, max_results_per_page=1)
    second = api.search_orders(**window, max_results_per_page=1, pagination_token=first.pagination.next_token)
    order = GetOrderApi(amazons).get_order(ORDERS[0], included_data=["FULFILLMENT", "BUYER"]).order

    assert [page.orders[0].order_id for page in (first, second)] == ORDERS
    assert second.pagination is None
    assert first.orders[0].proceeds.grand_total.amount == "20.00"
    assert first.orders[0].recipient.delivery_address.postal_code == "98101"
    assert (order.fulfillment.fulfillment_status, order.order_items[0].product.seller_sku) == ("UNSHIPPED", "A")


def test_amazons_own_client_gets_a_report(client: Client, amazons: Any) -> None:
    from spapi.api.reports_v2021_06_30.reports_api import ReportsApi

    api = ReportsApi(amazons)

    created = api.create_report({"reportType": REPORT_TYPE, "marketplaceIds": [US]})
    client.simulator.advance(60)
    done = api.get_report(created.report_id)
    listed = api.get_reports(report_types=[REPORT_TYPE])
    document = api.get_report_document(done.report_document_id)

    assert (done.processing_status, [report.report_id for report in listed.reports]) == ("DONE", [created.report_id])
    assert document.compression_algorithm == "GZIP"
    assert "Café" in gzip.decompress(client.get(document.url).body).decode("cp1252")


def test_amazons_own_client_cancels_a_report(client: Client, amazons: Any) -> None:
    from spapi.api.reports_v2021_06_30.reports_api import ReportsApi

    client.simulator.set_limits(report_queue_seconds=60)
    api = ReportsApi(amazons)
    created = api.create_report({"reportType": REPORT_TYPE, "marketplaceIds": [US]})

    api.cancel_report(created.report_id)

    assert api.get_report(created.report_id).processing_status == "CANCELLED"


def test_python_amazon_sp_api_sends_a_listings_feed(client: Client, package: Callable[..., Any]) -> None:
    from sp_api.api import Feeds

    feeds = package(Feeds)

    document = feeds.create_feed_document(io.BytesIO(listings_feed(client)), content_type=JSON_UTF8).payload
    created = feeds.create_feed(FEED_TYPE, document["feedDocumentId"]).payload
    waiting = feeds.get_feed(created["feedId"]).payload
    client.simulator.advance(120)
    done = feeds.get_feed(created["feedId"]).payload
    result = feeds._request(f"/feeds/2021-06-30/documents/{done['resultFeedDocumentId']}", params={"method": "GET"}).payload
    report = client.get(result["url"]).body

    assert (waiting["processingStatus"], done["processingStatus"]) == ("IN_PROGRESS", "DONE")
    assert report.startswith(b"\x1f\x8b")
    assert client.item("A")["quantity"] == 7


def test_python_amazon_sp_api_confirms_a_shipment(client: Client, package: Callable[..., Any]) -> None:
    from sp_api.api import Feeds

    feeds = package(Feeds)

    document, created = feeds.submit_feed(FULFILLMENT_TYPE, io.BytesIO(fulfillment_feed(client)), content_type=XML_UTF8)
    client.simulator.advance(120)
    done = feeds.get_feed(created.payload["feedId"]).payload

    assert "feedDocumentId" in document.payload
    assert done["processingStatus"] == "DONE"
    assert client.simulator.order(client.seller_id, ORDERS[0])["packages"][0]["tracking_number"] == "T1"


def test_python_amazon_sp_api_reads_orders(package: Callable[..., Any]) -> None:
    from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101

    orders = package(OrdersV20260101)
    window = {
        "lastUpdatedAfter": day_before_yesterday().isoformat(),
        "marketplaceIds": US,
        "includedData": "FULFILLMENT",
        "maxResultsPerPage": 1,
    }

    first = orders.search_orders(**window)
    second = orders.search_orders(**window, paginationToken=first.next_token)
    order = orders.get_order(ORDERS[1], includedData="BUYER").payload["order"]

    assert [page.payload["orders"][0]["orderId"] for page in (first, second)] == ORDERS
    assert second.next_token is None
    assert order["buyer"]["buyerName"] == "Jane Roe"


def test_python_amazon_sp_api_downloads_a_report(client: Client, package: Callable[..., Any]) -> None:
    from sp_api.api import Reports

    reports = package(Reports)

    created = reports.create_report(reportType=REPORT_TYPE, marketplaceIds=[US]).payload
    client.simulator.advance(60)
    done = reports.get_report(created["reportId"]).payload
    listed = reports.get_reports(reportTypes=[REPORT_TYPE]).payload["reports"]
    document = reports.get_report_document(done["reportDocumentId"], download=True, character_code="cp1252").payload

    assert [report["reportId"] for report in listed] == [created["reportId"]]
    assert "Café" in document["document"]
