"""key_state: what must still reach Amazon for each key, what is on its way, what Amazon is known to have."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from worker.core.coalescing import ORDINARY, Change, Key, priority, publishes
from worker.core.facets import LISTING, QUANTITY, Value
from worker.core.fulfillments import waits_for_components
from worker.core.kinds import Kind
from worker.core.ordering import History
from worker.core.outcomes import Reason
from worker.database import Transaction
from worker.store import codec


class KeyName(NamedTuple):
    connection_id: int
    kind: str
    key: str


class KeyRow(msgspec.Struct):
    """A locked row: *key* is the part that the core changes."""

    name: KeyName
    key: Key
    state: str
    hold_reason: str | None
    linked: bool
    pending_since: datetime | None
    split_id: int | None


_LOCK: Final = """
    SELECT wanted.number, k.state, k.hold_reason, k.linked, k.pending::text, k.pending_since, k.versions::text, k.confirmed::text,
           k.lead_time_said, k.split_id
      FROM unnest(%s::integer[], %b::text[], %b::text[]) WITH ORDINALITY AS wanted (connection_id, kind, key, number)
      JOIN key_state k USING (connection_id, kind, key)
     ORDER BY k.connection_id, k.kind, k.key FOR UPDATE OF k"""
_OPEN: Final = """
    INSERT INTO key_state (connection_id, kind, key, state, versions)
    SELECT connection_id, kind, key, 'idle', '{}' FROM unnest(%s::integer[], %b::text[], %b::text[]) AS wanted (connection_id, kind, key)
     ORDER BY connection_id, kind, key
    ON CONFLICT DO NOTHING"""


def lock(tx: Transaction, names: Iterable[KeyName]) -> dict[KeyName, KeyRow]:
    """Lock the rows of *names* in the order of their keys, and return them; a key without a row gets one.

    Nobody waits in a circle: every transaction locks what exists, in order, before it makes what does not, in order. Where
    another made a row first, all locks are let go and taken anew, for its row would be locked out of order.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    tx.exec_driver_sql("SAVEPOINT locking")
    while True:
        rows = dict(_row(wanted, found) for found in tx.exec_driver_sql(_LOCK, _columns(wanted)))
        missing = [name for name in wanted if name not in rows]
        if not missing or tx.exec_driver_sql(_OPEN, _columns(missing)).rowcount == len(missing):
            return rows | {name: _new(name) for name in missing}
        tx.exec_driver_sql("ROLLBACK TO SAVEPOINT locking")


def _columns(names: Sequence[KeyName]) -> tuple[list[object], ...]:
    return tuple(list(column) for column in zip(*names, strict=True))


def _new(name: KeyName) -> KeyRow:
    return KeyRow(name, Key(None, {}, {}), "idle", None, linked=False, pending_since=None, split_id=None)


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


class _Written(msgspec.Struct):
    """A row as it is written back; its fields are the columns."""

    connection_id: int
    kind: str
    key: str
    state: str
    hold_reason: str | None
    priority: int
    pending: Change | None
    pending_since: datetime | None
    versions: dict[str, History]
    confirmed: dict[str, Value]
    lead_time_said: int | None
    split_id: int | None


# All rows go as one JSON text: to make an array of each column costs three times the time in Python.
_UPDATE: Final = """
    UPDATE key_state k
       SET state = new.state, hold_reason = new.hold_reason, priority = new.priority, pending = new.pending,
           pending_since = new.pending_since, versions = new.versions, confirmed = new.confirmed,
           lead_time_said = new.lead_time_said, split_id = new.split_id
      FROM json_to_recordset(%s::json) AS new (
           connection_id integer, kind text, key text, state text, hold_reason text, priority smallint, pending json,
           pending_since timestamptz, versions json, confirmed jsonb, lead_time_said smallint, split_id bigint)
     WHERE k.connection_id = new.connection_id AND k.kind = new.kind AND k.key = new.key"""


def save(tx: Transaction, rows: Iterable[KeyRow], now: datetime) -> None:
    """Write back rows that `lock` returned. A row leaves its feed by `flights.land`, not by this."""
    written = [_written(row, now) for row in rows]
    if written:
        tx.exec_driver_sql(_UPDATE, (codec.text(written),))


def _written(row: KeyRow, now: datetime) -> _Written:
    key, pending = row.key, row.key.pending
    state, hold_reason = _state(row)
    return _Written(
        *row.name,
        state,
        hold_reason,
        ORDINARY if pending is None else priority(pending),
        pending,
        None if pending is None else row.pending_since or now,
        key.versions,
        key.confirmed,
        key.lead_time_said,
        None if pending is None else row.split_id,
    )
