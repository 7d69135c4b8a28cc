"""What publish_listings makes of a listing message: its SKU and facets, or every fault that makes the message invalid.

Requirement rows R18, R32-R51, R68. A template is compiled once for a connection's revision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from worker.core import attribute_shapes, facet_values
from worker.core.attribute_shapes import MONEY_ATTRIBUTES, Selectors
from worker.core.facet_values import Make, money_text, why_not_money
from worker.core.facets import HANDLING_TIME, LISTING, PRICE, QUANTITY, UPDATE, Facets, Value
from worker.core.issues import Issue, Severity, issue
from worker.core.json import JsonObject, JsonValue, encode
from worker.core.mapping import CONDITIONS, Absent, Found, Resolver, Result, resolver
from worker.core.marketplaces import MARKETPLACES, Marketplace
from worker.core.product_identifiers import ASIN, identifier
from worker.core.rules import is_blank, text
from worker.core.targets import Spec, TemplateKind, Way
from worker.core.texts import folded, unwanted_character

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings

DELETE: Final = "delete"
"""The one word, in a message's `operation`, that removes a listing. Nothing else does."""

SKU: Final = "sku"
PRODUCT_TYPE: Final = "product_type"

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "title": "item_name",
    "description": "product_description",
    "item_condition": "condition_type",
    "product_id": "merchant_suggested_asin",
}
"""Amazon's names of the targets that have one of their own; of the product ID the one that an emptied ID has."""

_FACTS: Final = frozenset({"item_name", "product_description"})
"""Facts of the product: an offer takes them from its ASIN, so that they are only checked with LISTING_OFFER_ONLY."""

CONDITION_WORDS: Final = frozenset(CONDITIONS.values())


class Published(NamedTuple):
    """What a template makes of one listing message. `sku`: as the upstream or the template has it; None with a fault of its own."""

    sku: str | None
    facets: Facets


@dataclass(slots=True)
class _Draft:
    """A listing under way: `facets` are those that inventory messages speak of, too; `problems` are faults and warnings."""

    data: JsonObject
    marketplace: Marketplace
    selectors: Selectors
    facets: dict[str, Value] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    product_type: str | None = None
    problems: list[Issue] = field(default_factory=list)

    def shape(self, name: str, value: JsonValue) -> None:
        self.attributes[name] = attribute_shapes.instances(name, value, self.selectors)

    def plain(self, name: str, value: str) -> None:
        """Set an attribute that names no more than the marketplace."""
        self.attributes[name] = [{"marketplace_id": self.selectors.marketplace_id, "value": value}]

    def said(self, found: Found) -> str | None:
        """Return the text that was found; anything else, and a blank one, is a fault."""
        value = text(found.value) if type(found.value) is int else found.value
        if isinstance(value, str) and value.strip():
            return value
        reason = "it is empty." if is_blank(value) else "it must be text."
        self.problems.append(issue("FIELD_INVALID", field=found.field, value=None if is_blank(value) else found.value, reason=reason))
        return None


class _Step(NamedTuple):
    resolve: Resolver
    draw: Callable[[_Draft, Found], None]
    empty: Callable[[_Draft], None]


class PublishTemplate:
    """A publish template of one revision, compiled."""

    def __init__(self, settings: "ConnectionSettings") -> None:
        self._settings = settings
        section = settings.publish_listings
        marketplace = MARKETPLACES[settings.marketplace_id]
        self._selectors = Selectors(marketplace.id, settings.language_tag or marketplace.language_tag, marketplace.currency)
        self._is_whole = section.requirements == "LISTING"
        sku = section.template.get(SKU)
        # The message's own SKU was looked at when the message was read.
        is_own = sku is None or not _is_mapped(sku) or (sku.way is Way.FIELD and sku.field == SKU and not sku.rules)
        self._sku = None if sku is None or is_own else self._resolver(SKU, sku)
        self._steps = tuple(self._step(name, spec) for name, spec in section.template.items() if name != SKU and _is_mapped(spec))
        self._asks_product_type = PRODUCT_TYPE not in section.template
        handling_time = section.template.get(HANDLING_TIME)
        self._maps_handling_time = handling_time is not None and _is_mapped(handling_time)
        center = section.fulfillment_center_id
        self._center = (
            None if center is None else resolver(TemplateKind.PUBLISH, "fulfillment_center_id", center, rules={}, mapping_sets={})
        )

    def publish(self, data: JsonObject, marketplace: Marketplace) -> Published:
        """Return what the template makes of *data*, a listing message's. A deletion says nothing but its SKU."""
        sku = self._own_sku(data)
        faults = [sku] if isinstance(sku, Issue) else []
        said_sku = None if isinstance(sku, Issue) else sku
        if data.get("operation") == DELETE:
            return Published(said_sku, Facets({LISTING: Value(cleared=True)}, faults=tuple(faults)))
        draft = self._drawn(data, marketplace)
        listing = self._listing(draft)
        warnings: list[Issue] = []
        for problem in draft.problems:
            (faults if problem.severity is Severity.ERROR else warnings).append(problem)
        return Published(said_sku, Facets({LISTING: listing, **draft.facets}, tuple(warnings), tuple(faults)))

    def _own_sku(self, data: JsonObject) -> str | Issue:
        if self._sku is None:
            return str(data[SKU])
        result = self._sku(data)
        if isinstance(result, Issue):
            return result
        if result is Absent.NOT_MAPPED:
            return str(data[SKU])
        if not isinstance(result, Found) or is_blank(result.value):
            return issue("SKU_REQUIRED", field=SKU)
        if isinstance(result.value, bool) or not isinstance(result.value, str | int):
            return issue("FIELD_INVALID", field=result.field, value=result.value, reason="it must be text.")
        sku = text(result.value)
        character = unwanted_character(sku)
        if character:
            return issue("SKU_INVALID", field=result.field, value=sku, reason=f"it holds the control character {character}.")
        return sku

    def _drawn(self, data: JsonObject, marketplace: Marketplace) -> _Draft:
        draft = _Draft(data, marketplace, self._selectors)
        for resolve, draw, empty in self._steps:
            result = resolve(data)
            if type(result) is Found:
                draw(draft, result)
            elif result is Absent.EMPTIED:
                empty(draft)
            elif isinstance(result, Issue):
                draft.problems.append(result)
        if self._asks_product_type and not is_blank(data.get(PRODUCT_TYPE)):
            _product_type(draft, Found(data[PRODUCT_TYPE], PRODUCT_TYPE))
        if not self._maps_handling_time:
            facet_values.check_unmapped_handling_time(data, marketplace, draft.problems)
        return draft

    def _listing(self, draft: _Draft) -> Value:
        """Return the facet: what its feed message says beside price and availability. Its digest tells a repeat."""
        section = self._settings.publish_listings
        listing: dict[str, JsonValue] = {"operation": section.operation, "attributes": draft.attributes}
        if section.operation == UPDATE:
            # Amazon's schema forbids it in every other operation.
            listing["requirements"] = section.requirements
        if draft.product_type is not None:
            listing["product_type"] = draft.product_type
        center = None if self._center is None else self._center(draft.data)
        if isinstance(center, Found) and not is_blank(center.value):
            listing["center"] = draft.said(center)
        listing["digest"] = blake2b(encode(listing), digest_size=12).hexdigest()
        return Value(listing)

    def _resolver(self, name: str, spec: Spec) -> Resolver:
        settings = self._settings
        return resolver(TemplateKind.PUBLISH, name, spec, rules=settings.rules, mapping_sets=settings.mapping_sets, missing=_missing)

    def _step(self, name: str, spec: Spec) -> _Step:
        resolve = self._resolver(name, spec)
        if name == "product_id":
            resolve = _preferring_the_asin(resolve)
        allow_offer_delete = self._settings.sync_listings.allow_offer_delete
        price: Make = partial(facet_values.price, allow_offer_delete=allow_offer_delete)
        amazons = _ATTRIBUTES.get(name, name)
        is_sent = self._is_whole or amazons not in _FACTS
        draws: dict[str, Callable[[_Draft, Found], None]] = {
            PRICE: lambda draft, found: _facet(draft, PRICE, price, found),
            QUANTITY: _quantity,
            HANDLING_TIME: lambda draft, found: _facet(draft, HANDLING_TIME, facet_values.handling_time, found),
            PRODUCT_TYPE: _product_type,
            "product_id": _product_id,
            "item_condition": _condition,
            **dict.fromkeys(("title", "description", *_FACTS), partial(_text, name=amazons, is_sent=is_sent)),
        }
        empties: dict[str, Callable[[_Draft], None]] = {
            PRICE: lambda draft: _facet(draft, PRICE, price, None),
            QUANTITY: _no_quantity,
            HANDLING_TIME: lambda draft: _facet(draft, HANDLING_TIME, facet_values.handling_time, None),
            PRODUCT_TYPE: lambda _: None,
        }
        return _Step(
            resolve,
            draws.get(name, partial(_attribute, name=name)),
            empties.get(name, partial(_emptied, name=amazons, is_sent=is_sent)),
        )


def _is_mapped(spec: Spec) -> bool:
    return spec.way is not Way.DONT_MAP or bool(spec.rules)


def _missing(name: str) -> Result:
    return issue("FIELD_MISSING", field=name)


def _preferring_the_asin(resolve: Resolver) -> Resolver:
    """Let an ASIN in the message go before any other kind of product ID (R47)."""

    def preferring(data: JsonObject) -> Result:
        result = resolve(data)
        if isinstance(result, Absent) or (isinstance(result, Found) and result.option == ASIN and not is_blank(result.value)):
            return result
        asin = data.get("asin")
        if not is_blank(asin):
            return Found(asin, "asin", ASIN)
        return _missing(result.field) if isinstance(result, Found) and is_blank(result.value) else result

    return preferring


def _facet(draft: _Draft, name: str, make: Make, found: Found | None) -> None:
    value = make(found, draft.data, draft.marketplace, draft.problems)
    if value is not None:
        draft.facets[name] = value


def _quantity(draft: _Draft, found: Found) -> None:
    if found.option is None:
        _facet(draft, QUANTITY, facet_values.quantity, found)
    elif HANDLING_TIME not in draft.facets:
        # A shipping speed says the days; a handling time that is mapped itself says them better.
        _facet(draft, HANDLING_TIME, facet_values.handling_time, found)


def _no_quantity(draft: _Draft) -> None:
    draft.facets[QUANTITY] = Value(cleared=True)


def _product_type(draft: _Draft, found: Found) -> None:
    draft.product_type = draft.said(found)


def _product_id(draft: _Draft, found: Found) -> None:
    known = identifier(found.value, field=found.field, kind=found.option)
    if isinstance(known, Issue):
        draft.problems.append(known)
    elif known.kind == ASIN:
        draft.plain("merchant_suggested_asin", known.value)
    else:
        instance = {"marketplace_id": draft.selectors.marketplace_id, "type": known.kind.lower(), "value": known.value}
        draft.attributes["externally_assigned_product_identifier"] = [instance]
        draft.problems.append(issue("MATCHED_BY_IDENTIFIER", field=found.field, value=known.value, limit=known.kind))


def _condition(draft: _Draft, found: Found) -> None:
    said = draft.said(found)
    if said is None:
        return
    word = CONDITIONS.get(said, said)
    if word in CONDITION_WORDS:
        draft.plain("condition_type", word)
        return
    near = next((each for each in (*CONDITIONS, *CONDITION_WORDS) if folded(each) == folded(said)), None)
    hint = "" if near is None else f": {near!r} differs only by case or spacing"
    draft.problems.append(issue("CONDITION_UNKNOWN", field=found.field, value=said, reason=hint))


def _text(draft: _Draft, found: Found, *, name: str, is_sent: bool) -> None:
    said = draft.said(found)
    if said is not None and is_sent:
        draft.shape(name, said)


def _attribute(draft: _Draft, found: Found, *, name: str) -> None:
    if is_blank(found.value):
        _emptied(draft, name=name, is_sent=True)
    elif name in MONEY_ATTRIBUTES and not isinstance(found.value, list | dict) and money_text(found.value) is None:
        draft.problems.append(issue("MONEY_INVALID", field=found.field, value=found.value, reason=why_not_money(found.value)))
    else:
        draft.shape(name, found.value)


def _emptied(draft: _Draft, *, name: str, is_sent: bool) -> None:
    if is_sent:
        draft.attributes[name] = attribute_shapes.emptied(name, draft.selectors)
