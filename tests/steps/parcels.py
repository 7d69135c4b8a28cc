"""Shipment messages for tests of the steps, and the orders that they are about."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.steps.shop import MARKETPLACE, NAME, SELLER, Shop
from worker.core.wire import Delivery

ORDER = "902-3159896-1390916"
OTHER_ORDER = "902-1745136-1430000"


def minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="seconds")


SHIPPED_AT = minutes_ago(10)


def parcel(number: str, *items: Mapping[str, Any], order: str = ORDER, **data: Any) -> dict[str, Any]:
    """A parcel with the tracking number *number*, by UPS."""
    return {
        "fulfillment_request_number": f"FR-{order[-4:]}",
        "amazon_order_id": order,
        "shipped_at": SHIPPED_AT,
        "carrier": "UPS",
        "method": "Ground",
        "tracking_number": number,
        "items": list(items),
        **data,
    }


def component(sku: str, quantity: int = 1, **make_up: int) -> dict[str, Any]:
    """Pieces of a component of the order item 30000000000003, a bundle of one A and one B unless *make_up* says otherwise."""
    components = [{"sku": name, "quantity": pieces} for name, pieces in (make_up or {"A": 1, "B": 1}).items()]
    return {"sku": sku, "quantity": quantity, "bundle": {"amazon_order_item_id": "30000000000003", "components": components}}


def line(item: str = "10000000000001", quantity: int = 1) -> dict[str, Any]:
    return {"amazon_order_item_id": item, "quantity": quantity}


def ship(shop: Shop, *parcels: Mapping[str, Any], source: str = "wms") -> list[str]:
    """Stage one batch of shipment messages; return their ids. `id`, `sequence`, `time` are attributes, the rest is data."""
    deliveries, ids = [], []
    for each in parcels:
        data = dict(each)
        given: dict[str, Any] = {name: data.pop(name) for name in ("id", "sequence", "time", "source") if name in data}
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "type": "feedline.shipment.v1",
            "id": f"s{next(shop.numbers)}",
            "source": source,
            **given,
        }
        body = json.dumps({**attributes, "data": {"connection": NAME, **data}}).encode()
        deliveries.append(Delivery("feedline.shipments", body, "application/cloudevents+json", {}))
        ids.append(attributes["id"])
    shop.stage(*deliveries)
    return ids


def amazon_has(shop: Shop, order: str = ORDER, *, imported: bool = False, **quantities: int) -> None:
    """Put an order into Amazon's book: items `10000000000001` (SKU A), `…2` (B), `30000000000003` (BUNDLE), in *quantities* of each.

    *imported*: Feedline knows it, too, and all its SKUs are listed.
    """
    ids = {"A": "10000000000001", "B": "20000000000002", "BUNDLE": "30000000000003"}
    put_order(shop, order, [(ids[sku], sku, quantity) for sku, quantity in (quantities or {"A": 1}).items()], imported=imported)


def put_order(shop: Shop, order: str, items: Sequence[tuple[str, str, int]], *, imported: bool) -> None:
    """Put an order of *items* (id, SKU, quantity) into Amazon's book. *imported*: as for `amazon_has`."""
    shop.simulator.put_orders(
        SELLER,
        [
            {
                "order_id": order,
                "marketplace_id": MARKETPLACE,
                "items": [{"order_item_id": item, "sku": sku, "quantity": quantity} for item, sku, quantity in items],
            }
        ],
    )
    if imported:
        import_order(shop, order, items)


def import_order(shop: Shop, order: str, items: Iterable[tuple[str, str, int]]) -> None:
    """Let Feedline know an order by its *items* (id, SKU, quantity), all of them linked."""
    shop.execute(
        "INSERT INTO amazon_order (connection_id, amazon_order_id, status, updated_at) "
        f"SELECT id, '{order}', 'UNSHIPPED', now() FROM connection"
    )
    for item, sku, quantity in items:
        shop.execute(
            "INSERT INTO amazon_order_item (connection_id, amazon_order_id, amazon_order_item_id, sku, quantity) "
            f"SELECT id, '{order}', '{item}', '{sku}', {quantity} FROM connection"
        )
        shop.execute(
            "INSERT INTO listing (connection_id, sku, product_type, product_type_source, channels, linked_at) "
            f"SELECT id, '{sku}', 'LUGGAGE', 'amazon', '{{DEFAULT}}', now() FROM connection ON CONFLICT DO NOTHING"
        )


def packages(shop: Shop, order: str = ORDER) -> list[dict[str, Any]]:
    """The parcels that Amazon has of an order."""
    found: list[dict[str, Any]] = shop.simulator.order(SELLER, order)["packages"]
    return found
