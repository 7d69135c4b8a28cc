"""Whatever orders do, and whatever goes wrong on the way, every version that is shown to a whole run is imported, exactly once."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.steps.orders import ago, begin, go_on, order, order_id, put
from tests.steps.shop import SELLER, Shop
from worker.amazon import orders as orders_api
from worker.context import Context
from worker.core.connections import Connection
from worker.core.runs import RunKind, StepResult
from worker.steps import get_orders as step
from worker.steps.run import take_steps
from worker.store.runs import Run

ORDERS = 5
FAULTS = ("pagination_token_expired", "order_changes_between_pages", "order_repeated", "drop_after", "error_before")


class Dies(BaseException):
    """As kill -9 does: nothing that follows is done."""


def _run(shop: Shop, fault: str | None, dies_at: int | None) -> None:
    """Run to the end, through one fault of Amazon's and one death of the worker."""
    if fault is not None:
        shop.simulator.fault(fault, operation="searchOrders", skip=1)
    steps = iter(range(1000))

    def mortal(ctx: Context, run: Run, connection: Connection) -> StepResult:
        result = step.get_orders(ctx, run, connection)
        if next(steps) == dies_at:
            raise Dies
        return result

    run_id = begin(shop)
    with suppress(Dies):
        take_steps(shop.ctx, run_id, Event(), {RunKind.GET_ORDERS: mortal})
    while (run := go_on(shop, run_id))["finished_at"] is None:
        shop.hurry()
    assert run["state"] == "done", run["fault"]
    shop.simulator.clear_faults()


def _shown(shop: Shop) -> dict[str, datetime]:
    """The version of every order that the simulator shows."""
    return {name: datetime.fromisoformat(found["updated_at"]) for name, found in shop.simulator.orders(SELLER).items()}


def _imported(shop: Shop) -> dict[str, datetime]:
    return {row["amazon_order_id"]: row["updated_at"] for row in shop.query("SELECT amazon_order_id, updated_at FROM amazon_order")}


def _told(shop: Shop) -> Counter[tuple[str, str]]:
    rows = shop.query(
        "SELECT payload -> 'data' ->> 'amazon_order_id' AS id, payload -> 'data' ->> 'updated_at' AS at FROM outbox WHERE kind = 'order'"
    )
    return Counter((row["id"], row["at"]) for row in rows)


STATUSES = st.sampled_from(["PENDING", "UNSHIPPED", "SHIPPED", "CANCELLED"])
ROUNDS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, ORDERS), STATUSES), max_size=4),  # orders that change, and their new status
        st.none() | st.sampled_from(FAULTS),
        st.none() | st.integers(0, 8),  # the step after which the worker dies
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture
def small_pages(open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(orders_api, "PAGE_SIZE", 2)
    shop = open_shop()
    shop.connect()
    shop.simulator.set_limits(orders_delay_seconds=0)
    return shop


@pytest.mark.requirement("R79")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS)
def test_every_version_that_a_whole_run_could_see_is_imported_and_told_exactly_once(
    small_pages: Shop, rounds: list[tuple[list[tuple[int, str]], str | None, int | None]]
) -> None:
    shop = small_pages
    shop.execute("TRUNCATE amazon_order, amazon_order_item, order_window, outbox, run RESTART IDENTITY CASCADE")
    put(shop, *(order(number, status="PENDING", updated_at=ago(minutes=20 + number)) for number in range(1, ORDERS + 1)))
    seen: dict[str, datetime] = {}

    for changes, fault, dies_at in rounds:
        for number, status in changes:
            shop.simulator.change_order(SELLER, order_id(number), status=status)
        before = _shown(shop)
        _run(shop, fault, dies_at)
        imported = _imported(shop)
        # An order that changed while it was paged is the next run's; all others are as the simulator showed them.
        after = _shown(shop)
        assert all(imported.get(name) == version for name, version in before.items() if after[name] == version)
        assert all(imported[name] >= version for name, version in seen.items()), "never back to an older version"
        seen = imported
    _run(shop, None, None)

    assert _imported(shop) == _shown(shop)
    assert set(_told(shop).values()) == {1}
