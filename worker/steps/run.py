"""Run: take a run's next steps, each bounded and stored before the next begins, so that a crash repeats at most one.

A kind of run is one line of `RUN_STEPS`: a function that takes one step. For example:

    def get_orders(ctx: Context, run: Run, connection: Connection) -> StepResult:
        page = ctx.amazon.search_orders(connection.seller, token=run.cursor.get("token"))  # one call to Amazon
        with ctx.database.begin() as tx:
            summary = {"orders": run.summary.get("orders", 0) + orders.save(tx, page.orders)}
            runs.note(tx, run, cursor={"token": page.next_token}, summary=summary)  # where a repeat would count twice
        if page.next_token is None:
            return Done(summary)
        return Again(cursor=run.cursor, summary=summary)

What a step must do:
- Begin from `run.cursor` alone (`{}` at first; JSON). What it has learnt that the next step needs goes back in `Again.cursor`.
- Make at most one call with an effect at Amazon, and be harmless when it is repeated: a worker may die before its result is stored.
- Take much less than `runs.CLAIM_SECONDS`; a longer one says `runs.note(tx, run)` now and then.
- Let `Later`, `NotSent`, `Unclear` and `NotAuthorized` through: the run is due again when a call is possible, is tried again with
  growing pauses, or fails with a clear word. A `Refused` that is not caught fails the run.
- Wait by `Again(..., due_in=...)`, never by sleeping.
- Keep `summary` small and free of personal data: it is shown, stored and published.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from threading import Event
from typing import Final

import structlog

from worker import metrics
from worker.context import Context
from worker.core.connections import Connection
from worker.core.issues import Issue, issue
from worker.core.json import JsonObject
from worker.core.polling import retry_after
from worker.core.runs import MOST_ATTEMPTS, Again, Done, Failed, RunEvent, RunKind, StepResult, Trigger
from worker.database import UNREACHABLE, Transaction
from worker.errors import AmazonError, FeedlineError, Later, NotAuthorized, Refused
from worker.steps import get_orders, import_listings, sync_run
from worker.store import connections, runs
from worker.store.runs import Run

log = structlog.get_logger()

Step = Callable[[Context, Run, Connection], StepResult]

RUN_STEPS: Final[Mapping[RunKind, Step]] = {
    RunKind.IMPORT_LISTINGS: import_listings.import_listings,
    RunKind.GET_ORDERS: get_orders.get_orders,
    RunKind.SYNC_LISTINGS: sync_run.sync_listings,
    RunKind.SYNC_ORDERS: sync_run.sync_orders,
}
"""The kinds that there are: `feedline run` offers these, schedules start these."""

SLICE_SECONDS: Final = 10
"""How long one wake-up goes on before it makes room for other work."""

PAUSED_SECONDS: Final = 5
"""How soon a run looks again whether its connection has been resumed."""


class RunRefused(FeedlineError):
    """A run that was asked for cannot begin. `issue` names the reason by a code of the catalogue."""

    def __init__(self, found: Issue) -> None:
        super().__init__(f"{found.code}: {found.message} {found.remedy}")
        self.issue = found


def ask(tx: Transaction, name: str, kind: str, trigger: Trigger, *, arguments: JsonObject | None = None) -> int:
    """Queue a run of the connection *name* and return its id.

    *arguments*: what is asked for beyond the kind, for its steps to read as `run.arguments`.
    Raises: ConnectionUnknown; RunRefused when there is no such kind, when the connection is paused or not authorised, or when it
    has such a run under way.
    """
    if kind not in RUN_STEPS:
        raise RunRefused(issue("RUN_KIND_UNKNOWN", field="kind", value=kind, limit=", ".join(RUN_STEPS)))
    connection = connections.by_name(tx, name)
    if connection.paused:
        raise RunRefused(issue("CONNECTION_PAUSED", field="connection", value=name))
    fault = connections.authorization_faults(tx).get(connection.seller.account.id)
    if fault is not None:
        raise RunRefused(issue("NOT_AUTHORIZED", field="connection", value=name, reason=fault))
    while (run_id := runs.request(tx, connection.id, RunKind(kind), trigger, arguments=arguments)) is None:
        other = runs.under_way(tx, connection.id, RunKind(kind), order=str((arguments or {}).get("order", "")))
        if other is not None:  # else it has ended since
            raise RunRefused(issue("RUN_UNDER_WAY", field="kind", value=kind, reason=other, limit=name))
    return run_id


def ask_by_message(ctx: Context, name: str, kind: str) -> None:
    """Queue a run for whoever sent a message; what cannot begin is told in the log, for there is nobody to answer."""
    try:
        with ctx.database.begin() as tx:
            run_id = ask(tx, name, kind, Trigger.MESSAGE)
    except FeedlineError as refused:
        log.warning("run_refused", kind=kind, reason=str(refused))
    else:
        log.info("run_queued", run_id=run_id, connection=name, kind=kind)


def take_steps(ctx: Context, run_id: int, stopping: Event, steps: Mapping[RunKind, Step] = RUN_STEPS) -> None:
    """Take a run as far as it will go now, for a while."""
    with ctx.database.begin() as tx:
        run = runs.claim(tx, run_id)
        connection = None if run is None else connections.by_id(tx, run.connection_id)
    if run is None or connection is None:
        return
    try:
        if connection.paused:
            _give_back(ctx, run, timedelta(seconds=PAUSED_SECONDS))
        elif runs.has_no_attempt_left(run):
            fault = run.fault or f"At the same step {MOST_ATTEMPTS} workers have died or failed: their logs say more."
            _end(ctx, run, connection, Failed(fault, run.summary))
        else:
            _take(ctx, run, connection, steps[run.kind], stopping)
    except runs.Overtaken:
        log.info("run_overtaken", run_id=run.id, kind=run.kind)


def _take(ctx: Context, run: Run, connection: Connection, step: Step, stopping: Event) -> None:
    until = ctx.clock.monotonic() + SLICE_SECONDS
    while True:
        try:
            result = step(ctx, run, connection)
        except (AmazonError, FeedlineError) as error:
            _stumble(ctx, run, connection, error)
            return
        except UNREACHABLE as error:  # a deadlock, or Postgres is restarting; while it is away, this raises again
            with ctx.database.begin() as tx:
                runs.retry(tx, run, due_in=retry_after(run.attempts), fault="Postgres broke the step off.")
            log.info("run_step_broken_off", run_id=run.id, kind=run.kind, error=type(error).__name__)
            return
        if not isinstance(result, Again):
            _end(ctx, run, connection, result)
            return
        with ctx.database.begin() as tx:
            runs.note(tx, run, cursor=result.cursor, summary=result.summary)
            if result.due_in > timedelta(0) or stopping.is_set() or ctx.clock.monotonic() > until:
                runs.release(tx, run, due_in=result.due_in)
                return


def _stumble(ctx: Context, run: Run, connection: Connection, error: AmazonError | FeedlineError) -> None:
    """A step did not end well: the run goes on later, or ends where a person must act or nothing else was tried often enough.

    A FeedlineError is a worker's own, as that it lacks a key: another may have it.
    """
    if isinstance(error, Later):
        with ctx.database.begin() as tx:
            runs.release(tx, run, at=error.at)
    elif isinstance(error, NotAuthorized):
        _end(ctx, run, connection, _denied(run, connection, "NOT_AUTHORIZED", error))
    elif isinstance(error, Refused) and error.status == HTTPStatus.FORBIDDEN:
        _end(ctx, run, connection, _denied(run, connection, "ROLE_MISSING", error))
    elif isinstance(error, Refused) or run.attempts >= MOST_ATTEMPTS:
        _end(ctx, run, connection, Failed(str(error), run.summary))
    else:
        with ctx.database.begin() as tx:
            runs.retry(tx, run, due_in=retry_after(run.attempts), fault=str(error))
        log.info("run_step_failed", run_id=run.id, kind=run.kind, reason=str(error))


def _denied(run: Run, connection: Connection, code: str, error: AmazonError) -> Failed:
    found = issue(code, field="connection", value=connection.name, limit=error.operation, reason=error.reason)
    return Failed(f"{found.code}: {found.message} {found.remedy}", run.summary)


def _give_back(ctx: Context, run: Run, due_in: timedelta) -> None:
    with ctx.database.begin() as tx:
        runs.release(tx, run, due_in=due_in)


def _end(ctx: Context, run: Run, connection: Connection, result: Done | Failed) -> None:
    event, fault = (RunEvent.WORK_DONE, None) if isinstance(result, Done) else (RunEvent.WORK_FAILED, result.fault)
    with ctx.database.begin() as tx:
        runs.end(tx, run, event, result.summary, fault)
    metrics.run_ended(connection.name, run.kind, run.state)
    log.info("run_ended", run_id=run.id, connection=connection.name, kind=run.kind, trigger=run.trigger, state=run.state, fault=fault)
