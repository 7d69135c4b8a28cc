"""A message's whole way, with Amazon simulated over HTTP: staged, linked, cut, sent, settled."""

from collections.abc import Callable

import pytest

from tests.steps.shop import NAME, SELLER, Shop
from worker import metrics
from worker.store import connections

FEED = "JSON_LISTINGS_FEED"


@pytest.mark.requirement("R9", "R52", "R61", "R66", "R115", "R116")
def test_a_price_and_a_quantity_reach_amazon_and_are_accepted(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1", price="10.00", quantity=1)

    (sent,) = shop.publish({"sku": "MUG-1", "price": "29.99", "quantity": 5})
    shop.run()

    assert shop.outcomes()[sent]["issues"] is None
    assert shop.outcome(sent) == "accepted"
    item = shop.at_amazon("MUG-1")
    assert (item["price"], item["quantity"]) == ("29.99", 5)


def test_the_same_values_again_are_unchanged_and_make_no_feed(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "29.90", "quantity": 5})
    shop.run()

    (again,) = shop.publish({"sku": "MUG-1", "price": "29.9", "quantity": 5})
    shop.run()

    assert shop.outcome(again) == "unchanged"
    assert len(shop.feeds()) == 1


@pytest.mark.requirement("R61")
def test_while_one_change_is_in_flight_the_newer_ones_wait_and_only_the_newest_follows(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.simulator.fault("feed_stuck_in_progress")
    (first,) = shop.publish({"sku": "MUG-1", "price": "1.00", "sequence": 1})
    shop.run_until(lambda: "in_progress" in shop.states())

    late, middle, newest = shop.publish(
        {"sku": "MUG-1", "price": "0.50", "sequence": 0},
        {"sku": "MUG-1", "price": "2.00", "sequence": 2},
        {"sku": "MUG-1", "price": "3.00", "sequence": 3},
    )
    for _ in range(3):
        shop.run_until(lambda: True)
    in_flight = shop.states()
    shop.simulator.release_feed("A1EXAMPLESELLER", shop.feeds()[0]["amazon_feed_id"])
    shop.run()

    assert in_flight == ["in_progress"]
    assert shop.words(first, late, middle, newest) == ["accepted", "superseded", "superseded", "accepted"]
    found = shop.outcomes()
    assert found[late]["superseded_by"] == found[first]["internal"]
    assert found[middle]["superseded_by"] == found[newest]["internal"]
    assert shop.at_amazon("MUG-1")["price"] == "3.00"
    assert len(shop.feeds()) == 2


def test_a_change_back_to_what_was_confirmed_goes_out_while_another_value_is_in_flight(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "1.00"})
    shop.run()
    shop.simulator.fault("feed_stuck_in_progress")
    shop.publish({"sku": "MUG-1", "price": "2.00"})
    shop.run_until(lambda: "in_progress" in shop.states())

    (back,) = shop.publish({"sku": "MUG-1", "price": "1.00"})
    shop.simulator.release_feed("A1EXAMPLESELLER", shop.feeds()[1]["amazon_feed_id"])
    shop.run()

    assert shop.outcome(back) == "accepted"
    assert shop.at_amazon("MUG-1")["price"] == "1.00"


def test_what_amazon_rejects_comes_with_amazons_issue_and_is_not_taken_as_known(shop: Shop) -> None:
    shop.connect()
    shop.lists("GOOD")
    shop.lists("BAD", reject=[{"code": "90057", "message": "Not like this."}])

    good, bad = shop.publish({"sku": "GOOD", "quantity": 1}, {"sku": "BAD", "quantity": 1})
    shop.run()

    assert shop.words(good, bad) == ["accepted", "rejected"]
    found = shop.outcomes()[bad]
    assert [(issue["code"], issue["message"]) for issue in found["issues"]] == [("90057", "Not like this.")]
    assert (found["reason"], found["feed_message_id"]) == ("90057", 1)
    assert shop.key("BAD")["confirmed"] == {}
    (again,) = shop.publish({"sku": "BAD", "quantity": 1})
    shop.run()
    assert shop.outcome(again) == "rejected"


def test_the_reason_of_a_rejection_is_the_error_and_not_a_remark_before_it(shop: Shop) -> None:
    shop.connect()
    remark = {"code": "18448", "message": "Attributes are incomplete.", "severity": "WARNING"}
    shop.lists("BAD", reject=[remark, {"code": "90057", "message": "Not like this."}])

    (bad,) = shop.publish({"sku": "BAD", "quantity": 1})
    shop.run()

    found = shop.outcomes()[bad]
    assert (found["outcome"], found["reason"]) == ("rejected", "90057")
    assert [issue["code"] for issue in found["issues"]] == ["18448", "90057"]


def test_a_sku_that_amazon_does_not_list_is_rejected_and_nothing_is_sent(shop: Shop) -> None:
    shop.connect()

    (sent,) = shop.publish({"sku": "NO-SUCH", "price": "1.00"})
    shop.run()

    assert (shop.outcome(sent), shop.outcomes()[sent]["reason"]) == ("rejected", "SKU_UNKNOWN")
    assert shop.feeds() == []
    assert shop.simulator.calls("createFeed") == []


@pytest.mark.requirement("R6")
@pytest.mark.parametrize("sku", ["MUG-a", "mug-A", " MUG-A ", "MUG -A", "MUG-\u00a0A"])
def test_a_sku_that_differs_by_case_or_spaces_is_another_one_and_is_told_of_the_one_that_is_linked(shop: Shop, sku: str) -> None:
    shop.connect()
    shop.lists("MUG-A")
    (listed,) = shop.publish({"sku": "MUG-A", "quantity": 1})
    shop.run()

    (near,) = shop.publish({"sku": sku, "quantity": 2})
    shop.run()

    assert (shop.outcome(listed), shop.outcome(near)) == ("accepted", "rejected")
    found = shop.outcomes()[near]
    assert found["reason"] == "SKU_UNKNOWN"
    assert "'MUG-A' (case and spaces count)" in found["issues"][0]["message"]


@pytest.mark.requirement("R67")
def test_every_sku_goes_with_its_product_type_at_amazon(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.lists("PLAIN", product_type="PRODUCT")

    shop.publish({"sku": "MUG-1", "quantity": 1}, {"sku": "PLAIN", "quantity": 1})
    shop.run()

    (document,) = shop.documents()
    assert {message["sku"]: message["productType"] for message in document["messages"]} == {"MUG-1": "LUGGAGE", "PLAIN": "PRODUCT"}
    sources = {row["sku"]: row["product_type_source"] for row in shop.query("SELECT sku, product_type_source FROM listing")}
    assert sources["MUG-1"] == "amazon"


def test_a_quantity_for_what_amazon_fulfils_is_rejected_and_the_price_goes(shop: Shop) -> None:
    shop.connect()
    shop.lists("FBA", fulfillment_channel="AMAZON_NA", quantity=9, price="1.00")

    (sent,) = shop.publish({"sku": "FBA", "price": "2.00", "quantity": 5})
    shop.run()

    assert shop.outcome(sent) == "rejected"
    assert shop.outcomes()[sent]["reason"] == "FBA_GUARD"
    assert shop.outcomes()[sent]["facets"]["price"]["outcome"] == "accepted"
    assert shop.at_amazon("FBA")["price"] == "2.00"


def test_a_quantity_that_was_on_its_way_to_another_channel_is_not_known_to_stand_in_the_new_one(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.simulator.fault("feed_stuck_in_progress")
    shop.publish({"sku": "MUG-1", "price": "9.00", "quantity": 5})
    shop.run_until(lambda: "in_progress" in shop.states())

    shop.connect(fulfillment_channel="AMAZON_NA", fba_quantity="send")
    shop.simulator.release_feed(SELLER, shop.feeds()[0]["amazon_feed_id"])
    shop.run()
    known = shop.key("MUG-1")["confirmed"]
    shop.publish({"sku": "MUG-1", "price": "9.00", "quantity": 5})
    shop.run()

    assert set(known) == {"price"}
    ((patch,),) = [[patch["path"] for patch in message["patches"]] for message in shop.documents()[1]["messages"]]
    assert patch == "/attributes/fulfillment_availability"


@pytest.mark.requirement("R117")
def test_what_ends_before_it_is_sent_is_counted_too(shop: Shop) -> None:
    shop.connect(name="Counted shop")
    shop.lists("FBA", fulfillment_channel="AMAZON_NA", quantity=9)
    shop.publish(
        {"sku": "FBA", "quantity": 5, "connection": "Counted shop"}, {"sku": "NO-SUCH", "quantity": 5, "connection": "Counted shop"}
    )

    shop.run()

    counted = [sample for family in metrics._outcomes.collect() for sample in family.samples if sample.name.endswith("_total")]
    assert {(sample.labels["outcome"], sample.value) for sample in counted if sample.labels["connection"] == "Counted shop"} == {
        ("rejected", 2.0)
    }


@pytest.mark.requirement("R7")
def test_the_sku_prefix_is_added_outbound_and_taken_off_inbound(shop: Shop) -> None:
    shop.connect(sku_prefix="AMZ-")
    shop.lists("AMZ-1")

    (plain,) = shop.publish({"sku": "1", "quantity": 4})
    (prefixed,) = shop.publish({"sku": "AMZ-1", "quantity": 5})
    shop.run()

    assert shop.words(plain, prefixed) == ["superseded", "accepted"]
    assert shop.at_amazon("AMZ-1")["quantity"] == 5


def test_a_paused_connection_keeps_its_changes_until_it_is_resumed(shop: Shop) -> None:
    shop.connect(paused=True)
    shop.lists("MUG-1")
    first, second = shop.publish({"sku": "MUG-1", "quantity": 1}, {"sku": "MUG-1", "quantity": 2})
    shop.run_until(lambda: True)
    while_paused = (shop.words(first, second), shop.feeds(), shop.simulator.calls())

    with shop.ctx.database.begin() as tx:
        connections.resume(tx, NAME)
    shop.run()

    assert while_paused == (["superseded", "None"], [], [])
    assert shop.outcome(second) == "accepted"


def test_a_feed_that_was_cut_before_the_pause_is_not_sent_before_the_end_of_it(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    (sent,) = shop.publish({"sku": "MUG-1", "quantity": 5})
    shop.run_until(lambda: shop.states() == ["cut"])

    with shop.ctx.database.begin() as tx:
        connections.pause(tx, NAME)
    for _ in range(3):
        shop.run_until(lambda: True, meanwhile=shop.hurry)
    while_paused = (shop.states(), shop.simulator.calls("createFeedDocument"))
    with shop.ctx.database.begin() as tx:
        connections.resume(tx, NAME)
    shop.run_until(lambda: shop.words(sent) != ["None"], meanwhile=shop.hurry)

    assert while_paused == (["cut"], [])
    assert shop.outcome(sent) == "accepted"


@pytest.mark.requirement("R62", "R115")
def test_a_feed_holds_no_more_than_its_limit_and_takes_what_is_out_of_stock_first(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(feed_max_messages=2)
    shop.connect()
    shop.lists("A", "B", "C", "D")

    shop.publish(*({"sku": sku, "quantity": quantity} for sku, quantity in [("A", 1), ("B", 1), ("C", 0), ("D", 0)]))
    shop.run()

    contents = [{message["sku"] for message in document["messages"]} for document in shop.documents()]
    assert contents == [{"C", "D"}, {"A", "B"}]
    assert [document["messages"][0]["messageId"] for document in shop.documents()] == [1, 3]


def test_a_change_waits_for_company_no_longer_than_it_lingers(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(feed_linger_seconds=3600)
    shop.connect()
    shop.lists("A", "B")
    shop.publish({"sku": "A", "quantity": 1})
    shop.run_until(lambda: shop.key("A")["linked"])
    shop.run_until(lambda: True)
    waiting = shop.feeds()

    shop.publish({"sku": "B", "quantity": 1})
    shop.execute("UPDATE key_state SET pending_since = pending_since - interval '1 hour' WHERE key = 'A'")
    shop.run_until(lambda: "settled" in shop.states())

    assert waiting == []
    (feed,) = shop.feeds()
    assert feed["messages"] in {1, 2}


def test_replace_is_held_until_the_quantity_is_known_and_then_carries_everything(shop: Shop) -> None:
    template = {"quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}
    shop.connect(sync_listings={"patch_op": "replace", "template": template})
    shop.lists("MUG-1")
    (first,) = shop.publish({"sku": "MUG-1", "handling_time": 3})
    shop.run()
    held = (shop.key("MUG-1")["state"], shop.key("MUG-1")["hold_reason"])

    (second,) = shop.publish({"sku": "MUG-1", "quantity": 7})
    shop.run()
    (third,) = shop.publish({"sku": "MUG-1", "quantity": 8})
    shop.run()

    assert held == ("held", "quantity_unknown")
    assert shop.words(first, second, third) == ["accepted", "accepted", "accepted"]
    assert shop.documents()[-1]["messages"][0]["patches"][0]["value"] == [
        {"fulfillment_channel_code": "DEFAULT", "quantity": 8, "lead_time_to_ship_max_days": 3}
    ]
