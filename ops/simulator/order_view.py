"""An order as the Orders API shows it. Source: Order in orders_2026-01-01.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from ops.simulator.answers import Json, JsonObject
from ops.simulator.clock import exact_time
from ops.simulator.marketplaces import MARKETPLACES, decimals
from ops.simulator.order_book import Order, OrderItem, OrderStatus, Package

# What each value of includedData adds, at the order and at its items. Items themselves always come.
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "BUYER": ("buyer",),
    "RECIPIENT": ("recipient",),
    "PROCEEDS": ("proceeds",),
    "EXPENSE": ("expense",),
    "PROMOTION": ("promotion",),
    "CANCELLATION": ("cancellation",),
    "FULFILLMENT": ("fulfillment",),
    "PACKAGES": ("packages",),
    "TAX": ("tax",),
    "PAYMENT": ("payment",),
    "FULFILLMENT_ORDERS": ("fulfillmentOrders",),
}
_OPTIONAL = frozenset(name for names in BLOCKS.values() for name in names)

# What an application without the restricted roles does not see.
_PERSONAL: Mapping[str, tuple[str, ...]] = {
    "buyer": ("buyerName", "buyerEmail"),
    "deliveryAddress": ("name", "addressLine1", "addressLine2", "addressLine3", "postalCode", "phone", "extendedFields"),
    "giftOption": ("giftMessage",),
    "customization": ("customizedUrl",),
}
_PENDING = frozenset({OrderStatus.PENDING, OrderStatus.PENDING_AVAILABILITY})
_DAY = 86400


def shown(order: Order, included: Collection[str], *, is_personal: bool) -> JsonObject:
    """*order* with the blocks of *included*; without *is_personal* as an application sees it that lacks the roles."""
    whole = amended(_whole(order), order.amend)
    wanted = {name for block in included for name in BLOCKS[block]}
    document = _only(whole, wanted)
    items = document.get("orderItems")
    if isinstance(items, list):
        document["orderItems"] = [_only(item, wanted) if isinstance(item, dict) else item for item in items]
    return document if is_personal else _impersonal(document)


def amended(document: JsonObject, patch: Mapping[str, Json]) -> JsonObject:
    """*document* with a JSON Merge Patch (RFC 7396): null takes a key away."""
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = result.get(name)
            result[name] = amended(below if isinstance(below, dict) else {}, value)
        else:
            result[name] = value
    return result


def _only(document: JsonObject, wanted: Collection[str]) -> JsonObject:
    return {name: value for name, value in document.items() if name in wanted or name not in _OPTIONAL}


def _impersonal(value: JsonObject) -> JsonObject:
    return {name: _stripped(part, _PERSONAL.get(name, ())) for name, part in value.items()}


def _stripped(value: Json, hidden: Collection[str]) -> Json:
    if isinstance(value, list):
        return [_stripped(part, hidden) for part in value]
    return _impersonal({name: part for name, part in value.items() if name not in hidden}) if isinstance(value, dict) else value


def _whole(order: Order) -> JsonObject:
    """Every block. A pending order has no buyer, no address and no money yet."""
    marketplace = MARKETPLACES[order.marketplace_id]
    is_pending = order.status in _PENDING
    currency = marketplace.currency
    document: JsonObject = {
        "orderId": order.order_id,
        "createdTime": exact_time(order.created_at),
        "lastUpdatedTime": exact_time(order.updated_at),
        "programs": [],
        "associatedOrders": [],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": marketplace.id, "marketplaceName": marketplace.name},
        "fulfillment": _fulfillment(order),
        "orderItems": [amended(_item(item, currency, is_pending=is_pending), item.amend) for item in order.items.values()],
        "packages": [_package(package) for package in order.packages],
    }
    if order.seller_order_id is not None:
        document["orderAliases"] = [{"aliasId": order.seller_order_id, "aliasType": "SELLER_ORDER_ID"}]
    if not is_pending:
        document["buyer"] = {"buyerName": "Jane Roe", "buyerEmail": f"{order.order_id.replace('-', '')}@marketplace.{marketplace.domain}"}
        document["recipient"] = {"deliveryAddress": _address(marketplace.country)}
        document["proceeds"] = _proceeds([line for item in order.items.values() if (line := _line_total(item)) is not None], currency)
    return document


def _address(country: str) -> JsonObject:
    return {
        "name": "Jane Roe",
        "addressLine1": "100 Main Street",
        "city": "Seattle",
        "stateOrRegion": "WA",
        "postalCode": "98101",
        "countryCode": country,
        "phone": "+1 206 555 0100",
        "addressType": "RESIDENTIAL",
    }


def _fulfillment(order: Order) -> JsonObject:
    ordered_at = order.created_at
    return {
        "fulfillmentStatus": order.status.value,
        "fulfilledBy": order.fulfilled_by,
        "fulfillmentServiceLevel": "STANDARD",
        "shipByWindow": {"earliestDateTime": exact_time(ordered_at), "latestDateTime": exact_time(ordered_at + 2 * _DAY)},
        "deliverByWindow": {"earliestDateTime": exact_time(ordered_at + 5 * _DAY), "latestDateTime": exact_time(ordered_at + 9 * _DAY)},
    }


def _item(item: OrderItem, currency: str, *, is_pending: bool) -> JsonObject:
    product: JsonObject = {"condition": {"conditionType": "NEW", "conditionSubtype": "NEW"}}
    named = {"asin": item.asin, "title": item.title, "sellerSku": item.sku}
    product |= {name: value for name, value in named.items() if value is not None}
    shape: JsonObject = {
        "orderItemId": item.order_item_id,
        "quantityOrdered": item.quantity,
        "product": product,
        "fulfillment": {"quantityFulfilled": item.shipped, "quantityUnfulfilled": item.remaining},
    }
    total = _line_total(item)
    if total is not None and item.unit_price is not None and not is_pending:
        product["price"] = {"unitPrice": _money(item.unit_price, currency)}
        money = _money(total, currency)
        shape["proceeds"] = {"proceedsTotal": money, "breakdowns": [{"type": "ITEM", "subtotal": money}]}
    return shape


def _line_total(item: OrderItem) -> Decimal | None:
    return None if item.unit_price is None else item.unit_price * item.quantity


def _proceeds(lines: list[Decimal], currency: str) -> JsonObject:
    """The totals; without a price there are none."""
    if not lines:
        return {}
    total = _money(sum(lines, Decimal(0)), currency)
    return {"grandTotal": total, "breakdowns": [{"type": "ITEM", "subtotal": total}]}


def _money(amount: Decimal, currency: str) -> JsonObject:
    return {"amount": format(amount.quantize(Decimal(1).scaleb(-decimals(currency))), "f"), "currencyCode": currency}


def _package(package: Package) -> JsonObject:
    carriage = package.carriage
    named = {
        "carrier": carriage.carrier_name or carriage.carrier_code,
        "shippingService": carriage.shipping_method,
        "trackingNumber": carriage.tracking_number,
    }
    return {
        "packageReferenceId": package.reference,
        "createdTime": exact_time(package.created_at),
        "packageStatus": {"status": "SHIPPED"},
        "shipTime": package.ship_date,
        "packageItems": [{"orderItemId": order_item_id, "quantity": quantity} for order_item_id, quantity in package.items.items()],
        **{name: value for name, value in named.items() if value is not None},
    }
