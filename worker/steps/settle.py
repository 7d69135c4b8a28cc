"""Settle: read what Amazon says of a feed, and give every message that it carried its outcome.

What the report leaves open is undecided and goes again in two halves, until the culprit is alone. A feed that Amazon
cancelled goes back whole.
"""

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec
import structlog

from worker import metrics
from worker.context import Context
from worker.core import coalescing, report
from worker.core.coalescing import Change, Flight
from worker.core.connections import Connection
from worker.core.cutting import halves, most_failing_feeds
from worker.core.facets import HANDLING_TIME, LISTING, QUANTITY, Value
from worker.core.feed_formats import FORMATS
from worker.core.ids import FeedId
from worker.core.issues import Issue, Severity, issue
from worker.core.kinds import Kind
from worker.core.listing_messages import Listed, listed
from worker.core.outcomes import Fate, Outcome, Reason, Settled
from worker.core.polling import retry_after
from worker.core.report import Decision, Verdict
from worker.core.states import UNDECIDED_ENDINGS, FeedEvent, FeedState
from worker.database import Transaction
from worker.errors import AmazonError, Refused, Unclear
from worker.steps.attempt import given_back_on_failure, take_up
from worker.store import connections, feeds, flights, lanes, listings, outcomes, shipments
from worker.store.feeds import Feed
from worker.store.flights import FALLBACK_PRODUCT_TYPE, Landing

log = structlog.get_logger()

REPORT_ATTEMPTS: Final = 5
"""How often a report that is missing or cannot be read is asked for again before its feed counts as undecided."""

DOWNLOAD_ATTEMPTS: Final = 30
"""The same for a download that breaks off: some 25 minutes, for that is more likely an outage than a lost report."""

SOMEBODY_ELSES: Final = "The feed that was taken for ours after a lost answer is somebody else's: its report is not about what was sent."

_OUTCOMES: Final[Mapping[Verdict, Outcome]] = {
    Verdict.ACCEPTED: Outcome.ACCEPTED,
    Verdict.ACCEPTED_WITH_WARNINGS: Outcome.ACCEPTED_WITH_WARNINGS,
    Verdict.REJECTED: Outcome.REJECTED,
}

_AVAILABILITY: Final = frozenset({QUANTITY, HANDLING_TIME})

_PLAINLY_ACCEPTED: Final[tuple[Verdict, tuple[Issue, ...]]] = (Verdict.ACCEPTED, ())
_ACCEPTED: Final = Fate(Outcome.ACCEPTED)


def settle(ctx: Context, feed_id: FeedId) -> None:
    """Settle one feed that Amazon has ended, or has refused to take."""
    taken = take_up(ctx, feed_id, {FeedState.DONE, *UNDECIDED_ENDINGS})
    if taken is None:
        return
    feed, connection = taken
    with given_back_on_failure(ctx, feed):
        try:
            document = _report(ctx, feed, connection)
        except (Refused, Unclear) as error:
            if _lacks_role(error) or feed.attempts + 1 < (REPORT_ATTEMPTS if isinstance(error, Refused) else DOWNLOAD_ATTEMPTS):
                raise
            document = str(error)
        if isinstance(document, str) and feed.attempts + 1 < REPORT_ATTEMPTS and feed.state is FeedState.DONE:
            with ctx.database.begin() as tx:
                feeds.release(tx, feed, after_=retry_after(feed.attempts + 1), note=document)
            return
        write(ctx, feed, connection, document)


def _lacks_role(error: AmazonError) -> bool:
    """Whether SP-API refuses the application: the report is there, and a person must act before it can be read."""
    return error.status == HTTPStatus.FORBIDDEN and error.operation != "downloadDocument"


def _report(ctx: Context, feed: Feed, connection: Connection) -> tuple[bytes, report.Report] | str:
    """Return Amazon's report, or in words why there is none."""
    if feed.state is FeedState.CANCELLED:
        return "Amazon cancelled the feed."
    if feed.state is FeedState.ABANDONED:
        return "Amazon refused to take the feed."
    result_document_id = feed.result_document_id
    if result_document_id is None and feed.state is FeedState.DONE:
        result_document_id = ctx.amazon.get_feed(connection.seller, feed.amazon_feed_id or "").result_feed_document_id
    if result_document_id is None:
        return f"Amazon ended the feed {feed.state.upper()} without a report."
    document = ctx.amazon.get_result(connection.seller, result_document_id)
    try:
        return document, FORMATS[Kind(feed.kind)].read(document)
    except ValueError as error:
        return str(error)


def _decision(feed: Feed, connection: Connection, document: tuple[bytes, report.Report] | str, sent: Mapping[int, str]) -> Decision:
    if isinstance(document, str):
        return Decision({}, frozenset(sent), document)
    feed_format = FORMATS[Kind(feed.kind)]
    at_amazon = {number: feed_format.amazon_name(key, connection.settings.sku_prefix) for number, key in sent.items()}
    # Of several feeds only one whose report named ours was adopted: here a silent one is that of the only stranger there was.
    silent = not feed_format.names_successes
    if feed.unclear_since is not None and not report.is_about(document[1], at_amazon, may_be_silent=silent):
        return Decision({}, frozenset(sent), SOMEBODY_ELSES)
    return report.decide(document[1], at_amazon, ended_well=feed.state is FeedState.DONE)


def write(ctx: Context, feed: Feed, connection: Connection, document: tuple[bytes, report.Report] | str) -> None:
    with ctx.database.begin() as tx:
        now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
        landings = flights.landing(tx, feed.connection_id, feed.kind, feed.id)
        if not landings:
            raise feeds.Overtaken
        sent = {number: landed.name for landed in landings for number in landed.flights}
        decision = _decision(feed, connection, document, sent)
        verdicts = dict(decision.verdicts)
        undecided = decision.undecided
        goes_back_whole = feed.state is FeedState.CANCELLED or decision.why == SOMEBODY_ELSES
        if len(sent) == 1 and undecided and feed.split_id is not None and not goes_back_whole:
            # It stands alone, and for a second time at least: it is the culprit, and nothing is learnt by sending it again.
            alone = (issue("UNDECIDED_ALONE", reason=decision.why or ""), *_feed_level(document))
            verdicts.update(dict.fromkeys(undecided, (Verdict.REJECTED, alone)))
            undecided = frozenset()
        # Read under the keys' locks: a change of the channel waits for them, or has happened.
        current = connections.by_id(tx, feed.connection_id) or connection
        has_moved = feed.fulfillment_channel not in {None, current.settings.fulfillment_channel}
        taken = _taken(landings, verdicts, undecided, connection)
        if undecided:
            flights.read_versions(tx, feed.connection_id, feed.kind, _undecided(landings, undecided))
        ended = [settled for landed in landings for settled in _landed(landed, verdicts, undecided, feed, has_moved=has_moved)]
        accepted = len(sent) - len(undecided) - sum(verdict is Verdict.REJECTED for verdict, _ in verdicts.values())
        waiting = _undecided(landings, undecided)
        gives_up = _fails_again(tx, feed, accepted=accepted, undecided=bool(waiting), why=decision.why or "")
        if gives_up:
            _hold(landings, waiting)
        elif not goes_back_whole:
            _send_again(tx, feed, waiting, decision.why or "")
        for landed in landings:
            landed.linked = taken[landed.name] is not None if landed.name in taken else landed.linked
        flights.land(tx, feed.kind, landings, now)
        if gives_up:
            flights.hold_groups(tx, feed.connection_id, feed.kind, Reason.FEEDS_FAILING)
        if taken:
            listings.note(tx, feed.connection_id, taken, FALLBACK_PRODUCT_TYPE)
            shipments.reconsider(tx, feed.connection_id, skus=[sku for sku, taken_as in taken.items() if taken_as is not None])
        feeds.write_verdicts(tx, feed.id, {**dict.fromkeys(undecided, (Verdict.UNDECIDED, ())), **verdicts})
        outcomes.record(tx, [outcomes.Ended(feed.connection_id, settled) for settled in ended], now)
        counts: dict[str, object] = {
            "accepted": accepted,
            "rejected": len(sent) - len(undecided) - accepted,
            "undecided": len(undecided),
            "fault": decision.why,
            "report": None if isinstance(document, str) else gzip.compress(document[0], compresslevel=3, mtime=0),
        }
        feeds.finish(tx, feed, FeedEvent.REPORT_READ if feed.state is FeedState.DONE else None, note=decision.why, **counts)
    for (type_, outcome), count in Counter((settled.type, settled.outcome) for settled in ended).items():
        metrics.outcomes(connection.name, type_, outcome, count)
    for type_ in {settled.type for settled in ended}:
        reached = (now.timestamp() - s.published for s in ended if s.type == type_ and s.outcome.startswith(Outcome.ACCEPTED))
        metrics.accepted_after(type_, reached)
    log.info(
        "feed_settled",
        feed_id=feed.id,
        connection=connection.name,
        state=feed.state,
        accepted=counts["accepted"],
        rejected=counts["rejected"],
        undecided=counts["undecided"],
        why=decision.why,
    )


def _feed_level(document: tuple[bytes, report.Report] | str) -> tuple[Issue, ...]:
    return () if isinstance(document, str) else document[1].feed_level


def _undecided(landings: Sequence[Landing], undecided: frozenset[int]) -> list[Landing]:
    """Return the keys of which a feed message is *undecided*."""
    return [landed for landed in landings if not undecided.isdisjoint(landed.flights)]


def _taken(
    landings: Sequence[Landing],
    verdicts: Mapping[int, tuple[Verdict, tuple[Issue, ...]]],
    undecided: frozenset[int],
    connection: Connection,
) -> dict[str, Listed | None]:
    """Return the listings that Amazon has taken, by their keys; None for one that it has deleted."""
    channel = connection.settings.fulfillment_channel
    return {
        landed.name: listed(flight, channel)
        for landed in landings
        for number, flight in landed.flights.items()
        if LISTING in flight.change.facets and number not in undecided and _verdict(verdicts, number) is not Verdict.REJECTED
    }


def _verdict(verdicts: Mapping[int, tuple[Verdict, tuple[Issue, ...]]], number: int) -> Verdict:
    return verdicts.get(number, _PLAINLY_ACCEPTED)[0]


def _landed(
    landed: Landing, verdicts: Mapping[int, tuple[Verdict, tuple[Issue, ...]]], undecided: frozenset[int], feed: Feed, *, has_moved: bool
) -> list[Settled]:
    """Bring a key's changes to their end, or back among what is pending; return the messages that end by it.

    *has_moved*: the connection has another fulfillment channel by now, of which what the feed says of the stock is not known.
    """
    if (
        len(landed.flights) == 1
        and not has_moved
        and landed.flights.keys().isdisjoint(verdicts)
        and landed.flights.keys().isdisjoint(undecided)
    ):
        return _taken_as_it_was(landed, feed)
    fates = {number: None if number in undecided else _fate(verdicts.get(number, _PLAINLY_ACCEPTED)) for number in landed.flights}
    known = [_known(flight, fates[number]) for number, flight in landed.flights.items()]
    carriers = {number: frozenset(flight.change.messages) for number, flight in landed.flights.items()}
    apart = [part for number, flight in landed.flights.items() for part in _decided(flight, fates[number])]
    ended = [_with_number(settled, carriers, fates, feed) for settled in coalescing.land(landed.key, apart)]
    for values in known:
        stands = {facet: value for facet, value in values.items() if facet not in _AVAILABILITY} if has_moved else values
        ended += coalescing.confirm(landed.key, stands)
    return ended


def _taken_as_it_was(landed: Landing, feed: Feed) -> list[Settled]:
    """As `_landed`, of a key whose one feed message Amazon has taken without a word, which nearly every one is."""
    ((number, flight),) = landed.flights.items()
    ended = [
        msgspec.structs.replace(settled, feed_id=feed.id, feed_message_id=number) if settled.message in flight.change.messages else settled
        for settled in coalescing.land(landed.key, [(flight.change, _ACCEPTED)])
    ]
    return ended + coalescing.confirm(landed.key, flight.sent)


def _known(flight: Flight, fate: Fate | None) -> Mapping[str, Value]:
    """Return what Amazon is known to have after a flight: after a rejection, what it had before."""
    if fate is None:
        return coalescing.stands_either_way(flight)
    return flight.was if fate.outcome is Outcome.REJECTED else flight.sent


def _decided(flight: Flight, fate: Fate | None) -> list[tuple[Change, Fate | None]]:
    if fate is not None and fate.outcome is Outcome.REJECTED:
        return coalescing.refused(flight, fate)
    return [(flight.change, fate)]


def _fate(decided: tuple[Verdict, tuple[Issue, ...]]) -> Fate:
    if decided is _PLAINLY_ACCEPTED:
        return _ACCEPTED
    verdict, issues = decided
    if verdict is Verdict.REJECTED:
        error = next((found for found in issues if found.severity is Severity.ERROR), None)
        return Fate(Outcome.REJECTED, reason=None if error is None else error.code, issues=issues)
    return Fate(_OUTCOMES[verdict], issues=issues)


def _with_number(settled: Settled, carriers: Mapping[int, frozenset[int]], fates: Mapping[int, Fate | None], feed: Feed) -> Settled:
    """Return *settled* with the feed message that decided it: of several the one with its outcome, or none if none was decided."""
    decided = None
    for number, fate in fates.items():
        if fate is not None and settled.message in carriers[number] and (decided is None or fate.outcome is settled.outcome):
            decided = number
    return settled if decided is None else msgspec.structs.replace(settled, feed_id=feed.id, feed_message_id=decided)


def _fails_again(tx: Transaction, feed: Feed, *, accepted: int, undecided: bool, why: str) -> bool:
    """Count a feed that ended without one accepted message; return whether they are enough in a row to hold the rest."""
    if accepted:
        lanes.recovered(tx, feed.connection_id, feed.kind)
    elif undecided or feed.split_id is not None:
        # A culprit that stood alone is decided, but its feed counts: else a few messages would all be found guilty, one by one.
        in_a_row, first_size = lanes.failing(tx, feed.connection_id, feed.kind, messages=feed.messages)
        if in_a_row >= most_failing_feeds(first_size):
            log.error("feeds_failing", connection_id=feed.connection_id, kind=feed.kind, feeds=in_a_row, why=why)
            return True
    return False


def _hold(landings: Sequence[Landing], undecided: Sequence[Landing]) -> None:
    """Hold what is undecided, and what waits in a group, of which there will be none any more."""
    for landed in (*undecided, *(landed for landed in landings if landed.split_id is not None)):
        landed.hold_reason = Reason.FEEDS_FAILING
        landed.split_id = None


def _send_again(tx: Transaction, feed: Feed, undecided: Sequence[Landing], why: str) -> None:
    """Let undecided changes go again in two feeds of their own, unless nothing of them waits any more."""
    waiting = [landed for landed in undecided if landed.key.pending is not None]
    if not waiting:
        return
    for half in halves(waiting) if len(waiting) > 1 else [waiting]:
        group = lanes.add_group(tx, feed.connection_id, feed.kind, feed.id, [landed.name for landed in half], why)
        for landed in half:
            landed.split_id = group
