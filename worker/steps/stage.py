"""Stage: commit a batch of deliveries to Postgres, so that RabbitMQ may forget them.

One transaction logs the messages, folds them into what must still reach Amazon, and writes the outcomes that are known
already. The caller acknowledges after it has returned, never before.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError

from worker import metrics
from worker.context import Context
from worker.core import messages as core_messages
from worker.core import wire
from worker.core.coalescing import Arrival, coalesce
from worker.core.connections import Connection, from_amazon, to_amazon
from worker.core.facets import Facets, Value
from worker.core.ids import MessageId
from worker.core.issues import Issue, issue
from worker.core.kinds import Kind
from worker.core.messages import Invalid, Message, MessageType
from worker.core.ordering import version
from worker.core.outcomes import Outcome, Settled
from worker.core.sync import sync_facets
from worker.core.wire import Delivery
from worker.database import Transaction
from worker.store import codec, connections, keys, messages, outcomes

log = structlog.get_logger()

ATTEMPTS: Final = 5
"""How often a batch is begun anew when Postgres broke a deadlock."""

_DEADLOCK_OR_SERIALIZATION: Final = {"40P01", "40001"}

LONGEST_SKU: Final = 40
"""Characters, the connection's prefix counted. Source: Amazon's listings guide."""

KINDS: Final = {
    MessageType.INVENTORY: Kind.LISTINGS,
    MessageType.LISTING: Kind.PUBLISHING,
    MessageType.SHIPMENT: Kind.SHIPMENTS,
}


class Incoming(NamedTuple):
    """A message, or what is known of a delivery that is none, with the delivery that brought it."""

    delivery: Delivery
    original: bytes
    content_type: str | None
    read: Message | Invalid


class Tally(NamedTuple):
    """What one transaction staged; counted in the metrics once it has committed."""

    staged: Counter[str]
    ended: Counter[tuple[str, str, str]]


class _Fresh(NamedTuple):
    """A message that is new to us, with its place in the log."""

    id: MessageId
    incoming: Incoming
    message: Message
    connection: Connection
    name: keys.KeyName
    facets: Facets


def stage(ctx: Context, deliveries: Sequence[Delivery], arrived: datetime) -> None:
    """Commit *deliveries*, in their order. *arrived*: when the consumer took them; the time of messages without one.

    Raises: SQLAlchemy's errors when Postgres cannot take the batch; nothing is committed then.
    """
    began = ctx.clock.monotonic()
    incoming = list(_read(deliveries, arrived))
    tally = _committed(ctx, incoming, arrived)
    _count(tally, deliveries, ctx.clock.monotonic() - began)


def keep_unstorable(ctx: Context, delivery: Delivery, arrived: datetime) -> None:
    """Keep a delivery that no transaction could take, with its original bytes and nothing that was read from them."""
    with ctx.database.begin() as tx:
        issues = codec.text((issue("NOT_STORABLE"),))
        messages.refuse(
            tx, [messages.RefusedDelivery(arrived, delivery.queue, None, "{}", delivery.body, issues, None, None, None, None, None)]
        )
    metrics.deliveries(delivery.queue, 1)
    metrics.outcomes(None, None, Outcome.INVALID, 1)


def _read(deliveries: Sequence[Delivery], arrived: datetime) -> Iterator[Incoming]:
    for delivery in deliveries:
        for event in wire.decode(delivery):
            yield Incoming(delivery, event.original, event.content_type, core_messages.read(event, now=arrived))


def _committed(ctx: Context, incoming: Sequence[Incoming], arrived: datetime) -> Tally:
    attempt = 0
    while True:
        attempt += 1
        try:
            with ctx.database.begin() as tx:
                return _write(tx, incoming, arrived)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _DEADLOCK_OR_SERIALIZATION or attempt == ATTEMPTS:
                raise
            log.info("staging_begun_anew", attempt=attempt)


def _write(tx: Transaction, incoming: Sequence[Incoming], arrived: datetime) -> Tally:
    identified = [each for each in incoming if _is_identified(each)]
    ids = messages.new_ids(tx, len(identified)) if identified else []
    known = messages.register(tx, [_identity(each, id_) for each, id_ in zip(identified, ids, strict=True)]) if identified else {}
    found = connections.current(tx, {each.read.connection for each in identified if each.read.connection is not None})

    fresh: list[_Fresh] = []
    refused: list[tuple[Incoming, MessageId | None, Sequence[Issue]]] = []
    logged: list[messages.LoggedMessage] = []
    ended: list[outcomes.Ended] = []
    names: dict[int, str] = {}
    repeats: list[MessageId] = []

    def turn_down(each: Incoming, id_: MessageId, issues: Sequence[Issue]) -> None:
        connection = found.get(each.read.connection or "")
        refused.append((each, id_, issues))
        logged.append(_logged(each, id_, arrived, connection, each.read.key, Facets({})))
        ended.append(outcomes.Ended(connection.id if connection else None, _invalid(id_, each.read, arrived, issues)))
        names[id_] = each.read.connection or ""

    refused += ((each, None, each.read.issues if isinstance(each.read, Invalid) else ()) for each in incoming if not _is_identified(each))
    for each, id_ in zip(identified, ids, strict=True):
        first = known.get(id_)
        if first is not None:
            if first.digest == _digest(each):
                repeats.append(first.message_id)
            else:
                refused.append((each, None, (issue("ID_REUSED", field="id", value=each.read.external_id),)))
            continue
        if isinstance(each.read, Invalid):
            turn_down(each, id_, each.read.issues)
            continue
        connection = found.get(each.read.connection)
        if connection is None:
            turn_down(each, id_, (issue("CONNECTION_UNKNOWN", field="connection", value=each.read.connection),))
            continue
        key, facets = mapped(each.read, connection)
        if facets.faults:
            turn_down(each, id_, facets.faults)
            continue
        name = keys.KeyName(connection.id, KINDS[each.read.type], key)
        fresh.append(_Fresh(id_, each, each.read, connection, name, facets))
        names[id_] = connection.name
        logged.append(_logged(each, id_, arrived, connection, key, facets))

    if logged:
        messages.log(tx, logged)
    if fresh:
        rows = keys.lock(tx, (new.name for new in fresh))
        for new in fresh:
            for settled in coalesce(rows[new.name].key, _arrival(new, arrived)):
                if settled.outcome is Outcome.INVALID:
                    refused.append((new.incoming, new.id, settled.issues))
                ended.append(outcomes.Ended(new.connection.id, settled))
                names.setdefault(settled.message, new.connection.name)
        keys.save(tx, rows.values(), arrived)
    outcomes.record(tx, ended, arrived)
    if refused:
        messages.refuse(tx, (_refused(each, id_, issues, arrived) for each, id_, issues in refused))
    if repeats:
        messages.note_repeats(tx, repeats, arrived)

    counted = Counter((names[e.settled.message], e.settled.type, str(e.settled.outcome)) for e in ended)
    counted.update((each.read.connection or "", each.read.type or "", str(Outcome.INVALID)) for each, id_, _ in refused if id_ is None)
    return Tally(Counter(str(new.message.type) for new in fresh), counted)


def _is_identified(each: Incoming) -> bool:
    return each.read.source is not None and each.read.external_id is not None


def mapped(message: Message, connection: Connection) -> tuple[str, Facets]:
    """Return the key and the facets that the connection's template makes of *message*."""
    if message.type is MessageType.SHIPMENT:
        return message.key, Facets({"shipment": Value()})
    key = from_amazon(message.key, connection.settings.sku_prefix)
    sku = to_amazon(key, connection.settings.sku_prefix)
    if len(sku) > LONGEST_SKU:
        return key, Facets({}, faults=(issue("SKU_INVALID", field="sku", value=sku, reason=f"it has {len(sku)} characters"),))
    if message.type is MessageType.LISTING:
        return key, Facets({"listing": Value()})
    return key, sync_facets(message.data, connection.settings, connection.marketplace)


def _arrival(each: _Fresh, arrived: datetime) -> Arrival:
    message = each.message
    return Arrival(
        message=each.id,
        source=message.source,
        type=message.type,
        version=version(message.sequence, message.time or arrived),
        published=(message.time or arrived).timestamp(),
        facets=each.facets.values,
        warnings=each.facets.warnings,
    )


def _digest(each: Incoming) -> bytes:
    return each.read.digest or hashlib.blake2b(each.original, digest_size=16).digest()


def _identity(each: Incoming, id_: MessageId) -> messages.Identity:
    return messages.Identity(each.read.source or "", each.read.external_id or "", id_, _digest(each))


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
    each: Incoming, id_: MessageId, arrived: datetime, connection: Connection | None, key: str | None, facets: Facets
) -> messages.LoggedMessage:
    read = each.read
    return messages.LoggedMessage(
        id_,
        arrived,
        read.source or "",
        read.external_id or "",
        read.type or "",
        read.connection,
        None if connection is None else connection.id,
        key,
        list(facets.values),
        read.sequence if isinstance(read, Message) else None,
        read.time if isinstance(read, Message) else None,
        read.traceparent if isinstance(read, Message) else None,
        codec.text(facets.warnings) if facets.warnings else None,
        read.body or b"",
    )


def _refused(each: Incoming, id_: MessageId | None, issues: Sequence[Issue], arrived: datetime) -> messages.RefusedDelivery:
    read, delivery = each.read, each.delivery
    return messages.RefusedDelivery(
        arrived,
        delivery.queue,
        _text(each.content_type),
        codec.text({name: _header(value) for name, value in delivery.headers.items()}),
        each.original,
        codec.text(tuple(issues)),
        read.source,
        read.external_id,
        read.type,
        read.connection,
        id_,
    )


def _header(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return value
    # pika reads 64-bit integers, such as RabbitMQ's x-delivery-count, as a type of its own that msgspec does not write.
    return int(value) if isinstance(value, int) else _text(value)


def _text(value: object) -> str | None:
    """Return *value* as text that Postgres can hold, which has neither NUL nor lone surrogates."""
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _count(tally: Tally, deliveries: Sequence[Delivery], seconds: float) -> None:
    metrics.stage_seconds.observe(seconds)
    for queue, count in Counter(delivery.queue for delivery in deliveries).items():
        metrics.deliveries(queue, count)
    for type_, count in tally.staged.items():
        metrics.staged(type_, count)
    for (connection, type_, outcome), count in tally.ended.items():
        metrics.outcomes(connection, type_, outcome, count)
        if outcome in {Outcome.SUPERSEDED, Outcome.UNCHANGED}:
            metrics.coalesced(connection, type_, count)
