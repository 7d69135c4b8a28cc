"""`feedline listings`: the imported listings in the shape that was asked for."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.steps.shop import NAME, Shop
from tests.steps.test_import_listings import imported, reports


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.mark.requirement("R24")
def test_listings_are_printed_in_the_shape_that_was_asked_for(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    reports(shop, ("AMZ67890", "Red Gadget"), ("AMZ12345", "Blue Widget"), ("AMZ11111", ""))
    imported(shop)
    reports(shop, ("AMZ67890", "Red Gadget"), ("AMZ12345", "Blue Widget"), lines=("AMZ99999\tBro\tken",))
    imported(shop)

    run = feedline("listings", "--connection", NAME, "--json", settings=settings)
    first = feedline("listings", "--connection", NAME, "--json", "--limit", "1", settings=settings)
    people = feedline("listings", "--connection", NAME, settings=settings)
    (broken,) = answered(feedline, settings, "listings", "--connection", NAME, "--broken")

    assert json.loads(run.stdout) == {"Listings": [{"SKU": "AMZ12345", "Title": "Blue Widget"}, {"SKU": "AMZ67890", "Title": "Red Gadget"}]}
    assert first.stdout == '{"Listings":[{"SKU":"AMZ12345","Title":"Blue Widget"}]}\n'
    assert people.stdout.splitlines()[1].split() == ["AMZ12345", "Blue", "Widget"]
    assert (broken["line"], broken["text"]) == (4, "AMZ99999\tBro\tken")


def test_before_any_import_there_are_none_and_thousands_are_as_good_as_one(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    none = feedline("listings", "--connection", NAME, "--json", settings=settings)
    people = feedline("listings", "--connection", NAME, settings=settings)
    shop.execute(
        "INSERT INTO imported_listing (connection_id, sku, first_seen_at, updated_at) "
        "SELECT c.id, 'SKU-' || n, now(), now() FROM connection c, generate_series(1, 12000) n"
    )
    many = feedline("listings", "--connection", NAME, "--json", settings=settings)

    assert none.stdout == '{"Listings":[]}\n'
    assert "feedline run import-listings" in people.stdout
    found = json.loads(many.stdout)["Listings"]
    assert [each["SKU"] for each in found] == sorted(f"SKU-{number}" for number in range(1, 12001))


def test_an_unknown_connection_is_one_sentence(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    run = feedline("listings", "--connection", "nobody's", "--json", settings=settings)

    assert run.returncode == 1
    assert "There is no connection named nobody's." in run.stderr


@pytest.mark.requirement("R6", "R112")
def test_a_sku_that_differs_by_case_or_spaces_from_a_listed_one_is_told_which(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    shop.lists("ABC 1")
    reports(shop)
    imported(shop)
    shop.publish({"id": "m-1", "sku": "abc1", "quantity": 1})
    shop.run()

    (trace,) = answered(feedline, settings, "trace", "m-1")
    known = feedline("trace", "sku:ABC 1", settings=settings)
    unknown = feedline("trace", "sku:aBc 1", settings=settings)

    assert (trace["outcome"], trace["reason"]) == ("rejected", "SKU_UNKNOWN")
    assert trace["issues"][0]["message"] == ("Amazon does not list the SKU abc1 in this marketplace, but 'ABC 1' (case and spaces count).")
    assert known.returncode == 0
    assert unknown.returncode == 1
    assert f"Its case and spacing count: Amazon lists 'ABC 1' ({NAME})." in unknown.stderr
