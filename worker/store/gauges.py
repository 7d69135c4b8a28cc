"""What is true of the whole fleet, as gauges show it: read in one snapshot, through partial indexes.

Counting a backlog of a million keys is an index-only scan of 0.3 s on a quiet table and of 1 to 3 s on one that is being written to:
too long for a scrape, so whoever asks does it in the background (worker/exposition.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from worker.core.ids import day_of, first_of_day
from worker.core.kinds import FEED_TYPES, Kind
from worker.store.quota import quota_left

COUNT_MILLISECONDS: Final = 10_000
"""How long one of these statements may take."""

DAYS_OF_FINISHED_FEEDS: Final = 2
"""Feeds that ended are counted if they were cut today or yesterday (UTC); those that have not, whenever they were cut."""

TYPE_OF_KIND: Final = {Kind.LISTINGS: "inventory", Kind.SHIPMENTS: "shipment"}
"""The label `type` of what waits: what went into one change may have come by messages of several types."""


class Reading(NamedTuple):
    """A gauge's value; `labels` in the catalogue's order."""

    name: str
    labels: tuple[str, ...]
    value: float


def read(engine: Engine) -> list[Reading]:
    """Return all gauges that Postgres knows. Raises SQLAlchemy's errors when it cannot be asked."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as tx:
        tx.execute(text(f"SET LOCAL statement_timeout = {COUNT_MILLISECONDS}; SET LOCAL max_parallel_workers_per_gather = 0"))
        names = list(tx.execute(_NAMES).scalars())
        return [
            *_waiting(tx, names),
            *_oldest_waiting(tx, names),
            *_held(tx),
            *_feeds(tx),
            *_oldest_feeds(tx, names),
            *_accounts(tx),
            *_orders(tx),
            *_outbox(tx),
        ]


_NAMES: Final = text("SELECT name FROM connection")


def _or_zero(name: str, connections: Sequence[str], second: Iterable[str], found: Mapping[tuple[str, str], float]) -> Iterator[Reading]:
    """Yield a value for every connection, 0 where nothing was found: a line that is not there tells neither "all done" nor "not asked"."""
    for labels in product(connections, second):
        yield Reading(name, labels, found.get(labels, 0))


# Only the kind `listings` is ever unlinked; key_unlinked does not hold the kind, and reading it would cost the whole row.
_WAITING: Final = text("""
    WITH waiting AS (
        SELECT connection_id, kind, count(*) AS changes FROM key_state
         WHERE state = 'ready' AND split_id IS NULL GROUP BY connection_id, kind
        UNION ALL
        SELECT connection_id, kind, count(*) FROM key_state
         WHERE state = 'ready' AND split_id IS NOT NULL GROUP BY connection_id, kind
        UNION ALL
        SELECT connection_id, 'listings', count(*) FROM key_state WHERE state = 'unlinked' GROUP BY connection_id)
    SELECT c.name, waiting.kind, sum(waiting.changes)::bigint AS changes,
           CASE WHEN c.paused THEN 'connection_paused' WHEN a.authorization_fault IS NOT NULL THEN 'not_authorized' END AS held_for
      FROM waiting JOIN connection c ON c.id = waiting.connection_id JOIN account a ON a.id = c.account_id
     GROUP BY c.name, waiting.kind, held_for""")


def _waiting(tx: Connection, connections: Sequence[str]) -> Iterator[Reading]:
    pending: dict[tuple[str, str], int] = {}
    held: dict[tuple[str, str], int] = {}
    for name, kind, changes, held_for in tx.execute(_WAITING):
        if held_for is None:
            pending[name, TYPE_OF_KIND[Kind(kind)]] = changes
        else:
            held[name, held_for] = held.get((name, held_for), 0) + changes
    yield from _or_zero("feedline_pending_changes", connections, TYPE_OF_KIND.values(), pending)
    for labels, changes in held.items():
        yield Reading("feedline_held_changes", labels, changes)


# One step down an index for each connection, kind and priority, however many keys wait.
_OLDEST_WAITING: Final = text("""
    SELECT c.name, oldest.kind, extract(epoch FROM now() - min(oldest.since))::float8
      FROM connection c JOIN account a ON a.id = c.account_id
     CROSS JOIN LATERAL (
        SELECT kinds.kind, first.since FROM unnest(CAST(:kinds AS text[])) AS kinds (kind), unnest('{0,1}'::smallint[]) AS urgency (level),
               LATERAL (SELECT pending_since AS since FROM key_state k
                         WHERE k.connection_id = c.id AND k.kind = kinds.kind AND k.priority = urgency.level
                           AND k.state = 'ready' AND k.split_id IS NULL ORDER BY pending_since LIMIT 1) AS first
        UNION ALL
        SELECT 'listings', first.since FROM unnest('{0,1}'::smallint[]) AS urgency (level),
               LATERAL (SELECT pending_since AS since FROM key_state k
                         WHERE k.connection_id = c.id AND k.priority = urgency.level AND k.state = 'unlinked'
                         ORDER BY pending_since LIMIT 1) AS first
        UNION ALL
        SELECT s.kind, k.pending_since FROM split s JOIN key_state k ON k.split_id = s.id
         WHERE s.connection_id = c.id AND k.state = 'ready') AS oldest
     WHERE NOT c.paused AND a.authorization_fault IS NULL
     GROUP BY c.name, oldest.kind""")


def _oldest_waiting(tx: Connection, connections: Sequence[str]) -> Iterator[Reading]:
    rows = tx.execute(_OLDEST_WAITING, {"kinds": list(Kind)})
    oldest = {(name, TYPE_OF_KIND[Kind(kind)]): max(0.0, seconds) for name, kind, seconds in rows}
    yield from _or_zero("feedline_oldest_pending_seconds", connections, TYPE_OF_KIND.values(), oldest)


_HELD: Final = text("""
    SELECT c.name, held.reason, held.changes
      FROM (SELECT connection_id, hold_reason AS reason, count(*) AS changes FROM key_state
             WHERE state = 'held' GROUP BY connection_id, hold_reason) AS held
      JOIN connection c ON c.id = held.connection_id""")


def _held(tx: Connection) -> Iterator[Reading]:
    for name, reason, changes in tx.execute(_HELD):
        yield Reading("feedline_held_changes", (name, reason), changes)


_FEEDS: Final = text("""
    SELECT c.name, f.feed_type, f.state, count(*)
      FROM feed f JOIN connection c ON c.id = f.connection_id
     WHERE f.due_at IS NOT NULL OR f.id >= :since
     GROUP BY c.name, f.feed_type, f.state""")


def _feeds(tx: Connection) -> Iterator[Reading]:
    today = day_of(tx.execute(text("SELECT now()")).scalar_one())
    since = first_of_day(today + 1 - DAYS_OF_FINISHED_FEEDS)
    for name, feed_type, state, feeds in tx.execute(_FEEDS, {"since": since}):
        yield Reading("feedline_feeds", (name, feed_type, state), feeds)


_OLDEST_FEEDS: Final = text("""
    SELECT c.name, f.feed_type, extract(epoch FROM now() - min(f.created_at))::float8
      FROM feed f JOIN connection c ON c.id = f.connection_id
     WHERE f.due_at IS NOT NULL GROUP BY c.name, f.feed_type""")


def _oldest_feeds(tx: Connection, connections: Sequence[str]) -> Iterator[Reading]:
    oldest = {(name, feed_type): max(0.0, seconds) for name, feed_type, seconds in tx.execute(_OLDEST_FEEDS)}
    yield from _or_zero("feedline_oldest_unfinished_feed_seconds", connections, FEED_TYPES.values(), oldest)


_ACCOUNTS: Final = text("""
    SELECT c.name, c.account_id, a.authorization_fault IS NULL FROM connection c JOIN account a ON a.id = c.account_id""")


def _accounts(tx: Connection) -> Iterator[Reading]:
    """Quota belongs to an account; each of its connections shows it."""
    names: dict[int, list[str]] = {}
    for name, account_id, is_authorized in tx.execute(_ACCOUNTS):
        names.setdefault(account_id, []).append(name)
        yield Reading("feedline_authorization_ok", (name,), int(is_authorized))
    for left in quota_left(tx):
        for name in names.get(left.account_id, ()):
            yield Reading("feedline_quota_tokens", (name, left.operation), left.tokens)
            yield Reading("feedline_quota_wait_seconds", (name, left.operation), left.wait_seconds)


# The first window ends where the first gap begins. Nothing covered yet: since the connection was applied.
_ORDERS: Final = text("""
    SELECT c.name, extract(epoch FROM now() - coalesce(
               (SELECT min(w.until) FROM order_window w WHERE w.connection_id = c.id), c.applied_at))::float8
      FROM schedule s JOIN connection c ON c.id = s.connection_id
     WHERE s.kind = 'get-orders' AND s.every IS NOT NULL AND NOT c.paused""")


def _orders(tx: Connection) -> Iterator[Reading]:
    for name, seconds in tx.execute(_ORDERS):
        yield Reading("feedline_orders_covered_seconds", (name,), max(0.0, seconds))


_OUTBOX: Final = text("SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox ORDER BY id LIMIT 1")


def _outbox(tx: Connection) -> Iterator[Reading]:
    yield Reading("feedline_outbox_lag_seconds", (), max(0.0, tx.execute(_OUTBOX).scalar() or 0.0))
