"""Cut: decide, in the moment that a createFeed call is allowed, what the next feed of a lane carries.

Quota first, then content: until here newer values replace older ones for free.
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from worker import metrics
from worker.context import Context
from worker.core import coalescing, feed_document
from worker.core.coalescing import Flight
from worker.core.connections import Connection, to_amazon
from worker.core.cutting import FeedLimits, first_message_id, fit, is_due
from worker.core.facets import HANDLING_TIME
from worker.core.feed_document import Offer, Patch, PatchOp
from worker.core.ids import FeedId
from worker.core.issues import issue
from worker.core.kinds import FEED_TYPES, Kind
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.polling import STALLED_AFTER
from worker.core.quota import Lease, operations_of_feed
from worker.core.targets import Way
from worker.database import Transaction
from worker.store import codec, connections, feeds, flights, lanes, outcomes, quota
from worker.store.flights import Claimed, TakeOff

log = structlog.get_logger()

LEASE_SECONDS: Final = 120
"""How long the createFeed token of a cut feed is ours while document and upload go before it."""

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
            return None
        group = lanes.next_group(tx, lane)
        now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
        if group is None and not is_due(lanes.waiting(tx, connection_id, kind, count_at_most=limits.messages), limits, now):
            return None
        feed_type = FEED_TYPES[kind]
        lease = quota.take(tx, connection.seller.account.id, operations_of_feed(feed_type), life_seconds=LEASE_SECONDS)
        if isinstance(lease, datetime):
            lanes.wait(tx, lane, lease)
            return None
        claimed = flights.claim(tx, connection_id, kind, group=None if group is None else group.id, at_most=limits.messages)
        feed_id = _fill(tx, connection, lane, None if group is None else group.id, claimed, limits, lease, now)
        if feed_id is None:
            quota.give_back(tx, connection.seller.account.id, operations_of_feed(feed_type), lease)
        return feed_id


def _fill(
    tx: Transaction,
    connection: Connection,
    lane: lanes.Lane,
    group: int | None,
    claimed: Sequence[Claimed],
    limits: FeedLimits,
    lease: Lease,
    now: datetime,
) -> FeedId | None:
    """Render *claimed*, store the feed that they make, and write the outcomes of what cannot or need not go."""
    offer = offer_of(connection)
    ended: list[outcomes.Ended] = []
    staying: list[tuple[str, coalescing.Change | None, str | None]] = []
    going: list[tuple[Claimed, Patch]] = []
    for each in claimed:
        change = each.key.pending
        if change is None:
            continue
        sku = to_amazon(each.name, connection.settings.sku_prefix)
        patch = feed_document.render(change, each.key.confirmed, each.key.lead_time_said, each.listing._replace(sku=sku), offer)
        if isinstance(patch, Reason):
            staying.append((each.name, change, patch))
            continue
        ended += (outcomes.Ended(connection.id, settled) for settled in coalescing.drop(change, patch.dropped))
        if patch.message:
            going.append((each, patch))
        else:
            staying.append((each.name, None, None))

    bodies = [feed_document.body(patch.message) for _, patch in going]
    head = feed_document.header(connection.seller.account.selling_partner_id, connection.language_tag)
    chosen, too_large = fit(map(feed_document.size, bodies), limits, frame_bytes=len(head) + len(feed_document.FOOTER))
    for position in too_large:
        each, patch = going[position]
        fate = Fate(Outcome.INVALID, reason="TOO_LARGE_FOR_A_FEED", issues=(issue("TOO_LARGE_FOR_A_FEED", value=each.name),))
        if each.key.pending is not None:
            ended += (outcomes.Ended(connection.id, settled) for settled in coalescing.verdict_fates(each.key.pending, fate))
        staying.append((each.name, None, None))
    taken = frozenset((*chosen, *too_large))
    staying += ((each.name, each.key.pending, None) for position, (each, _) in enumerate(going) if position not in taken)

    flights.stay(tx, connection.id, lane.kind, staying)
    outcomes.record(tx, ended, now)
    for each_ended in ended:
        metrics.outcomes(connection.name, each_ended.settled.type, each_ended.settled.outcome)
    if not chosen:
        return None
    return _store(
        tx, connection, lane, group, [going[position] for position in chosen], [bodies[position] for position in chosen], head, lease
    )


def _store(
    tx: Transaction,
    connection: Connection,
    lane: lanes.Lane,
    group: int | None,
    going: Sequence[tuple[Claimed, Patch]],
    bodies: Sequence[bytes],
    head: bytes,
    lease: Lease,
) -> FeedId:
    feed_id = feeds.new_id(tx)
    first = first_message_id(lane.next_message_id, len(going))
    document = feed_document.assemble(head, bodies, first)
    feeds.add(
        tx,
        feed_id,
        connection=(connection.id, connection.name),
        kind=lane.kind,
        feed_type=FEED_TYPES[Kind(lane.kind)],
        split_id=group,
        lease=lease,
        messages=len(going),
        first_message_id=first,
        document=gzip.compress(document, compresslevel=COMPRESSION, mtime=0),
        document_bytes=len(document),
    )
    rows: list[tuple[FeedId, int, str, str]] = []
    leaving: list[TakeOff] = []
    types: Counter[str] = Counter()
    for number, (each, patch) in enumerate(going, first):
        change = each.key.pending or coalescing.Change({}, {})
        coalescing.warn(change, patch.warnings)
        was = coalescing.take_off(each.key, {**{facet: said.value for facet, said in change.facets.items()}, **patch.sent})
        rows.append((feed_id, number, each.name, codec.text(Flight(change, dict(patch.sent), was))))
        leaving.append(TakeOff(each.name, number, each.key.confirmed))
        types.update(open_.type for open_ in change.messages.values())
    feeds.add_messages(tx, rows)
    flights.take_off(tx, connection.id, lane.kind, feed_id, leaving)
    lanes.cut(tx, lane, first + len(going))
    for type_, count in types.items():
        metrics.feed_messages(connection.name, type_, count)
    log.info("feed_cut", feed_id=feed_id, connection=connection.name, messages=len(going), document_bytes=len(document), group=group)
    return feed_id


def offer_of(connection: Connection) -> Offer:
    settings = connection.settings
    channel = settings.fulfillment_channel
    handling_time = settings.sync_listings.template.get(HANDLING_TIME)
    return Offer(
        marketplace_id=connection.marketplace.id,
        currency=connection.marketplace.currency,
        language_tag=connection.language_tag,
        channel=channel,
        patch_op=PatchOp(settings.sync_listings.patch_op),
        maps_handling_time=handling_time is not None and handling_time.way is not Way.DONT_MAP,
        sends_quantity=channel == feed_document.DEFAULT_CHANNEL or settings.fba_quantity == "send",
        guards_fba=settings.fba_guard,
    )
