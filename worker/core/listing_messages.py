"""What a SKU's change becomes as a feed message: the PATCH of an offer, the listing as a whole, or its deletion.

Source: Amazon's listings feed schema v2. An UPDATE replaces all that a listing has, a PARTIAL_UPDATE every attribute that it
names: either carries the newest price and availability, waiting or confirmed, for what it does not say is lost.
Requirement rows R18, R33, R34, R47, R49, R56-R58, R68.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from worker.core import feed_document
from worker.core.attribute_shapes import emptied, instances
from worker.core.coalescing import Change, Flight, undigested
from worker.core.facets import HANDLING_TIME, LISTING, PRICE, QUANTITY, UPDATE, Value
from worker.core.feed_document import (
    AMAZONS_CHANNELS,
    AVAILABILITY_KEYS,
    DEFAULT_CHANNEL,
    LEAD_TIME_WHEN_NONE_IS_SAID,
    Listing,
    Offer,
    Patch,
    is_guarded,
    offer_instance,
    sends_quantity,
    withheld,
)
from worker.core.json import JsonObject
from worker.core.outcomes import Fate, Outcome, Reason

_OFFER: Final = frozenset({PRICE, QUANTITY, HANDLING_TIME})
_NOT_CARRIED: Final = _OFFER | {LISTING}


def render(change: Change, confirmed: Mapping[str, Value], lead_time_said: int | None, listing: Listing, offer: Offer) -> Patch | Reason:
    """Return the feed message that brings *change* to Amazon, or the reason to hold it.

    A deletion goes alone: what else the change holds was said after it.
    """
    said = change.facets.get(LISTING)
    if said is None:
        return _patch(change, confirmed, lead_time_said, listing, offer)
    if said.value.cleared:
        message = {"sku": listing.sku, "operationType": "DELETE"}
        return Patch(message, {}, {}, (), frozenset({LISTING}), frozenset(confirmed))
    center = said.value.value.get("center")
    return _whole(change, confirmed, lead_time_said, listing, offer if center is None else offer._replace(center=center))


class Listed(NamedTuple):
    """A listing that Amazon has taken. None: it says nothing of that. `channel`: the code that its quantity went to."""

    product_type: str | None
    asin: str | None
    channel: str | None


def listed(flight: Flight, channel: str) -> Listed | None:
    """Return the listing that *flight* brought to Amazon, None if it deleted it. *channel*: the connection's."""
    value = flight.change.facets[LISTING].value
    if value.cleared:
        return None
    document = value.value
    named = document["attributes"].get("merchant_suggested_asin")
    asin = named[0].get("value") if isinstance(named, list) and named and isinstance(named[0], dict) else None
    sends_stock = bool(flight.sent.keys() & {QUANTITY, HANDLING_TIME})
    return Listed(document.get("product_type"), asin or None, document.get("center", channel) if sends_stock else None)


def _patch(change: Change, confirmed: Mapping[str, Value], lead_time_said: int | None, listing: Listing, offer: Offer) -> Patch | Reason:
    known = confirmed.get(LISTING)
    if known is None:
        return feed_document.render(change, confirmed, lead_time_said, listing, offer)
    patch = feed_document.render(change, confirmed, lead_time_said, listing, offer._replace(center=known.value.get("center")))
    if isinstance(patch, Patch) and not patch.sent.keys() <= _OFFER:
        # The listing may have said the same attribute otherwise: said again, it is no repeat any more.
        return patch._replace(sent={**patch.sent, LISTING: undigested(known)})
    return patch


def _whole(change: Change, confirmed: Mapping[str, Value], lead_time_said: int | None, listing: Listing, offer: Offer) -> Patch | Reason:
    document = change.facets[LISTING].value.value
    wanted = {facet: said.value for facet, said in change.facets.items() if facet != LISTING}
    dropped = withheld(wanted, listing, offer)
    attributes: dict[str, Any] = dict(document["attributes"])
    sent: dict[str, Value] = {}
    for name in sorted((wanted.keys() | confirmed.keys()) - _NOT_CARRIED):
        _carry(name, change, confirmed, attributes, sent, dropped, offer)
    price = wanted.get(PRICE, confirmed.get(PRICE))
    if price is not None and (PRICE in wanted or not price.cleared):
        attributes["purchasable_offer"] = [offer_instance(price, offer)]
        sent[PRICE] = price
    availability = _availability(wanted, confirmed, lead_time_said, listing, offer, is_update=document["operation"] == UPDATE)
    if isinstance(availability, Reason):
        return availability
    if availability is not None:
        attributes["fulfillment_availability"] = [availability.instance]
        sent.update(availability.sent)
    if not attributes:
        return Patch({}, {}, {**dict.fromkeys(change.facets, Fate(Outcome.SKIPPED, reason=Reason.NOTHING_TO_SEND)), **dropped}, ())

    said = Value({key: document[key] for key in ("digest", "center") if key in document})
    # With an attribute in a newer message's words, it is not known to stand as it was said.
    sent[LISTING] = said if sent.keys().isdisjoint(document["attributes"]) else undigested(said)
    replaces = confirmed.keys() if document["operation"] == UPDATE else confirmed.keys() & document["attributes"].keys()
    message = {
        "sku": listing.sku,
        "operationType": document["operation"],
        "productType": listing.product_type if listing.type_is_set else document.get("product_type") or listing.product_type,
        **({"requirements": document["requirements"]} if "requirements" in document else {}),
        "attributes": attributes,
    }
    return Patch(message, sent, dropped, (), replaces=frozenset(replaces))


def _carry(
    name: str,
    change: Change,
    confirmed: Mapping[str, Value],
    attributes: dict[str, Any],
    sent: dict[str, Value],
    dropped: dict[str, Fate],
    offer: Offer,
) -> None:
    """Add an attribute that inventory messages map; of one that the listing says, too, the newer value goes."""
    publisher = change.facets[LISTING].message
    said = change.facets.get(name)
    if name in attributes and (said is None or said.message < publisher):
        if said is not None:
            dropped[name] = Fate(Outcome.SUPERSEDED, by=publisher)
        return
    value = confirmed[name] if said is None else said.value
    if value.cleared:
        if said is None:
            return
        attributes[name] = emptied(name, offer.selectors)
    else:
        attributes[name] = instances(name, value.value, offer.selectors)
    sent[name] = value


class _Availability(NamedTuple):
    instance: JsonObject
    sent: Mapping[str, Value]


def _availability(
    wanted: Mapping[str, Value],
    confirmed: Mapping[str, Value],
    lead_time_said: int | None,
    listing: Listing,
    offer: Offer,
    *,
    is_update: bool,
) -> _Availability | Reason | None:
    """Return fulfillment_availability as the listing carries it; None when it is not named, or the reason to hold the listing.

    The lead time rule is R56 to R58.
    """
    if is_guarded(listing, offer):
        # Left out of an UPDATE, Amazon's own channel would be lost, and the SKU merchant-fulfilled.
        code = next(code for code in listing.channels if code.startswith(AMAZONS_CHANNELS))
        return _Availability({"fulfillment_channel_code": code}, {}) if is_update else None
    parts: dict[str, Value] = {}
    quantity = wanted.get(QUANTITY, confirmed.get(QUANTITY))
    if sends_quantity(offer):
        if quantity is not None:
            parts[QUANTITY] = quantity
        elif not is_update:
            # Named without the quantity that nobody has told us, a PARTIAL_UPDATE would erase it.
            return Reason.QUANTITY_UNKNOWN if HANDLING_TIME in wanted else None
    lead_time = wanted.get(HANDLING_TIME, confirmed.get(HANDLING_TIME))
    if lead_time is not None and not lead_time.cleared:
        parts[HANDLING_TIME] = lead_time
    elif offer.channel != DEFAULT_CHANNEL and (parts or HANDLING_TIME in wanted):
        said = lead_time_said if offer.maps_handling_time and lead_time is None else None
        parts[HANDLING_TIME] = Value(LEAD_TIME_WHEN_NONE_IS_SAID if said is None else said)
    if not parts and HANDLING_TIME not in wanted and offer.code == DEFAULT_CHANNEL:
        return None
    keys = {AVAILABILITY_KEYS[facet]: value.value for facet, value in parts.items() if not value.cleared}
    if HANDLING_TIME in wanted:
        parts[HANDLING_TIME] = wanted[HANDLING_TIME]
    return _Availability({"fulfillment_channel_code": offer.code, **keys}, parts)
