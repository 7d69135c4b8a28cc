"""Link: before a SKU's first send, ask Amazon whether it exists, of which type it is, and who fulfils it (R67 to R69).

In bulk, the most urgent first; changes of SKUs that are linked already do not wait for it. Of what Amazon does not list, the
listing may be on its way to us by another queue: it is refused when it has lingered, as long as it may wait for company.
"""

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from threading import Event
from typing import Final

import structlog

from worker import metrics
from worker.context import Context
from worker.core import coalescing
from worker.core.coalescing import Change
from worker.core.connections import Connection, from_amazon, to_amazon
from worker.core.cutting import halves
from worker.core.facets import LISTING
from worker.core.issues import issue
from worker.core.kinds import Kind
from worker.core.outcomes import Fate, Outcome, Settled
from worker.errors import AmazonError, Later, Refused, Unclear
from worker.store import connections, imported_listings, keys, lanes, leases, listings, outcomes, shipments
from worker.store.flights import FALLBACK_PRODUCT_TYPE
from worker.store.listings import Linked

log = structlog.get_logger()

SKUS_PER_CALL: Final = 20
"""Source: Listings Items API 2021-08-01, searchListingsItems: at most 20 identifiers."""

CALLS_A_ROUND: Final = 5
"""Calls between two looks at what waits: the burst of the usage plan. What they find is written at once."""

SLICE_SECONDS: Final = 5
"""How long one wake-up goes on before it makes room for other work."""

LEASE_SECONDS: Final = 60
"""Longer than a slice and the one call that may outlast it."""
RETRY_SECONDS: Final = 5

PUT_OFF_SECONDS: Final = 60
"""Until a SKU about which Amazon cannot be asked is asked about again."""

MOST_FAILED_IN_A_ROW: Final = 8
"""Calls: a page of 20 that fails because of one SKU comes down to that one with its sixth; after more it is Amazon that fails."""


def lease_name(connection_id: int) -> str:
    return f"link:{connection_id}"


def link(ctx: Context, connection_id: int, stopping: Event) -> None:
    """Link what waits to be linked, as far as the usage plan allows now."""
    until = ctx.clock.monotonic() + SLICE_SECONDS
    try:
        while not stopping.is_set() and ctx.clock.monotonic() < until:
            with ctx.database.begin() as tx:
                leases.keep(tx, lease_name(connection_id), LEASE_SECONDS)
                connection = connections.by_id(tx, connection_id)
                waiting = listings.unlinked(tx, connection_id, SKUS_PER_CALL * CALLS_A_ROUND)
            if connection is None or connection.paused or not waiting:
                break
            _take_round(ctx, connection, waiting, until)
    except Later as later:
        with ctx.database.begin() as tx:
            leases.keep_until(tx, lease_name(connection_id), later.at)
    except AmazonError as error:
        log.info("linking_failed", connection_id=connection_id, operation=error.operation, status=error.status)
        with ctx.database.begin() as tx:
            leases.keep(tx, lease_name(connection_id), RETRY_SECONDS)
    else:
        with ctx.database.begin() as tx:
            leases.release(tx, lease_name(connection_id))


def _take_round(ctx: Context, connection: Connection, waiting: Sequence[str], until: float) -> None:
    """Ask about *waiting*, and write what was found. No call begins after *until*: the lease must not end under a slow Amazon.

    A page that Amazon refuses, or fails at, is asked for in halves: a SKU of which it cannot hear is put off, and no other with it.
    """
    asked: list[str] = []
    found: list[Linked] = []
    alone: list[str] = []
    fault: AmazonError | None = None
    in_a_row = 0
    pages = deque(list(waiting[start : start + SKUS_PER_CALL]) for start in range(0, len(waiting), SKUS_PER_CALL))
    try:
        while pages and not ((asked or fault) and ctx.clock.monotonic() >= until):
            page = pages.popleft()
            try:
                found += _ask(ctx, connection, page)
            except (Refused, Unclear) as error:
                fault, in_a_row = error, in_a_row + 1
                if error.status in {None, HTTPStatus.FORBIDDEN} or in_a_row == MOST_FAILED_IN_A_ROW:
                    raise
                pages.extendleft(reversed(list(halves(page))))
                alone += page if len(page) == 1 else ()
            else:
                in_a_row = 0
                asked += page
        if fault is not None and not asked:
            raise fault
    finally:
        # What the calls before a failed one found is no less true.
        if asked:
            _write(ctx, connection, asked, found)
        # Where Amazon answered nothing, it may be Amazon that fails, and the SKUs are asked about again soon.
        if alone and (asked or isinstance(fault, Refused)):
            _put_off(ctx, connection, alone)


def _put_off(ctx: Context, connection: Connection, skus: Sequence[str]) -> None:
    """Let others go first: what is asked about again and again, the most urgent first, would leave no room for them."""
    with ctx.database.begin() as tx:
        keys.lock(tx, (keys.KeyName(connection.id, Kind.LISTINGS, sku) for sku in skus))
        listings.put_off(tx, connection.id, skus, timedelta(seconds=PUT_OFF_SECONDS))
    log.info("linking_put_off", connection_id=connection.id, skus=skus)


def _ask(ctx: Context, connection: Connection, waiting: Sequence[str]) -> list[Linked]:
    prefix = connection.settings.sku_prefix
    found = ctx.amazon.search_listings(connection.seller, [to_amazon(key, prefix) for key in waiting])
    return [Linked(from_amazon(item.sku, prefix), item.product_type, item.asin, item.channels) for item in found]


def _write(ctx: Context, connection: Connection, asked: Sequence[str], found: Sequence[Linked]) -> None:
    wanted = set(asked)
    known = [each for each in found if each.sku in wanted]
    unknown = sorted(wanted - {each.sku for each in known})
    # Two transactions: within one, keys are locked in the order of their names.
    if known:
        with ctx.database.begin() as tx:
            listings.link(tx, connection.id, known, FALLBACK_PRODUCT_TYPE)
            shipments.reconsider(tx, connection.id, skus=[each.sku for each in known])
    if unknown:
        _end_unknown(ctx, connection, unknown)
    log.debug("listings_linked", connection=connection.name, linked=len(known), unknown=len(unknown))


def _end_unknown(ctx: Context, connection: Connection, unknown: Sequence[str]) -> None:
    ended: list[outcomes.Ended] = []
    early: list[str] = []
    with ctx.database.begin() as tx:
        now = tx.exec_driver_sql("SELECT now()").scalar_one()
        linger = timedelta(0) if lanes.flushes(tx, connection.id, Kind.LISTINGS) else timedelta(seconds=ctx.settings.feed_linger_seconds)
        near = imported_listings.near_misses(tx, connection.id, unknown)
        rows = keys.lock(tx, (keys.KeyName(connection.id, Kind.LISTINGS, sku) for sku in unknown))
        lingering = listings.lingering(tx, connection.id, unknown, linger)
        for name, row in rows.items():
            if row.state != "unlinked" or row.key.pending is None:
                continue
            if coalescing.publishes(row.key.pending):
                row.state = "ready"
            elif name.key in lingering:
                early.append(name.key)
            else:
                found = _unknown(row.key.pending, connection, name.key, near.get(name.key))
                ended += (outcomes.Ended(connection.id, settled) for settled in found)
                row.key.pending = None
        keys.save(tx, rows.values())
        listings.ask_later(tx, connection.id, early, linger)
        outcomes.record(tx, ended, now)
    for each in ended:
        metrics.outcomes(connection.name, each.settled.type, each.settled.outcome)


def _unknown(change: Change, connection: Connection, key: str, near: str | None) -> list[Settled]:
    """End what cannot be sent of a SKU that Amazon does not list: a deletion has nothing to do, all else is refused.

    *near*: a SKU that it lists, and that differs only by case or spaces (R112).
    """
    prefix = connection.settings.sku_prefix
    hint = "" if near is None else f", but {to_amazon(near, prefix)!r} (case and spaces count)"
    found = issue("SKU_UNKNOWN", field="sku", value=to_amazon(key, prefix), reason=hint)
    refused = Fate(Outcome.REJECTED, reason="SKU_UNKNOWN", issues=(found,))
    nothing_to_delete = Fate(Outcome.UNCHANGED)
    said = change.facets.items()
    fates = {facet: nothing_to_delete if facet == LISTING and each.value.cleared else refused for facet, each in said}
    return coalescing.drop(change, fates)
