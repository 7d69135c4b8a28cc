"""Get orders: import what was updated since the last time, window by window and page by page; then look at pending orders again.

An order is imported in a savepoint of its own, so that an odd one stops nothing. Requirement rows R71 to R79.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError

from worker.amazon.orders import OrderPage, PageTokenRefused
from worker.context import Context
from worker.core.connections import Connection
from worker.core.issues import Issue, issue
from worker.core.json import JsonObject
from worker.core.order_tally import Fate, Tally
from worker.core.order_windows import LONGEST, OVERLAP, Search, Window, gaps, halved, next_search, read_until
from worker.core.orders import BEYOND_US, Order, beyond_us
from worker.core.runs import Again, Done, Failed, StepResult
from worker.database import UNREACHABLE, Transaction, described, is_of_the_data
from worker.errors import Refused, Unclear
from worker.store import orders, runs, shipments
from worker.store.orders import Owner, SameVersion
from worker.store.runs import Run

log = structlog.get_logger()

MOST_REVISITED: Final = 30
"""Pending orders that one run asks for by their ids: Amazon's burst for getOrder."""

MOST_TRIES: Final = 3
"""Calls for one pending order without an answer, after which the others are not kept waiting."""

MOST_BEGUN_ANEW: Final = 12
"""How often a run begins windows anew before it has failed; each time with half of the window."""


class _Cursor(msgspec.Struct, omit_defaults=True):
    """Where a run is: on a page of a search, or among the pending orders to `revisit`.

    `bound`: the upper bound that Amazon told with the first page. `longest_seconds`: of a window, after one had to begin anew.
    """

    since: datetime | None = None
    until: datetime | None = None
    bound: datetime | None = None
    token: str | None = None
    longest_seconds: float | None = None
    revisit: list[str] | None = None

    def json(self) -> JsonObject:
        made: JsonObject = msgspec.to_builtins(self)
        return made


def get_orders(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Take the next step: one page, or one order."""
    asked_for = run.arguments.get("order")
    if asked_for is not None:
        return _one(ctx, run, connection, str(asked_for))
    cursor = msgspec.convert(run.cursor, _Cursor)
    if cursor.revisit is not None:
        return _revisit(ctx, run, connection, cursor.revisit)
    return _page(ctx, run, connection, cursor)


# --- windows and pages ---------------------------------------------------------------------------------------------------------


def _page(ctx: Context, run: Run, connection: Connection, cursor: _Cursor) -> StepResult:
    search = _search(ctx, run, cursor)
    template = connection.settings.order_template
    try:
        page = ctx.amazon.search_orders(connection.seller, search.since, search.until, template.included_data, cursor.token)
    except PageTokenRefused:
        return _begin_anew(ctx, run, cursor, search)
    read = [template.read(raw) for raw in page.orders]
    with ctx.database.begin() as tx:
        runs.note(tx, run)  # who was overtaken finds out here, before it has written anything
        tally = Tally.of(run.summary)
        tally.pages += 1
        _import(tx, ctx, connection, read, SameVersion.STAYS, tally)
        following = _following(ctx, tx, run, cursor, search, page, tally)
        runs.note(tx, run, cursor=following.json(), summary=tally.summary())
    return Again(cursor=run.cursor, summary=run.summary)


def _search(ctx: Context, run: Run, cursor: _Cursor) -> Search:
    """Return the search that *cursor* is in the midst of, or the next one."""
    if cursor.since is not None:
        return Search(cursor.since, cursor.until)
    longest = LONGEST if cursor.longest_seconds is None else timedelta(seconds=cursor.longest_seconds)
    with ctx.database.begin() as tx:
        covered = orders.windows(tx, run.connection_id)
    return next_search(covered, run.now, longest=longest)


def _following(ctx: Context, tx: Transaction, run: Run, cursor: _Cursor, search: Search, page: OrderPage, tally: Tally) -> _Cursor:
    """Return where the run goes on: on the next page, in the next window, or among the pending orders."""
    bound = cursor.bound or read_until(search, page.until, ctx.clock.now())
    if page.next_token is not None:
        return _Cursor(search.since, search.until, bound, page.next_token, cursor.longest_seconds)
    window = Window(search.since, bound)
    tally.cover(window, gaps(orders.cover(tx, run.connection_id, window)))
    if search.until is not None and window.until - window.since > OVERLAP:  # else it would be the next one again
        return _Cursor(longest_seconds=cursor.longest_seconds)
    return _Cursor(revisit=orders.still_pending(tx, run.connection_id, run.started_at, MOST_REVISITED))


def _begin_anew(ctx: Context, run: Run, cursor: _Cursor, search: Search) -> StepResult:
    """Begin the window anew, half as long: what was read of it stays, and is read again."""
    tally = Tally.of(run.summary)
    tally.begun_anew += 1
    if tally.begun_anew > MOST_BEGUN_ANEW:
        return Failed(f"Amazon has ended the pages of {MOST_BEGUN_ANEW} windows too early.", tally.summary())
    length = halved(search.since, cursor.bound or ctx.clock.now())
    log.warning("order_window_begun_anew", run_id=run.id, since=search.since.isoformat(), hours=length / timedelta(hours=1))
    return Again(cursor=_Cursor(longest_seconds=length.total_seconds()).json(), summary=tally.summary())


# --- orders by their ids -------------------------------------------------------------------------------------------------------


def _revisit(ctx: Context, run: Run, connection: Connection, pending: Sequence[str]) -> StepResult:
    """Ask for one pending order by its id: its payment may have cleared without any window that tells."""
    if not pending:
        return _end(ctx, run, connection)
    order_id, *others = pending
    template = connection.settings.order_template
    try:
        raw = ctx.amazon.get_order(connection.seller, order_id, template.included_data)
        read = None if raw is None else template.read(raw)
    except (Refused, Unclear) as error:
        if isinstance(error, Unclear) and run.attempts < MOST_TRIES:
            raise
        # It may be this order alone that Amazon refuses, or fails at.
        read = issue("ORDER_REFUSED", value=order_id, reason=error.reason)
    with ctx.database.begin() as tx:
        runs.note(tx, run)
        tally = Tally.of(run.summary)
        tally.revisited += 1
        if read is not None:
            _import(tx, ctx, connection, [read], SameVersion.IS_COMPARED, tally)
        orders.revisited(tx, run.connection_id, order_id)
        runs.note(tx, run, cursor=_Cursor(revisit=others).json(), summary=tally.summary())
    return Again(cursor=run.cursor, summary=run.summary)


def _end(ctx: Context, run: Run, connection: Connection) -> StepResult:
    tally = Tally.of(run.summary)
    with ctx.database.begin() as tx:
        tally.shipments_released += shipments.reconsider(tx, connection.id, orders.awaited(tx, connection.id))
    return Done(tally.summary())


def _one(ctx: Context, run: Run, connection: Connection, order_id: str) -> StepResult:
    """Import the one order that was asked for, whatever window it belongs to."""
    template, tally = connection.settings.order_template, Tally()
    raw = ctx.amazon.get_order(connection.seller, order_id, template.included_data)
    read = None if raw is None else template.read(raw)
    if read is None or (isinstance(read, Order) and read.marketplace_id not in {None, connection.seller.marketplace_id}):
        return Failed(f"Amazon knows no order {order_id} of this seller in this marketplace.", tally.summary())
    with ctx.database.begin() as tx:
        runs.note(tx, run)
        _import(tx, ctx, connection, [read], SameVersion.IS_COMPARED, tally)
        # Also where the order is as it was: a shipment may have come while another run imported it.
        tally.shipments_released += shipments.reconsider(tx, connection.id, [order_id])
    return Failed(tally.odd_orders[0].message, tally.summary()) if tally.odd_orders else Done(tally.summary())


# --- one order -----------------------------------------------------------------------------------------------------------------


def _import(
    tx: Transaction, ctx: Context, connection: Connection, read: Sequence[Order | Issue], same_version: SameVersion, tally: Tally
) -> None:
    """Import what was *read*. Orders go by their ids, so that two who lock several do so in one order."""
    settings = connection.settings
    owner = Owner(connection.id, connection.name, settings.get_orders.event_personal_data, settings.order_template.personal_targets)
    orders.one_import_at_a_time(tx, connection.id)
    for found in read:
        if isinstance(found, Issue):
            _leave_out(connection, found, tally)
    tally.orders += len(read)
    taken = []
    for order in sorted((each for each in read if isinstance(each, Order)), key=lambda each: (each.amazon_order_id, each.updated_at)):
        try:
            with tx.begin_nested():
                saved = orders.save(tx, ctx.vault, owner, order, same_version)
        except DBAPIError as error:
            if isinstance(error, UNREACHABLE) and not is_of_the_data(error):
                raise
            _leave_out(connection, issue("ORDER_NOT_STORED", value=order.amazon_order_id, reason=described(error)), tally)
            continue
        except BEYOND_US as error:
            _leave_out(connection, beyond_us(order.amazon_order_id, error), tally)
            continue
        tally.count(saved.fate)
        if saved.fate is not Fate.UNCHANGED:
            taken.append(order.amazon_order_id)
        if saved.unmapped:
            tally.count_unmapped(order.amazon_order_id, saved.unmapped)
    if taken:
        tally.shipments_released += shipments.reconsider(tx, connection.id, taken)


def _leave_out(connection: Connection, found: Issue, tally: Tally) -> None:
    tally.leave_out(found)
    log.warning("order_left_out", connection=connection.name, code=found.code, amazon_order_id=found.value)
