"""The trace of a message: what became of it, facet by facet, in the words that commands and events share."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from worker.core.coalescing import Change, Flight, Open
from worker.core.events import OutcomeData
from worker.core.facets import QUANTITY, Value
from worker.core.issues import Issue
from worker.core.json import JsonObject
from worker.core.outcomes import Fate, Outcome, Reason

ACTIVE: Final = "Active"
OUT_OF_STOCK: Final = "OOS"


class Standing(StrEnum):
    """Where a message is that has not come to its end."""

    PENDING = "pending"
    IN_FEED = "in_feed"
    HELD = "held"


class Name(NamedTuple):
    """What an upstream knows a message by."""

    source: str
    id: str


class Carried(NamedTuple):
    """The feed message that carries, or carried, a change. `message_id` is Amazon's messageId."""

    feed_id: int
    amazon_feed_id: str | None
    message_id: int
    flight: Flight


class Ending(NamedTuple):
    """The outcome as it is stored. `fates` is None where the message's facets all share it."""

    outcome: str
    reason: str | None
    by: int | None
    feed_id: int | None
    issues: tuple[Issue, ...]
    fates: Mapping[str, Fate] | None
    decided_at: datetime


class Waits(NamedTuple):
    """What holds back all that is pending for a key. `pending` may hold other messages than the one that is asked about.

    `partial`: facets that wait for further components of their bundle, whatever the rest of the key does, with the pieces that are
    missing by SKU.
    """

    pending: Change | None
    hold_reason: str | None
    partial: Mapping[str, Mapping[str, int]] = {}


class Record(NamedTuple):
    """All that is stored of one message.

    `ending` is None before its end; `carried`: by the feed message that decided it, or by those under way.
    """

    id: int
    name: Name
    type: str | None
    connection: str | None
    key: str | None
    facets: Sequence[str]
    sequence: int | None
    time: datetime | None
    received_at: datetime
    traceparent: str | None
    warnings: tuple[Issue, ...]
    deliveries: int
    hides_out_of_stock: bool
    ending: Ending | None
    carried: Sequence[Carried]
    waits: Waits | None


class Trace(OutcomeData, frozen=True, kw_only=True):
    """What became of a message, as commands and events tell it.

    `issues` have every key. `facets`: one object each, with `facet`, `outcome`, where known `value` (null with `cleared`),
    and `reason`, `superseded_by`, `issues` where there are any; a quantity that Amazon took has `status` and `hidden`, a partial
    bundle has what is `missing`.
    """

    issues: Sequence[Any] = ()


def trace(record: Record, names: Mapping[int, Name]) -> Trace:
    """Return the trace of one message. *names*: of every message that superseded some of it, as far as they are still known."""
    ending = record.ending
    facets = list(_facets(record, names))
    if ending is None:
        outcome, reason = _standing(facets)
        issues: tuple[Issue, ...] = tuple(dict.fromkeys((*record.warnings, *_open(record).warnings)))
        winner = None
    else:
        outcome, reason, issues = ending.outcome, ending.reason, ending.issues
        winner = names.get(ending.by) if ending.by is not None else None
    in_feed = record.carried[0] if record.carried and (ending is not None or outcome == Standing.IN_FEED) else None
    return Trace(
        id=record.name.id,
        source=record.name.source,
        type=record.type,
        connection=record.connection,
        key=record.key,
        outcome=outcome,
        reason=reason,
        superseded_by=None if winner is None else winner.id,
        superseded_by_source=None if winner is None else winner.source,
        feed_id=ending.feed_id if ending is not None else in_feed.feed_id if in_feed is not None else None,
        amazon_feed_id=None if in_feed is None else in_feed.amazon_feed_id,
        message_id=None if in_feed is None else in_feed.message_id,
        deliveries=record.deliveries,
        sequence=record.sequence,
        time=record.time,
        received_at=record.received_at,
        decided_at=None if ending is None else ending.decided_at,
        issues=[shown_issue(issue) for issue in issues],
        facets=facets,
    )


class HistoryEvent(NamedTuple):
    """Something that happened to a message; `facts` without a value are not shown."""

    at: datetime
    event: str
    facts: JsonObject


def ending_events(record: Record) -> Iterator[HistoryEvent]:
    """Yield the end of a message, if it has come to it."""
    ending = record.ending
    if ending is not None:
        yield HistoryEvent(ending.decided_at, "outcome", {"outcome": ending.outcome, "reason": ending.reason, "feed_id": ending.feed_id})


def event_json(event: HistoryEvent) -> dict[str, Any]:
    facts = {name: value for name, value in event.facts.items() if value is not None}
    plain: dict[str, Any] = msgspec.to_builtins({"at": event.at, "event": event.event, **facts})
    return plain


def superseders(record: Record) -> Iterator[int]:
    """Yield the messages that superseded some of this one."""
    fates = _open(record).fates if record.ending is None else record.ending.fates or {}
    if record.ending is not None and record.ending.by is not None:
        yield record.ending.by
    yield from (fate.by for fate in fates.values() if fate.by is not None)


def as_json(value: Trace) -> dict[str, Any]:
    """Return a trace as plain JSON values: times as RFC 3339, numbers exact."""
    plain: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(Decimal,))
    return plain


def shown_issue(issue: Issue) -> dict[str, Any]:
    """Return an issue with every key, also where it has nothing to say: readers need not guess a default."""
    return {
        "code": issue.code,
        "severity": str(issue.severity),
        "message": issue.message,
        "field": issue.field,
        "value": issue.value,
        "attribute": issue.attribute,
        "remedy": issue.remedy,
    }


def stock(quantity: Value | None, *, hides_out_of_stock: bool) -> dict[str, Any]:
    """Return the status of a SKU that has *quantity* at Amazon, and whether it is hidden (R62 to R64); null: nobody knows."""
    if quantity is None or quantity.value is None:
        return {"status": None, "hidden": None}
    is_out = quantity.value == 0
    return {"status": OUT_OF_STOCK if is_out else ACTIVE, "hidden": is_out and hides_out_of_stock}


def shown_value(value: Value) -> dict[str, Any]:
    return {"value": None, "cleared": True} if value.cleared else {"value": value.value}


_NOTHING: Final = Open("", 0)


def _open(record: Record) -> Open:
    """Return what the changes that hold the message, or parts of it, have noted of it."""
    found = [change.messages[record.id] for change in _changes(record) if record.id in change.messages]
    if len(found) < 2:
        return found[0] if found else _NOTHING
    fates = {facet: fate for open_ in found for facet, fate in open_.fates.items()}
    warnings = tuple(dict.fromkeys(warning for open_ in found for warning in open_.warnings))
    return Open(found[0].type, found[0].published, fates, warnings)


def _changes(record: Record) -> Iterator[Change]:
    yield from (carried.flight.change for carried in record.carried)
    if record.waits is not None and record.waits.pending is not None:
        yield record.waits.pending


def _facets(record: Record, names: Mapping[int, Name]) -> Iterator[JsonObject]:
    for facet in record.facets:
        if record.ending is None:
            fate = _open(record).fates.get(facet)
            ended = _unended(record, facet) if fate is None else _fate(fate, names)
        else:
            fates = record.ending.fates or {}
            fate = fates.get(facet) or Fate(Outcome(record.ending.outcome), by=record.ending.by, reason=record.ending.reason)
            ended = _fate(fate, names)
        wanted = _wanted(record, facet)
        value = {} if wanted is None else shown_value(wanted)
        taken = facet == QUANTITY and wanted is not None and ended["outcome"] in {Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS}
        yield {"facet": facet, **value, **ended, **(stock(wanted, hides_out_of_stock=record.hides_out_of_stock) if taken else {})}


def _wanted(record: Record, facet: str) -> Value | None:
    """Return what the message wants the facet to be; None where only its body still tells."""
    for change in _changes(record):
        said = change.facets.get(facet)
        if said is not None and said.message == record.id:
            return said.value
    return None


def _fate(fate: Fate, names: Mapping[int, Name]) -> dict[str, Any]:
    shown: dict[str, Any] = {"outcome": str(fate.outcome)}
    if fate.reason is not None:
        shown["reason"] = fate.reason
    winner = names.get(fate.by) if fate.by is not None else None
    if winner is not None:
        shown |= {"superseded_by": winner.id, "superseded_by_source": winner.source}
    if fate.issues:
        shown["issues"] = [shown_issue(issue) for issue in fate.issues]
    return shown


def _unended(record: Record, facet: str) -> dict[str, Any]:
    for carried in record.carried:
        said = carried.flight.change.facets.get(facet)
        if said is not None and said.message == record.id:
            return {"outcome": str(Standing.IN_FEED)}
    if record.waits is not None and facet in record.waits.partial:
        return {"outcome": str(Standing.HELD), "reason": str(Reason.BUNDLE_PARTIAL), "missing": dict(record.waits.partial[facet])}
    if record.waits is not None and record.waits.hold_reason is not None:
        return {"outcome": str(Standing.HELD), "reason": record.waits.hold_reason}
    return {"outcome": str(Standing.PENDING)}


def _standing(facets: Sequence[JsonObject]) -> tuple[str, str | None]:
    """Return the word for a message whose facets have not all ended: the furthest that one of them has come.

    A partial bundle holds the message as a whole, though its other lines go.
    """
    if any(facet.get("reason") == Reason.BUNDLE_PARTIAL for facet in facets):
        return str(Standing.HELD), str(Reason.BUNDLE_PARTIAL)
    for word in (Standing.IN_FEED, Standing.HELD):
        for facet in facets:
            if facet["outcome"] == word:
                return str(word), facet.get("reason")
    return str(Standing.PENDING), None


def hold_reason(own: str | None, *, paused: bool, authorized: bool) -> str | None:
    """Return why nothing of a key is sent: its own reason, or that of its connection."""
    if own is not None:
        return own
    if paused:
        return str(Reason.CONNECTION_PAUSED)
    return None if authorized else str(Reason.NOT_AUTHORIZED)
