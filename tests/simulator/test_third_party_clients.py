"""Clients that nobody here wrote, unchanged but for their base URLs."""

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulator.client import FEED_TYPE, JSON_UTF8, US, Client, availability, patch
from tests.simulator.contract import check_report


@pytest.fixture
def feed(client: Client) -> bytes:
    client.stock({"sku": "A", "price": "10.00", "quantity": 1, "lead_time": 2})
    header = {"sellerId": client.seller_id, "version": "2.0"}
    return json.dumps({"header": header, "messages": [{"messageId": 1, **patch("A", availability(quantity=7))}]}).encode()


@pytest.fixture
def quiet_logging() -> Iterator[None]:
    """Amazon's package configures the root logger when it is imported."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


@pytest.mark.usefixtures("quiet_logging")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package's own source
def test_amazons_own_client_sends_a_feed(client: Client, feed: bytes) -> None:
    from spapi.api.feeds_v2021_06_30.feeds_api import FeedsApi
    from spapi.auth.credentials import SPAPIConfig
    from spapi.client import SPAPIClient

    credentials = client.credentials
    config = SPAPIConfig(credentials.client_id, credentials.client_secret, credentials.refresh_token)
    amazons = SPAPIClient(config, oauth_endpoint=client.simulator.lwa_url, endpoint=client.simulator.url).api_client
    api = FeedsApi(amazons)

    document = api.create_feed_document({"contentType": JSON_UTF8})
    upload = client.put(document.url, feed)
    created = api.create_feed({"feedType": FEED_TYPE, "marketplaceIds": [US], "inputFeedDocumentId": document.feed_document_id})
    waiting = api.get_feed(created.feed_id)
    client.simulator.advance(120)
    done = api.get_feed(created.feed_id)
    result = api.get_feed_document(done.result_feed_document_id, enable_content_encoding_url_header=True)
    amazons.rest_client.pool_manager.clear()

    assert upload.status == 200
    assert (waiting.processing_status, done.processing_status) == ("IN_PROGRESS", "DONE")
    assert check_report(client.get(result.url, unpack=True).body)["summary"]["messagesAccepted"] == 1
    assert client.item("A")["quantity"] == 7


def test_python_amazon_sp_api_sends_a_feed(client: Client, feed: bytes) -> None:
    from sp_api.api import Feeds
    from sp_api.auth import AccessTokenClient

    host = client.simulator.url.removeprefix("http://")

    class LocalTokens(AccessTokenClient):  # type: ignore[misc]  # an untyped package
        """The package's own token client, on our host."""

        scheme = "http://"

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.host = host

    credentials = client.credentials
    feeds = Feeds(
        marketplace=SimpleNamespace(endpoint=client.simulator.url, marketplace_id=US, region="us-east-1"),
        refresh_token=credentials.refresh_token,
        credentials={
            "lwa_app_id": credentials.client_id,
            "lwa_client_secret": credentials.client_secret,
            "refresh_token": credentials.refresh_token,
        },
        auth_token_client_class=LocalTokens,
    )

    document = feeds.create_feed_document(io.BytesIO(feed), content_type=JSON_UTF8).payload
    created = feeds.create_feed(FEED_TYPE, document["feedDocumentId"]).payload
    waiting = feeds.get_feed(created["feedId"]).payload
    client.simulator.advance(120)
    done = feeds.get_feed(created["feedId"]).payload
    result = feeds._request(f"/feeds/2021-06-30/documents/{done['resultFeedDocumentId']}", params={"method": "GET"}).payload
    report = client.get(result["url"]).body
    feeds.close()
    feeds._auth._transport.close()

    assert (waiting["processingStatus"], done["processingStatus"]) == ("IN_PROGRESS", "DONE")
    assert report.startswith(b"\x1f\x8b")
    assert client.item("A")["quantity"] == 7
