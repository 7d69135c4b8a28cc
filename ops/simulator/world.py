"""The simulated Amazon as a whole: its state, and how a feed is processed in it."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import partial

from ops.simulator import listings_feed, order_fulfillment, report_processing
from ops.simulator.accounts import Accounts
from ops.simulator.calls import CallLog
from ops.simulator.catalogue import Catalogue
from ops.simulator.clock import Clock
from ops.simulator.documents import Documents
from ops.simulator.faults import Faults
from ops.simulator.feed_queue import Feed, FeedQueue, FeedStatus
from ops.simulator.limits import Limits
from ops.simulator.listings_report import MoreListings
from ops.simulator.marketplaces import MARKETPLACES
from ops.simulator.order_book import OrderBook
from ops.simulator.processing import Processor, Surroundings
from ops.simulator.quota import Account, Plan, Quotas
from ops.simulator.report_queue import ReportQueue
from ops.simulator.submissions import Shelf

# A feed type is a processor; a new one is added here. Amazon ends the types it has retired FATAL.
PROCESSORS: Mapping[str, Processor] = {
    listings_feed.FEED_TYPE: listings_feed.PROCESSOR,
    order_fulfillment.FEED_TYPE: order_fulfillment.PROCESSOR,
}


class World:
    """All state, in memory, touched by one thread only.

    `base_url` begins every presigned URL; None: as the client wrote the host.
    """

    def __init__(self, clock: Clock, *, seed: int | None = None, base_url: str | None = None) -> None:
        self.clock = clock
        self.base_url = base_url
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Forget everything but the clock."""
        self.limits = Limits()
        self.quotas = Quotas()
        self.accounts = Accounts()
        self.catalogue = Catalogue()
        self.orders = OrderBook()
        self.more_listings: dict[tuple[str, str], MoreListings] = {}
        self.documents = Documents(self.clock)
        self.faults = Faults(self._seed)
        self.calls = CallLog()
        self.feeds = FeedQueue(self._count_messages, self._process)
        self.reports = ReportQueue(partial(report_processing.process, self))

    def settle(self) -> None:
        """Bring feeds and catalogue to the present instant of the virtual clock."""
        now = self.clock.now()
        self.orders.settle(now)
        self.feeds.settle(now, self.limits)
        self.reports.settle(now, self.limits)

    def shelf(self, seller_id: str, marketplace_id: str) -> Shelf:
        """Where submissions of that seller for that marketplace go."""
        return Shelf(
            self.catalogue.shelf(seller_id, marketplace_id),
            MARKETPLACES[marketplace_id],
            self.limits,
            self.catalogue.products(marketplace_id),
            self.catalogue.history(seller_id, marketplace_id),
        )

    def plan_of(self, account: Account, operation: str, published: Plan) -> Plan:
        """The usage plan in force."""
        of_seller = self.limits.seller_plans.get(account.seller_id, {})
        return of_seller.get(operation) or self.limits.plans.get(operation) or published

    def _count_messages(self, feed: Feed) -> int:
        processor = PROCESSORS.get(feed.feed_type)
        return 0 if processor is None else processor.count(self._input(feed))

    def _input(self, feed: Feed) -> bytes:
        document = self.documents.find(feed.account, feed.document_id)
        return b"" if document is None else document.plain()

    def _process(self, feed: Feed, ends_at: float) -> FeedStatus:
        """Apply a feed and keep its report. A feed type that Amazon retired is FATAL, without a report."""
        raw = self._input(feed)
        feed.document_bytes = len(raw)
        processor = PROCESSORS.get(feed.feed_type)
        if processor is None:
            return FeedStatus.FATAL
        around = Surroundings(
            feed_id=feed.feed_id,
            seller_id=feed.account.seller_id,
            marketplace_ids=feed.marketplace_ids,
            orders=self.orders,
            shelf=self.shelf(feed.account.seller_id, feed.marketplace_ids[0]),
            faults=feed.faults,
            real=self.clock.real_at(ends_at),
        )
        processed = processor.process(raw, around)
        feed.accepted, feed.invalid = processed.accepted, processed.invalid
        if processed.report is not None and "no_result_document" not in feed.faults:
            feed.result_document_id = self._keep_result(feed, processed.report, processor.report_type)
        if (document := self.documents.find(feed.account, feed.document_id)) is not None:
            document.archive()
        return FeedStatus(processed.status)

    def _keep_result(self, feed: Feed, report: bytes, content_type: str) -> str:
        document = self.documents.create(feed.account, content_type)
        document.is_gzip = self.limits.compress_results
        document.body = gzip.compress(report, compresslevel=1, mtime=0) if document.is_gzip else report
        return document.document_id
