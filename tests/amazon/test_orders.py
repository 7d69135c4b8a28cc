"""The reads of the Orders API through the gateway."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, US, Worker
from worker.amazon import orders
from worker.amazon.orders import OrderPage, PageTokenRefused
from worker.core.accounts import Seller
from worker.core.orders import ALWAYS_INCLUDED
from worker.errors import Refused

BLOCKS = tuple(sorted(ALWAYS_INCLUDED))
HOUR = timedelta(hours=1)


def order_id(number: int) -> str:
    return f"114-1234567-{number:07d}"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def ordered(simulator: Simulator, now: datetime) -> None:
    """Five orders, each updated an hour before the next."""
    simulator.put_orders(
        CREDENTIALS.seller_id,
        [
            {
                "order_id": order_id(number),
                "marketplace_id": US,
                "items": [{"order_item_id": "11498765431234", "unit_price": "19.99"}],
                "updated_at": (now - number * HOUR).isoformat(),
            }
            for number in range(1, 6)
        ],
    )


def ids(page: OrderPage) -> set[str]:
    return {msgspec.json.decode(order)["orderId"] for order in page.orders}


@pytest.mark.requirement("R71")
def test_a_search_finds_what_was_updated_in_its_window(worker: Worker, seller: Seller, now: datetime) -> None:
    page = worker.amazon.search_orders(seller, now - 3.5 * HOUR, now - 1.5 * HOUR, BLOCKS)

    assert ids(page) == {order_id(2), order_id(3)}
    assert page.next_token is None
    assert page.until is not None
    assert abs(page.until - (now - 1.5 * HOUR)) < timedelta(milliseconds=1)


@pytest.mark.requirement("R79")
def test_a_search_without_an_upper_bound_ends_two_minutes_ago_and_says_when(worker: Worker, seller: Seller, now: datetime) -> None:
    page = worker.amazon.search_orders(seller, now - 3.5 * HOUR, None, BLOCKS)

    assert len(page.orders) == 3
    assert page.until is not None
    assert timedelta(seconds=-1) < page.until - (now - timedelta(minutes=2)) < timedelta(seconds=30)


@pytest.mark.parametrize("until_hours_ago", [0.5, None])
def test_pages_are_read_with_the_parameters_of_the_first(
    worker: Worker, seller: Seller, now: datetime, monkeypatch: pytest.MonkeyPatch, until_hours_ago: float | None
) -> None:
    monkeypatch.setattr(orders, "PAGE_SIZE", 2)
    until = None if until_hours_ago is None else now - until_hours_ago * HOUR
    pages: list[OrderPage] = []
    token = None
    while not pages or token is not None:
        pages.append(worker.amazon.search_orders(seller, now - 10 * HOUR, until, BLOCKS, token))
        token = pages[-1].next_token

    assert [len(page.orders) for page in pages] == [2, 2, 1]
    assert len({page.until for page in pages}) == 1
    assert set().union(*map(ids, pages)) == {order_id(number) for number in range(1, 6)}


def test_an_expired_page_token_is_told_from_any_other_refusal(
    simulator: Simulator, worker: Worker, seller: Seller, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "PAGE_SIZE", 2)
    first = worker.amazon.search_orders(seller, now - 10 * HOUR, None, BLOCKS)
    simulator.fault("pagination_token_expired")

    with pytest.raises(PageTokenRefused):
        worker.amazon.search_orders(seller, now - 10 * HOUR, None, BLOCKS, first.next_token)
    with pytest.raises(Refused):
        worker.amazon.search_orders(seller, now, None, BLOCKS)
    simulator.fault("role_missing", operation="searchOrders")
    with pytest.raises(Refused) as refused:
        worker.amazon.search_orders(seller, now - 10 * HOUR, None, BLOCKS, first.next_token)
    assert refused.value.status == 403


def test_one_order_is_read_or_said_to_be_none(worker: Worker, seller: Seller) -> None:
    raw = worker.amazon.get_order(seller, order_id(1), (*BLOCKS, "BUYER"))

    assert raw is not None
    found = msgspec.json.decode(raw)
    assert (found["orderId"], found["buyer"]["buyerName"]) == (order_id(1), "Jane Roe")
    assert worker.amazon.get_order(seller, order_id(9), BLOCKS) is None


def test_only_the_blocks_that_are_asked_for_come(worker: Worker, seller: Seller, now: datetime) -> None:
    page = worker.amazon.search_orders(seller, now - 1.5 * HOUR, None, BLOCKS)

    found = msgspec.json.decode(page.orders[0])
    assert {"fulfillment", "proceeds", "packages"} <= found.keys()
    assert {"buyer", "recipient"}.isdisjoint(found)
