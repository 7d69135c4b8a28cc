"""A wake-up may come twice, and late: RabbitMQ delivers again what a killed worker had not acknowledged."""

from collections.abc import Callable, Collection
from threading import Event

import pytest

from tests.steps.shop import NAME, Shop
from worker.context import Context
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps.cut import cut
from worker.steps.link import link
from worker.steps.reconcile import reconcile
from worker.steps.settle import settle
from worker.steps.submit import submit
from worker.steps.watch import watch
from worker.store import connections

STEPS: dict[Callable[[Context, FeedId], None], Collection[FeedState]] = {
    submit: {FeedState.CUT, FeedState.DOCUMENT_CREATED, FeedState.UPLOADED},
    reconcile: {FeedState.SUBMITTING},
    watch: {FeedState.IN_QUEUE, FeedState.IN_PROGRESS},
    settle: {FeedState.DONE, FeedState.CANCELLED, FeedState.FATAL, FeedState.ABANDONED},
}


def test_a_lane_of_which_a_wake_up_cut_nothing_is_due_again_at_once(shop: Shop) -> None:
    template = {"quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}
    shop.connect(sync_listings={"patch_op": "replace", "template": template})
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "handling_time": 3})
    with shop.ctx.database.begin() as tx:
        connection_id = connections.by_name(tx, NAME).id
    link(shop.ctx, connection_id, Event())
    shop.execute(
        "INSERT INTO lane (connection_id, kind, dispatched_until) SELECT id, 'listings', now() + interval '1 hour' FROM connection"
    )

    feed_ids = [cut(shop.ctx, connection_id, Kind.LISTINGS) for _ in range(2)]

    assert feed_ids == [None, None]
    assert shop.key("MUG-1")["hold_reason"] == "quantity_unknown"
    assert shop.query("SELECT FROM lane WHERE dispatched_until > now()") == []


@pytest.mark.requirement("R113", "R123")
def test_a_late_wake_up_leaves_a_feed_alone_that_has_gone_on(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": 5})
    with shop.ctx.database.begin() as tx:
        connection_id = connections.by_name(tx, NAME).id
    link(shop.ctx, connection_id, Event())
    feed_id = cut(shop.ctx, connection_id, Kind.LISTINGS)
    assert feed_id is not None

    for state in FeedState:
        shop.execute(f"UPDATE feed SET state = '{state}'")
        before = shop.query("SELECT * FROM feed")
        for step, states in STEPS.items():
            if state not in states:
                step(shop.ctx, feed_id)
                assert shop.query("SELECT * FROM feed") == before, f"{step.__name__} has touched a feed that is {state}"
