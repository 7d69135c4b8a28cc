"""Watch: ask Amazon how far a submitted feed is, at intervals that grow."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from worker.amazon.feeds import AmazonFeed
from worker.context import Context
from worker.core.connections import Connection
from worker.core.ids import FeedId
from worker.core.polling import poll_after
from worker.core.states import AT_AMAZON, FeedEvent
from worker.errors import Refused
from worker.steps.attempt import given_back_on_failure, take_up
from worker.store import feeds
from worker.store.feeds import Feed

log = structlog.get_logger()

EVENTS: Final[Mapping[str, FeedEvent]] = {
    "IN_QUEUE": FeedEvent.PROCESSING_QUEUED,
    "IN_PROGRESS": FeedEvent.PROCESSING_STARTED,
    "DONE": FeedEvent.PROCESSING_DONE,
    "CANCELLED": FeedEvent.PROCESSING_CANCELLED,
    "FATAL": FeedEvent.PROCESSING_FATAL,
}
"""Amazon's processingStatus (Feeds API 2021-06-30)."""

NOT_FOUND: Final = 404
MISSING_ATTEMPTS: Final = 10
"""How often Amazon may say that it does not know a feed of ours before what it carried counts as undecided."""

_UNDER_WAY: Final = {FeedEvent.PROCESSING_QUEUED, FeedEvent.PROCESSING_STARTED}


def watch(ctx: Context, feed_id: FeedId) -> None:
    """Poll one feed."""
    taken = take_up(ctx, feed_id, AT_AMAZON)
    if taken is None:
        return
    feed, connection = taken
    with given_back_on_failure(ctx, feed):
        try:
            found = ctx.amazon.get_feed(connection.seller, feed.amazon_feed_id or "")
        except Refused as error:
            if error.status != NOT_FOUND or feed.attempts + 1 < MISSING_ATTEMPTS:
                raise
            with ctx.database.begin() as tx:
                feeds.move(tx, feed, FeedEvent.PROCESSING_FATAL, note=f"Amazon knows the feed no more: {error}")
            return
        _note(ctx, feed, connection, found)


def _note(ctx: Context, feed: Feed, connection: Connection, found: AmazonFeed) -> None:
    poll = ctx.settings.feed_poll_seconds
    event = EVENTS.get(found.processing_status)
    with ctx.database.begin() as tx:
        if event is None:
            feeds.release(tx, feed, after_=poll_after(feed.attempts, poll), note=f"Amazon says {found.processing_status}.")
        elif event in _UNDER_WAY:
            spread = timedelta(seconds=ctx.chance.between(0, poll / 10))
            feeds.move(tx, feed, event, due_in=poll_after(feed.attempts, poll) + spread)
        else:
            feeds.move(tx, feed, event, result_document_id=found.result_feed_document_id)
            log.info("feed_ended", feed_id=feed.id, connection=connection.name, amazon_feed_id=feed.amazon_feed_id, state=feed.state)
