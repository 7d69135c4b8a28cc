"""The profile `flxpoint`, row by row: every vector of the mission, and what it pins about the order of the rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.carrier_rules import RULES, detect, first_rule, shape

NONE = (None, "")

VECTORS = [
    ("94A0123456789012345678", ("USPS", "First Class")),
    ("94A0512345678901234567", ("USPS", "Priority Mail")),
    ("92A0512345678901234567", ("USPS", "Priority Mail")),
    ("94A012345678901234567", NONE),  # 21 characters
    ("93G123456789", ("USPS", "Parcel Select")),
    ("9374123456789", ("USPS", "Parcel Select Lightweight")),
    ("937412345678", ("USPS", "Parcel Select Lightweight")),  # FedEx's shape, too
    ("937412345678901", ("USPS", "Parcel Select Lightweight")),
    ("93741111111111111111", ("USPS", "Parcel Select Lightweight")),
    ("9374111111111111111111", ("USPS", "Parcel Select Lightweight")),  # 22 characters, too
    ("ZZ12345678901234567890", ("USPS", "")),
    ("9400111899223197428490", ("USPS", "")),
    ("9274111111111111111111", ("USPS", "")),  # Mail Innovations needs 26
    ("92741234567890123456789012", ("UPS", "Mail Innovations")),
    ("1ZXX3150YW44070023", ("UPS", "SurePost")),
    ("1Z999999YW99999999", ("UPS", "SurePost")),
    ("1Z879E930346834440", ("UPS", "Ground")),
    ("1Z9999990399999999", ("UPS", "Ground")),
    ("1Z5R89390357567127", ("UPS", "Ground")),
    ("1Z410E7W0392751591", ("UPS", "Ground")),
    # Three examples of the mission that do not fit the mission's own text: the text wins (A2).
    ("1Z999YW9999999999", NONE),
    ("1Z9990399999999999", NONE),
    ("1Z9999W999999999", NONE),
    ("12345678901234567890", ("FedEx", "")),
    ("986578788855", ("FedEx", "")),
    ("041441760228964", ("FedEx", "")),
    # Literal, though these belong to USPS, FedEx, Purolator, Canpar and USPS.
    ("03071790000523483741", ("FedEx", "")),
    ("9611020987654312345672", ("USPS", "")),
    ("320595463938", ("FedEx", "")),
    ("D576002440000001718010", ("USPS", "")),
    ("92748931507708513018050063", ("UPS", "Mail Innovations")),
    ("", NONE),
    ("1234567890123", NONE),
    ("١٢٣٤٥٦٧٨٩٠١٢", NONE),  # twelve digits, but none of 0-9
]
SAMPLES = [number for number, expected in VECTORS if expected != NONE]


@pytest.mark.requirement("R105", "R106", "R107", "R108", "R109", "R110", "R111")
@pytest.mark.parametrize(("number", "expected"), VECTORS)
def test_a_number_is_what_the_missions_vectors_say(number: str, expected: tuple[str | None, str]) -> None:
    found = detect(number)

    assert (found.carrier, found.method) == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_row_is_reached_by_a_vector(rule: object) -> None:
    assert rule in [first_rule(number) for number in SAMPLES]


def test_with_the_shorter_prefix_above_the_longer_one_priority_mail_could_not_be_reached() -> None:
    upside_down = sorted(RULES, key=lambda rule: len(rule.prefix))

    right, wrong = first_rule("94A0512345678901234567"), first_rule("94A0512345678901234567", upside_down)

    assert right is not None
    assert wrong is not None
    assert (right.method, wrong.method == "Priority Mail") == ("Priority Mail", False)
    assert [len(rule.prefix) for rule in RULES] == sorted((len(rule.prefix) for rule in RULES), reverse=True)


@given(st.text(alphabet="0123456789AGYZ", max_size=30))
def test_a_rule_is_named_exactly_when_a_carrier_is(number: str) -> None:
    found = detect(number)

    assert (found.rule is None) == (found.carrier is None)


def test_a_shape_says_in_words_what_a_row_asks() -> None:
    shapes = {rule.code: shape(rule) for rule in RULES}

    assert shapes["USPS_FIRST_CLASS"] == "22 characters, begins with 94A0"
    assert shapes["UPS_GROUND"] == "18 characters, begins with 1Z, 03 at the 9th and 10th character"
    assert shapes["FEDEX"] == "12 or 15 or 20 digits"
    assert shapes["USPS_PARCEL_SELECT"] == "begins with 93G1"
