"""Cut: decide, in the moment that a createFeed call is allowed, what the next feed of a lane carries.

Quota first, then content: until here newer values replace older ones for free.
"""

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from worker import metrics
from worker.context import Context
from worker.core import coalescing
from worker.core.coalescing import Change, Flight
from worker.core.connections import Connection
from worker.core.cutting import FeedLimits, first_message_id, fit, is_due, most_failing_feeds
from worker.core.feed_formats import FORMATS, FeedFormat, Render
from worker.core.ids import FeedId
from worker.core.issues import Issue, issue
from worker.core.kinds import Kind
from worker.core.outcomes import Fate, Outcome, Settled
from worker.core.polling import STALLED_AFTER
from worker.core.quota import Lease, operations_of_feed
from worker.core.rendered import Part, Rendered
from worker.database import Transaction
from worker.store import codec, connections, feeds, flights, lanes, outcomes, quota, refused
from worker.store.flights import Claimed, Stay, TakeOff

log = structlog.get_logger()

LEASE_SECONDS: Final = 120
"""How long the createFeed token of a cut feed is ours while document and upload go before it."""

BLOCKED_SECONDS: Final = 5
"""Between two looks at a lane whose last feed has no certain end yet."""

COMPRESSION: Final = 3
"""gzip's level for stored documents: 10 MiB of feed messages shrink to a twentieth in a tenth of a second."""


def cut(ctx: Context, connection_id: int, kind: Kind) -> FeedId | None:
    """Cut the next feed of a lane and return its id, or None when there is nothing to send now."""
    settings = ctx.settings
    limits = FeedLimits(settings.feed_max_messages, settings.feed_max_bytes, timedelta(seconds=settings.feed_linger_seconds))
    with ctx.database.begin() as tx:
        connection = connections.by_id(tx, connection_id)
        lane = lanes.lock(tx, connection_id, kind) if connection is not None and not connection.paused else None
        if connection is None or lane is None:
            return None
        if feeds.blocked(tx, connection_id, kind, timedelta(seconds=STALLED_AFTER * settings.feed_poll_seconds)):
            lanes.look_again(tx, lane, BLOCKED_SECONDS)
            return None
        if lane.flushes:
            limits = limits._replace(linger=timedelta(0))
        group = lanes.next_group(tx, lane)
        if group is not None and _enough_is_tried(tx, lane):
            return None
        if group is not None and lanes.is_urgent(tx, lane, limits.linger):
            group = None
        now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
        if group is None and not is_due(lanes.waiting(tx, connection_id, kind, count_at_most=limits.messages), limits, now):
            lanes.look_again(tx, lane, 0)
            return None
        feed_type = FORMATS[kind].feed_type
        lease = quota.take(tx, connection.seller.account.id, operations_of_feed(feed_type), life_seconds=LEASE_SECONDS)
        if isinstance(lease, datetime):
            lanes.wait(tx, lane, lease)
            return None
        claimed = flights.claim(tx, connection_id, kind, group=None if group is None else group.id, at_most=limits.messages)
        feed_id = _fill(tx, connection, lane, None if group is None else group.id, claimed, limits, lease, now)
        if feed_id is None:
            quota.give_back(tx, connection.seller.account.id, operations_of_feed(feed_type), lease)
            lanes.look_again(tx, lane, 0)  # all that was claimed is held, or dropped: what waits behind it is due as it was
        return feed_id


def _enough_is_tried(tx: Transaction, lane: lanes.Lane) -> bool:
    """Whether the feeds under way may be the last that fail in a row before the rest is held: what they bring is awaited."""
    under_way = feeds.under_way(tx, lane.connection_id, lane.kind) if lane.failing_feeds else 0
    return under_way > 0 and lane.failing_feeds + under_way >= most_failing_feeds(lane.failing_size)


@dataclass
class _Load:
    """A claimed key, what is rendered of it, and of that what goes. `left`: what of its change does not go now.

    `too_large`: a part of it fits no feed.
    """

    claimed: Claimed
    rendered: Rendered
    left: Change | None
    going: list[Part] = field(default_factory=list)
    too_large: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether its row must be written though nothing of it goes: most keys that are claimed in vain stay as they are."""
        return self.too_large or bool(self.rendered.dropped) or not self.rendered.parts


def _fill(
    tx: Transaction,
    connection: Connection,
    lane: lanes.Lane,
    group: int | None,
    claimed: Iterator[list[Claimed]],
    limits: FeedLimits,
    lease: Lease,
    now: datetime,
) -> FeedId | None:
    """Render *claimed*, store the feed that they make, and write the outcomes of what cannot or need not go."""
    feed_format = FORMATS[Kind(lane.kind)]
    head = feed_format.header(connection.seller.account.selling_partner_id, connection.language_tag)
    loads: list[_Load] = []
    parts: list[tuple[_Load, Part]] = []

    def sizes() -> Iterator[int]:
        # Claimed and rendered as the feed fills: what does not fit any more is not touched.
        for load in _loads(claimed, feed_format.renderer(connection, now), one_by_one_if_alone=group is not None):
            loads.append(load)
            for part in load.rendered.parts:
                parts.append((load, part))
                yield feed_format.size(part.body)

    chosen, too_large = fit(sizes(), limits, frame_bytes=len(head) + len(feed_format.footer))
    ended: list[Settled] = []
    invalid: dict[int, tuple[Issue, ...]] = {}

    def drop(change: Change | None, fates: Mapping[str, Fate]) -> None:
        if change is not None:
            invalid.update(coalescing.blamed(change, fates))
            ended.extend(coalescing.drop(change, fates))

    for load in loads:
        drop(load.left, load.rendered.dropped)
        load.claimed.key.confirmed.update(load.rendered.known)
    for position in too_large:
        load, part = parts[position]
        load.too_large = True
        if load.left is not None:
            fate = Fate(Outcome.INVALID, reason="TOO_LARGE_FOR_A_FEED", issues=(issue("TOO_LARGE_FOR_A_FEED", value=load.claimed.name),))
            drop(load.left, dict.fromkeys(part.facets or load.left.facets, fate))
    for position in chosen:
        load, part = parts[position]
        load.going.append(part)

    flights.stay(tx, [_staying(load) for load in loads if not load.going and load.is_changed])
    outcomes.record(tx, [outcomes.Ended(connection.id, settled) for settled in ended], now)
    refused.keep(tx, invalid, now)
    for settled in ended:
        metrics.outcomes(connection.name, settled.type, settled.outcome)
    going = [load for load in loads if load.going]
    return _store(tx, connection, lane, group, feed_format, head, going, lease) if going else None


def _loads(claimed: Iterator[list[Claimed]], render: Render, *, one_by_one_if_alone: bool) -> Iterator[_Load]:
    """Render what is claimed, and yield what may share a feed with the first that has something to send; the others wait for the next."""
    first: Rendered | None = None
    for page in claimed:
        for each in page:
            rendered = render(each.key, each.about)
            if rendered.parts:
                first = first or rendered
                if rendered.batch != first.batch:
                    continue
                if one_by_one_if_alone and first is rendered and len(page) == 1:
                    # The parts of a key that is alone in its group go one by one: only so the culprit among them is found.
                    rendered = rendered._replace(parts=rendered.parts[:1])
            yield _Load(each, rendered, each.key.pending)


def _staying(load: _Load) -> Stay:
    left = load.left if load.left is not None and load.left.facets else None
    return Stay(load.claimed.ctid, load.claimed.key.confirmed, left, None if load.rendered.parts else load.rendered.held)


def _store(
    tx: Transaction,
    connection: Connection,
    lane: lanes.Lane,
    group: int | None,
    feed_format: FeedFormat,
    head: bytes,
    going: Sequence[_Load],
    lease: Lease,
) -> FeedId:
    feed_id = feeds.new_id(tx)
    messages = sum(len(load.going) for load in going)
    first = first_message_id(lane.next_message_id, messages)
    document = feed_format.assemble(head, (part.body for load in going for part in load.going), first)
    feeds.add(
        tx,
        feed_id,
        connection=(connection.id, connection.name),
        kind=lane.kind,
        feed_type=feed_format.feed_type,
        split_id=group,
        lease=lease,
        messages=messages,
        first_message_id=first,
        document=gzip.compress(document, compresslevel=COMPRESSION, mtime=0),
        document_bytes=len(document),
        batch=going[0].rendered.batch,
        fulfillment_channel=connection.settings.fulfillment_channel,
    )
    rows: list[tuple[FeedId, int, str, str]] = []
    leaving: list[TakeOff] = []
    types: Counter[str] = Counter()
    number = first
    for load in going:
        key = load.claimed.key
        first_of_key = number
        for part in load.going:
            change = _taken(load, part)
            coalescing.warn(change, part.warnings)
            was = coalescing.take_off(key, {*change.facets, *part.sent, *part.replaces})
            rows.append((feed_id, number, load.claimed.name, codec.text(Flight(change, dict(part.sent), was, part.digest))))
            types[change.messages[max(change.messages)].type] += 1
            number += 1
        leaving.append(TakeOff(load.claimed.ctid, first_of_key, len(load.going), key.confirmed, load.left))
    feeds.add_messages(tx, rows)
    flights.take_off(tx, feed_id, leaving)
    lanes.cut(tx, lane, number)
    for type_, count in types.items():
        metrics.feed_messages(connection.name, type_, count)
    log.info("feed_cut", feed_id=feed_id, connection=connection.name, messages=messages, document_bytes=len(document), group=group)
    return feed_id


def _taken(load: _Load, part: Part) -> Change:
    """Return what *part* takes along of the load's change; the rest is left."""
    if load.left is None:
        raise ValueError("A key without a pending change has a part.")
    if part.facets is None:
        change, load.left = load.left, None
        return change
    change = coalescing.take(load.left, part.facets)
    load.left = load.left if load.left.messages else None
    return change
