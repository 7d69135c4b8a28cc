"""The run itself: publish, watch until everything is decided, and look at what came of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Final

from ops.demonstration import proof
from ops.demonstration.forms import Published, chunks, published
from ops.demonstration.imports import ask_for_all
from ops.demonstration.ledger import Ledger, Standing
from ops.demonstration.progress import Show, View
from ops.demonstration.scenario import Scenario
from ops.demonstration.sellers import SELLERS
from ops.demonstration.surroundings import DemoFailed, Surroundings
from worker.broker.publisher import Publisher
from worker.broker.topology import EXCHANGE
from worker.errors import FeedlineError

PUBLISH_SECONDS: Final = 8.0
"""The upstream takes so long, so that some values are at Amazon already when newer ones come."""

CHUNKS: Final = 40
LOOK_SECONDS: Final = 0.4
STILL_SECONDS: Final = 60.0
"""When nothing has moved for so long, nothing will."""


def play(scenario: Scenario, around: Surroundings, ledger: Ledger, seed: int, show: Show) -> None:
    """Publish *scenario*, and return when every message has its outcome. Raises DemoFailed when that does not come to pass."""
    ask_for_all(around.database_url)
    everything = list(published(scenario, seed, datetime.now(UTC)))
    total = sum(each.messages for each in everything)
    began = time.monotonic()
    with _publishing(everything, around.amqp_url) as upstream:
        last_move, before = began, None
        while True:
            standing = ledger.standing()
            show(View(time.monotonic() - began, upstream.confirmed, total, standing))
            if upstream.fault is not None:
                raise DemoFailed(f"Publishing failed: {upstream.fault}")
            if around.worker.has_ended():
                raise DemoFailed(f"The worker ended: {around.worker.last_words()}")
            if upstream.is_done and _is_over(total, standing):
                return
            now = (upstream.confirmed, standing)
            if now != before:
                last_move, before = time.monotonic(), now
            elif time.monotonic() - last_move > STILL_SECONDS:
                raise DemoFailed(_stuck(total, standing))
            time.sleep(LOOK_SECONDS)


def observe(ledger: Ledger, around: Surroundings) -> proof.Observed:
    """Return all that is to be seen, once everything is over."""
    simulator = around.simulator
    catalogue = {sku: item for seller in SELLERS for sku, item in simulator.catalogue(seller.seller_id, seller.marketplace_id).items()}
    orders = {order_id: order for seller in SELLERS for order_id, order in simulator.orders(seller.seller_id).items()}
    return proof.Observed(
        ledger.decided(), ledger.standing().repeats, ledger.unidentified(), catalogue, orders, ledger.imported(), simulator.call_counts()
    )


class _Upstream(Thread):
    """Publishes at an even pace. `confirmed`: the messages that RabbitMQ has confirmed."""

    def __init__(self, everything: Sequence[Published], amqp_url: str) -> None:
        super().__init__(name="upstream", daemon=True)
        self.confirmed = 0
        self.is_done = False
        self.fault: FeedlineError | None = None
        self.stopping = Event()
        self._everything = everything
        self._amqp_url = amqp_url

    def run(self) -> None:
        try:
            with Publisher([self._amqp_url]) as publisher:
                for chunk in chunks(self._everything, -(-len(self._everything) // CHUNKS)):
                    publisher.publish_events([each.event for each in chunk], exchange=EXCHANGE, mandatory=True)
                    self.confirmed += sum(each.messages for each in chunk)
                    if self.stopping.wait(PUBLISH_SECONDS / CHUNKS):
                        return
            self.is_done = True
        except FeedlineError as fault:
            self.fault = fault


@contextmanager
def _publishing(everything: Sequence[Published], amqp_url: str) -> Iterator[_Upstream]:
    upstream = _Upstream(everything, amqp_url)
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.stopping.set()
        upstream.join()


def _is_over(total: int, standing: Standing) -> bool:
    unfinished = standing.waiting + standing.in_feeds + standing.held + sum(feed.state != "settled" for feed in standing.feeds)
    unfinished += sum(not run.is_over for run in standing.runs)
    logged = standing.staged + standing.unidentified + standing.repeats
    return not unfinished and logged >= total and standing.decided >= standing.staged


def _stuck(total: int, standing: Standing) -> str:
    logged = standing.staged + standing.unidentified + standing.repeats
    unsettled = [feed.id for feed in standing.feeds if feed.state != "settled"]
    return (
        f"Nothing has moved for {STILL_SECONDS:.0f} s: {logged:,} of {total:,} messages are logged, "
        f"{standing.staged - standing.decided:,} of them have no outcome; {standing.waiting:,} SKUs and orders wait, "
        f"{standing.in_feeds:,} are in feeds, {standing.held:,} are held; feeds not settled: {unsettled or 'none'}; "
        f"runs under way: {', '.join(f'{run.kind} of {run.connection}' for run in standing.runs if not run.is_over) or 'none'}."
    )
