"""Preview: take messages through staging, mapping and rendering as the worker would, and write and send nothing."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from worker.core import fulfillments, messages, wire
from worker.core.carriers import Decision
from worker.core.coalescing import Key
from worker.core.connections import Connection, to_amazon
from worker.core.facets import LISTING
from worker.core.feed_formats import FORMATS, Render
from worker.core.kinds import Kind
from worker.core.messages import Invalid, Message
from worker.core.outcomes import Outcome
from worker.core.preview import Preview, preview
from worker.core.wire import Delivery
from worker.database import Transaction
from worker.steps.stage import KINDS, Mapped, arrival, every_fault, mapped
from worker.store import previews, resync
from worker.store.previews import NOTHING, Known

AT_ONCE: Final = 500
"""Messages whose keys are read by one statement."""

_NO_MESSAGE: Final = 0
"""What a message that is in no log goes by."""


class OfListing(NamedTuple):
    """What there is to say of the SKU of an inventory or listing message. `linked`: Amazon has said that it lists the SKU."""

    sku: str | None = None
    linked: bool | None = None
    product_type_source: str | None = None


class OfShipment(NamedTuple):
    """What there is to say of a parcel. `missing`: pieces by SKU that its bundles wait for, by the bundles' order item ids."""

    amazon_order_id: str | None = None
    decision: Decision | None = None
    missing: Mapping[str, Mapping[str, int]] = {}


class Previewed(NamedTuple):
    """One message with what it would become. `feed_messages`: those that would carry it, as people read them."""

    id: str | None
    source: str | None
    key: str | None
    preview: Preview
    feed_messages: tuple[str, ...] = ()
    listing: OfListing = OfListing()
    shipment: OfShipment = OfShipment()


def previewed(tx: Transaction, connection: Connection, deliveries: Iterable[Delivery], now: datetime) -> Iterator[Previewed]:
    """Yield what every message of *deliveries* would become through *connection*, whichever connection it names.

    Each is looked at alone, against what is known now: not against the others of the file, nor what is pending. Only a bundle is
    taken together with what waits of it already, for its components are told in messages of their own.
    """
    reads = (messages.read(event, now=now) for delivery in deliveries for event in wire.decode(delivery))
    while batch := list(islice(reads, AT_ONCE)):
        yield from _batch(tx, connection, batch, now)


class _Surroundings(NamedTuple):
    """What the messages of one kind meet. By key: how the key stands, what rendering knows of the thing, what there is to tell of a SKU."""

    kind: Kind
    standing: Mapping[str, Key]
    about: Mapping[str, Any]
    known: Mapping[str, Known]
    render: Render


def _batch(tx: Transaction, connection: Connection, batch: Sequence[Message | Invalid], now: datetime) -> Iterator[Previewed]:
    made = [(each, None if isinstance(each, Invalid) else mapped(each, connection, now)) for each in batch]
    keys: dict[Kind, set[str]] = {}
    for read, each in made:
        if isinstance(read, Message) and each is not None:
            keys.setdefault(KINDS[read.type], set()).add(each.key)
    met = {kind: _surroundings(tx, connection, kind, sorted(wanted), now) for kind, wanted in keys.items()}
    for read, each in made:
        if isinstance(read, Invalid):
            refused = Preview(Outcome.INVALID, read.issues[0].code, issues=every_fault(read, connection))
            yield Previewed(read.external_id, read.source, read.key, refused)
        elif each is not None:
            yield _message(connection, read, each, met[KINDS[read.type]], now)


def _surroundings(tx: Transaction, connection: Connection, kind: Kind, keys: Sequence[str], now: datetime) -> _Surroundings:
    standing = previews.standing(tx, connection.id, kind, keys)
    for key in standing.values():
        key.pending = fulfillments.waiting_contributions(key.pending) if kind is Kind.SHIPMENTS else None
    return _Surroundings(
        kind,
        standing,
        resync.about(tx, connection.id, kind, keys),
        previews.known(tx, connection.id, keys) if kind is Kind.LISTINGS else {},
        FORMATS[kind].renderer(connection, now),
    )


def _message(connection: Connection, message: Message, made: Mapped, met: _Surroundings, now: datetime) -> Previewed:
    key, facets = met.standing[made.key], made.facets
    if facets.faults:
        result = Preview(Outcome.INVALID, facets.faults[0].code, issues=(*facets.faults, *facets.warnings))
    else:
        arriving = arrival(_NO_MESSAGE, message, facets, now)
        result = preview(copy.deepcopy(key), arriving, lambda known: met.render(known, met.about[made.key]))
    told = Previewed(
        message.external_id,
        message.source,
        made.key,
        result,
        tuple(FORMATS[met.kind].readable(part.body) for part in result.parts),
    )
    if met.kind is Kind.SHIPMENTS:
        parcel = message.key if made.shipment is None else made.shipment.parcel
        return told._replace(key=parcel, shipment=_of_shipment(made, result, key))
    return told._replace(listing=_of_listing(connection, made, met.known.get(made.key, NOTHING)))


def _of_listing(connection: Connection, made: Mapped, known: Known) -> OfListing:
    said = made.facets.values.get(LISTING)
    says_type = said is not None and not said.cleared and "product_type" in said.value
    source = "message" if says_type and known.product_type_source != "manual" else known.product_type_source
    return OfListing(to_amazon(made.key, connection.settings.sku_prefix), known.linked, source)


def _of_shipment(made: Mapped, result: Preview, key: Key) -> OfShipment:
    decision = None if made.shipment is None else made.shipment.decision
    waiting = {} if key.pending is None else {facet: said.value for facet, said in key.pending.facets.items()}
    own = {facet: value for facet, value in result.facets.items() if facet in result.waits}
    progress = fulfillments.missing(own, {**key.confirmed, **waiting})
    missing = {item_id: each.missing for item_id, each in progress.items() if not each.is_complete}
    return OfShipment(made.key, decision, missing)
