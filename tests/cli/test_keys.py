"""`feedline keys rotate`: everything sealed comes under the newest key, and the old one may go."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.steps.orders import get_orders, order, order_id, put
from tests.steps.shop import NAME, Shop
from worker.secrets import new_key

FURTHER = "FEEDLINE_SECRET_KEYS"


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED), get_orders={"event_personal_data": True}) as connected:
        put(connected, order(1), order(2))
        get_orders(connected)
        yield connected


def test_after_a_rotation_the_old_key_may_be_taken_away(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    newest = new_key()
    both, alone = {**settings, FURTHER: f"{newest},{settings[FURTHER]}"}, {**settings, FURTHER: newest}
    too_early = feedline("orders", "show", order_id(1), settings=alone)

    (rotated,) = answered(feedline, both, "keys", "rotate")
    (again,) = answered(feedline, both, "keys", "rotate")

    assert too_early.returncode == 1
    assert (rotated["sealed"], rotated["renewed"], rotated["unreadable"]) == (6, 6, [])
    assert (again["sealed"], again["renewed"]) == (6, 0)
    (shown,) = answered(feedline, alone, "orders", "show", order_id(1))
    assert shown["mapped"]["shipping_address.city"] == "Seattle"
    tested = feedline("connection", "test", NAME, settings=alone)
    assert tested.returncode == 0, tested.stderr


def test_what_no_key_opens_is_named_and_the_rest_is_rotated(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.execute(f"UPDATE amazon_order SET personal = 'gAAAA' WHERE amazon_order_id = '{order_id(2)}'")

    run = feedline("keys", "rotate", settings={**settings, FURTHER: f"{new_key()},{settings[FURTHER]}"})

    assert run.returncode == 1
    assert f"amazon_order.personal 1:{order_id(2)}: none of FEEDLINE_SECRET_KEYS opens it." in run.stderr
    assert [line.split() for line in run.stdout.splitlines()] == [["Sealed", "6"], ["Renewed", "5"], ["Unreadable", "1"]]


def test_keys_without_a_command_shows_what_there_is(feedline: Feedline, settings: dict[str, str]) -> None:
    assert "rotate" in feedline("keys", settings=settings).stdout + feedline("keys", settings=settings).stderr
