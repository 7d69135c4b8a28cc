"""What the simulated Amazon holds: every seller's listings in every marketplace, to be read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from ops.simulator.answers import Json, JsonObject, decode, encode
from ops.simulator.attributes import Issue
from ops.simulator.history import History
from ops.simulator.marketplaces import Marketplace
from ops.simulator.matching import not_enough
from ops.simulator.patches import Instances, patched
from ops.simulator.products import Products

Attributes = dict[str, Instances]

PRICE_BOUNDS = frozenset({"minimum_seller_allowed_price", "maximum_seller_allowed_price"})


class Patch(NamedTuple):
    """One operation on one attribute, its instances complete with their selectors."""

    op: str
    name: str
    instances: Instances


@dataclass(slots=True)
class Item:
    """One SKU in one marketplace.

    `attributes_json` holds the attributes encoded: 200,000 SKUs as Python objects would take half a
    gigabyte. `is_listing` is False for what a patch of an unknown SKU leaves behind: an incomplete
    listing, never live. `fba_quantity` is Amazon's own count. Times are real seconds.
    """

    sku: str
    product_type: str
    is_listing: bool
    created_at: float
    updated_at: float
    asin: str | None = None
    product_title: str | None = None
    fba_quantity: int | None = None
    is_stranded: bool = False
    last_feed_id: str | None = None
    attributes_json: bytes = b"{}"
    rejections: tuple[Issue, ...] = ()
    later_issues: tuple[Issue, ...] = ()

    @property
    def attributes(self) -> Attributes:
        """A fresh copy of the attributes."""
        return decode(self.attributes_json)  # type: ignore[return-value]  # only `keep` writes it

    def keep(self, attributes: Mapping[str, Instances]) -> None:
        """Store *attributes*; an attribute without instances is none."""
        self.attributes_json = encode({name: instances for name, instances in attributes.items() if instances})


class Facets(NamedTuple):
    """What a test asks of an item: the consumer's price, and stock and lead time of its channel."""

    price: Decimal | None
    currency: str | None
    quantity: int | None
    lead_time: int | None
    channel: str | None


class Catalogue:
    """Items by seller and marketplace, then by SKU: exact, case and spaces included."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], dict[str, Item]] = {}
        self._histories: dict[tuple[str, str], History] = {}
        self._products: dict[str, Products] = {}

    def shelf(self, seller_id: str, marketplace_id: str) -> dict[str, Item]:
        """All items of one seller in one marketplace, by SKU."""
        return self._items.setdefault((seller_id, marketplace_id), {})

    def history(self, seller_id: str, marketplace_id: str) -> History:
        """What was submitted to that shelf."""
        return self._histories.setdefault((seller_id, marketplace_id), History())

    def products(self, marketplace_id: str) -> Products:
        """Amazon's own products, the same for all sellers of a marketplace."""
        return self._products.setdefault(marketplace_id, Products())


def apply_patches(item: Item, patches: Sequence[Patch], *, survivors: Collection[str] = ()) -> None:
    """Write *patches* to *item*, in order.

    Amazon's own stock is Amazon's: a quantity with an AMAZON_* channel is taken and changes nothing.
    A DEFAULT instance for an FBA item flips it to merchant-fulfilled and strands its stock.
    """
    attributes = item.attributes
    for op, name, instances in patches:
        if name == "fulfillment_availability" and op != "delete" and any(map(_is_fba, instances)) and item.fba_quantity is None:
            item.fba_quantity = 0  # Amazon fulfils from now on, as soon as stock has reached it
        taken = [_without_fba_quantity(instance) for instance in instances] if name == "fulfillment_availability" else instances
        attributes[name] = patched(attributes.get(name, []), op, name, taken, survivors if name == "purchasable_offer" else ())
        if name == "fulfillment_availability" and op != "delete" and any(map(_is_default, taken)):
            attributes[name] = _flipped(item, attributes[name])
    item.keep(attributes)


def _is_default(instance: JsonObject) -> bool:
    return instance.get("fulfillment_channel_code") == "DEFAULT"


def _is_fba(instance: JsonObject) -> bool:
    return str(instance.get("fulfillment_channel_code")).startswith("AMAZON_")


def _without_fba_quantity(instance: JsonObject) -> JsonObject:
    return {key: value for key, value in instance.items() if key != "quantity"} if _is_fba(instance) else instance


def _flipped(item: Item, instances: Instances) -> Instances:
    """Merchant-fulfilled from now on; FBA stock that was there is stranded."""
    if item.fba_quantity is not None and any(map(_is_fba, instances)):
        item.is_stranded = True
    return [instance for instance in instances if not _is_fba(instance)]


def facets(item: Item, attributes: Attributes) -> Facets:
    """The facets of *item*; *attributes* are its own, decoded once by the caller."""
    offer = consumer_offer(attributes)
    stock = main_availability(attributes)
    channel = stock.get("fulfillment_channel_code")
    quantity = item.fba_quantity if _is_fba(stock) else stock.get("quantity")
    lead_time = stock.get("lead_time_to_ship_max_days")
    currency = offer.get("currency")
    return Facets(
        price=price_of(offer, "our_price"),
        currency=currency if isinstance(currency, str) else None,
        quantity=quantity if isinstance(quantity, int) else None,
        lead_time=lead_time if isinstance(lead_time, int) else None,
        channel=channel if isinstance(channel, str) else None,
    )


def consumer_offer(attributes: Attributes) -> JsonObject:
    """The offer for all customers, or {}."""
    return next((offer for offer in attributes.get("purchasable_offer", []) if offer.get("audience") == "ALL"), {})


def main_availability(attributes: Attributes) -> JsonObject:
    """The DEFAULT instance, else the first, else {}."""
    instances = attributes.get("fulfillment_availability", [])
    return next(filter(_is_default, instances), instances[0] if instances else {})


def price_of(offer: JsonObject, key: str) -> Decimal | None:
    """The amount of a price such as our_price, or None."""
    amount: Json = offer.get(key)
    for step in (0, "schedule", 0, "value_with_tax"):
        if isinstance(amount, list) and isinstance(step, int):
            amount = amount[step] if amount else None
        elif isinstance(amount, dict) and isinstance(step, str):
            amount = amount.get(step)
        else:
            return None
    return Decimal(amount) if isinstance(amount, int | Decimal) else None


def status_of(item: Item, attributes: Attributes) -> list[str]:
    """BUYABLE and DISCOVERABLE as Amazon shows them; an incomplete listing has neither."""
    if not item.is_listing:
        return []
    found = facets(item, attributes)
    suppressed = any(issue.severity == "ERROR" for issue in issues_of(item, attributes))
    if found.price is None or not found.quantity or suppressed:
        return ["DISCOVERABLE"]
    return ["BUYABLE", "DISCOVERABLE"]


def issues_of(item: Item, attributes: Attributes) -> list[Issue]:
    """Issues of the item itself, found after a submission was accepted."""
    issues = list(item.later_issues)
    if not item.is_listing:
        issues.append(not_enough("merchant_suggested_asin"))
    offer = consumer_offer(attributes)
    price, floor = price_of(offer, "our_price"), price_of(offer, "minimum_seller_allowed_price")
    if price is not None and floor is not None and floor > price:
        issues.append(
            Issue("18155", "The minimum price is above the selling price; the listing is suppressed.", attribute="purchasable_offer")
        )
    return issues


def seeded_attributes(
    marketplace: Marketplace, *, channel: str, price: Decimal | None, quantity: int | None, lead_time: int | None, title: str | None
) -> Attributes:
    """The attributes of a listing that was complete before any test began."""
    stock: JsonObject = {"fulfillment_channel_code": channel}
    if quantity is not None and not channel.startswith("AMAZON_"):
        stock["quantity"] = quantity
    if lead_time is not None:
        stock["lead_time_to_ship_max_days"] = lead_time
    attributes: Attributes = {
        "condition_type": [{"marketplace_id": marketplace.id, "value": "new_new"}],
        "fulfillment_availability": [stock],
    }
    if price is not None:
        schedule: JsonObject = {"schedule": [{"value_with_tax": price}]}
        attributes["purchasable_offer"] = [
            {"marketplace_id": marketplace.id, "currency": marketplace.currency, "audience": "ALL", "our_price": [schedule]}
        ]
    if title is not None:
        attributes["item_name"] = [{"marketplace_id": marketplace.id, "language_tag": marketplace.language, "value": title}]
    return attributes
