"""Getting orders from the simulator: windows, pages, changes, odd orders, personal data."""

import pytest

from tests.steps.orders import MUG, events, get_orders, order, order_id, put, rows
from tests.steps.shop import Shop


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect()
    return shop


@pytest.mark.requirement("R71", "R72", "R74", "R75")
def test_orders_are_imported_with_their_items_and_what_the_template_makes(connected: Shop) -> None:
    put(connected, order(1), order(2, status="SHIPPED"))

    summary = get_orders(connected)

    assert (summary["new"], summary["changed"], summary["odd"]) == (2, 0, 0)
    first, second = rows(connected)
    assert (first["amazon_order_id"], first["status"], str(first["total"]), first["currency"]) == (order_id(1), "UNSHIPPED", "39.98", "USD")
    assert first["mapped"]["reference_number"] == order_id(1)
    assert first["mapped"]["invoice.total"] == "39.98"
    assert second["closed_at"] == second["updated_at"]
    assert connected.query("SELECT amazon_order_item_id, sku, quantity FROM amazon_order_item")[0] == {
        "amazon_order_item_id": MUG,
        "sku": "MUG",
        "quantity": 2,
    }
    assert [event["amazon_order_id"] for event in events(connected)] == [order_id(1), order_id(2)]
