"""What every step of a feed has in common: it takes the feed up, and gives it back when Amazon does not go along."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog

from worker.context import Context
from worker.core.connections import Connection
from worker.core.ids import FeedId
from worker.core.polling import retry_after
from worker.core.states import FeedState
from worker.errors import Later, NotAuthorized, NotSent, Refused, Unclear
from worker.store import connections, feeds
from worker.store.feeds import Feed

log = structlog.get_logger()

UNAUTHORIZED_PAUSE: Final = timedelta(seconds=60)
"""How long a feed waits before it is tried again when the seller's authorisation is gone, or the application lacks a role."""


def take_up(ctx: Context, feed_id: FeedId, states: Collection[FeedState]) -> tuple[Feed, Connection] | None:
    """Claim a feed whose next step is due; None when it is not, or another worker has it.

    *states*: those in which the step is the next one. A wake-up may come twice, and late: the feed may be elsewhere by then.
    """
    with ctx.database.begin() as tx:
        feed = feeds.claim(tx, feed_id, states)
        connection = None if feed is None else connections.by_id(tx, feed.connection_id)
    return None if feed is None or connection is None else (feed, connection)


@contextmanager
def given_back_on_failure(ctx: Context, feed: Feed) -> Iterator[None]:
    """Give *feed* back, due again in time, when a call inside the block does not end well."""
    try:
        yield
    except Later as later:
        with ctx.database.begin() as tx:
            feeds.release(tx, feed, at=later.at)
    except feeds.Overtaken:
        log.info("feed_step_overtaken", feed_id=feed.id, state=feed.state)
    except NotAuthorized:
        with ctx.database.begin() as tx:
            feeds.release(tx, feed, after_=UNAUTHORIZED_PAUSE, note="The seller's authorisation is gone.")
    except (NotSent, Unclear, Refused) as error:
        pause = UNAUTHORIZED_PAUSE if error.status == HTTPStatus.FORBIDDEN else retry_after(feed.attempts + 1)
        with ctx.database.begin() as tx:
            feeds.release(tx, feed, after_=pause, note=str(error))
        log.info("feed_step_failed", feed_id=feed.id, state=feed.state, operation=error.operation, status=error.status)
