"""Cutting: a feed takes what it can hold, the most urgent first, and what it cannot hold is left as it is."""

from collections.abc import Callable

import pytest

from tests.steps.shop import NAME, Shop
from worker import metrics
from worker.core.kinds import Kind
from worker.core.wire import Delivery

SKUS = [f"S{number:02}" for number in range(40)]


@pytest.fixture
def small(open_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose feeds hold a few messages only, with forty linked SKUs that wait, claimed by pages of two, four, eight and so on."""
    monkeypatch.setattr("worker.store.flights.FIRST_PAGE", 2)
    shop = open_shop(feed_max_bytes=2000)
    shop.connect()
    shop.lists(*SKUS)
    shop.publish(*({"sku": sku, "quantity": 1} for sku in SKUS[:20]))
    shop.publish(*({"sku": sku, "quantity": 1} for sku in SKUS[20:-1]), {"sku": SKUS[-1], "quantity": 0})
    shop.hands.link(connection(shop))
    return shop


def connection(shop: Shop) -> int:
    (row,) = shop.query(f"SELECT id FROM connection WHERE name = '{NAME}'")
    return int(row["id"])


def versions(shop: Shop) -> dict[str, str]:
    """The version of each key's row, which every writing of it changes."""
    return {row["key"]: row["version"] for row in shop.query("SELECT key, xmin::text AS version FROM key_state")}


def carried(shop: Shop) -> list[str]:
    return [row["key"] for row in shop.query("SELECT key FROM feed_message ORDER BY feed_id, message_id")]


def test_a_key_that_does_not_fit_any_more_is_not_written(small: Shop) -> None:
    before = versions(small)

    small.hands.cut(connection(small), Kind.LISTINGS)

    after = versions(small)
    written = {key for key in SKUS if before[key] != after[key]}
    assert 2 < len(written) < 30, "more than a page, less than all"
    assert written == set(carried(small))


def test_page_after_page_the_most_urgent_and_then_the_oldest_go_first(small: Shop) -> None:
    for _ in range(10):
        small.hands.cut(connection(small), Kind.LISTINGS)

    assert carried(small) == [SKUS[-1], *SKUS[:-1]]
    assert {row["state"] for row in small.query("SELECT state FROM key_state")} == {"in_feed"}


def test_a_message_that_no_feed_can_hold_is_refused_and_the_others_go(small: Shop) -> None:
    small.connect(sync_listings={"template": {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "note": {"field": "note"}}})
    small.lists("BIG")
    (large,) = small.publish({"sku": "BIG", "note": "x" * 2000})

    small.run()

    outcome = small.outcomes()[large]
    assert (outcome["outcome"], outcome["reason"]) == ("invalid", "TOO_LARGE_FOR_A_FEED")
    (kept,) = small.refused()
    assert (kept["external_id"], kept["codes"], kept["message_id"]) == (large, ["TOO_LARGE_FOR_A_FEED"], outcome["internal"])
    assert {row["outcome"] for row in small.query("SELECT DISTINCT outcome FROM outcome WHERE outcome <> 'invalid'")} == {"accepted"}


def test_what_a_cut_refused_can_be_published_again_as_it_is_kept(open_shop: Callable[..., Shop]) -> None:
    small, shop = open_shop(feed_max_bytes=1024), open_shop()
    template = {"quantity": {"field": "quantity"}, "price": {"field": "price"}, "condition_note": {"field": "note"}}
    small.connect(sync_listings={"template": template})
    small.lists("MUG-1")
    (large,) = small.publish({"sku": "MUG-1", "price": "19.90", "note": "x" * 1000, "sequence": 7, "time": "2026-01-31T12:00:00Z"})
    small.run()
    assert small.outcome(large) == "invalid"

    (kept,) = shop.refused()
    shop.execute(f"DELETE FROM identity WHERE message_id = {kept['message_id']}")
    shop.stage(Delivery(kept["queue"], bytes(kept["body"]), kept["content_type"], kept["headers"]))
    shop.run()

    ended = shop.query("SELECT o.outcome, m.sequence, m.time::text FROM outcome o JOIN message m ON m.id = o.message_id ORDER BY m.id")
    assert [row["outcome"] for row in ended] == ["invalid", "accepted"]
    assert (ended[0]["sequence"], ended[0]["time"]) == (ended[1]["sequence"], ended[1]["time"])
    assert shop.at_amazon("MUG-1")["price"] == "19.90"


def test_a_feed_message_is_counted_once_whatever_the_number_of_its_messages(shop: Shop) -> None:
    counter = metrics._feed_messages
    counter.clear()
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "9.00"}, {"sku": "MUG-1", "quantity": 3})

    shop.run()

    counted = {s.labels["type"]: s.value for family in counter.collect() for s in family.samples if s.name.endswith("_total")}
    assert counted == {"inventory": 1.0}
