"""Folding messages into what must still reach Amazon: the newest value of every facet wins, and no message is forgotten.

A change carries its own ledger: which message gave each facet, and what already became of that message's other facets.
So the end of a message is decided from the one row that is locked anyway, whatever the number of messages behind it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from worker.core.facets import HANDLING_TIME, LISTING, PRICE, QUANTITY, UPDATE, Value, topic_of
from worker.core.issues import Issue, issue
from worker.core.ordering import History, Last, Version
from worker.core.outcomes import Fate, Outcome, Reason, Settled, settle

_NEVER: Final = Last(Version(sequenced=False, number=0), 0)

URGENT: Final = 0
ORDINARY: Final = 1


class Said(msgspec.Struct, frozen=True, rename={"value": "v", "message": "m"}, gc=False):
    """The newest value of a facet, and the message that said it."""

    value: Value
    message: int


class Open(
    msgspec.Struct, omit_defaults=True, rename={"type": "t", "published": "p", "fates": "f", "warnings": "w", "flies": "i"}, gc=False
):
    """A message that has not come to its end: `fates` are those of its facets that have.

    `flies`: some of its facets are on their way, in a change of their own, so that it cannot end here.
    """

    type: str
    published: float
    fates: dict[str, Fate] = {}
    warnings: tuple[Issue, ...] = ()
    flies: bool = False


class Change(msgspec.Struct, rename={"facets": "f", "messages": "m"}, gc=False):
    """What must still reach Amazon for one key, and the messages that want it there."""

    facets: dict[str, Said]
    messages: dict[int, Open]


class Flight(msgspec.Struct, omit_defaults=True, rename={"change": "c", "sent": "s", "was": "w", "digest": "d"}, gc=False):
    """A change on its way: what its feed message carries, and what Amazon was known to have before. `digest`: see `Part.digest`."""

    change: Change
    sent: dict[str, Value]
    was: dict[str, Value] = {}
    digest: str = ""


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A staged message as coalescing sees it. `published` is in seconds since the epoch.

    `topic`: what the message tells as a whole, a parcel: with a newer message about it nothing of an older one stands, also what the
    newer does not speak of. `nothing`: why it has no facets, where it has none.
    """

    message: int
    source: str
    type: str
    version: Version
    published: float
    facets: Mapping[str, Value]
    warnings: tuple[Issue, ...] = ()
    topic: str | None = None
    nothing: Reason = Reason.NOTHING_TO_SEND


class Key(msgspec.Struct, gc=False):
    """What is known of one key. Belongs to whoever locked its row: the functions below change it in place.

    `confirmed` holds what Amazon's reports say it has; a facet in flight is not in it, for until its report comes
    nobody knows.
    """

    pending: Change | None
    versions: dict[str, History]
    confirmed: dict[str, Value]
    lead_time_said: int | None = None


def same(facet: str, one: Value, other: Value) -> bool:
    """Whether two values are one to Amazon: prices by amount (19.9 is 19.90), listings by digest, everything else exactly."""
    if one.cleared or other.cleared:
        return one.cleared == other.cleared
    if facet == LISTING:
        return one.value.get("digest") is not None and one.value.get("digest") == other.value.get("digest")
    if facet == PRICE:
        return one.value == other.value or Decimal(one.value) == Decimal(other.value)
    return bool(one.value == other.value)


def undigested(listing: Value) -> Value:
    """Return what is known of a listing without what would make its repeat `unchanged`."""
    return Value({name: known for name, known in listing.value.items() if name != "digest"})


def coalesce(key: Key, arrival: Arrival) -> Iterator[Settled]:
    """Fold *arrival* into *key*, and yield every message that has come to its end by that.

    The arrival may itself be at its end: superseded by a newer value of its own source, unchanged, invalid for a
    missing sequence, or skipped because the template makes nothing of it.
    """
    history = key.versions.get(arrival.source)
    if history is not None and not arrival.version.sequenced and _gave_sequence(history, arrival.topic):
        fault = issue("SEQUENCE_MISSING", field="sequence")
        yield Settled(
            message=arrival.message,
            type=arrival.type,
            published=arrival.published,
            outcome=Outcome.INVALID,
            reason=fault.code,
            issues=(fault,),
            facets={},
        )
        return
    if history is None:
        history = key.versions[arrival.source] = History(arrival.version.sequenced, {})
    elif arrival.version.sequenced:
        history.sequenced = True

    version, message, topic = arrival.version, arrival.message, arrival.topic
    newest = Last(version, message)
    replaced = Fate(Outcome.SUPERSEDED, by=message)
    ends: _Ends = {}
    if topic is not None:
        _take_out(key.pending, _retell(key, history, arrival, topic), replaced, ends)
    fates: dict[str, Fate] = {}
    for facet, value in arrival.facets.items():
        told = topic or facet
        last = history.facets.get(told)
        if last is not None and version < last.version:
            fates[facet] = Fate(Outcome.SUPERSEDED, by=last.message)
            continue
        history.facets[told] = newest
        if facet == HANDLING_TIME:
            key.lead_time_said = value.value
        pending = key.pending
        if pending is not None and facet in pending.facets:
            _take_out(pending, (facet,), replaced, ends)
        if facet == LISTING:
            also = _delete(key, history, arrival) if value.cleared else _restate(key, history, arrival, value)
            _take_out(pending, also, replaced, ends)
        known = key.confirmed.get(facet)
        if known is not None and same(facet, known, value):
            fates[facet] = Fate(Outcome.UNCHANGED)
            continue
        if pending is None:
            pending = key.pending = Change({}, {})
        pending.facets[facet] = Said(value, message)

    pending = key.pending
    if pending is not None:
        for other, its_fates in ends.items():
            yield from ended(pending, other, its_fates)
    if len(fates) == len(arrival.facets):
        yield settle(message, arrival.type, arrival.published, fates, arrival.warnings, arrival.nothing)
    elif pending is not None:
        pending.messages[message] = Open(arrival.type, arrival.published, fates, arrival.warnings)
    if pending is not None and not pending.messages:
        key.pending = None


def _delete(key: Key, history: History, arrival: Arrival) -> list[str]:
    """Let the deletion of a listing take the place of all that waits for it, but for what its own source has said since.

    Returns the facets whose place it takes, as `_restate` and `_retell` do.
    """
    for facet in sorted({PRICE, QUANTITY, HANDLING_TIME, *history.facets} - {LISTING}):
        last = history.facets.get(facet)
        if last is None or last.version <= arrival.version:
            history.facets[facet] = Last(arrival.version, arrival.message)
    if history.facets[HANDLING_TIME].message == arrival.message:
        key.lead_time_said = None
    waiting = {} if key.pending is None else key.pending.facets
    return [facet for facet, said in waiting.items() if facet != LISTING and said.message != history.facets.get(facet, _NEVER).message]


def _restate(key: Key, history: History, arrival: Arrival, listing: Value) -> list[str]:
    """Let a listing take the place of what waits of the attributes that it names, but for what its own source has said since."""
    named = () if key.pending is None else key.pending.facets.keys() & listing.value.get("attributes", ())
    replaced = []
    for facet in sorted(named):
        last = history.facets.get(facet)
        if last is None or last.version <= arrival.version:
            history.facets[facet] = Last(arrival.version, arrival.message)
            replaced.append(facet)
    return replaced


def publishes(change: Change | None) -> bool:
    """Whether *change* makes a listing at Amazon, so that its SKU need not be known there. A PARTIAL_UPDATE would make a broken one."""
    said = None if change is None else change.facets.get(LISTING)
    return said is not None and not said.value.cleared and said.value.value.get("operation") == UPDATE


def _gave_sequence(history: History, topic: str | None) -> bool:
    """Whether the source has given a sequence for this before: for the key, or for the topic where there is one."""
    last = None if topic is None else history.facets.get(topic)
    return history.sequenced if topic is None else last is not None and last.version.sequenced


def _retell(key: Key, history: History, arrival: Arrival, topic: str) -> list[str]:
    """Note that *arrival* tells *topic* anew, if it is not older than what is known; return the facets of which it no longer speaks."""
    last = history.facets.get(topic)
    if last is not None and arrival.version < last.version:
        return []
    history.facets[topic] = Last(arrival.version, arrival.message)
    waiting = () if key.pending is None else key.pending.facets
    return [facet for facet in waiting if topic_of(facet) == topic and facet not in arrival.facets]


_Ends: TypeAlias = dict[int, dict[str, Fate]]
"""What becomes of messages' facets, by message."""


def _take_out(change: Change | None, facets: Iterable[str], fate: Fate, ends: _Ends) -> None:
    """Take *facets*, if there are any, out of *change*, and note their *fate*. Whether their messages end by it, `ended` says."""
    if change is not None:
        for facet in facets:
            ends.setdefault(change.facets.pop(facet).message, {})[facet] = fate


def ended(change: Change, message: int, fates: dict[str, Fate]) -> Sequence[Settled]:
    """Note the *fates* of a message's facets, which *change* no longer holds; return the message if nothing of it is left."""
    open_ = change.messages[message]
    open_.fates = {**open_.fates, **fates} if open_.fates else fates
    if open_.flies or message in [said.message for said in change.facets.values()]:
        return ()
    del change.messages[message]
    return (settle(message, open_.type, open_.published, open_.fates, open_.warnings),)


def drop(change: Change, fates: Mapping[str, Fate]) -> list[Settled]:
    """Take facets out of *change*, each with its fate; return the messages that end by it."""
    ends: _Ends = {}
    for facet, fate in fates.items():
        if facet in change.facets:
            _take_out(change, (facet,), fate, ends)
    return [settled for message, its_fates in ends.items() for settled in ended(change, message, its_fates)]


def blamed(change: Change, fates: Mapping[str, Fate]) -> dict[int, tuple[Issue, ...]]:
    """Return the messages in *change* that the *fates* of its facets make invalid, each with every issue."""
    found: dict[int, tuple[Issue, ...]] = {}
    for facet, fate in fates.items():
        if fate.outcome is Outcome.INVALID and facet in change.facets:
            message = change.facets[facet].message
            found[message] = tuple(dict.fromkeys((*found.get(message, ()), *fate.issues)))
    return found


def warn(change: Change, warnings: Iterable[Issue]) -> None:
    """Tell each warning, once, to the message whose facet it is about."""
    for warning in warnings:
        said = change.facets.get(warning.field or "")
        open_ = None if said is None else change.messages[said.message]
        if open_ is not None and warning not in open_.warnings:
            open_.warnings = (*open_.warnings, warning)


def take(change: Change, facets: Iterable[str]) -> Change:
    """Take *facets* out of *change*, into one of their own that may go alone. Messages with facets on both sides stay open on both."""
    taken = Change({facet: change.facets.pop(facet) for facet in sorted(facets)}, {})
    staying = {said.message for said in change.facets.values()}
    for said in taken.facets.values():
        if said.message not in taken.messages:
            open_ = change.messages[said.message]
            taken.messages[said.message] = Open(open_.type, open_.published, open_.fates, open_.warnings)
            if said.message in staying:
                open_.flies = True
            else:
                del change.messages[said.message]
    return taken


def land(key: Key, landing: Sequence[tuple[Change, Fate | None]]) -> list[Settled]:
    """Bring all that is on its way of *key* to its end, or back; return the messages that end by it.

    *landing*: each change with the fate of its facets, None where Amazon has not decided. What is undecided is pending again,
    unless something newer is pending already, the deletion of all of it included, or its source has told it anew (as far as
    `key.versions` is there; only for what is undecided it must be). Since everything lands at once, a message that
    was taken apart is whole again.
    """
    if key.pending is None and len(landing) == 1:
        change, fate = landing[0]
        if fate is not None:
            return _end_all(change, fate)  # nearly every key: all that was wanted of it comes to its end at once
    pending = Change({}, {}) if key.pending is None else key.pending
    listing = pending.facets.get(LISTING)
    deletion = listing if listing is not None and listing.value.cleared else None
    retold = {topic_of(facet): said for facet, said in pending.facets.items() if topic_of(facet)}
    fates: dict[int, dict[str, Fate]] = {}
    undecided: dict[str, Said] = {}
    for change, fate in landing:
        for message, landed in change.messages.items():
            fates.setdefault(message, {})
            staying = pending.messages.get(message)
            if staying is None:
                pending.messages[message] = landed
            else:
                staying.fates = {**landed.fates, **staying.fates}
                staying.warnings = tuple(dict.fromkeys((*landed.warnings, *staying.warnings)))
        for facet, said in change.facets.items():
            newer = pending.facets.get(facet) or deletion or (retold.get(topic_of(facet)) if retold else None)
            if fate is not None:
                fates[said.message][facet] = fate
            elif newer is not None and newer.message != said.message:
                fates[said.message][facet] = Fate(Outcome.SUPERSEDED, by=newer.message)
            elif newer is None and (by := _retold_by(key, facet, said)) is not None:
                fates[said.message][facet] = Fate(Outcome.SUPERSEDED, by=by)
            else:
                undecided[facet] = said
    pending.facets = {**undecided, **pending.facets}
    unended = {said.message for said in pending.facets.values()}
    settled = []
    for message, ends in fates.items():
        open_ = pending.messages[message]
        open_.flies = False
        open_.fates = {**open_.fates, **ends} if open_.fates else ends
        if message not in unended:
            del pending.messages[message]
            settled.append(settle(message, open_.type, open_.published, open_.fates, open_.warnings))
    key.pending = pending if pending.messages else None
    return settled


def _retold_by(key: Key, facet: str, said: Said) -> int | None:
    """Return the message by which the source of *said* has told it anew; that one may be at its end, as a withdrawn parcel is."""
    told = topic_of(facet) or facet
    last = [history.facets[told].message for history in key.versions.values() if told in history.facets]
    return None if said.message in last else max((message for message in last if message > said.message), default=None)


def _end_all(change: Change, fate: Fate) -> list[Settled]:
    """End every message of *change*, each facet with *fate*."""
    ends: dict[int, dict[str, Fate]] = {}
    for facet, said in change.facets.items():
        ends.setdefault(said.message, {})[facet] = fate
    return [
        settle(message, open_.type, open_.published, {**open_.fates, **ends[message]} if open_.fates else ends[message], open_.warnings)
        for message, open_ in change.messages.items()
    ]


def confirm(key: Key, sent: Mapping[str, Value]) -> list[Settled]:
    """Note what Amazon's report confirms; return the pending messages that want just that and so have nothing to send."""
    key.confirmed.update(sent)
    if key.pending is None:
        return []
    pending = key.pending.facets.items()
    stands = {facet: Fate(Outcome.UNCHANGED) for facet, said in pending if facet in sent and same(facet, sent[facet], said.value)}
    settled = drop(key.pending, stands)
    if not key.pending.messages:
        key.pending = None
    return settled


def take_off(key: Key, facets: Iterable[str]) -> dict[str, Value]:
    """Forget what Amazon is known to have of the *facets* that a feed message is about to change, and return it."""
    if not key.confirmed:
        return {}
    return {facet: key.confirmed.pop(facet) for facet in sorted(key.confirmed.keys() & facets)}


def stands_either_way(flight: Flight) -> dict[str, Value]:
    """Return what Amazon has whether it took an undecided flight or not: what the flight only repeated.

    A listing's fulfillment center is kept, too: until another one is known, its quantity is there.
    """
    stands = {facet: was for facet, was in flight.was.items() if facet not in flight.change.facets and flight.sent.get(facet) == was}
    listing = flight.was.get(LISTING)
    if listing is not None and listing.value.get("center") is not None:
        stands.setdefault(LISTING, undigested(listing))
    return stands


def refused(flight: Flight, fate: Fate) -> list[tuple[Change, Fate | None]]:
    """Return what `land` is told of a flight that Amazon refused: the *fate* is that of its facets.

    A listing that is refused is the fault of the message that published it. What other messages said of the SKU went along
    with it, is not decided, and goes again by itself.
    """
    change = flight.change
    listing = change.facets.get(LISTING)
    if listing is None or listing.value.cleared:
        return [(change, fate)]
    publisher = listing.message
    published = take(change, [facet for facet, said in change.facets.items() if said.message == publisher])
    return [(published, fate), (change, None)]


def priority(change: Change) -> int:
    """Return `URGENT` for a change that takes a SKU out of stock: overselling cannot wait behind prices."""
    quantity, listing = change.facets.get(QUANTITY), change.facets.get(LISTING)
    ends_sale = (quantity is not None and not quantity.value.value) or (listing is not None and listing.value.cleared)
    return URGENT if ends_sale else ORDINARY
