"""What processing a report means: DONE with a document, CANCELLED without any, or FATAL."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ops.simulator.feed_queue import FeedStatus
from ops.simulator.listings_report import Contents
from ops.simulator.marketplaces import MARKETPLACES
from ops.simulator.report_queue import Report

if TYPE_CHECKING:
    from ops.simulator.world import World

_LOCALE = "preferredReportDocumentLocale"
_REASON = b"The report could not be generated because of an internal error. Please try again."


def process(world: World, report: Report) -> FeedStatus:
    """End a report in the moment that it is due. CANCELLED looks the same whether there is no data, or it was asked for too often."""
    if "report_cancelled" in report.faults or _is_too_soon(world, report):
        return FeedStatus.CANCELLED
    fatal = report.faults.get("report_fatal")
    if fatal is not None:
        if fatal.report:
            document = world.documents.create(report.account, "text/plain")
            document.body = _REASON
            report.document_id = document.document_id
        return FeedStatus.FATAL
    contents = _contents(world, report)
    if contents.is_empty and world.limits.empty_report == "cancelled":
        return FeedStatus.CANCELLED
    document = world.documents.create(report.account, contents.content_type)
    document.pieces, document.is_gzip = contents.pieces, contents.rules.compress
    report.document_id = document.document_id
    return FeedStatus.DONE


def _is_too_soon(world: World, report: Report) -> bool:
    """Whether the same report was asked for, and given, within the interval before."""
    earliest = report.created_at - world.limits.report_interval_seconds
    return any(
        other.account == report.account
        and other.report_type == report.report_type
        and other.marketplace_ids == report.marketplace_ids
        and other.status is FeedStatus.DONE
        and other.created_at > earliest
        for other in world.reports
        if other.sequence < report.sequence
    )


def _contents(world: World, report: Report) -> Contents:
    marketplace = MARKETPLACES[report.marketplace_ids[0]]
    seller_id, rules = report.account.seller_id, world.limits.report
    preferred = report.options.get(_LOCALE) if rules.heeds_locale else None
    return Contents(
        marketplace=marketplace,
        items=list(chain.from_iterable(world.catalogue.shelf(seller_id, one).values() for one in report.marketplace_ids)),
        more=[more for one in report.marketplace_ids if (more := world.more_listings.get((seller_id, one))) is not None],
        rules=rules,
        language=preferred or marketplace.language,
    )
