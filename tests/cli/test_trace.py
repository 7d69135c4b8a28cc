"""`feedline trace`: what became of a message, of a SKU, of an order."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, cut_a_feed, deliver, opened
from tests.steps.parcels import component, parcel, ship
from tests.steps.shop import NAME, Shop
from worker.store import traces


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.mark.requirement("R116")
def test_a_trace_tells_outcome_feed_and_history(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"id": "m-1", "sku": "MUG-1", "price": "19.90", "quantity": 5, "sequence": 7})
    shop.run()

    (trace,) = answered(feedline, settings, "trace", "m-1")

    assert (trace["id"], trace["source"], trace["type"], trace["connection"], trace["key"]) == (
        "m-1",
        "erp",
        "feedline.inventory.v1",
        NAME,
        "MUG-1",
    )
    assert (trace["outcome"], trace["reason"], trace["issues"], trace["sequence"], trace["deliveries"]) == ("accepted", None, [], 7, 1)
    (feed,) = shop.feeds()
    assert (trace["feed_id"], trace["amazon_feed_id"], trace["message_id"]) == (feed["id"], feed["amazon_feed_id"], 1)
    assert trace["facets"][0] == {"facet": "price", "value": "19.90", "outcome": "accepted"}
    events = [each["event"] for each in trace["history"]]
    assert events[:2] == ["staged", "in_feed"]
    assert events[-2:] == ["feed_settled", "outcome"]
    times = [each["at"] for each in trace["history"]]
    assert times == sorted(times)


def test_a_superseded_message_names_the_one_that_went_instead(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.publish({"id": "older", "sku": "MUG-1", "quantity": 5}, {"id": "newer", "sku": "MUG-1", "quantity": 3}, source="pos")

    (trace,) = answered(feedline, settings, "trace", "older")

    assert (trace["outcome"], trace["superseded_by"], trace["superseded_by_source"]) == ("superseded", "newer", "pos")


@pytest.mark.requirement("R123")
def test_a_repeat_is_counted_and_told_and_changes_nothing(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    for _ in range(3):
        shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 5})

    (trace,) = answered(feedline, settings, "trace", "m-1")

    assert (trace["deliveries"], trace["outcome"]) == (3, "pending")
    assert [each["event"] for each in trace["history"]] == ["staged", "repeated", "repeated"]


def test_facets_of_one_message_are_told_one_by_one(shop: Shop) -> None:
    shop.publish({"id": "both", "sku": "MUG-1", "price": "19.90", "quantity": 5})
    shop.publish({"id": "quantity", "sku": "MUG-1", "quantity": 3})

    facets = _trace(shop, "both")["facets"]

    assert facets == [
        {"facet": "price", "value": "19.90", "outcome": "pending"},
        {"facet": "quantity", "outcome": "superseded", "superseded_by": "quantity", "superseded_by_source": "erp"},
    ]


def test_before_its_end_a_message_is_pending_or_in_a_feed(shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 5})

    assert _trace(shop, "m-1")["outcome"] == "pending"

    feed_id = cut_a_feed(shop)

    trace = _trace(shop, "m-1")
    assert (trace["outcome"], trace["feed_id"], trace["message_id"]) == ("in_feed", feed_id, 1)
    assert trace["history"][-1]["event"] == "in_feed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE connection SET paused = true", "connection_paused"),
        ("UPDATE account SET authorization_fault = 'invalid_grant'", "not_authorized"),
        ("UPDATE key_state SET state = 'held', hold_reason = 'feeds_failing'", "feeds_failing"),
    ],
)
def test_a_message_that_is_kept_back_is_held_for_a_reason(shop: Shop, change: str, reason: str) -> None:
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 5})
    with shop.ctx.database.begin() as tx:
        tx.exec_driver_sql(change)

    trace = _trace(shop, "m-1")

    assert (trace["outcome"], trace["reason"]) == ("held", reason)


def test_a_patch_that_replaces_waits_for_the_quantity(settings: dict[str, str], start_simulator: StartSimulator) -> None:
    sync = {
        "patch_op": "replace",
        "template": {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "days"}},
    }
    with opened(settings, start_simulator(speed=SPEED), sync_listings=sync) as shop:
        shop.lists("MUG-1")
        shop.publish({"id": "m-1", "sku": "MUG-1", "days": 2})
        shop.run()

        trace = _trace(shop, "m-1")

    assert (trace["outcome"], trace["reason"]) == ("held", "quantity_unknown")


@pytest.mark.requirement("R99")
def test_a_partial_bundle_tells_what_it_waits_for(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    (sent,) = ship(shop, parcel("T1", component("A", A=1, B=2)))

    told = feedline("trace", sent, settings=settings)

    assert "1 of A  held     bundle_partial: 2 of B missing" in told.stdout


def test_what_amazon_left_undecided_is_told_with_every_feed_that_carried_it(shop: Shop) -> None:
    shop.lists("MUG-1", "MUG-2")
    shop.simulator.fault("feed_fatal")
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 5}, {"id": "m-2", "sku": "MUG-2", "quantity": 5})
    shop.run()

    trace = _trace(shop, "m-1")

    assert trace["outcome"] == "accepted"
    events = [each["event"] for each in trace["history"]]
    assert events.count("in_feed") == 2
    assert events.index("feed_fatal") <= events.index("undecided") < len(events) - 1 - events[::-1].index("in_feed")
    undecided = next(each for each in trace["history"] if each["event"] == "undecided")
    assert "FATAL" in undecided["note"]


@pytest.mark.requirement("R65")
def test_a_warning_is_one_of_the_issues(shop: Shop) -> None:
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": -3})

    (issue,) = _trace(shop, "m-1")["issues"]

    assert (issue["code"], issue["severity"], issue["value"]) == ("QUANTITY_NEGATIVE", "WARNING", "-3")


def test_an_invalid_message_tells_every_fault_and_where_its_bytes_are(shop: Shop) -> None:
    shop.publish({"id": "m-1", "sku": "MUG-1", "price": "1,99", "quantity": "1.5"})

    trace = _trace(shop, "m-1")

    assert trace["outcome"] == "invalid"
    assert [issue["field"] for issue in trace["issues"]] == ["price", "quantity"]
    assert all(issue["remedy"] for issue in trace["issues"])
    refused = next(each for each in trace["history"] if each["event"] == "refused")
    assert refused["codes"] == ["MONEY_INVALID", "QUANTITY_INVALID"]


def test_an_id_that_two_sources_used_gives_two_objects_and_source_chooses(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 5}, source="erp")
    shop.publish({"id": "m-1", "sku": "MUG-1", "quantity": 3}, source="pos")

    both = answered(feedline, settings, "trace", "m-1")
    one = answered(feedline, settings, "trace", "m-1", "--source", "pos")

    assert [each["source"] for each in both] == ["erp", "pos"]
    assert [each["source"] for each in one] == ["pos"]


def test_an_unknown_id_is_one_sentence_and_exit_code_1(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    deliver(shop, {"specversion": "1.0", "id": "homeless", "type": "feedline.inventory.v1", "data": {}})

    unknown = feedline("trace", "m-1", settings=settings)
    without_source = feedline("trace", "homeless", settings=settings)

    assert (unknown.returncode, unknown.stdout, unknown.stderr) == (1, "", "No message has the id m-1.\n")
    assert without_source.returncode == 1
    assert "feedline rejected show 1" in without_source.stderr


@pytest.mark.requirement("R62", "R66", "R67")
def test_the_record_of_a_sku_shows_what_amazon_is_known_to_have(
    settings: dict[str, str], start_simulator: StartSimulator, feedline: Feedline
) -> None:
    with opened(settings, start_simulator(speed=SPEED), sync_listings={"hide_out_of_stock": True}) as shop:
        shop.lists("MUG-1")
        shop.publish({"id": "in", "sku": "MUG-1", "price": "29.99", "quantity": 5})
        shop.run()
        (in_stock,) = answered(feedline, settings, "trace", "sku:MUG-1")
        shop.publish({"id": "out", "sku": "MUG-1", "quantity": 0})
        shop.run()
        (out_of_stock,) = answered(feedline, settings, "trace", "sku:MUG-1")

    assert json.dumps([in_stock[name] for name in ("sku", "price", "quantity", "status")]) == '["MUG-1", 29.99, 5, "Active"]'
    assert (in_stock["hidden"], in_stock["product_type"], in_stock["product_type_source"]) == (False, "LUGGAGE", "amazon")
    assert (out_of_stock["quantity"], out_of_stock["status"], out_of_stock["hidden"]) == (0, "OOS", True)
    assert [each["id"] for each in out_of_stock["messages"]] == ["out", "in"]
    assert out_of_stock["messages"][0]["facets"] == [
        {"facet": "quantity", "value": 0, "outcome": "accepted", "status": "OOS", "hidden": True}
    ]


@pytest.mark.requirement("R63", "R64")
def test_a_sku_is_hidden_only_where_that_is_turned_on_and_shown_again_with_new_stock(shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"id": "out", "sku": "MUG-1", "quantity": 0})
    shop.run()
    shop.publish({"id": "in", "sku": "MUG-1", "quantity": 5})
    shop.run()

    (out,), (back,) = _trace(shop, "out")["facets"], _trace(shop, "in")["facets"]

    assert (out["status"], out["hidden"]) == ("OOS", False)
    assert (back["status"], back["hidden"]) == ("Active", False)


def test_what_is_pending_and_on_its_way_for_a_sku_is_told_apart(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "19.90"})
    feed_id = cut_a_feed(shop)
    shop.publish({"sku": "MUG-1", "quantity": 5})

    (record,) = answered(feedline, settings, "trace", "sku:MUG-1")

    assert record["state"] == "in_feed"
    assert (record["price"], record["quantity"], record["status"]) == (None, None, None)
    assert record["in_feed"]["feed_id"] == feed_id
    assert record["in_feed"]["facets"] == {"price": {"value": "19.90"}}
    assert record["pending"]["facets"] == {"quantity": {"value": 5}}


def test_the_shipments_of_an_order_are_found_by_the_order_and_by_the_request(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    data = {
        "connection": NAME,
        "fulfillment_request_number": "FR-1",
        "amazon_order_id": "902-3159896-1390916",
        "shipped_at": "2026-01-31T12:00:00Z",
        "carrier": "UPS",
        "items": [{"sku": "MUG-1", "quantity": 1}],
    }
    event = {"specversion": "1.0", "id": "s-1", "source": "wms", "type": "feedline.shipment.v1", "data": data}
    deliver(shop, event, "feedline.shipments")
    other = {**data, "fulfillment_request_number": "FR-1 B", "amazon_order_id": "902-3159896-1390917"}
    deliver(shop, {**event, "id": "s-2", "data": other}, "feedline.shipments")

    (by_order,) = answered(feedline, settings, "trace", "order:902-3159896-1390916")
    (by_request,) = answered(feedline, settings, "trace", "order:FR-1")

    assert by_order == by_request
    assert (by_order["id"], by_order["outcome"], by_order["reason"]) == ("s-1", "pending", None)
    assert "1 of MUG-1" in feedline("trace", "s-1", settings=settings).stdout


def _trace(shop: Shop, id_: str) -> dict[str, Any]:
    """The same trace without a process of its own: those of the command are tested above."""
    with shop.ctx.database.begin() as tx:
        (message_id,) = traces.named(tx, id_, None, None)
        found = traces.trace_with_history(tx, message_id)
    assert found is not None
    return found
