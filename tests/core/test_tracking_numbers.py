"""The profile `extended`: real patterns and check digits, held against the public collection that they are taken from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from string import ascii_uppercase, digits
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.carrier_codes import CARRIER_CODES
from worker.core.carrier_rules import detect
from worker.core.carriers import decide
from worker.core.connections import SyncOrders
from worker.core.message_data import MOST_SHIPMENT_CHARACTERS
from worker.core.postal_services import POSTAL_SERVICES
from worker.core.tracking_numbers import claims, recognise
from worker.core.tracking_patterns import TRACKING_PATTERNS, Evidence, TrackingPattern

COLLECTION: Final = Path(__file__).resolve().parents[2] / "schema" / "tracking"

# One shape or more of every row: # is a digit, ? a letter, * either. The check digit is put in where it belongs.
SHAPES: Final = {
    "UPS": ("1Z******03#######0", "1Z******YW#######0", "1Z***************#"),
    "UPS_WAYBILL": ("A##########", "K##########"),
    "USPS_94": (
        "94###1" + "#" * 16,
        "94###9" + "#" * 16,
        "94###9" + "#" * 20,
        "94###9" + "#" * 24,
        "420#####94###9" + "#" * 16,
        "420#########94###5" + "#" * 16,
    ),
    "USPS_92_93_95": (
        "92###9" + "#" * 16,
        "93###2" + "#" * 20,
        "95###9" + "#" * 20,
        "420#####95###2" + "#" * 16,
        "420#########92###9" + "#" * 16,
    ),
    "USPS_20": ("#" * 20,),
    "USPS_LEGACY": ("91" + "#" * 20, "#" * 20, "420#####91" + "#" * 20, "420#########91" + "#" * 20),
    "FEDEX_12": ("#" * 12,),
    "FEDEX_34": ("1" + "#" * 33,),
    "FEDEX_ASTRA_32": ("3" + "#" * 31,),
    "FEDEX_GROUND_15": ("#" * 15,),
    "FEDEX_SSCC_18": ("#" * 18,),
    "FEDEX_GROUND_96": ("96" + "#" * 20,),
    "FEDEX_GROUND_96_34": ("96" + "#" * 32,),
    "DHL_EXPRESS": ("#" * 10, "#" * 11),
    "DHL_EXPRESS_PIECE": ("J??#########", "J???##########"),
    "DHL_ECOMMERCE": ("GM#***********", "LX#?########?", "RX#########??", "MY#" + "*" * 38),
    "DHL_ECOMMERCE_14": ("#" * 14,),
    "AMAZON_LOGISTICS": ("TBA############", "TBM############"),
    "AMAZON_INTERNATIONAL": ("A##########", "C##########"),
    "ONTRAC_C": ("C##############", "C4#############"),
    "ONTRAC_D": ("D##############", "D5#############"),
    "LASERSHIP_LX": ("LX1#######",),
    "LASERSHIP_1LS7_15": ("1LS71##########",),
    "LASERSHIP_1LS7_18": ("1LS72##014######-1",),
    "LASERSHIP_1LSCX": ("1LSCX**********",),
    "OLD_DOMINION": ("777########", "072########", "780########"),
    "OLD_DOMINION_GUARANTEED": ("80#########",),
    "LANDMARK": ("LTN########N1",),
    "GOFO": ("GFUS##############",),
    "SPEE_DEE": ("SP##################",),
    "CANADA_POST": ("#" * 16,),
    "CANPAR": ("D#####################", "Z#####################"),
    "PUROLATOR": ("0###########", "5###########"),
    "PUROLATOR_LETTERS": ("???#########", "JAB#########"),
    "DPD_28": ("#" * 28,),
    "DPD_15": ("#" * 15,),
    "YODEL": ("JD################", "JJD################"),
    "YUN_EXPRESS": ("YT################",),
    "S10": ("RB#########GB", "RX#########DE", "LZ#########US"),
}


def _samples(row: TrackingPattern) -> list[str]:
    """Thirty numbers that the row takes."""
    chance = Random(row.code)
    return [_right(row, _filled(SHAPES[row.code][at % len(SHAPES[row.code])], chance)) for at in range(30)]


def _filled(shape: str, chance: Random) -> str:
    kinds = {"#": digits, "?": ascii_uppercase, "*": digits + ascii_uppercase}
    return "".join(chance.choice(kinds[character]) if character in kinds else character for character in shape)


def _right(row: TrackingPattern, number: str) -> str:
    match = row.pattern.fullmatch(number)
    assert match is not None
    if row.check is None:
        return number
    at = match.start("digit")
    return number[:at] + row.check(match["serial"]) + number[at + 1 :]


def _pool() -> list[str]:
    """Numbers of every row, and these with a character changed, added or taken away."""
    chance = Random(1)
    own = [number for row in TRACKING_PATTERNS for number in _samples(row)]
    at = [chance.randrange(len(number)) for number in own]
    changed = [number[:i] + chance.choice("0123456789AZ") + number[i + 1 :] for number, i in zip(own, at, strict=True)]
    return own + changed + [number[:-1] for number in own[::7]] + [number + "0" for number in own[::7]]


NUMBERS: Final = _pool()

# Numbers whose real carrier is known, the mission's vectors and public examples; and what each proves.
KNOWN = [
    ("1ZXX3150YW44070023", "UPS", "SurePost"),
    ("1Z879E930346834440", "UPS", "Ground"),
    ("1Z5R89390357567127", "UPS", "Ground"),
    ("1Z410E7W0392751591", "UPS", "Ground"),
    ("986578788855", "FedEx", ""),
    ("041441760228964", "FedEx", ""),
    ("9611020987654312345672", "FedEx", ""),
    ("03071790000523483741", "USPS", ""),
    ("92748931507708513018050063", "USPS", ""),
    ("320595463938", "PUROLATOR", ""),
    ("D576002440000001718010", "Canpar", ""),
    ("RB123456785GB", "Royal Mail", ""),
    ("RB123456785US", "USPS", ""),
    ("TBA123456789012", "Amazon Shipping", ""),
]

# Check digits that are wrong, letters that no real number has, shapes that prove nothing.
NOBODYS = [
    "1Z5R89390357567120",
    "1Z999999YW99999999",
    "9400111899223197428490",
    "RB123456780GB",
    "RB123456785XX",
    "94A0123456789012345678",
    "93G123456789",
    "ZZ12345678901234567890",
    "12345678901234",
    "ABC123456789",
    "JAB123456789",
    "",
    "0" * 60,
]


@pytest.mark.parametrize(("number", "carrier", "method"), KNOWN)
def test_a_real_number_is_its_own_carriers(number: str, carrier: str, method: str) -> None:
    found = recognise(number)

    assert (found.carrier, found.method) == (carrier, method)


@pytest.mark.parametrize("number", NOBODYS)
def test_a_number_that_proves_nothing_names_nobody(number: str) -> None:
    assert recognise(number).carrier is None


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("9400", "First Class"),
        ("9405", "Priority Mail"),
        ("9205", "Priority Mail"),
        ("9361", "Parcel Select"),
        ("9374", "Parcel Select Lightweight"),
    ],
)
def test_real_usps_prefixes_say_the_method_that_the_missions_letters_stand_for(service: str, method: str) -> None:
    mailer = "9" if service.startswith("92") else "1"
    number = _completed("USPS_94" if service.startswith("94") else "USPS_92_93_95", f"{service}1{mailer}0000000000000{'0' * 2}")

    assert (recognise(number).carrier, recognise(number).method) == ("USPS", method)
    assert recognise("42090210" + number).method == method


def test_a_number_that_two_carriers_could_claim_names_none_and_lists_them() -> None:
    number = next(n for n in (f"{serial:011d}{digit}" for serial in range(500, 900) for digit in range(10)) if len(claims(n)[0]) == 2)

    found = recognise(number)

    assert (found.carrier, found.rule, found.candidates) == (None, None, ("FedEx", "PUROLATOR"))
    assert found.notes == ("It could be FedEx Express (12) (FedEx) or Purolator (12) (PUROLATOR): no carrier is named.",)


def test_a_wrong_check_digit_is_said() -> None:
    assert recognise("1Z5R89390357567120").notes == ("It looks like UPS, but its check digit is wrong.",)


def test_more_evidence_goes_before_less() -> None:
    """RX is a mark of DHL eCommerce, too; nine digits with a right check and a country are the postal service's."""
    assert {claim.carrier for claim in claims("RX123456785DE")[0]} == {"DHL eCommerce", "Deutsche Post"}
    assert recognise("RX123456785DE").carrier == "Deutsche Post"


def test_a_mark_without_check_digit_names_nobody_where_another_carriers_shape_fits_too() -> None:
    found = recognise("JAB123456789")

    assert (found.carrier, found.candidates) == (None, ("DHL Express", "PUROLATOR"))
    assert found.notes == ("It could be DHL Express (Piece ID) (DHL Express) or Purolator (alpha + 9) (PUROLATOR): no carrier is named.",)
    assert recognise("JABC123456789").carrier == "DHL Express"


def test_a_shape_alone_is_a_candidate_and_says_why_it_is_not_named() -> None:
    found = recognise("12345678901234")

    assert found.candidates == ("DHL eCommerce",)
    assert "proves nothing" in found.notes[0]


@pytest.mark.parametrize("row", TRACKING_PATTERNS, ids=lambda row: row.code)
def test_a_row_claims_its_own_numbers_and_no_other_carrier_is_named_for_them_on_less_evidence(row: TrackingPattern) -> None:
    for number in _samples(row):
        held, _ = claims(number)
        found = recognise(number)

        assert row in [claim.row for claim in held], number
        assert len(number) in row.lengths
        if found.carrier is not None:
            best = max(claim.row.evidence for claim in held)
            assert {claim.carrier for claim in held if claim.row.evidence is best} == {found.carrier}, number


@pytest.mark.parametrize("row", TRACKING_PATTERNS, ids=lambda row: row.code)
def test_a_row_says_what_the_collection_says_of_its_own_and_of_all_other_numbers(row: TrackingPattern) -> None:
    theirs = _Theirs(row)

    for number in NUMBERS:
        assert (row in [claim.row for claim in claims(number)[0]]) == theirs.take(number), number


def test_the_table_holds_every_entry_of_the_collection() -> None:
    theirs = {(path.name, courier["name"], entry["name"]) for path, courier, entry in _entries()}

    assert {(row.source, row.name) for row in TRACKING_PATTERNS} == {(source, name) for source, _, name in theirs}
    assert {(row.source, row.courier) for row in TRACKING_PATTERNS} - {(source, courier) for source, courier, _ in theirs} == set()
    assert len({row.code for row in TRACKING_PATTERNS}) == len(TRACKING_PATTERNS) == len(theirs)


def test_the_postal_services_are_those_of_the_collection() -> None:
    (entry,) = (entry for path, _, entry in _entries() if path.name == "s10.json")
    countries = next(each["lookup"] for each in entry["additional"] if each["name"] == "Courier")

    assert set(POSTAL_SERVICES) == {country["matches"] for country in countries}
    named = {country["matches"]: country["courier"] for country in countries}
    for country, name in POSTAL_SERVICES.items():
        assert name == named[country] or name in CARRIER_CODES or len(named[country]) > MOST_SHIPMENT_CHARACTERS


def test_whatever_is_named_fits_into_what_amazon_takes() -> None:
    texts = [*POSTAL_SERVICES.values(), *(row.carrier for row in TRACKING_PATTERNS)]
    texts += [method for row in TRACKING_PATTERNS for method in row.methods.values()]

    assert max(len(text) for text in texts) <= MOST_SHIPMENT_CHARACTERS


def test_a_shape_without_check_or_mark_is_never_more_than_a_candidate() -> None:
    for row in TRACKING_PATTERNS:
        if row.evidence is Evidence.PROVEN:
            assert row.check is not None, row.code
        if row.evidence is Evidence.SHAPE:
            assert row.check is None, row.code


@given(st.one_of(st.text(alphabet="0123456789ACDGLUYZ", max_size=36), st.sampled_from(NUMBERS)))
def test_the_two_profiles_agree_or_the_decision_reports_a_conflict(number: str) -> None:
    literal = decide("X", "", number, SyncOrders(carrier_profile="flxpoint"))
    real = decide("X", "", number, SyncOrders(carrier_profile="extended"))

    agree = (detect(number).carrier, detect(number).method) == (recognise(number).carrier, recognise(number).method)
    assert (literal.conflict, real.conflict) == ((None, None) if agree else (recognise(number), detect(number)))


def test_extended_leaves_its_own_carriers_method_where_the_number_says_none() -> None:
    extended = SyncOrders(carrier_profile="extended")

    assert decide("FedEx", "Home Delivery", "986578788855", extended).shipping_method == "Home Delivery"
    assert decide("USPS", "Media Mail", "03071790000523483741", extended).shipping_method == "Media Mail"
    assert decide("UPS", "Ground", "03071790000523483741", extended).sent == ("USPS", None, None, "03071790000523483741")


# --- the collection, read as it stands ---------------------------------------------------------------------------------------


def _entries() -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    for path in sorted(COLLECTION.glob("*.json")):
        courier = json.loads(path.read_text(encoding="utf-8"))
        for entry in courier["tracking_numbers"]:
            yield path, courier, entry


class _Theirs:
    """The collection's own entry of a row, with its rules as its README tells them, written apart from ours."""

    def __init__(self, row: TrackingPattern) -> None:
        self._entry = next(entry for path, _, entry in _entries() if (path.name, entry["name"]) == (row.source, row.name))
        regex = self._entry["regex"]
        spelt = regex if isinstance(regex, str) else "".join(regex)
        self._pattern = re.compile(spelt.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"))

    def take(self, number: str) -> bool:
        match = self._pattern.fullmatch(number)
        if match is None:
            return False
        validation = self._entry["validation"]
        if "exists" in validation.get("additional", {}):
            codes = next(each["lookup"] for each in self._entry["additional"] if each["name"] == "Courier")
            if match["CountryCode"] not in {each["matches"] for each in codes}:
                return False
        if "checksum" not in validation:
            return True
        serial = match["SerialNumber"]
        prepend = validation.get("serial_number_format", {}).get("prepend_if")
        if prepend and re.match(prepend["matches_regex"], serial):
            serial = prepend["content"] + serial
        return self._expected(serial, validation["checksum"]) == match["CheckDigit"]

    @staticmethod
    def _expected(serial: str, rule: dict[str, Any]) -> str:
        values = [int(c) if c.isdigit() else (ord(c) - 3) % 10 for c in serial]
        match rule["name"]:
            case "mod10":
                values = values[::-1] if rule["reverse"] else values
                total = sum(values[0::2]) * rule["evens_multiplier"] + sum(values[1::2]) * rule["odds_multiplier"]
                return str((10 - total % 10) % 10)
            case "luhn":
                doubled = [sum(divmod(2 * value, 10)) for value in values[::-1][0::2]]
                return str((10 - (sum(doubled) + sum(values[::-1][1::2])) % 10) % 10)
            case "mod7":
                return str(int(serial) % 7)
            case "s10":
                rest = sum(value * weight for value, weight in zip(values, rule["weightings"], strict=True)) % 11
                return "0" if rest == 1 else "5" if rest == 0 else str(11 - rest)
            case "sum_product_with_weightings_and_modulo":
                total = sum(value * weight for value, weight in zip(values, rule["weightings"], strict=True))
                return str(total % rule["modulo1"] % rule["modulo2"])
            case "mod_37_36":
                state = 36
                for character in serial:
                    state += rule["alphabet"].index(character)
                    state = (state - 36 if state > 36 else state) * 2
                    state = state - 37 if state > 36 else state
                return str(rule["alphabet"][0 if 37 - state == 36 else 37 - state])
            case other:
                raise AssertionError(other)


def _completed(code: str, serial: str) -> str:
    row = next(row for row in TRACKING_PATTERNS if row.code == code)
    assert row.check is not None
    return serial + row.check(serial)
