"""Sync run: what waits or was refused goes again through the connection's current settings, at once; then the sum of it (R88, R102).

Three phases, each in bounded steps: what is pending or held is mapped anew in place; what was rejected or invalid, and was not
overtaken since, goes again where it would now go otherwise; then the run waits until each of its messages has ended or is held.
"""

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog

from worker import metrics
from worker.context import Context
from worker.core import resync as core
from worker.core.coalescing import Arrival, Key, coalesce
from worker.core.connections import Connection
from worker.core.feed_formats import FORMATS
from worker.core.ids import MessageId
from worker.core.issues import Issue, issue
from worker.core.json import JsonObject
from worker.core.kinds import Kind
from worker.core.outcomes import Outcome, Settled
from worker.core.runs import Again, Done, StepResult
from worker.core.trace import hold_reason
from worker.database import Transaction
from worker.steps.map_again import MappedAgain, mapped_again
from worker.store import codec, connections, flights, keys, lanes, listings, messages, outcomes, refused, resync, runs, shipments
from worker.store.keys import KeyName
from worker.store.resync import Standing, Stored
from worker.store.runs import Run

log = structlog.get_logger()

KEYS_AT_ONCE: Final = 300
"""Keys that one transaction maps anew; each has a few messages."""

REFUSED_AT_ONCE: Final = 300

FLUSH_SECONDS: Final = 60
"""Longer than the longest wait between two looks: while the run waits, nothing of its lane lingers."""

LOOK_SECONDS: Final = 5
LONGEST_LOOK_SECONDS: Final = 30
MESSAGES_A_SECOND: Final = 20_000
"""A look counts all of the run's messages: the more there are, the longer it waits for the next."""


def sync_listings(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Take one step of a re-sync of prices, quantities and listings."""
    return _step(ctx, run, connection, Kind.LISTINGS)


def sync_orders(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Take one step of a re-sync of shipments. Its sum tells of all that came in since the last one, too."""
    return _step(ctx, run, connection, Kind.SHIPMENTS)


def _step(ctx: Context, run: Run, connection: Connection, kind: Kind) -> StepResult:
    match run.cursor.get("phase"):
        case None:
            return _begin(ctx, run, connection, kind)
        case "pending":
            return _map_pending(ctx, run, connection, kind)
        case "refused":
            return _send_refused(ctx, run, connection, kind)
        case _:
            return _wait(ctx, run, connection, kind)


def _begin(ctx: Context, run: Run, connection: Connection, kind: Kind) -> Again:
    with ctx.database.begin() as tx:
        until = resync.bound(tx)
        since = resync.previous_bound(tx, run.id, connection.id, run.kind, run.now)
        if kind is Kind.SHIPMENTS:
            resync.add_shipments(tx, run.id, connection.id, since, until)
        resync.forget_ended(tx, connection.id)
        flights.release_failing(tx, connection.id)
    return Again(cursor={"phase": "pending", "after": "", "since": since, "bound": until}, summary={"remapped": 0, "sent_again": 0})


# --- what waits ----------------------------------------------------------------------------------------------------------------


def _map_pending(ctx: Context, run: Run, connection: Connection, kind: Kind) -> Again:
    """Map the messages of the next keys anew, each in the place that it has."""
    with ctx.database.begin() as tx:
        found = resync.open_keys(tx, connection.id, kind, run.cursor["after"], KEYS_AT_ONCE)
        if not found:
            return Again(cursor={**run.cursor, "phase": "refused", "after": 0}, summary=run.summary)
        resync.add_open(tx, run.id, connection.id, kind, found)
        rows = keys.lock(tx, (KeyName(connection.id, kind, key) for key in found))
        log_rows = resync.stored(tx, {message for row in rows.values() if row.key.pending for message in row.key.pending.messages})
        now = _now(tx)
        settled: list[Settled] = []
        invalid: dict[int, tuple[Issue, ...]] = {}
        decided: list[shipments.ShipmentRow] = []
        remapped = 0
        for name, row in rows.items():
            waiting = [] if row.key.pending is None else sorted(row.key.pending.messages.keys() & log_rows.keys())
            for message in waiting:
                again = mapped_again(log_rows[message], connection, now)
                if again is None:
                    continue
                faults = _faults(again, name.key)
                if faults and core.waits(row.key, message):
                    invalid[message] = faults
                settled += core.remap(row.key, again.arrival, faults)
                remapped += 1
                if again.mapped.shipment is not None:
                    decided.append(shipments.ShipmentRow.of(message, again.mapped.shipment, connection))
            if row.state == "held":
                row.state = "ready"  # the next cut says whether it still is to be held
        keys.save(tx, rows.values())
        shipments.decide_again(tx, decided)
        _end(tx, connection, settled, now)
        refused.keep(tx, invalid, now)
        cursor = {**run.cursor, "after": found[-1]}
        summary = {**run.summary, "remapped": run.summary["remapped"] + remapped}
        runs.note(tx, run, cursor=cursor, summary=summary)
    _count(connection, settled)
    return Again(cursor=cursor, summary=summary)


def _faults(again: MappedAgain, key: str) -> tuple[Issue, ...]:
    faults = again.mapped.facets.faults
    return faults if faults or again.mapped.key == key else (issue("SKU_REMAPPED", field="sku", value=again.mapped.key),)


# --- what was refused ----------------------------------------------------------------------------------------------------------


def _send_refused(ctx: Context, run: Run, connection: Connection, kind: Kind) -> Again:
    """Send the next refused messages again, as far as they would now go otherwise."""
    until: int = run.cursor["bound"]
    with ctx.database.begin() as tx:
        found = resync.refused(tx, connection.id, kind, after=run.cursor["after"], until=until, at_most=REFUSED_AT_ONCE)
        if not found:
            return Again(cursor={**run.cursor, "phase": "waiting"}, summary=run.summary)
        now = _now(tx)
        last = max(found)
        keys_ = {key for key in found.values() if key is not None}
        sent, settled = _sent_again(tx, run, connection, _by_key(tx, connection, kind, keys_, (last, until), now), kind, now)
        if kind is Kind.SHIPMENTS:
            resync.add(tx, run.id, ((message, None) for message in found if message > run.cursor["since"]))
        cursor = {**run.cursor, "after": last}
        summary = {**run.summary, "sent_again": run.summary["sent_again"] + sent}
        runs.note(tx, run, cursor=cursor, summary=summary)
    _count(connection, settled)
    return Again(cursor=cursor, summary=summary)


def _by_key(
    tx: Transaction, connection: Connection, kind: Kind, names: Collection[str], upto: tuple[int, int], now: datetime
) -> dict[str, list[MappedAgain]]:
    """Return the refused messages of those of *names* that have none after this page, by the keys that they now have.

    So a key is looked at once, with all that was refused of it, and what it has ahead is not even loaded before.
    *upto*: the page's last message, and the run's.
    """
    due = _without_more(tx, connection, kind, names, upto)
    ids = resync.refused_of_keys(tx, connection.id, kind, due, upto[1], at_most=resync.MOST_REFUSED_OF_A_KEY)
    by_key: dict[str, list[MappedAgain]] = {}
    for _, again in sorted(_mapped_validly(resync.stored(tx, ids), connection, now).items()):
        by_key.setdefault(again.mapped.key, []).append(again)
    renamed = by_key.keys() - due
    waiting = renamed - _without_more(tx, connection, kind, renamed, upto)
    return {key: group for key, group in by_key.items() if key not in waiting}


def _without_more(tx: Transaction, connection: Connection, kind: Kind, names: Collection[str], upto: tuple[int, int]) -> set[str]:
    last, until = upto
    newest = resync.refused_of_keys(tx, connection.id, kind, names, until, at_most=1)
    return set(names) - {key for message, key in newest.items() if message > last}


def _mapped_validly(stored: Mapping[int, Stored], connection: Connection, now: datetime) -> dict[int, MappedAgain]:
    made = ((id_, mapped_again(each, connection, now)) for id_, each in stored.items())
    return {id_: again for id_, again in made if again is not None and not again.mapped.facets.faults}


def _sent_again(
    tx: Transaction, run: Run, connection: Connection, by_key: Mapping[str, Sequence[MappedAgain]], kind: Kind, now: datetime
) -> tuple[int, list[Settled]]:
    """Publish what would now go otherwise, as messages of Feedline's own. Return how many, and the messages that end by it."""
    rows = keys.lock(tx, (KeyName(connection.id, kind, key) for key in by_key))
    about = resync.about(tx, connection.id, kind, list(by_key))
    carried = [
        (again.stored.feed_id, again.stored.feed_message_id, key)
        for key, group in by_key.items()
        for again in group
        if again.stored.feed_id is not None and again.stored.feed_message_id is not None
    ]
    refused_before = resync.refused_digests(tx, carried)
    render = FORMATS[kind].renderer(connection, now)
    going: list[tuple[str, MappedAgain, Mapping[str, Any]]] = []
    for name, row in rows.items():
        standing = _standing(row.key, by_key[name.key])
        # A parcel may complete what others of its order began: a shipment goes with all that waits beside it.
        beside = copy.deepcopy(row.key.pending) if kind is Kind.SHIPMENTS else None
        apart = core.alone(row.key, (arrival for _, arrival in standing), beside)
        own = {facet for _, arrival in standing for facet in arrival.facets}
        digests = [part.digest for part in render(apart, about[name.key]).parts if part.facets is None or part.facets & own]
        if core.differs(digests, refused_before.get(name.key, ())):
            going += ((name.key, again, arrival.facets) for again, arrival in standing)
    settled: list[Settled] = []
    sent: list[_SentAgain] = []
    for (key, again, facets), id_ in zip(going, messages.new_ids(tx, len(going)), strict=True):
        notice = issue("SENT_AGAIN", value=again.stored.external_id, reason=again.stored.source, limit=run.id)
        arrival = core.sent_again(again.arrival, facets, id_, notice, now)
        row = rows[KeyName(connection.id, kind, key)]
        settled += coalesce(row.key, arrival)
        core.note(row.key, again.arrival, facets, id_)
        sent.append(_SentAgain(id_, key, again, arrival))
    if sent:
        _log(tx, run, connection, sent, now)
    keys.save(tx, rows.values())
    _end(tx, connection, settled, now)
    return len(going), settled


def _standing(key: Key, group: Sequence[MappedAgain]) -> list[tuple[MappedAgain, Arrival]]:
    """Return what still stands of refused messages, the oldest first: nothing newer was said of it, nor refused."""
    said: set[str] = set()
    standing: list[tuple[MappedAgain, Arrival]] = []
    for again in reversed(group):
        facets = core.standing(key, again.arrival, said)
        said |= {again.arrival.topic or facet for facet in again.arrival.facets}
        if facets:
            standing.append((again, core.only(again.arrival, facets)))
    return standing[::-1]


class _SentAgain(NamedTuple):
    """A message of Feedline's own, with the refused one whose content it has."""

    id: MessageId
    key: str
    again: MappedAgain
    arrival: Arrival


def _log(tx: Transaction, run: Run, connection: Connection, sent: Sequence[_SentAgain], now: datetime) -> None:
    names = [f"{run.id}-{each.again.stored.id}" for each in sent]
    identities = (messages.Identity(core.SOURCE, name, each.id, each.again.message.digest) for name, each in zip(names, sent, strict=True))
    messages.register(tx, list(identities))
    at = now.isoformat()
    messages.log(tx, (_logged(connection, name, each, at) for name, each in zip(names, sent, strict=True)))
    told = ((each.id, each.again.mapped.shipment) for each in sent)
    rows = [shipments.ShipmentRow.of(id_, shipment, connection) for id_, shipment in told if shipment is not None]
    if rows:
        shipments.record(tx, rows)
    resync.add(tx, run.id, ((each.id, each.key) for each in sent))


def _logged(connection: Connection, name: str, each: _SentAgain, at: str) -> messages.LoggedMessage:
    shipment = each.again.mapped.shipment
    return messages.LoggedMessage(
        at,
        each.id,
        core.SOURCE,
        name,
        each.again.stored.type,
        connection.name,
        connection.id,
        each.key if shipment is None else shipment.parcel,
        messages.array_of(tuple(each.arrival.facets)),
        None,
        None,
        each.again.stored.traceparent,
        codec.text(each.arrival.warnings),
        each.again.stored.body,
    )


# --- how it ends ---------------------------------------------------------------------------------------------------------------


def _wait(ctx: Context, run: Run, connection: Connection, kind: Kind) -> StepResult:
    """Let nothing linger, and look how far the run's messages are."""
    with ctx.database.begin() as tx:
        lanes.flush(tx, connection.id, kind, FLUSH_SECONDS)
        if kind is Kind.LISTINGS:
            listings.ask_now(tx, connection.id)
        authorized = connection.seller.account.id not in connections.authorization_faults(tx)
        summary = _summary(run, resync.standings(tx, run.id, connection.id, kind), paused=connection.paused, authorized=authorized)
        if kind is Kind.SHIPMENTS:
            summary |= resync.shipped(tx, run.id)
    if not summary["waiting"]:
        return Done(summary)
    return Again(cursor=run.cursor, summary=summary, due_in=_look_in(ctx.settings.feed_poll_seconds, summary["received"]))


def _look_in(poll_seconds: float, received: int) -> timedelta:
    return timedelta(seconds=min(LONGEST_LOOK_SECONDS, max(min(poll_seconds, LOOK_SECONDS), received / MESSAGES_A_SECOND)))


def _summary(run: Run, standings: Iterable[Standing], *, paused: bool, authorized: bool) -> dict[str, Any]:
    """Return R88's sum: every message that was received is in exactly one of the counts from `succeeded` on."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for each in standings:
        counts["received"] += each.messages
        if each.sent or each.state == "in_feed":
            counts["submitted"] += each.messages
        if each.outcome == Outcome.SKIPPED:
            skipped[each.reason or ""] += each.messages
        elif each.outcome is not None:
            counts[_WORDS[Outcome(each.outcome)]] += each.messages
        elif each.state == "in_feed" or (reason := hold_reason(each.held, paused=paused, authorized=authorized)) is None:
            counts["waiting"] += each.messages
        else:
            held[reason] += each.messages
    told: JsonObject = {name: counts[name] for name in ("received", "submitted", *dict.fromkeys(_WORDS.values()), "waiting")}
    return {**told, "skipped": dict(skipped), "held": dict(held), **{name: run.summary[name] for name in ("remapped", "sent_again")}}


_WORDS: Final[Mapping[Outcome, str]] = {
    Outcome.ACCEPTED: "succeeded",
    Outcome.ACCEPTED_WITH_WARNINGS: "succeeded",
    Outcome.REJECTED: "failed",
    Outcome.INVALID: "failed",
    Outcome.UNCHANGED: "unchanged",
    Outcome.SUPERSEDED: "superseded",
}


def _end(tx: Transaction, connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
    outcomes.record(tx, [outcomes.Ended(connection.id, each) for each in settled], now)


def _count(connection: Connection, settled: Sequence[Settled]) -> None:
    for (type_, outcome), count in Counter((each.type, each.outcome) for each in settled).items():
        metrics.outcomes(connection.name, type_, outcome, count)


def _now(tx: Transaction) -> datetime:
    now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
    return now
