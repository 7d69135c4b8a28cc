"""The actors of feedline.work: wake-ups that carry identifiers. Each claims its row first, so that a repeat is harmless."""

from collections.abc import Mapping
from typing import Any, Final

import dramatiq

from worker.app import context, stopping
from worker.broker.topology import WORK
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps import announce, cut, link, probe, reconcile, run, settle, submit, watch
from worker.steps import keep_house as housekeeping


@dramatiq.actor(queue_name=WORK)
def cut_feed(connection_id: int, kind: str) -> None:
    """Cut the next feed of a lane."""
    cut.cut(context(), connection_id, Kind(kind))


@dramatiq.actor(queue_name=WORK)
def submit_feed(feed_id: int) -> None:
    """Bring a cut feed to Amazon."""
    submit.submit(context(), FeedId(feed_id))


@dramatiq.actor(queue_name=WORK)
def reconcile_feed(feed_id: int) -> None:
    """Find out what became of an unclear createFeed."""
    reconcile.reconcile(context(), FeedId(feed_id))


@dramatiq.actor(queue_name=WORK)
def watch_feed(feed_id: int) -> None:
    """Ask Amazon how far a feed is."""
    watch.watch(context(), FeedId(feed_id))


@dramatiq.actor(queue_name=WORK)
def settle_feed(feed_id: int) -> None:
    """Give every message of a feed its outcome."""
    settle.settle(context(), FeedId(feed_id))


@dramatiq.actor(queue_name=WORK)
def link_listings(connection_id: int) -> None:
    """Ask Amazon about SKUs that are new to us."""
    link.link(context(), connection_id, stopping)


@dramatiq.actor(queue_name=WORK)
def probe_authorization(connection_id: int) -> None:
    """Try whether a lost authorisation is back."""
    probe.probe(context(), connection_id)


@dramatiq.actor(queue_name=WORK)
def take_run_steps(run_id: int) -> None:
    """Take a run further."""
    run.take_steps(context(), run_id, stopping)


@dramatiq.actor(queue_name=WORK)
def request_run(connection: str, kind: str) -> None:
    """Queue a run, for an upstream that asks for one by a Dramatiq message."""
    run.ask_by_message(context(), connection, kind)


@dramatiq.actor(queue_name=WORK)
def announce_events() -> None:
    """Publish the outbox."""
    announce.announce(context(), stopping)


@dramatiq.actor(queue_name=WORK)
def keep_house() -> None:
    """Make and drop partitions."""
    housekeeping.keep_house(context())


FOR_STATE: Final[Mapping[FeedState, Any]] = {
    FeedState.CUT: submit_feed,
    FeedState.DOCUMENT_CREATED: submit_feed,
    FeedState.UPLOADED: submit_feed,
    FeedState.SUBMITTING: reconcile_feed,
    FeedState.IN_QUEUE: watch_feed,
    FeedState.IN_PROGRESS: watch_feed,
    FeedState.DONE: settle_feed,
    FeedState.CANCELLED: settle_feed,
    FeedState.FATAL: settle_feed,
    FeedState.ABANDONED: settle_feed,
}
