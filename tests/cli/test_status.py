"""`feedline status`: what waits, what is under way, what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, cut_a_feed, deliver, opened
from tests.steps.shop import NAME, Shop
from worker.store import status


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


def test_what_waits_is_under_way_and_has_ended_is_counted(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1", "MUG-2")
    shop.publish({"sku": "MUG-1", "quantity": 5})
    shop.run()
    shop.publish({"sku": "MUG-2", "quantity": 5})
    cut_a_feed(shop)
    shop.publish({"sku": "MUG-1", "quantity": 4}, {"sku": "MUG-3", "quantity": 4}, {"sku": "MUG-1", "quantity": "x"})

    (found,) = answered(feedline, settings, "status")

    (connection,) = found["connections"]
    assert (connection["connection"], connection["paused"], connection["authorized"]) == (NAME, False, True)
    assert (connection["pending"]["changes"], connection["pending"]["unlinked"]) == (2, 1)
    assert connection["pending"]["oldest_seconds"] >= 0
    assert connection["in_feed"]["changes"] == 1
    assert connection["feeds"] == {"settled": 1, "cut": 1}
    assert connection["outcomes"] == {"accepted": 1, "invalid": 1}
    assert found["rejected_open"] == 1
    assert found["outbox"]["entries"] > 0


def test_the_quota_shows_the_calls_left_and_when_the_next_is_possible(shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": 5})
    shop.run()

    quota = {each["operation"]: each for each in _connection(shop)["quota"]}

    assert 0 < quota["createFeed"]["tokens"] <= 15
    assert quota["createFeed"]["next_call_seconds"] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE connection SET paused = true", "connection_paused"),
        ("UPDATE account SET authorization_fault = 'the refresh token was revoked'", "not_authorized"),
        ("UPDATE key_state SET state = 'held', hold_reason = 'feeds_failing'", "feeds_failing"),
    ],
)
def test_what_is_kept_back_is_counted_under_its_reason(shop: Shop, change: str, reason: str) -> None:
    shop.publish({"sku": "MUG-1", "quantity": 5})
    with shop.ctx.database.begin() as tx:
        tx.exec_driver_sql(change)

    connection = _connection(shop)

    assert connection["pending"]["changes"] == 0
    assert {held: each["changes"] for held, each in connection["held"].items()} == {reason: 1}


def test_people_read_what_is_wrong_in_words(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.publish({"sku": "MUG-1", "quantity": 5})
    deliver(shop, b"{")
    with shop.ctx.database.begin() as tx:
        tx.exec_driver_sql("UPDATE account SET authorization_fault = 'the refresh token was revoked'")

    told = feedline("status", settings=settings)
    unknown = feedline("status", "--connection", "nobody's", settings=settings)

    assert told.returncode == 0
    assert "NO: the refresh token was revoked" in told.stdout
    assert "Held: not_authorized" in told.stdout
    assert "1 open; see: feedline rejected list" in told.stdout
    assert unknown.returncode == 1


def _connection(shop: Shop) -> dict[str, Any]:
    with shop.ctx.database.begin() as tx:
        (connection,) = status.read(tx, NAME)["connections"]
    found: dict[str, Any] = connection
    return found
