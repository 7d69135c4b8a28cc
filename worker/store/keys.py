"""key_state: what must still reach Amazon for each key, what is on its way, what Amazon is known to have."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import msgspec

from worker.core.coalescing import ORDINARY, Change, Key, priority, publishes
from worker.core.facets import LISTING, QUANTITY
from worker.core.fulfillments import waits_for_components
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.database import Transaction
from worker.store import codec
from worker.store.copying import JSON_LINES, LINES, NUMBERS, array_of_numbers, lines

Done = TypeVar("Done")


class KeyName(NamedTuple):
    connection_id: int
    kind: str
    key: str


class KeyRow(msgspec.Struct, gc=False):
    """A locked row: *key* is the part that the core changes. `is_new`: there is none yet, `save` makes it."""

    name: KeyName
    key: Key
    state: str
    hold_reason: str | None
    linked: bool
    pending_since: datetime | None
    split_id: int | None
    is_new: bool = False


class Taken(Exception):
    """Another transaction has made a row that this one was about to make."""


_TURNS: Final[Mapping[str, int]] = {Kind.LISTINGS: 1_801_811_301, Kind.SHIPMENTS: 1_801_811_302}
"""The first halves of the advisory locks of `change`; any numbers will do, as long as nobody else uses them."""

_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(turn, connection_id) FROM unnest(%s::int[], %s::int[]) AS turns (turn, connection_id)"

_LOCK: Final = f"""
    SELECT wanted.number, k.state, k.hold_reason, k.linked, k.pending::text, k.pending_since, k.versions::text, k.confirmed::text,
           k.lead_time_said, k.split_id
      FROM unnest({NUMBERS}, {LINES}, {LINES}) WITH ORDINALITY AS wanted (connection_id, kind, key, number)
      JOIN key_state k USING (connection_id, kind, key)
     ORDER BY k.connection_id, k.kind, k.key FOR UPDATE OF k"""


def change(tx: Transaction, names: Iterable[KeyName], work: Callable[[Mapping[KeyName, KeyRow]], Done]) -> Done:
    """Lock the rows of *names*, let *work* change them, write them back, and return what *work* does.

    For a connection and kind the transactions of the fleet that do so take turns, from here to their commit: nearly every batch has a
    key in common with the next, and those that meet at a key of which there is no row yet cannot wait for it, but only begin anew.

    Raises: Taken, where a transaction of another kind has made one of the rows meanwhile.
    """
    wanted = set(names)
    turns = sorted({(_TURNS[name.kind], name.connection_id) for name in wanted})
    tx.exec_driver_sql(_TAKE_TURNS, tuple(map(array_of_numbers, zip(*turns, strict=True))))
    rows = lock(tx, wanted)
    done = work(rows)
    save(tx, rows.values())
    return done


def lock(tx: Transaction, names: Iterable[KeyName]) -> dict[KeyName, KeyRow]:
    """Lock the rows of *names* in the order of their keys, and return them; a key without a row gets one from `save`.

    Nobody waits in a circle: every transaction locks what exists, in order, before it makes what does not, in order.
    """
    wanted = list(set(names))
    if not wanted:
        return {}
    rows = dict(_row(wanted, found) for found in tx.exec_driver_sql(_LOCK, _columns(wanted)).all())
    return rows | {name: _new(name) for name in wanted if name not in rows}


def _columns(names: Sequence[KeyName]) -> tuple[object, str, str]:
    connection_ids, kinds, keys = zip(*names, strict=True)
    return array_of_numbers(connection_ids), lines(kinds), lines(keys)


def _new(name: KeyName) -> KeyRow:
    return KeyRow(name, Key(None, {}, {}), "idle", None, linked=False, pending_since=None, split_id=None, is_new=True)


def _row(wanted: Sequence[KeyName], row: Sequence[object]) -> tuple[KeyName, KeyRow]:
    number, state, hold_reason, linked, pending, pending_since, versions, confirmed, lead_time_said, split_id = row
    name = wanted[number - 1]  # type: ignore[operator]
    key = Key(
        None if pending is None else codec.change(pending),  # type: ignore[arg-type]
        codec.versions(versions),  # type: ignore[arg-type]
        {} if confirmed == "{}" else codec.confirmed(confirmed),  # type: ignore[arg-type]
        lead_time_said,  # type: ignore[arg-type]
    )
    return name, KeyRow(name, key, state, hold_reason, linked, pending_since, split_id)  # type: ignore[arg-type]


def _state(row: KeyRow) -> tuple[str, str | None]:
    """Return the state and hold reason that follow from what is pending."""
    pending = row.key.pending
    if row.state == "in_feed":
        return "in_feed", None
    if pending is None:
        return "idle", None
    if row.name.kind == Kind.SHIPMENTS:
        return _state_of_order(row, pending)
    if row.state == "held" and not (row.hold_reason == Reason.QUANTITY_UNKNOWN and pending.facets.keys() & {QUANTITY, LISTING}):
        return "held", row.hold_reason
    # A SKU that Amazon was asked about, and does not know, is ready as long as it shall be published.
    goes_on = row.linked or row.name.kind != Kind.LISTINGS or (row.state == "ready" and publishes(pending))
    return ("ready" if goes_on else "unlinked"), None


def _state_of_order(row: KeyRow, pending: Change) -> tuple[str, str | None]:
    """Return the state of an order: whatever its shipments waited for, another message may have brought it."""
    if row.state == "held" and row.hold_reason == Reason.FEEDS_FAILING:
        return "held", row.hold_reason
    return ("held", Reason.BUNDLE_PARTIAL) if waits_for_components(pending, row.key.confirmed) else ("ready", None)


_COLUMNS: Final = (
    "connection_id, kind, key, state, hold_reason, priority, pending, pending_since, versions, confirmed, lead_time_said, split_id"
)
_NEW: Final = f"""
    SELECT connection_id, kind, key, state, hold_reason, priority::smallint, pending::json,
           CASE WHEN pending IS NOT NULL THEN coalesce(pending_since::timestamptz, now()) END AS pending_since,
           versions::json, confirmed::jsonb, lead_time_said::smallint, split_id::bigint
      FROM unnest({NUMBERS}, {LINES}, {LINES}, {LINES}, {LINES}, {LINES}, {JSON_LINES}, {LINES}, {JSON_LINES}, {JSON_LINES},
                  {LINES}, {LINES}) AS wanted ({_COLUMNS})"""
_INSERT: Final = f"INSERT INTO key_state ({_COLUMNS}) {_NEW} ORDER BY connection_id, kind, key ON CONFLICT DO NOTHING"
_UPDATE: Final = f"""
    UPDATE key_state k
       SET state = new.state, hold_reason = new.hold_reason, priority = new.priority, pending = new.pending,
           pending_since = new.pending_since, versions = new.versions, confirmed = new.confirmed,
           lead_time_said = new.lead_time_said, split_id = new.split_id
      FROM ({_NEW}) AS new
     WHERE k.connection_id = new.connection_id AND k.kind = new.kind AND k.key = new.key"""


def save(tx: Transaction, rows: Iterable[KeyRow]) -> None:
    """Write back rows that `lock` returned. A row leaves its feed by `flights.land`, not by this.

    What is pending for the first time is so from now on by Postgres' clock, as all waits are: a worker's may be an hour ahead.

    Raises: Taken, when another transaction has made one of the rows since `lock`; all that was done since is then to be rolled back.
    """
    made: list[KeyRow] = []
    kept: list[KeyRow] = []
    for row in rows:
        (made if row.is_new else kept).append(row)
    if made and tx.exec_driver_sql(_INSERT, _written(made)).rowcount < len(made):
        raise Taken
    if kept:
        tx.exec_driver_sql(_UPDATE, _written(kept))


def _written(rows: Sequence[KeyRow]) -> tuple[object, ...]:
    """Return the columns of *rows*."""
    pending = [row.key.pending for row in rows]
    states, hold_reasons = zip(*map(_state, rows), strict=True)
    return (
        *_columns([row.name for row in rows]),
        lines(states),
        lines(hold_reasons),
        lines(map(_priority, pending)),
        codec.lines(pending),
        lines(row.pending_since for row in rows),
        codec.lines([row.key.versions for row in rows]),
        codec.lines([row.key.confirmed for row in rows]),
        lines(row.key.lead_time_said for row in rows),
        lines(None if row.key.pending is None else row.split_id for row in rows),
    )


def _priority(pending: Change | None) -> int:
    return ORDINARY if pending is None else priority(pending)
