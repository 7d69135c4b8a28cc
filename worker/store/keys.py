"""key_state: what must still reach Amazon for each key, what is on its way, what Amazon is known to have."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar

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
    """A locked row: *key* is what the core changes of it; what is confirmed of it only feeds do.

    `ctid`: where Postgres has it, and will have it until somebody writes it, which only who has locked it can; None: there is none yet.
    """

    name: KeyName
    key: Key
    state: str
    hold_reason: str | None
    linked: bool
    ctid: str | None = None


class Taken(Exception):
    """Another transaction has made a row that this one was about to make."""


_TURNS: Final[Mapping[str, int]] = {Kind.LISTINGS: 1_801_811_301, Kind.SHIPMENTS: 1_801_811_302}
"""The first halves of the advisory locks of `change`; any numbers will do, as long as nobody else uses them."""

_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(turn, connection_id) FROM unnest(%s::int[], %s::int[]) AS turns (turn, connection_id)"

# By the key first: it tells nearly every two rows apart, so that Postgres sorts them in a third of the time.
_LOCK: Final = f"""
    SELECT wanted.number, k.ctid::text, k.state, k.hold_reason, k.linked,
           k.pending::text, k.versions::text, k.confirmed::text, k.lead_time_said
      FROM unnest({NUMBERS}, {LINES}, {LINES}) WITH ORDINALITY AS wanted (connection_id, kind, key, number)
      JOIN key_state k USING (connection_id, kind, key)
     ORDER BY k.key, k.connection_id, k.kind FOR UPDATE OF k"""


def change(tx: Transaction, names: Iterable[KeyName], work: Callable[[KeyRow], Iterable[Done]]) -> list[Done]:
    """Lock the rows of *names*, let *work* change each, write them back, and return what *work* returned of all.

    For a connection and kind the transactions of the fleet that do so take turns, from here to their commit: nearly every batch has a
    key in common with the next, and those that meet at a key of which there is no row yet cannot wait for it, but only begin anew.
    A row is read, changed and spelt before the next is read, while the processor has it in its cache.

    Raises: Taken, where a transaction of another kind has made one of the rows meanwhile.
    """
    wanted = set(names)
    turns = sorted({(_TURNS[name.kind], name.connection_id) for name in wanted})
    tx.exec_driver_sql(_TAKE_TURNS, tuple(map(array_of_numbers, zip(*turns, strict=True))))
    done: list[Done] = []

    def changed() -> Iterator[KeyRow]:
        for row in _locked(tx, wanted):
            done.extend(work(row))
            yield row

    save(tx, changed())
    return done


def lock(tx: Transaction, names: Iterable[KeyName]) -> dict[KeyName, KeyRow]:
    """Lock the rows of *names* in the order of their keys, and return them; a key without a row gets one from `save`.

    Nobody waits in a circle: every transaction locks what exists, in order, before it makes what does not, in order.
    """
    return {row.name: row for row in _locked(tx, set(names))}


def _locked(tx: Transaction, names: set[KeyName]) -> Iterator[KeyRow]:
    wanted, missing = list(names), set(names)
    if wanted:
        for found in tx.exec_driver_sql(_LOCK, _columns(wanted)).all():
            row = _row(wanted, found)
            missing.remove(row.name)
            yield row
    yield from map(_new, missing)


def _columns(names: Sequence[KeyName]) -> tuple[object, str, str]:
    connection_ids, kinds, keys = zip(*names, strict=True)
    return array_of_numbers(connection_ids), lines(kinds), lines(keys)


def _new(name: KeyName) -> KeyRow:
    return KeyRow(name, Key(None, {}, {}), "idle", None, linked=False)


def _row(wanted: Sequence[KeyName], row: Sequence[object]) -> KeyRow:
    number, ctid, state, hold_reason, linked, pending, versions, confirmed, lead_time_said = row
    name = wanted[number - 1]  # type: ignore[operator]
    key = Key(
        None if pending is None else codec.change(pending),  # type: ignore[arg-type]
        codec.versions(versions),  # type: ignore[arg-type]
        {} if confirmed == "{}" else codec.confirmed(confirmed),  # type: ignore[arg-type]
        lead_time_said,  # type: ignore[arg-type]
    )
    return KeyRow(name, key, state, hold_reason, linked, ctid)  # type: ignore[arg-type]


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
    goes_on = row.linked or (row.state == "ready" and publishes(pending))
    return ("ready" if goes_on else "unlinked"), None


def _state_of_order(row: KeyRow, pending: Change) -> tuple[str, str | None]:
    """Return the state of an order: whatever its shipments waited for, another message may have brought it."""
    if row.state == "held" and row.hold_reason == Reason.FEEDS_FAILING:
        return "held", row.hold_reason
    return ("held", Reason.BUNDLE_PARTIAL) if waits_for_components(pending, row.key.confirmed) else ("ready", None)


_COLUMNS: Final = "state, hold_reason, priority, pending, versions, lead_time_said"
_TYPED: Final = "state, hold_reason, priority::smallint, pending::json, versions::json, lead_time_said::smallint"
_ARRAYS: Final = f"{LINES}, {LINES}, {LINES}, {JSON_LINES}, {JSON_LINES}, {LINES}"
_INSERT: Final = f"""
    INSERT INTO key_state (connection_id, kind, key, {_COLUMNS}, pending_since)
    SELECT connection_id, kind, key, {_TYPED}, CASE WHEN pending IS NOT NULL THEN now() END
      FROM unnest({NUMBERS}, {LINES}, {LINES}, {_ARRAYS}) AS new (connection_id, kind, key, {_COLUMNS})
     ORDER BY key, connection_id, kind ON CONFLICT DO NOTHING"""
_UPDATE: Final = f"""
    UPDATE key_state k
       SET state = new.state, hold_reason = new.hold_reason, priority = new.priority, pending = new.pending,
           pending_since = CASE WHEN new.pending IS NOT NULL THEN coalesce(k.pending_since, now()) END, versions = new.versions,
           lead_time_said = new.lead_time_said, split_id = CASE WHEN new.pending IS NOT NULL THEN k.split_id END
      FROM (SELECT place::tid, {_TYPED} FROM unnest({LINES}, {_ARRAYS}) AS wanted (place, {_COLUMNS})) AS new
     WHERE k.ctid = new.place"""


def save(tx: Transaction, rows: Iterable[KeyRow]) -> None:
    """Write back rows that `lock` returned, once, but for what is confirmed. A row leaves its feed by `flights.land`, not by this.

    What is pending for the first time is so from now on by Postgres' clock, as all waits are: a worker's may be an hour ahead.

    Raises: Taken, when another transaction has made one of the rows since `lock`; all that was done since is then to be rolled back.
    """
    made: list[tuple[KeyName, _Values]] = []
    kept: list[tuple[str, _Values]] = []
    for row in rows:
        if row.ctid is None:
            made.append((row.name, _values(row)))
        else:
            kept.append((row.ctid, _values(row)))
    if made:
        names, values = zip(*made, strict=True)
        if tx.exec_driver_sql(_INSERT, (*_columns(names), *_as_columns(values))).rowcount < len(made):
            raise Taken
    if kept:
        places, values = zip(*kept, strict=True)
        write_locked(tx, _UPDATE, (lines(places), *_as_columns(values)), len(kept))


def write_locked(tx: Transaction, statement: str, given: tuple[object, ...], rows: int) -> None:
    """Update so many *rows* of key_state by the ctid under which this transaction has locked them.

    Raises: RuntimeError when one is not there any more.
    """
    written = tx.exec_driver_sql(statement, given).rowcount
    if written < rows:
        raise RuntimeError(f"{rows - written} of {rows} keys are no longer where they were locked")


_Values: TypeAlias = tuple[str, str | None, int, str, str, int | None]
"""A row as `_COLUMNS` takes it."""


def _values(row: KeyRow) -> _Values:
    pending, versions = codec.text(row.key.pending), codec.text(row.key.versions)
    return (*_state(row), _priority(row.key.pending), pending, versions, row.key.lead_time_said)


def _as_columns(rows: Sequence[_Values]) -> tuple[str, ...]:
    return tuple(map(lines, zip(*rows, strict=True)))


def _priority(pending: Change | None) -> int:
    return ORDINARY if pending is None else priority(pending)
