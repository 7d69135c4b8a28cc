"""Older spellings of an order: as the Orders API v0 names its fields, and as upstreams and samples still show them. Requirement row R78.

They serve to try a template with a sample: Amazon is asked for the orders of 2026-01-01 alone. So what is respelt is what templates
map; status, marketplace and channel, which v0 also gives other values, are not.
"""

from collections.abc import Mapping
from typing import Final

from worker.core.json import JsonObject, JsonValue

_ADDRESS: Final = "recipient.deliveryAddress"

_ORDER: Final[Mapping[str, str]] = {
    "AmazonOrderID": "orderId",
    "AmazonOrderId": "orderId",
    "PurchaseDate": "createdTime",
    "LastUpdateDate": "lastUpdatedTime",
    "OrderTotal.Amount": "proceeds.grandTotal.amount",
    "OrderTotal.CurrencyCode": "proceeds.grandTotal.currencyCode",
    "BuyerInfo.BuyerName": "buyer.buyerName",
    "BuyerInfo.BuyerEmail": "buyer.buyerEmail",
    "ShippingAddress.Name": f"{_ADDRESS}.name",
    "ShippingAddress.AddressLine1": f"{_ADDRESS}.addressLine1",
    "ShippingAddress.AddressLine2": f"{_ADDRESS}.addressLine2",
    "ShippingAddress.AddressLine3": f"{_ADDRESS}.addressLine3",
    "ShippingAddress.City": f"{_ADDRESS}.city",
    "ShippingAddress.StateOrRegion": f"{_ADDRESS}.stateOrRegion",
    "ShippingAddress.PostalCode": f"{_ADDRESS}.postalCode",
    "ShippingAddress.CountryCode": f"{_ADDRESS}.countryCode",
    "ShippingAddress.Phone": f"{_ADDRESS}.phone",
}
_ITEM: Final[Mapping[str, str]] = {
    "OrderItemId": "orderItemId",
    "QuantityOrdered": "quantityOrdered",
    "SellerSKU": "product.sellerSku",
    "ASIN": "product.asin",
    "Title": "product.title",
}
_ITEMS: Final = ("orderItems", "OrderItems", "OrderItem")


def today(order: JsonObject) -> JsonObject:
    """Return *order* as the Orders API 2026-01-01 spells it; one that it spells already, as it is."""
    if "orderId" in order:
        return order
    found = _respelt(order, _ORDER)
    items = items_of(order)
    return {**found, "orderItems": [{**_respelt(item, _ITEM), **item} if isinstance(item, Mapping) else item for item in items]}


def items_of(order: JsonObject) -> list[JsonValue]:
    """Return the order's items: a list of them and one alone are both in use."""
    given: JsonValue = next((order[name] for name in _ITEMS if order.get(name) is not None), [])
    return given if isinstance(given, list) else [given]


def _respelt(given: JsonObject, names: Mapping[str, str]) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {}
    for old, new in names.items():
        value = _at(given, old)
        if value is not None:
            *parents, last = new.split(".")
            place = made
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
    return made


def _at(given: JsonObject, path: str) -> JsonValue:
    value: JsonValue = given
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
