"""Orders between real RabbitMQ, real Postgres and the simulator: imported by a worker, told by events, and personal to their buyers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import feedline, simulated_by
from tests.end_to_end.upstream import MARKETPLACE, NAME, SELLER, Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

MARK = "p3rs0nal"
ORDER = "902-3159896-1390916"
BUYER = {
    "buyer": {"buyerName": f"{MARK} Roe", "buyerEmail": f"{MARK}@marketplace.amazon.com"},
    "recipient": {"deliveryAddress": {"name": f"{MARK} Roe", "addressLine1": f"1 {MARK} Street", "city": f"{MARK}ville"}},
}
TEMPLATE = {
    "reference_number": {"field": "order.orderId"},
    "ordered_on": {"field": "order.createdTime"},
    "shipping_address.city": {"field": "order.recipient.deliveryAddress.city"},
    "customer": {"field": "order.buyer"},
}


def _apply(environment: dict[str, str], simulator: Simulator, folder: Path, **get_orders: object) -> None:
    credentials = simulator.register_seller(
        SELLER,
        (MARKETPLACE,),
        client_id=environment["FEEDLINE_LWA_CLIENT_ID"],
        client_secret=environment["FEEDLINE_LWA_CLIENT_SECRET"],
    )
    entry = {"name": NAME, "marketplace_id": MARKETPLACE, "selling_partner_id": SELLER, "refresh_token": credentials.refresh_token}
    file = folder / "connections.json"
    file.write_text(
        json.dumps({"version": 1, "connections": [{**entry, "get_orders": {"every": None, "template": TEMPLATE, **get_orders}}]})
    )
    feedline(environment, "connection", "apply", "-f", str(file))


def _told(upstream: Upstream) -> list[dict[str, Any]]:
    """Take the order events that have come."""
    events = []
    with upstream.channel() as channel:
        while (got := channel.basic_get("orders", auto_ack=True))[0] is not None:
            events.append({"routing_key": got[0].routing_key, **json.loads(got[2])})
    return events


@pytest.mark.requirement("R71", "R79")
def test_orders_are_told_once_a_change_and_personal_data_only_where_the_connection_says_so(
    upstream: Upstream,
    worker: Callable[..., WorkerProcess],
    settings: dict[str, str],
    fast_simulator: Simulator,
    ledger: Ledger,
    tmp_path: Path,
) -> None:
    environment = simulated_by(fast_simulator, {**settings, "FEEDLINE_LOG_LEVEL": "debug"})
    _apply(environment, fast_simulator, tmp_path)
    item = {"order_item_id": "11498765431234", "sku": "MUG-1", "quantity": 2, "unit_price": "19.99"}
    fast_simulator.put_orders(SELLER, [{"order_id": ORDER, "marketplace_id": MARKETPLACE, "items": [item], "amend": BUYER}])
    running = worker(environment).wait_ready()
    with upstream.channel() as channel:
        channel.queue_declare("orders", durable=True)
        channel.queue_bind("orders", "feedline.events", "order.#")

    outputs = {"run": feedline(environment, "run", "get-orders", "--connection", NAME, "--wait", "--json")}
    (silent,) = eventually(lambda: _told(upstream), 30)
    _apply(environment, fast_simulator, tmp_path, event_personal_data=True)
    fast_simulator.set_limits(orders_delay_seconds=0)
    fast_simulator.change_order(SELLER, ORDER, status="SHIPPED")
    outputs["second run"] = feedline(environment, "run", "get-orders", "--connection", NAME, "--wait", "--json")
    (open_,) = eventually(lambda: _told(upstream), 30)
    feedline(environment, "run", "get-orders", "--connection", NAME, "--wait")
    outputs |= {"orders": feedline(environment, "orders", "--json"), "runs": feedline(environment, "runs", "--json")}
    outputs |= {"metrics": running.get("/metrics")[1], "status": feedline(environment, "status", "--json"), "event": json.dumps(silent)}
    assert running.terminate() == 0
    outputs["log"] = running.log_path.read_text()

    assert (silent["routing_key"], silent["type"], silent["subject"]) == ("order.US_shop", "feedline.order.v1", ORDER)
    assert (silent["data"]["status"], silent["data"]["total"], silent["data"]["currency"]) == ("UNSHIPPED", "39.98", "USD")
    assert silent["data"]["items"] == [{"amazon_order_item_id": "11498765431234", "sku": "MUG-1", "quantity": 2}]
    assert silent["data"]["mapped"].keys() == {"reference_number", "ordered_on"}
    assert (open_["data"]["status"], open_["data"]["mapped"]["shipping_address.city"]) == ("SHIPPED", f"{MARK}ville")
    assert open_["id"] != silent["id"]
    assert _told(upstream) == [], "a run that finds nothing new tells nothing"
    assert ledger.rows("SELECT count(*) FROM outbox WHERE kind = 'order'")[0][0] == 0
    assert {where for where, text in outputs.items() if MARK in text} == set()
    assert f"{MARK}ville" in feedline(environment, "orders", "show", ORDER, "--json")
