"""Stage: commit a batch of deliveries to Postgres, so that RabbitMQ may forget them.

One transaction logs the messages, folds them into what must still reach Amazon, and writes the outcomes that are known
already. The caller acknowledges after it has returned, never before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError

from worker import metrics
from worker.context import Context
from worker.core import messages as core_messages
from worker.core import wire
from worker.core.coalescing import Arrival, coalesce
from worker.core.connections import Connection, from_amazon, to_amazon
from worker.core.facets import Facets
from worker.core.ids import MessageId
from worker.core.issues import Issue, issue
from worker.core.json import decode
from worker.core.kinds import Kind
from worker.core.messages import Invalid, Message, MessageType
from worker.core.ordering import version
from worker.core.outcomes import Outcome, Settled
from worker.core.shipments import Shipment
from worker.core.sync import sync_facets
from worker.core.wire import Delivery
from worker.database import Transaction
from worker.store import codec, connections, keys, messages, outcomes, shipments
from worker.store.shipments import ShipmentRow

log = structlog.get_logger()

ATTEMPTS: Final = 5
"""How often a batch is begun anew when Postgres broke a deadlock."""

_DEADLOCK_OR_SERIALIZATION: Final = {"40P01", "40001"}

LONGEST_SKU: Final = 40
"""Characters, the connection's prefix counted. Source: Amazon's listings guide."""

KINDS: Final = {
    MessageType.INVENTORY: Kind.LISTINGS,
    MessageType.LISTING: Kind.LISTINGS,
    MessageType.SHIPMENT: Kind.SHIPMENTS,
}


class Incoming(NamedTuple):
    """A message, or what is known of a delivery that is none, with the delivery that brought it."""

    delivery: Delivery
    original: bytes
    content_type: str | None
    read: Message | Invalid


class Mapped(NamedTuple):
    """What a connection's template makes of a message. `logged`: its key in the log, of a shipment the parcel's, not its order's.

    `shipment`: what is kept of a shipment beside its facets.
    """

    key: str
    facets: Facets
    logged: str
    shipment: Shipment | None = None


class _Fresh(NamedTuple):
    """A message that is new to us and valid, with its place in the log, as the key that it is about will take it."""

    id: MessageId
    incoming: Incoming
    connection: Connection
    name: keys.KeyName
    arrival: Arrival


@dataclass
class _Batch:
    """What one transaction stages, sorted: every event of the deliveries is in exactly one of fresh, refused and repeats.

    `ended` names the connection of each message that came to its end; "" where there is none of that name. `conflicts`: parcels
    whose number the other carrier profile reads otherwise, by the profile that was followed. `coalesced`: messages, by connection
    and type, of whose key something waited already.
    """

    arrived: datetime
    fresh: list[_Fresh] = field(default_factory=list)
    refused: list[tuple[Incoming, MessageId | None, Sequence[Issue]]] = field(default_factory=list)
    repeats: list[MessageId] = field(default_factory=list)
    ended: list[tuple[str, outcomes.Ended]] = field(default_factory=list)
    parcels: list[ShipmentRow] = field(default_factory=list)
    conflicts: Counter[str] = field(default_factory=Counter)
    coalesced: Counter[tuple[str, str]] = field(default_factory=Counter)

    @cached_property
    def arrived_text(self) -> str:
        return self.arrived.isoformat()


def stage(ctx: Context, deliveries: Sequence[Delivery], arrived: datetime) -> None:
    """Commit *deliveries*, in their order. *arrived*: when the consumer took them; the time of messages without one.

    Raises: SQLAlchemy's errors when Postgres cannot take the batch; nothing is committed then.
    """
    stage_events(ctx, list(events(deliveries, arrived)), arrived)
    count_deliveries(deliveries)


def stage_events(ctx: Context, found: Sequence[Incoming], arrived: datetime) -> None:
    """Commit events that were *found* in deliveries. Raises as `stage` does."""
    began = ctx.clock.monotonic()
    batch = _committed(ctx, found, arrived)
    _count(batch, ctx.clock.monotonic() - began)


def keep_unstorable(ctx: Context, delivery: Delivery, arrived: datetime, event: Incoming | None = None) -> None:
    """Keep an *event* of a delivery, or all of it, that no transaction could take: original bytes, and nothing that was read from them."""
    original, content_type = (delivery.body, None) if event is None else (event.original, event.content_type)
    with ctx.database.begin() as tx:
        issues = codec.text((issue("NOT_STORABLE"),))
        messages.refuse(
            tx, [messages.RefusedDelivery(arrived, delivery.queue, content_type, "{}", original, issues, None, None, None, None, None)]
        )
    metrics.outcomes(None, None, Outcome.INVALID, 1)


def events(deliveries: Iterable[Delivery], arrived: datetime) -> Iterator[Incoming]:
    """Yield every event of *deliveries*, as it was read."""
    for delivery in deliveries:
        for event in wire.decode(delivery):
            yield Incoming(delivery, event.original, event.content_type, core_messages.read(event, now=arrived))


def _committed(ctx: Context, incoming: Sequence[Incoming], arrived: datetime) -> _Batch:
    attempt = 0
    while True:
        attempt += 1
        try:
            with ctx.database.begin() as tx:
                return _write(tx, incoming, arrived)
        except keys.Taken:
            log.info("staging_begun_anew", attempt=attempt, reason="a key of the batch was made meanwhile")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _DEADLOCK_OR_SERIALIZATION or attempt >= ATTEMPTS:
                raise
            log.info("staging_begun_anew", attempt=attempt, reason="Postgres broke a deadlock")


def _write(tx: Transaction, incoming: Sequence[Incoming], arrived: datetime) -> _Batch:
    batch = _Batch(arrived)
    found = connections.current(tx, {each.read.connection for each in incoming if each.read.connection is not None})
    identified = _refuse_nameless(batch, incoming, found)
    if identified:
        ids = messages.new_ids(tx, len(identified))
        known = messages.register(tx, [_identity(each, id_) for each, id_ in zip(identified, ids, strict=True)])
        messages.log(tx, _sorted(batch, zip(identified, ids, strict=True), known, found))
    if batch.parcels:
        shipments.record(tx, batch.parcels)
    if batch.repeats:
        messages.note_repeats(tx, batch.repeats, arrived)
    if batch.fresh:
        _fold(tx, batch)  # from here to the commit others wait for their turn, so that only what follows from it comes after it
    outcomes.record(tx, [ended for _, ended in batch.ended], arrived)
    if batch.refused:
        messages.refuse(tx, (_refused(each, id_, issues, arrived) for each, id_, issues in batch.refused))
    return batch


def _refuse_nameless(batch: _Batch, incoming: Sequence[Incoming], found: Mapping[str, Connection]) -> Sequence[Incoming]:
    """Refuse what has no identity, of which there is nothing to log; return the others."""
    identified = [each for each in incoming if each.read.source is not None and each.read.external_id is not None]
    if len(identified) < len(incoming):
        nameless = ((each, each.read) for each in incoming if each.read.source is None or each.read.external_id is None)
        batch.refused += (
            (each, None, every_fault(read, found.get(read.connection or ""))) for each, read in nameless if isinstance(read, Invalid)
        )
    return identified


def _sorted(
    batch: _Batch,
    identified: Iterable[tuple[Incoming, MessageId]],
    known: Mapping[MessageId, messages.Known],
    found: Mapping[str, Connection],
) -> Iterator[messages.LoggedMessage]:
    """Tell what is new from repeats, and what is valid from what is not; yield what is to be logged.

    Postgres takes in what was yielded while the next messages are mapped.
    """
    for each, id_ in identified:
        first = known.get(id_)
        connection = found.get(each.read.connection or "")
        if first is not None and first.digest == each.read.digest:
            batch.repeats.append(first.message_id)
        elif first is not None:
            batch.refused.append((each, None, (issue("ID_REUSED", field="id", value=each.read.external_id),)))
        elif isinstance(each.read, Invalid):
            yield _turn_down(batch, each, id_, connection, _own_key(each.read, connection), every_fault(each.read, connection))
        elif connection is None:
            yield _turn_down(batch, each, id_, None, each.read.key, (_unknown_connection(each.read),))
        else:
            yield _take_in(batch, each, each.read, id_, connection)


def _take_in(batch: _Batch, each: Incoming, message: Message, id_: MessageId, connection: Connection) -> messages.LoggedMessage:
    key, facets, log_key, shipment = mapped(message, connection, batch.arrived)
    if shipment is not None:
        batch.parcels.append(ShipmentRow.of(id_, shipment, connection))
        if shipment.decision.conflict is not None:
            batch.conflicts[shipment.decision.detection.profile] += 1
    if facets.faults:
        return _turn_down(batch, each, id_, connection, log_key, facets.faults)
    name = keys.KeyName(connection.id, KINDS[message.type], key)
    batch.fresh.append(_Fresh(id_, each, connection, name, arrival(id_, message, facets, batch.arrived)))
    return _logged(batch, each, id_, connection, log_key, facets)


def _own_key(read: Invalid, connection: Connection | None) -> str | None:
    """Return the key of a message that no template was asked about, as the connection's other messages have theirs."""
    if read.key is None or connection is None or read.type == MessageType.SHIPMENT:
        return read.key
    return from_amazon(read.key, connection.settings.sku_prefix)


def _turn_down(
    batch: _Batch, each: Incoming, id_: MessageId, connection: Connection | None, key: str | None, issues: Sequence[Issue]
) -> messages.LoggedMessage:
    """A message that is invalid: it is logged and has its outcome, and its delivery is kept."""
    ended = outcomes.Ended(None if connection is None else connection.id, _invalid(id_, each.read, batch.arrived, issues))
    batch.refused.append((each, id_, issues))
    batch.ended.append(("" if connection is None else connection.name, ended))
    return _logged(batch, each, id_, connection, key, Facets({}))


def _fold(tx: Transaction, batch: _Batch) -> None:
    """Fold the fresh messages, in their order, into what must still reach Amazon."""
    of_key: dict[keys.KeyName, list[_Fresh]] = {}
    for new in batch.fresh:
        of_key.setdefault(new.name, []).append(new)

    def fold(row: keys.KeyRow) -> Sequence[tuple[_Fresh, Settled]]:
        ended = []
        for new in of_key[row.name]:
            if row.key.pending is not None:
                batch.coalesced[new.connection.name, new.arrival.type] += 1
            ended += [(new, settled) for settled in coalesce(row.key, new.arrival)]
        return ended

    for new, settled in keys.change(tx, of_key, fold):
        if settled.message == new.id and settled.outcome is Outcome.INVALID:
            batch.refused.append((new.incoming, new.id, settled.issues))
        batch.ended.append((new.connection.name, outcomes.Ended(new.connection.id, settled)))


def mapped(message: Message, connection: Connection, now: datetime) -> Mapped:
    """Return the key and the facets that the connection's template makes of *message*: of a shipment, those of its order."""
    make = _SKU_AND_FACETS.get(message.type)
    if make is None:  # a shipment
        facets, shipment = connection.settings.shipment_template.make(message.data, message.key, now)
        return Mapped(message.data["amazon_order_id"], facets, message.key if shipment is None else shipment.parcel, shipment)
    own_sku, facets = make(message, connection)
    # What a listing's template makes of the SKU is what its prices and quantities are about, too.
    prefix = connection.settings.sku_prefix
    key = from_amazon(own_sku or message.key, prefix)
    sku = to_amazon(key, prefix)
    if len(sku) > LONGEST_SKU:
        fault = issue("SKU_INVALID", field="sku", value=sku, reason=f"it has {len(sku)} characters")
        return Mapped(key, Facets({}, faults=(fault, *facets.faults)), key)
    return Mapped(key, facets, key)


def _of_inventory(message: Message, connection: Connection) -> tuple[str | None, Facets]:
    return None, sync_facets(message.data, connection.settings, connection.marketplace)


def _of_listing(message: Message, connection: Connection) -> tuple[str | None, Facets]:
    return connection.settings.publish_template.publish(message.data, connection.marketplace)


_SKU_AND_FACETS: Final = {MessageType.INVENTORY: _of_inventory, MessageType.LISTING: _of_listing}
"""What makes the facets of a message about a SKU, and the SKU, if the template names one of its own."""


def every_fault(read: Invalid, connection: Connection | None) -> tuple[Issue, ...]:
    """Return what the door has against a message, and what the connection's template has against its data as far as they can be mapped.

    *connection*: None when there is none of the name that the message gives.
    """
    if connection is None:
        return read.issues if read.connection is None else (*read.issues, _unknown_connection(read))
    data = None if read.body is None else decode(read.body)
    if not isinstance(data, dict):
        return read.issues
    further: Facets = Facets({})
    if read.type == MessageType.INVENTORY:
        further = sync_facets(data, connection.settings, connection.marketplace)
    elif read.type == MessageType.LISTING:
        further = connection.settings.publish_template.publish({"sku": "", **data}, connection.marketplace).facets
    return (*read.issues, *further.faults)


def _unknown_connection(read: Message | Invalid) -> Issue:
    return issue("CONNECTION_UNKNOWN", field="connection", value=read.connection)


def arrival(id_: int, message: Message, facets: Facets, arrived: datetime) -> Arrival:
    """Return *message* as coalescing sees it. *facets*: what its template makes of it; *arrived*: the time of one without a time."""
    return Arrival(
        message=id_,
        source=message.source,
        type=message.type,
        version=version(message.sequence, message.time or arrived),
        published=(message.time or arrived).timestamp(),
        facets=facets.values,
        warnings=facets.warnings,
        topic=facets.topic,
        nothing=facets.nothing,
    )


def _identity(each: Incoming, id_: MessageId) -> messages.Identity:
    return messages.Identity(each.read.source or "", each.read.external_id or "", id_, each.read.digest)


def _invalid(id_: MessageId, read: Message | Invalid, arrived: datetime, issues: Sequence[Issue]) -> Settled:
    return Settled(
        message=id_,
        type=read.type or "",
        published=arrived.timestamp(),
        outcome=Outcome.INVALID,
        reason=issues[0].code if issues else None,
        issues=tuple(issues),
        facets={},
    )


def _logged(
    batch: _Batch, each: Incoming, id_: MessageId, connection: Connection | None, key: str | None, facets: Facets
) -> messages.LoggedMessage:
    read = each.read
    return messages.LoggedMessage(
        batch.arrived_text,
        id_,
        read.source or "",
        read.external_id or "",
        read.type or "",
        read.connection,
        None if connection is None else connection.id,
        key,
        messages.array_of(tuple(facets.values)),
        read.sequence if isinstance(read, Message) else None,
        read.time if isinstance(read, Message) else None,
        read.traceparent,
        codec.text(facets.warnings) if facets.warnings else None,
        read.body or b"",
    )


def _refused(each: Incoming, id_: MessageId | None, issues: Sequence[Issue], arrived: datetime) -> messages.RefusedDelivery:
    read, delivery = each.read, each.delivery
    return messages.RefusedDelivery(
        arrived,
        delivery.queue,
        each.content_type,
        codec.text(wire.headers_as_text(delivery.headers)),
        each.original,
        codec.text(tuple(issues)),
        read.source,
        read.external_id,
        read.type,
        read.connection,
        id_,
    )


def count_deliveries(deliveries: Iterable[Delivery]) -> None:
    for queue, count in Counter(delivery.queue for delivery in deliveries).items():
        metrics.deliveries(queue, count)


def _count(batch: _Batch, seconds: float) -> None:
    metrics.stage_seconds.observe(seconds)
    for kind, count in Counter(new.arrival.type for new in batch.fresh).items():
        metrics.staged(kind, count)
    words = Counter((name, ended.settled.type, ended.settled.outcome) for name, ended in batch.ended)
    # A refused delivery without an identity has no outcome row, but it is one all the same.
    words.update(("", each.read.type or "", Outcome.INVALID) for each, id_, _ in batch.refused if id_ is None)
    for (connection, type_, outcome), count in words.items():
        metrics.outcomes(connection, type_, outcome, count)
    for (connection, type_), count in batch.coalesced.items():
        metrics.coalesced(connection, type_, count)
    for profile, count in batch.conflicts.items():
        metrics.carrier_conflicts(profile, count)
