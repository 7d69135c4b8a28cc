"""Fulfillments: what of an order's parcels can be told to Amazon now, each part as a feed message of its own.

A parcel's lines go as soon as each has an order item id. A bundle goes once all its components have left (R97 to R101). What cannot
go yet stays pending, and the rest of the order does not wait for it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from worker.core import bundles, coalescing, fulfillment_document
from worker.core.bundles import Progress
from worker.core.coalescing import Change
from worker.core.facets import BUNDLE, Value
from worker.core.fulfillment_document import Item
from worker.core.issues import Issue, issue
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.parcels import Contribution, Lines, contributions, lines_of
from worker.core.rendered import Part, Rendered
from worker.core.texts import folded


class OrderItem(NamedTuple):
    """An order item as Amazon has it.

    `sku`: without the connection's prefix, None where Amazon tells none. `is_linked`: Amazon lists that SKU for the seller.
    """

    id: str
    sku: str | None
    quantity: int
    is_linked: bool


class Order(NamedTuple):
    """What is known of an order. Not imported: it has no items."""

    id: str
    is_known: bool
    items: tuple[OrderItem, ...]


class Batch(StrEnum):
    """Managed: the order is known, and every item that is shipped has a SKU that is linked (A12). A feed holds one sort only (R86)."""

    MANAGED = "managed"
    NON_MANAGED = "non_managed"


class Terms(NamedTuple):
    """What a connection says of its shipments: `bundle_tracking` last or first, `non_managed` submit or hold."""

    bundle_tracking: str
    non_managed: str


def render(change: Change, confirmed: Mapping[str, Value], order: Order, terms: Terms, now: datetime) -> Rendered:
    """Return what of *change* goes, what is dropped, and why the rest waits. *confirmed*: what Amazon has of the order already."""
    values = {facet: said.value for facet, said in change.facets.items()}
    dropped: dict[str, Fate] = {}
    known: dict[str, Value] = {}
    parts: list[Part] = []
    shipped: set[str] = set()
    held: Reason | None = None
    allotted = _allotted(values, confirmed, order)
    for facet, parcel in _by_time(values):
        share = allotted[facet]
        if isinstance(share, Reason):
            held = share
        elif isinstance(share, Unknown):
            dropped[facet] = Fate(Outcome.INVALID, reason=share.issues[0].code, issues=share.issues)
        else:
            shipped.update(item.order_item_id for item in share.items)
            body = fulfillment_document.body(order.id, parcel, share.items, now)
            parts.append(Part(body, {facet: Value(values[facet].value, allotted=share.by_sku or None)}, frozenset({facet})))
    for item_id, found in _bundles(values, confirmed).items():
        if not bundles.progress(found.all.values()).is_complete:
            held = held or Reason.BUNDLE_PARTIAL
        elif found.changes_nothing(terms.bundle_tracking):
            dropped.update(dict.fromkeys(found.pending, Fate(Outcome.UNCHANGED)))
            known.update({facet: values[facet] for facet in found.pending})
        else:
            shipped.add(item_id)
            parts.append(_bundle_part(order, item_id, found, values, terms, now))
    batch = _batch(order, shipped)
    if parts and batch is Batch.NON_MANAGED and terms.non_managed == "hold":
        return Rendered(dropped=dropped, held=Reason.NON_MANAGED, known=known)
    return Rendered(tuple(parts), dropped, held, batch, known)


def waits_for_components(change: Change, confirmed: Mapping[str, Value]) -> bool:
    """Whether all that is pending of an order are bundles of which components are missing, so that no feed need be cut for it."""
    for facet in change.facets:
        if not facet.startswith(BUNDLE):
            return False  # nearly every order: a parcel's own lines wait for nothing
    return change.facets.keys() <= waiting_for_components(change, confirmed).keys()


def waiting_for_components(change: Change, confirmed: Mapping[str, Value]) -> dict[str, Mapping[str, int]]:
    """Return the facets of an order that contribute to bundles of which components are missing, each with these: pieces by SKU."""
    waiting: dict[str, Mapping[str, int]] = {}
    for each in _bundles({facet: said.value for facet, said in change.facets.items()}, confirmed).values():
        missing = bundles.progress(each.all.values()).missing
        if missing:
            waiting.update(dict.fromkeys(each.pending, missing))
    return waiting


def waiting_contributions(change: Change | None) -> Change | None:
    """Return what waits of an order's bundles, without the parcels' own lines: all that a further parcel has to do with."""
    return None if change is None else coalescing.take(change, [facet for facet in change.facets if facet.startswith(BUNDLE)])


def missing(pending: Mapping[str, Value], confirmed: Mapping[str, Value]) -> dict[str, Progress]:
    """Return how far every bundle is that *pending* contributes to, by its order item id."""
    return {item_id: bundles.progress(found.all.values()) for item_id, found in _bundles(pending, confirmed).items()}


class _Found(NamedTuple):
    """The contributions to one bundle, by facet: those that wait, those that Amazon was told of, and all, newer in place of older."""

    pending: Mapping[str, Contribution]
    confirmed: Mapping[str, Contribution]
    all: Mapping[str, Contribution]

    def changes_nothing(self, which: str) -> bool:
        """Whether the bundle was complete at Amazon before, and would go with the very same parcel again."""
        if not self.confirmed or not bundles.progress(self.confirmed.values()).is_complete:
            return False
        return _how(bundles.primary(self.confirmed, which)) == _how(bundles.primary(self.all, which))


def _how(each: Contribution) -> tuple[object, ...]:
    return each.shipped_at, each.carrier_code, each.carrier_name, each.shipping_method, each.tracking_number


def _bundles(pending: Mapping[str, Value], confirmed: Mapping[str, Value]) -> dict[str, _Found]:
    before = contributions(confirmed)
    found = {}
    for item_id, waiting in contributions(pending).items():
        known = before.get(item_id, {})
        found[item_id] = _Found(waiting, known, {**known, **waiting})
    return found


def _by_time(values: Mapping[str, Value]) -> list[tuple[str, Lines]]:
    """Return the parcels with lines, by facet, in the order in which they left."""
    parcels = [(facet, lines_of(value)) for facet, value in values.items() if not facet.startswith(BUNDLE)]
    return sorted(parcels, key=lambda each: (each[1].shipped_at, each[0]))


class Unknown(NamedTuple):
    """Why a parcel cannot go: SKUs that its order does not have."""

    issues: tuple[Issue, ...]


class _Share(NamedTuple):
    """The order items of one parcel, each once; `by_sku`: those that its lines by SKU are taken for, pieces by Amazon's id."""

    items: list[Item]
    by_sku: dict[str, int]


def _allotted(pending: Mapping[str, Value], confirmed: Mapping[str, Value], order: Order) -> dict[str, _Share | Reason | Unknown]:
    """Return, by facet, the order items of every pending parcel with lines, or why that cannot be told.

    Of the items that have one SKU, a parcel gets those that no other has filled: Amazon takes a second parcel for a filled item as
    the first one moved. So what parcels say by item id is counted first, and what Amazon was told of others; a parcel that is
    corrected keeps the items that it has there, and what is new comes last.
    """
    filled: Counter[str] = Counter()
    for facet, parcel in _by_time({**confirmed, **pending}):
        filled.update(_by_id(parcel))
        if facet not in pending:
            filled.update(confirmed[facet].allotted or {})
    before = {facet: value.allotted or {} for facet, value in confirmed.items()}
    corrected_first = sorted(_by_time(pending), key=lambda each: each[0] not in before)
    return {facet: _share(parcel, order, filled, before.get(facet, {})) for facet, parcel in corrected_first}


def _by_id(parcel: Lines) -> Counter[str]:
    return Counter({line.item: line.quantity for line in parcel.lines if line.item is not None})


def _share(parcel: Lines, order: Order, filled: Counter[str], before: Mapping[str, int]) -> _Share | Reason | Unknown:
    """Return the order items of one parcel, and count those that it gets by their SKU as *filled*. *before*: those that it had."""
    lines = [line for line in parcel.lines if line.item is None]
    if lines and not order.is_known:
        return Reason.ORDER_UNKNOWN
    unknown = Unknown(tuple(_no_such_item(line.sku or "", order) for line in lines if line.sku not in {item.sku for item in order.items}))
    if unknown.issues:
        return unknown
    by_sku: Counter[str] = Counter()
    for line in lines:
        fitting = sorted((item for item in order.items if item.sku == line.sku), key=lambda item: item.id not in before)
        for item_id, quantity in _spread(line.quantity, fitting, filled):
            by_sku[item_id] += quantity
            filled[item_id] += quantity
    return _Share([Item(item_id, quantity) for item_id, quantity in (_by_id(parcel) + by_sku).items()], dict(by_sku))


def _no_such_item(sku: str, order: Order) -> Issue:
    near = next((item.sku for item in order.items if item.sku is not None and folded(item.sku) == folded(sku)), None)
    hint = "" if near is None else f", but {near!r} (case and spaces count)"
    return issue("ORDER_ITEM_UNKNOWN", field="items", value=sku, limit=order.id, reason=hint)


def _spread(quantity: int, fitting: Sequence[OrderItem], filled: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Spread pieces of a SKU over the order items that have it, each filled before the next; Amazon judges what is too much."""
    for item in fitting[:-1]:
        share = min(quantity, max(0, item.quantity - filled[item.id]))
        if share:
            yield item.id, share
        quantity -= share
    if quantity:
        yield fitting[-1].id, quantity


def _bundle_part(order: Order, item_id: str, found: _Found, values: Mapping[str, Value], terms: Terms, now: datetime) -> Part:
    """Return the one update of a complete bundle: its ordered quantity, or without one, which to Amazon is the whole line."""
    quantity = next((item.quantity for item in order.items if item.id == item_id), None)
    parcel = bundles.primary(found.all, terms.bundle_tracking)
    body = fulfillment_document.body(order.id, parcel, [Item(item_id, quantity)], now)
    facets = frozenset(found.pending)
    return Part(body, {facet: values[facet] for facet in found.pending}, facets, tuple(_doubts(item_id, found)))


def _doubts(item_id: str, found: _Found) -> Iterator[Issue]:
    progress = bundles.progress(found.all.values())
    surplus = ", ".join(f"{quantity} of {sku}" for sku, quantity in progress.surplus.items())
    for facet in found.pending:
        if progress.disagrees:
            yield issue("BUNDLE_MAKE_UPS_DIFFER", field=facet, value=item_id)
        if surplus:
            yield issue("BUNDLE_SURPLUS", field=facet, value=item_id, reason=surplus)


def _batch(order: Order, shipped: set[str]) -> Batch:
    linked = {item.id for item in order.items if item.is_linked}
    return Batch.MANAGED if order.is_known and shipped <= linked else Batch.NON_MANAGED
