"""Keys on their way: claimed for a feed, marked as in it, and landed when Amazon has decided."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from worker.core.coalescing import ORDINARY, URGENT, Change, Flight, Key, priority, publishes
from worker.core.facets import Value
from worker.core.feed_document import Listing
from worker.core.fulfillments import Order, waits_for_components
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.database import Transaction
from worker.store import codec, keys, shipments
from worker.store.copying import JSON_LINES, LINES, NUMBERS, array_of_numbers, lines

FALLBACK_PRODUCT_TYPE: Final = "PRODUCT"
"""Amazon's generic type (R68)."""


def listing_of(sku: str, product_type: str | None, source: str | None, channels: Sequence[str] | None) -> Listing:
    """Return what is stored of a SKU as rendering takes it; None where nothing is. *source*: who said the product type."""
    return Listing(sku, product_type or FALLBACK_PRODUCT_TYPE, tuple(channels or ()), type_is_set=source == "manual")


class Claimed(msgspec.Struct, gc=False):
    """A locked row that may go into the next feed. `key.versions` is not read, for a cut does not need it. `ctid`: where it stands."""

    name: str
    ctid: str
    key: Key
    about: Listing | Order


def claim(tx: Transaction, connection_id: int, kind: str, *, group: int | None, at_most: int) -> Iterator[list[Claimed]]:
    """Lock the most urgent changes of a lane, out-of-stock first, then the oldest, or those of a *group*; *at_most* so many in all.

    They come in pages, each twice as large as the one before, so that no more is locked and read than twice what a feed can hold.
    Rows that a staging transaction holds at this moment are passed over: the next feed takes them.
    """
    which = "k.split_id IS NULL" if group is None else "k.split_id = %(group)s"
    given: dict[str, object] = {"connection": connection_id, "kind": kind, "group": group}
    page, left = FIRST_PAGE, at_most
    for level in (URGENT, ORDINARY):
        after = ""
        while left > 0:
            most = min(page, left)
            rows = tx.exec_driver_sql(_CLAIM.format(which=which, after=after), {**given, "priority": level, "most": most}).all()
            if rows:
                yield _claimed(tx, connection_id, kind, rows)
            left -= len(rows)
            if len(rows) < most:
                break
            after, page = _AFTER, page * 2
            given |= {"last_key": rows[-1][0], "last_since": rows[-1][-1]}


FIRST_PAGE: Final = 2000

# One priority at a time: of (priority, pending_since, key) > (1, ...) Postgres expects hardly a row, for it goes by the priority alone,
# and so it read and sorted a million for each page. The listing LIMIT 1: a join would read all listings.
_CLAIM: Final = """
    SELECT k.key, k.ctid::text, k.pending::text, k.confirmed::text, k.lead_time_said,
           l.product_type, l.channels, l.product_type_source, k.pending_since
      FROM (SELECT k.*, k.ctid FROM key_state k
             WHERE k.connection_id = %(connection)s AND k.kind = %(kind)s AND k.state = 'ready' AND {which}
               AND k.priority = %(priority)s {after}
             ORDER BY k.pending_since, k.key LIMIT %(most)s FOR UPDATE SKIP LOCKED) AS k
      LEFT JOIN LATERAL (SELECT * FROM listing l WHERE l.connection_id = k.connection_id AND l.sku = k.key LIMIT 1) AS l
        ON k.kind = 'listings'
     ORDER BY k.pending_since, k.key"""
_AFTER: Final = "AND (k.pending_since, k.key) > (%(last_since)s, %(last_key)s)"


def _claimed(tx: Transaction, connection_id: int, kind: str, rows: Sequence[Sequence[Any]]) -> list[Claimed]:
    if kind == Kind.SHIPMENTS:
        orders = shipments.orders(tx, connection_id, [row[0] for row in rows])
        return [Claimed(row[0], row[1], Key(codec.change(row[2]), {}, codec.confirmed(row[3])), orders[row[0]]) for row in rows]
    return [
        Claimed(
            key,
            ctid,
            Key(codec.change(pending), {}, {} if confirmed == "{}" else codec.confirmed(confirmed), lead_time_said),
            listing_of(key, product_type, source, channels),
        )
        for key, ctid, pending, confirmed, lead_time_said, product_type, channels, source, _ in rows
    ]


class TakeOff(NamedTuple):
    """A claimed key that goes into a feed, as so many feed messages in a row from `message_id`.

    `confirmed`: what stays known of it. `pending`: what of its change does not go along.
    """

    ctid: str
    message_id: int
    messages: int
    confirmed: dict[str, Value]
    pending: Change | None


_TAKE_OFF: Final = f"""
    UPDATE key_state k
       SET state = 'in_feed', feed_id = %s, feed_message_id = new.message_id, feed_messages = new.messages, pending = new.pending::json,
           pending_since = CASE WHEN new.pending IS NOT NULL THEN k.pending_since END,
           split_id = CASE WHEN new.pending IS NOT NULL THEN k.split_id END, confirmed = new.confirmed::json
      FROM (SELECT place::tid, message_id, messages, confirmed, pending
              FROM unnest({LINES}, {NUMBERS}, {NUMBERS}, {JSON_LINES}, {JSON_LINES})
                   AS claimed (place, message_id, messages, confirmed, pending)) AS new
     WHERE k.ctid = new.place"""


def take_off(tx: Transaction, feed_id: FeedId, rows: Sequence[TakeOff]) -> None:
    """Mark keys as in a feed. From here until they land nothing else of theirs can be sent: they have one feed_id."""
    columns = (
        lines([row.ctid for row in rows]),
        array_of_numbers([row.message_id for row in rows]),
        array_of_numbers([row.messages for row in rows]),
        codec.lines([row.confirmed for row in rows]),
        codec.lines([row.pending for row in rows]),
    )
    keys.write_locked(tx, _TAKE_OFF, (feed_id, *columns), len(rows))


class Stay(NamedTuple):
    """A claimed key that does not go. `pending`: what is left of its change. `held`: the reason to hold it, if there is one."""

    ctid: str
    confirmed: dict[str, Value]
    pending: Change | None
    held: str | None


_STAY: Final = f"""
    UPDATE key_state k
       SET pending = new.pending::json, hold_reason = new.reason, confirmed = new.confirmed::json,
           pending_since = CASE WHEN new.pending IS NOT NULL THEN k.pending_since END,
           split_id = CASE WHEN new.pending IS NOT NULL AND new.reason IS NULL THEN k.split_id END,
           state = CASE WHEN new.pending IS NULL THEN 'idle' WHEN new.reason IS NULL THEN 'ready' ELSE 'held' END
      FROM (SELECT place::tid, confirmed, pending, reason
              FROM unnest({LINES}, {JSON_LINES}, {JSON_LINES}, {LINES}) AS claimed (place, confirmed, pending, reason)) AS new
     WHERE k.ctid = new.place"""


def stay(tx: Transaction, rows: Sequence[Stay]) -> None:
    """Write back claimed keys that do not go."""
    if rows:
        places, confirmed, pending, reasons = zip(*rows, strict=True)
        keys.write_locked(tx, _STAY, (lines(places), codec.lines(confirmed), codec.lines(pending), lines(reasons)), len(rows))


class Landing(msgspec.Struct, gc=False):
    """A locked key of a feed, as the report finds it, with its feed messages by their number. `ctid`: where it stands."""

    name: str
    ctid: str
    key: Key
    linked: bool
    pending_since: datetime | None
    split_id: int | None
    flights: dict[int, Flight]
    hold_reason: str | None = None


# The keys as an array, for Postgres would join 25,000 of them to all keys that there are: see `copying.LINES`.
_LANDING: Final = """
    WITH landed AS MATERIALIZED (
        SELECT *, ctid AS place FROM key_state WHERE connection_id = %(connection)s AND kind = %(kind)s AND feed_id = %(feed)s
           AND key = ANY(ARRAY(SELECT key FROM feed_message WHERE feed_id = %(feed)s)) ORDER BY key FOR UPDATE)
    SELECT m.message_id, k.key, k.place::text, m.flight::text, k.pending::text, k.confirmed::text, k.linked, k.pending_since, k.split_id
      FROM landed k JOIN feed_message m ON m.feed_id = %(feed)s AND m.key = k.key ORDER BY k.key, m.message_id"""


def landing(tx: Transaction, connection_id: int, kind: str, feed_id: FeedId) -> list[Landing]:
    """Lock the keys of a feed in the order of their names, and return them with their feed messages."""
    rows = tx.exec_driver_sql(_LANDING, {"feed": feed_id, "connection": connection_id, "kind": kind})
    landings: list[Landing] = []
    for message_id, name, place, flight, pending, confirmed, linked, pending_since, split_id in rows:
        if landings and landings[-1].name == name:
            landings[-1].flights[message_id] = codec.flight(flight)
            continue
        change = None if pending is None else codec.change(pending)
        key = Key(change, {}, {} if confirmed == "{}" else codec.confirmed(confirmed))
        landings.append(Landing(name, place, key, linked, pending_since, split_id, {message_id: codec.flight(flight)}))
    return landings


def read_versions(tx: Transaction, connection_id: int, kind: str, landings: Iterable[Landing]) -> None:
    """Read `key.versions` of *landings*, which `landing` leaves out: only what comes back undecided is held against them."""
    keys = {landed.name: landed.key for landed in landings}
    rows = tx.exec_driver_sql(
        "SELECT key, versions::text FROM key_state WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[])",
        (connection_id, kind, list(keys)),
    )
    for name, versions in rows:
        keys[name].versions = codec.versions(versions)


_LAND: Final = f"""
    UPDATE key_state k
       SET state = new.state, hold_reason = new.hold_reason, linked = new.linked::boolean, priority = new.priority,
           pending = new.pending::json, pending_since = new.pending_since::timestamptz, confirmed = new.confirmed::json,
           split_id = new.split_id::bigint, feed_id = NULL, feed_message_id = NULL, feed_messages = NULL
      FROM (SELECT *, place::tid AS ctid
              FROM unnest({LINES}, {LINES}, {LINES}, {LINES}, {NUMBERS}, {JSON_LINES}, {LINES}, {JSON_LINES}, {LINES})
                   AS landed (place, state, hold_reason, linked, priority, pending, pending_since, confirmed, split_id)) AS new
     WHERE k.ctid = new.ctid"""


def land(tx: Transaction, kind: str, landings: Sequence[Landing], now: datetime) -> None:
    """Write back the keys of a feed that Amazon has ended: they are in no feed any more."""
    pending = [landed.key.pending for landed in landings]
    states, hold_reasons = zip(*(_state(landed, kind) for landed in landings), strict=True)
    columns = (
        lines([landed.ctid for landed in landings]),
        lines(states),
        lines(hold_reasons),
        lines([landed.linked for landed in landings]),
        array_of_numbers([ORDINARY if change is None else priority(change) for change in pending]),
        codec.lines(pending),
        lines([None if landed.key.pending is None else landed.pending_since or now for landed in landings]),
        codec.lines([landed.key.confirmed for landed in landings]),
        lines([None if landed.key.pending is None else landed.split_id for landed in landings]),
    )
    keys.write_locked(tx, _LAND, columns, len(landings))


def _state(landed: Landing, kind: str) -> tuple[str, str | None]:
    """Return the state and hold reason that follow from what is pending."""
    if landed.key.pending is None:
        return "idle", None
    if landed.hold_reason is not None:
        return "held", landed.hold_reason
    if kind == Kind.SHIPMENTS and waits_for_components(landed.key.pending, landed.key.confirmed):
        return "held", Reason.BUNDLE_PARTIAL
    return ("ready" if landed.linked or kind != Kind.LISTINGS or publishes(landed.key.pending) else "unlinked"), None


def hold_groups(tx: Transaction, connection_id: int, kind: str, reason: str) -> None:
    """Hold every change of the lane that waits in a group, and forget the groups, also where a part of a key is in a feed.

    Call it when what the feed at hand carried has landed: it moves rows.
    """
    tx.exec_driver_sql(
        "UPDATE key_state SET state = CASE state WHEN 'ready' THEN 'held' ELSE state END, "
        "hold_reason = CASE state WHEN 'ready' THEN %s ELSE hold_reason END, split_id = NULL WHERE (connection_id, kind, key) IN ("
        "SELECT connection_id, kind, key FROM key_state WHERE split_id IN "
        "(SELECT id FROM split WHERE connection_id = %s AND kind = %s) ORDER BY key FOR UPDATE)",
        (reason, connection_id, kind),
    )
    tx.exec_driver_sql("DELETE FROM split WHERE connection_id = %s AND kind = %s", (connection_id, kind))


def release_failing(tx: Transaction, connection_id: int) -> int:
    """Let changes that were held because feed after feed had failed go again. Return how many."""
    tx.exec_driver_sql("UPDATE lane SET failing_feeds = 0, failing_size = 0 WHERE connection_id = %s", (connection_id,))
    return tx.exec_driver_sql(
        "UPDATE key_state SET state = CASE WHEN linked OR kind <> %s THEN 'ready' ELSE 'unlinked' END, hold_reason = NULL "
        "WHERE (connection_id, kind, key) IN (SELECT connection_id, kind, key FROM key_state "
        "WHERE connection_id = %s AND state = 'held' AND hold_reason = %s ORDER BY key, kind FOR UPDATE)",
        (Kind.LISTINGS, connection_id, Reason.FEEDS_FAILING),
    ).rowcount
