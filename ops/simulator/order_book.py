"""The orders that the simulated Amazon knows, and the parcels confirmed for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from ops.simulator.answers import JsonObject


class OrderStatus(StrEnum):
    PENDING_AVAILABILITY = "PENDING_AVAILABILITY"
    PENDING = "PENDING"
    UNSHIPPED = "UNSHIPPED"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
    SHIPPED = "SHIPPED"
    CANCELLED = "CANCELLED"
    UNFULFILLABLE = "UNFULFILLABLE"


MERCHANT, AMAZON = "MERCHANT", "AMAZON"


@dataclass(slots=True)
class OrderItem:
    """`shipped`: pieces confirmed. `confirmations`: how many confirmations that took effect named the item.

    `amend`: a JSON Merge Patch of what the Orders API shows.
    """

    order_item_id: str
    quantity: int
    sku: str | None = None
    asin: str | None = None
    title: str | None = None
    unit_price: Decimal | None = None
    amend: JsonObject = field(default_factory=dict)
    shipped: int = 0
    confirmations: int = 0

    @property
    def remaining(self) -> int:
        return self.quantity - self.shipped


@dataclass(slots=True)
class Carriage:
    """How a parcel goes, as it was sent; None is what was not."""

    carrier_code: str | None = None
    carrier_name: str | None = None
    shipping_method: str | None = None
    tracking_number: str | None = None


@dataclass(slots=True)
class Package:
    """One confirmed parcel. `items`: pieces by order item id; feed and message are those that last wrote it."""

    reference: str
    carriage: Carriage
    ship_date: str
    items: dict[str, int]
    created_at: float
    feed_id: str
    message_id: int
    confirmations: int = 1


@dataclass(slots=True)
class Order:
    """One order. Times are real seconds since 1970. `amend`: a JSON Merge Patch of what the Orders API shows."""

    order_id: str
    marketplace_id: str
    created_at: float
    updated_at: float
    items: dict[str, OrderItem]
    status: OrderStatus = OrderStatus.UNSHIPPED
    fulfilled_by: str = MERCHANT
    seller_order_id: str | None = None
    amend: JsonObject = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)

    def ship(self, package: Package) -> None:
        """Add a parcel: its pieces are shipped from now on."""
        self.packages.append(package)
        for order_item_id, quantity in package.items.items():
            self.items[order_item_id].shipped += quantity
        is_whole = all(item.remaining == 0 for item in self.items.values())
        self.status = OrderStatus.SHIPPED if is_whole else OrderStatus.PARTIALLY_SHIPPED


class OrderBook:
    """Every order by seller and order id, and what is going to happen to some."""

    def __init__(self) -> None:
        self._orders: dict[str, dict[str, Order]] = {}
        self._due: list[tuple[float, Callable[[], None]]] = []

    def put(self, seller_id: str, order: Order) -> None:
        """Take *order* in, in the place of what its id was."""
        self._orders.setdefault(seller_id, {})[order.order_id] = order

    def find(self, seller_id: str, order_id: str) -> Order | None:
        return self._orders.get(seller_id, {}).get(order_id)

    def of(self, seller_id: str) -> Iterator[Order]:
        """All orders of a seller, in the order of arrival."""
        return iter(self._orders.get(seller_id, {}).values())

    def later(self, at: float, change: Callable[[], None]) -> None:
        """Let *change* happen when the virtual clock has come to *at*."""
        self._due.append((at, change))

    def settle(self, now: float) -> None:
        """Let everything happen that is due at the virtual instant *now*, in its order."""
        due = sorted((one for one in self._due if one[0] <= now), key=lambda one: one[0])
        self._due = [one for one in self._due if one[0] > now]
        for _, change in due:
            change()
