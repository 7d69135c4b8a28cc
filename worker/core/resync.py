"""Re-sync: what a connection's changed settings make of messages that wait, and of those that were refused. Requirement row R102.

A message has one outcome. One that waits has none yet, so what the settings now make of it takes the place of what they made before.
One that was refused keeps its outcome; if it would now go otherwise, its content goes again as a message of Feedline's own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from worker.core.coalescing import Arrival, Change, Key, Said, coalesce, drop, same
from worker.core.facets import HANDLING_TIME, LISTING, Value
from worker.core.issues import Issue
from worker.core.ordering import History, Last, version
from worker.core.outcomes import Fate, Outcome, Settled

SOURCE: Final = "feedline:resync"
"""The source of the messages that a re-sync sends again."""


def remap(key: Key, again: Arrival, faults: tuple[Issue, ...] = ()) -> list[Settled]:
    """Put what the settings now make of a pending message in place of what they made before; return the messages that end by it.

    *again*: the message as it is mapped now; with *faults* all that waits of it is invalid. What has ended of it, or is on its way,
    stays as it is. A facet that the former settings did not make is folded in, unless something newer was said of it.
    """
    change = key.pending
    open_ = None if change is None else change.messages.get(again.message)
    if change is None or open_ is None:
        return []
    waiting = {facet for facet, said in change.facets.items() if said.message == again.message}
    if faults:
        return _dropped(key, change, dict.fromkeys(waiting, Fate(Outcome.INVALID, reason=faults[0].code, issues=faults)))
    open_.warnings = again.warnings
    fates = dict.fromkeys(waiting - again.facets.keys(), Fate(Outcome.SKIPPED, reason=again.nothing))
    settled: list[Settled] = []
    for facet, value in again.facets.items():
        if facet not in waiting:
            if open_.flies or facet in open_.fates or _is_overtaken(key, again, facet):
                continue
            settled += drop(change, {facet: Fate(Outcome.SUPERSEDED, by=again.message)})
            note(key, again, (facet,), again.message)
        if facet == HANDLING_TIME:
            key.lead_time_said = value.value
        change.facets[facet] = Said(value, again.message)
        if facet in key.confirmed and same(facet, key.confirmed[facet], value):
            fates[facet] = Fate(Outcome.UNCHANGED)
    return settled + _dropped(key, change, fates)


def waits(key: Key, message: int) -> bool:
    """Whether anything of *message* waits: nothing does of one that is on its way as a whole."""
    return key.pending is not None and any(said.message == message for said in key.pending.facets.values())


def _dropped(key: Key, change: Change, fates: Mapping[str, Fate]) -> list[Settled]:
    settled = drop(change, fates)
    if not change.messages:
        key.pending = None
    return settled


def note(key: Key, again: Arrival, facets: Iterable[str], message: int) -> None:
    """Note that the source of *again* has said *facets*, as *message* tells them: an older value of that source is superseded."""
    history = key.versions.setdefault(again.source, History(again.version.sequenced, {}))
    history.sequenced = history.sequenced or again.version.sequenced
    history.facets.update({again.topic or facet: Last(again.version, message) for facet in facets})


def standing(key: Key, again: Arrival, said: Collection[str] = ()) -> dict[str, Value]:
    """Return those facets of a refused message, mapped anew as *again*, of which nothing newer was said since.

    *said*: the topics and facets of which newer refused messages speak.
    """
    own = key.versions.get(again.source)
    if own is not None and own.sequenced and not again.version.sequenced:
        return {}  # it was refused for its missing sequence, which no setting gives it
    if _deletes(again) and (said or _is_followed(key, again)):
        return {}  # who speaks of the SKU after that counts on its listing
    return {
        facet: value for facet, value in again.facets.items() if (again.topic or facet) not in said and not _is_overtaken(key, again, facet)
    }


def _deletes(again: Arrival) -> bool:
    return LISTING in again.facets and again.facets[LISTING].cleared


def _is_followed(key: Key, again: Arrival) -> bool:
    """Whether any message about the key arrived later."""
    return any(last.message > again.message for history in key.versions.values() for last in history.facets.values())


def _is_overtaken(key: Key, again: Arrival, facet: str) -> bool:
    """Whether a newer message of the same source, or one of another that arrived later, has spoken of *facet*."""
    told = again.topic or facet
    for source, history in key.versions.items():
        last = history.facets.get(told)
        if last is None:
            continue
        own = source == again.source
        if own and (again.version, again.message) < (last.version, last.message):
            return True
        if not own and again.message < last.message:
            return True
    return False


def only(again: Arrival, facets: Mapping[str, Value]) -> Arrival:
    """Return *again* as if it said but *facets*."""
    return msgspec.structs.replace(again, facets=facets)


def alone(key: Key, arrivals: Iterable[Arrival], beside: Change | None = None) -> Key:
    """Return *key* as if only *arrivals* were pending, and what waits *beside* them, a copy: what would go if they were sent again."""
    apart = Key(beside, {}, dict(key.confirmed), key.lead_time_said)
    for each in arrivals:
        list(coalesce(apart, each))
    return apart


def differs(rendered: Sequence[str], refused: Iterable[str]) -> bool:
    """Whether feed messages that were *rendered* now hold something else than those that were *refused*, both by their digests."""
    return not set(rendered) <= set(refused)


def sent_again(again: Arrival, facets: Mapping[str, Value], message: int, notice: Issue, now: datetime) -> Arrival:
    """Return the message of Feedline's own, *message*, by which *facets* of a refused one go again, from *now* on."""
    return msgspec.structs.replace(
        again,
        message=message,
        source=SOURCE,
        version=version(None, now),
        published=now.timestamp(),
        facets=facets,
        warnings=(notice, *again.warnings),
    )
