"""Runs and schedules: steps that survive a worker's death, waits for the usage plan, one run a tick, missed ones made up once."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from tests.steps.shop import NAME, Shop
from worker.context import Context
from worker.core.connections import Connection
from worker.core.runs import MOST_ATTEMPTS, Again, Done, Failed, RunKind, StepResult, Trigger
from worker.errors import Later, NotAuthorized, NotSent, Refused
from worker.steps import schedule
from worker.steps.run import Step, ask, take_steps
from worker.store import connections, runs
from worker.store.runs import Run

PAGES = 5
KIND = RunKind.GET_ORDERS


def pages(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """An import of `PAGES` pages, one a step."""
    page = run.cursor.get("page", 0) + 1
    summary = {"pages": run.summary.get("pages", 0) + 1}
    return Done(summary) if page == PAGES else Again(cursor={"page": page}, summary=summary)


class Dies(BaseException):
    """As kill -9 does: nothing that follows is done."""


def request(shop: Shop) -> int:
    with shop.ctx.database.begin() as tx:
        run_id = runs.request(tx, connections.by_name(tx, NAME).id, KIND, Trigger.MANUAL)
    assert run_id is not None
    return run_id


def take(shop: Shop, run_id: int, step: Step = pages) -> None:
    take_steps(shop.ctx, run_id, Event(), {KIND: step})


def shown(shop: Shop, run_id: int) -> dict[str, Any]:
    with shop.ctx.database.begin() as tx:
        return runs.shown(tx, run_id)


def due_now(shop: Shop) -> None:
    shop.execute("UPDATE run SET due_at = now(), claimed_until = NULL WHERE due_at IS NOT NULL")


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect()
    return shop


@pytest.mark.requirement("R16")
def test_a_run_takes_its_steps_and_ends_with_its_summary(connected: Shop) -> None:
    run_id = request(connected)

    take(connected, run_id)

    run = shown(connected, run_id)
    assert (run["state"], run["summary"], run["fault"], run["trigger"]) == ("done", {"pages": PAGES}, None, "manual")
    take(connected, run_id)  # a late wake-up
    assert shown(connected, run_id) == run


@pytest.mark.parametrize("dies_at", range(PAGES))
@pytest.mark.parametrize("after_its_call", [True, False], ids=["after its call", "before its call"])
def test_a_worker_that_dies_at_any_step_costs_at_most_that_step_again(connected: Shop, dies_at: int, *, after_its_call: bool) -> None:
    calls: list[int] = []
    alive = [True]

    def mortal(ctx: Context, run: Run, connection: Connection) -> StepResult:
        at = run.cursor.get("page", 0)
        if after_its_call or at != dies_at or not alive[0]:
            calls.append(at)
        if at == dies_at and alive[0]:
            alive[0] = False
            raise Dies
        return pages(ctx, run, connection)

    run_id = request(connected)
    with pytest.raises(Dies):
        take(connected, run_id, mortal)
    take(connected, run_id, mortal)
    assert shown(connected, run_id)["state"] == "running", "the dead worker's claim has not ended yet"
    connected.execute("UPDATE run SET claimed_until = now() - interval '1 second'")
    take(connected, run_id, mortal)

    assert (shown(connected, run_id)["state"], shown(connected, run_id)["summary"]) == ("done", {"pages": PAGES})
    assert calls == sorted([*range(PAGES), dies_at] if after_its_call else range(PAGES))


@pytest.mark.requirement("R10")
def test_a_run_without_a_call_left_in_the_usage_plan_is_due_again_then_and_has_not_failed(connected: Shop) -> None:
    at = connected.ctx.clock.now() + timedelta(minutes=3)

    def no_token(ctx: Context, run: Run, connection: Connection) -> StepResult:
        raise Later("searchOrders", at)

    run_id = request(connected)
    for _ in range(MOST_ATTEMPTS + 2):
        take(connected, run_id, no_token)
        run = shown(connected, run_id)
        assert (run["state"], run["fault"], run["due_at"]) == ("running", None, at)
        due_now(connected)
    take(connected, run_id)

    assert shown(connected, run_id)["state"] == "done"


def _raising(error: Exception) -> Step:
    def step(ctx: Context, run: Run, connection: Connection) -> StepResult:
        raise error

    return step


def test_a_step_that_fails_is_tried_again_and_after_many_times_the_run_has_failed(connected: Shop) -> None:
    run_id = request(connected)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert shown(connected, run_id)["state"] != "failed", f"before attempt {attempt}"
        take(connected, run_id, _raising(NotSent("searchOrders", "connection refused")))
        due_now(connected)

    run = shown(connected, run_id)
    assert (run["state"], run["fault"]) == ("failed", "searchOrders: connection refused")


def test_a_worker_that_lacks_the_key_says_so_in_the_run_and_another_goes_on(connected: Shop) -> None:
    run_id = request(connected)
    sealed = connected.query("SELECT refresh_token FROM account")[0]["refresh_token"]
    connected.execute("UPDATE account SET refresh_token = '', access_token = NULL")

    take_steps(connected.ctx, run_id, Event())
    run = shown(connected, run_id)
    with connected.ctx.database.begin() as tx:
        tx.exec_driver_sql("UPDATE account SET refresh_token = %s", (sealed,))
    due_now(connected)
    take_steps(connected.ctx, run_id, Event())

    assert run["state"] == "running"
    assert run["fault"].startswith("account:1:refresh_token cannot be decrypted: none of FEEDLINE_SECRET_KEYS fits.")
    assert shown(connected, run_id)["fault"] is None


def test_a_step_that_succeeds_between_failures_forgives_them(connected: Shop) -> None:
    run_id = request(connected)

    def every_second(ctx: Context, run: Run, connection: Connection) -> StepResult:
        if run.attempts == 1 and run.cursor.get("failed") is not True:
            return Again(cursor={"failed": True}, summary={})
        raise NotSent("searchOrders", "connection refused")

    for _ in range(MOST_ATTEMPTS - 1):
        take(connected, run_id, every_second)
        due_now(connected)
    take(connected, run_id)

    assert shown(connected, run_id)["state"] == "done"
    assert shown(connected, run_id)["fault"] is None


def test_a_step_that_kills_its_worker_every_time_ends_in_a_failed_run_not_in_a_loop(connected: Shop) -> None:
    run_id = request(connected)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(Dies):
            take(connected, run_id, _dying)
        due_now(connected)
    take(connected, run_id, _dying)

    run = shown(connected, run_id)
    assert (run["state"], run["fault"]) == ("failed", f"At the same step {MOST_ATTEMPTS} workers have died or failed: their logs say more.")


def _dying(ctx: Context, run: Run, connection: Connection) -> StepResult:
    raise Dies


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (_raising(Refused("searchOrders", "no", code="InvalidInput", status=400)), "searchOrders: InvalidInput: no (HTTP 400)"),
        (
            _raising(Refused("searchOrders", "Access to requested resource is denied.", code="Unauthorized", status=403)),
            "ROLE_MISSING: Amazon denies searchOrders to the connection US shop: Unauthorized: Access to requested resource is denied.",
        ),
        (_raising(NotAuthorized("login", "invalid_grant")), "NOT_AUTHORIZED"),
        (lambda ctx, run, connection: Failed("The report was CANCELLED.", {}), "The report was CANCELLED."),
    ],
    ids=["refused", "a role is missing", "not authorised", "failed"],
)
def test_what_nobody_can_repeat_fails_the_run_at_once_and_says_why(connected: Shop, step: Step, fault: str) -> None:
    run_id = request(connected)

    take(connected, run_id, step)

    run = shown(connected, run_id)
    assert run["state"] == "failed"
    assert run["fault"].startswith(fault)


def test_a_run_of_a_connection_that_is_paused_meanwhile_waits(connected: Shop) -> None:
    run_id = request(connected)
    connected.execute("UPDATE connection SET paused = true")

    take(connected, run_id)
    assert shown(connected, run_id)["state"] == "running"
    connected.execute("UPDATE connection SET paused = false")
    due_now(connected)
    take(connected, run_id)

    assert shown(connected, run_id)["state"] == "done"


def test_a_run_that_waits_gives_its_worker_back(connected: Shop) -> None:
    run_id = request(connected)

    take(connected, run_id, lambda ctx, run, connection: Again(cursor={"at": 1}, summary={"pages": 1}, due_in=timedelta(minutes=1)))

    (row,) = connected.query("SELECT claimed_until, due_at > now() + interval '50 seconds' AS waits, cursor FROM run")
    assert (row["claimed_until"], row["waits"], row["cursor"]) == (None, True, {"at": 1})


# --- schedules -----------------------------------------------------------------------------------------------------------------


def _tick(shop: Shop) -> None:
    shop.execute("DELETE FROM lease")
    schedule.tick(shop.ctx, [KIND])


def _pass(shop: Shop, interval: str) -> None:
    """Let time go by for what Postgres keeps of schedules."""
    shop.execute(f"UPDATE schedule SET due_at = due_at - interval '{interval}', tick = tick - interval '{interval}'")


def _triggers(shop: Shop) -> list[tuple[str, str]]:
    return [(row["trigger"], row["state"]) for row in shop.query("SELECT trigger, state FROM run ORDER BY id")]


@pytest.mark.requirement("R10", "R16", "R25")
def test_a_tick_becomes_one_run_with_its_trigger_and_its_time(connected: Shop) -> None:
    _tick(connected)
    assert _triggers(connected) == [], "not before the tick"
    _pass(connected, "15 minutes")
    (due,) = connected.query("SELECT tick FROM schedule")

    _tick(connected)
    _tick(connected)

    assert _triggers(connected) == [("schedule", "queued")]
    assert connected.query("SELECT scheduled_for AS tick FROM run") == [due]
    (following,) = connected.query("SELECT tick > now() AS later, tick <= now() + interval '15 minutes' AS soon FROM schedule")
    assert following == {"later": True, "soon": True}


@pytest.mark.requirement("R10")
def test_ticks_that_were_missed_are_made_up_once(connected: Shop) -> None:
    _tick(connected)
    _pass(connected, "10 hours")

    _tick(connected)
    for row in connected.query("SELECT id FROM run"):
        take(connected, row["id"])
    _tick(connected)

    assert _triggers(connected) == [("schedule", "done")]


@pytest.mark.requirement("R10")
def test_a_tick_does_not_wait_for_a_run_that_gets_a_single_order(connected: Shop) -> None:
    _tick(connected)
    with connected.ctx.database.begin() as tx:
        ask(tx, NAME, KIND, Trigger.MANUAL, arguments={"order": "902-3159896-1390916"})
    _pass(connected, "15 minutes")

    _tick(connected)

    assert _triggers(connected) == [("manual", "queued"), ("schedule", "queued")]


def test_a_run_that_ends_while_another_is_asked_for_is_no_reason_to_refuse_it(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    former = request(connected)
    under_way = runs.under_way

    def after_its_end(*args: Any, **kwargs: Any) -> int | None:
        take(connected, former)
        return under_way(*args, **kwargs)

    monkeypatch.setattr(runs, "under_way", after_its_end)
    with connected.ctx.database.begin() as tx:
        assert ask(tx, NAME, KIND, Trigger.MANUAL) > former


@pytest.mark.requirement("R10", "R16")
def test_a_tick_that_comes_while_a_run_is_under_way_is_made_up_when_it_has_ended(connected: Shop) -> None:
    _tick(connected)
    run_id = request(connected)
    _pass(connected, "40 minutes")

    _tick(connected)
    assert _triggers(connected) == [("manual", "queued")]
    take(connected, run_id)
    _tick(connected)
    _tick(connected)

    assert _triggers(connected) == [("manual", "done"), ("schedule", "queued")]


@pytest.mark.parametrize(
    ("stops", "goes_on"),
    [
        ("UPDATE connection SET paused = true", "UPDATE connection SET paused = false"),
        ("UPDATE account SET authorization_fault = 'gone'", "UPDATE account SET authorization_fault = NULL"),
    ],
    ids=["paused", "not authorised"],
)
def test_a_connection_that_cannot_run_makes_its_tick_up_once_when_it_can(connected: Shop, stops: str, goes_on: str) -> None:
    _tick(connected)
    connected.execute(stops)
    _pass(connected, "2 hours")
    _tick(connected)
    assert _triggers(connected) == []

    connected.execute(goes_on)
    _tick(connected)
    _tick(connected)

    assert _triggers(connected) == [("schedule", "queued")]


def test_a_change_of_settings_keeps_a_missed_tick_and_a_new_schedule_counts_from_now(connected: Shop) -> None:
    _tick(connected)
    _pass(connected, "1 hour")
    before = connected.query("SELECT tick FROM schedule")

    connected.connect(sku_prefix="AMZ-")
    connected.execute("UPDATE connection SET paused = true")
    _tick(connected)
    assert connected.query("SELECT tick FROM schedule") == before
    connected.connect(sku_prefix="AMZ-", get_orders={"every": "0 3 * * *"}, timezone="Europe/Berlin")
    _tick(connected)
    (row,) = connected.query("SELECT tick > now() AS later, to_char(tick AT TIME ZONE 'Europe/Berlin', 'HH24:MI') AS clock FROM schedule")
    assert row == {"later": True, "clock": "03:00"}
    connected.connect(sku_prefix="AMZ-", get_orders={"every": None})
    _tick(connected)

    assert connected.query("SELECT every, tick, due_at FROM schedule") == [{"every": None, "tick": None, "due_at": None}]


CRON = {"get_orders": {"every": "0 3 * * *"}, "timezone": "Europe/Berlin"}


@pytest.mark.requirement("R10")
def test_a_timezone_that_this_machine_does_not_know_puts_one_schedule_off_and_stops_nothing(connected: Shop) -> None:
    connected.connect(**CRON)
    _tick(connected)
    connected.execute("UPDATE schedule SET timezone = 'Mars/Olympus', tick = now(), due_at = now()")

    _tick(connected)
    _tick(connected)

    assert _triggers(connected) == [("schedule", "queued")], "the tick that had been told"
    (row,) = connected.query("SELECT tick, s.due_at > now() + interval '59 minutes' AS is_put_off, r.id FROM schedule s CROSS JOIN run r")
    assert (row["tick"], row["is_put_off"]) == (None, True)
    take(connected, row["id"])
    connected.execute("UPDATE schedule SET timezone = 'Europe/Berlin', due_at = now()")  # the zone has been installed
    _tick(connected)
    assert _triggers(connected) == [("schedule", "done")], "no tick was told that is made up"
    assert connected.query("SELECT tick > now() AS later FROM schedule") == [{"later": True}]


def test_settings_that_this_worker_cannot_read_stop_no_other_schedule(connected: Shop) -> None:
    connected.execute(
        "INSERT INTO connection (name, account_id, marketplace_id, settings) "
        'SELECT \'Newer\', account_id, marketplace_id, settings || \'{"timezone": 7, "name": "Newer"}\' FROM connection'
    )

    _tick(connected)

    assert connected.query("SELECT connection_id FROM schedule") == [{"connection_id": 1}]


@pytest.fixture
def two_workers(open_shop: Callable[..., Shop]) -> tuple[Shop, Shop]:
    return open_shop(), open_shop()


@pytest.mark.requirement("R10")
def test_two_conductors_at_once_make_one_run_of_a_tick(two_workers: tuple[Shop, Shop]) -> None:
    one, other = two_workers
    one.connect()
    _tick(one)
    _pass(one, "15 minutes")

    with one.ctx.database.begin() as tx:  # the first has found the tick, and has not committed yet
        (due,) = runs.due_schedules(tx, [KIND], 10)
        _tick(other)
        assert runs.request(tx, due.connection_id, due.kind, Trigger.SCHEDULE, scheduled_for=due.tick) is not None
    _tick(other)

    assert _triggers(one) == [("schedule", "queued")]
