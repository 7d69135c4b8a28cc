"""`feedline preview`: a file of messages is rendered and explained; nothing is written, nothing is sent."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, opened
from tests.steps.parcels import ORDER, OTHER_ORDER, amazon_has, component, import_order, line, parcel, ship
from tests.steps.shop import NAME, SELLER, Shop
from worker.store import connections
from worker.store.product_types import set_by_hand


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.mark.requirement("R17", "R50")
def test_a_preview_shows_the_very_feed_message_that_the_feed_then_carries(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "10.00"})
    shop.run()
    message = {"sku": "MUG-1", "price": "19.90", "quantity": 0}

    (line,) = _previewed(feedline, settings, tmp_path, message)

    assert (line["outcome"], line["linked"], line["product_type_source"]) == ("would_send", True, "amazon")
    shop.publish(message)
    shop.run()
    (sent,) = shop.documents()[-1]["messages"]
    assert {"messageId": sent["messageId"], **line["feed_message"]} == sent


@pytest.mark.requirement("R17", "R68")
def test_a_preview_writes_nothing_and_calls_nobody(feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path) -> None:
    with shop.ctx.database.begin() as tx:
        set_by_hand(tx, connections.by_name(tx, NAME).id, "MUG-2", "LUGGAGE")

    fallback, by_hand = _previewed(feedline, settings, tmp_path, {"sku": "MUG-1", "quantity": 5}, {"sku": "MUG-2", "quantity": 5})

    told = [(line["feed_message"]["productType"], line["product_type_source"], line["linked"]) for line in (fallback, by_hand)]
    assert told == [("PRODUCT", "fallback", False), ("LUGGAGE", "manual", False)], "Amazon was not asked about either"
    with shop.ctx.database.begin() as tx:
        rows = tx.exec_driver_sql(
            "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM key_state) + (SELECT count(*) FROM outbox)"
        )
        assert rows.scalar_one() == 0
    assert shop.simulator.calls() == []


def test_every_line_is_explained_with_its_faults_warnings_and_what_stands_already(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "19.90", "quantity": 5})
    shop.run()
    event = {"specversion": "1.0", "id": "e-1", "source": "erp", "type": "feedline.inventory.v1"}

    unchanged, partly, negative, invalid, older, broken = _previewed(
        feedline,
        settings,
        tmp_path,
        {"sku": "MUG-1", "price": "19.9"},
        {"sku": "MUG-1", "price": "19.90", "quantity": 4},
        {"sku": "MUG-1", "quantity": -3},
        {"sku": "MUG-1", "price": "1,99", "quantity": 1.5},
        {**event, "time": "2020-01-01T00:00:00Z", "data": {"connection": NAME, "sku": "MUG-1", "quantity": 9}},
        '{"sku": ',
        exit_code=1,
    )

    assert (unchanged["outcome"], unchanged["feed_message"]) == ("unchanged", None)
    assert [(facet["facet"], facet["outcome"]) for facet in partly["facets"]] == [("price", "unchanged"), ("quantity", "would_send")]
    assert (negative["outcome"], [issue["code"] for issue in negative["issues"]]) == ("would_send", ["QUANTITY_NEGATIVE"])
    assert [issue["code"] for issue in invalid["issues"]] == ["MONEY_INVALID", "QUANTITY_INVALID"]
    assert (older["outcome"], older["superseded_by"]) == ("superseded", "m1")
    assert (broken["line"], broken["outcome"]) == (6, "invalid")


def test_the_connection_of_the_command_line_renders_whatever_the_message_names(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    (line,) = _previewed(feedline, settings, tmp_path, {"connection": "The other one", "sku": "MUG-1", "quantity": 5})
    told = feedline("preview", "inventory", "--connection", NAME, "-f", "messages.jsonl", settings=settings)

    assert line["outcome"] == "would_send"
    assert "Line 1: MUG-1: would_send" in told.stdout
    assert "1 would_send" in told.stderr


@pytest.mark.requirement("R17", "R48", "R50")
def test_listing_messages_are_rendered_and_explained(feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path) -> None:
    mug = {"sku": "MUG-1", "title": "Mug", "condition": "New", "price": "19.90", "quantity": 5}

    by_asin, by_upc, wrong, deletion = _previewed(
        feedline,
        settings,
        tmp_path,
        {**mug, "asin": "B07X4K9Y9Z", "product_type": "DRINKING_CUP"},
        {**mug, "upc": "123456789012"},
        {**mug, "upc": "123456789013", "condition": "new"},
        {"sku": "MUG-1", "operation": "delete"},
        type_="listing",
        exit_code=1,
    )
    told = feedline("preview", "listing", "--connection", NAME, "-f", "messages.jsonl", settings=settings)

    assert (by_asin["outcome"], by_asin["product_type_source"]) == ("would_send", "message")
    assert by_asin["feed_message"]["operationType"] == "UPDATE"
    assert by_asin["feed_message"]["attributes"]["merchant_suggested_asin"][0]["value"] == "B07X4K9Y9Z"
    assert [issue["code"] for issue in by_upc["issues"]] == ["MATCHED_BY_IDENTIFIER"]
    assert [issue["code"] for issue in wrong["issues"]] == ["CHECK_DIGIT_WRONG", "MAPPING_KEY_UNKNOWN"]
    assert deletion["feed_message"] == {"sku": "MUG-1", "operationType": "DELETE"}
    assert "merchant_suggested_asin, condition_type" in told.stdout


UPS = "1Z9999990399999999"


@pytest.mark.requirement("R17", "R103")
def test_a_shipment_shows_its_carrier_with_the_reasons_and_the_very_xml_that_then_goes(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    amazon_has(shop, imported=True, A=2)
    message = parcel(UPS, line(quantity=2), carrier="The Van")

    (shown,) = _previewed(feedline, settings, tmp_path, message, type_="shipment")
    told = feedline("preview", "shipment", "--connection", NAME, "-f", "messages.jsonl", settings=settings)

    assert (shown["outcome"], shown["key"], shown["amazon_order_id"]) == ("would_send", f"FR-{ORDER[-4:]} {UPS}", ORDER)
    assert (shown["decision"]["carrier_code"], shown["decision"]["overridden"]) == ("UPS", True)
    assert "That overrides the mapping." in shown["decision"]["reasons"]
    assert "That overrides the mapping." in told.stdout
    assert "<CarrierCode>UPS</CarrierCode>" in told.stdout
    ship(shop, message)
    shop.run()
    (going,) = shown["feed_message"]
    assert etree.canonicalize(going, strip_text=True) == etree.canonicalize(_carried(shop), strip_text=True)


@pytest.mark.requirement("R17", "R97", "R98", "R99")
def test_a_component_that_completes_a_bundle_shows_the_whole_update(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    amazon_has(shop, imported=True, A=1, BUNDLE=2)
    ship(shop, parcel(UPS, line(), component("A")))
    before = shop.query(
        "SELECT (SELECT count(*) FROM message) AS messages, (SELECT string_agg(pending::text, '') FROM key_state) AS pending"
    )

    first, last, mixed = _previewed(
        feedline,
        settings,
        tmp_path,
        parcel(UPS, component("A")),
        parcel("1Z9999990399999998", component("B")),
        parcel("1Z9999990399999997", line(), component("B", A=1, B=2), order=OTHER_ORDER),
        type_="shipment",
    )
    told = feedline("preview", "shipment", "--connection", NAME, "-f", "messages.jsonl", settings=settings)

    assert (first["outcome"], first["reason"], first["missing"]) == ("held", "bundle_partial", {"30000000000003": {"B": 1}})
    assert "The bundle 30000000000003 waits for 1 of B." in told.stdout
    assert "held (bundle_partial)" in told.stdout
    (update,) = last["feed_message"]
    assert (last["outcome"], last["missing"]) == ("would_send", {})
    assert "<AmazonOrderItemCode>30000000000003</AmazonOrderItemCode>" in update
    assert "<Quantity>2</Quantity>" in update
    assert (mixed["outcome"], len(mixed["feed_message"])) == ("would_send", 1)
    assert [facet["outcome"] for facet in mixed["facets"]] == ["would_send", "held"]
    assert mixed["missing"] == {"30000000000003": {"A": 1, "B": 1}}
    after = shop.query(
        "SELECT (SELECT count(*) FROM message) AS messages, (SELECT string_agg(pending::text, '') FROM key_state) AS pending"
    )
    assert after == before


@pytest.mark.requirement("R17", "R85")
def test_a_shipment_that_does_not_go_says_why(feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path) -> None:
    import_order(shop, OTHER_ORDER, [("10000000000001", "A", 1)])
    amazon_has(shop)
    ship(shop, parcel(UPS, line()))
    shop.run()
    event = {"specversion": "1.0", "id": "old", "source": "wms", "type": "feedline.shipment.v1", "time": "2020-01-01T00:00:00Z"}

    empty, unknown, foreign, invalid, unchanged, older, broken = _previewed(
        feedline,
        settings,
        tmp_path,
        parcel(UPS),
        parcel(UPS, {"sku": "A", "quantity": 1}, order="902-0000000-0000001"),
        parcel(UPS, {"sku": "C", "quantity": 1}, order=OTHER_ORDER),
        parcel("12345", line(item="x"), carrier="", method="", shipped_at="1999-12-31T00:00:00Z"),
        parcel(UPS, line()),
        {**event, "data": {"connection": NAME, **parcel(UPS, line(quantity=2))}},
        '{"amazon_order_id": ',
        type_="shipment",
        exit_code=1,
    )

    assert (empty["outcome"], empty["reason"], empty["feed_message"]) == ("skipped", "empty_fulfillment", None)
    assert (unknown["outcome"], unknown["reason"], unknown["missing"]) == ("held", "order_unknown", {})
    assert (foreign["outcome"], [each["code"] for each in foreign["issues"]]) == ("invalid", ["ORDER_ITEM_UNKNOWN"])
    assert [each["code"] for each in invalid["issues"]] == ["CARRIER_REQUIRED", "SHIPPED_AT_INVALID", "FIELD_INVALID"]
    assert invalid["decision"]["carrier"] == ""
    assert (unchanged["outcome"], unchanged["feed_message"]) == ("unchanged", None)
    assert (older["outcome"], older["superseded_by"]) == ("superseded", "s1")
    assert (broken["outcome"], broken["decision"]) == ("invalid", None)


@pytest.mark.requirement("R17", "R86")
def test_an_order_that_is_not_managed_is_held_where_the_connection_says_so(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    shop.connect(sync_orders={"non_managed": "hold"})

    (shown,) = _previewed(feedline, settings, tmp_path, parcel(UPS, line()), type_="shipment")

    assert (shown["outcome"], shown["reason"], shown["feed_message"]) == ("held", "non_managed", None)
    assert shown["decision"]["carrier_code"] == "UPS"


def _carried(shop: Shop) -> str:
    """The OrderFulfillment of the last feed."""
    document = shop.simulator.feed_document(SELLER, shop.feeds()[-1]["amazon_feed_id"])
    found = etree.fromstring(document).find("Message/OrderFulfillment")
    assert found is not None
    return str(etree.tostring(found, encoding="unicode"))


def _previewed(
    feedline: Feedline,
    settings: dict[str, str],
    folder: Path,
    *given: Mapping[str, Any] | str,
    type_: str = "inventory",
    exit_code: int = 0,
) -> list[dict[str, Any]]:
    (folder / "messages.jsonl").write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in given))
    run = feedline("preview", type_, "--connection", NAME, "-f", "messages.jsonl", "--json", settings=settings)
    assert run.returncode == exit_code, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]
