"""What the confirmation of one shipment does to its order, or why it is refused.

Source: Amazon's "Order fulfillment feed" guide and what its users report: quantities add up, a parcel said again is no second
parcel, and the same items under another tracking number move to it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from ops.simulator.carrier_codes import CODES, OTHER
from ops.simulator.order_book import MERCHANT, Carriage, Order, OrderStatus, Package

_OPEN = frozenset({OrderStatus.UNSHIPPED, OrderStatus.PARTIALLY_SHIPPED, OrderStatus.SHIPPED})


class Shipment(NamedTuple):
    """One message of a feed. `items`: order item ids and pieces, None for the whole line; without any, the whole order."""

    message_id: int
    order_id: str
    ship_date: str
    carriage: Carriage | None
    items: tuple[tuple[str, int | None], ...]
    operation: str | None = None


class Complaint(NamedTuple):
    """Why a confirmation is refused."""

    text: str
    order_item_id: str | None = None


class Confirmation(NamedTuple):
    """What a confirmation does: a new parcel of `items`, or, with `package`, a parcel that was confirmed before."""

    items: dict[str, int]
    package: Package | None = None


def judge(order: Order | None, shipment: Shipment, marketplace_ids: Collection[str], real: float) -> Confirmation | Complaint:
    """Decide about *shipment* at the real instant *real*; nothing is changed."""
    if shipment.operation not in {None, "Update"}:
        return Complaint(f"OperationType {shipment.operation} is not supported.")
    if order is None or order.marketplace_id not in marketplace_ids:
        return Complaint("The order is not known.")
    if order.fulfilled_by != MERCHANT:
        return Complaint("The order is fulfilled by Amazon.")
    if order.status not in _OPEN:
        return Complaint(f"The order is {order.status}.")
    return _date_complaint(order, shipment.ship_date, real) or _carrier_complaint(shipment.carriage) or _pieces(order, shipment)


def _date_complaint(order: Order, ship_date: str, real: float) -> Complaint | None:
    try:
        moment = datetime.fromisoformat(ship_date.strip())
    except ValueError:
        return Complaint("FulfillmentDate is no date.")  # to the schema the year 12026 is one
    if moment.tzinfo is None:
        return Complaint("FulfillmentDate has no time zone.")
    if moment.timestamp() > real:
        return Complaint("FulfillmentDate lies in the future.")
    if moment.timestamp() < order.created_at:
        return Complaint("FulfillmentDate lies before the order.")
    return None


def _carrier_complaint(carriage: Carriage | None) -> Complaint | None:
    if carriage is None:
        return None
    if carriage.carrier_code not in CODES:
        return Complaint(f"CarrierCode '{carriage.carrier_code}' is not in the list of carriers.")
    if carriage.carrier_code == OTHER and not carriage.carrier_name:
        return Complaint("CarrierName is required with the CarrierCode Other.")
    return None


def _pieces(order: Order, shipment: Shipment) -> Confirmation | Complaint:
    named = dict(shipment.items)
    if len(named) != len(shipment.items):
        return Complaint("An order item is named more than once.")
    for order_item_id in named:
        if order_item_id not in order.items:
            return Complaint("The order item is not known.", order_item_id)
    if (package := _said_before(order, shipment, named)) is not None:
        return Confirmation(package.items, package)
    open_items = {order_item_id: item.remaining for order_item_id, item in order.items.items() if item.remaining}
    if not named:
        return Confirmation(open_items) if open_items else Complaint("The order is already fulfilled.")
    for order_item_id, quantity in named.items():
        remaining = order.items[order_item_id].remaining
        if remaining < (quantity or 1):
            return Complaint(f"The Quantity is over what remains of the order item: {remaining}.", order_item_id)
    return Confirmation({order_item_id: quantity or open_items[order_item_id] for order_item_id, quantity in named.items()})


def _said_before(order: Order, shipment: Shipment, named: dict[str, int | None]) -> Package | None:
    """The parcel that *shipment* says again, or corrects; None when it is a new one."""
    if named:
        fitting = [package for package in order.packages if _fits(package, named)]
        has_room = all(order.items[order_item_id].remaining >= (quantity or 1) for order_item_id, quantity in named.items())
    else:
        has_room = any(item.remaining for item in order.items.values())
        fitting = [] if has_room else order.packages
    tracking = shipment.carriage.tracking_number if shipment.carriage else None
    same = next((package for package in fitting if tracking is not None and package.carriage.tracking_number == tracking), None)
    if same is not None or has_room:
        return same
    return fitting[0] if len(fitting) == 1 else None


def _fits(package: Package, named: dict[str, int | None]) -> bool:
    return package.items.keys() == named.keys() and all(quantity in {None, package.items[one]} for one, quantity in named.items())


def confirm(order: Order, shipment: Shipment, confirmation: Confirmation, *, feed_id: str, real: float) -> None:
    """Write what `judge` decided, as of the real instant *real*."""
    carriage = shipment.carriage or Carriage()
    if confirmation.package is None:
        reference = str(len(order.packages) + 1)
        order.ship(Package(reference, carriage, shipment.ship_date, confirmation.items, real, feed_id, shipment.message_id))
    else:
        package = confirmation.package
        package.carriage, package.ship_date = carriage, shipment.ship_date
        package.feed_id, package.message_id = feed_id, shipment.message_id
        package.confirmations += 1
    for order_item_id in confirmation.items:
        order.items[order_item_id].confirmations += 1
    order.updated_at = real
