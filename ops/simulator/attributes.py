"""What Amazon says to the values of offer attributes: one check per attribute, and the codes it answers with.

Source: Amazon's "Manage Listings" and "Listings feed" guides for keys and ranges; the codes are those
sellers report, no list of them is published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from ops.simulator.answers import Json, JsonObject
from ops.simulator.identifiers import LENGTHS, is_right
from ops.simulator.marketplaces import FBA_CHANNELS, Marketplace, decimals

Severity = Literal["ERROR", "WARNING", "INFO"]


class Issue(NamedTuple):
    code: str
    message: str
    severity: Severity = "ERROR"
    attribute: str | None = None


def required(name: str, of: str | None = None) -> Issue:
    return Issue("90220", f"'{name}' is required but not supplied.", attribute=f"{of}.{name}" if of else name)


def invalid(name: str, why: str = "") -> Issue:
    return Issue("4000001", f"The provided value for '{name}' is invalid.{why}", attribute=name)


def not_understood(name: str) -> Issue:
    """Amazon's answer to a key it does not know, and to a number sent as a string."""
    return Issue("4000000", "An internal error has occurred. Try again.", attribute=name)


def too_few(name: str, key: str) -> Issue:
    return Issue(
        "99022",
        f"The field '{key}' for the attribute '{name}' does not have enough values. The required minimum is '1' value(s).",
        attribute=name,
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an attribute is judged. `is_merge`: nulls remove keys."""

    marketplace: Marketplace
    is_merge: bool


Check = Callable[[JsonObject, Scene], Iterator[Issue]]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
MAX_LEAD_TIME_DAYS = 30


def _availability(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    name = "fulfillment_availability"
    channel = instance.get("fulfillment_channel_code")
    if not isinstance(channel, str) or not channel:
        yield required("fulfillment_channel_code", name)
    elif _looks_like_amazons(channel) and channel not in FBA_CHANNELS[scene.marketplace.region] | {"DEFAULT"}:
        yield Issue("8105", f"'{channel}' is not in the list of valid values.", attribute=f"{name}.fulfillment_channel_code")
    for key, value in instance.items():
        check = _AVAILABILITY_KEYS.get(key)
        if key == "fulfillment_channel_code":
            continue
        if check is None:
            yield not_understood(f"{name}.{key}")
        elif value is None:
            if not scene.is_merge:
                yield invalid(f"{name}.{key}")
        elif issue := check(value):
            yield issue
    if instance.get("quantity") is not None and instance.get("is_inventory_available") is not None:
        yield invalid(f"{name}.is_inventory_available", " It cannot stand beside a quantity.")


def _looks_like_amazons(channel: str) -> bool:
    """Neither a supply source of the seller's own, nor anything Amazon would take for one."""
    return channel.upper() == "DEFAULT" or channel.upper().startswith("AMAZON_")


def _quantity(value: Json) -> Issue | None:
    name = "fulfillment_availability.quantity"
    if isinstance(value, str):
        return not_understood(name)
    return None if type(value) is int and value >= 0 else invalid(name)


def _lead_time(value: Json) -> Issue | None:
    if isinstance(value, str):
        return not_understood("fulfillment_availability.lead_time_to_ship_max_days")
    if type(value) is int and 0 <= value <= MAX_LEAD_TIME_DAYS:
        return None
    # Amazon names the wrong attribute here, as users complain.
    return invalid("fulfillment_availability.quantity")


def _restock_date(value: Json) -> Issue | None:
    is_date = isinstance(value, str) and _DATE.fullmatch(value)
    return None if is_date else invalid("fulfillment_availability.restock_date")


def _is_available(value: Json) -> Issue | None:
    return None if isinstance(value, bool) else invalid("fulfillment_availability.is_inventory_available")


_AVAILABILITY_KEYS: Mapping[str, Callable[[Json], Issue | None]] = {
    "quantity": _quantity,
    "lead_time_to_ship_max_days": _lead_time,
    "restock_date": _restock_date,
    "is_inventory_available": _is_available,
}

_PRICES = frozenset({"our_price", "discounted_price", "minimum_seller_allowed_price", "maximum_seller_allowed_price"})
_PERIODS = frozenset({"start_at", "end_at"})
AUDIENCES = frozenset({"ALL", "B2B"})


def _offer(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    name = "purchasable_offer"
    yield from _marketplace(instance, scene, name)
    yield from _currency(instance, scene, name)
    if instance.get("audience") not in AUDIENCES:
        yield invalid(f"{name}.audience")
    for key, value in instance.items():
        if key in {"marketplace_id", "currency", "audience"}:
            continue
        if key in _PRICES:
            if value is None and scene.is_merge:
                continue
            yield from _price_schedule(f"{name}.{key}", value, scene, is_period=key == "discounted_price")
        elif key == "quantity_discount_plan":
            if value is not None or not scene.is_merge:
                yield from _discount_plan(f"{name}.{key}", value, scene)
        elif key in _PERIODS:
            if not (value is None and scene.is_merge) and not _is_moment(value.get("value") if isinstance(value, dict) else None):
                yield invalid(f"{name}.{key}")
        elif key == "automated_pricing_merchandising_rule_plan":
            if not isinstance(value, list) and not (value is None and scene.is_merge):
                yield invalid(f"{name}.{key}")
        else:
            yield not_understood(f"{name}.{key}")


def _price_schedule(name: str, value: Json, scene: Scene, *, is_period: bool) -> Iterator[Issue]:
    """`[{"schedule": [{"value_with_tax": 29.99}]}]`; a discount names its period, too."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        yield too_few(name, "schedule")
        return
    schedule = value[0].get("schedule")
    if not isinstance(schedule, list) or not schedule:
        yield too_few(name, "schedule")
        return
    wanted = {"value_with_tax", "start_at", "end_at"} if is_period else {"value_with_tax"}
    for entry in schedule:
        if not isinstance(entry, dict):
            yield not_understood(name)
            continue
        for key in sorted(wanted - entry.keys()):
            yield required(key, name)
        for key, part in entry.items():
            if key == "value_with_tax":
                if issue := price_fault(f"{name}.schedule.value_with_tax", part, scene.marketplace.currency):
                    yield issue
            elif key not in wanted:
                yield not_understood(f"{name}.schedule.{key}")
            elif not _is_moment(part):
                yield invalid(f"{name}.schedule.{key}")


def _discount_plan(name: str, value: Json, scene: Scene) -> Iterator[Issue]:
    plan = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
    schedule = plan.get("schedule")
    if not isinstance(schedule, list) or not schedule or not isinstance(schedule[0], dict):
        yield too_few(name, "schedule")
        return
    levels = schedule[0].get("levels")
    if not isinstance(levels, list) or not levels:
        yield too_few(f"{name}.schedule", "levels")
        return
    for level in levels:
        if not isinstance(level, dict) or type(level.get("lower_bound")) is not int:
            yield invalid(f"{name}.schedule.levels.lower_bound")
        elif issue := price_fault(f"{name}.schedule.levels.value", level.get("value"), scene.marketplace.currency):
            yield issue


def price_fault(name: str, value: Json, currency: str) -> Issue | None:
    """A price is a JSON number above zero with no more decimals than the currency has."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return not_understood(name)
    if value <= 0:
        return invalid(name)
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > decimals(currency):
            return invalid(name, f" {currency} has {decimals(currency)} decimals.")
    return None


def _is_moment(value: Json) -> bool:
    return isinstance(value, str) and bool(_MOMENT.fullmatch(value))


def _marketplace(instance: JsonObject, scene: Scene, name: str) -> Iterator[Issue]:
    if instance.get("marketplace_id") != scene.marketplace.id:
        yield invalid(f"{name}.marketplace_id", " It is not the marketplace of the submission.")


def _currency(instance: JsonObject, scene: Scene, name: str) -> Iterator[Issue]:
    currency = instance.get("currency")
    if not currency:
        yield required("currency", name)
    elif currency != scene.marketplace.currency:
        yield invalid(f"{name}.currency", f" The currency of this marketplace is {scene.marketplace.currency}.")


CONDITIONS = frozenset(
    {
        "new_new", "new_open_box", "new_oem", "refurbished_refurbished", "used_like_new", "used_very_good", "used_good",
        "used_acceptable", "collectible_like_new", "collectible_very_good", "collectible_good", "collectible_acceptable", "club_club",
    }
)  # fmt: skip


def _condition(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    yield from _marketplace(instance, scene, "condition_type")
    if instance.get("value") not in CONDITIONS:
        yield Issue("8105", f"'{instance.get('value')}' is not in the list of valid values.", attribute="condition_type")


def _identifier(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    name = "externally_assigned_product_identifier"
    yield from _marketplace(instance, scene, name)
    kind, number = instance.get("type"), instance.get("value")
    if not isinstance(kind, str) or kind not in LENGTHS:
        # Neither identifier was understood: Amazon asks for both.
        yield required(name)
        yield required("merchant_suggested_asin")
    elif not isinstance(number, str) or not is_right(kind, number):
        yield invalid(f"{name}.value", f" It is no {kind.upper()}: its length or its check digit is wrong.")


def _asin(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    yield from _marketplace(instance, scene, "merchant_suggested_asin")
    if not is_asin(instance.get("value")):
        yield invalid("merchant_suggested_asin.value")


def is_asin(value: Json) -> bool:
    """Ten characters, upper case: B0... or an ISBN-10."""
    return isinstance(value, str) and bool(re.fullmatch(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]", value))


def _list_price(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    yield from _marketplace(instance, scene, "list_price")
    yield from _currency(instance, scene, "list_price")
    value = instance.get("value_with_tax", instance.get("value"))
    if issue := price_fault("list_price.value", value, scene.marketplace.currency):
        yield issue


def _plain(instance: JsonObject, scene: Scene) -> Iterator[Issue]:
    """Any other attribute: only the marketplace is looked at; its schema is the product type's."""
    if "marketplace_id" in instance:
        yield from _marketplace(instance, scene, "marketplace_id")


CHECKS: Mapping[str, Check] = {
    "fulfillment_availability": _availability,
    "purchasable_offer": _offer,
    "condition_type": _condition,
    "externally_assigned_product_identifier": _identifier,
    "merchant_suggested_asin": _asin,
    "list_price": _list_price,
}

# Attributes that many product types share. A name outside this list, CHECKS and Limits.extra_attributes is refused.
PLAIN = frozenset(
    {
        "item_name", "product_description", "bullet_point", "condition_note", "merchant_shipping_group", "max_order_quantity", "brand",
        "manufacturer", "model_number", "model_name", "part_number", "color", "size", "style", "material", "pattern", "item_weight",
        "item_dimensions", "item_package_weight", "item_package_dimensions", "item_type_keyword", "item_type_name", "generic_keyword",
        "country_of_origin", "number_of_items", "unit_count", "batteries_required", "batteries_included", "warranty_description",
        "supplier_declared_dg_hz_regulation", "supplier_declared_has_product_identifier_exemption", "gift_options", "product_tax_code",
        "main_product_image_locator", "other_product_image_locator_1", "other_product_image_locator_2", "recommended_browse_nodes",
        "merchant_release_date", "product_site_launch_date", "target_gender", "age_range_description", "department", "included_components",
        "special_feature", "parentage_level", "child_parent_sku_relationship", "variation_theme", "skip_offer", "map_policy",
    }
)  # fmt: skip


def completed(name: str, instance: JsonObject, marketplace: Marketplace) -> JsonObject:
    """*instance* with the selectors that Amazon fills in itself: a missing marketplace, and audience ALL."""
    if name == "fulfillment_availability":
        return instance
    filled = instance if "marketplace_id" in instance else {"marketplace_id": marketplace.id, **instance}
    if name == "purchasable_offer" and "audience" not in filled:
        return {**filled, "audience": "ALL"}
    return filled


def judge(name: str, instances: list[JsonObject], scene: Scene) -> list[Issue]:
    """Every issue with the instances of one attribute."""
    check = CHECKS.get(name, _plain)
    return [issue for instance in instances for issue in check(instance, scene)]
