"""The table `run`: one of a kind at a time, one for a tick, and nothing written by who was overtaken."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from worker.core.json import JsonObject
from worker.core.runs import RunEvent, RunKind, RunState, Trigger
from worker.database import Database, Transaction
from worker.store import runs
from worker.store.runs import Overtaken, Run

TICK = datetime(2026, 1, 31, 12, tzinfo=UTC)
GET_ORDERS = RunKind.GET_ORDERS


def _request(tx: Transaction, connection_id: int, tick: datetime | None = None) -> int | None:
    return runs.request(tx, connection_id, GET_ORDERS, Trigger.MANUAL if tick is None else Trigger.SCHEDULE, scheduled_for=tick)


def _claimed(stored: Database, run_id: int) -> Run:
    with stored.begin() as tx:
        run = runs.claim(tx, run_id)
    assert run is not None
    return run


def _claims_end(stored: Database) -> None:
    with stored.begin() as tx:
        tx.exec_driver_sql("UPDATE run SET claimed_until = now() - interval '1 second', dispatched_until = NULL")


@pytest.fixture
def run_id(stored: Database, connection_id: int) -> int:
    with stored.begin() as tx:
        made = _request(tx, connection_id)
    assert made is not None
    return made


@pytest.mark.requirement("R10")
def test_one_run_of_a_kind_is_under_way_and_the_next_may_begin_when_it_has_ended(stored: Database, connection_id: int, run_id: int) -> None:
    with stored.begin() as tx:
        assert _request(tx, connection_id) is None
        assert _request(tx, connection_id, TICK) is None
        assert runs.under_way(tx, connection_id, GET_ORDERS) == run_id
        assert runs.request(tx, connection_id, RunKind.IMPORT_LISTINGS, Trigger.MANUAL) is not None, "another kind does not mind"

    run = _claimed(stored, run_id)
    with stored.begin() as tx:
        runs.end(tx, run, RunEvent.WORK_DONE, {"orders": 2})
        assert runs.under_way(tx, connection_id, GET_ORDERS) is None
        assert _request(tx, connection_id) is not None


def test_a_run_for_a_single_order_goes_beside_the_others_and_one_at_a_time(stored: Database, connection_id: int, run_id: int) -> None:
    one: JsonObject = {"order": "902-3159896-1390916"}
    with stored.begin() as tx:
        made = runs.request(tx, connection_id, GET_ORDERS, Trigger.MANUAL, arguments=one)

        assert made is not None
        assert runs.request(tx, connection_id, GET_ORDERS, Trigger.MANUAL, arguments=one) is None
        assert runs.under_way(tx, connection_id, GET_ORDERS, order="902-3159896-1390916") == made
        assert runs.under_way(tx, connection_id, GET_ORDERS) == run_id
        assert runs.request(tx, connection_id, GET_ORDERS, Trigger.MANUAL, arguments={"order": "another"}) is not None


def test_a_list_of_runs_is_read_as_it_is_taken_and_never_whole(
    stored: Database, connection_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 2)
    with stored.begin() as tx:
        made = [runs.request(tx, connection_id, GET_ORDERS, Trigger.MANUAL, arguments={"order": str(number)}) for number in range(5)]
    with stored.begin() as tx:
        listed = runs.listed(tx, connection=None, kind=None, state=None, at_most=None)
        newest = next(listed)["run_id"]
        assert tx.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar() == 1
        assert [newest, *(each["run_id"] for each in listed)] == made[::-1]


@pytest.mark.requirement("R10")
def test_a_tick_has_one_run_however_many_conduct(stored: Database, connection_id: int) -> None:
    made: list[int | None] = []
    together = Barrier(8)

    def conduct() -> None:
        together.wait()
        with stored.begin() as tx:
            made.append(_request(tx, connection_id, TICK))

    threads = [Thread(target=conduct) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (run_id,) = [each for each in made if each is not None]
    run = _claimed(stored, run_id)
    with stored.begin() as tx:
        runs.end(tx, run, RunEvent.WORK_DONE, {})
        assert _request(tx, connection_id, TICK) is None, "not even after it has ended"
        assert _request(tx, connection_id, TICK + timedelta(minutes=15)) is not None


def test_a_run_is_taken_up_by_one_worker_and_by_another_when_the_claim_has_ended(stored: Database, run_id: int) -> None:
    first = _claimed(stored, run_id)
    with stored.begin() as tx:
        assert runs.claim(tx, run_id) is None
        runs.note(tx, first, cursor={"page": 2}, summary={"orders": 100})

    _claims_end(stored)
    second = _claimed(stored, run_id)

    assert (second.cursor, second.summary, second.attempts) == ({"page": 2}, {"orders": 100}, 2)


@pytest.mark.parametrize(
    "write",
    [
        lambda tx, run: runs.note(tx, run, cursor={"page": 9}),
        lambda tx, run: runs.release(tx, run, due_in=timedelta(0)),
        lambda tx, run: runs.retry(tx, run, due_in=timedelta(0), fault="late"),
        lambda tx, run: runs.end(tx, run, RunEvent.WORK_DONE, {}),
    ],
    ids=["note", "release", "retry", "end"],
)
def test_who_was_overtaken_writes_nothing(stored: Database, run_id: int, write: Callable[[Transaction, Run], None]) -> None:
    slow = _claimed(stored, run_id)
    _claims_end(stored)
    _claimed(stored, run_id)

    with pytest.raises(Overtaken), stored.begin() as tx:
        write(tx, slow)

    with stored.begin() as tx:
        assert (runs.shown(tx, run_id)["state"], tx.exec_driver_sql("SELECT cursor::text FROM run").scalar()) == ("running", "{}")


def test_due_runs_are_woken_once_in_a_while_and_those_of_a_paused_connection_not_at_all(stored: Database, run_id: int) -> None:
    with stored.begin() as tx:
        tx.exec_driver_sql("UPDATE connection SET paused = true")
        assert runs.dispatch_due(tx, at_most=10, every_seconds=10) == []
        tx.exec_driver_sql("UPDATE connection SET paused = false")
        assert runs.dispatch_due(tx, at_most=10, every_seconds=10) == [run_id]
        assert runs.dispatch_due(tx, at_most=10, every_seconds=10) == []

    run = _claimed(stored, run_id)
    with stored.begin() as tx:
        runs.release(tx, run, due_in=timedelta(seconds=30))
        assert runs.dispatch_due(tx, at_most=10, every_seconds=10) == [], "not before its next step is due"


@pytest.mark.requirement("R16")
def test_a_run_is_told_when_it_begins_and_when_it_ends(stored: Database, run_id: int) -> None:
    for _ in range(2):  # a second worker takes it up: nothing new to tell
        run = _claimed(stored, run_id)
        _claims_end(stored)
    with stored.begin() as tx:
        runs.end(tx, run, RunEvent.WORK_FAILED, {"orders": 1}, "Amazon is away.")
        told = tx.exec_driver_sql("SELECT payload FROM outbox WHERE kind = 'run' ORDER BY id").scalars().all()

    assert [(each["state"], each["summary"], each["fault"], each["trigger"]) for each in told] == [
        ("running", {}, None, "manual"),
        ("failed", {"orders": 1}, "Amazon is away.", "manual"),
    ]


def test_runs_are_listed_the_newest_first(stored: Database, connection_id: int, run_id: int) -> None:
    with stored.begin() as tx:
        other = runs.request(tx, connection_id, RunKind.SYNC_ORDERS, Trigger.MESSAGE)
        everything = list(runs.listed(tx, connection=None, kind=None, state=None, at_most=None))
        some = list(runs.listed(tx, connection="US", kind=GET_ORDERS, state=RunState.QUEUED, at_most=1))

    assert [each["run_id"] for each in everything] == [other, run_id]
    assert [(each["run_id"], each["connection"], each["trigger"]) for each in some] == [(run_id, "US", "manual")]


def test_runs_that_ended_before_the_retention_are_forgotten(stored: Database, run_id: int) -> None:
    run = _claimed(stored, run_id)
    with stored.begin() as tx:
        runs.end(tx, run, RunEvent.WORK_DONE, {})
        assert runs.forget_ended(tx, 30) == 0
        tx.exec_driver_sql("UPDATE run SET finished_at = now() - interval '31 days'")
        assert runs.forget_ended(tx, 30) == 1
