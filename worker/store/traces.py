"""Reading what became of messages: many at once for events and lists, one with its history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from worker.core import trace as core
from worker.core.events import OutgoingEvent, outcome_event
from worker.core.kinds import Kind
from worker.core.trace import Carried, Ending, Name, Record, Trace, Waits
from worker.database import Transaction
from worker.store import codec

AT_ONCE: Final = 500
"""Messages that are read by one statement."""


def traces(tx: Transaction, message_ids: Sequence[int]) -> dict[int, Trace]:
    """Return what became of messages, by our ids and in their order. A message past retention is left out.

    Three statements for any number of messages, and one more when some have not come to their end.
    """
    records = _records(tx, message_ids)
    names = _names(tx, {by for record in records for by in core.superseders(record)})
    return {record.id: core.trace(record, names) for record in records}


def outcome_events(tx: Transaction, message_ids: Sequence[int]) -> Iterator[OutgoingEvent]:
    """Yield the event of every message that has come to its end."""
    for start in range(0, len(message_ids), AT_ONCE):
        records = _records(tx, message_ids[start : start + AT_ONCE])
        names = _names(tx, {by for record in records for by in core.superseders(record)})
        for record in records:
            if record.ending is not None:
                yield outcome_event(record.id, core.trace(record, names), at=record.ending.decided_at, traceparent=record.traceparent)


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


def _record(row: Sequence[Any], repeats: int, places: Mapping[int, tuple[Carried | None, Waits | None]]) -> Record:
    (id_, source, external_id, type_, connection, key, facets, sequence, time, received_at, traceparent, warnings) = row[:12]
    _, hides, outcome, reason, by, feed_id, issues, fates, decided_at, amazon_feed_id, feed_message_id, flight = row[12:]
    ending, carried, waits = None, None, None
    if outcome is None:
        carried, waits = places.get(id_, (None, None))
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
        carried = None if flight is None else Carried(feed_id, amazon_feed_id, feed_message_id, codec.flight(flight))
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
    SELECT m.id, k.pending::text, k.hold_reason, c.paused, a.authorization_fault IS NULL, k.feed_id, f.amazon_feed_id, k.feed_message_id,
           fm.flight::text
      FROM message m
      JOIN key_state k ON k.connection_id = m.connection_id AND k.kind = ANY(%s::text[]) AND k.key = m.key
      JOIN connection c ON c.id = k.connection_id
      JOIN account a ON a.id = c.account_id
      LEFT JOIN feed f ON f.id = k.feed_id
      LEFT JOIN feed_message fm ON fm.feed_id = k.feed_id AND fm.message_id = k.feed_message_id
     WHERE m.id = ANY(%s::bigint[])"""


def _places(tx: Transaction, message_ids: Sequence[int]) -> dict[int, tuple[Carried | None, Waits | None]]:
    """Return where messages are that have not come to their end: in a feed, or among what is pending."""
    if not message_ids:
        return {}
    found: dict[int, tuple[Carried | None, Waits | None]] = {}
    rows = tx.exec_driver_sql(_PLACES, ([str(kind) for kind in Kind], list(message_ids)))
    for id_, pending, own_reason, paused, authorized, feed_id, amazon_feed_id, feed_message_id, flight in rows:
        change = None if pending is None else codec.change(pending)
        carried = None if flight is None else Carried(feed_id, amazon_feed_id, feed_message_id, codec.flight(flight))
        in_feed = carried is not None and id_ in carried.flight.change.messages
        if in_feed or (change is not None and id_ in change.messages):
            waits = Waits(change, core.hold_reason(own_reason, paused=paused, authorized=authorized))
            found[id_] = (carried if in_feed else None, waits)
    return found


def _names(tx: Transaction, message_ids: Iterable[int]) -> dict[int, Name]:
    wanted = list(message_ids)
    if not wanted:
        return {}
    rows = tx.exec_driver_sql("SELECT id, source, external_id FROM message WHERE id = ANY(%s::bigint[])", (wanted,))
    return {id_: Name(source, external_id) for id_, source, external_id in rows}
