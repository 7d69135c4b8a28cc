"""What add, replace, merge and delete do to the instances of an attribute.

Source: Listings Items API 2021-08-01, PatchOperation, and Amazon's "Building Listings Management
Workflows" guide. An attribute is a list of instances told apart by the values of its selectors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ops.simulator.answers import Json, JsonObject

Instances = list[JsonObject]

# Selectors as Amazon's product type definitions name them. fulfillment_availability alone has no marketplace.
SELECTORS: dict[str, tuple[str, ...]] = {
    "fulfillment_availability": ("fulfillment_channel_code",),
    "purchasable_offer": ("marketplace_id", "currency", "audience"),
    "list_price": ("marketplace_id", "currency"),
    "item_name": ("marketplace_id", "language_tag"),
    "product_description": ("marketplace_id", "language_tag"),
    "condition_note": ("marketplace_id", "language_tag"),
    "bullet_point": ("marketplace_id", "language_tag"),
}
_DEFAULT_SELECTORS = ("marketplace_id",)


def selectors_of(name: str) -> tuple[str, ...]:
    """The selectors of attribute *name*; an attribute not listed has one instance per marketplace."""
    return SELECTORS.get(name, _DEFAULT_SELECTORS)


def _identity(instance: JsonObject, selectors: Sequence[str]) -> tuple[Json, ...]:
    return tuple([instance.get(selector) for selector in selectors])


def replaced(stored: Instances, named: Instances, selectors: Sequence[str], survivors: Collection[str] = ()) -> Instances:
    """Each named instance takes the whole place of the stored one: keys it does not name are gone.

    This is what erases a handling time when only the quantity is sent. *survivors*: keys that stay
    nevertheless (off by default, see `Limits.replace_keeps_price_bounds`). Other instances stay.
    """
    displaced = {_identity(instance, selectors) for instance in named}
    others = [instance for instance in stored if _identity(instance, selectors) not in displaced]
    if not survivors:
        return others + named
    kept = {_identity(instance, selectors): {key: value for key, value in instance.items() if key in survivors} for instance in stored}
    return others + [kept.get(_identity(instance, selectors), {}) | instance for instance in named]


def merged(stored: Instances, named: Instances, selectors: Sequence[str]) -> Instances:
    """Keys named are overwritten, keys not named stay, a key with null is removed.

    One level deep: `our_price` is taken as a unit. Without a stored instance the named one is added.
    """
    result = {_identity(instance, selectors): instance for instance in stored}
    for instance in named:
        identity = _identity(instance, selectors)
        union = result.get(identity, {}) | instance
        result[identity] = {key: value for key, value in union.items() if value is not None}
    return list(result.values())


def deleted(stored: Instances, named: Instances, selectors: Sequence[str]) -> Instances:
    """The instances whose selectors are named are gone. An instance that names fewer selectors fits more."""
    return [
        instance
        for instance in stored
        if not any(all(instance.get(key) == value for key, value in target.items() if key in selectors) for target in named)
    ]


def patched(stored: Instances, op: str, name: str, named: Instances, survivors: Collection[str] = ()) -> Instances:
    """The instances of attribute *name* after one patch. Raises ValueError for an unknown *op*."""
    selectors = selectors_of(name)
    match op:
        case "add" | "replace":
            return replaced(stored, named, selectors, survivors)
        case "merge":
            return merged(stored, named, selectors)
        case "delete":
            return deleted(stored, named, selectors)
        case _:
            raise ValueError(f"{op!r} is not an operation of a patch")
