"""Orders as a test, a demo or a scenario file gives them, and as the admin API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from ops.simulator.answers import JsonObject
from ops.simulator.clock import exact_time, parse_time
from ops.simulator.marketplaces import MARKETPLACES
from ops.simulator.order_book import MERCHANT, Order, OrderItem, OrderStatus, Package
from ops.simulator.world import World

# An order that comes without a time was bought an hour ago: what a test ships now is no earlier than its order.
_AGE_SECONDS = 3600


class OrderItemGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Without `sku` the item has none, as happens. Amazon's ids of order items have 14 digits."""

    order_item_id: str
    sku: str | None = None
    quantity: int = 1
    asin: str | None = None
    title: str | None = None
    unit_price: Decimal | None = None


class OrderGiven(msgspec.Struct, forbid_unknown_fields=True):
    """An order as Amazon has it. `created_at` and `updated_at`: ISO 8601; `updated_at` is `created_at` when it is not given."""

    order_id: str
    marketplace_id: str
    items: list[OrderItemGiven]
    status: OrderStatus = OrderStatus.UNSHIPPED
    fulfilled_by: str = MERCHANT
    created_at: str | None = None
    updated_at: str | None = None


def put_orders(world: World, seller_id: str, orders: Iterable[OrderGiven]) -> int:
    """Put orders in place, each in the place of what its id was; say how many. Raises ValueError for what cannot be."""
    count = 0
    for given in orders:
        world.orders.put(seller_id, _order(given, world.clock.real()))
        count += 1
    return count


def _order(given: OrderGiven, now: float) -> Order:
    if given.marketplace_id not in MARKETPLACES:
        raise ValueError(f"no such marketplace: {given.marketplace_id}")
    if not given.items or any(item.quantity < 1 for item in given.items):
        raise ValueError("an order has items, each of at least one piece")
    created_at = now - _AGE_SECONDS if given.created_at is None else _moment(given.created_at)
    return Order(
        order_id=given.order_id,
        marketplace_id=given.marketplace_id,
        created_at=created_at,
        updated_at=created_at if given.updated_at is None else _moment(given.updated_at),
        items={item.order_item_id: OrderItem(**msgspec.structs.asdict(item)) for item in given.items},
        status=given.status,
        fulfilled_by=given.fulfilled_by,
    )


def _moment(text: str) -> float:
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is no ISO 8601 time")
    return moment


def order_shown(order: Order) -> JsonObject:
    """An order with its parcels, for the admin API."""
    return {
        "order_id": order.order_id,
        "marketplace_id": order.marketplace_id,
        "status": order.status.value,
        "fulfilled_by": order.fulfilled_by,
        "created_at": exact_time(order.created_at),
        "updated_at": exact_time(order.updated_at),
        "items": [
            {
                "order_item_id": item.order_item_id,
                "sku": item.sku,
                "quantity": item.quantity,
                "shipped": item.shipped,
                "confirmations": item.confirmations,
            }
            for item in order.items.values()
        ],
        "packages": [_package_shown(package) for package in order.packages],
    }


def _package_shown(package: Package) -> JsonObject:
    carriage = package.carriage
    return {
        "reference": package.reference,
        "carrier_code": carriage.carrier_code,
        "carrier_name": carriage.carrier_name,
        "shipping_method": carriage.shipping_method,
        "tracking_number": carriage.tracking_number,
        "ship_date": package.ship_date,
        "items": {**package.items},
        "confirmations": package.confirmations,
        "feed_id": package.feed_id,
        "message_id": package.message_id,
    }
