"""What waits, what is under way, what is wrong: one look at the whole state, for `feedline status`.

Counting a backlog of a million keys takes a second or two; the statements go through the partial indexes of key_state.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from worker.core.facets import BUNDLE
from worker.core.fulfillments import missing
from worker.core.ids import day_of, first_of_day
from worker.core.kinds import FEED_TYPES, Kind
from worker.core.quota import operations_of_feed
from worker.core.trace import hold_reason
from worker.database import Transaction
from worker.store import codec
from worker.store.quota import quota_left

OUTCOMES_OF: Final = "24 hours"

MOST_HELD_BUNDLES: Final = 20
"""Partial bundles of a connection that are listed: those that have waited longest."""

_CONNECTIONS: Final = """
    SELECT c.id, c.name, c.marketplace_id, c.paused, c.revision, c.account_id, a.selling_partner_id, a.authorization_fault,
           a.login_failures, a.login_not_before
      FROM connection c JOIN account a ON a.id = c.account_id
     WHERE %(connection)s::text IS NULL OR c.name = %(connection)s ORDER BY c.name"""


def read(tx: Transaction, connection: str | None = None) -> dict[str, Any]:
    """Return the state of the fleet as plain JSON values, or of one connection with what is the fleet's own beside it.

    A connection that there is not gives an empty list of them.
    """
    now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
    rows = tx.exec_driver_sql(_CONNECTIONS, {"connection": connection}).all()
    ids = [row[0] for row in rows]
    waiting, feeds, outcomes = _waiting(tx, ids), _feeds(tx, ids, now), _outcomes(tx, ids)
    quota, bundles = _quota(tx), _held_bundles(tx, ids)
    return {
        "at": now,
        "connections": [
            {
                "connection": name,
                "marketplace_id": marketplace_id,
                "selling_partner_id": selling_partner_id,
                "revision": revision,
                "paused": paused,
                "authorized": fault is None,
                "authorization_fault": fault,
                "login": {"failures": failures, "not_before": not_before},
                **_changes(waiting.get(id_, []), paused=paused, authorized=fault is None),
                **bundles.get(id_, _no_bundles()),
                **feeds.get(id_, _no_feeds()),
                "quota": quota.get(account_id, []),
                "outcomes": outcomes.get(id_, {}),
            }
            for id_, name, marketplace_id, paused, revision, account_id, selling_partner_id, fault, failures, not_before in rows
        ],
        "outbox": _outbox(tx),
        "rejected_open": tx.exec_driver_sql("SELECT count(*) FROM rejected WHERE state = 'open'").scalar_one(),
    }


# One branch for each partial index.
_WAITING: Final = """
    SELECT connection_id, state, NULL AS reason, count(*), extract(epoch FROM now() - min(pending_since))::float8
      FROM key_state WHERE state = 'ready' AND split_id IS NULL AND connection_id = ANY(%(ids)s::integer[]) GROUP BY 1, 2
    UNION ALL
    SELECT connection_id, 'undecided', NULL, count(*), extract(epoch FROM now() - min(pending_since))::float8
      FROM key_state WHERE state = 'ready' AND split_id IS NOT NULL AND connection_id = ANY(%(ids)s::integer[]) GROUP BY 1
    UNION ALL
    SELECT connection_id, state, NULL, count(*), extract(epoch FROM now() - min(pending_since))::float8
      FROM key_state WHERE state = 'unlinked' AND connection_id = ANY(%(ids)s::integer[]) GROUP BY 1, 2
    UNION ALL
    SELECT connection_id, state, hold_reason, count(*), extract(epoch FROM now() - min(pending_since))::float8
      FROM key_state WHERE state = 'held' AND connection_id = ANY(%(ids)s::integer[]) GROUP BY 1, 2, 3"""


def _waiting(tx: Transaction, ids: Sequence[int]) -> dict[int, list[tuple[str, str | None, int, float]]]:
    found: dict[int, list[tuple[str, str | None, int, float]]] = {}
    for connection_id, state, reason, changes, oldest in tx.exec_driver_sql(_WAITING, {"ids": list(ids)}):
        found.setdefault(connection_id, []).append((state, reason, changes, max(0.0, oldest)))
    return found


def _changes(waiting: Sequence[tuple[str, str | None, int, float]], *, paused: bool, authorized: bool) -> dict[str, Any]:
    """Return what waits of one connection: pending, or held by reason. What its connection keeps back is held, too."""
    pending: dict[str, Any] = {"changes": 0, "unlinked": 0, "undecided": 0, "oldest_seconds": None}
    held: dict[str, dict[str, Any]] = {}
    for state, own_reason, changes, oldest in waiting:
        reason = hold_reason(own_reason, paused=paused, authorized=authorized)
        if reason is not None:
            group = held.setdefault(reason, {"changes": 0, "oldest_seconds": None})
        else:
            group = pending
            if state in {"unlinked", "undecided"}:
                pending[state] += changes
        group["changes"] += changes
        group["oldest_seconds"] = max(oldest, group["oldest_seconds"] or 0.0)
    return {"pending": pending, "held": held}


# Held or not: a bundle waits also while other lines of its order are about to go, or in a feed. The text tells cheaply that there is one.
_WITH_BUNDLES: Final = """
    SELECT connection_id, key, pending::text, confirmed::text, pending_since, extract(epoch FROM now() - pending_since)::float8
      FROM key_state
     WHERE connection_id = ANY(%(ids)s::integer[]) AND kind = %(kind)s AND pending IS NOT NULL AND pending::text LIKE %(bundle)s
     ORDER BY connection_id, pending_since, key"""


def _held_bundles(tx: Transaction, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the bundles that wait for components, the longest waiting first, with the pieces that are missing by SKU."""
    found: dict[int, dict[str, Any]] = {}
    rows = tx.exec_driver_sql(_WITH_BUNDLES, {"ids": list(ids), "kind": Kind.SHIPMENTS, "bundle": f'%"{BUNDLE} %'})
    for connection_id, order_id, pending, confirmed, since, age in rows:
        waiting = {facet: said.value for facet, said in codec.change(pending).facets.items()}
        of = found.setdefault(connection_id, _no_bundles())
        for item_id, progress in missing(waiting, codec.confirmed(confirmed)).items():
            if progress.is_complete:
                continue
            if len(of["held_bundles"]) == MOST_HELD_BUNDLES:
                of["more_held_bundles"] += 1
                continue
            of["held_bundles"].append(
                {
                    "amazon_order_id": order_id,
                    "amazon_order_item_id": item_id,
                    "missing": dict(progress.missing),
                    "since": since,
                    "age_seconds": max(0.0, age),
                }
            )
    return found


def _no_bundles() -> dict[str, Any]:
    return {"held_bundles": [], "more_held_bundles": 0}


_FEEDS: Final = """
    SELECT connection_id, state, due_at IS NOT NULL AS unfinished, count(*), sum(messages)::bigint,
           extract(epoch FROM now() - min(created_at))::float8
      FROM feed WHERE connection_id = ANY(%(ids)s::integer[]) AND (due_at IS NOT NULL OR id >= %(since)s) GROUP BY 1, 2, 3"""


def _feeds(tx: Transaction, ids: Sequence[int], now: datetime) -> dict[int, dict[str, Any]]:
    """Return feeds by state: those that have not ended, and those of today and yesterday (UTC) that have."""
    found: dict[int, dict[str, Any]] = {}
    rows = tx.exec_driver_sql(_FEEDS, {"ids": list(ids), "since": first_of_day(day_of(now) - 1)})
    for connection_id, state, unfinished, feeds, messages, oldest in rows:
        of = found.setdefault(connection_id, _no_feeds())
        of["feeds"][state] = of["feeds"].get(state, 0) + feeds
        if unfinished:
            of["in_feed"]["changes"] += messages
            of["in_feed"]["oldest_feed_seconds"] = max(oldest, of["in_feed"]["oldest_feed_seconds"] or 0.0)
    return found


def _no_feeds() -> dict[str, Any]:
    return {"in_feed": {"changes": 0, "oldest_feed_seconds": None}, "feeds": {}}


def _outcomes(tx: Transaction, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    rows = tx.exec_driver_sql(
        f"SELECT connection_id, outcome, count(*) FROM outcome WHERE connection_id = ANY(%s::integer[]) "
        f"AND decided_at >= now() - interval '{OUTCOMES_OF}' GROUP BY connection_id, outcome ORDER BY 3 DESC",
        (list(ids),),
    )
    for connection_id, outcome, messages in rows:
        found.setdefault(connection_id, {})[outcome] = messages
    return found


def _quota(tx: Transaction) -> dict[int, list[dict[str, Any]]]:
    """Return what each account has left of every operation that it has used, those that feeds need first."""
    first = [operation for feed_type in FEED_TYPES.values() for operation in operations_of_feed(feed_type)]
    found: dict[int, list[dict[str, Any]]] = {}
    for left in sorted(quota_left(tx), key=lambda left: (left.operation not in first, left.operation)):
        shown = {"operation": left.operation, "tokens": round(left.tokens, 3), "next_call_seconds": round(left.wait_seconds, 3)}
        found.setdefault(left.account_id, []).append(shown)
    return found


def _outbox(tx: Transaction) -> dict[str, Any]:
    entries, lag = tx.exec_driver_sql("SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 FROM outbox").one()
    return {"entries": entries, "lag_seconds": 0.0 if lag is None else max(0.0, lag)}
