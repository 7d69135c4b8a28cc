"""`feedline feeds`: the feeds, and one of them with its document and report."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, cut_a_feed, opened
from tests.steps.parcels import amazon_has, line, parcel, ship
from tests.steps.shop import SELLER, Shop


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


def test_feeds_are_listed_with_their_counts_the_newest_first(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1", "MUG-2")
    shop.publish({"sku": "MUG-1", "quantity": 5}, {"sku": "MUG-2", "quantity": 5})
    shop.run()
    shop.publish({"sku": "MUG-1", "quantity": 4})
    newest = cut_a_feed(shop)

    first, second = answered(feedline, settings, "feeds")
    (settled,) = answered(feedline, settings, "feeds", "--state", "settled")

    assert (first["feed_id"], first["state"], first["messages"], first["accepted"]) == (newest, "cut", 1, None)
    assert [second[name] for name in ("state", "messages", "accepted", "rejected", "undecided")] == ["settled", 2, 2, 0, 0]
    assert settled["feed_id"] == second["feed_id"]


def test_a_feed_is_found_by_amazons_id_and_shown_with_its_way(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "19.90"})
    shop.run()
    (feed,) = shop.feeds()

    (shown,) = answered(feedline, settings, "feeds", "show", feed["amazon_feed_id"])

    assert shown["feed_id"] == feed["id"]
    states = [each["state"] for each in shown["events"]]
    assert states[:5] == ["cut", "document_created", "uploaded", "submitting", "in_queue"]
    assert states[-1] == "settled"
    assert shown["feed_messages"] == [
        {"message_id": 1, "key": "MUG-1", "sent": {"price": {"value": "19.90"}}, "verdict": "accepted", "issues": []}
    ]


def test_the_document_and_the_report_are_printed_as_they_went_over_the_wire(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "19.90"})
    shop.run()
    (feed,) = shop.feeds()

    document = feedline("feeds", "show", str(feed["id"]), "--document", settings=settings)
    report = feedline("feeds", "show", str(feed["id"]), "--report", settings=settings)

    assert document.stdout.encode() == shop.simulator.feed_document(SELLER, feed["amazon_feed_id"])
    assert '"value_with_tax":19.90' in document.stdout
    assert json.loads(report.stdout)["summary"]["messagesAccepted"] == 1


@pytest.mark.requirement("R86")
def test_a_feed_of_shipments_tells_which_orders_it_holds_and_what_is_in_their_parcels(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    amazon_has(shop, A=2)
    ship(shop, parcel("T1", line(quantity=2)))
    shop.run()

    (listed,) = answered(feedline, settings, "feeds")
    shown = feedline("feeds", "show", str(listed["feed_id"]), settings=settings)

    assert (listed["kind"], listed["batch"]) == ("shipments", "non_managed")
    assert "Orders         non_managed" in shown.stdout
    assert "lines of FR-0916 T1 2 of 10000000000001" in shown.stdout


def test_a_feed_that_is_not_there_is_one_sentence(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "quantity": 5})
    waiting = cut_a_feed(shop)

    unknown = feedline("feeds", "show", "4711", settings=settings)
    early = feedline("feeds", "show", str(waiting), "--report", settings=settings)
    wrong = feedline("feeds", "--state", "lost", settings=settings)

    assert (unknown.returncode, unknown.stderr) == (1, "There is no feed 4711. List them with: feedline feeds\n")
    assert (early.returncode, early.stderr) == (1, f"There is no report of the feed {waiting} yet.\n")
    assert wrong.returncode == 2
