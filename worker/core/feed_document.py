"""JSON_LISTINGS_FEED: one PATCH for each changed SKU, and the document around them.

Source: Amazon's listings feed schema v2 and the attributes purchasable_offer and fulfillment_availability.
Requirement rows R52, R56 to R60, R62 to R66.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from worker.core.attribute_shapes import Selectors, instances
from worker.core.coalescing import Change
from worker.core.facets import HANDLING_TIME, PRICE, QUANTITY, Value
from worker.core.issues import Issue, issue
from worker.core.json import JsonValue, encode
from worker.core.outcomes import Fate, Outcome, Reason

FEED_TYPE: Final = "JSON_LISTINGS_FEED"
CONTENT_TYPE: Final = "application/json; charset=UTF-8"
DEFAULT_CHANNEL: Final = "DEFAULT"
LEAD_TIME_WHEN_NONE_IS_SAID: Final = 1
"""Days; Amazon's schema wants a lead time with every channel but DEFAULT (R57)."""

AMAZONS_CHANNELS: Final = "AMAZON_"
"""What the codes of the channels begin with in which Amazon fulfils, and counts the stock itself."""


class PatchOp(StrEnum):
    MERGE = "merge"
    REPLACE = "replace"


class Offer(NamedTuple):
    """What a connection and its marketplace say of every feed message.

    `center`: the code of a SKU's own fulfillment center, sent in place of the connection's channel (R18).
    """

    marketplace_id: str
    currency: str
    language_tag: str
    channel: str
    patch_op: PatchOp
    maps_handling_time: bool
    sends_quantity: bool
    guards_fba: bool
    center: str | None = None

    @property
    def code(self) -> str:
        """The fulfillment_channel_code."""
        return self.center or self.channel

    @property
    def selectors(self) -> Selectors:
        return Selectors(self.marketplace_id, self.language_tag, self.currency)


class Listing(NamedTuple):
    """What Amazon says of the SKU: its type, and the fulfillment channel codes it reports.

    `type_is_set`: a person has set the type, so that it goes before what a message says (R69).
    """

    sku: str
    product_type: str
    channels: tuple[str, ...]
    type_is_set: bool = False


class Patch(NamedTuple):
    """A rendered feed message without its messageId.

    `sent`: every facet value it carries, also those it only repeats. `dropped`: facets that do not go, each with
    its fate, warnings included. `warnings` are of facets that go, each with its facet as `field`. An empty `message` means
    that nothing is left to send. `facets`: those of the change that it takes along, None for all. `replaces`: facets beside
    those it carries that Amazon may lose by it.
    """

    message: Mapping[str, Any]
    sent: Mapping[str, Value]
    dropped: Mapping[str, Fate]
    warnings: tuple[Issue, ...]
    facets: frozenset[str] | None = None
    replaces: frozenset[str] = frozenset()


def render(change: Change, confirmed: Mapping[str, Value], lead_time_said: int | None, listing: Listing, offer: Offer) -> Patch | Reason:
    """Return the PATCH that brings *change* to Amazon, or the reason to hold it.

    Raises: nothing; a value that cannot be sent is in `dropped`.
    """
    wanted = {facet: said.value for facet, said in change.facets.items()}
    dropped = withheld(wanted, listing, offer)
    warnings: list[Issue] = []
    availability = _availability(wanted, confirmed, lead_time_said, offer)
    if isinstance(availability, Reason):
        return availability
    lead_time = wanted.get(HANDLING_TIME)
    if lead_time is not None and lead_time.cleared and offer.channel == DEFAULT_CHANNEL and offer.patch_op is PatchOp.MERGE:
        warning = issue("HANDLING_TIME_CLEAR_UNSUPPORTED", field=HANDLING_TIME)
        if availability:
            warnings.append(warning)
            # It ends with the quantity beside it: what Amazon then has is not known to be empty, so it is not confirmed.
            wanted.pop(HANDLING_TIME)
        else:
            dropped[HANDLING_TIME] = Fate(Outcome.SKIPPED, reason=Reason.NOTHING_TO_SEND, issues=(warning,))

    patches: list[Mapping[str, Any]] = []
    sent: dict[str, Value] = {}
    if availability:
        instance = {"fulfillment_channel_code": offer.code, **_keys(availability, offer.patch_op)}
        patches.append({"op": str(offer.patch_op), "path": "/attributes/fulfillment_availability", "value": [instance]})
        sent.update(availability)
        if HANDLING_TIME in wanted:
            sent[HANDLING_TIME] = wanted[HANDLING_TIME]
    if PRICE in wanted:
        patches.append(_price(wanted[PRICE], offer))
        sent[PRICE] = wanted[PRICE]
    for name, value in wanted.items():
        if name not in {PRICE, QUANTITY, HANDLING_TIME}:
            patches.append(_attribute(name, value, offer))
            sent[name] = value
    message = {"sku": listing.sku, "operationType": "PATCH", "productType": listing.product_type, "patches": patches} if patches else {}
    return Patch(message, sent, dropped, tuple(warnings))


def withheld(wanted: dict[str, Value], listing: Listing, offer: Offer) -> dict[str, Fate]:
    """Take out of *wanted* what must not go or need not, and return the fates."""
    fates: dict[str, Fate] = {}
    if is_guarded(listing, offer):
        # A handling time alone would make the merchant's fulfillment_availability as a quantity does.
        for facet in sorted(wanted.keys() & {QUANTITY, HANDLING_TIME}):
            del wanted[facet]
            fates[facet] = Fate(Outcome.REJECTED, reason="FBA_GUARD", issues=(issue("FBA_GUARD", field=facet, value=listing.sku),))
    if QUANTITY in wanted and not sends_quantity(offer):
        del wanted[QUANTITY]
        fates[QUANTITY] = Fate(Outcome.SKIPPED, reason=Reason.NOTHING_TO_SEND)
    return fates


def is_guarded(listing: Listing, offer: Offer) -> bool:
    """Whether a quantity would turn the SKU merchant-fulfilled: Amazon fulfils it, and the quantity would be the merchant's own."""
    if not offer.guards_fba or not listing.channels or DEFAULT_CHANNEL in listing.channels:
        return False
    return any(code.startswith(AMAZONS_CHANNELS) for code in listing.channels) and not offer.code.startswith(AMAZONS_CHANNELS)


def sends_quantity(offer: Offer) -> bool:
    return offer.sends_quantity or not offer.code.startswith(AMAZONS_CHANNELS)


def _availability(
    wanted: Mapping[str, Value], confirmed: Mapping[str, Value], lead_time_said: int | None, offer: Offer
) -> dict[str, Value] | Reason:
    """Return quantity and lead time as the patch carries them; empty when neither goes. The lead time rule is R56 to R58."""
    if QUANTITY not in wanted and HANDLING_TIME not in wanted:
        return {}
    parts: dict[str, Value] = {}
    if QUANTITY in wanted:
        parts[QUANTITY] = wanted[QUANTITY]
    elif offer.patch_op is PatchOp.REPLACE and sends_quantity(offer):
        if QUANTITY not in confirmed:
            return Reason.QUANTITY_UNKNOWN
        parts[QUANTITY] = confirmed[QUANTITY]

    lead_time = wanted.get(HANDLING_TIME)
    if lead_time is not None and not lead_time.cleared:
        parts[HANDLING_TIME] = lead_time
    elif offer.channel != DEFAULT_CHANNEL:
        said = lead_time_said if offer.maps_handling_time and lead_time is None else None
        parts[HANDLING_TIME] = Value(LEAD_TIME_WHEN_NONE_IS_SAID if said is None else said)
    elif lead_time is None and offer.patch_op is PatchOp.REPLACE and HANDLING_TIME in confirmed and not confirmed[HANDLING_TIME].cleared:
        parts[HANDLING_TIME] = confirmed[HANDLING_TIME]
    return parts


AVAILABILITY_KEYS: Final[Mapping[str, str]] = {QUANTITY: "quantity", HANDLING_TIME: "lead_time_to_ship_max_days"}


def _keys(availability: Mapping[str, Value], op: PatchOp) -> dict[str, JsonValue]:
    """Return the keys of an instance. An emptied quantity is null, by which a merge removes it; a replace leaves it out."""
    parts = availability.items()
    return {AVAILABILITY_KEYS[facet]: value.value for facet, value in parts if not value.cleared or op is PatchOp.MERGE}


def _price(value: Value, offer: Offer) -> Mapping[str, Any]:
    op = "delete" if value.cleared else str(offer.patch_op)
    return {"op": op, "path": "/attributes/purchasable_offer", "value": [offer_instance(value, offer)]}


def offer_instance(value: Value, offer: Offer) -> Mapping[str, Any]:
    """Return the instance of purchasable_offer with the price *value*; of a price that is cleared only the selectors."""
    selectors = {"marketplace_id": offer.marketplace_id, "currency": offer.currency, "audience": "ALL"}
    return selectors if value.cleared else {**selectors, "our_price": [{"schedule": [{"value_with_tax": Decimal(value.value)}]}]}


def _attribute(name: str, value: Value, offer: Offer) -> Mapping[str, Any]:
    """Return the patch of an attribute that has no rule of its own, in the shape that most attributes have."""
    path = f"/attributes/{name}"
    if value.cleared:
        return {"op": "delete", "path": path, "value": [offer.selectors.of(name)]}
    return {"op": str(offer.patch_op), "path": path, "value": instances(name, value.value, offer.selectors)}


def header(selling_partner_id: str, issue_locale: str) -> bytes:
    """Return the document up to its first feed message.

    The report is asked for each SKU's issues, so that what Amazon finds after it accepted a message is seen too, and so
    that a feed adopted after a lost answer can be told by its SKUs.
    """
    head = {
        "sellerId": selling_partner_id,
        "version": "2.0",
        "issueLocale": issue_locale,
        "report": {"includedData": ["issues"], "apiVersion": "2021-08-01"},
    }
    return b'{"header":' + encode(head) + b',"messages":['


FOOTER: Final = b"]}"
LONGEST_MESSAGE_ID: Final = len('"messageId":2147483647,')


def body(message: Mapping[str, Any]) -> bytes:
    """Return a feed message as it will stand in the document, without its opening brace and messageId."""
    return encode(message)[1:]


def readable(body_: bytes) -> str:
    """Return a feed message as a person reads it: indented JSON, its numbers digit by digit."""
    return msgspec.json.format(b"{" + body_, indent=2).decode()


def size(body_: bytes) -> int:
    """Return the bytes that *body_* will take at most, its messageId counted."""
    return len(body_) + 1 + LONGEST_MESSAGE_ID


def assemble(head: bytes, bodies: Iterable[bytes], first_message_id: int) -> bytes:
    """Return the whole document, its feed messages numbered from *first_message_id*."""
    return head + b",".join(_numbered(bodies, first_message_id)) + FOOTER


def _numbered(bodies: Iterable[bytes], first: int) -> Iterator[bytes]:
    for number, text in enumerate(bodies, first):
        yield b'{"messageId":%d,' % number + text
