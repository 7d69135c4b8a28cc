"""What goes to Amazon for one parcel: mapped value, normalisation, detection, Amazon's code."""

from typing import Any

import msgspec
import pytest

from worker.core.carriers import Decision, NearMiss, Service, decide
from worker.core.connections import SyncOrders

SUREPOST = "1ZXX3150YW44070023"
FEDEX = "986578788855"
UNKNOWN = "1Z9999W999999999"
VENDOR_RULES = [
    {"target": "carrier", "from": "GOSO", "to": "GLS US"},
    {"target": "service", "from": "GOLDEN STATE OVERNIGHT", "to": "Other"},
]


def decided(carrier: str, method: str, number: str, **settings: Any) -> Decision:
    return decide(carrier, method, number, SyncOrders.model_validate(settings))


def codes(decision: Decision) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in decision.faults]


@pytest.mark.requirement("R91", "R92")
def test_detection_is_on_by_default_and_overrides_what_was_mapped() -> None:
    decision = decided("FedEx", "Home Delivery", SUREPOST)

    assert decision.sent == ("UPS", None, "SurePost", SUREPOST)
    assert (decision.overridden, decision.detection.rule, decision.mapped) == (True, "UPS_SUREPOST", Service("FedEx", "Home Delivery"))


@pytest.mark.requirement("R93")
def test_with_detection_off_the_mapping_decides_and_the_trace_still_says_what_the_number_is() -> None:
    decision = decided("FedEx", "Home Delivery", SUREPOST, auto_detect_carrier=False)

    assert decision.sent == ("FedEx", None, "Home Delivery", SUREPOST)
    assert (decision.overridden, decision.detection.carrier) == (False, "UPS")


@pytest.mark.requirement("R94")
def test_where_nothing_is_detected_the_mapping_decides() -> None:
    decision = decided("UPS", "Ground", UNKNOWN)

    assert decision.sent == ("UPS", None, "Ground", UNKNOWN)
    assert (decision.overridden, decision.detection.carrier) == (False, None)


def test_a_detection_that_says_what_was_mapped_overrides_nothing() -> None:
    assert not decided("UPS", "SurePost", SUREPOST).overridden


@pytest.mark.requirement("R111")
def test_a_mapped_fedex_keeps_its_method() -> None:
    decision = decided("FedEx", "FedEx Ground", FEDEX)

    assert decision.sent == ("FedEx", None, "FedEx Ground", FEDEX)
    assert (decision.preserved_method, decision.erased_method, decision.overridden) == ("FedEx Ground", None, False)


@pytest.mark.requirement("R111")
@pytest.mark.parametrize("mapped", ["UPS", "FEDEX", "Fed Ex", ""])
def test_any_other_carrier_loses_its_method_to_fedex(mapped: str) -> None:
    decision = decided(mapped, "Ground", FEDEX)

    assert decision.sent == ("FedEx", None, None, FEDEX)
    assert (decision.preserved_method, decision.erased_method, decision.overridden) == (None, "Ground", True)


@pytest.mark.requirement("R109")
def test_a_detection_without_a_method_takes_the_mapped_one_away_and_remembers_it() -> None:
    decision = decided("USPS", "Ground Advantage", "ZZ12345678901234567890")

    assert decision.sent == ("USPS", None, None, "ZZ12345678901234567890")
    assert (decision.erased_method, decision.overridden) == ("Ground Advantage", True)


@pytest.mark.requirement("R95")
def test_a_vendor_value_is_replaced_on_its_own_field_only() -> None:
    both = decided("GOSO", "GOLDEN STATE OVERNIGHT", "500123456", normalize=VENDOR_RULES)
    swapped = decided("GOLDEN STATE OVERNIGHT", "GOSO", "500123456", normalize=VENDOR_RULES)

    assert both.sent == ("Other", "GLS US", "Other", "500123456")
    assert (both.mapped, both.normalized) == (Service("GOSO", "GOLDEN STATE OVERNIGHT"), Service("GLS US", "Other"))
    assert swapped.sent == ("Other", "GOLDEN STATE OVERNIGHT", "GOSO", "500123456")
    assert swapped.normalized is None


@pytest.mark.requirement("R96", "R112")
@pytest.mark.parametrize("value", ["goso", "GOSO ", "GO SO", " Goso"])
def test_a_key_is_matched_to_the_letter_and_a_near_miss_is_named(value: str) -> None:
    decision = decided(value, "", "500123456", normalize=VENDOR_RULES)

    assert decision.carrier_name == value
    assert decision.near_misses == (NearMiss("normalize carrier", value, "GOSO"),)


def test_of_two_equal_keys_the_first_wins_and_a_result_is_not_normalised_again() -> None:
    rules = [{"target": "carrier", "from": "A", "to": to} for to in ("B", "C")] + [{"target": "carrier", "from": "B", "to": "D"}]

    assert decided("A", "", "1", normalize=rules).carrier == "B"


def test_normalisation_comes_before_the_fedex_clause() -> None:
    rules = [{"target": "carrier", "from": "FDX", "to": "FedEx"}]

    assert decided("FDX", "Home Delivery", FEDEX, normalize=rules).shipping_method == "Home Delivery"


@pytest.mark.requirement("R104")
@pytest.mark.parametrize(
    ("carrier", "code", "name", "near"),
    [
        ("UPS", "UPS", None, None),
        ("DHL eCommerce", "DHL eCommerce", None, None),
        ("GLS US", "Other", "GLS US", None),
        ("Veho", "Other", "Veho", None),
        ("ups", "Other", "ups", "UPS"),
        ("Purolator", "Other", "Purolator", "PUROLATOR"),
        ("Fed Ex", "Other", "Fed Ex", "FedEx"),
        ("Other", "Other", "Other", None),
    ],
)
def test_a_carrier_goes_by_amazons_code_to_the_letter_or_as_other_with_its_name(
    carrier: str, code: str, name: str | None, near: str | None
) -> None:
    decision = decided(carrier, "", UNKNOWN)

    assert (decision.carrier_code, decision.carrier_name) == (code, name)
    assert [miss.near for miss in decision.near_misses] == ([] if near is None else [near])


@pytest.mark.requirement("R105", "R110")
@pytest.mark.parametrize("spelt", [" 1zxx 3150 yw44 0700 23 ", "1Zxx3150Yw44070023", "1ZXX\u00a03150YW\t44070023"])
def test_case_and_spaces_of_a_number_do_not_count_and_it_is_sent_without_spaces_as_it_was_spelt(spelt: str) -> None:
    decision = decided("", "", spelt)

    assert (decision.carrier, decision.method) == ("UPS", "SurePost")
    assert decision.tracking_number == "".join(spelt.split())


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_method_and_an_empty_number_are_left_out(empty: str) -> None:
    assert decided("UPS", empty, empty).sent == ("UPS", None, None, None)


@pytest.mark.parametrize("empty", ["", "  "])
def test_a_parcel_without_a_carrier_is_refused_with_field_and_remedy(empty: str) -> None:
    (fault,) = decided(empty, "", "500123456").faults

    assert (fault.code, fault.field) == ("CARRIER_REQUIRED", "carrier")
    assert fault.remedy
    assert decided(empty, "", SUREPOST).faults == ()


@pytest.mark.parametrize("empty", ["", "  "])
def test_where_nothing_is_said_of_a_parcel_nothing_goes_and_nothing_is_refused(empty: str) -> None:
    decision = decided(empty, empty, empty)

    assert (decision.sent, decision.faults) == ((None, None, None, None), ())


def test_a_method_alone_does_not_go_without_a_carrier() -> None:
    assert codes(decided("", "Ground", "")) == [("CARRIER_REQUIRED", "carrier")]


def test_texts_longer_than_amazon_takes_are_refused_all_at_once() -> None:
    decision = decided("C" * 51, "M" * 51, "1" * 50 + " 2")

    assert codes(decision) == [("FIELD_INVALID", "carrier"), ("FIELD_INVALID", "method"), ("FIELD_INVALID", "tracking_number")]
    assert codes(decided("C" * 50, "M" * 50, "1 " * 50)) == []


def test_a_decision_is_json_and_comes_back_as_it_was() -> None:
    decision = decided("goso", "Ground", FEDEX, normalize=VENDOR_RULES)

    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision
