"""Orders in the demo, and the parcels that fulfil them: detected and unlisted carriers, bundles in several parcels, and what must fail."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple

from ops.demonstration import words
from ops.demonstration.sayings import SHIPMENT, Saying
from ops.demonstration.sellers import SELLERS, Seller

SOURCE: Final = "demo/shipping"


class Story(StrEnum):
    """What is shipped, and how."""

    PLAIN = "plain"
    DETECTED = "detected"
    """The tracking number tells more than the upstream's words do."""

    UNLISTED_CARRIER = "unlisted_carrier"
    TWO_PARCELS = "two_parcels"
    BUNDLE = "bundle"
    """One line is a bundle in two parcels, the first of which has another line of the order."""

    BY_SKU = "by_sku"
    """The upstream knows no order item, only what it has packed: its parcel waits until the order is imported."""

    UNKNOWN_ORDER = "unknown_order"
    NOTHING_IN_IT = "nothing_in_it"


_STORIES: Final = tuple(Story)
FEWEST: Final = len(_STORIES)


class Carriage(NamedTuple):
    """How Amazon is told that a parcel goes."""

    carrier_code: str
    carrier_name: str | None
    shipping_method: str | None


_UPS_GROUND: Final = Carriage("UPS", None, "Ground")
_VEHO: Final = Carriage("Other", "Veho", "Next Day")


class Line(NamedTuple):
    """One order item; a bundle has components, in pieces of the whole line."""

    order_item_id: str
    sku: str
    quantity: int
    components: Mapping[str, int] | None = None


class Parcel(NamedTuple):
    """`lines`: what is in it whole; `components`: what is in it of the order's bundle; `at`: when it is told, as of a saying."""

    tracking_number: str
    lines: Sequence[Line]
    components: Mapping[str, int]
    given: Mapping[str, str]
    sent: Carriage
    at: float


class Order(NamedTuple):
    seller: Seller
    number: int
    story: Story
    lines: Sequence[Line]
    parcels: Sequence[Parcel]

    @property
    def order_id(self) -> str:
        return f"902-{self.number:07d}-{self.number * 7 % 10_000_000:07d}"

    @property
    def is_known(self) -> bool:
        return self.story is not Story.UNKNOWN_ORDER

    def as_given(self) -> dict[str, Any]:
        """Return the order as the simulator takes it."""
        items = [{"order_item_id": line.order_item_id, "sku": line.sku, "quantity": line.quantity} for line in self.lines]
        return {"order_id": self.order_id, "marketplace_id": self.seller.marketplace_id, "items": items}


def orders(count: int, chance: Random) -> Sequence[Order]:
    """Make up *count* orders."""
    return [_order(number, chance) for number in range(1, count + 1)]


def _order(number: int, chance: Random) -> Order:
    seller = SELLERS[number % len(SELLERS)]
    story = _STORIES[number // len(SELLERS) % len(_STORIES)]
    plain = {"carrier": "UPS", "method": "Ground"}

    def line(position: int, components: Mapping[str, int] | None = None) -> Line:
        return Line(f"{number:011d}{position:03d}", f"{seller.sku_prefix}{number:05d}-{position}", chance.randint(1, 3), components)

    def parcel(position: int, *lines: Line, components: Mapping[str, int] | None = None) -> Parcel:
        return Parcel(f"D{number:07d}{position}", lines, components or {}, plain, _UPS_GROUND, chance.random())

    one, other = line(1), line(2)
    match story:
        case Story.DETECTED:
            found = Parcel(f"1Z99999903{number:08d}", (one,), {}, {"carrier": "our van", "method": "as ever"}, _UPS_GROUND, chance.random())
            return Order(seller, number, story, [one], [found])
        case Story.UNLISTED_CARRIER:
            veho = Parcel(f"V{number:08d}", (one,), {}, {"carrier": "Veho", "method": "Next Day"}, _VEHO, chance.random())
            return Order(seller, number, story, [one], [veho])
        case Story.TWO_PARCELS:
            return Order(seller, number, story, [one, other], [parcel(1, one), parcel(2, other)])
        case Story.BUNDLE:
            bundle = line(3, {f"LEG-{number}": 4, f"TOP-{number}": 1})
            first = parcel(1, one, components={f"LEG-{number}": 4})
            return Order(seller, number, story, [one, bundle], [first, parcel(2, components={f"TOP-{number}": 1})])
        case Story.NOTHING_IN_IT:
            return Order(seller, number, story, [one], [parcel(1)])
        case _:
            return Order(seller, number, story, [one], [parcel(1, one)])


def sayings(told: Sequence[Order], now: datetime) -> Iterator[Saying]:
    """Yield a message for each parcel, in no order at all. *now*: the parcels have left before it."""
    number = 0
    for order in told:
        for position, parcel in enumerate(order.parcels):
            number += 1
            left = now - timedelta(minutes=len(order.parcels) - position)
            yield Saying(
                SHIPMENT,
                order.seller.connection,
                SOURCE,
                number,
                _data(order, parcel, left),
                parcel.at,
                frozenset({_OUTCOMES.get(order.story, words.ACCEPTED)}),
                _CODES.get(order.story),
            )


_OUTCOMES: Final = {Story.UNKNOWN_ORDER: words.REJECTED, Story.NOTHING_IN_IT: words.SKIPPED}
_CODES: Final = {Story.UNKNOWN_ORDER: "18028"}


def _data(order: Order, parcel: Parcel, left: datetime) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{**_name(order, line), "quantity": line.quantity} for line in parcel.lines]
    for bundle in (line for line in order.lines if line.components and parcel.components):
        whole = [{"sku": sku, "quantity": quantity} for sku, quantity in (bundle.components or {}).items()]
        make_up = {"amazon_order_item_id": bundle.order_item_id, "components": whole}
        items += ({"sku": sku, "quantity": quantity, "bundle": make_up} for sku, quantity in parcel.components.items())
    return {
        "connection": order.seller.connection,
        "fulfillment_request_number": f"FR-{order.number:05d}",
        "amazon_order_id": order.order_id,
        "shipped_at": left.isoformat(),
        "tracking_number": parcel.tracking_number,
        **parcel.given,
        "items": items,
    }


def _name(order: Order, line: Line) -> dict[str, str]:
    return {"sku": line.sku} if order.story is Story.BY_SKU else {"amazon_order_item_id": line.order_item_id}


def differences(told: Sequence[Order], seen: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every order item that was not confirmed exactly once, whole, and as it must be. *seen*: by order id."""
    for order in told:
        if not order.is_known:
            continue
        found = seen.get(order.order_id)
        if found is None:
            yield f"{order.order_id}: Amazon does not know it"
            continue
        items = {item["order_item_id"]: item for item in found["items"]}
        is_shipped = order.story is not Story.NOTHING_IN_IT
        for line in order.lines:
            item, expected = items[line.order_item_id], line.quantity if is_shipped else 0
            if item["shipped"] != expected or item["confirmations"] != is_shipped:
                yield (
                    f"{order.order_id}: {item['shipped']} of {line.quantity} pieces of {line.order_item_id} were confirmed, "
                    f"by {item['confirmations']} updates"
                )
        carriages = {package["tracking_number"]: package for package in found["packages"]}
        for parcel in order.parcels if is_shipped else ():
            package = carriages.get(parcel.tracking_number)
            went = None if package is None else Carriage(*(package[name] for name in Carriage._fields))
            if went != parcel.sent:
                yield f"{order.order_id}: the parcel {parcel.tracking_number} went as {went} in place of {parcel.sent}"


def confirmed(told: Sequence[Order], seen: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many orders Amazon knows, and of how many everything is as it must be."""
    known = [order for order in told if order.is_known]
    return len(known), sum(not any(differences([order], seen)) for order in known)
