"""Getting orders from the simulator: windows, pages, changes, odd orders, and runs that die on their way."""

from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest

from tests.steps.orders import MUG, ago, begin, change, events, get_orders, go_on, order, order_id, put, rows
from tests.steps.parcels import ORDER, amazon_has, parcel, ship
from tests.steps.shop import NAME, SELLER, Shop
from worker.amazon import orders as orders_api
from worker.context import Context
from worker.core.connections import Connection
from worker.core.order_windows import LAG, OVERLAP, Window
from worker.core.runs import RunKind, StepResult
from worker.steps import get_orders as step
from worker.steps.run import take_steps
from worker.store import gauges
from worker.store import orders as orders_store
from worker.store.runs import Run

GERMANY = "A1PA6795UKMFR9"


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect()
    return shop


@pytest.fixture
def small_pages(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop, getting two orders a page."""
    monkeypatch.setattr(orders_api, "PAGE_SIZE", 2)
    return connected


@pytest.mark.requirement("R71", "R72", "R74", "R75")
def test_orders_are_imported_with_their_items_and_what_the_template_makes(connected: Shop) -> None:
    put(connected, order(1), order(2, status="SHIPPED"))

    summary = get_orders(connected)

    assert (summary["new"], summary["changed"], summary["odd"]) == (2, 0, 0)
    first, second = rows(connected)
    assert (first["amazon_order_id"], first["status"], str(first["total"]), first["currency"]) == (order_id(1), "UNSHIPPED", "39.98", "USD")
    assert (first["mapped"]["reference_number"], first["mapped"]["invoice.total"]) == (order_id(1), "39.98")
    assert second["closed_at"] == second["updated_at"]
    items = connected.query("SELECT amazon_order_item_id, sku, quantity FROM amazon_order_item")
    assert items == [{"amazon_order_item_id": MUG, "sku": "MUG", "quantity": 2}] * 2
    assert [(event["connection"], event["amazon_order_id"]) for event in events(connected)] == [(NAME, order_id(2)), (NAME, order_id(1))][
        ::-1
    ]


@pytest.mark.requirement("R79")
def test_importing_twice_changes_no_row_and_tells_nothing(connected: Shop) -> None:
    put(connected, order(1), order(2, status="PENDING"))
    get_orders(connected)
    before, told = [{**row, "revisited_at": None, "row_version": None} for row in rows(connected)], events(connected)
    first_version = rows(connected)[0]["row_version"]

    connected.execute("DELETE FROM order_window")
    summary = get_orders(connected)

    assert (summary["new"], summary["changed"], summary["unchanged"] > 0) == (0, 0, True)
    assert [{**row, "revisited_at": None, "row_version": None} for row in rows(connected)] == before
    assert rows(connected)[0]["row_version"] == first_version
    assert events(connected) == told


@pytest.mark.requirement("R79")
def test_a_later_change_is_taken_over_once_and_told_once(connected: Shop) -> None:
    put(connected, order())
    get_orders(connected)
    change(connected, status="SHIPPED", updated_at=ago(minutes=3))

    changed = get_orders(connected)
    again = get_orders(connected)

    assert (changed["changed"], again["changed"]) == (1, 0)
    (row,) = rows(connected)
    assert (row["status"], row["changes"]) == ("SHIPPED", 2)
    assert [event["status"] for event in events(connected)] == ["UNSHIPPED", "SHIPPED"]
    versions = [row["payload"]["version"] for row in connected.query("SELECT payload FROM outbox WHERE kind = 'order' ORDER BY id")]
    assert versions == ["1.1", "1.2"], "the ids of the two events differ"


def test_an_older_version_never_overwrites_a_newer_one(connected: Shop) -> None:
    put(connected, order(status="SHIPPED", updated_at=ago(minutes=4)))
    get_orders(connected)
    change(connected, status="UNSHIPPED", updated_at=ago(minutes=8))

    get_orders(connected)
    get_orders(connected, order=order_id(1))

    assert [(row["status"], row["changes"]) for row in rows(connected)] == [("SHIPPED", 1)]


@pytest.mark.requirement("R79")
def test_pending_orders_are_asked_for_again_for_no_window_may_tell_that_they_were_paid(connected: Shop) -> None:
    put(connected, order(status="PENDING", updated_at=ago(hours=5)))
    get_orders(connected)
    change(connected, status="UNSHIPPED", updated_at=ago(hours=4))  # long before the window of the next run

    summary = get_orders(connected)

    (row,) = rows(connected)
    assert (row["status"], str(row["total"]), summary["revisited"]) == ("UNSHIPPED", "39.98", 1)
    assert get_orders(connected)["revisited"] == 0


@pytest.mark.requirement("R79")
def test_a_payment_that_clears_without_a_new_version_counts_when_the_order_is_asked_for_by_its_id(connected: Shop) -> None:
    moment = ago(hours=5)
    put(connected, order(status="PENDING", updated_at=moment))
    get_orders(connected)
    change(connected, status="UNSHIPPED", updated_at=moment)

    get_orders(connected)

    assert [(row["status"], row["changes"]) for row in rows(connected)] == [("UNSHIPPED", 2)]


# --- windows and pages ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R79")
def test_a_run_reports_its_window_which_ends_two_minutes_before_amazons_now(connected: Shop) -> None:
    first = get_orders(connected)["window"]
    second = get_orders(connected)["window"]

    since, until = (datetime.fromisoformat(first[name]) for name in ("since", "until"))
    assert timedelta(days=29, hours=23) < until - since < timedelta(days=30)
    assert LAG <= datetime.now(UTC) - until < LAG + timedelta(minutes=1)
    assert abs(datetime.fromisoformat(second["since"]) - (until - OVERLAP)) < timedelta(milliseconds=2)
    assert len(connected.simulator.calls("searchOrders")) == 6, "a month in windows of a week, and the next one"


def test_all_pages_come_and_every_order_once(small_pages: Shop) -> None:
    put(small_pages, *(order(number) for number in range(7)))

    summary = get_orders(small_pages)

    assert (summary["new"], summary["orders"], summary["unchanged"]) == (7, 7, 0)
    assert len(events(small_pages)) == 7


@pytest.mark.requirement("R79")
def test_when_a_page_token_has_expired_the_window_is_begun_anew_half_as_long(small_pages: Shop) -> None:
    put(small_pages, *(order(number) for number in range(5)))
    small_pages.simulator.fault("pagination_token_expired")

    summary = get_orders(small_pages)

    assert (summary["new"], summary["begun_anew"]) == (5, 1)
    assert len(events(small_pages)) == 5
    assert summary["gaps"] == []


def test_a_run_whose_tokens_expire_always_fails_in_the_end(small_pages: Shop) -> None:
    put(small_pages, *(order(number) for number in range(5)))
    small_pages.simulator.fault("pagination_token_expired", count="always")

    run_id = begin(small_pages)
    while (run := go_on(small_pages, run_id))["finished_at"] is None:
        small_pages.hurry()

    assert run["state"] == "failed"
    assert "too early" in run["fault"]
    assert run["summary"]["new"] >= 2, "what was read stays"


@pytest.mark.requirement("R79")
def test_an_order_that_changes_while_it_is_paged_is_in_the_next_window(small_pages: Shop) -> None:
    small_pages.simulator.set_limits(orders_delay_seconds=0)
    put(small_pages, *(order(number) for number in range(5)))
    small_pages.simulator.fault("order_changes_between_pages")

    first = get_orders(small_pages)
    second = get_orders(small_pages)

    assert (first["new"], second["new"]) == (4, 1)
    assert len(rows(small_pages)) == 5


def test_a_late_update_is_found_within_the_overlap(connected: Shop) -> None:
    put(connected, order(1), order(2, updated_at=ago(minutes=9), visible_after=3600))
    first = get_orders(connected)["new"]
    connected.simulator.advance(3600)

    assert (first, get_orders(connected)["new"]) == (1, 1)


def test_a_run_waits_for_the_usage_plan_and_goes_on_with_its_page(small_pages: Shop) -> None:
    put(small_pages, *(order(number) for number in range(5)))
    small_pages.execute("DELETE FROM quota")
    run_id = begin(small_pages)
    go_on(small_pages, run_id)
    small_pages.execute("UPDATE quota SET tokens = 0 WHERE operation = 'searchOrders'")

    waiting = go_on(small_pages, run_id)
    small_pages.hurry()

    if waiting["finished_at"] is None:
        assert (waiting["state"], waiting["fault"]) == ("running", None)
        assert waiting["due_at"] > datetime.now(UTC)
    assert go_on(small_pages, run_id)["summary"]["new"] == 5


class Dies(BaseException):
    """As kill -9 does: nothing that follows is done."""


@pytest.mark.parametrize("dies_at", [0, 4, 5, 6, 7], ids=["a window", "a page", "the next", "the last", "the end"])
@pytest.mark.parametrize("stored", [True, False], ids=["after its page was stored", "before"])
def test_a_worker_that_dies_on_its_way_costs_no_order_and_no_second_event(small_pages: Shop, dies_at: int, *, stored: bool) -> None:
    put(small_pages, *(order(number, status="PENDING" if number == 3 else "UNSHIPPED") for number in range(5)))
    taken = [0]

    def mortal(ctx: Context, run: Run, connection: Connection) -> StepResult:
        taken[0] += 1
        if taken[0] - 1 == dies_at:
            if stored:
                step.get_orders(ctx, run, connection)
            raise Dies
        return step.get_orders(ctx, run, connection)

    run_id = begin(small_pages)
    with pytest.raises(Dies):
        take_steps(small_pages.ctx, run_id, Event(), {RunKind.GET_ORDERS: mortal})
    run = go_on(small_pages, run_id)

    assert (run["state"], run["summary"]["new"], run["summary"]["orders"], run["summary"]["pages"]) == ("done", 5, 5, 7)
    assert len(events(small_pages)) == len(rows(small_pages)) == 5


def test_a_gap_is_reported_and_asked_for_by_the_next_run(connected: Shop) -> None:
    get_orders(connected)
    now = datetime.now(UTC)
    connected.execute("DELETE FROM order_window")
    with connected.ctx.database.begin() as tx:
        for window in (
            Window(now - timedelta(days=3), now - timedelta(days=2)),
            Window(now - timedelta(hours=5), now - timedelta(hours=1)),
        ):
            orders_store.cover(tx, 1, window)
    put(connected, order(1, updated_at=ago(days=1)))
    connected.execute("INSERT INTO schedule VALUES (1, 'get-orders', 1, '15m', 'UTC', now(), now())")
    alarming = {reading.name: reading.value for reading in gauges.read(connected.ctx.database.engine)}["feedline_orders_covered_seconds"]

    summary = get_orders(connected)

    covered = {reading.name: reading.value for reading in gauges.read(connected.ctx.database.engine)}["feedline_orders_covered_seconds"]
    assert timedelta(seconds=alarming) > timedelta(days=2) - timedelta(minutes=1), "the gauge ends at the gap"
    assert timedelta(seconds=covered) < timedelta(minutes=5)
    assert (summary["new"], summary["gaps"]) == (1, [])


def test_a_connection_that_never_got_its_orders_shows_in_the_gauge(connected: Shop) -> None:
    connected.execute("INSERT INTO schedule VALUES (1, 'get-orders', 1, '15m', 'UTC', now(), now())")
    connected.execute("UPDATE connection SET applied_at = now() - interval '2 hours'")

    readings = {(reading.name, *reading.labels): reading.value for reading in gauges.read(connected.ctx.database.engine)}

    assert readings["feedline_orders_covered_seconds", NAME] > 7190


# --- bad input -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amend", "code"),
    [
        ({"lastUpdatedTime": "yesterday"}, "ORDER_UNREADABLE"),
        ({"orderItems": [{"quantityOrdered": 1}]}, "ORDER_UNREADABLE"),
        ({"fulfillment": {"fulfillmentStatus": "A\0B"}}, "ORDER_NOT_STORED"),
    ],
    ids=["no time", "an item without its id", "a text that Postgres does not take"],
)
def test_one_odd_order_never_stops_the_run(connected: Shop, amend: dict[str, Any], code: str) -> None:
    put(connected, order(1), order(2, amend=amend), order(3))

    summary = get_orders(connected)

    assert (summary["new"], summary["odd"]) == (2, 1)
    (odd,) = summary["odd_orders"]
    assert (odd["amazon_order_id"], odd["code"]) == (order_id(2), code)
    assert [row["amazon_order_id"] for row in rows(connected)] == [order_id(1), order_id(3)]


def test_two_orders_with_one_id_are_one_order_in_its_newest_version(connected: Shop) -> None:
    newer, older, same = ago(minutes=10), ago(minutes=20), {"orderId": order_id(1)}
    put(
        connected,
        order(1, status="SHIPPED", updated_at=newer),
        order(2, amend=same, updated_at=older),
        order(3, amend={**same, "fulfillment": {"fulfillmentStatus": "CANCELLED"}}, updated_at=newer),
    )

    get_orders(connected)
    connected.execute("DELETE FROM order_window")
    get_orders(connected)

    (row,) = rows(connected)
    assert row["status"] == "SHIPPED", "of two in one version the first stays: they do not take turns"
    assert [event["status"] for event in events(connected)] == ["UNSHIPPED", "SHIPPED"]


def test_a_page_that_has_an_order_twice_imports_it_once(connected: Shop) -> None:
    put(connected, order(1), order(2))
    connected.simulator.fault("order_repeated")

    summary = get_orders(connected)

    assert (summary["new"], summary["unchanged"], len(events(connected))) == (2, 1, 2)


def test_an_order_that_is_closed_at_the_end_of_all_times_is_an_order(connected: Shop) -> None:
    put(connected, order(1, status="CANCELLED", updated_at="9999-12-31T23:59:59Z"))

    assert get_orders(connected, order=order_id(1))["new"] == 1


@pytest.mark.parametrize(("status", "calls"), [(403, 1), (500, 3)])
def test_a_pending_order_that_amazon_does_not_show_is_named_and_stops_nothing(connected: Shop, status: int, calls: int) -> None:
    put(connected, order(1, status="PENDING", updated_at=ago(hours=6)), order(2, status="PENDING", updated_at=ago(hours=5)))
    get_orders(connected)
    connected.execute("UPDATE amazon_order SET changed_at = now() - interval '1 minute' * right(amazon_order_id, 1)::int")
    connected.simulator.fault("error_before", operation="getOrder", status=status, count=calls)

    refused = get_orders(connected)

    assert (refused["revisited"], refused["odd"]) == (2, 1)
    assert [odd["code"] for odd in refused["odd_orders"]] == ["ORDER_REFUSED"]
    assert all(row["revisited_at"] is not None for row in rows(connected)), "nor is it the first of the next run"


@pytest.mark.parametrize(
    ("amend", "total", "currency"),
    [
        ({"proceeds": {"grandTotal": {"amount": "-12.50"}}}, "-12.50", "USD"),
        ({"proceeds": {"grandTotal": {"amount": "2980", "currencyCode": "JPY"}}}, "2980", "JPY"),
        ({"proceeds": None, "recipient": None, "buyer": None}, None, None),
        ({"createdTime": "1995-07-16T00:00:00+02:00"}, "39.98", "USD"),
    ],
    ids=["a negative total", "a currency without decimals", "nothing but its items", "of 1995"],
)
@pytest.mark.requirement("R77")
def test_unusual_orders_are_orders(connected: Shop, amend: dict[str, Any], total: str | None, currency: str | None) -> None:
    put(connected, order(1, amend=amend))

    assert get_orders(connected)["new"] == 1
    (event,) = events(connected)
    assert (event["total"], event["currency"]) == (total, currency)
    if "createdTime" in amend:
        assert event["purchased_at"] == "1995-07-15T22:00:00Z"


@pytest.mark.requirement("R72")
def test_a_reference_number_is_one_orders_alone(shop: Shop) -> None:
    shop.connect(get_orders={"template": {"reference_number": {"value": "R-1"}, "ordered_on": {"field": "order.createdTime"}}})
    put(shop, order(1), order(2))

    summary = get_orders(shop)

    assert [row["reference_number"] for row in rows(shop)] == ["R-1", None]
    taken = [{"target": "reference_number", "field": None, "code": "REFERENCE_NUMBER_TAKEN"}]
    assert (summary["new"], summary["unmapped"]) == (2, 1)
    assert summary["unmapped_orders"] == [{"amazon_order_id": order_id(2), "targets": taken}]
    assert [event.get("unmapped") for event in events(shop)] == [None, taken]


def test_what_the_template_cannot_make_is_counted_and_named_without_its_value(shop: Shop) -> None:
    shop.connect(
        get_orders={
            "template": {
                "reference_number": {"field": "order.orderId"},
                "ordered_on": {"field": "order.createdTime"},
                "shipping_address.city": {"mapping_set": "conditions", "field": "order.recipient.deliveryAddress.city"},
            }
        }
    )
    put(shop, order(1))

    summary = get_orders(shop)

    field = "order.recipient.deliveryAddress.city"
    assert (summary["new"], summary["unmapped"]) == (1, 1)
    assert summary["unmapped_orders"] == [
        {"amazon_order_id": order_id(1), "targets": [{"target": "shipping_address.city", "field": field, "code": "MAPPING_KEY_UNKNOWN"}]}
    ]
    assert "Seattle" not in str(summary)


# --- by id ---------------------------------------------------------------------------------------------------------------------


def test_one_order_is_recovered_by_its_id(connected: Shop) -> None:
    put(connected, order(1, updated_at=ago(days=300), created_at=ago(days=300)), order(2))

    summary = get_orders(connected, order=order_id(1))

    assert (summary["new"], summary["window"]) == (1, None)
    assert [row["amazon_order_id"] for row in rows(connected)] == [order_id(1)]
    assert connected.query("SELECT * FROM order_window") == []


def test_a_new_order_that_two_runs_import_at_once_is_told_once(connected: Shop) -> None:
    put(connected, order(1))
    alone, together = begin(connected, order=order_id(1)), begin(connected)

    threads = [Thread(target=take_steps, args=(connected.ctx, run_id, Event())) for run_id in (alone, together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [event["amazon_order_id"] for event in events(connected)] == [order_id(1)]
    assert [row["changes"] for row in rows(connected)] == [1]


def test_an_order_that_is_asked_for_by_its_id_is_mapped_anew(connected: Shop) -> None:
    put(connected, order(1))
    get_orders(connected)
    template = {"reference_number": {"field": "order.orderId"}, "ordered_on": {"value": "later"}}
    connected.connect(get_orders={"template": template})

    unchanged = get_orders(connected)["changed"]
    changed = get_orders(connected, order=order_id(1))["changed"]
    again = get_orders(connected, order=order_id(1))["changed"]

    assert (unchanged, changed, again) == (0, 1, 0)
    assert rows(connected)[0]["mapped"]["ordered_on"] == "later"


@pytest.mark.parametrize("given", ["114-0000000-0000000", order_id(2)], ids=["nobody's", "of another marketplace"])
def test_an_order_that_amazon_does_not_know_makes_the_run_fail(connected: Shop, given: str) -> None:
    connected.simulator.register_seller(SELLER, (GERMANY,), client_id=connected.ctx.settings.lwa_client_id)
    put(connected, order(2, amend={"salesChannel": {"marketplaceId": GERMANY}}))

    run = go_on(connected, begin(connected, order=given))

    assert (run["state"], rows(connected)) == ("failed", [])
    assert given in run["fault"]


# --- what waits for orders -----------------------------------------------------------------------------------------------------


def test_an_import_lets_shipments_go_that_waited_for_their_order(connected: Shop) -> None:
    amazon_has(connected, A=1)
    (sent,) = ship(connected, parcel("T1", {"sku": "A", "quantity": 1}))
    connected.run_until(lambda: connected.query("SELECT 1 AS one FROM key_state WHERE hold_reason = 'order_unknown'"))

    summary = get_orders(connected, order=ORDER)
    connected.run()

    assert summary["shipments_released"] == 1
    assert connected.words(sent) == ["accepted"]


def test_asking_for_an_order_that_is_known_as_it_is_lets_shipments_go_that_waited_for_it(connected: Shop) -> None:
    amazon_has(connected, A=1)
    get_orders(connected, order=ORDER)
    ship(connected, parcel("T1", {"sku": "A", "quantity": 1}))
    connected.execute("UPDATE key_state SET state = 'held', hold_reason = 'order_unknown'")

    summary = get_orders(connected, order=ORDER)

    assert (summary["unchanged"], summary["shipments_released"]) == (1, 1)


def test_a_shipment_that_was_held_while_its_order_was_imported_is_let_go_when_the_run_ends(connected: Shop) -> None:
    amazon_has(connected, A=1)
    get_orders(connected, order=ORDER)
    ship(connected, parcel("T1", {"sku": "A", "quantity": 1}))
    connected.execute("UPDATE key_state SET state = 'held', hold_reason = 'order_unknown'")

    assert get_orders(connected)["shipments_released"] == 1
    assert [row["state"] for row in connected.query("SELECT state FROM key_state")] == ["ready"]
