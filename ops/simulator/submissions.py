"""One write to one SKU, from a feed message or from the Listings Items API: judged, then applied.

Source: Listings Items API 2021-08-01, and the listings feed, whose messages mean the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from ops.simulator.answers import Json, JsonObject
from ops.simulator.attributes import CHECKS, PLAIN, Issue, Scene, completed, is_asin, judge, required
from ops.simulator.catalogue import PRICE_BOUNDS, Item, Patch, apply_patches
from ops.simulator.limits import Limits
from ops.simulator.marketplaces import Marketplace
from ops.simulator.product_type_names import GENERIC, is_known

Operation = Literal["UPDATE", "PARTIAL_UPDATE", "PATCH", "DELETE"]

# What LISTING_OFFER_ONLY sets and replaces; everything else is a fact of the product.
SALES_TERMS = frozenset(
    {
        "condition_type", "condition_note", "purchasable_offer", "fulfillment_availability", "list_price", "max_order_quantity",
        "merchant_suggested_asin", "externally_assigned_product_identifier", "merchant_shipping_group", "merchant_release_date",
        "product_tax_code", "gift_options", "skip_offer", "map_policy", "supplier_declared_dg_hz_regulation", "batteries_required",
    }
)  # fmt: skip
_OFFER_NEEDS = ("condition_type", "purchasable_offer", "fulfillment_availability")
_PREFIX = "/attributes/"


@dataclass(slots=True)
class Submission:
    """A write whose shape is right. `issues`: with an ERROR among them, nothing is applied."""

    sku: str
    operation: Operation
    product_type: str = GENERIC
    requirements: str = "LISTING"
    patches: list[Patch] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        return not any(issue.severity == "ERROR" for issue in self.issues)

    def value_of(self, name: str) -> Json:
        """`value` of the first instance of a plain attribute, or None."""
        instances = next((patch.instances for patch in self.patches if patch.name == name), [])
        return instances[0].get("value") if instances else None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One seller's items in one marketplace, and the limits in force: where submissions go."""

    items: dict[str, Item]
    marketplace: Marketplace
    limits: Limits


def judged(shelf: Shelf, sku: str, operation: Operation, body: JsonObject) -> Submission:
    """Read *body* (shape already checked) and find every issue."""
    submission = Submission(sku, operation, str(body.get("productType", GENERIC)), str(body.get("requirements", "LISTING")))
    issues = submission.issues
    item = shelf.items.get(sku)
    if len(sku) > shelf.limits.max_sku_characters:
        issues.append(Issue("4000001", f"The provided value for 'sku' is invalid: over {shelf.limits.max_sku_characters} characters."))
    if operation != "DELETE":
        if not is_known(submission.product_type, shelf.limits):
            issues.append(Issue("4000003", "The Amazon product type specified is invalid or not supported."))
        if operation == "PATCH":
            _read_patches(shelf, submission, body["patches"])
        else:
            _read_attributes(shelf, submission, body["attributes"])
        if operation == "UPDATE":
            issues.extend(_missing(submission, item))
    if item is not None:
        issues.extend(item.rejections)
    return submission


def _read_patches(shelf: Shelf, submission: Submission, patches: Json) -> None:
    assert isinstance(patches, list)
    for patch in patches:
        assert isinstance(patch, dict)
        path = str(patch["path"])
        name = path.removeprefix(_PREFIX)
        if not path.startswith(_PREFIX) or not name or "/" in name:
            submission.issues.append(Issue("4000001", f"The path '{path}' is not supported; patch a whole attribute."))
        elif "value" not in patch:
            submission.issues.append(Issue("4002008", "The 'value' attribute of a patch is required but not supplied.", attribute=name))
        else:
            _read_instances(shelf, submission, str(patch["op"]), name, patch["value"])


def _read_attributes(shelf: Shelf, submission: Submission, attributes: Json) -> None:
    assert isinstance(attributes, dict)
    for name, value in attributes.items():
        _read_instances(shelf, submission, "replace", name, value)


def _read_instances(shelf: Shelf, submission: Submission, op: str, name: str, value: Json) -> None:
    issues = submission.issues
    if name not in CHECKS and name not in PLAIN and name not in shelf.limits.extra_attributes:
        issues.append(Issue("90000900", f"The attributes are invalid: '{name}' is not an attribute.", attribute=name))
        return
    given = value if isinstance(value, list) else []
    instances = [completed(name, instance, shelf.marketplace) for instance in given if isinstance(instance, dict)]
    if not instances or len(instances) != len(given):
        text = f"The attribute '{name}' does not have enough values. The required minimum is '1' value(s)."
        issues.append(Issue("99022", text, attribute=name))
        return
    if op != "delete":
        issues.extend(judge(name, instances, Scene(shelf.marketplace, is_merge=op == "merge")))
    submission.patches.append(Patch(op, name, instances))


def _missing(submission: Submission, item: Item | None) -> list[Issue]:
    """What an UPDATE must bring along."""
    named = {patch.name for patch in submission.patches}
    if submission.requirements != "LISTING_OFFER_ONLY":
        if submission.product_type == GENERIC:
            text = "Creating products with PRODUCT is not supported; use a specific product type or LISTING_OFFER_ONLY."
            return [Issue("4000004", text)]
        return [] if "item_name" in named else [required("item_name")]
    issues = [required(name) for name in _OFFER_NEEDS if name not in named]
    identifiers = ("merchant_suggested_asin", "externally_assigned_product_identifier")
    if item is None and not named.intersection(identifiers):
        issues.extend(map(required, identifiers))
    return issues


def apply(shelf: Shelf, submission: Submission, real: float) -> Item | None:
    """Write an accepted submission as of the real instant *real*; the item, or None when it is deleted.

    A patch of a SKU that nobody knows is not refused: it makes an incomplete listing, as at Amazon.
    """
    if submission.operation == "DELETE":
        shelf.items.pop(submission.sku, None)
        return None
    item = shelf.items.get(submission.sku)
    if item is None:
        item = Item(submission.sku, submission.product_type, is_listing=False, created_at=real, updated_at=real)
        shelf.items[submission.sku] = item
    if submission.operation == "UPDATE":
        _renew(item, submission, shelf.limits)
    apply_patches(item, submission.patches, survivors=PRICE_BOUNDS if shelf.limits.replace_keeps_price_bounds else ())
    item.updated_at = real
    return item


def _renew(item: Item, submission: Submission, limits: Limits) -> None:
    """An UPDATE takes away what it does not name (with LISTING_OFFER_ONLY of the sales terms only)."""
    offer_only = submission.requirements == "LISTING_OFFER_ONLY"
    stock = {"fulfillment_availability"}  # its instances tell below whether Amazon's own stock is stranded
    lost = (SALES_TERMS if offer_only else item.attributes.keys()) - stock
    item.keep({name: instances for name, instances in item.attributes.items() if name not in lost})
    if submission.product_type != GENERIC:
        item.product_type = submission.product_type
    asin = _matched_asin(submission)
    if asin is not None and asin not in limits.unknown_asins:
        item.asin, item.is_listing = asin, True
    elif not offer_only:
        item.asin, item.is_listing = item.asin or _invented_asin(submission.sku), True
    elif asin is not None:
        text = "The offer cannot be added because the product is not in the catalogue."
        item.later_issues = (Issue("13013", text, attribute="merchant_suggested_asin"),)


def _matched_asin(submission: Submission) -> str | None:
    """The ASIN named, or the one that Amazon would find by the identifier."""
    asin = submission.value_of("merchant_suggested_asin")
    if isinstance(asin, str) and is_asin(asin):
        return asin
    identifier = submission.value_of("externally_assigned_product_identifier")
    return _invented_asin(identifier) if isinstance(identifier, str) else None


def _invented_asin(text: str) -> str:
    """An ASIN that is always the same for *text*."""
    return f"B0{hashlib.sha256(text.encode()).hexdigest()[:8].upper()}"
