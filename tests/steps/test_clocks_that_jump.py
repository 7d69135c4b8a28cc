"""Clocks that jump: a worker's, and that of Postgres, by which the fleet keeps its waits."""

import json
from datetime import timedelta

import pytest

from tests.steps.shop import NAME, Shop
from worker.core.runs import RunKind, Trigger
from worker.core.wire import Delivery
from worker.steps.run import ask
from worker.steps.stage import stage

MOMENTS = {
    "feed": ("created_at", "changed_at", "due_at", "claimed_until", "dispatched_until", "submitted_at", "unclear_since"),
    "lane": ("not_before", "dispatched_until", "flush_until"),
    "key_state": ("pending_since",),
    "run": ("requested_at", "started_at", "due_at", "claimed_until", "dispatched_until"),
    "schedule": ("tick", "due_at"),
    "account": ("access_expires_at", "access_renew_at", "renewing_until", "login_not_before"),
    "quota": ("updated_at", "waiting_until", "confirmed_at", "changed_at"),
    "lease": ("until",),
}
"""What was written while the clock was ahead."""


def set_back(shop: Shop, hours: int) -> None:
    """Bring about what there is when Postgres' clock is set back: all that it has told so far lies in the future."""
    for table, columns in MOMENTS.items():
        moved = ", ".join(f"{column} = {column} + interval '{hours} hours'" for column in columns)
        shop.execute(f"UPDATE {table} SET {moved}")


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.connect()
    shop.lists("A", "B", "C")
    return shop


def test_nothing_waits_longer_when_postgres_clock_is_set_back(stocked: Shop) -> None:
    (in_feed,) = stocked.publish({"sku": "A", "quantity": 1})
    stocked.run_until(lambda: "in_queue" in stocked.states())
    (linked,) = stocked.publish({"sku": "B", "quantity": 1})
    with stocked.ctx.database.begin() as tx:
        run_id = ask(tx, NAME, RunKind.GET_ORDERS, Trigger.MANUAL)

    set_back(stocked, hours=1)
    (later,) = stocked.publish({"sku": "C", "quantity": 1})
    stocked.run()
    stocked.run_until(lambda: stocked.query(f"SELECT FROM run WHERE id = {run_id} AND finished_at IS NOT NULL"))

    assert stocked.words(in_feed, linked, later) == ["accepted"] * 3
    assert [stocked.at_amazon(sku)["quantity"] for sku in "ABC"] == [1, 1, 1]


def test_a_lost_answer_is_looked_for_from_when_it_was_lost_though_the_clock_is_set_back_meanwhile(stocked: Shop) -> None:
    stocked.simulator.fault("drop_after", operation="createFeed")
    (sent,) = stocked.publish({"sku": "A", "quantity": 1})
    stocked.run_until(lambda: stocked.states() == ["submitting"] and stocked.feeds()[0]["unclear_since"])

    set_back(stocked, hours=1)
    stocked.run()

    assert stocked.words(sent) == ["accepted"]
    assert len(stocked.simulator.feeds()) == 1


def test_a_change_that_a_worker_took_whose_clock_is_ahead_does_not_linger_longer(stocked: Shop) -> None:
    event = {"specversion": "1.0", "type": "feedline.inventory.v1", "source": "erp", "id": "m1"}
    body = json.dumps({**event, "data": {"connection": NAME, "sku": "A", "quantity": 1}}).encode()
    delivery = Delivery("feedline.inventory", body, "application/cloudevents+json", {})

    stage(stocked.ctx, [delivery], stocked.ctx.clock.now() + timedelta(hours=1))
    stocked.run()

    assert stocked.words("m1") == ["accepted"]
