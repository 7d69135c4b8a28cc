"""`feedline preview --last`: what the last messages would become through a copy of their connection, and where that differs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.steps.parcels import component, line, parcel, ship
from tests.steps.shop import MARKETPLACE, NAME, SELLER, Shop

COPY = "US shop, trial"


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.fixture
def change_copy(feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path) -> Any:
    """Duplicate the connection, and give the copy other settings, as an operator would: by a connection file."""

    def change(**entry: object) -> None:
        assert feedline("connection", "duplicate", NAME, COPY, settings=settings).returncode == 0
        file = tmp_path / "copy.json"
        base = {"name": COPY, "marketplace_id": MARKETPLACE, "selling_partner_id": SELLER, "refresh_token": "Atzr|the-same"}
        file.write_text(json.dumps({"version": 1, "connections": [{**base, **entry}]}))
        applied = feedline("connection", "apply", "-f", str(file), settings=settings)
        assert applied.returncode == 0, applied.stderr

    return change


def _written(shop: Shop) -> Mapping[str, int]:
    (counts,) = shop.query("SELECT (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM outcome) AS outcomes")
    return counts


@pytest.mark.requirement("R50", "R70", "R17")
def test_a_copy_shows_what_its_settings_would_change_and_sends_nothing(
    feedline: Feedline, settings: dict[str, str], shop: Shop, change_copy: Any
) -> None:
    shop.publish({"id": "same", "sku": "MUG-1", "price": "10.00"}, {"id": "other", "sku": "MUG-2", "quantity": 3, "stock": 8})
    change_copy(sync_listings={"template": {"price": {"field": "price"}, "quantity": {"field": "stock"}}})
    before = _written(shop)

    run = feedline("preview", "inventory", "--connection", COPY, "--last", "10", settings=settings)
    other, same = answered(feedline, settings, "preview", "inventory", "--connection", COPY, "--last", "10")

    assert run.returncode == 0, run.stderr
    assert "MUG-2: message other of erp" in run.stdout
    assert f"--- {NAME}" in run.stdout
    assert f"+++ {COPY}" in run.stdout
    changed = [text.split() for text in run.stdout.splitlines() if text.strip()[:1] in "+-" and "quantity" in text]
    assert changed == [["-", '"quantity":', "3"], ["+", '"quantity":', "8"]]
    assert "1 of the last 2 messages of US shop would go otherwise" in run.stderr
    assert (same["id"], same["difference"], same["before"] == same["after"]) == ("same", [], True)
    assert (other["id"], other["against"], bool(other["difference"])) == ("other", NAME, True)
    assert _written(shop) == before
    assert shop.simulator.calls("createFeed") == []


def test_what_the_copy_would_refuse_or_leave_out_is_told(
    feedline: Feedline, settings: dict[str, str], shop: Shop, change_copy: Any
) -> None:
    shop.publish({"sku": "MUG-1", "price": "10.00", "stock": 1}, {"sku": "MUG-2", "quantity": 3, "stock": "x"})
    change_copy(sync_listings={"template": {"price": "dont_map", "quantity": {"field": "stock"}}})

    refused, left_out = answered(feedline, settings, "preview", "inventory", "--connection", COPY, "--last", "2")

    assert any(text.startswith("+invalid, QUANTITY_INVALID") for text in refused["difference"])
    assert any("price" in text for text in left_out["difference"] if text.startswith("-"))


def test_listings_and_shipments_are_compared_too(feedline: Feedline, settings: dict[str, str], shop: Shop, change_copy: Any) -> None:
    offer = {"sku": "MUG-1", "asin": "B07N4M94X4", "title": "Mug", "condition": "New", "price": "9.00", "quantity": 1}
    shop.publish({"type": "feedline.listing.v1", **offer})
    ship(
        shop,
        parcel("1Z9999990399999999", line(), carrier="The Van"),
        parcel("1Z9999990399999999", component("A"), order="902-1745136-1430000", carrier="The Van"),
    )
    change_copy(sync_orders={"auto_detect_carrier": False}, publish_listings={"operation": "PARTIAL_UPDATE"})

    (listing,) = answered(feedline, settings, "preview", "listing", "--connection", COPY, "--last", "1")
    partial, whole = answered(feedline, settings, "preview", "shipment", "--connection", COPY, "--last", "9", "--against", NAME)

    assert any("PARTIAL_UPDATE" in text for text in listing["difference"])
    assert "+    <CarrierCode>Other</CarrierCode>" in whole["difference"]
    assert any("held, bundle_partial" in text for text in partial["after"])
    assert partial["difference"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--last", "5"], "was not duplicated from another connection"),
        ([], "Say which messages"),
        (["--last", "5", "-f", "-"], "Say which messages"),
        (["-f", "-", "--against", NAME], "--against goes with --last"),
    ],
)
def test_wrong_usage_is_told(feedline: Feedline, settings: dict[str, str], shop: Shop, arguments: list[str], said: str) -> None:
    run = feedline("preview", "inventory", "--connection", NAME, *arguments, settings=settings)

    assert run.returncode == 2
    assert said in run.stderr
