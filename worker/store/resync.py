"""What a re-sync works through, and what it waits for: messages that wait or were refused, and how each of them ended."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.core.feed_document import Listing
from worker.core.fulfillments import Order
from worker.core.ids import day_of, first_of_day
from worker.core.kinds import Kind
from worker.core.messages import MessageType
from worker.database import Transaction
from worker.store import shipments
from worker.store.flights import listing_of

TYPES: Final = {
    Kind.LISTINGS: [MessageType.INVENTORY.value, MessageType.LISTING.value],
    Kind.SHIPMENTS: [MessageType.SHIPMENT.value],
}

MOST_REFUSED_OF_A_KEY: Final = 100
"""Of a key that was refused more often, only the newest so many messages can still say something that was not said again."""

PARTS_NEARBY: Final = 100
"""The feed messages of one key are numbered in a row; it has fewer than so many in one feed."""


class Stored(NamedTuple):
    """A message as the log has it. Of one that ended, the feed that carried it, if one did."""

    id: int
    source: str
    external_id: str
    type: str
    connection: str
    received_at: datetime
    time: datetime | None
    sequence: int | None
    traceparent: str | None
    body: bytes
    feed_id: int | None
    feed_message_id: int | None


def bound(tx: Transaction) -> int:
    """Return an identifier above all messages that are staged by now."""
    day, number = tx.exec_driver_sql("SELECT (now() AT TIME ZONE 'UTC')::date - DATE '2020-01-01', nextval('message_id')").one()
    return first_of_day(day) + int(number)


def previous_bound(tx: Transaction, run_id: int, connection_id: int, kind: str, now: datetime) -> int:
    """Return where the last such run ended its look at what had come in; not earlier than yesterday."""
    last: int | None = tx.exec_driver_sql(
        "SELECT (cursor ->> 'bound')::bigint FROM run WHERE connection_id = %s AND kind = %s AND id < %s AND cursor ? 'bound' "
        "ORDER BY id DESC LIMIT 1",
        (connection_id, kind, run_id),
    ).scalar()
    return max(last or 0, first_of_day(day_of(now) - 1))


# --- what waits ----------------------------------------------------------------------------------------------------------------


def open_keys(tx: Transaction, connection_id: int, kind: str, after: str, at_most: int) -> list[str]:
    """Return keys of which something waits or is on its way, in their order."""
    rows = tx.exec_driver_sql(
        "SELECT key FROM key_state WHERE connection_id = %s AND kind = %s AND key > %s AND state <> 'idle' ORDER BY key LIMIT %s",
        (connection_id, kind, after, at_most),
    )
    return [row[0] for row in rows]


_ADD_OPEN: Final = """
    INSERT INTO run_message (run_id, message_id, key)
    SELECT DISTINCT %(run)s, open.message::bigint, k.key
      FROM key_state k
      LEFT JOIN feed_message fm ON fm.feed_id = k.feed_id
                               AND fm.message_id BETWEEN k.feed_message_id AND k.feed_message_id + k.feed_messages - 1
     CROSS JOIN LATERAL (SELECT json_object_keys(k.pending -> 'm') UNION SELECT json_object_keys(fm.flight #> '{c,m}')) AS open (message)
     WHERE k.connection_id = %(connection)s AND k.kind = %(kind)s AND k.key = ANY(%(keys)s::text[])
        ON CONFLICT (run_id, message_id) DO UPDATE SET key = excluded.key"""


def add_open(tx: Transaction, run_id: int, connection_id: int, kind: str, keys: Sequence[str]) -> None:
    """Note all messages of *keys* that have not ended as the run's."""
    tx.exec_driver_sql(_ADD_OPEN, {"run": run_id, "connection": connection_id, "kind": kind, "keys": list(keys)})


def add_shipments(tx: Transaction, run_id: int, connection_id: int, since: int, until: int) -> None:
    """Note the shipment messages that came in between two identifiers as the run's, those that ended at the door included."""
    tx.exec_driver_sql(
        "INSERT INTO run_message (run_id, message_id, key) SELECT %s, message_id, amazon_order_id FROM shipment "
        "WHERE connection_id = %s AND message_id > %s AND message_id <= %s ON CONFLICT DO NOTHING",
        (run_id, connection_id, since, until),
    )


def add(tx: Transaction, run_id: int, messages: Iterable[tuple[int, str | None]]) -> None:
    """Note messages, each with its key, as the run's."""
    rows = list(messages)
    if rows:
        tx.exec_driver_sql(
            "INSERT INTO run_message (run_id, message_id, key) SELECT %s, * FROM unnest(%s::bigint[], %s::text[]) ON CONFLICT DO NOTHING",
            (run_id, [row[0] for row in rows], [row[1] for row in rows]),
        )


# --- what was refused ----------------------------------------------------------------------------------------------------------


# What a person has discarded, edited or published again is decided: a re-sync leaves it alone.
_IS_REFUSED: Final = """o.outcome IN ('rejected', 'invalid')
              AND NOT EXISTS (SELECT FROM rejected r WHERE r.message_id = o.message_id AND r.state <> 'open')"""
_REFUSED: Final = f"""
    SELECT o.message_id, CASE WHEN %(shipments)s THEN s.amazon_order_id ELSE m.key END
      FROM outcome o
      LEFT JOIN message m ON NOT %(shipments)s AND m.id = o.message_id
      LEFT JOIN shipment s ON %(shipments)s AND s.message_id = o.message_id
     WHERE o.connection_id = %(connection)s AND {_IS_REFUSED} AND o.type = ANY(%(types)s::text[])
       AND o.message_id > %(after)s AND o.message_id <= %(until)s ORDER BY o.message_id LIMIT %(most)s"""


def refused(tx: Transaction, connection_id: int, kind: Kind, *, after: int, until: int, at_most: int) -> dict[int, str | None]:
    """Return messages that ended rejected or invalid, the oldest first, each with its key as it was mapped then, if there is one."""
    rows = tx.exec_driver_sql(
        _REFUSED,
        {
            "connection": connection_id,
            "shipments": kind is Kind.SHIPMENTS,
            "types": TYPES[kind],
            "after": after,
            "until": until,
            "most": at_most,
        },
    )
    return {row[0]: row[1] for row in rows}


_REFUSED_OF_SKUS: Final = f"""
    SELECT found.id, wanted.key FROM unnest(%(keys)s::text[]) AS wanted (key)
     CROSS JOIN LATERAL (
           SELECT m.id FROM message m JOIN outcome o ON o.message_id = m.id
            WHERE m.connection_id = %(connection)s AND m.key = wanted.key AND m.type = ANY(%(types)s::text[]) AND m.id <= %(until)s
              AND {_IS_REFUSED} ORDER BY m.id DESC LIMIT %(most)s) AS found"""
_REFUSED_OF_ORDERS: Final = f"""
    SELECT found.message_id, wanted.key FROM unnest(%(keys)s::text[]) AS wanted (key)
     CROSS JOIN LATERAL (
           SELECT s.message_id FROM shipment s JOIN outcome o ON o.message_id = s.message_id
            WHERE s.connection_id = %(connection)s AND s.amazon_order_id = wanted.key AND s.message_id <= %(until)s
              AND {_IS_REFUSED} ORDER BY s.message_id DESC LIMIT %(most)s) AS found"""


def refused_of_keys(tx: Transaction, connection_id: int, kind: Kind, keys: Iterable[str], until: int, *, at_most: int) -> dict[int, str]:
    """Return the newest refused messages of each of *keys*, *at_most* so many of each, with the key."""
    given = {"connection": connection_id, "keys": list(keys), "until": until, "types": TYPES[kind], "most": at_most}
    rows = tx.exec_driver_sql(_REFUSED_OF_ORDERS if kind is Kind.SHIPMENTS else _REFUSED_OF_SKUS, given)
    return {row[0]: row[1] for row in rows}


def stored(tx: Transaction, message_ids: Iterable[int]) -> dict[int, Stored]:
    """Return messages as the log has them, by their ids; those past retention are left out."""
    rows = tx.exec_driver_sql(
        "SELECT m.id, m.source, m.external_id, m.type, m.connection, m.received_at, m.time, m.sequence, m.traceparent, m.body, "
        "o.feed_id, o.feed_message_id FROM unnest(%s::bigint[]) AS wanted (id) JOIN message m ON m.id = wanted.id "
        "LEFT JOIN outcome o ON o.message_id = m.id",
        (list(message_ids),),
    )
    return {row[0]: Stored(*row) for row in rows}


def newest(tx: Transaction, connection_id: int, type_: MessageType, at_most: int) -> list[int]:
    """Return a connection's last messages of a type, the newest first."""
    rows = tx.exec_driver_sql(
        "SELECT id FROM message WHERE connection_id = %s AND type = %s ORDER BY id DESC LIMIT %s", (connection_id, type_.value, at_most)
    )
    return [row[0] for row in rows]


def refused_digests(tx: Transaction, carried: Iterable[tuple[int, int, str]]) -> dict[str, set[str]]:
    """Return the digests of the feed messages that Amazon rejected, by key. *carried*: feed, one feed message in it, and key."""
    wanted = list(carried)
    rows = tx.exec_driver_sql(
        "SELECT wanted.key, fm.flight ->> 'd' FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS wanted (feed_id, message_id, key) "
        "JOIN feed_message fm ON fm.feed_id = wanted.feed_id AND fm.key = wanted.key AND fm.verdict = 'rejected' "
        f"AND fm.message_id BETWEEN wanted.message_id - {PARTS_NEARBY} AND wanted.message_id + {PARTS_NEARBY}",
        ([each[0] for each in wanted], [each[1] for each in wanted], [each[2] for each in wanted]),
    )
    found: dict[str, set[str]] = {}
    for key, digest in rows:
        found.setdefault(key, set()).add(digest)
    return found


def about(tx: Transaction, connection_id: int, kind: Kind, keys: Sequence[str]) -> dict[str, Listing | Order]:
    """Return what is known of the things that *keys* are about, as rendering takes it."""
    if kind is Kind.SHIPMENTS:
        return dict(shipments.orders(tx, connection_id, keys))
    rows = tx.exec_driver_sql(
        "SELECT wanted.key, l.product_type, l.product_type_source, l.channels FROM unnest(%s::text[]) AS wanted (key) "
        "LEFT JOIN listing l ON l.connection_id = %s AND l.sku = wanted.key",
        (list(keys), connection_id),
    )
    return {row[0]: listing_of(*row) for row in rows}


# --- how it ends ---------------------------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """How many of a run's messages stand where: `outcome` None for those that have not ended; `state` and `held` are then their key's."""

    messages: int
    outcome: str | None
    reason: str | None
    sent: bool
    state: str | None
    held: str | None


_STANDINGS: Final = """
    SELECT count(*), o.outcome, CASE WHEN o.outcome = 'skipped' THEN o.reason END, coalesce(o.feed_id IS NOT NULL, false),
           k.state, k.hold_reason
      FROM run_message r
      LEFT JOIN outcome o ON o.message_id = r.message_id
      LEFT JOIN key_state k ON o.message_id IS NULL AND k.connection_id = %s AND k.kind = %s AND k.key = r.key
     WHERE r.run_id = %s
     GROUP BY 2, 3, 4, 5, 6"""


def standings(tx: Transaction, run_id: int, connection_id: int, kind: str) -> list[Standing]:
    return [Standing(*row) for row in tx.exec_driver_sql(_STANDINGS, (connection_id, kind, run_id))]


_SHIPPED: Final = """
    SELECT count(*) FILTER (WHERE f.batch = 'managed'), count(*) FILTER (WHERE f.batch = 'non_managed'),
           count(*) FILTER (WHERE s.overridden), count(s.decision -> 'conflict')
      FROM run_message r
      JOIN shipment s ON s.message_id = r.message_id
      LEFT JOIN outcome o ON o.message_id = r.message_id
      LEFT JOIN feed f ON f.id = o.feed_id
     WHERE r.run_id = %s"""


def shipped(tx: Transaction, run_id: int) -> dict[str, Any]:
    """Return how many of a run's shipments went as managed and as non-managed orders, and what was remarkable about their carriers.

    `carriers_overridden`: the number decided against the mapping. `carriers_in_conflict`: the other profile reads the number otherwise.
    """
    managed, non_managed, overridden, in_conflict = tx.exec_driver_sql(_SHIPPED, (run_id,)).one()
    return {"managed": managed, "non_managed": non_managed, "carriers_overridden": overridden, "carriers_in_conflict": in_conflict}


def forget_ended(tx: Transaction, connection_id: int) -> None:
    """Forget which messages were those of the connection's ended runs: their summaries have told of them."""
    tx.exec_driver_sql(
        "DELETE FROM run_message WHERE run_id IN (SELECT id FROM run WHERE connection_id = %s AND finished_at IS NOT NULL)",
        (connection_id,),
    )
