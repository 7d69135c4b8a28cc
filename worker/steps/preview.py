"""Preview: take messages through staging, mapping and rendering as the worker would, and write and send nothing."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from worker.core import messages, wire
from worker.core.coalescing import Arrival
from worker.core.connections import Connection, to_amazon
from worker.core.facets import LISTING, Facets
from worker.core.feed_document import Listing
from worker.core.feed_formats import offer_of
from worker.core.messages import Invalid, Message, MessageType
from worker.core.ordering import version
from worker.core.outcomes import Outcome
from worker.core.preview import Preview, preview
from worker.core.wire import Delivery
from worker.database import Transaction
from worker.errors import UsageError
from worker.steps.stage import mapped
from worker.store import previews
from worker.store.flights import FALLBACK_PRODUCT_TYPE
from worker.store.previews import Known

AT_ONCE: Final = 500
"""Messages whose keys are read by one statement."""


class Previewed(NamedTuple):
    """One message with what it would become. `linked`: Amazon has said that it lists the SKU."""

    id: str | None
    source: str | None
    key: str | None
    sku: str | None
    linked: bool
    product_type_source: str | None
    preview: Preview


def previewed(tx: Transaction, connection: Connection, deliveries: Iterable[Delivery], now: datetime) -> Iterator[Previewed]:
    """Yield what every message of *deliveries* would become through *connection*, whichever connection it names.

    Each is looked at alone, against what is known now: not against the others of the file, nor what is pending.
    Raises: UsageError for a shipment.
    """
    reads = (messages.read(event, now=now) for delivery in deliveries for event in wire.decode(delivery))
    while batch := list(islice(reads, AT_ONCE)):
        yield from _batch(tx, connection, batch, now)


def _batch(tx: Transaction, connection: Connection, batch: Sequence[Message | Invalid], now: datetime) -> Iterator[Previewed]:
    parcel = next((each for each in batch if isinstance(each, Message) and each.type is MessageType.SHIPMENT), None)
    if parcel is not None:
        raise UsageError(f"{parcel.external_id} is a shipment: what it becomes depends on its order and its other parcels.")
    made = [None if isinstance(each, Invalid) else mapped(each, connection, now) for each in batch]
    known = previews.known(tx, connection.id, [each.key for each in made if each is not None])
    for read, each in zip(batch, made, strict=True):
        if isinstance(read, Invalid):
            refused = Preview(Outcome.INVALID, read.issues[0].code, issues=read.issues)
            yield Previewed(read.external_id, read.source, read.key, None, linked=False, product_type_source=None, preview=refused)
        elif each is not None:
            yield _message(connection, read, each.key, each.facets, known[each.key], now)


def _message(connection: Connection, message: Message, key: str, facets: Facets, known: Known, now: datetime) -> Previewed:
    sku = to_amazon(key, connection.settings.sku_prefix)
    if facets.faults:
        result = Preview(Outcome.INVALID, facets.faults[0].code, issues=(*facets.faults, *facets.warnings))
    else:
        time = message.time or now
        arrival = Arrival(
            message=0,
            source=message.source,
            type=message.type,
            version=version(message.sequence, time),
            published=time.timestamp(),
            facets=facets.values,
            warnings=facets.warnings,
        )
        listing = Listing(sku, known.product_type or FALLBACK_PRODUCT_TYPE, known.channels)
        result = preview(copy.deepcopy(known.key), arrival, listing, offer_of(connection))
    listing_said = facets.values.get(LISTING)
    says_type = listing_said is not None and not listing_said.cleared and "product_type" in listing_said.value
    source = "message" if says_type else known.product_type_source or "fallback"
    return Previewed(message.external_id, message.source, key, sku, known.product_type is not None, source, result)
