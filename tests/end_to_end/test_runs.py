"""Runs between real RabbitMQ, real Postgres and the simulator: asked for, survived, told."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import feedline
from tests.end_to_end.upstream import NAME, Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess


def _told(upstream: Upstream) -> list[dict[str, Any]]:
    """Take the run events that have come."""
    events = []
    with upstream.channel() as channel:
        while (got := channel.basic_get("runs", auto_ack=True))[0] is not None:
            events.append({"routing_key": got[0].routing_key, **json.loads(got[2])})
    return events


@pytest.mark.requirement("R16", "R88", "R102")
def test_a_run_survives_its_workers_death_sends_what_lingers_and_tells_its_sum(
    upstream: Upstream, worker: Callable[..., WorkerProcess], simulated: dict[str, str], ledger: Ledger
) -> None:
    simulated |= {"FEEDLINE_FEED_LINGER_SECONDS": "3600"}
    first = worker(simulated)
    first.wait_ready()
    with upstream.channel() as channel:
        channel.queue_declare("runs", durable=True)
        channel.queue_bind("runs", "feedline.events", "run.#")
    upstream.publish({"sku": "MUG-1", "price": "29.99", "quantity": 5})
    eventually(lambda: ledger.staged() == 1, 30)

    feedline(simulated, "run", "sync-listings", "--connection", NAME)
    first.kill9()
    worker(simulated).wait_ready()
    ledger.rows("UPDATE run SET claimed_until = NULL, dispatched_until = NULL RETURNING id")

    eventually(lambda: ledger.rows("SELECT 1 FROM run WHERE state = 'done'"), 60)
    assert upstream.item("MUG-1")["quantity"] == 5
    (told,) = eventually(lambda: [each for each in _told(upstream) if each["data"]["state"] == "done"], 30)
    assert (told["routing_key"], told["type"]) == ("run.US_shop.sync-listings", "feedline.run.v1")
    assert (told["data"]["trigger"], told["data"]["summary"]["succeeded"]) == ("manual", 1)
