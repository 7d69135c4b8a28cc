"""A decision in words."""

from typing import Any

from worker.core.carrier_reasons import answer, named, reasons
from worker.core.carriers import decide
from worker.core.connections import SyncOrders
from worker.core.tracking_numbers import recognise


def told(carrier: str, method: str, number: str, **settings: Any) -> tuple[str, ...]:
    return reasons(decide(carrier, method, number, SyncOrders.model_validate(settings)))


def test_every_step_of_a_decision_is_a_sentence_in_its_order() -> None:
    normalize = [{"target": "carrier", "from": "Fed", "to": "UPS"}]

    assert told("Fed", "Ground", "320595463938", normalize=normalize) == (
        "The mapping says Fed / Ground.",
        "Normalisation makes that UPS / Ground.",
        "The number's shape (12 or 15 or 20 digits) is rule FEDEX.",
        "The profile flxpoint detects FedEx, no method.",
        "That overrides the mapping.",
        "The mapped method Ground is erased.",
        "Amazon lists FedEx: it goes as CarrierCode.",
        "ShippingMethod is left out.",
        "The profile extended would say otherwise: PUROLATOR, no method.",
    )


def test_a_mapping_that_decides_says_why_it_may() -> None:
    assert "So the mapping decides." in told("UPS", "", "500123456")
    assert "auto_detect_carrier is off: the mapping decides." in told("UPS", "", "1ZXX3150YW44070023", auto_detect_carrier=False)


def test_a_preserved_method_a_near_miss_and_a_refusal_are_told() -> None:
    assert "The number says no method, and the mapping names the same carrier: its method Home stays." in told(
        "FedEx", "Home", "986578788855"
    )
    near = told("ups", "Ground", "500123456")
    assert "Amazon's list has no ups: it goes as CarrierCode Other with that as CarrierName." in near
    assert "'ups' differs only by case or spacing from Amazon's carrier code 'UPS', and so is another value." in near
    assert "Amazon needs one" in told("", "", "500123456")[-1]


def test_a_parcel_of_which_nothing_is_said_goes_without_a_word() -> None:
    assert told("", "", "")[-1] == "Nothing is said of how the parcel went: it goes without FulfillmentData."


def test_candidates_are_named_where_nothing_is_detected() -> None:
    assert answer(recognise("003205954641")) == "nothing, for it could be FedEx or PUROLATOR"
    assert told("X", "", "003205954641", carrier_profile="extended")[1].startswith("It could be FedEx Express (12) (FedEx) or")


def test_a_carrier_is_named_with_its_method() -> None:
    assert [named("UPS", "Ground"), named("UPS", ""), named(None, ""), named("", "Ground")] == [
        "UPS / Ground",
        "UPS, no method",
        "no carrier",
        "no carrier, method Ground",
    ]
