"""Lanes: when the next feed is due, and who may cut it."""

import pytest

from tests.store.shelf import want
from worker.core.kinds import Kind
from worker.database import Database
from worker.store import lanes


def ready(stored: Database, connection_id: int, *skus: str, waited_seconds: int = 0) -> None:
    with stored.begin() as tx:
        for number, sku in enumerate(skus, 1):
            want(tx, connection_id, sku, message=number, quantity=number)
        tx.exec_driver_sql(
            "UPDATE key_state SET state = 'ready', linked = true, pending_since = now() - %s * interval '1 second'", (waited_seconds,)
        )


def due(stored: Database, *, full: int = 10) -> list[tuple[int, str]]:
    with stored.begin() as tx:
        return lanes.dispatch_due(tx, linger_seconds=30, full=full, every_seconds=60)


def test_a_lane_is_due_when_its_oldest_change_has_lingered(stored: Database, connection_id: int) -> None:
    ready(stored, connection_id, "A", waited_seconds=29)
    before = due(stored)
    ready(stored, connection_id, "A", waited_seconds=31)

    assert (before, due(stored)) == ([], [(connection_id, Kind.LISTINGS)])


def test_a_lane_is_due_when_a_whole_feed_has_gathered(stored: Database, connection_id: int) -> None:
    ready(stored, connection_id, "A", "B")

    assert due(stored, full=3) == []
    assert due(stored, full=2) == [(connection_id, Kind.LISTINGS)]


def test_a_lane_is_woken_once_in_a_while_only(stored: Database, connection_id: int) -> None:
    ready(stored, connection_id, "A", waited_seconds=60)

    assert [len(due(stored)), len(due(stored))] == [1, 0]


@pytest.mark.requirement("R120")
def test_connections_that_share_a_usage_plan_take_turns(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        other: int = tx.exec_driver_sql(
            "INSERT INTO connection (name, account_id, marketplace_id, settings) "
            "SELECT 'CA', account_id, 'A2EUQ1WTGCTBG2', '{}' FROM connection RETURNING id"
        ).scalar_one()
    for each in (connection_id, other):
        ready(stored, each, "A", waited_seconds=60)

    served = []
    for number in range(1, 5):
        ((lane, kind),) = due(stored)
        served.append(lane)
        with stored.begin() as tx:
            tx.exec_driver_sql(
                "INSERT INTO feed (id, connection_id, kind, feed_type, state, messages, first_message_id, document, document_bytes, "
                "created_at, changed_at) VALUES (%s, %s, %s, 'JSON_LISTINGS_FEED', 'cut', 1, 1, '', 0, now(), now())",
                (number, lane, kind),
            )
            tx.exec_driver_sql("UPDATE lane SET dispatched_until = NULL")

    assert served == [served[0], served[1]] * 2
    assert set(served) == {connection_id, other}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE connection SET paused = true",
        "UPDATE account SET authorization_fault = 'revoked'",
        "INSERT INTO lane (connection_id, kind, not_before) SELECT id, 'listings', now() + interval '1 minute' FROM connection",
        "UPDATE key_state SET state = 'held', hold_reason = 'feeds_failing'",
    ],
    ids=["paused", "not authorised", "no quota", "held"],
)
def test_a_lane_that_may_not_send_is_not_woken(stored: Database, connection_id: int, change: str) -> None:
    ready(stored, connection_id, "A", waited_seconds=60)
    with stored.begin() as tx:
        tx.exec_driver_sql(change)

    assert due(stored) == []


@pytest.mark.requirement("R120")
def test_a_lane_that_another_worker_cuts_is_passed_over(stored: Database, connection_id: int) -> None:
    with stored.begin() as mine:
        lanes.lock(mine, connection_id, Kind.LISTINGS)
        mine.commit()
    with stored.begin() as mine:
        held = lanes.lock(mine, connection_id, Kind.LISTINGS)
        with stored.begin() as other:
            refused = lanes.lock(other, connection_id, Kind.LISTINGS)

    assert held is not None
    assert refused is None


def test_failing_feeds_are_counted_with_the_size_of_the_first(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        lanes.lock(tx, connection_id, Kind.LISTINGS)
        counted = [lanes.failing(tx, connection_id, Kind.LISTINGS, messages=messages) for messages in (100, 50, 25)]
        lanes.recovered(tx, connection_id, Kind.LISTINGS)
        after = lanes.failing(tx, connection_id, Kind.LISTINGS, messages=7)

    assert (counted, after) == ([(1, 100), (2, 100), (3, 100)], (1, 7))


def test_a_group_whose_changes_are_gone_is_forgotten(stored: Database, connection_id: int) -> None:
    ready(stored, connection_id, "A", "B")
    with stored.begin() as tx:
        first = lanes.add_group(tx, connection_id, Kind.LISTINGS, 1, ["A"], "why")
        second = lanes.add_group(tx, connection_id, Kind.LISTINGS, 1, ["B"], "why")
        tx.exec_driver_sql("UPDATE key_state SET split_id = %s WHERE key = 'B'", (second,))
        lane = lanes.lock(tx, connection_id, Kind.LISTINGS)
        assert lane is not None
        group = lanes.next_group(tx, lane)
        left = tx.exec_driver_sql("SELECT id FROM split").scalars().all()

    assert first not in left
    assert group is not None
    assert group.id == second
