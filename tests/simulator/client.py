"""A plain client of the simulator: every answer it gets is checked against Amazon's models."""

import gzip
import json
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from ops.simulator.control import Credentials, Simulator
from tests.simulator.contract import check_answer, check_report

US = "ATVPDKIKX0DER"
CANADA = "A2EUQ1WTGCTBG2"
GERMANY = "A1PA6795UKMFR9"
JSON_UTF8 = "application/json; charset=UTF-8"
XML_UTF8 = "text/xml; charset=UTF-8"
FEED_TYPE = "JSON_LISTINGS_FEED"
REPORT_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"
FULFILLMENT_TYPE = "POST_ORDER_FULFILLMENT_DATA"


class Answer:
    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.data

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = self.json["errors"][0]
        return found


class Client:
    def __init__(self, simulator: Simulator, credentials: Credentials, marketplace_id: str = US) -> None:
        self.simulator = simulator
        self.credentials = credentials
        self.seller_id = credentials.seller_id
        self.marketplace_id = marketplace_id
        self.http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=3, read=20))
        self.token = ""

    def log_in(self, **changes: str | None) -> Answer:
        """The answer of LWA; a fresh access token is kept."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.credentials.refresh_token,
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            **changes,
        }
        fields = {name: value for name, value in form.items() if value is not None}
        answer = Answer(self.http.request("POST", self.simulator.lwa_url, fields=fields, encode_multipart=False))
        if answer.status == 200:
            self.token = answer.json["access_token"]
        return answer

    def call(self, method: str, path: str, body: object = None, *, checked: bool = True, **headers: str | None) -> Answer:
        """One SP-API call. Headers are given with underscores; None leaves one out."""
        sent = {"x-amz-access-token": self.token, "user-agent": "tests/1 (Language=Python)"}
        if body is not None:
            sent["content-type"] = "application/json"
        for name, value in headers.items():
            sent.pop(name.replace("_", "-"), None)
            if value is not None:
                sent[name.replace("_", "-")] = value
        if headers.get("user_agent", "") is None:
            sent["user-agent"] = urllib3.util.SKIP_HEADER
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = Answer(self.http.request(method, self.simulator.url + path, body=content, headers=sent))
        if checked:
            check_answer(method, urlsplit(path).path, answer.status, answer.headers, answer.body)
        return answer

    # --- feeds ---

    def create_document(self, content_type: str = JSON_UTF8) -> dict[str, str]:
        answer = self.call("POST", "/feeds/2021-06-30/documents", {"contentType": content_type})
        assert answer.status == 201
        found: dict[str, str] = answer.json
        return found

    def put(self, url: str, content: bytes, content_type: str = JSON_UTF8, **headers: str) -> Answer:
        sent = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Answer(self.http.request("PUT", url, body=content, headers=sent))

    def get(self, url: str, *, unpack: bool = False) -> Answer:
        return Answer(self.http.request("GET", url, decode_content=unpack))

    def upload(self, content: bytes, content_type: str = JSON_UTF8) -> str:
        document = self.create_document(content_type)
        assert self.put(document["url"], content, content_type).status == 200
        return document["feedDocumentId"]

    def create_feed(self, document_id: str, **changes: object) -> Answer:
        body = {"feedType": FEED_TYPE, "marketplaceIds": [self.marketplace_id], "inputFeedDocumentId": document_id, **changes}
        return self.call("POST", "/feeds/2021-06-30/feeds", body)

    def send(self, *messages: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Upload and submit one listings feed; messages without an id are numbered from 1."""
        numbered = [{"messageId": number, **message} for number, message in enumerate(messages, 1)]
        feed = {"header": {"sellerId": self.seller_id, "version": "2.0", **(header or {})}, "messages": numbered}
        answer = self.create_feed(self.upload(json.dumps(feed).encode()))
        assert answer.status == 202
        feed_id: str = answer.json["feedId"]
        return feed_id

    def ship(self, document: bytes) -> str:
        """Upload and submit one order fulfilment feed."""
        answer = self.create_feed(self.upload(document, XML_UTF8), feedType=FULFILLMENT_TYPE)
        assert answer.status == 202
        feed_id: str = answer.json["feedId"]
        return feed_id

    def feed(self, feed_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/feeds/2021-06-30/feeds/{feed_id}")
        assert answer.status == 200
        found: dict[str, Any] = answer.json
        return found

    def status(self, feed_id: str) -> str:
        found: str = self.feed(feed_id)["processingStatus"]
        return found

    def document(self, document_id: str, query: str = "") -> dict[str, str]:
        answer = self.call("GET", f"/feeds/2021-06-30/documents/{document_id}{query}")
        assert answer.status == 200
        found: dict[str, str] = answer.json
        return found

    def report(self, feed_id: str) -> dict[str, Any]:
        """The processing report, checked against Amazon's schema."""
        raw = self.get(self.document(self.feed(feed_id)["resultFeedDocumentId"])["url"]).body
        return check_report(gzip.decompress(raw))

    def process(self, *messages: dict[str, Any], header: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a feed, let it be processed, and return its report."""
        feed_id = self.send(*messages, header=header)
        self.simulator.advance(120)
        return self.report(feed_id)

    # --- reports ---

    def create_report(self, **changes: object) -> Answer:
        body = {"reportType": REPORT_TYPE, "marketplaceIds": [self.marketplace_id], **changes}
        return self.call("POST", "/reports/2021-06-30/reports", body)

    def report_of(self, report_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/reports/2021-06-30/reports/{report_id}")
        assert answer.status == 200
        found: dict[str, Any] = answer.json
        return found

    def report_document(self, document_id: str, query: str = "") -> dict[str, str]:
        answer = self.call("GET", f"/reports/2021-06-30/documents/{document_id}{query}")
        assert answer.status == 200
        found: dict[str, str] = answer.json
        return found

    def request_report(self, **changes: object) -> dict[str, Any]:
        """Ask for a listings report, let it be processed, and return what getReport says."""
        answer = self.create_report(**changes)
        assert answer.status == 202
        self.simulator.advance(60)
        return self.report_of(answer.json["reportId"])

    # --- listings ---

    def item_path(self, sku: str, query: str = "") -> str:
        return f"/listings/2021-08-01/items/{self.seller_id}/{quote(sku, safe='')}?marketplaceIds={self.marketplace_id}{query}"

    def patch_item(self, sku: str, *patches: dict[str, Any], query: str = "") -> Answer:
        return self.call("PATCH", self.item_path(sku, query), {"productType": "PRODUCT", "patches": list(patches)})

    def stock(self, *items: dict[str, Any]) -> None:
        self.simulator.put_catalogue(self.seller_id, self.marketplace_id, items)

    def item(self, sku: str) -> dict[str, Any]:
        """What the catalogue holds."""
        found = self.simulator.item(self.seller_id, self.marketplace_id, sku)
        assert found is not None
        return found


def availability(op: str = "merge", **keys: object) -> dict[str, Any]:
    return {"op": op, "path": "/attributes/fulfillment_availability", "value": [{"fulfillment_channel_code": "DEFAULT", **keys}]}


def offer(op: str = "merge", **keys: object) -> dict[str, Any]:
    value = {"marketplace_id": US, "currency": "USD", "audience": "ALL", **keys}
    return {"op": op, "path": "/attributes/purchasable_offer", "value": [value]}


def price(amount: object) -> list[dict[str, Any]]:
    return [{"schedule": [{"value_with_tax": amount}]}]


def patch(sku: str, *patches: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"sku": sku, "operationType": "PATCH", "productType": "PRODUCT", "patches": list(patches), **fields}
