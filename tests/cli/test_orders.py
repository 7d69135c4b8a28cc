"""`feedline orders`: the orders that were imported, and one of them with its personal data; `feedline run get-orders`."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.steps.orders import ago, get_orders, order, order_id, put
from tests.steps.shop import NAME, Shop


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.mark.requirement("R71")
def test_orders_are_listed_without_personal_data_the_last_changed_first(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    put(shop, order(2, status="SHIPPED"), order(1))
    get_orders(shop)

    first, second = answered(feedline, settings, "orders", "--connection", NAME)
    (shipped,) = answered(feedline, settings, "orders", "--status", "SHIPPED", "--limit", "5")
    table = feedline("orders", settings=settings)

    assert [each["amazon_order_id"] for each in (first, second)] == [order_id(1), order_id(2)]
    assert (first["total"], first["currency"], first["has_personal_data"]) == ("39.98", "USD", True)
    assert first["items"] == [{"amazon_order_item_id": "11498765431234", "sku": "MUG", "quantity": 2}]
    assert first["mapped"].keys() == {"reference_number", "ordered_on", "invoice.total"}
    assert shipped == second
    assert "2 of MUG" in table.stdout
    assert "Seattle" not in table.stdout


def test_one_order_is_shown_with_its_personal_data(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    put(shop, order(1))
    get_orders(shop)

    (shown,) = answered(feedline, settings, "orders", "show", order_id(1))
    told = feedline("orders", "show", order_id(1), "--connection", NAME, settings=settings)
    unknown = feedline("orders", "show", "1-2-3", settings=settings)
    wrong_key = feedline("orders", "show", order_id(1), settings={**settings, "FEEDLINE_SECRET_KEYS": "A" * 43 + "="})

    assert shown["mapped"]["shipping_address.city"] == "Seattle"
    assert shown["mapped"]["invoice.total"] == "39.98"
    assert "100 Main Street" in told.stdout
    assert (unknown.returncode, "feedline run get-orders" in unknown.stderr) == (1, True)
    assert (wrong_key.returncode, "Add the key" in wrong_key.stderr) == (1, True)


def test_an_order_of_several_connections_asks_for_the_connection(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.connect(name="Other")
    put(shop, order(1))
    get_orders(shop)
    columns = "amazon_order_id, status, updated_at"
    shop.execute(f"INSERT INTO amazon_order (connection_id, {columns}) SELECT 2, {columns} FROM amazon_order")

    refused = feedline("orders", "show", order_id(1), settings=settings)

    assert (refused.returncode, "--connection 'Other'" in refused.stderr) == (2, True)


def test_a_run_may_be_asked_for_one_order(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    put(shop, order(1, updated_at=ago(days=90)))

    (queued,) = answered(feedline, settings, "run", "get-orders", "--connection", NAME, "--order", order_id(1))
    shop.run_until(lambda: shop.query("SELECT 1 AS one FROM run WHERE state = 'done'"))
    (run,) = answered(feedline, settings, "runs", "--connection", NAME)
    wrong = feedline("run", "sync-orders", "--connection", NAME, "--order", order_id(1), settings=settings)

    assert queued["state"] == "queued"
    assert (run["summary"]["new"], run["arguments"]) == (1, {"order": order_id(1)})
    assert (wrong.returncode, wrong.stderr) == (2, "--order goes with get-orders.\n")
    assert json.dumps(run).count("Seattle") == 0
