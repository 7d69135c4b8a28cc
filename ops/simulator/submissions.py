"""One write to one SKU, from a feed message or from the Listings Items API: judged, then applied.

Source: Listings Items API 2021-08-01, and the listings feed, whose messages mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ops.simulator.answers import Json, JsonObject
from ops.simulator.attributes import CHECKS, PLAIN, Issue, Scene, completed, judge, required
from ops.simulator.catalogue import PRICE_BOUNDS, Item, Patch, apply_patches
from ops.simulator.history import History, Submitted
from ops.simulator.identifiers import common_form
from ops.simulator.limits import Limits
from ops.simulator.marketplaces import Marketplace
from ops.simulator.matching import ASIN, CODES, IDENTIFIER, Match, invented_asin, match, not_enough
from ops.simulator.patches import selectors_of
from ops.simulator.product_type_names import GENERIC, is_known
from ops.simulator.products import Product, Products

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
_EXEMPTION = "supplier_declared_has_product_identifier_exemption"
_PREFIX = "/attributes/"


@dataclass(slots=True)
class Submission:
    """A write whose shape is right. `issues`: with an ERROR among them, nothing is applied.

    `match`: the product that an UPDATE belongs to, or the issues of the listing that has none.
    """

    sku: str
    operation: Operation
    product_type: str = GENERIC
    requirements: str = "LISTING"
    patches: list[Patch] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    match: Match = field(default_factory=Match)

    @property
    def is_accepted(self) -> bool:
        return not any(issue.severity == "ERROR" for issue in self.issues)

    @property
    def is_offer_only(self) -> bool:
        return self.requirements == "LISTING_OFFER_ONLY"

    def text_of(self, name: str) -> str | None:
        """`value` of the first instance of an attribute, where it is a text."""
        instances = next((patch.instances for patch in self.patches if patch.name == name), [])
        value = instances[0].get("value") if instances else None
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One seller's items in one marketplace, and the limits in force: where submissions go."""

    items: dict[str, Item]
    marketplace: Marketplace
    limits: Limits
    products: Products
    history: History


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
            if submission.is_accepted:
                _find_product(shelf, submission, item)
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
    if op == "delete":
        issues.extend(_unselected(name, given))
    else:
        issues.extend(judge(name, instances, Scene(shelf.marketplace, is_merge=op == "merge")))
    if submission.is_offer_only and name in PLAIN and name not in SALES_TERMS:
        if shelf.limits.facts_in_an_offer == "refuse":
            issues.append(Issue("90000900", f"The attributes are invalid: '{name}' is no attribute of an offer.", attribute=name))
        return
    submission.patches.append(Patch(op, name, instances))


def _unselected(name: str, given: Iterable[Json]) -> list[Issue]:
    """An attribute cannot be deleted by its name alone: every instance names a selector."""
    selectors = selectors_of(name)
    is_named = all(isinstance(instance, dict) and not instance.keys().isdisjoint(selectors) for instance in given)
    return [] if is_named else [required(selectors[0], name)]


def _missing(submission: Submission, item: Item | None) -> list[Issue]:
    """What an UPDATE must bring along."""
    named = {patch.name for patch in submission.patches}
    if not submission.is_offer_only:
        if submission.product_type == GENERIC:
            text = "Creating products with PRODUCT is not supported; use a specific product type or LISTING_OFFER_ONLY."
            return [Issue("4000004", text)]
        return [] if "item_name" in named else [required("item_name")]
    issues = [required(name) for name in _OFFER_NEEDS if name not in named]
    if (item is None or not item.is_listing) and named.isdisjoint({ASIN, IDENTIFIER}):
        issues.extend(map(required, (ASIN, IDENTIFIER)))
    return issues


def _find_product(shelf: Shelf, submission: Submission, item: Item | None) -> None:
    """The product that an UPDATE belongs to; a whole listing whose identifier nobody has makes a new one."""
    asin, identifier = submission.text_of(ASIN), submission.text_of(IDENTIFIER)
    if asin is None and identifier is not None and not submission.is_offer_only and not shelf.products.with_identifier(identifier):
        found = Match(invented_asin(common_form(identifier)))
    elif asin is not None or identifier is not None:
        found = match(shelf.products, shelf.limits, asin, identifier)
    elif item is not None and item.is_listing:
        found = Match(item.asin)
    elif any(patch.name == _EXEMPTION for patch in submission.patches):
        found = Match(invented_asin(submission.sku))
    else:
        found = Match(issues=(not_enough(IDENTIFIER),))
    submission.match = found
    if shelf.limits.unmatched_offer == "reject":
        submission.issues.extend(found.issues)


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
        _renew(item, submission, shelf.products)
    apply_patches(item, submission.patches, survivors=PRICE_BOUNDS if shelf.limits.replace_keeps_price_bounds else ())
    item.updated_at = real
    return item


def _renew(item: Item, submission: Submission, products: Products) -> None:
    """An UPDATE takes away what it does not name (with LISTING_OFFER_ONLY of the sales terms only)."""
    stock = {"fulfillment_availability"}  # its instances tell below whether Amazon's own stock is stranded
    lost = (SALES_TERMS if submission.is_offer_only else item.attributes.keys()) - stock
    item.keep({name: instances for name, instances in item.attributes.items() if name not in lost})
    if submission.product_type != GENERIC:
        item.product_type = submission.product_type
    item.later_issues = (*(issue for issue in item.later_issues if issue.code not in CODES), *submission.match.issues)
    if submission.match.asin is not None or not submission.match.issues:
        _attach(item, submission, products)


def _attach(item: Item, submission: Submission, products: Products) -> None:
    """Make *item* an offer of its product, with the title and type that Amazon has for it."""
    asin, identifier = submission.match.asin, submission.text_of(IDENTIFIER)
    item.asin, item.is_listing = asin, True
    if asin is not None and not products.knows(asin) and not submission.is_offer_only:
        identifiers = [] if identifier is None else [identifier]
        products.register(Product(asin, submission.text_of("item_name"), item.product_type, identifiers))
    product = products.find(asin)
    if product is not None:
        item.product_title = product.title
        item.product_type = product.product_type or item.product_type


def submitted(
    submission: Submission, real: float, *, is_applied: bool, feed_id: str | None = None, message_id: int | None = None
) -> Submitted:
    """The line of the history about *submission*, judged at the real instant *real*."""
    return Submitted(
        at=real,
        sku=submission.sku,
        operation=submission.operation,
        outcome="applied" if is_applied else "accepted" if submission.is_accepted else "refused",
        product_type=submission.product_type,
        requirements=submission.requirements,
        attributes=tuple(patch.name for patch in submission.patches),
        codes=tuple(issue.code for issue in submission.issues),
        feed_id=feed_id,
        message_id=message_id,
    )
