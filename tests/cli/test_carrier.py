"""`feedline carrier`: what a number says, what goes to Amazon, what another setting would change."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, deliver, opened
from tests.steps.shop import NAME, Shop

SUREPOST = "1ZXX3150YW44070023"
FEDEX = "986578788855"
PUROLATOR = "320595463938"
NORMALIZE = [{"target": "carrier", "from": "GOSO", "to": "GLS US"}]


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED), sync_orders={"normalize": NORMALIZE}) as connected:
        yield connected


def ships(shop: Shop, number: str, **data: Any) -> str:
    """Stage a shipment message; return its id."""
    at = next(shop.numbers)
    event_id = data.pop("id", f"s{at}")
    parcel = {
        "connection": NAME,
        "fulfillment_request_number": f"FR-{at}",
        "amazon_order_id": f"902-0000000-{at:07d}",
        "shipped_at": "2026-01-31T12:00:00Z",
        "tracking_number": number,
        "items": [{"amazon_order_item_id": "12345678901234", "quantity": 1}],
        **data,
    }
    event = {"specversion": "1.0", "id": event_id, "source": "erp", "type": "feedline.shipment.v1", "data": parcel}
    deliver(shop, event, queue="feedline.shipment")
    return str(event_id)


def changes(feedline: Feedline, settings: Mapping[str, str], *arguments: str) -> dict[str, tuple[str, str]]:
    """Run what-if; return carrier codes before and after by message."""
    found = answered(feedline, settings, "carrier", "what-if", "--connection", NAME, *arguments)
    return {each["id"]: tuple(_code(each[side]) for side in ("before", "after")) for each in found}  # type: ignore[misc]


def _code(elements: Mapping[str, str] | None) -> str:
    return "refused" if elements is None else str(elements["carrier_name"] or elements["carrier_code"])


@pytest.mark.requirement("R103")
def test_a_number_is_explained_without_a_database(feedline: Feedline) -> None:
    (found,) = answered(feedline, {}, "carrier", "explain", "1zxx3150 yw44070023", "--carrier", "FedEx", "--method", "Ground")

    assert (found["carrier"], found["method"], found["rule"]) == ("UPS", "SurePost", "UPS_SUREPOST")
    assert found["sends"] == {
        "carrier_code": "UPS",
        "carrier_name": None,
        "shipping_method": "SurePost",
        "tracking_number": "1zxx3150yw44070023",
    }
    assert "That overrides the mapping." in found["reasons"]
    assert found["other_profile"]["agrees"]


def test_nothing_detected_is_null_and_the_mapping_goes(feedline: Feedline) -> None:
    (found,) = answered(feedline, {}, "carrier", "explain", "1Z9999W999999999", "--carrier", "ups")

    assert (found["carrier"], found["method"], found["rule"]) == (None, None, None)
    assert (found["sends"]["carrier_code"], found["sends"]["carrier_name"]) == ("Other", "ups")
    assert found["near_misses"] == [{"of": "carrier code", "value": "ups", "near": "UPS"}]


def test_a_preserved_method_is_the_method(feedline: Feedline) -> None:
    (found,) = answered(feedline, {}, "carrier", "explain", FEDEX, "--carrier", "FedEx", "--method", "Home Delivery")

    assert (found["carrier"], found["method"], found["preserved_method"]) == ("FedEx", "Home Delivery", "Home Delivery")


def test_people_get_the_other_profiles_answer_and_every_reason(feedline: Feedline) -> None:
    told = feedline("carrier", "explain", PUROLATOR)

    assert told.returncode == 0
    assert "by extended  PUROLATOR, no method" in told.stdout
    assert "- The profile extended would say otherwise: PUROLATOR, no method." in told.stdout


def test_with_a_connection_its_own_settings_decide(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    (found,) = answered(feedline, settings, "carrier", "explain", "500123456", "--carrier", "GOSO", "--connection", NAME)
    unknown = feedline("carrier", "explain", "1", "--connection", "No such", settings=settings)

    assert (found["normalized"], found["sends"]["carrier_name"]) == ({"carrier": "GLS US", "method": ""}, "GLS US")
    assert unknown.returncode == 1
    assert "No such" in unknown.stderr


@pytest.mark.requirement("R91", "R93")
def test_what_if_names_exactly_the_shipments_that_would_go_otherwise(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    overridden = ships(shop, SUREPOST, carrier="FedEx")
    ships(shop, SUREPOST, carrier="UPS", method="SurePost")  # says what the number says
    ships(shop, "500123456", carrier="GOSO")  # nothing detected
    ships(shop, FEDEX, carrier="UPS", items=[])  # nothing to send
    refused = ships(shop, FEDEX)  # without detection there is no carrier

    off = changes(feedline, settings, "--auto-detect", "off")

    assert off == {overridden: ("UPS", "FedEx"), refused: ("FedEx", "refused")}
    assert changes(feedline, settings, "--auto-detect", "on") == {}


def test_what_if_tries_the_other_profile(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    parcel = ships(shop, PUROLATOR, carrier="PUROLATOR")
    ships(shop, FEDEX, carrier="FedEx")

    assert changes(feedline, settings, "--profile", "extended") == {parcel: ("FedEx", "PUROLATOR")}


def test_what_if_looks_at_a_parcels_newest_message_and_not_further_back_than_asked(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    ships(shop, SUREPOST, carrier="FedEx", fulfillment_request_number="FR-A", amazon_order_id="902-0000000-9999999")
    newest = ships(shop, SUREPOST, carrier="DHL", fulfillment_request_number="FR-A", amazon_order_id="902-0000000-9999999")
    old = ships(shop, SUREPOST, carrier="FedEx")
    shop.execute(f"UPDATE message SET received_at = received_at - interval '2 days' WHERE external_id = '{old}'")

    assert changes(feedline, settings, "--auto-detect", "off", "--last", "1d") == {newest: ("UPS", "DHL")}


def test_what_if_passes_over_what_is_no_shipment_and_what_is_refused_for_something_else(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    ships(shop, FEDEX, amazon_order_id=None)  # refused at the door
    ships(shop, SUREPOST, carrier="FedEx", shipped_at="1999-12-31T12:00:00Z")

    assert changes(feedline, settings, "--auto-detect", "off") == {}


def test_what_if_tells_two_orders_of_one_request_apart(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    parcel = {"carrier": "FedEx", "fulfillment_request_number": "FR-A"}
    both = {ships(shop, SUREPOST, **parcel), ships(shop, SUREPOST, **parcel)}

    assert set(changes(feedline, settings, "--auto-detect", "off")) == both


def test_what_if_tells_people_one_line_a_shipment_and_how_many_there_were(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    parcel = ships(shop, SUREPOST, carrier="FedEx", method="Home Delivery")
    ships(shop, "500123456", carrier="UPS")

    told = feedline("carrier", "what-if", "--connection", NAME, "--auto-detect", "off", settings=settings)

    assert told.stdout.startswith(f"{parcel}  902-0000000-")
    assert told.stdout.endswith(f"  {SUREPOST}  UPS / SurePost -> FedEx / Home Delivery\n")
    assert "1 of 2 shipments would change." in told.stderr


def test_what_if_looks_at_every_connection_unless_one_is_named(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.connect(name="Second shop")
    first = ships(shop, SUREPOST, carrier="FedEx")
    second = ships(shop, SUREPOST, carrier="DHL", connection="Second shop")

    found = answered(feedline, settings, "carrier", "what-if", "--auto-detect", "off", "--last", "30d")
    told = feedline("carrier", "what-if", "--auto-detect", "off", settings=settings)

    assert {(each["connection"], each["id"]) for each in found} == {(NAME, first), ("Second shop", second)}
    assert [line.partition("  ")[0] for line in told.stdout.splitlines()] == ["Second shop", NAME]
    assert changes(feedline, settings, "--auto-detect", "off") == {first: ("UPS", "FedEx")}


def test_what_if_needs_something_to_be_different(feedline: Feedline, settings: dict[str, str]) -> None:
    run = feedline("carrier", "what-if", "--connection", NAME, settings=settings)

    assert run.returncode == 2
    assert "--auto-detect" in run.stderr


@pytest.mark.requirement("R102")
def test_what_if_says_what_staging_the_same_messages_again_decides(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    numbers = (SUREPOST, FEDEX, PUROLATOR, "9400111899223197428490", "1Z879E930346834440", "500123456")
    first = {number: ships(shop, number, carrier="UPS", method="Ground") for number in numbers}
    foretold = answered(feedline, settings, "carrier", "what-if", "--connection", NAME, "--profile", "extended")

    shop.connect(sync_orders={"normalize": NORMALIZE, "carrier_profile": "extended"})
    again = {number: ships(shop, number, carrier="UPS", method="Ground") for number in numbers}

    sent = {row["external_id"]: json.loads(row["decision"]) for row in shop.query(_DECISIONS)}
    names = ("carrier_code", "carrier_name", "shipping_method", "tracking_number")
    elements = {external_id: {name: decision.get(name) for name in names} for external_id, decision in sent.items()}
    by_number = {each["tracking_number"]: each for each in foretold}
    assert set(by_number) == {number for number in numbers if elements[first[number]] != elements[again[number]]}
    for number, each in by_number.items():
        assert (each["before"], each["after"]) == (elements[first[number]], elements[again[number]])


_DECISIONS = "SELECT m.external_id, s.decision::text FROM shipment s JOIN message m ON m.id = s.message_id"
