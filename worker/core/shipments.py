"""What sync_orders makes of a shipment message: the facets of its order, or every fault that makes the message invalid.

A parcel may hold whole order items, and components of bundles. The items are one facet, each bundle that the parcel contributes to
is another, so that the parts of one message can come to their ends at different times. Requirement rows R80 to R86, R97 to R101.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from worker.core.bundles import beyond
from worker.core.carriers import Decision, decider
from worker.core.facets import Facets, Value, facet_of
from worker.core.issues import Issue, issue
from worker.core.json import JsonObject
from worker.core.message_data import LARGEST_QUANTITY, instant
from worker.core.messages import shipment_key
from worker.core.outcomes import Reason
from worker.core.parcels import Contribution, Line, Lines, Parcel, value_of
from worker.core.shipment_mapping import ShipmentMapping

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings

FURTHEST_AHEAD: Final = timedelta(days=1)
"""A shipping time further ahead of the clock is a mistake. Amazon takes none that lies in the future; a nearer one goes as now."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Amazon's marketplaces are younger: an earlier shipping time is a mistake."""

MOST_ITEM_ID_DIGITS: Final = 20
"""Source: AmazonOrderItemCode in Amazon's feed schema. One other id fails the feed for everybody (code 25)."""

_OF_THE_PARCEL: Final = frozenset({"carrier", "method", "tracking_number", "shipped_at"})


class Shipment(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a shipment message beside its facets. `parcel`: its key, request number and tracking number."""

    amazon_order_id: str
    parcel: str
    decision: Decision


class Made(NamedTuple):
    """What a template makes of one shipment message. `shipment` is None where its carrier could not be decided."""

    facets: Facets
    shipment: Shipment | None


class ShipmentTemplate:
    """A sync_orders section of one revision, compiled."""

    def __init__(self, settings: "ConnectionSettings", own_sku: Callable[[str], str]) -> None:
        """*own_sku* takes the connection's prefix off a SKU."""
        self._mapping = ShipmentMapping(settings)
        self._decide = decider(settings.sync_orders)
        self._own_sku = own_sku

    def make(self, data: JsonObject, parcel: str, now: datetime) -> Made:
        """Return what becomes of *data*, which its model has accepted.

        *parcel*: the message's own key; the parcel's is with the tracking number that the template has, which may stand elsewhere.
        *now*: aware; shipping times are held against it.
        """
        mapped = self._mapping.mapped(data)
        if mapped.faults:
            return Made(Facets({}, faults=mapped.faults), None)
        if mapped.tracking_number and mapped.tracking_number != data.get("tracking_number"):
            parcel = shipment_key(data["fulfillment_request_number"], mapped.tracking_number)
        decision = self._decide(mapped.carrier, mapped.method, mapped.tracking_number)
        shipment = Shipment(data["amazon_order_id"], parcel, decision)
        if not data["items"]:
            return Made(Facets({}, topic=parcel, nothing=Reason.EMPTY_FULFILLMENT), shipment)
        shipped_at = instant(data["shipped_at"])
        how = _parcel(decision, shipped_at)
        values, item_faults = _values(data, parcel, how, self._own_sku)
        faults = (*decision.faults, *_time_faults(data, shipped_at, now), *_mixed(data), *item_faults)
        if faults:
            return Made(Facets({}, faults=faults), shipment)
        return Made(Facets(values, warnings=_warnings(data, decision, shipped_at, now), topic=parcel), shipment)


def _parcel(decision: Decision, shipped_at: datetime) -> Parcel:
    if decision.carrier_code is None:
        return Parcel(shipped_at=shipped_at)
    return Parcel(
        shipped_at=shipped_at,
        carrier_code=decision.carrier_code,
        carrier_name=decision.carrier_name,
        shipping_method=decision.shipping_method,
        tracking_number=decision.tracking_number,
    )


def _time_faults(data: JsonObject, shipped_at: datetime, now: datetime) -> tuple[Issue, ...]:
    if shipped_at > now + FURTHEST_AHEAD:
        reason = "it is more than a day ahead of the clock"
    elif shipped_at < EARLIEST:
        reason = f"it lies before {EARLIEST.year}"
    else:
        return ()
    return (issue("SHIPPED_AT_INVALID", field="shipped_at", value=data["shipped_at"], reason=reason),)


def _mixed(data: JsonObject) -> tuple[Issue, ...]:
    """Return a fault for every item that says something else of its parcel than the message does."""
    return tuple(
        [
            issue("PARCELS_MIXED", field=f"items.{place}.{name}", value=item[name])
            for place, item in enumerate(data["items"])
            if not _OF_THE_PARCEL.isdisjoint(item)
            for name in sorted(item.keys() & _OF_THE_PARCEL)
            if item[name] is not None and item[name] != data.get(name)
        ]
    )


def _warnings(data: JsonObject, decision: Decision, shipped_at: datetime, now: datetime) -> tuple[Issue, ...]:
    late = (issue("SHIPPED_AT_IN_FUTURE", field="shipped_at", value=data["shipped_at"]),) if shipped_at > now else ()
    near = (issue("NEAR_MISS", field=miss.field, value=miss.value, limit=miss.what, near=miss.near) for miss in decision.near_misses)
    return (*late, *near)


class _Bundle:
    """What one parcel holds of one bundle, summed up over its items."""

    def __init__(self, own_sku: Callable[[str], str]) -> None:
        self.components: dict[str, int] = {}
        self.shipped: dict[str, int] = {}
        self._own_sku = own_sku

    def add(self, item: JsonObject, field: str) -> Iterator[Issue]:
        """Take in one item of the message; yield a fault where it names another make-up than the one before."""
        bundle = item["bundle"]
        components: dict[str, int] = {}
        for component in bundle["components"]:
            _count(components, self._own_sku(component["sku"]), component["quantity"])
        if self.components and components != self.components:
            yield issue("BUNDLE_DISAGREES", field=f"{field}.components", value=bundle["amazon_order_item_id"])
        self.components = components
        _count(self.shipped, self._own_sku(item["sku"]), item["quantity"])

    def surplus(self, item_id: str) -> Iterator[Issue]:
        """Yield a fault for every component of which the parcel alone holds more than the whole bundle."""
        for sku, quantity in beyond(self.shipped, self.components).items():
            yield issue("BUNDLE_OVERFULL", field="items", value=sku, limit=item_id, reason=quantity)


def _count(pieces: dict[str, int], sku: str, quantity: int) -> None:
    pieces[sku] = pieces.get(sku, 0) + quantity


def _values(data: JsonObject, parcel: str, how: Parcel, own_sku: Callable[[str], str]) -> tuple[Mapping[str, Value], tuple[Issue, ...]]:
    """Return the facets of the parcel's items, or their faults. *how*: the parcel without what is in it."""
    lines: dict[tuple[str | None, str | None], int] = {}
    bundles: dict[str, _Bundle] = {}
    faults: list[Issue] = []
    for place, item in enumerate(data["items"]):
        bundle = item.get("bundle")
        item_id = (item if bundle is None else bundle).get("amazon_order_item_id")
        if item_id is not None and not (item_id.isascii() and item_id.isdigit() and len(item_id) <= MOST_ITEM_ID_DIGITS):
            field = f"items.{place}{'' if bundle is None else '.bundle'}.amazon_order_item_id"
            reason = f"Amazon's order item ids are digits, at most {MOST_ITEM_ID_DIGITS}."
            faults.append(issue("FIELD_INVALID", field=field, value=item_id, reason=reason))
        elif bundle is None:
            what = (item_id, None if item_id is not None else own_sku(item["sku"]))
            lines[what] = lines.get(what, 0) + item["quantity"]
            if lines[what] > LARGEST_QUANTITY:
                reason = f"with those before it, it is more than {LARGEST_QUANTITY} pieces of one order item."
                faults.append(issue("FIELD_INVALID", field=f"items.{place}.quantity", value=item["quantity"], reason=reason))
        else:
            faults += bundles.setdefault(item_id, _Bundle(own_sku)).add(item, f"items.{place}.bundle")
    for item_id, each in bundles.items():
        faults += each.surplus(item_id)
        if (item_id, None) in lines:
            faults.append(issue("ITEM_IS_BUNDLE", field="items", value=item_id))
    if faults:
        return {}, tuple(faults)
    how_it_went = msgspec.structs.asdict(how)
    values: dict[str, Value] = {}
    if lines:
        said = [Line(quantity=quantity, item=item_id, sku=sku) for (item_id, sku), quantity in lines.items()]
        values[facet_of(parcel)] = value_of(Lines(**how_it_went, lines=said))
    for item_id, each in bundles.items():
        held = Contribution(**how_it_went, item=item_id, components=each.components, shipped=each.shipped)
        values[facet_of(parcel, bundle=item_id)] = value_of(held)
    return values, ()
