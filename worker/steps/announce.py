"""Announce: publish the events of the outbox, and forget them when the broker has confirmed.

At least once: an event that is published again carries the same id.
"""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Final

import msgspec
import structlog

from worker.context import Context
from worker.core import events
from worker.core.events import ConnectionData, FeedData, OrderTold, OutgoingEvent, RunData
from worker.core.json import JsonObject, decode
from worker.database import Transaction
from worker.errors import FeedlineError
from worker.store import leases, outbox, traces
from worker.store.outbox import Entry

log = structlog.get_logger()

ENTRIES_AT_ONCE: Final = 50
EVENTS_AT_ONCE: Final = 2_000
"""Events published between two looks; more only where one entry holds them, for it holds the outcomes of a transaction."""

SLICE_SECONDS: Final = 10


def announce(ctx: Context, stopping: Event) -> None:
    """Publish what the outbox holds, for a while; whoever conducts wakes us again while there is more."""
    until = ctx.clock.monotonic() + SLICE_SECONDS
    try:
        while not stopping.is_set() and ctx.clock.monotonic() < until:
            with ctx.database.begin() as tx:
                leases.keep(tx, outbox.LEASE, outbox.LEASE_SECONDS)
                entries = _some(outbox.oldest(tx, ENTRIES_AT_ONCE))
                told = [event for entry in entries for event in _events(ctx, tx, entry)]
            if not entries:
                break
            ctx.publisher.publish_events(told)
            with ctx.database.begin() as tx:
                outbox.forget(tx, entries)
    finally:
        with ctx.database.begin() as tx:
            leases.release(tx, outbox.LEASE)


def _some(entries: Sequence[Entry]) -> list[Entry]:
    """Return the first of *entries*, as many as hold about `EVENTS_AT_ONCE` events."""
    chosen: list[Entry] = []
    events_ = 0
    for entry in entries:
        if chosen and events_ + len(entry.refs or ()) > EVENTS_AT_ONCE:
            break
        chosen.append(entry)
        events_ += len(entry.refs or (entry.id,))
    return chosen


def _events(ctx: Context, tx: Transaction, entry: Entry) -> Iterator[OutgoingEvent]:
    if entry.kind == outbox.OUTCOME:
        yield from traces.outcome_events(tx, entry.refs or [])
    elif entry.payload is not None and entry.kind == outbox.CONNECTION:
        yield events.connection_event(msgspec.json.decode(entry.payload, type=ConnectionData), at=entry.created_at)
    elif entry.payload is not None and entry.kind == outbox.RUN:
        yield events.run_event(msgspec.json.decode(entry.payload, type=RunData), at=entry.created_at)
    elif entry.payload is not None and entry.kind == outbox.ORDER:
        told = msgspec.json.decode(entry.payload, type=OrderTold)
        yield told.event(_personal(ctx, told, entry.sealed), at=entry.created_at)
    elif entry.payload is not None:
        yield events.feed_event(msgspec.json.decode(entry.payload, type=FeedData), at=entry.created_at)


def _personal(ctx: Context, told: OrderTold, sealed: bytes | None) -> JsonObject:
    """Return the personal data that goes with an order's event. Where no key opens it, the event goes without: others wait behind it."""
    if sealed is None:
        return {}
    try:
        opened: JsonObject = decode(ctx.vault.open(told.place, bytes(sealed)).reveal())
    except FeedlineError as error:
        log.error("order_event_without_personal_data", amazon_order_id=told.data.amazon_order_id, reason=str(error))  # noqa: TRY400
        return {}
    return opened
