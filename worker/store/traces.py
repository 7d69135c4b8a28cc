"""Reading what became of messages: many at once for events and lists, one with its history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from worker.core import shipment_stages
from worker.core import trace as core
from worker.core.events import OutgoingEvent, outcome_event
from worker.core.fulfillments import waiting_for_components
from worker.core.kinds import Kind
from worker.core.messages import MessageType
from worker.core.shipment_stages import PartSent
from worker.core.states import FeedState
from worker.core.trace import Carried, Ending, Name, Record, Trace, Waits
from worker.database import Transaction
from worker.store import codec, shipments

AT_ONCE: Final = 500
"""Messages that are read by one statement."""


def traces(tx: Transaction, message_ids: Sequence[int]) -> dict[int, Trace]:
    """Return what became of messages, by our ids and in their order. A message past retention is left out.

    Three statements for any number of messages, one more when some have not come to their end, and two when some are shipments.
    """
    return _told(tx, _records(tx, message_ids))


def outcome_events(tx: Transaction, message_ids: Sequence[int]) -> Iterator[OutgoingEvent]:
    """Yield the event of every message that has come to its end."""
    for start in range(0, len(message_ids), AT_ONCE):
        records = _records(tx, message_ids[start : start + AT_ONCE])
        told = _told(tx, records)
        for record in records:
            if record.ending is not None:
                yield outcome_event(record.id, told[record.id], at=record.ending.decided_at, traceparent=record.traceparent)


def _told(tx: Transaction, records: Sequence[Record]) -> dict[int, Trace]:
    winners = names(tx, {by for record in records for by in core.superseders(record)})
    told = {record.id: core.trace(record, winners) for record in records}
    return told | _shipments(tx, told)


def _shipments(tx: Transaction, told: Mapping[int, Trace]) -> dict[int, Trace]:
    """Return the traces of shipments among *told*, each with its order, decision, stages and feed messages."""
    ids = [id_ for id_, each in told.items() if each.type == MessageType.SHIPMENT]
    kept = shipments.kept(tx, ids) if ids else {}
    parts = shipments.parts(tx, list(kept)) if kept else {}
    return {id_: _with_shipment(told[id_], each, parts[id_]) for id_, each in kept.items()}


def _with_shipment(trace: Trace, kept: shipments.Kept, parts: Sequence[PartSent]) -> Trace:
    stages = shipment_stages.stages(trace, kept.revision, kept.decision, parts)
    shipment = {
        "amazon_order_id": kept.amazon_order_id,
        "decision": kept.decision,
        "stages": [msgspec.to_builtins(stage) for stage in stages],
        "parts": [shipment_stages.as_json(part) for part in parts],
    }
    return msgspec.structs.replace(trace, shipment=shipment)


_MESSAGES: Final = """
    SELECT m.id, m.source, m.external_id, m.type, m.connection, m.key, m.facets, m.sequence, m.time, m.received_at, m.traceparent,
           m.warnings::text, m.connection_id, coalesce((c.settings #>> '{sync_listings,hide_out_of_stock}')::boolean, false),
           o.outcome, o.reason, o.superseded_by, o.feed_id, o.issues::text, o.facets::text, o.decided_at,
           f.amazon_feed_id, o.feed_message_id, fm.flight::text
      FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted (id, place)
      JOIN message m ON m.id = wanted.id
      LEFT JOIN connection c ON c.id = m.connection_id
      LEFT JOIN outcome o ON o.message_id = m.id
      LEFT JOIN feed f ON f.id = o.feed_id
      LEFT JOIN feed_message fm ON fm.feed_id = o.feed_id AND fm.message_id = o.feed_message_id
     ORDER BY wanted.place"""


def _records(tx: Transaction, message_ids: Sequence[int]) -> list[Record]:
    wanted = list(message_ids)
    rows = tx.exec_driver_sql(_MESSAGES, (wanted,)).all()
    repeats = _repeats(tx, wanted)
    places = _places(tx, [row[0] for row in rows if row[14] is None])
    return [_record(row, repeats.get(row[0], 0), places) for row in rows]


def _repeats(tx: Transaction, message_ids: Sequence[int]) -> dict[int, int]:
    rows = tx.exec_driver_sql(
        "SELECT message_id, count(*) FROM repeat WHERE message_id = ANY(%s::bigint[]) GROUP BY message_id", (list(message_ids),)
    )
    return {row[0]: row[1] for row in rows}


def _record(row: Sequence[Any], repeats: int, places: Mapping[int, tuple[Sequence[Carried], Waits]]) -> Record:
    (id_, source, external_id, type_, connection, key, facets, sequence, time, received_at, traceparent, warnings) = row[:12]
    _, hides, outcome, reason, by, feed_id, issues, fates, decided_at, amazon_feed_id, feed_message_id, flight = row[12:]
    ending, waits = None, None
    carried: Sequence[Carried] = ()
    if outcome is None:
        carried, waits = places.get(id_, ((), None))
    else:
        ending = Ending(
            outcome,
            reason,
            by,
            feed_id,
            codec.issues(issues) if issues is not None else (),
            codec.fates(fates) if fates is not None else None,
            decided_at,
        )
        carried = () if flight is None else (Carried(feed_id, amazon_feed_id, feed_message_id, codec.flight(flight)),)
    return Record(
        id=id_,
        name=Name(source, external_id),
        type=type_ or None,
        connection=connection,
        key=key,
        facets=facets,
        sequence=sequence,
        time=time,
        received_at=received_at,
        traceparent=traceparent,
        warnings=codec.issues(warnings) if warnings is not None else (),
        deliveries=1 + repeats,
        hides_out_of_stock=hides,
        ending=ending,
        carried=carried,
        waits=waits,
    )


# A message's own kind is not asked for: whichever change of its key holds it says where it is.
_PLACES: Final = """
    SELECT m.id, k.kind, k.pending::text, k.confirmed::text, k.hold_reason, c.paused, a.authorization_fault IS NULL, k.feed_id,
           f.amazon_feed_id, fm.message_id, fm.flight::text
      FROM message m
      LEFT JOIN shipment s ON s.message_id = m.id
      JOIN key_state k ON k.connection_id = m.connection_id AND k.kind = ANY(%s::text[]) AND k.key = coalesce(s.amazon_order_id, m.key)
      JOIN connection c ON c.id = k.connection_id
      JOIN account a ON a.id = c.account_id
      LEFT JOIN feed f ON f.id = k.feed_id
      LEFT JOIN feed_message fm ON fm.feed_id = k.feed_id AND fm.message_id >= k.feed_message_id
            AND fm.message_id < k.feed_message_id + k.feed_messages
     WHERE m.id = ANY(%s::bigint[]) ORDER BY m.id, fm.message_id"""


def _places(tx: Transaction, message_ids: Sequence[int]) -> Mapping[int, tuple[Sequence[Carried], Waits]]:
    """Return where messages are that have not come to their end: in feed messages, and among what is pending."""
    if not message_ids:
        return {}
    found: dict[int, tuple[list[Carried], Waits]] = {}
    rows = tx.exec_driver_sql(_PLACES, ([str(kind) for kind in Kind], list(message_ids)))
    for id_, kind, pending, confirmed, own_reason, paused, authorized, feed_id, amazon_feed_id, feed_message_id, flight in rows:
        change = None if pending is None else codec.change(pending)
        partial: Mapping[str, Mapping[str, int]] = {}
        if kind == Kind.SHIPMENTS and change is not None:
            partial = waiting_for_components(change, codec.confirmed(confirmed))
        waits = Waits(change, core.hold_reason(own_reason, paused=paused, authorized=authorized), partial)
        carried = None if flight is None else Carried(feed_id, amazon_feed_id, feed_message_id, codec.flight(flight))
        if carried is not None and id_ in carried.flight.change.messages:
            found.setdefault(id_, ([], waits))[0].append(carried)
        elif change is not None and id_ in change.messages:
            found.setdefault(id_, ([], waits))
    return found


def names(tx: Transaction, message_ids: Iterable[int]) -> dict[int, Name]:
    """Return what upstreams know messages by."""
    wanted = list(message_ids)
    if not wanted:
        return {}
    rows = tx.exec_driver_sql("SELECT id, source, external_id FROM message WHERE id = ANY(%s::bigint[])", (wanted,))
    return {id_: Name(source, external_id) for id_, source, external_id in rows}


# --- one message with its history -----------------------------------------------------------------------------------------------


def trace_with_history(tx: Transaction, message_id: int) -> dict[str, Any] | None:
    """Return the trace of one message as plain JSON values, with `history`: what happened to it, the oldest first."""
    records = _records(tx, [message_id])
    if not records:
        return None
    (record,) = records
    feeds = _feeds_that_carried(tx, record)
    events = [*_arrivals(tx, record), *_feed_events(tx, feeds), *core.ending_events(record)]
    history = sorted(events, key=lambda event: event.at)
    return {**core.as_json(_told(tx, records)[record.id]), "history": [core.event_json(event) for event in history]}


class _CarriedBy(NamedTuple):
    """A feed that carried the message; `undecided_at` and `why` where Amazon did not decide it there."""

    feed_id: int
    amazon_feed_id: str | None
    message_id: int
    undecided_at: datetime | None = None
    why: str | None = None


def _arrivals(tx: Transaction, record: Record) -> Iterator[core.HistoryEvent]:
    yield core.HistoryEvent(record.received_at, "staged", {})
    for (at,) in tx.exec_driver_sql("SELECT at FROM repeat WHERE message_id = %s ORDER BY at", (record.id,)):
        yield core.HistoryEvent(at, "repeated", {})
    rows = tx.exec_driver_sql(
        "SELECT at, id, issues::text FROM rejected WHERE external_id = %s AND source = %s ORDER BY id", (record.name.id, record.name.source)
    )
    for at, rejected_id, issues in rows:
        yield core.HistoryEvent(at, "refused", {"rejected_id": rejected_id, "codes": [issue.code for issue in codec.issues(issues)]})


# Undecided feeds are few, so looking through their feed messages for a key costs little, though no index has it.
_UNDECIDED: Final = """
    SELECT fm.feed_id, f.amazon_feed_id, fm.message_id, f.changed_at, f.fault, fm.flight::text
      FROM message m
      LEFT JOIN shipment s ON s.message_id = m.id
      JOIN feed f ON f.connection_id = m.connection_id AND f.undecided > 0 AND f.created_at BETWEEN m.received_at AND %(until)s
      JOIN feed_message fm ON fm.feed_id = f.id AND fm.key = coalesce(s.amazon_order_id, m.key) AND fm.verdict = 'undecided'
     WHERE m.id = %(message)s ORDER BY fm.feed_id"""


def _feeds_that_carried(tx: Transaction, record: Record) -> list[_CarriedBy]:
    until = "infinity" if record.ending is None else record.ending.decided_at
    found = [
        _CarriedBy(feed_id, amazon_feed_id, message_id, at, why)
        for feed_id, amazon_feed_id, message_id, at, why, flight in tx.exec_driver_sql(_UNDECIDED, {"until": until, "message": record.id})
        if record.id in codec.flight(flight).change.messages
    ]
    return found + [_CarriedBy(last.feed_id, last.amazon_feed_id, last.message_id) for last in record.carried]


def _feed_events(tx: Transaction, carried: Sequence[_CarriedBy]) -> Iterator[core.HistoryEvent]:
    by_feed = {each.feed_id: each for each in reversed(carried)}
    rows = tx.exec_driver_sql(
        "SELECT feed_id, at, state, note FROM feed_event WHERE feed_id = ANY(%s::bigint[]) ORDER BY at", (list(by_feed),)
    )
    for feed_id, at, state, note in rows:
        each = by_feed[feed_id]
        facts: dict[str, Any] = {"feed_id": feed_id, "amazon_feed_id": each.amazon_feed_id, "note": note}
        if state == FeedState.CUT:
            yield core.HistoryEvent(at, "in_feed", {"feed_id": feed_id, "message_id": each.message_id, "note": note})
        else:
            yield core.HistoryEvent(at, f"feed_{state}", facts)
    for each in by_feed.values():
        if each.undecided_at is not None:
            yield core.HistoryEvent(each.undecided_at, "undecided", {"feed_id": each.feed_id, "note": each.why})


# --- finding messages -----------------------------------------------------------------------------------------------------------


def named(tx: Transaction, external_id: str, source: str | None, connection: str | None) -> list[int]:
    """Return the messages that upstreams gave this id, one for each source, the oldest first.

    A source has several only where a refused delivery was published again: then its newest, whose history tells of the refusal.
    """
    rows = tx.exec_driver_sql(
        "SELECT max(id) FROM message WHERE external_id = %(id)s AND (%(source)s::text IS NULL OR source = %(source)s) "
        "AND (%(connection)s::text IS NULL OR connection = %(connection)s) GROUP BY source ORDER BY 1",
        {"id": external_id, "source": source, "connection": connection},
    )
    return [row[0] for row in rows]


def refused_as(tx: Transaction, external_id: str, source: str | None) -> list[int]:
    """Return the refused deliveries that gave this id: some of them could not be logged as messages."""
    rows = tx.exec_driver_sql(
        "SELECT id FROM rejected WHERE external_id = %(id)s AND (%(source)s::text IS NULL OR source = %(source)s) ORDER BY id",
        {"id": external_id, "source": source},
    )
    return [row[0] for row in rows]


def of_key(tx: Transaction, connection_id: int, key: str, at_most: int) -> list[int]:
    """Return the messages for a key, the newest first."""
    rows = tx.exec_driver_sql(
        "SELECT id FROM message WHERE connection_id = %s AND key = %s ORDER BY id DESC LIMIT %s", (connection_id, key, at_most)
    )
    return [row[0] for row in rows]


# A shipment's key is its request number, a space, after which "!" is the next character, and a tracking number without spaces.
_OF_ORDER: Final = """
    SELECT found.id FROM (
        SELECT s.message_id AS id FROM connection c JOIN shipment s ON s.connection_id = c.id AND s.amazon_order_id = %(order)s
         WHERE %(connection)s::text IS NULL OR c.name = %(connection)s
         UNION
        SELECT m.id FROM connection c
          JOIN message m ON m.connection_id = c.id AND m.key >= %(order)s || ' ' AND m.key < %(order)s || '!' AND m.type = %(type)s
           AND position(' ' IN substr(m.key, length(%(order)s) + 2)) = 0
         WHERE %(connection)s::text IS NULL OR c.name = %(connection)s) AS found
     ORDER BY found.id DESC LIMIT %(most)s"""


def of_order(tx: Transaction, order: str, connection: str | None, at_most: int) -> list[int]:
    """Return the shipment messages of an order, the newest first. *order*: Amazon's order id, or a fulfillment request number."""
    given = {"type": MessageType.SHIPMENT, "connection": connection, "order": order, "most": at_most}
    return [row[0] for row in tx.exec_driver_sql(_OF_ORDER, given)]


class Place(NamedTuple):
    """Where a list of outcomes goes on: after the message *id*, which ended at *at*."""

    at: datetime
    id: int


def ended(
    tx: Transaction, connection_id: int, *, outcome: str | None, since: datetime | None, after: Place | None, at_most: int
) -> list[Place]:
    """Return messages that have come to their end, the newest end first."""
    rows = tx.exec_driver_sql(
        "SELECT decided_at, message_id FROM outcome WHERE connection_id = %(connection)s "
        "AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s) AND decided_at >= %(since)s "
        "AND (decided_at, message_id) < (%(at)s, %(id)s) AND decided_at <= %(at)s "
        "ORDER BY decided_at DESC, message_id DESC LIMIT %(most)s",
        {
            "connection": connection_id,
            "outcome": outcome,
            "since": since or "-infinity",
            "at": "infinity" if after is None else after.at,
            "id": 0 if after is None else after.id,
            "most": at_most,
        },
    )
    return [Place(*row) for row in rows]


_UNENDED: Final = """
    SELECT DISTINCT open.message::bigint
      FROM key_state k
      LEFT JOIN feed_message fm ON fm.feed_id = k.feed_id AND fm.message_id >= k.feed_message_id
            AND fm.message_id < k.feed_message_id + k.feed_messages
     CROSS JOIN LATERAL (SELECT json_object_keys(k.pending -> 'm')
                          UNION ALL SELECT json_object_keys(fm.flight #> '{c,m}')) AS open (message)
     WHERE k.connection_id = %s AND k.state <> 'idle' ORDER BY 1 DESC"""


def unended(tx: Transaction, connection_id: int) -> list[int]:
    """Return the messages that have not come to their end, the newest first."""
    return [row[0] for row in tx.exec_driver_sql(_UNENDED, (connection_id,))]
