"""The rows of keys: locked in one order, made once, and always in the state that follows from what is pending."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from tests.eventually import eventually
from tests.store.shelf import NOW, name, want
from worker.core.ordering import History
from worker.database import Database, Transaction
from worker.store import keys


def row(stored: Database, key: str) -> Any:
    with stored.begin() as tx:
        return tx.exec_driver_sql("SELECT * FROM key_state WHERE key = %s", (key,)).one()


def test_a_new_key_waits_to_be_linked(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)
        now = tx.exec_driver_sql("SELECT now()").scalar_one()

    assert (row(stored, "A").state, row(stored, "A").pending_since) == ("unlinked", now)


@pytest.mark.requirement("R62")
def test_a_key_that_runs_out_of_stock_becomes_urgent(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)
    before = row(stored, "A").priority
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=2, quantity=0)

    assert (before, row(stored, "A").priority) == (1, 0)


def test_a_quantity_releases_what_was_held_for_it_and_nothing_else_does(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", handling_time=3)
        tx.exec_driver_sql("UPDATE key_state SET state = 'held', hold_reason = 'quantity_unknown', linked = true")
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=2, price="1.00")
    with_a_price = row(stored, "A").state
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=3, quantity=3)

    assert (with_a_price, row(stored, "A").state) == ("held", "ready")


def test_a_batch_looks_its_keys_up_and_never_reads_the_table_whole(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO key_state (connection_id, kind, key, state, versions) "
            "SELECT %s, 'listings', 'SKU-' || n, 'idle', '{}' FROM generate_series(1, 20000) AS n",
            (connection_id,),
        )
        tx.exec_driver_sql("ANALYZE key_state")
    names = [name(connection_id, f"SKU-{number}") for number in range(1, 20_000, 40)]

    with stored.begin() as tx:
        keys.save(tx, keys.lock(tx, names).values())
        read_whole = tx.exec_driver_sql("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'key_state'").scalar_one()

    assert read_whole == 0


def test_a_key_keeps_its_place_and_its_group_for_as_long_as_anything_waits(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=1, quantity=1)
        tx.exec_driver_sql("UPDATE key_state SET split_id = 7, pending_since = %s", (NOW,))

    with stored.begin() as tx:
        want(tx, connection_id, "A", message=2, quantity=2)
    assert (row(stored, "A").split_id, row(stored, "A").pending_since) == (7, NOW)

    with stored.begin() as tx:
        rows = keys.lock(tx, [name(connection_id, "A")])
        rows[name(connection_id, "A")].key.pending = None
        keys.save(tx, rows.values())
    assert (row(stored, "A").state, row(stored, "A").split_id, row(stored, "A").pending_since) == ("idle", None, None)


@pytest.mark.requirement("R120")
def test_workers_that_meet_on_new_keys_wait_for_each_other_and_lose_nothing(stored: Database, connection_id: int) -> None:
    together = Barrier(4)

    def work(worker: int) -> None:
        names = [name(connection_id, f"K{number}") for number in range(10)]

        def note(row: keys.KeyRow) -> Sequence[None]:
            row.key.versions[f"worker {worker}"] = History(sequenced=False, facets={})
            return ()

        together.wait(timeout=20)
        with stored.begin() as tx:
            keys.change(tx, names[::-1] if worker % 2 else names, note)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(work, worker) for worker in range(4)]:
            done.result(timeout=30)

    with stored.begin() as tx:
        versions = tx.exec_driver_sql("SELECT versions FROM key_state").scalars().all()
    assert versions == [{f"worker {worker}": [False, {}] for worker in range(4)}] * 10


@pytest.mark.requirement("R120")
def test_a_worker_waits_for_its_turn_and_does_nothing_twice(stored: Database, connection_id: int) -> None:
    worked: list[tuple[int, bool]] = []

    def work(worker: int, tx: Transaction) -> None:
        worked.extend(keys.change(tx, [name(connection_id, "A")], lambda row: [(worker, row.ctid is None)]))

    def second() -> None:
        with stored.begin() as tx:
            work(2, tx)

    def one_waits() -> bool:
        here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        with stored.begin() as tx:
            waiting = tx.exec_driver_sql(f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {here}")
            return bool(waiting.scalar_one())

    with ThreadPoolExecutor(1) as threads:
        with stored.begin() as tx:
            work(1, tx)
            later = threads.submit(second)
            eventually(one_waits)
        later.result(timeout=30)

    assert worked == [(1, True), (2, False)]


def test_a_row_that_another_moved_while_it_was_waited_for_is_written_where_it_is_now(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=1, quantity=1)

    def say_more() -> None:
        with stored.begin() as tx:
            want(tx, connection_id, "A", message=2, price="1.00")

    def one_waits() -> bool:
        with stored.begin() as tx:
            return bool(
                tx.exec_driver_sql("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").all()
            )

    with ThreadPoolExecutor(1) as threads:
        with stored.begin() as tx:
            tx.exec_driver_sql("UPDATE key_state SET priority = priority")
            later = threads.submit(say_more)
            eventually(one_waits)
        later.result(timeout=30)

    assert row(stored, "A").pending["f"].keys() == {"quantity", "price"}


def test_a_row_that_is_not_where_it_was_locked_is_not_lost_in_silence(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)

    with stored.begin() as tx:
        rows = keys.lock(tx, [name(connection_id, "A")]).values()
        keys.save(tx, rows)
        with pytest.raises(RuntimeError, match="1 of 1 keys"):
            keys.save(tx, rows)


@pytest.mark.requirement("R120")
def test_one_connection_does_not_wait_for_the_keys_of_another(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        other = tx.exec_driver_sql(
            "INSERT INTO connection (name, account_id, marketplace_id, settings) "
            "SELECT 'another', account_id, marketplace_id, settings FROM connection RETURNING id"
        ).scalar_one()

    with stored.begin() as slow:
        keys.change(slow, [name(connection_id, "A")], lambda row: [row.name])
        with stored.begin() as tx:
            assert keys.change(tx, [name(other, "A")], lambda row: [row.name]) == [name(other, "A")]


def test_a_row_that_another_made_meanwhile_is_not_written_over(stored: Database, connection_id: int) -> None:
    with stored.begin() as late:
        rows = keys.lock(late, [name(connection_id, "A")])
        with stored.begin() as early:
            want(early, connection_id, "A", quantity=1)

        with pytest.raises(keys.Taken):
            keys.save(late, rows.values())


@pytest.mark.parametrize(
    "change",
    [
        "state = 'in_feed'",
        "state = 'ready', pending = NULL, pending_since = NULL",
        "state = 'held'",
        "state = 'idle'",
        "state = 'lost'",
        "hold_reason = 'because'",
        "pending_since = NULL",
        "feed_message_id = 1",
        "feed_messages = 1",
    ],
)
def test_the_database_refuses_a_key_in_a_state_that_cannot_be(stored: Database, connection_id: int, change: str) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)

    with pytest.raises(IntegrityError), stored.begin() as tx:
        tx.exec_driver_sql(f"UPDATE key_state SET {change}")


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
VALUES = st.one_of(
    TEXTS,
    st.integers(-(2**31), 2**31),
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.booleans(),
    st.lists(TEXTS, max_size=3),
    st.dictionaries(TEXTS, TEXTS | st.none(), max_size=3),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
def test_a_value_comes_back_as_it_was_stored(stored: Database, connection_id: int, value: Any) -> None:
    with stored.begin() as tx:
        tx.exec_driver_sql("DELETE FROM key_state")
        want(tx, connection_id, 'k"\\{}', color=value)
        found = keys.lock(tx, [name(connection_id, 'k"\\{}')])[name(connection_id, 'k"\\{}')]

    assert found.key.pending is not None
    stored_value = found.key.pending.facets["color"].value.value
    assert stored_value == value
    assert isinstance(stored_value, Decimal | int) or not isinstance(value, Decimal)
