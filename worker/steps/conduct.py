"""Conduct: find what is due and wake somebody up for it.

Decides nothing else. A wake-up that is lost is sent again, one that comes twice finds its row claimed or no longer due.
"""

from typing import Final, Protocol

import structlog

from worker.context import Context
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps import keep_house, schedule
from worker.steps.link import lease_name
from worker.steps.run import RUN_STEPS
from worker.store import feeds, lanes, leases, listings, outbox, runs, tokens, wall_clock

log = structlog.get_logger()

AGAIN_SECONDS: Final = 10
"""After so long a wake-up counts as lost. Whoever acts on it keeps the lease for longer."""

CUT_AGAIN_SECONDS: Final = 15
"""Longer than the cut of the largest feed: its lane's row is locked meanwhile, and the conductor must not wait for it."""

PROBE_AGAIN_SECONDS: Final = 60
FEEDS_PER_TICK: Final = 200
RUNS_PER_TICK: Final = 200
HOUSEKEEPING_SECONDS: Final = 3600


class Wake(Protocol):
    """Sends wake-ups: one method for each internal actor."""

    def cut(self, connection_id: int, kind: Kind) -> None: ...
    def feed(self, feed_id: FeedId, state: FeedState) -> None: ...
    def link(self, connection_id: int) -> None: ...
    def probe(self, connection_id: int) -> None: ...
    def run(self, run_id: int) -> None: ...
    def announce(self) -> None: ...
    def keep_house(self) -> None: ...


def conduct(ctx: Context, wake: Wake) -> None:
    """Look once for due work, and send a wake-up for each piece of it."""
    settings = ctx.settings
    _mind_the_clock(ctx)
    schedule.tick(ctx, list(RUN_STEPS))
    with ctx.database.begin() as tx:
        due_feeds = feeds.dispatch_due(tx, at_most=FEEDS_PER_TICK, every_seconds=AGAIN_SECONDS)
        due_lanes = lanes.dispatch_due(
            tx, linger_seconds=settings.feed_linger_seconds, full=settings.feed_max_messages, every_seconds=CUT_AGAIN_SECONDS
        )
        to_link = [each for each in listings.with_unlinked(tx) if leases.take(tx, lease_name(each), AGAIN_SECONDS)]
        to_probe = [each for each in tokens.to_probe(tx) if leases.take(tx, f"probe:{each}", PROBE_AGAIN_SECONDS)]
        due_runs = runs.dispatch_due(tx, at_most=RUNS_PER_TICK, every_seconds=AGAIN_SECONDS)
        to_announce = outbox.waiting(tx) and leases.take(tx, outbox.LEASE, AGAIN_SECONDS)
        to_keep_house = leases.take(tx, keep_house.LEASE, HOUSEKEEPING_SECONDS)
    for feed_id, state in due_feeds:
        wake.feed(feed_id, state)
    for connection_id, kind in due_lanes:
        wake.cut(connection_id, Kind(kind))
    for connection_id in to_link:
        wake.link(connection_id)
    for connection_id in to_probe:
        wake.probe(connection_id)
    for run_id in due_runs:
        wake.run(run_id)
    if to_announce:
        wake.announce()
    if to_keep_house:
        wake.keep_house()


def _mind_the_clock(ctx: Context) -> None:
    """Where Postgres' clock was set back, let nobody wait for so much longer."""
    with ctx.database.begin() as tx:
        back = wall_clock.note(tx)
    if back is None:
        return
    log.warning("clock_set_back", seconds=round(back.total_seconds()))
    for waits in wall_clock.WAITS:
        with ctx.database.begin() as tx:
            wall_clock.shorten(tx, waits, back)
