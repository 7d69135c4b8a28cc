"""Feeds API 2021-06-30: documents, createFeed, getFeed, getFeeds, cancelFeed."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from worker.amazon.gateway import Call, Gateway
from worker.core.accounts import Seller
from worker.core.quota import Lease, operations_of_feed
from worker.secrets import Secret

API: Final = ("feeds", "2021-06-30")
PAGE_SIZE: Final = 100
MOST_PAGES: Final = 50
"""A list that does not end is an error of Amazon's; 50 pages are 5,000 feeds."""


class AmazonFeed(msgspec.Struct, frozen=True, rename="camel"):
    """What Amazon shows of a feed. `processing_status`: IN_QUEUE, IN_PROGRESS, DONE, CANCELLED, FATAL, or one that is yet unknown."""

    feed_id: str
    feed_type: str
    processing_status: str
    created_time: datetime
    result_feed_document_id: str | None = None


class FeedDocument(NamedTuple):
    """Where a feed's document is to be uploaded, within five minutes."""

    feed_document_id: str
    url: Secret


class _Document(msgspec.Struct, rename="camel"):
    feed_document_id: str
    url: str


class _Created(msgspec.Struct, rename="camel"):
    feed_id: str


class _Feeds(msgspec.Struct, rename="camel"):
    feeds: list[AmazonFeed]
    next_token: str | None = None


class Feeds(Gateway):
    """Every call raises what `Gateway` says; none is repeated here."""

    def feed_operations(self, feed_type: str) -> tuple[str, ...]:
        """Return the quotas that one createFeed of *feed_type* uses: what to take a lease of."""
        return operations_of_feed(feed_type)

    def create_feed_document(self, seller: Seller, content_type: str) -> FeedDocument:
        """Ask for a place to upload a document to, as *content_type* to the letter."""
        call = Call("createFeedDocument", "POST", (*API, "documents"), body={"contentType": content_type})
        made = self._call(seller.account, call, _Document)
        return FeedDocument(made.feed_document_id, Secret(made.url))

    def create_feed(self, seller: Seller, feed_type: str, feed_document_id: str, lease: Lease | None = None) -> str:
        """Send an uploaded document to the seller's marketplace and return Amazon's feed id.

        Call it once: after `Unclear` a feed may exist, and getFeeds must be asked. *lease*: taken for `feed_operations`
        when the feed was cut; a dead one is replaced, or Later raised.
        """
        body = {"feedType": feed_type, "marketplaceIds": [seller.marketplace_id], "inputFeedDocumentId": feed_document_id}
        call = Call("createFeed", "POST", (*API, "feeds"), body=body, limits=operations_of_feed(feed_type))
        return self._call(seller.account, call, _Created, lease=lease).feed_id

    def get_feed(self, seller: Seller, amazon_feed_id: str) -> AmazonFeed:
        return self._call(seller.account, Call("getFeed", "GET", (*API, "feeds", amazon_feed_id)), AmazonFeed)

    def get_feeds(self, seller: Seller, feed_type: str, created_since: datetime) -> list[AmazonFeed]:
        """Return all feeds of *feed_type* in the seller's marketplace, of whatever application, in no order."""
        query: dict[str, str | list[str]] = {
            "feedTypes": [feed_type],
            "marketplaceIds": [seller.marketplace_id],
            "createdSince": created_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "pageSize": str(PAGE_SIZE),
        }
        found: list[AmazonFeed] = []
        for _ in range(MOST_PAGES):
            page = self._call(seller.account, Call("getFeeds", "GET", (*API, "feeds"), query=query), _Feeds)
            found += page.feeds
            if page.next_token is None:
                break
            # Amazon takes the token alone: it holds the other parameters.
            query = {"nextToken": page.next_token}
        return found

    def cancel_feed(self, seller: Seller, amazon_feed_id: str) -> None:
        """Ask Amazon to cancel a feed, which it does only while the feed is IN_QUEUE: look at getFeed afterwards."""
        self._call(seller.account, Call("cancelFeed", "DELETE", (*API, "feeds", amazon_feed_id)), type(None))
