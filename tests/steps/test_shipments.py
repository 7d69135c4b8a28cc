"""Shipments on their way: parcels and bundles become order fulfilment feeds, and every message gets its outcome."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.eventually import eventually
from tests.steps.parcels import (
    ORDER,
    OTHER_ORDER,
    amazon_has,
    component,
    import_order,
    line,
    minutes_ago,
    packages,
    parcel,
    put_order,
    ship,
)
from tests.steps.shop import MARKETPLACE, Shop
from worker import metrics
from worker.core.trace import as_json
from worker.store import flights, product_types, shipments, status, traces

BUNDLE = "30000000000003"


@pytest.fixture
def trading(shop: Shop) -> Shop:
    shop.connect()
    return shop


def held(shop: Shop) -> list[tuple[str, str]]:
    return [
        (row["key"], row["hold_reason"]) for row in shop.query("SELECT key, hold_reason FROM key_state WHERE state = 'held' ORDER BY key")
    ]


def wait_until_held(shop: Shop, *reasons: str) -> None:
    """Act on wake-ups until the orders are held for *reasons*, in the order of their ids, and nothing is under way."""
    shop.run()
    assert [reason for _, reason in held(shop)] == list(reasons)


# --- the main way -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R11", "R80", "R81", "R87", "R90")
def test_a_parcel_is_confirmed(trading: Shop) -> None:
    amazon_has(trading, A=2)

    sent = ship(trading, parcel("1Z9999990399999999", line(quantity=2)))
    trading.run()

    assert trading.words(*sent) == ["accepted"]
    (package,) = packages(trading)
    assert (package["carrier_code"], package["shipping_method"], package["tracking_number"]) == ("UPS", "Ground", "1Z9999990399999999")
    assert package["items"] == {"10000000000001": 2}


def test_parcels_of_one_order_go_in_one_feed_each_in_a_message_of_its_own(trading: Shop) -> None:
    amazon_has(trading, A=1, B=1)

    sent = ship(trading, parcel("T1", line()), parcel("T2", line("20000000000002")))
    trading.run()

    assert trading.words(*sent) == ["accepted", "accepted"]
    assert [feed["messages"] for feed in trading.feeds()] == [2]
    assert sorted(package["tracking_number"] for package in packages(trading)) == ["T1", "T2"]
    assert len({row["feed_message_id"] for row in trading.outcomes().values()}) == 2


@pytest.mark.requirement("R85")
def test_a_fulfilment_without_items_is_skipped(trading: Shop) -> None:
    (sent,) = ship(trading, parcel("T1"))

    found = trading.outcomes()[sent]
    assert (found["outcome"], found["reason"]) == ("skipped", "empty_fulfillment")


def test_a_correction_moves_no_item_of_another_parcel_that_has_the_same_sku(trading: Shop) -> None:
    put_order(trading, ORDER, [("10000000000001", "A", 1), ("20000000000002", "A", 1)], imported=True)
    a_piece = {"sku": "A", "quantity": 1}
    # It left before the order was placed, so that Amazon refuses it; the second one gets the second item.
    refused, accepted = ship(trading, parcel("T1", a_piece, shipped_at="2026-01-01T10:00:00Z"), parcel("T2", a_piece))
    trading.run()

    (corrected,) = ship(trading, parcel("T1", a_piece))
    trading.run()
    (again,) = ship(trading, parcel("T2", a_piece, carrier="FedEx"))
    trading.run()

    assert trading.words(refused, accepted, corrected)[:2] == ["rejected", "accepted"]
    assert {word.removesuffix("_with_warnings") for word in trading.words(corrected, again)} == {"accepted"}
    assert {package["tracking_number"]: package["items"] for package in packages(trading)} == {
        "T1": {"10000000000001": 1},
        "T2": {"20000000000002": 1},
    }


@pytest.mark.requirement("R98")
def test_a_correction_that_changes_nothing_at_amazon_now_is_known_when_it_does(trading: Shop) -> None:
    amazon_has(trading, BUNDLE=1)
    ship(
        trading,
        parcel("T1", component("A"), shipped_at=minutes_ago(9)),
        parcel("T2", component("B"), shipped_at=minutes_ago(5)),
    )
    trading.run()

    (unchanged,) = ship(trading, parcel("T1", component("A"), shipped_at=minutes_ago(7), carrier="FedEx"))
    trading.run()
    (later,) = ship(trading, parcel("T2", component("B"), shipped_at=minutes_ago(8)))
    trading.run()

    assert trading.words(unchanged)[0] == "unchanged"
    assert trading.words(later)[0].startswith("accepted")
    assert [(package["tracking_number"], package["carrier_code"]) for package in packages(trading)] == [("T1", "FedEx")]


@pytest.mark.requirement("R91", "R92", "R103")
def test_the_decision_is_kept_with_the_shipment_before_anything_is_sent(trading: Shop) -> None:
    ship(trading, parcel("1Z9999990399999999", line(), carrier="FedEx", method="Air"))

    (row,) = trading.query("SELECT * FROM shipment")
    assert (row["amazon_order_id"], row["overridden"], row["revision"]) == (ORDER, True, 1)
    assert (row["decision"]["mapped"]["carrier"], row["decision"]["carrier_code"], row["decision"]["shipping_method"]) == (
        "FedEx",
        "UPS",
        "Ground",
    )


def test_a_number_that_the_other_profile_reads_otherwise_is_counted(trading: Shop) -> None:
    counter = metrics._carrier_conflicts.labels("flxpoint")
    before = counter._value.get()

    ship(trading, parcel("320595463938", line(), carrier="PUROLATOR"), parcel("T1", line("20000000000002")))

    assert counter._value.get() - before == 1


def test_a_repeat_of_what_amazon_has_is_unchanged_and_a_correction_goes(trading: Shop) -> None:
    amazon_has(trading, A=1)
    ship(trading, parcel("T1", line()))
    trading.run()

    repeat, correction = ship(trading, parcel("T1", line())) + ship(trading, parcel("T1", line(), carrier="FedEx"))
    trading.run()

    assert trading.words(repeat, correction) == ["unchanged", "accepted_with_warnings"]
    assert [package["carrier_code"] for package in packages(trading)] == ["FedEx"]


def test_parcels_whose_number_the_template_has_from_another_field_leave_each_other_alone(shop: Shop) -> None:
    template = {"carrier": {"field": "carrier"}, "method": {"field": "method"}, "tracking_number": {"field": "trackingNo"}}
    shop.connect(sync_orders={"template": template})
    amazon_has(shop, A=1, B=1)

    first, second = (parcel("", line(item), tracking_number=None) for item in ("10000000000001", "20000000000002"))
    sent = ship(shop, {**first, "trackingNo": "T1"}, {**second, "trackingNo": "T2"})
    shop.run()

    assert shop.words(*sent) == ["accepted", "accepted"]
    assert sorted(package["tracking_number"] for package in packages(shop)) == ["T1", "T2"]
    assert {row["parcel"] for row in shop.query("SELECT parcel FROM shipment")} == {"FR-0916 T1", "FR-0916 T2"}


# --- what Amazon refuses ---------------------------------------------------------------------------------------------------------


def test_an_order_that_amazon_does_not_know_and_a_line_too_many_are_rejected_alone(trading: Shop) -> None:
    amazon_has(trading, A=1)

    good, unknown, too_many = ship(
        trading,
        parcel("T1", line()),
        parcel("T2", line(), order=OTHER_ORDER),
        parcel("T3", line("20000000000002")),
    )
    trading.run()

    assert trading.words(good, unknown, too_many) == ["accepted", "rejected", "rejected"]
    assert trading.outcomes()[unknown]["reason"] == "18028"
    assert [package["tracking_number"] for package in packages(trading)] == ["T1"]


def test_an_order_that_is_fulfilled_already_is_rejected(trading: Shop) -> None:
    amazon_has(trading, A=1)
    ship(trading, parcel("T1", line()))
    trading.run()

    ship(trading, parcel("T2", line(quantity=2)))
    trading.run()

    assert sorted(row["outcome"] for row in trading.outcomes().values()) == ["accepted", "rejected"]


def test_what_was_rejected_can_be_corrected(trading: Shop) -> None:
    amazon_has(trading, A=1)
    wrong, right = ship(trading, parcel("T1", line(quantity=2)), parcel("T9", line(), order=OTHER_ORDER))
    trading.run()

    amazon_has(trading, OTHER_ORDER)
    again = ship(trading, parcel("T1", line()), parcel("T9", line(), order=OTHER_ORDER))
    trading.run()

    assert trading.words(wrong, right, *again) == ["rejected", "rejected", "accepted", "accepted"]


# --- bundles ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R89", "R97", "R98", "R99", "R100", "R101")
def test_a_bundle_is_held_until_it_is_complete_while_the_other_lines_go(trading: Shop) -> None:
    amazon_has(trading, A=1, BUNDLE=1)

    (first,) = ship(trading, parcel("T1", line(), component("A")))
    wait_until_held(trading, "bundle_partial")
    before = packages(trading)
    (second,) = ship(trading, parcel("T2", component("B")))
    trading.run()

    assert [package["items"] for package in before] == [{"10000000000001": 1}]
    assert trading.words(first, second) == ["accepted", "accepted"]
    bundle = [package for package in packages(trading) if BUNDLE in package["items"]]
    assert [(package["items"], package["tracking_number"], package["confirmations"]) for package in bundle] == [({BUNDLE: 1}, "T2", 1)]


@pytest.mark.requirement("R89")
def test_a_partial_bundle_alone_costs_no_call_and_is_held_at_once(trading: Shop) -> None:
    ship(trading, parcel("T1", component("A")))

    assert held(trading) == [(ORDER, "bundle_partial")]
    assert trading.feeds() == []


def test_status_tells_what_a_bundle_waits_for_and_how_long(trading: Shop) -> None:
    ship(trading, parcel("T1", component("A", A=1, B=2)))
    trading.execute("UPDATE key_state SET pending_since = now() - interval '2 hours'")

    with trading.ctx.database.begin() as tx:
        (connection,) = status.read(tx)["connections"]

    assert connection["held"]["bundle_partial"]["changes"] == 1
    (bundle,) = connection["held_bundles"]
    assert (bundle["amazon_order_id"], bundle["amazon_order_item_id"], bundle["missing"]) == (ORDER, BUNDLE, {"B": 2})
    assert 7200 <= bundle["age_seconds"] < 7300


def test_status_finds_partial_bundles_among_other_held_orders_and_beside_lines_in_a_feed(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    ship(shop, *(parcel(f"T{number}", line(), order=f"902-0000000-{number:07}") for number in range(status.MOST_HELD_BUNDLES)))
    wait_until_held(shop, *["non_managed"] * status.MOST_HELD_BUNDLES)
    amazon_has(shop, A=1, imported=True)
    ship(shop, parcel("T1", line(), component("A")))
    shop.run_until(lambda: shop.key(ORDER)["state"] == "in_feed")

    with shop.ctx.database.begin() as tx:
        (connection,) = status.read(tx)["connections"]

    assert [(bundle["amazon_order_id"], bundle["missing"]) for bundle in connection["held_bundles"]] == [(ORDER, {"B": 1})]
    assert connection["more_held_bundles"] == 0


def test_status_lists_the_bundles_that_have_waited_longest_and_counts_the_others(trading: Shop) -> None:
    ship(trading, *(parcel("T1", component("A"), order=f"902-0000000-{number:07}") for number in range(status.MOST_HELD_BUNDLES + 2)))
    trading.execute("UPDATE key_state SET pending_since = now() - interval '2 hours' WHERE key = '902-0000000-0000021'")

    with trading.ctx.database.begin() as tx:
        (connection,) = status.read(tx)["connections"]

    assert (len(connection["held_bundles"]), connection["more_held_bundles"]) == (status.MOST_HELD_BUNDLES, 2)
    assert connection["held_bundles"][0]["amazon_order_id"] == "902-0000000-0000021"


def test_workers_that_stage_components_at_once_make_one_update(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop()
    shop.connect()
    amazon_has(shop, BUNDLE=1)
    make_up = {f"C{number}": 1 for number in range(8)}
    others = [open_shop() for _ in range(3)]

    with ThreadPoolExecutor(4) as threads:
        work = [
            threads.submit(ship, who, {**parcel(f"T{number}", component(sku, **make_up)), "id": f"c{number}"})
            for number, (sku, who) in enumerate(zip(make_up, [shop, *others] * 2, strict=True))
        ]
        sent = [id_ for done in work for id_ in done.result(timeout=30)]
    shop.run()

    assert set(shop.words(*sent)) == {"accepted"}
    assert [(package["items"], package["confirmations"]) for package in packages(shop)] == [({BUNDLE: 1}, 1)]


# --- orders that are not known ---------------------------------------------------------------------------------------------------


def test_a_line_with_only_a_sku_waits_until_its_order_is_imported(trading: Shop) -> None:
    amazon_has(trading, A=1)
    (sent,) = ship(trading, parcel("T1", {"sku": "A", "quantity": 1}))
    wait_until_held(trading, "order_unknown")

    import_order(trading, ORDER, [("10000000000001", "A", 1)])
    with trading.ctx.database.begin() as tx:
        shipments.reconsider(tx, 1, [ORDER])
    trading.run()

    assert trading.words(sent) == ["accepted"]


@pytest.mark.requirement("R86")
def test_a_feed_holds_managed_or_non_managed_orders_and_never_both(trading: Shop) -> None:
    amazon_has(trading, A=1, imported=True)
    amazon_has(trading, OTHER_ORDER, A=1)

    sent = ship(trading, parcel("T1", line()), parcel("T2", line(), order=OTHER_ORDER))
    trading.run()

    assert trading.words(*sent) == ["accepted", "accepted"]
    assert sorted((feed["batch"], feed["messages"]) for feed in trading.feeds()) == [("managed", 1), ("non_managed", 1)]


def test_non_managed_orders_are_held_where_the_connection_says_so_until_they_are_managed(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    amazon_has(shop, A=1)
    (sent,) = ship(shop, parcel("T1", line()))
    wait_until_held(shop, "non_managed")
    with shop.ctx.database.begin() as tx:
        (trace,) = traces.traces(tx, traces.named(tx, sent, None, None)).values()
    assert as_json(trace)["shipment"]["stages"][-1] == {"stage": "categorised", "managed": False}

    import_order(shop, ORDER, [("10000000000001", "A", 1)])
    with shop.ctx.database.begin() as tx:
        shipments.reconsider(tx, 1)
    shop.run()

    assert shop.words(sent) == ["accepted"]


def test_a_change_of_the_setting_lets_non_managed_orders_go(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    amazon_has(shop, A=1)
    (sent,) = ship(shop, parcel("T1", line()))
    wait_until_held(shop, "non_managed")

    shop.connect(sync_orders={"non_managed": "submit"})
    shop.run()

    assert shop.words(sent) == ["accepted"]


def test_a_sku_that_is_linked_makes_its_order_managed(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    amazon_has(shop, A=1, imported=True)
    shop.execute("DELETE FROM listing")
    (sent,) = ship(shop, parcel("T1", line()))
    wait_until_held(shop, "non_managed")

    shop.lists("A")
    shop.publish({"sku": "A", "quantity": 1})
    shop.run()

    assert shop.words(sent) == ["accepted"]


def test_a_sku_that_is_published_makes_its_order_managed(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    shop.simulator.put_products(MARKETPLACE, [{"asin": "B07X4K9Y9Z", "title": "Blue Widget", "product_type": "DRINKING_CUP"}])
    amazon_has(shop, A=1, imported=True)
    shop.execute("DELETE FROM listing")
    (sent,) = ship(shop, parcel("T1", line()))
    wait_until_held(shop, "non_managed")

    listing = {"sku": "A", "title": "Blue Widget", "asin": "B07X4K9Y9Z", "condition": "New", "price": "29.99", "quantity": 5}
    shop.publish({"type": "feedline.listing.v1", **listing})
    shop.run()

    assert shop.words(sent) == ["accepted"]


@pytest.mark.parametrize("reason", ["order_unknown", "non_managed"])
def test_an_order_that_becomes_known_while_a_cut_is_about_to_hold_it_goes_again(trading: Shop, reason: str) -> None:
    ship(trading, parcel("T1", line()))
    blocked = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def reconsidered() -> int:
        with trading.ctx.database.begin() as tx:
            return shipments.reconsider(tx, 1, [ORDER])

    with ThreadPoolExecutor(1) as threads:
        with trading.ctx.database.begin() as cut:
            cut.exec_driver_sql("SELECT FROM key_state FOR UPDATE")
            released = threads.submit(reconsidered)
            eventually(lambda: trading.query(blocked))
            cut.exec_driver_sql("UPDATE key_state SET state = 'held', hold_reason = %s", (reason,))
        assert released.result(timeout=30) == 1

    assert trading.key(ORDER)["state"] == "ready"


def test_a_product_type_that_was_set_by_hand_makes_no_order_managed(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    amazon_has(shop, A=1, imported=True)
    shop.execute("DELETE FROM listing")
    with shop.ctx.database.begin() as tx:
        product_types.set_by_hand(tx, 1, "A", "SHIRT")
    (sent,) = ship(shop, parcel("T1", line()))
    wait_until_held(shop, "non_managed")

    shop.lists("A")
    shop.publish({"sku": "A", "quantity": 1})
    shop.run()

    assert shop.words(sent) == ["accepted"]


# --- feeds that go wrong -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "feed_fatal"},
        {"kind": "feed_fatal", "apply": "some", "report": True},
        {"kind": "feed_cancelled"},
        {"kind": "feed_level_issue"},
        {"kind": "counters_off"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_feed_that_ends_badly_once_rejects_nobody(trading: Shop, fault: dict[str, Any]) -> None:
    amazon_has(trading, A=1, B=1, BUNDLE=1)
    amazon_has(trading, OTHER_ORDER, A=1)
    trading.simulator.fault(**fault)

    sent = ship(
        trading,
        parcel("T1", line(), component("A")),
        parcel("T2", line("20000000000002"), component("B")),
        parcel("T3", line(), order=OTHER_ORDER),
    )
    trading.run(60)

    assert {word.removesuffix("_with_warnings") for word in trading.words(*sent)} == {"accepted"}
    assert sorted(len(package["items"]) for package in packages(trading)) == [1, 1, 1]
    assert held(trading) == []


def test_of_several_parts_of_one_order_only_the_culprit_is_rejected(trading: Shop) -> None:
    amazon_has(trading, A=1, B=1, BUNDLE=1)
    # The first feed has all three parts; then each goes alone, and the second of them fails again.
    trading.simulator.fault("feed_fatal")
    trading.simulator.fault("feed_fatal", skip=1)

    sent = ship(trading, parcel("T1", line()), parcel("T2", line("20000000000002")), parcel("T3", line(BUNDLE)))
    trading.run(60)

    assert sorted(trading.words(*sent)) == ["accepted", "accepted", "rejected"]
    (culprit,) = [id_ for id_ in sent if trading.outcome(id_) == "rejected"]
    assert trading.outcomes()[culprit]["reason"] == "UNDECIDED_ALONE"
    assert [feed["messages"] for feed in trading.feeds()] == [3, 1, 1, 1]


@pytest.mark.parametrize("orders", [4, 5, 6])
def test_orders_that_are_held_for_failing_feeds_go_whole_when_they_are_let_go(trading: Shop, orders: int) -> None:
    sent = []
    for number in range(orders):
        order = f"902-0000000-000000{number}"
        amazon_has(trading, order, A=1, B=1)
        sent += ship(trading, parcel("T1", line(), order=order), parcel("T2", line("20000000000002"), order=order))
    trading.simulator.fault("feed_fatal", count="always")
    trading.run_until(lambda: held(trading), meanwhile=trading.hurry)
    groups = trading.query("SELECT DISTINCT split_id FROM key_state")

    trading.simulator.clear_faults()
    with trading.ctx.database.begin() as tx:
        flights.release_failing(tx, tx.exec_driver_sql("SELECT id FROM connection").scalar_one())
    trading.run()

    assert groups == [{"split_id": None}]
    assert "None" not in trading.words(*sent)


def test_a_message_with_several_parts_ends_with_the_worst_of_them(trading: Shop) -> None:
    amazon_has(trading, A=1)

    (sent,) = ship(trading, parcel("T1", line(), component("A"), component("B")))
    trading.run()

    found = trading.outcomes()[sent]
    assert (found["outcome"], found["reason"]) == ("rejected", "18028")
    assert {facet: fate["outcome"] for facet, fate in found["facets"].items()} == {
        "lines of FR-0916 T1": "accepted",
        f"bundle {BUNDLE} of FR-0916 T1": "rejected",
    }
    (verdict,) = trading.query("SELECT verdict, flight -> 's' AS sent FROM feed_message WHERE verdict IS NOT NULL")
    assert list(verdict["sent"]) == [f"bundle {BUNDLE} of FR-0916 T1"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_after"])
def test_a_lost_answer_to_createfeed_confirms_every_parcel_once(trading: Shop, kind: str) -> None:
    amazon_has(trading, A=2, B=1)
    trading.simulator.fault(kind, operation="createFeed")

    sent = ship(trading, parcel("T1", line(quantity=2)), parcel("T2", line("20000000000002")))
    trading.run(60)

    assert {word.removesuffix("_with_warnings") for word in trading.words(*sent)} == {"accepted"}
    assert sorted((package["tracking_number"], sum(package["items"].values())) for package in packages(trading)) == [("T1", 2), ("T2", 1)]


@pytest.mark.requirement("R120")
@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
def test_a_lost_answer_to_createfeed_adds_no_second_package_where_no_tracking_number_tells_them_apart(trading: Shop, kind: str) -> None:
    amazon_has(trading, A=2)
    trading.simulator.fault(kind, operation="createFeed")

    sent = ship(trading, parcel("", line(), carrier="", method="", tracking_number=None))
    trading.run(60)

    assert trading.words(*sent) == ["accepted"]
    assert [package["items"] for package in packages(trading)] == [{"10000000000001": 1}]


@pytest.mark.parametrize("state", ["cut", "in_queue", "done"])
def test_a_feed_with_parts_of_one_order_survives_the_death_of_its_worker(trading: Shop, state: str) -> None:
    amazon_has(trading, A=1, BUNDLE=1)
    first, second = ship(trading, parcel("T1", line(), component("A")), parcel("T2", component("B")))
    trading.run_until(lambda: state in trading.states())

    trading.execute("UPDATE feed SET claimed_until = now() + interval '45 seconds'")
    trading.claims_end()
    trading.run()

    assert trading.words(first, second) == ["accepted", "accepted"]
    assert sorted(package["confirmations"] for package in packages(trading)) == [1, 1]


def test_a_component_that_arrives_while_the_order_is_in_a_feed_completes_the_bundle_afterwards(trading: Shop) -> None:
    amazon_has(trading, A=1, BUNDLE=1)
    (first,) = ship(trading, parcel("T1", line(), component("A")))
    trading.run_until(lambda: "in_queue" in trading.states())

    (second,) = ship(trading, parcel("T2", component("B")))
    trading.run()

    assert trading.words(first, second) == ["accepted", "accepted"]
    assert sorted(tuple(package["items"]) for package in packages(trading)) == [("10000000000001",), (BUNDLE,)]


def test_a_correction_that_drops_a_component_while_the_feed_fails_is_not_undone(trading: Shop) -> None:
    amazon_has(trading, A=1, BUNDLE=1)
    trading.simulator.fault("feed_fatal")
    (first,) = ship(trading, parcel("T1", line(), component("A"), component("B")))
    trading.run_until(lambda: "in_queue" in trading.states())

    (second,) = ship(trading, parcel("T1", line()))
    trading.run()

    assert trading.words(first, second) == ["superseded", "accepted"]
    assert [tuple(package["items"]) for package in packages(trading)] == [("10000000000001",)]


@pytest.mark.parametrize("fault", ["feed_fatal", "feed_cancelled"])
def test_a_parcel_that_was_withdrawn_while_its_feed_failed_does_not_come_back(trading: Shop, fault: str) -> None:
    amazon_has(trading, A=1)
    trading.simulator.fault(fault)
    (first,) = ship(trading, parcel("T1", line()))
    trading.run_until(lambda: "in_queue" in trading.states())

    (second,) = ship(trading, parcel("T1"))
    trading.run()

    assert trading.words(first, second) == ["superseded", "skipped"]
    assert packages(trading) == []
    assert (trading.key(ORDER)["state"], trading.key(ORDER)["pending"]) == ("idle", None)


# --- what can be seen -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R80", "R103")
def test_the_trace_tells_every_stage_of_a_shipment_and_the_parts_that_carried_it(trading: Shop) -> None:
    amazon_has(trading, A=1, BUNDLE=1)
    ship(trading, parcel("1Z9999990399999999", line(), component("A"), component("B"), carrier="FedEx"))
    trading.run()

    with trading.ctx.database.begin() as tx:
        (message_id,) = traces.of_order(tx, ORDER, None, 10)
        found = traces.trace_with_history(tx, message_id)

    assert found is not None
    told = {stage.pop("stage"): stage for stage in found["shipment"]["stages"]}
    assert list(told) == ["configuration", "received", "carrier", "mapped", "filtered", "categorised", "submitted", "response"]
    assert told["carrier"] == {"carrier": "UPS", "method": "Ground", "rule": told["carrier"]["rule"], "overridden": True}
    assert told["categorised"] == {"managed": False}
    assert told["response"] == {"outcome": "accepted", "reason": None}
    assert [part["verdict"] for part in found["shipment"]["parts"]] == ["accepted", "accepted"]


def test_the_trace_of_a_held_shipment_says_where_each_of_its_parts_is(trading: Shop) -> None:
    amazon_has(trading, A=1)
    (sent,) = ship(trading, parcel("T1", line(), component("A")))
    trading.run()

    with trading.ctx.database.begin() as tx:
        (message_id,) = traces.named(tx, sent, None, None)
        found = traces.trace_with_history(tx, message_id)

    assert found is not None
    assert (found["outcome"], found["reason"]) == ("held", "bundle_partial")
    assert {facet["facet"].split()[0]: facet["outcome"] for facet in found["facets"]} == {"lines": "accepted", "bundle": "held"}
    assert [facet["missing"] for facet in found["facets"] if facet["outcome"] == "held"] == [{"B": 1}]


def test_a_message_with_a_partial_bundle_is_held_as_a_whole_while_its_lines_are_in_a_feed(trading: Shop) -> None:
    amazon_has(trading, A=1)
    (sent,) = ship(trading, parcel("T1", line(), component("A")))
    trading.run_until(lambda: trading.key(ORDER)["state"] == "in_feed")

    with trading.ctx.database.begin() as tx:
        (trace,) = traces.traces(tx, traces.named(tx, sent, None, None)).values()

    assert (trace.outcome, trace.reason) == ("held", "bundle_partial")
    assert isinstance(trace.facets, list)
    assert {facet["facet"].split()[0]: facet["outcome"] for facet in trace.facets} == {"lines": "in_feed", "bundle": "held"}


def test_the_trace_and_the_event_of_a_shipment_are_the_same_object(trading: Shop) -> None:
    amazon_has(trading, A=1)
    (sent,) = ship(trading, parcel("T1", line(), component("A"), component("B")))
    trading.run()

    with trading.ctx.database.begin() as tx:
        (message_id,) = traces.named(tx, sent, None, None)
        told = traces.trace_with_history(tx, message_id)
        (event,) = traces.outcome_events(tx, [message_id])
        (listed,) = traces.traces(tx, [message_id]).values()

    assert told is not None
    del told["history"]
    assert len(told["shipment"]["parts"]) == 2
    assert json.loads(event.body)["data"] == json.loads(json.dumps(told)) == json.loads(json.dumps(as_json(listed)))


def test_an_order_is_forgotten_with_the_last_message_that_spoke_of_it(trading: Shop) -> None:
    amazon_has(trading, A=1)
    ship(trading, parcel("T1", line()), parcel("T2", component("A"), order=OTHER_ORDER))
    trading.run()

    with trading.ctx.database.begin() as tx:
        (connection_id,) = tx.exec_driver_sql("SELECT id FROM connection").scalars()
        looked_at = shipments.forget_idle_orders(tx, connection_id, "", 10)
        kept = tx.exec_driver_sql("SELECT count(*) FROM key_state").scalar_one()
        tx.exec_driver_sql("DELETE FROM shipment")
        shipments.forget_idle_orders(tx, connection_id, "", 10)
        at_the_end = shipments.forget_idle_orders(tx, connection_id, "", 10)

    assert (looked_at, kept, at_the_end) == (ORDER, 2, None)
    assert [row["key"] for row in trading.query("SELECT key FROM key_state")] == [OTHER_ORDER]
