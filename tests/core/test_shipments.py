"""What a shipment message becomes: the facets of its order, or every fault at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.core.folding import Ledger
from tests.core.orders import BUNDLE, NOW, ORDER_ID, arrival, component, made, new_order, settings, shipment
from worker.core import fulfillment_document
from worker.core.coalescing import coalesce
from worker.core.connections import SyncOrders
from worker.core.outcomes import Outcome
from worker.core.parcels import lines_of

LINE = {"amazon_order_item_id": "10000000000001", "quantity": 1}
PARCEL = "FR-1 1Z9999990399999999"


def values(data: Mapping[str, Any], **sync_orders: Any) -> dict[str, Any]:
    return {facet: value.value for facet, value in made(data, **sync_orders).facets.values.items()}


def codes(data: Mapping[str, Any], **sync_orders: Any) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in made(data, **sync_orders).facets.faults]


@pytest.mark.requirement("R81")
def test_a_parcel_is_one_facet_with_what_amazon_is_told_of_it() -> None:
    found = values(shipment(LINE, {"sku": "AMZ-MUG", "quantity": 3}))

    assert found == {
        f"lines of {PARCEL}": {
            "shipped_at": "2026-08-05T10:15:00Z",
            "carrier_code": "UPS",
            "shipping_method": "Ground",
            "tracking_number": "1Z9999990399999999",
            "lines": [{"quantity": 1, "item": "10000000000001"}, {"quantity": 3, "sku": "MUG"}],
        }
    }


def test_the_same_item_twice_is_one_line() -> None:
    (found,) = values(shipment(LINE, LINE)).values()

    assert found["lines"] == [{"quantity": 2, "item": "10000000000001"}]


@pytest.mark.requirement("R97", "R101")
def test_each_bundle_of_a_parcel_is_a_facet_of_its_own() -> None:
    found = values(shipment(LINE, component("A"), component("B"), component("C", make_up={"C": 2}, of="40")))

    assert found.keys() == {f"lines of {PARCEL}", f"bundle {BUNDLE} of {PARCEL}", f"bundle 40 of {PARCEL}"}
    assert found[f"bundle {BUNDLE} of {PARCEL}"]["shipped"] == {"A": 1, "B": 1}
    assert found[f"bundle 40 of {PARCEL}"]["components"] == {"C": 2}


@pytest.mark.requirement("R85")
def test_a_shipment_without_items_has_nothing_to_send_and_says_so() -> None:
    ledger = Ledger()
    ledger.note(coalesce(new_order(), arrival(1, {**shipment(), "items": []})))

    assert (ledger.ended[1].outcome, ledger.ended[1].reason) == (Outcome.SKIPPED, "empty_fulfillment")


def test_a_shipment_without_items_is_skipped_even_where_no_carrier_is_known() -> None:
    assert codes({**shipment(carrier=None, tracking_number="X1"), "items": []}) == []


def test_an_untracked_parcel_of_an_unnamed_carrier_goes_without_fulfillment_data() -> None:
    facets, kept = made(shipment(LINE, carrier=None, method=None, tracking_number=None))

    (found,) = facets.values.values()
    assert found.value.keys() == {"shipped_at", "lines"}
    assert kept is not None
    assert (kept.decision.carrier_code, kept.decision.faults) == (None, ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"shipped_at": "2026-08-07T12:00:01Z"}, [("SHIPPED_AT_INVALID", "shipped_at")]),
        ({"shipped_at": "1999-12-31T23:59:59Z"}, [("SHIPPED_AT_INVALID", "shipped_at")]),
        ({"shipped_at": "0001-01-01T00:00:00Z"}, [("SHIPPED_AT_INVALID", "shipped_at")]),
        ({"items": [{"amazon_order_item_id": "12 3", "quantity": 1}]}, [("FIELD_INVALID", "items.0.amazon_order_item_id")]),
        ({"items": [{"amazon_order_item_id": "١٢٣", "quantity": 1}]}, [("FIELD_INVALID", "items.0.amazon_order_item_id")]),
        ({"items": [{"amazon_order_item_id": "1" * 21, "quantity": 1}]}, [("FIELD_INVALID", "items.0.amazon_order_item_id")]),
        ({"items": [{**LINE, "quantity": 2_147_483_647}, LINE]}, [("FIELD_INVALID", "items.1.quantity")]),
        ({"items": [component("A", of="x")]}, [("FIELD_INVALID", "items.0.bundle.amazon_order_item_id")]),
        ({"items": [LINE, {**LINE, "carrier": "FedEx"}]}, [("PARCELS_MIXED", "items.1.carrier")]),
        ({"items": [{**LINE, "tracking_number": "1Z1"}]}, [("PARCELS_MIXED", "items.0.tracking_number")]),
        ({"items": [component("A"), component("B", make_up={"A": 2, "B": 1})]}, [("BUNDLE_DISAGREES", "items.1.bundle.components")]),
        ({"items": [component("A", 2)]}, [("BUNDLE_OVERFULL", "items")]),
        ({"items": [component("A"), component("A")]}, [("BUNDLE_OVERFULL", "items")]),
        ({"items": [component("A"), {"amazon_order_item_id": BUNDLE, "quantity": 1}]}, [("ITEM_IS_BUNDLE", "items")]),
        ({"carrier": None, "tracking_number": "X1"}, [("CARRIER_REQUIRED", "carrier")]),
        (
            {"shipped_at": "2027-01-01T00:00:00Z", "items": [{**LINE, "method": "Air"}, component("A", 2)]},
            [("SHIPPED_AT_INVALID", "shipped_at"), ("PARCELS_MIXED", "items.0.method"), ("BUNDLE_OVERFULL", "items")],
        ),
    ],
)
def test_odd_input_is_refused_with_every_fault(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert codes(shipment(**{"items": [LINE], **given})) == expected


def test_an_item_may_repeat_what_the_shipment_says() -> None:
    assert codes(shipment({**LINE, "carrier": "UPS"})) == []


def test_a_shipping_time_a_little_ahead_of_the_clock_goes_with_a_warning() -> None:
    facets = made(shipment(shipped_at="2026-08-07T12:00:00Z")).facets

    assert [warning.code for warning in facets.warnings] == ["SHIPPED_AT_IN_FUTURE"]


@pytest.mark.requirement("R104", "R112")
def test_a_carrier_that_differs_by_case_from_a_listed_one_goes_as_other_with_a_hint() -> None:
    facets = made(shipment(LINE, carrier="ups", tracking_number="X1"), auto_detect_carrier=False).facets

    (found,) = (value.value for value in facets.values.values())
    assert (found["carrier_code"], found["carrier_name"]) == ("Other", "ups")
    assert [(warning.code, warning.severity, warning.field) for warning in facets.warnings] == [("NEAR_MISS", "INFO", "carrier")]


@pytest.mark.requirement("R96", "R112")
def test_a_normalisation_that_is_missed_by_a_space_is_told_with_its_field_and_key() -> None:
    rules = ({"target": "service", "from": "GOLDEN STATE OVERNIGHT", "to": "Other"},)

    facets = made(shipment(LINE, method="GOLDEN STATE OVERNIGHT ", tracking_number="X1"), normalize=rules).facets

    (warning,) = facets.warnings
    assert (warning.code, warning.field) == ("NEAR_MISS", "method")
    assert warning.message == (
        "'GOLDEN STATE OVERNIGHT ' differs only by case or spacing from the normalize service key 'GOLDEN STATE OVERNIGHT', "
        "and so is another value."
    )


def test_the_decision_is_kept_with_its_order_and_parcel() -> None:
    shipment_ = made(shipment(carrier="FedEx")).shipment

    assert shipment_ is not None
    assert (shipment_.amazon_order_id, shipment_.parcel) == (ORDER_ID, PARCEL)
    assert (shipment_.decision.carrier, shipment_.decision.overridden) == ("UPS", True)


# --- corrections and repeats ----------------------------------------------------------------------------------------------------


def test_a_newer_version_of_a_parcel_takes_the_place_of_all_that_the_older_one_said() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE, component("A")), sequence=1)))
    ledger.note(coalesce(key, arrival(2, shipment(LINE, carrier="FedEx", tracking_number="1Z9999990399999999"), sequence=2)))

    assert ledger.outcomes() == {1: "superseded"}
    assert key.pending is not None
    assert key.pending.facets.keys() == {f"lines of {PARCEL}"}


def test_a_parcel_is_corrected_whatever_the_case_of_its_number_which_goes_as_it_came_last() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE, tracking_number="1Z9999990399999999"))))
    ledger.note(coalesce(key, arrival(2, shipment(LINE, tracking_number="1z9999990399999999"))))

    assert ledger.outcomes() == {1: "superseded"}
    assert key.pending is not None
    assert [said.value.value["tracking_number"] for said in key.pending.facets.values()] == ["1z9999990399999999"]


def test_an_older_version_of_a_parcel_says_nothing_not_even_what_the_newer_does_not_speak_of() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE), sequence=2)))
    ledger.note(coalesce(key, arrival(2, shipment(LINE, component("A")), sequence=1)))

    assert ledger.outcomes() == {2: "superseded"}
    assert ledger.ended[2].by == 1
    assert key.pending is not None
    assert key.pending.facets.keys() == {f"lines of {PARCEL}"}


def test_a_parcel_that_turns_out_to_be_empty_is_not_sent() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE), sequence=1)))
    ledger.note(coalesce(key, arrival(2, {**shipment(), "items": []}, sequence=2)))

    assert ledger.outcomes() == {1: "superseded", 2: "skipped"}
    assert key.pending is None


def test_parcels_of_one_order_leave_each_other_alone() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE), sequence=5)))
    ledger.note(coalesce(key, arrival(2, shipment(LINE, tracking_number="1Z5R89390357567127"))))

    assert ledger.outcomes() == {}
    assert key.pending is not None
    assert len(key.pending.facets) == 2


def test_a_source_that_leaves_out_the_sequence_of_a_parcel_is_refused() -> None:
    key, ledger = new_order(), Ledger()

    ledger.note(coalesce(key, arrival(1, shipment(LINE), sequence=5)))
    ledger.note(coalesce(key, arrival(2, shipment(LINE))))

    assert ledger.ended[2].reason == "SEQUENCE_MISSING"


@given(carrier=st.text(min_size=1), method=st.text(), normalized=st.text(), number=st.text())
@example(carrier="GLS\u0001", method="", normalized="x", number="1")
@example(carrier="a", method="\ud800", normalized="GLS\u0001", number="1\ufffe")
def test_no_text_of_message_or_settings_can_break_the_feed_that_it_goes_into(
    carrier: str, method: str, normalized: str, number: str
) -> None:
    try:
        rules = SyncOrders.model_validate({"normalize": [{"target": "carrier", "from": "a", "to": normalized}]})
    except ValidationError:
        return
    data = {**shipment(), "carrier": carrier, "method": method, "tracking_number": number}

    facets, _ = settings(normalize=rules.normalize).shipment_template.make(data, "FR-1 1", NOW)

    for value in facets.values.values():
        fulfillment_document.body(ORDER_ID, lines_of(value), (), NOW)
