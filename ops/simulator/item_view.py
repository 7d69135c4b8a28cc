"""A catalogue item as the Listings Items API shows it. Source: Item in listingsItems_2021-08-01.json."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ops.simulator.answers import Json, JsonObject
from ops.simulator.attributes import Issue
from ops.simulator.catalogue import Attributes, Item, issues_of, main_availability, price_of, status_of
from ops.simulator.clock import exact_time
from ops.simulator.marketplaces import Marketplace

_CATEGORIES = {"90220": "MISSING_ATTRIBUTE", "8560": "MISSING_ATTRIBUTE", "13013": "INVALID_ATTRIBUTE", "18155": "INVALID_PRICE"}
_AUDIENCES = {"ALL": ("B2C", "Sell on Amazon"), "B2B": ("B2B", "Amazon Business")}


def shown(item: Item, marketplace: Marketplace, included: Collection[str]) -> JsonObject:
    """*item* with the blocks of *included*, in Amazon's names."""
    attributes = item.attributes
    blocks: JsonObject = {"sku": item.sku}
    for name, block in _BLOCKS.items():
        if name in included:
            blocks[name] = block(item, attributes, marketplace)
    return blocks


def _summaries(item: Item, attributes: Attributes, marketplace: Marketplace) -> Json:
    summary: JsonObject = {"marketplaceId": marketplace.id, "productType": item.product_type, "status": [*status_of(item, attributes)]}
    if item.asin is not None:
        summary["asin"] = item.asin
    for key, name in (("conditionType", "condition_type"), ("itemName", "item_name")):
        instances = attributes.get(name)
        if instances and isinstance(instances[0].get("value"), str):
            summary[key] = instances[0]["value"]
    if item.product_title is not None:
        summary["itemName"] = item.product_title
    if item.fba_quantity is not None and item.asin is not None:
        summary["fnSku"] = f"X0{item.asin[2:]}"
    return [summary | {"createdDate": exact_time(item.created_at), "lastUpdatedDate": exact_time(item.updated_at)}]


def _attributes(_item: Item, attributes: Attributes, _marketplace: Marketplace) -> Json:
    return {name: [*instances] for name, instances in attributes.items()}


def _issues(item: Item, attributes: Attributes, marketplace: Marketplace) -> Json:
    return [issue_shown(issue) | {"marketplaceIds": [marketplace.id]} for issue in issues_of(item, attributes)]


def issue_shown(issue: Issue) -> JsonObject:
    """An issue in the shape of the Listings Items API (a processing report has another)."""
    shape: JsonObject = {"code": issue.code, "message": issue.message, "severity": issue.severity}
    if issue.attribute is not None:
        shape["attributeNames"] = [issue.attribute.split(".")[0]]
    shape["categories"] = [_CATEGORIES.get(issue.code, "INVALID_ATTRIBUTE")]
    return shape


def _offers(_item: Item, attributes: Attributes, marketplace: Marketplace) -> Json:
    offers: list[Json] = []
    for offer in attributes.get("purchasable_offer", []):
        price = price_of(offer, "our_price")
        if price is not None:
            audience = str(offer["audience"])
            offer_type, display_name = _AUDIENCES[audience]
            money: JsonObject = {"currencyCode": offer["currency"], "amount": format(price, "f")}
            audience_shown: JsonObject = {"value": audience, "displayName": display_name}
            offers.append({"marketplaceId": marketplace.id, "offerType": offer_type, "price": money, "audience": audience_shown})
    return offers


def _fulfillment_availability(item: Item, attributes: Attributes, _marketplace: Marketplace) -> Json:
    blocks: list[Json] = []
    main = main_availability(attributes)
    for stock in attributes.get("fulfillment_availability", []):
        block: JsonObject = {"fulfillmentChannelCode": stock["fulfillment_channel_code"]}
        quantity = (
            item.fba_quantity if stock is main and str(stock["fulfillment_channel_code"]).startswith("AMAZON_") else stock.get("quantity")
        )
        if quantity is not None:
            block["quantity"] = quantity
        blocks.append(block)
    return blocks


def _nothing(_item: Item, _attributes: Attributes, _marketplace: Marketplace) -> Json:
    return []


def _product_types(item: Item, _attributes: Attributes, marketplace: Marketplace) -> Json:
    return [{"marketplaceId": marketplace.id, "productType": item.product_type}]


_BLOCKS: Mapping[str, Callable[[Item, Attributes, Marketplace], Json]] = {
    "summaries": _summaries,
    "attributes": _attributes,
    "issues": _issues,
    "offers": _offers,
    "fulfillmentAvailability": _fulfillment_availability,
    "procurement": _nothing,
    "relationships": _nothing,
    "productTypes": _product_types,
}
