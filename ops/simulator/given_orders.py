"""Orders as a test, a demo or a scenario file gives them, and as the admin API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

import msgspec

from ops.simulator.answers import JsonObject, decode, encode
from ops.simulator.clock import exact_time, parse_time
from ops.simulator.marketplaces import MARKETPLACES
from ops.simulator.order_book import MERCHANT, Order, OrderItem, OrderStatus, Package
from ops.simulator.world import World

# An order that comes without a time was bought an hour ago: what a test ships now is no earlier than its order.
_AGE_SECONDS = 3600


class OrderItemGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Without `sku` or `unit_price` the item has none, as happens. Amazon's ids of order items have 14 digits."""

    order_item_id: str
    sku: str | None = None
    quantity: int = 1
    asin: str | None = None
    title: str | None = None
    unit_price: Decimal | None = None
    amend: dict[str, object] = {}


class OrderGiven(msgspec.Struct, forbid_unknown_fields=True):
    """An order as Amazon has it. `created_at` and `updated_at`: ISO 8601; `updated_at` is `created_at` when it is not given.

    `visible_after`: virtual seconds until the API shows it, a late update; what its id was stays until then.
    `amend`, here and at an item: a JSON Merge Patch of what the Orders API shows; null takes a key away.
    """

    order_id: str
    marketplace_id: str
    items: list[OrderItemGiven]
    status: OrderStatus = OrderStatus.UNSHIPPED
    fulfilled_by: str = MERCHANT
    created_at: str | None = None
    updated_at: str | None = None
    seller_order_id: str | None = None
    visible_after: float = 0
    amend: dict[str, object] = {}


class OrderChange(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of an order `after` so many virtual seconds. Without `updated_at` it is updated when that happens.

    The keys of `amend` take the place of those that the order was amended with before.
    """

    status: OrderStatus | None = None
    updated_at: str | None = None
    amend: dict[str, object] = {}
    after: float = 0


def put_orders(world: World, seller_id: str, orders: Iterable[OrderGiven]) -> int:
    """Put orders in place, each in the place of what its id was; say how many. Raises ValueError for what cannot be."""
    count = 0
    for given in orders:
        order = _order(given, world.clock.real())
        world.orders.later(world.clock.now() + given.visible_after, partial(world.orders.put, seller_id, order))
        count += 1
    world.settle()
    return count


def change_order(world: World, seller_id: str, order_id: str, change: OrderChange) -> None:
    """Let an order change, now or later. Raises ValueError for a time that is none."""
    at = world.clock.now() + change.after
    real = None if change.updated_at is None else _moment(change.updated_at)

    def happen() -> None:
        order = world.orders.find(seller_id, order_id)
        if order is None:
            return
        order.status = change.status or order.status
        order.updated_at = world.clock.real_at(at) if real is None else real
        order.amend = order.amend | _json(change.amend)
        if change.status is OrderStatus.SHIPPED:
            for item in order.items.values():
                item.shipped = item.quantity

    world.orders.later(at, happen)
    world.settle()


def _json(given: dict[str, object]) -> JsonObject:
    """*given* as JSON is held here, with every digit."""
    return decode(encode(given))  # type: ignore[return-value]  # an object is an object


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
        items={item.order_item_id: _item(item) for item in given.items},
        status=given.status,
        fulfilled_by=given.fulfilled_by,
        seller_order_id=given.seller_order_id,
        amend=_json(given.amend),
    )


def _item(given: OrderItemGiven) -> OrderItem:
    item = OrderItem(given.order_item_id, given.quantity, given.sku, given.asin, given.title, given.unit_price)
    item.amend = _json(given.amend)
    return item


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
