"""Submit: bring a cut feed to Amazon: createFeedDocument, upload, createFeed.

Each step is one call, stored before the next begins, so that a crash repeats at most one. `submitting` is written before
createFeed, which Amazon cannot be asked to repeat safely: when its answer is lost, worker/steps/reconcile.py looks first.
"""

import gzip
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog

from worker.context import Context
from worker.core.connections import Connection
from worker.core.feed_formats import FORMATS
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.polling import look_after, poll_after, retry_after
from worker.core.quota import Lease
from worker.core.states import FeedEvent, FeedState
from worker.errors import Later, NotAuthorized, NotSent, Refused, Unclear
from worker.steps.attempt import given_back_on_failure, take_up
from worker.store import feeds
from worker.store.feeds import Feed

log = structlog.get_logger()

UPLOAD_ATTEMPTS: Final = 3
"""After so many failed uploads the document is made anew: its presigned URL lives five minutes."""

PAUSED_LOOK: Final = timedelta(seconds=5)
"""How soon a feed that was cut before its connection was paused looks whether it is resumed."""


def submit(ctx: Context, feed_id: FeedId) -> None:
    """Take a feed as far towards Amazon as it will go now."""
    steps = {FeedState.CUT: _create_document, FeedState.DOCUMENT_CREATED: _upload, FeedState.UPLOADED: _create_feed}
    taken = take_up(ctx, feed_id, steps.keys())
    if taken is None:
        return
    feed, connection = taken
    if connection.paused:
        with ctx.database.begin() as tx:
            feeds.release(tx, feed, after_=PAUSED_LOOK)
        return
    with given_back_on_failure(ctx, feed):
        while feed.state in steps and steps[feed.state](ctx, feed, connection):
            pass


def _create_document(ctx: Context, feed: Feed, connection: Connection) -> bool:
    """Return whether the feed may go on at once; so do the steps below."""
    document = ctx.amazon.create_feed_document(connection.seller, FORMATS[Kind(feed.kind)].content_type)
    sealed = ctx.vault.seal(_url_place(feed), document.url)
    with ctx.database.begin() as tx:
        feeds.move(tx, feed, FeedEvent.DOCUMENT_MADE, keep_claim=True, amazon_document_id=document.feed_document_id, upload_url=sealed)
    feed.amazon_document_id, feed.upload_url = document.feed_document_id, sealed
    return True


def _url_place(feed: Feed) -> str:
    return f"feed:{feed.id}:upload_url"


def _upload(ctx: Context, feed: Feed, _connection: Connection) -> bool:
    with ctx.database.begin() as tx:
        body = gzip.decompress(feeds.document(tx, feed.id))
    try:
        ctx.amazon.upload(ctx.vault.open(_url_place(feed), feed.upload_url or b""), body, FORMATS[Kind(feed.kind)].content_type)
    except (NotSent, Unclear, Refused) as error:
        if feed.attempts + 1 < UPLOAD_ATTEMPTS and not isinstance(error, Refused):
            raise
        with ctx.database.begin() as tx:
            feeds.move(tx, feed, FeedEvent.DOCUMENT_LOST, due_in=retry_after(1), note=str(error), amazon_document_id=None, upload_url=None)
        return False
    with ctx.database.begin() as tx:
        feeds.move(tx, feed, FeedEvent.UPLOAD_DONE, keep_claim=True, upload_url=None)
    return True


def _create_feed(ctx: Context, feed: Feed, connection: Connection) -> bool:
    poll = ctx.settings.feed_poll_seconds
    with ctx.database.begin() as tx:
        feeds.intend(tx, feed)
    try:
        amazon_feed_id = ctx.amazon.create_feed(
            connection.seller, feed.feed_type, feed.amazon_document_id or "", None if feed.lease is None else Lease(feed.lease)
        )
    except (Later, NotAuthorized, NotSent) as error:
        return _not_made(ctx, feed, error)
    except Unclear as error:
        with ctx.database.begin() as tx:
            feeds.unclear(tx, feed, look_after(0, poll), str(error))
        log.warning("feed_unclear", feed_id=feed.id, connection=connection.name, operation=error.operation, status=error.status)
        return False
    except Refused as error:
        # A missing role says nothing of what the feed holds.
        return _not_made(ctx, feed, error) if error.status == HTTPStatus.FORBIDDEN else _abandon(ctx, feed, error)
    with ctx.database.begin() as tx:
        feeds.move(
            tx, feed, FeedEvent.AMAZON_ACCEPTED, due_in=poll_after(0, poll), amazon_feed_id=amazon_feed_id, lease=None, unclear_since=None
        )
    log.info("feed_submitted", feed_id=feed.id, connection=connection.name, amazon_feed_id=amazon_feed_id, messages=feed.messages)
    return False


def _not_made(ctx: Context, feed: Feed, error: Later | NotAuthorized | NotSent | Refused) -> bool:
    """The call has surely had no effect: the feed may be sent when a call is possible."""
    with ctx.database.begin() as tx:
        feeds.move(tx, feed, FeedEvent.CALL_NOT_MADE, note=str(error), lease=None)
    raise error


def _abandon(ctx: Context, feed: Feed, error: Refused) -> bool:
    """Amazon will not take this feed, however often: what it carries is undecided, and is settled by halving."""
    with ctx.database.begin() as tx:
        feeds.move(tx, feed, FeedEvent.AMAZON_REFUSED, note=str(error), fault=str(error))
    log.warning("feed_refused", feed_id=feed.id, operation=error.operation, status=error.status, code=error.code)
    return False
