"""Reconcile: find out from Amazon whether a createFeed whose answer was lost has had its effect.

Nothing of the lane is cut meanwhile. Amazon's list may lag, so that it is looked at twice; a feed of our type that we do
not know is adopted when it is the only one and no other call can have made it, or when its report proves to be about ours.
Source: Feeds API 2021-06-30, getFeeds; createFeed has no key that would make it repeatable.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from worker.amazon.feeds import AmazonFeed
from worker.context import Context
from worker.core import report
from worker.core.connections import Connection
from worker.core.feed_formats import FORMATS
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.polling import LOOKS, look_after, poll_after
from worker.core.states import FeedEvent, FeedState
from worker.errors import Refused
from worker.steps.attempt import given_back_on_failure, take_up
from worker.store import feeds
from worker.store.feeds import Feed

log = structlog.get_logger()

UNDER_WAY: Final = frozenset({"IN_QUEUE", "IN_PROGRESS"})
"""Amazon's processingStatus of a feed whose report is still to come."""

CLOCK_MARGIN: Final = timedelta(minutes=2)
"""How far Amazon's clock may differ from ours without a feed of its being overlooked, or waited for in vain."""

CALL_BEGINS: Final = timedelta(seconds=-5)
CALL_ENDS: Final = timedelta(seconds=40)
"""From when to when Amazon makes the feed of a call, counted from its beginning: no call lasts longer than its time-outs, 33 s."""


def reconcile(ctx: Context, feed_id: FeedId) -> None:
    """Take the next look for an unclear feed: adopt what Amazon has, or send it again."""
    taken = take_up(ctx, feed_id, {FeedState.SUBMITTING})
    if taken is None:
        return
    feed, connection = taken
    if feed.unclear_since is None:
        # The worker that called createFeed died before it could say anything.
        with ctx.database.begin() as tx:
            look_in = look_after(0, ctx.settings.feed_poll_seconds)
            feeds.unclear(tx, feed, look_in, "The worker that called createFeed ended without an answer.")
        return
    with given_back_on_failure(ctx, feed):
        strangers, has_rivals = _strangers(ctx, feed, connection)
        ours = strangers[0] if len(strangers) == 1 and not has_rivals else _proved(ctx, feed, connection, strangers)
        _conclude(ctx, feed, connection, strangers, ours)


def _strangers(ctx: Context, feed: Feed, connection: Connection) -> tuple[list[AmazonFeed], bool]:
    """Return Amazon's feeds of this type since the lost call that are not known, and whether another call of ours may have made one."""
    since = (feed.submitted_at or feed.created_at) - CLOCK_MARGIN
    listed = [found for found in ctx.amazon.get_feeds(connection.seller, feed.feed_type, since) if found.created_time >= since]
    with ctx.database.begin() as tx:
        # Asked first: the feed of a call that ends in between is known afterwards.
        has_rivals = feeds.has_rivals(tx, connection.seller, feed)
        known = feeds.known_at_amazon(tx, connection.seller.account.id, [found.feed_id for found in listed])
    return [found for found in listed if found.feed_id not in known], has_rivals


def _proved(ctx: Context, feed: Feed, connection: Connection, strangers: Sequence[AmazonFeed]) -> AmazonFeed | None:
    """Return the stranger whose report is about our feed messages. One that may not be read is another application's.

    What was ruled out stays so: the usage plan may leave one report at a time, and would else always go into the same one.
    """
    feed_format = FORMATS[Kind(feed.kind)]
    with ctx.database.begin() as tx:
        sent = {number: feed_format.amazon_name(key, connection.settings.sku_prefix) for number, key in feeds.keys(tx, feed.id).items()}
    for stranger in strangers:
        if stranger.result_feed_document_id is None or stranger.feed_id in feed.ruled_out:
            continue
        try:
            read = feed_format.read(ctx.amazon.get_result(connection.seller, stranger.result_feed_document_id))
        except ValueError:
            read = None
        except Refused as refused:
            if refused.operation != "getFeedDocument":
                raise  # only the presigned URL is not good any more
            read = None
        if read is not None and report.is_about(read, sent):
            return stranger
        with ctx.database.begin() as tx:
            feeds.rule_out(tx, feed, stranger.feed_id)
    return None


def _conclude(ctx: Context, feed: Feed, connection: Connection, strangers: Sequence[AmazonFeed], ours: AmazonFeed | None) -> None:
    poll = ctx.settings.feed_poll_seconds
    with ctx.database.begin() as tx:
        if ours is not None:
            note = f"Found at Amazon as {ours.feed_id} after createFeed's answer was lost."
            due_in = poll_after(0, poll)
            # One that was made during the call is ours; of another its report must prove it.
            unclear_since = None if _is_of_the_call(ours, feed) else feed.unclear_since
            feeds.move(
                tx,
                feed,
                FeedEvent.AMAZON_ACCEPTED,
                due_in=due_in,
                note=note,
                amazon_feed_id=ours.feed_id,
                lease=None,
                unclear_since=unclear_since,
            )
            log.info("feed_adopted", feed_id=feed.id, connection=connection.name, amazon_feed_id=ours.feed_id)
        elif feed.looks + 1 < len(LOOKS) or any(_may_prove_ours(stranger, feed) for stranger in strangers):
            again = look_after(feed.looks + 1, poll) if feed.looks + 1 < len(LOOKS) else None
            feeds.looked(tx, feed, since_unclear=again, from_now=poll_after(feed.looks, poll))
        else:
            note = "Amazon does not have it: sent again."
            feeds.move(tx, feed, FeedEvent.NOT_FOUND_AT_AMAZON, note=note, unclear_since=None, looks=0, lease=None)
            log.info("feed_not_found_at_amazon", feed_id=feed.id, connection=connection.name)


def _is_of_the_call(found: AmazonFeed, feed: Feed) -> bool:
    called_at = feed.submitted_at or feed.created_at
    return called_at + CALL_BEGINS <= found.created_time <= called_at + CALL_ENDS


def _may_prove_ours(stranger: AmazonFeed, feed: Feed) -> bool:
    """Whether a report is to come that may be ours. Of what was made since, by others who send feed after feed, none is."""
    is_late = feed.unclear_since is not None and stranger.created_time > feed.unclear_since + CLOCK_MARGIN
    return stranger.result_feed_document_id is None and stranger.processing_status in UNDER_WAY and not is_late
