"""Reports API 2021-06-30: createReport, getReport, getReports, and a report's document as a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
import urllib3

from worker.amazon.gateway import Call, Gateway
from worker.amazon.http import USER_AGENT
from worker.core.accounts import Seller
from worker.errors import Unclear

API: Final = ("reports", "2021-06-30")
PAGE_SIZE: Final = 100
MOST_PAGES: Final = 50
"""A list that does not end is an error of Amazon's; 50 pages are 5,000 reports."""

LOCALE: Final = "en_US"
"""Asked for so that columns have their English names. Source: Amazon's staff; some sellers get other names all the same."""

TIMEOUT: Final = urllib3.Timeout(connect=3, read=30)
CHUNK_BYTES: Final = 64 * 1024
LONGEST_DOWNLOAD_SECONDS: Final = 6 * 3600
"""A download that only trickles must not hold its worker for ever."""


class AmazonReport(msgspec.Struct, frozen=True, rename="camel"):
    """What Amazon shows of a report. `processing_status`: IN_QUEUE, IN_PROGRESS, DONE, CANCELLED, FATAL, or one that is yet unknown."""

    report_id: str
    processing_status: str
    created_time: datetime
    report_document_id: str | None = None


class Download(NamedTuple):
    """A document on its way. `charset`: what S3 says of it, if anything; `chunks`: its bytes as they come, packed or not."""

    charset: str | None
    chunks: Iterator[bytes]


class _Created(msgspec.Struct, rename="camel"):
    report_id: str


class _Reports(msgspec.Struct, rename="camel"):
    reports: list[AmazonReport]
    next_token: str | None = None


class _Document(msgspec.Struct, rename="camel"):
    url: str


class Reports(Gateway):
    """Every call raises what `Gateway` says; none is repeated here."""

    def create_report(self, seller: Seller, report_type: str) -> str:
        """Ask for a report on the seller's marketplace and return its id.

        After `Unclear` a report may have been asked for: look at getReports before asking again, for Amazon cancels what is asked
        for too often.
        """
        body = {
            "reportType": report_type,
            "marketplaceIds": [seller.marketplace_id],
            "reportOptions": {"preferredReportDocumentLocale": LOCALE},
        }
        return self._call(seller.account, Call("createReport", "POST", (*API, "reports"), body=body), _Created).report_id

    def get_report(self, seller: Seller, report_id: str) -> AmazonReport:
        return self._call(seller.account, Call("getReport", "GET", (*API, "reports", report_id)), AmazonReport)

    def get_reports(self, seller: Seller, report_type: str, created_since: datetime) -> list[AmazonReport]:
        """Return all reports of *report_type* on the seller's marketplace, whoever asked for them, in no order."""
        query: dict[str, str | list[str]] = {
            "reportTypes": [report_type],
            "marketplaceIds": [seller.marketplace_id],
            "createdSince": created_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "pageSize": str(PAGE_SIZE),
        }
        found: list[AmazonReport] = []
        for _ in range(MOST_PAGES):
            page = self._call(seller.account, Call("getReports", "GET", (*API, "reports"), query=query), _Reports)
            found += page.reports
            if page.next_token is None:
                break
            # Amazon takes the token alone: it holds the other parameters.
            query = {"nextToken": page.next_token}
        return found

    @contextmanager
    def report_document(self, seller: Seller, report_document_id: str) -> Iterator[Download]:
        """Yield a report's document while it is downloaded; it may have gigabytes.

        Raises: Unclear, also in the block, when a part of it is missing: download it again, and decide nothing from the part.
        """
        call = Call("getReportDocument", "GET", (*API, "documents", report_document_id))
        document = self._call(seller.account, call, _Document)
        headers = {"user-agent": USER_AGENT}
        with self._http.opened("downloadReport", "GET", document.url, headers=headers, timeout=TIMEOUT) as response:
            if response.status != HTTPStatus.OK:
                # An URL that has expired is no reason to give up: the next one is new.
                raise Unclear("downloadReport", "S3 does not give the document", status=response.status)
            yield Download(_charset(response.headers.get("content-type")), self._chunks(response))

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body as it comes, so that whoever reads it can tell slow from dead. Raises: Unclear."""
        began = self._clock.monotonic()
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            if self._clock.monotonic() - began > LONGEST_DOWNLOAD_SECONDS:
                raise Unclear("downloadReport", f"the download has not ended after {LONGEST_DOWNLOAD_SECONDS // 3600} hours")
            yield chunk


def _charset(content_type: str | None) -> str | None:
    if content_type is None:
        return None
    header = Message()
    header["content-type"] = content_type
    return header.get_content_charset()
