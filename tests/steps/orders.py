"""Orders for tests of the steps: put at the simulator, and got by runs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from tests.steps.shop import MARKETPLACE, NAME, SELLER, Shop
from worker.core.runs import RunKind, Trigger
from worker.steps.run import ask, take_steps
from worker.store import runs

MUG = "11498765431234"


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="milliseconds")


def order_id(number: int) -> str:
    return f"114-1234567-{number:07d}"


def order(number: int = 1, **changes: object) -> dict[str, object]:
    """An order of a blue mug, which was updated so many minutes before an hour ago."""
    item = {"order_item_id": MUG, "sku": "MUG", "quantity": 2, "unit_price": "19.99", "title": "Blue mug"}
    times = {"created_at": ago(days=1), "updated_at": ago(hours=1, minutes=number)}
    return {"order_id": order_id(number), "marketplace_id": MARKETPLACE, "items": [item], **times, **changes}


def put(shop: Shop, *orders: Mapping[str, object]) -> None:
    shop.simulator.put_orders(SELLER, orders)


def change(shop: Shop, number: int = 1, **said: object) -> None:
    shop.simulator.change_order(SELLER, order_id(number), **said)


def begin(shop: Shop, **arguments: object) -> int:
    with shop.ctx.database.begin() as tx:
        return ask(tx, NAME, RunKind.GET_ORDERS, Trigger.MANUAL, arguments=arguments)


def go_on(shop: Shop, run_id: int) -> dict[str, Any]:
    """Take the run's steps, as far as they go now."""
    shop.execute("UPDATE run SET due_at = now(), claimed_until = NULL WHERE due_at IS NOT NULL")
    take_steps(shop.ctx, run_id, Event())
    with shop.ctx.database.begin() as tx:
        return runs.shown(tx, run_id)


def get_orders(shop: Shop, **arguments: object) -> dict[str, Any]:
    """Run get-orders to its end; return its summary. Waits for the usage plan are over at once."""
    run_id = begin(shop, **arguments)
    while True:
        run = go_on(shop, run_id)
        if run["finished_at"] is not None:
            assert run["state"] == "done", run["fault"]
            return dict(run["summary"])
        shop.hurry()


def rows(shop: Shop) -> list[dict[str, Any]]:
    """The orders, with the version of the row itself: an update that changes nothing would show."""
    return shop.query("SELECT *, xmin::text AS row_version FROM amazon_order ORDER BY amazon_order_id")


def events(shop: Shop) -> list[dict[str, Any]]:
    """The data of the order events that wait in the outbox."""
    return [row["payload"]["data"] for row in shop.query("SELECT payload FROM outbox WHERE kind = 'order' ORDER BY id")]
