"""Re-sync: after a change of the settings, what waits or was refused is looked at again, and only what differs is sent."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.steps.parcels import OTHER_ORDER, amazon_has, component, line, packages, parcel, ship
from tests.steps.shop import MARKETPLACE, NAME, Shop
from worker.core.connections import Connection
from worker.core.runs import RunKind, Trigger
from worker.errors import FeedlineError
from worker.steps.map_again import MappedAgain, mapped_again
from worker.steps.run import RunRefused, ask
from worker.store import connections, runs, traces
from worker.store.product_types import set_by_hand
from worker.store.resync import Stored

LINGER = 3600
"""Seconds: longer than any test, so that what is sent at once is seen to skip it."""

MAPPED = {"sync_listings": {"template": {"price": {"field": "price"}, "quantity": {"field": "stock"}}}}
COLUMNS = "kind, trigger, state, requested_at, due_at"
UPS = "1Z9999990399999999"
PUROLATOR = "320595463938"
"""To the profile flxpoint it is FedEx."""


def resync(shop: Shop, kind: RunKind) -> dict[str, Any]:
    """Ask for a run by hand, act on wake-ups until it has ended, and return its summary."""
    with shop.ctx.database.begin() as tx:
        run_id = ask(tx, NAME, kind, Trigger.MANUAL)

    def ended() -> bool:
        return bool(shop.query(f"SELECT finished_at IS NOT NULL AS ended FROM run WHERE id = {run_id}")[0]["ended"])

    shop.run_until(ended, meanwhile=lambda: shop.execute("UPDATE run SET dispatched_until = NULL"))
    (row,) = shop.query(f"SELECT state, fault, summary FROM run WHERE id = {run_id}")
    assert (row["state"], row["fault"]) == ("done", None)
    summary: dict[str, Any] = row["summary"]
    return summary


def listings(shop: Shop) -> dict[str, Any]:
    return resync(shop, RunKind.SYNC_LISTINGS)


def orders(shop: Shop) -> dict[str, Any]:
    return resync(shop, RunKind.SYNC_ORDERS)


def sent_again(shop: Shop) -> list[dict[str, Any]]:
    """The messages of Feedline's own, as their traces tell of them."""
    with shop.ctx.database.begin() as tx:
        ids = [row[0] for row in tx.exec_driver_sql("SELECT id FROM message WHERE source = 'feedline:resync' ORDER BY id")]
        return [
            {
                "outcome": trace.outcome,
                "codes": [issue["code"] for issue in trace.issues],
                "said": [issue["message"] for issue in trace.issues],
            }
            for trace in traces.traces(tx, ids).values()
        ]


def counts(summary: dict[str, Any], *names: str) -> list[int]:
    return [summary[name] for name in names]


@pytest.fixture
def slow(open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose changes wait for company for an hour."""
    return open_shop(feed_linger_seconds=LINGER)


# --- listings ------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R88", "R102")
def test_what_waits_goes_at_once_and_is_summed_up(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1", "MUG-2")
    sent = slow.publish({"sku": "MUG-1", "price": "10.00"}, {"sku": "MUG-2", "quantity": 3}, {"sku": "GONE", "quantity": 1})

    summary = listings(slow)

    assert slow.words(*sent) == ["accepted", "accepted", "rejected"]
    assert counts(summary, "received", "submitted", "succeeded", "failed", "waiting") == [3, 2, 2, 1, 0]


def test_a_price_waits_for_a_listing_that_arrives_after_it_as_long_as_it_lingers(slow: Shop) -> None:
    priceless = {"product_id": {"option": "ASIN"}, "quantity": {"field": "quantity"}, "item_condition": {"value": "New"}}
    slow.connect(publish_listings={"template": {"title": {"field": "title"}, **priceless}})
    slow.simulator.put_products(MARKETPLACE, [{"asin": "B07X4K9Y9Z"}])
    (price,) = slow.publish({"sku": "MUG-1", "price": "19.99"})
    slow.run_until(lambda: slow.simulator.calls("searchListingsItems"))
    for _ in range(3):
        slow.run_until(lambda: True)
    asked = len(slow.simulator.calls("searchListingsItems"))

    (listing,) = slow.publish({"type": "feedline.listing.v1", "sku": "MUG-1", "title": "Mug", "asin": "B07X4K9Y9Z", "quantity": 5})
    listings(slow)

    assert slow.words(price, listing) == ["accepted", "accepted"]
    assert [message["operationType"] for document in slow.documents() for message in document["messages"]] == ["UPDATE"]
    assert slow.at_amazon("MUG-1")["price"] == "19.99"
    assert asked == 1, "Amazon is not asked about it again and again"


def test_a_price_of_which_no_listing_comes_is_refused_when_it_has_lingered(slow: Shop) -> None:
    slow.connect()
    (price,) = slow.publish({"sku": "MUG-1", "price": "19.99"})
    slow.run_until(lambda: slow.query("SELECT FROM key_state WHERE link_after > now()"))

    slow.execute(f"UPDATE key_state SET pending_since = now() - interval '{LINGER} s', link_after = now()")
    slow.run()

    assert slow.outcomes()[price]["reason"] == "SKU_UNKNOWN"
    assert len(slow.simulator.calls("searchListingsItems")) == 2


@pytest.mark.requirement("R102")
def test_a_pending_message_is_mapped_anew_in_place(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1", price="1.00", quantity=1)
    (sent,) = slow.publish({"sku": "MUG-1", "price": "10.00", "quantity": 5, "stock": 7})

    slow.connect(**MAPPED)
    summary = listings(slow)

    assert slow.outcome(sent) == "accepted"
    assert (slow.at_amazon("MUG-1")["price"], slow.at_amazon("MUG-1")["quantity"]) == ("10.00", 7)
    assert counts(summary, "remapped", "sent_again", "succeeded") == [1, 0, 1]


def test_a_pending_message_of_which_the_settings_make_nothing_any_more_is_skipped(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1", "MUG-2")
    priced, both = slow.publish({"sku": "MUG-1", "price": "10.00"}, {"sku": "MUG-2", "price": "1.00", "quantity": 2})

    slow.connect(sync_listings={"template": {"price": "dont_map", "quantity": {"field": "stock"}}})
    summary = listings(slow)

    assert slow.words(priced, both) == ["skipped", "skipped"]
    assert summary["skipped"] == {"nothing_to_send": 2}
    assert slow.feeds() == []


def test_a_pending_message_that_the_settings_now_refuse_is_invalid_with_its_faults(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1")
    (sent,) = slow.publish({"sku": "MUG-1", "quantity": 5, "stock": "five"})

    slow.connect(**MAPPED)
    summary = listings(slow)

    assert slow.outcome(sent) == "invalid"
    assert [issue["code"] for issue in slow.outcomes()[sent]["issues"]] == ["QUANTITY_INVALID"]
    (kept,) = slow.refused()
    assert (kept["external_id"], kept["codes"], kept["queue"]) == (sent, ["QUANTITY_INVALID"], "feedline.inventory")
    assert (summary["failed"], slow.feeds()) == (1, [])


def test_a_facet_that_is_mapped_only_now_goes_too_unless_something_newer_was_said_of_it(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1", "MUG-2")
    slow.publish({"sku": "MUG-1", "price": "10.00", "days": 4}, {"sku": "MUG-2", "price": "10.00", "days": 4})
    template = {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "days"}}
    slow.connect(sync_listings={"template": template})
    slow.publish({"sku": "MUG-2", "days": 2, "quantity": 1})

    listings(slow)

    assert slow.key("MUG-1")["confirmed"]["handling_time"] == {"value": 4}
    assert slow.key("MUG-2")["confirmed"]["handling_time"] == {"value": 2}


@pytest.mark.requirement("R102")
def test_what_the_door_refused_goes_again_as_a_message_that_names_it_and_its_own_outcome_stands(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    (refused,) = shop.publish({"sku": "MUG-1", "quantity": "many", "stock": 7})
    assert shop.outcome(refused) == "invalid"

    shop.connect(**MAPPED)
    summary = listings(shop)

    assert shop.outcome(refused) == "invalid"
    assert shop.at_amazon("MUG-1")["quantity"] == 7
    (again,) = sent_again(shop)
    assert (again["outcome"], again["codes"]) == ("accepted", ["SENT_AGAIN"])
    assert refused in again["said"][0]
    assert counts(summary, "sent_again", "succeeded") == [1, 1]


@pytest.mark.requirement("R102")
def test_what_amazon_refused_goes_again_only_when_it_would_go_otherwise(shop: Shop) -> None:
    shop.connect()
    shop.lists("BAD", reject=[{"code": "90057", "message": "Not like this."}])
    (bad,) = shop.publish({"sku": "BAD", "quantity": 1, "stock": 2})
    shop.run()
    assert shop.outcome(bad) == "rejected"

    assert counts(listings(shop), "received", "sent_again") == [0, 0]
    assert len(shop.feeds()) == 1
    shop.connect(**MAPPED)
    assert counts(listings(shop), "sent_again", "failed") == [1, 1]
    assert len(shop.feeds()) == 2
    assert counts(listings(shop), "sent_again") == [0], "that one, too, was refused and does not differ"
    assert len(shop.feeds()) == 2


@pytest.mark.requirement("R102")
def test_a_refused_message_that_was_overtaken_never_goes_again(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    old, new = shop.publish({"sku": "MUG-1", "quantity": "many", "stock": 7}, {"sku": "MUG-1", "quantity": 3, "stock": 3})
    shop.run()

    shop.connect(**MAPPED)

    assert counts(listings(shop), "sent_again") == [0]
    assert shop.words(old, new) == ["invalid", "accepted"]
    assert shop.at_amazon("MUG-1")["quantity"] == 3


def test_what_was_sent_again_is_older_than_nothing_that_its_source_said_before(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": "many", "stock": 7, "sequence": 5})
    shop.connect(**MAPPED)
    listings(shop)

    (late,) = shop.publish({"sku": "MUG-1", "quantity": 3, "stock": 3, "sequence": 3})
    (newer,) = shop.publish({"sku": "MUG-1", "quantity": 8, "stock": 8, "sequence": 6})
    shop.run()

    assert shop.words(late, newer) == ["superseded", "accepted"]
    (again,) = shop.query("SELECT id FROM message WHERE source = 'feedline:resync'")
    assert shop.outcomes()[late]["superseded_by"] == again["id"]
    assert shop.at_amazon("MUG-1")["quantity"] == 8


def test_a_refused_message_goes_again_though_an_older_one_of_its_source_came_after_it(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    newer, older = shop.publish(
        {"sku": "MUG-1", "quantity": "many", "stock": 7, "sequence": 5}, {"sku": "MUG-1", "quantity": 3, "stock": 3, "sequence": 3}
    )
    shop.run()

    shop.connect(**MAPPED)
    first, second = (counts(listings(shop), "sent_again") for _ in range(2))

    assert shop.words(newer, older) == ["invalid", "accepted"]
    assert (first, second) == ([1], [0])
    assert shop.at_amazon("MUG-1")["quantity"] == 7


def test_only_the_facets_that_nothing_newer_speaks_of_go_again(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "10.00", "quantity": "many", "stock": 7}, {"sku": "MUG-1", "price": "12.00"})
    shop.run()

    shop.connect(**MAPPED)
    listings(shop)

    assert (shop.at_amazon("MUG-1")["price"], shop.at_amazon("MUG-1")["quantity"]) == ("12.00", 7)


def test_of_several_refused_messages_for_a_facet_the_newest_goes_again(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": "x", "stock": 7}, {"sku": "MUG-1", "quantity": "y", "stock": 8})

    shop.connect(**MAPPED)

    assert counts(listings(shop), "sent_again") == [1]
    assert shop.at_amazon("MUG-1")["quantity"] == 8


@pytest.mark.requirement("R102")
def test_a_sku_that_amazon_did_not_know_is_asked_about_again(shop: Shop) -> None:
    shop.connect()
    (unknown,) = shop.publish({"sku": "LATE", "price": "9.00"})
    shop.run()
    assert shop.outcome(unknown) == "rejected"

    shop.lists("LATE")
    summary = listings(shop)

    assert shop.at_amazon("LATE")["price"] == "9.00"
    assert counts(summary, "sent_again", "succeeded") == [1, 1]


@pytest.mark.requirement("R102")
def test_what_a_guard_of_ours_refused_goes_when_the_guard_is_off(shop: Shop) -> None:
    shop.connect()
    shop.lists("FBA", fulfillment_channel="AMAZON_NA", quantity=9, price="1.00")
    (guarded,) = shop.publish({"sku": "FBA", "quantity": 5})
    shop.run()
    assert shop.outcomes()[guarded]["reason"] == "FBA_GUARD"
    assert counts(listings(shop), "sent_again") == [0]

    shop.connect(fba_guard=False)

    assert counts(listings(shop), "sent_again", "succeeded") == [1, 1]


def test_a_refused_deletion_does_not_remove_a_listing_that_was_spoken_of_since(slow: Shop) -> None:
    slow.connect()
    slow.lists("MUG-1")
    publish = {
        "requirements": "LISTING_OFFER_ONLY",
        "template": {"sku": {"field": "old"}, "title": {"field": "title"}, "quantity": "dont_map"},
    }
    slow.connect(publish_listings=publish)
    (deletion,) = slow.publish({"type": "feedline.listing.v1", "sku": "MUG-1", "operation": "delete", "sequence": 5})
    assert slow.outcome(deletion) == "invalid"
    slow.publish({"sku": "MUG-1", "quantity": 7, "sequence": 7})

    slow.connect()
    listings(slow)

    assert slow.at_amazon("MUG-1")["quantity"] == 7
    assert [message["operationType"] for document in slow.documents() for message in document["messages"]] == ["PATCH"]


@pytest.mark.parametrize("state", ["discarded", "replayed"])
def test_what_a_person_has_discarded_or_published_again_is_left_alone(shop: Shop, state: str) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": "many", "stock": 7}, {"sku": "MUG-1", "price": "much", "quantity": 3, "stock": 8})
    shop.execute(f"UPDATE rejected SET state = '{state}' WHERE id = (SELECT max(id) FROM rejected)")

    shop.connect(**MAPPED)

    assert counts(listings(shop), "sent_again") == [1]
    assert shop.at_amazon("MUG-1")["quantity"] == 7


def test_refused_messages_are_mapped_but_once_however_many_there_are_of_a_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.steps.sync_run.REFUSED_AT_ONCE", 2)
    mapped: list[int] = []

    def counting(stored: Stored, connection: Connection, now: datetime) -> MappedAgain | None:
        mapped.append(stored.id)
        return mapped_again(stored, connection, now)

    monkeypatch.setattr("worker.steps.sync_run.mapped_again", counting)
    shop.connect()
    shop.lists("MUG-1", "MUG-2")
    shop.publish(*({"sku": sku, "quantity": "x", "stock": number} for number in range(4) for sku in ("MUG-1", "MUG-2")))

    shop.connect(**MAPPED)

    assert counts(listings(shop), "sent_again") == [2]
    assert len(mapped) == len(set(mapped)) == 8


@pytest.mark.requirement("R69")
def test_a_listing_that_was_refused_for_its_product_type_goes_again_with_the_one_that_was_set_by_hand(shop: Shop) -> None:
    product = {"asin": "B07X4K9Y9Z", "title": "Mug", "product_type": "DRINKING_CUP"}
    shop.simulator.put_products(MARKETPLACE, [product])
    shop.connect()
    said = {"title": "Mug", "asin": product["asin"], "condition": "New", "price": "9.90", "quantity": 5, "product_type": "MUGGLE"}
    (refused,) = shop.publish({"type": "feedline.listing.v1", "sku": "MUG-1", **said})
    shop.run()
    assert shop.outcomes()[refused]["reason"] == "4000003"

    with shop.ctx.database.begin() as tx:
        set_by_hand(tx, connections.by_name(tx, NAME).id, "MUG-1", "DRINKING_CUP")
    summary = listings(shop)

    assert counts(summary, "sent_again", "succeeded") == [1, 1]
    assert shop.at_amazon("MUG-1")["product_type"] == "DRINKING_CUP"


def test_a_key_with_messages_of_several_batches_is_looked_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.steps.sync_run.REFUSED_AT_ONCE", 1)
    monkeypatch.setattr("worker.steps.sync_run.KEYS_AT_ONCE", 1)
    shop.connect()
    shop.lists("MUG-1", "MUG-2")
    shop.publish(
        {"sku": "MUG-1", "quantity": "x", "stock": 1},
        {"sku": "MUG-2", "quantity": "x", "stock": 2},
        {"sku": "MUG-1", "quantity": "y", "stock": 3},
    )

    shop.connect(**MAPPED)

    assert counts(listings(shop), "sent_again") == [2]
    assert (shop.at_amazon("MUG-1")["quantity"], shop.at_amazon("MUG-2")["quantity"]) == (3, 2)


def test_a_worker_that_dies_while_it_sends_again_sends_nothing_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": "x", "stock": 1})
    shop.connect(**MAPPED)
    with shop.ctx.database.begin() as tx:
        run_id = ask(tx, NAME, RunKind.SYNC_LISTINGS, Trigger.MANUAL)
    note = runs.note
    died: list[int] = []

    def dying(*given: Any, **further: Any) -> None:
        note(*given, **further)
        if len(died) < 2 and further.get("summary", {}).get("sent_again"):
            died.append(1)
            raise SystemExit

    monkeypatch.setattr(runs, "note", dying)
    for _ in range(2):
        with pytest.raises(SystemExit):
            shop.hands.run(run_id)
        shop.execute("UPDATE run SET claimed_until = NULL")
    shop.run_until(lambda: shop.query("SELECT state FROM run")[0]["state"] == "done")

    assert len(sent_again(shop)) == 1
    assert len(shop.feeds()) == 1


# --- orders --------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R88")
def test_a_sync_of_orders_ends_with_the_sum_of_what_became_of_the_shipments(shop: Shop) -> None:
    shop.connect()
    amazon_has(shop, imported=True, A=1)
    amazon_has(shop, OTHER_ORDER, A=1)
    ship(
        shop,
        parcel(UPS, line(), carrier="Unknown Van"),
        parcel("9400111899223033005436", line(), order=OTHER_ORDER, carrier="USPS", method="Priority"),
        parcel("EMPTY-1"),
        parcel(PUROLATOR, line(quantity=1), order="902-0000000-0000000", carrier="FedEx", method="Home Delivery"),
        parcel("PART-1", component("A"), order=OTHER_ORDER),
    )

    summary = orders(shop)

    assert counts(summary, "received", "submitted", "succeeded", "failed", "waiting") == [5, 3, 2, 1, 0]
    assert (summary["skipped"], summary["held"]) == ({"empty_fulfillment": 1}, {"bundle_partial": 1})
    assert counts(summary, "managed", "non_managed") == [1, 2]
    assert counts(summary, "carriers_overridden", "carriers_in_conflict") == [2, 3]
    assert counts(orders(shop), "received") == [1], "the next one sums up what has come since, and what still waits"


@pytest.mark.requirement("R102")
def test_shipments_that_wait_go_by_the_carrier_rules_as_they_are_now(slow: Shop) -> None:
    slow.connect()
    amazon_has(slow)
    (sent,) = ship(slow, parcel(UPS, line(), carrier="The Van", method="Fast"))

    slow.connect(sync_orders={"auto_detect_carrier": False})
    orders(slow)

    assert slow.outcome(sent) == "accepted"
    (package,) = packages(slow)
    assert (package["carrier_code"], package["shipping_method"]) == ("Other", "Fast")
    (row,) = slow.query("SELECT s.revision = c.revision AS is_of_now, s.overridden FROM shipment s JOIN connection c ON true")
    assert row == {"is_of_now": True, "overridden": False}


@pytest.mark.requirement("R102")
def test_shipments_that_were_held_as_non_managed_go_when_they_are_to_be_submitted(shop: Shop) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})
    amazon_has(shop)
    (sent,) = ship(shop, parcel(UPS, line()))
    assert orders(shop)["held"] == {"non_managed": 1}

    shop.connect(sync_orders={"non_managed": "submit"})

    assert counts(orders(shop), "succeeded", "waiting") == [1, 0]
    assert shop.outcome(sent) == "accepted"


@pytest.mark.requirement("R102")
def test_a_shipment_that_amazon_refused_goes_again_once_its_carrier_is_decided_otherwise(shop: Shop) -> None:
    shop.connect()
    (sent,) = ship(shop, parcel(UPS, line(), carrier="The Van", method="Fast"))
    shop.run()
    assert shop.outcome(sent) == "rejected", "Amazon has no such order"
    amazon_has(shop)
    assert counts(orders(shop), "sent_again") == [0], "it would go just as it went"

    shop.connect(sync_orders={"auto_detect_carrier": False})
    summary = orders(shop)

    assert counts(summary, "sent_again", "succeeded") == [1, 1]
    assert [package["carrier_code"] for package in packages(shop)] == ["Other"]
    (again,) = sent_again(shop)
    assert sent in again["said"][0]


def test_a_refused_bundle_of_which_one_parcel_was_corrected_goes_again_with_the_others_that_were_refused(shop: Shop) -> None:
    shop.connect()
    first, wrong = ship(shop, parcel("T1", component("A")), parcel("T2", component("B")))
    shop.run()
    assert shop.words(first, wrong) == ["rejected", "rejected"], "Amazon has no such order"
    amazon_has(shop, BUNDLE=1)
    (right,) = ship(shop, parcel("T2", component("B"), carrier="FedEx"))

    summary = orders(shop)

    assert counts(summary, "sent_again", "succeeded") == [1, 2]
    assert shop.outcome(right).startswith("accepted")
    assert [package["carrier_code"] for package in packages(shop)] == ["FedEx"]


def test_a_refused_parcel_that_would_go_as_it_went_stays_refused_whatever_waits_beside_it(shop: Shop) -> None:
    shop.connect()
    (refused,) = ship(shop, parcel("T1", line("20000000000002")))
    shop.run()
    ship(shop, parcel("T2", component("A")))

    assert counts(orders(shop), "sent_again") == [0]
    assert shop.outcome(refused) == "rejected"


# --- asking --------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R16")
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("UPDATE connection SET paused = true", "CONNECTION_PAUSED"),
        ("UPDATE account SET authorization_fault = 'The seller has taken it back.'", "NOT_AUTHORIZED"),
        (
            f"INSERT INTO run (connection_id, {COLUMNS}) SELECT id, 'sync-orders', 'manual', 'queued', now(), now() FROM connection",
            "RUN_UNDER_WAY",
        ),
    ],
)
def test_a_run_that_cannot_begin_is_refused_with_a_code_and_a_remedy(shop: Shop, state: str, code: str) -> None:
    shop.connect()
    shop.execute(state)

    with pytest.raises(RunRefused, match=code) as refused, shop.ctx.database.begin() as tx:
        ask(tx, NAME, RunKind.SYNC_ORDERS, Trigger.MANUAL)

    assert refused.value.issue.remedy


def test_a_kind_that_there_is_not_and_a_connection_that_there_is_not_are_refused(shop: Shop) -> None:
    shop.connect()

    with pytest.raises(RunRefused, match="RUN_KIND_UNKNOWN"), shop.ctx.database.begin() as tx:
        ask(tx, NAME, "make-coffee", Trigger.MANUAL)
    with pytest.raises(FeedlineError, match="no connection named"), shop.ctx.database.begin() as tx:
        ask(tx, "Nobody's", RunKind.SYNC_ORDERS, Trigger.MANUAL)


def test_a_run_whose_connection_loses_its_authorisation_ends_with_what_that_holds(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    with shop.ctx.database.begin() as tx:
        run_id = ask(tx, NAME, RunKind.SYNC_LISTINGS, Trigger.MANUAL)
    shop.publish({"sku": "MUG-1", "quantity": 1})
    shop.execute("UPDATE account SET authorization_fault = 'gone', login_not_before = now() + interval '1 hour'")

    shop.hands.run(run_id)

    (row,) = shop.query("SELECT state, summary FROM run")
    assert (row["state"], row["summary"]["held"]) == ("done", {"not_authorized": 1})
