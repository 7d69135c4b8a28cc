"""Lanes: what may share a feed. A lane's row is the lock under which its feeds are cut."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.core.coalescing import URGENT
from worker.core.cutting import Waiting
from worker.core.kinds import FEED_TYPES
from worker.database import Transaction


class Lane(NamedTuple):
    """A locked lane: where its next feed begins to number, and how many feeds in a row have failed. `flushes`: nothing lingers now."""

    connection_id: int
    kind: str
    next_message_id: int
    failing_feeds: int
    failing_size: int
    flushes: bool


class Group(NamedTuple):
    """Undecided changes that go again in a feed of their own."""

    id: int
    messages: int


def lock(tx: Transaction, connection_id: int, kind: str) -> Lane | None:
    """Lock the lane, made if need be; None when another worker is cutting it."""
    tx.exec_driver_sql("INSERT INTO lane (connection_id, kind) VALUES (%s, %s) ON CONFLICT DO NOTHING", (connection_id, kind))
    row = tx.exec_driver_sql(
        "SELECT connection_id, kind, next_message_id, failing_feeds, failing_size, coalesce(flush_until > now(), false) FROM lane "
        "WHERE connection_id = %s AND kind = %s FOR UPDATE SKIP LOCKED",
        (connection_id, kind),
    ).first()
    return None if row is None else Lane(*row)


def cut(tx: Transaction, lane: Lane, next_message_id: int) -> None:
    tx.exec_driver_sql(
        "UPDATE lane SET next_message_id = %s, not_before = NULL, dispatched_until = NULL WHERE connection_id = %s AND kind = %s",
        (next_message_id, lane.connection_id, lane.kind),
    )


def wait(tx: Transaction, lane: Lane, until: datetime) -> None:
    """Note that no feed of this lane can be sent before *until*."""
    tx.exec_driver_sql(
        "UPDATE lane SET not_before = %s, dispatched_until = NULL WHERE connection_id = %s AND kind = %s",
        (until, lane.connection_id, lane.kind),
    )


def look_again(tx: Transaction, lane: Lane, seconds: float) -> None:
    """Let the conductor look at the lane again after *seconds*: this time nothing was cut."""
    tx.exec_driver_sql(
        "UPDATE lane SET dispatched_until = now() + %s * interval '1 second' WHERE connection_id = %s AND kind = %s",
        (seconds, lane.connection_id, lane.kind),
    )


def flush(tx: Transaction, connection_id: int, kind: str, seconds: float) -> None:
    """Let no change of the lane linger for *seconds* from now."""
    tx.exec_driver_sql(
        "INSERT INTO lane (connection_id, kind, flush_until) VALUES (%s, %s, now() + %s * interval '1 second') "
        "ON CONFLICT (connection_id, kind) DO UPDATE SET flush_until = excluded.flush_until",
        (connection_id, kind, seconds),
    )


def flushes(tx: Transaction, connection_id: int, kind: str) -> bool:
    """Whether no change of the lane lingers now."""
    flushed = tx.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM lane WHERE connection_id = %s AND kind = %s AND flush_until > now())", (connection_id, kind)
    )
    return bool(flushed.scalar_one())


def failing(tx: Transaction, connection_id: int, kind: str, *, messages: int) -> tuple[int, int]:
    """Count one more feed that ended without an accepted message. Return how many in a row, and the size of the first."""
    row = tx.exec_driver_sql(
        "UPDATE lane SET failing_feeds = failing_feeds + 1, failing_size = CASE failing_feeds WHEN 0 THEN %s ELSE failing_size END, "
        "dispatched_until = NULL "
        "WHERE connection_id = %s AND kind = %s RETURNING failing_feeds, failing_size",
        (messages, connection_id, kind),
    ).one()
    return row[0], row[1]


def recovered(tx: Transaction, connection_id: int, kind: str) -> None:
    tx.exec_driver_sql(
        "UPDATE lane SET failing_feeds = 0, failing_size = 0, dispatched_until = NULL "
        "WHERE connection_id = %s AND kind = %s AND failing_feeds > 0",
        (connection_id, kind),
    )


def add_group(tx: Transaction, connection_id: int, kind: str, parent_feed_id: int, keys: Sequence[str], reason: str) -> int:
    """Make a group of *keys* that goes in a feed of its own; return its id, for the keys' rows."""
    return int(
        tx.exec_driver_sql(
            "INSERT INTO split (connection_id, kind, parent_feed_id, messages, reason) VALUES (%s, %s, %s, %s, %s) RETURNING id",
            (connection_id, kind, parent_feed_id, len(keys), reason),
        ).scalar_one()
    )


def next_group(tx: Transaction, lane: Lane) -> Group | None:
    """Return the oldest group that still has changes to send; groups that have none are forgotten."""
    tx.exec_driver_sql(
        "DELETE FROM split s WHERE s.connection_id = %s AND s.kind = %s AND NOT EXISTS (SELECT FROM key_state k WHERE k.split_id = s.id)",
        (lane.connection_id, lane.kind),
    )
    row = tx.exec_driver_sql(
        "SELECT id, messages FROM split s WHERE s.connection_id = %s AND s.kind = %s "
        "AND EXISTS (SELECT FROM key_state k WHERE k.split_id = s.id AND k.state = 'ready') ORDER BY id LIMIT 1",
        (lane.connection_id, lane.kind),
    ).first()
    return None if row is None else Group(*row)


def is_urgent(tx: Transaction, lane: Lane, linger: timedelta) -> bool:
    """Whether something that is out of stock has lingered while groups go: then the next feed is not a group's, unless the last was not.

    Halving may take an hour of feeds. Overselling cannot wait for its end, nor may the groups wait for ever.
    """
    return bool(
        tx.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM key_state WHERE connection_id = %(c)s AND kind = %(k)s AND state = 'ready' AND split_id IS NULL "
            "  AND priority = %(urgent)s AND pending_since <= now() - %(linger)s) "
            "AND (SELECT split_id IS NOT NULL FROM feed WHERE connection_id = %(c)s AND kind = %(k)s ORDER BY id DESC LIMIT 1)",
            {"c": lane.connection_id, "k": lane.kind, "urgent": URGENT, "linger": linger},
        ).scalar()
    )


def waiting(tx: Transaction, connection_id: int, kind: str, *, count_at_most: int) -> Waiting:
    """Return what waits in the lane outside of groups; counting stops at *count_at_most*."""
    row = tx.exec_driver_sql(
        "SELECT (SELECT count(*) FROM (SELECT FROM key_state WHERE connection_id = %(c)s AND kind = %(k)s AND state = 'ready' "
        "  AND split_id IS NULL LIMIT %(most)s) AS counted), "
        "least((SELECT min(pending_since) FROM key_state WHERE connection_id = %(c)s AND kind = %(k)s AND state = 'ready' "
        "  AND split_id IS NULL AND priority = 0), "
        " (SELECT min(pending_since) FROM key_state WHERE connection_id = %(c)s AND kind = %(k)s AND state = 'ready' "
        "  AND split_id IS NULL AND priority = 1))",
        {"c": connection_id, "k": kind, "most": count_at_most},
    ).one()
    return Waiting(row[0], row[1])


def dispatch_due(tx: Transaction, *, linger_seconds: float, full: int, every_seconds: float) -> list[tuple[int, str]]:
    """Return the lanes whose next feed may be due, each at most once in *every_seconds*.

    Due: a group waits, the oldest change has lingered, or a whole feed has gathered. Paused connections, accounts without
    authorisation and lanes that wait for the usage plan are left out. Of a seller's lanes, which share a usage plan, only the one is
    returned whose last feed is the oldest: else one of them could take every token before the others.
    """
    rows = tx.exec_driver_sql(
        """
        WITH lanes AS (
            SELECT c.id AS connection_id, c.account_id, kinds.kind,
                   CASE WHEN l.flush_until > now() THEN now() ELSE now() - %(linger)s * interval '1 second' END AS lingered_since
              FROM connection c JOIN account a ON a.id = c.account_id
             CROSS JOIN unnest(%(kinds)s::text[]) AS kinds (kind)
              LEFT JOIN lane l ON l.connection_id = c.id AND l.kind = kinds.kind
             WHERE NOT c.paused AND a.authorization_fault IS NULL
               AND (l.not_before IS NULL OR l.not_before <= now())
               AND (l.dispatched_until IS NULL OR l.dispatched_until <= now())),
        due AS (
            SELECT DISTINCT ON (lanes.account_id) lanes.connection_id, lanes.kind
              FROM lanes
              LEFT JOIN LATERAL (SELECT f.id FROM feed f WHERE f.connection_id = lanes.connection_id AND f.kind = lanes.kind
                                  ORDER BY f.id DESC LIMIT 1) AS last ON true
             WHERE EXISTS (SELECT FROM split s WHERE s.connection_id = lanes.connection_id AND s.kind = lanes.kind)
                OR EXISTS (SELECT FROM key_state k WHERE k.connection_id = lanes.connection_id AND k.kind = lanes.kind
                              AND k.state = 'ready' AND k.split_id IS NULL AND k.priority = 0
                              AND k.pending_since <= lanes.lingered_since)
                OR EXISTS (SELECT FROM key_state k WHERE k.connection_id = lanes.connection_id AND k.kind = lanes.kind
                              AND k.state = 'ready' AND k.split_id IS NULL AND k.priority = 1
                              AND k.pending_since <= lanes.lingered_since)
                OR EXISTS (SELECT FROM key_state k WHERE k.connection_id = lanes.connection_id AND k.kind = lanes.kind
                              AND k.state = 'ready' AND k.split_id IS NULL OFFSET %(full)s - 1)
             ORDER BY lanes.account_id, last.id NULLS FIRST)
        INSERT INTO lane (connection_id, kind, dispatched_until)
        SELECT connection_id, kind, now() + %(every)s * interval '1 second' FROM due
            ON CONFLICT (connection_id, kind) DO UPDATE SET dispatched_until = excluded.dispatched_until
        RETURNING connection_id, kind""",
        {"kinds": list(FEED_TYPES), "linger": linger_seconds, "full": full, "every": every_seconds},
    )
    return [(row[0], row[1]) for row in rows]
