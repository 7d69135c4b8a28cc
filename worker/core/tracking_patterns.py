"""The carrier profile `extended` as data: real couriers' tracking numbers, their check digits and what their service codes mean.

Facts of the public collection tracking_number_data by Jeff Keen and contributors (MIT, version of 2026-08-17), which stands
unchanged in schema/tracking; tests hold every row against it. Methods are the service level alone, in at most 50 characters.
Row A3; the digit prefixes of USPS stand for the letters in the rules of the profile `flxpoint`.
"""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from worker.core.postal_services import POSTAL_SERVICES
from worker.core.tracking_checks import Check, luhn, mod7, mod10, mod_37_36, prefixed, s10, weighted


class Evidence(IntEnum):
    """How much a number that fits a row proves. Of several carriers, the one with more evidence may have it."""

    SHAPE = 0
    """Neither a mark nor a check digit: enough to be a candidate, never to be named."""
    SIGN = 1
    """A mark of the courier's own, or a check digit: one stranger in seven to eleven passes the latter."""
    PROVEN = 2
    """Both."""


class TrackingPattern(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `courier`, `name` and `source` are the collection's; `carrier` is Amazon's spelling, where its list has the courier.

    `pattern` is matched with the whole number (upper case, no spaces), which has one of `lengths` characters. Its group `serial`
    goes into `check`, which gives what the group `digit` must be; without `check` there is none. `methods` says which method a
    beginning of the group `service` stands for, the first that fits. `by_country`: the group `country` names the carrier, and
    one that is not there fits none.
    """

    code: str
    lengths: tuple[int, ...]
    courier: str
    name: str
    source: str
    carrier: str
    pattern: re.Pattern[str]
    evidence: Evidence
    check: Check | None = None
    methods: Mapping[str, str] = {}
    by_country: Mapping[str, str] = {}


_FEDEX_EXPRESS: Final = weighted((3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1), 11, 10)
_FEDEX_LONG: Final = weighted((1, 7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1), 11, 10)
_MOD10_31: Final = mod10(evens=3, odds=1)
_MOD10_12: Final = mod10(evens=1, odds=2)
_MOD10_13: Final = mod10(evens=1, odds=3)

_UPS_METHODS: Final = {
    **dict.fromkeys(("03", "22", "42", "72", "78", "90", "A8"), "Ground"),
    **dict.fromkeys(("01", "44", "A2"), "Next Day Air"),
    **dict.fromkeys(("15", "32", "33", "41", "A0", "A1", "A9", "AA"), "Next Day Air Early A.M."),
    "02": "Second Day Air",
    "12": "Third Day Select",
    "13": "Next Day Air Saver",
    "66": "Worldwide Express",
    "YW": "SurePost",
}
_WAYBILL_METHODS: Final = {"J": "Next Day Express", "K": "Ground", "V": "Worldwide Express Saver"}
_USPS_METHODS: Final = {
    "9400": "First Class",
    "9405": "Priority Mail",
    "9205": "Priority Mail",
    "9374": "Parcel Select Lightweight",
    "9361": "Parcel Select",
    "92612": "Parcel Select",
    "95612": "Parcel Select",
}
"""By application identifier and service type: 94, 92, 93 or 95 and up to three digits."""

# Before a USPS number may stand 420 and the ZIP code that it goes to, of five or nine digits. A mailer's number has nine digits
# when it begins with 9, else six.
_USPS_94: Final = (
    r"(?:420[0-9]{5}(?=(?:[0-9]{22}|[0-9]{26})$)(?:[0-9]{4}(?=[0-9]{22}$))?)?"
    r"(?P<serial>(?P<service>94[0-9]{3})(?:9[0-9]{8}(?:[0-9]{15}|[0-9]{11}|[0-9]{7})|[0-8][0-9]{5}(?:[0-9]{14}|[0-9]{10})))(?P<digit>[0-9])"
)
_USPS_92_93_95: Final = (
    r"(?:420[0-9]{5}(?:[0-9]{4}(?=[0-9]{22}$))?)?"
    r"(?P<serial>(?P<service>(?:92(?=[0-9]{3}9)|93(?=[0-9]{3}[0-8])|95)[0-9]{3})"
    r"(?:9[0-9]{8}(?:[0-9]{11}|[0-9]{7})|[0-8][0-9]{5}(?:[0-9]{14}|[0-9]{10})))(?P<digit>[0-9])"
)


def _row(
    code: str,
    lengths: Iterable[int],
    carrier: str,
    name: str,
    source: str,
    pattern: str,
    evidence: Evidence,
    check: Check | None = None,
    *,
    courier: str = "",
    methods: Mapping[str, str] | None = None,
    by_country: Mapping[str, str] | None = None,
) -> TrackingPattern:
    return TrackingPattern(
        code=code,
        lengths=tuple(lengths),
        courier=courier or carrier,
        name=name,
        source=source,
        carrier=carrier,
        pattern=re.compile(pattern, re.ASCII),
        evidence=evidence,
        check=check,
        methods=methods or {},
        by_country=by_country or {},
    )


_SHAPE, _SIGN, _PROVEN = Evidence.SHAPE, Evidence.SIGN, Evidence.PROVEN

TRACKING_PATTERNS: Final = (
    _row("UPS", (18,), "UPS", "UPS", "ups.json",
         r"1Z(?P<serial>[A-Z0-9]{6}(?P<service>[A-Z0-9]{2})[A-Z0-9]{7})(?P<digit>[0-9])", _PROVEN, _MOD10_12, methods=_UPS_METHODS),
    # One letter of six and a check digit: Amazon International's A and ten digits pass it once in ten.
    _row("UPS_WAYBILL", (11,), "UPS", "UPS Waybill", "ups.json",
         r"(?P<service>[AHJKTV])(?P<serial>[0-9]{9})(?P<digit>[0-9])", _SIGN, _MOD10_12, methods=_WAYBILL_METHODS),
    _row("USPS_94", (22, 26, 30, 34), "USPS", "USPS IMpb N", "usps.json", _USPS_94, _PROVEN,
         mod10(evens=3, odds=1, from_the_right=True), courier="United States Postal Service", methods=_USPS_METHODS),
    _row("USPS_92_93_95", (22, 26, 30, 34), "USPS", "USPS IMpb C", "usps.json", _USPS_92_93_95, _PROVEN, _MOD10_31,
         courier="United States Postal Service", methods=_USPS_METHODS),
    _row("USPS_20", (20,), "USPS", "USPS 20", "usps.json", r"(?P<serial>[0-9]{19})(?P<digit>[0-9])", _SIGN, _MOD10_31,
         courier="United States Postal Service"),
    _row("USPS_LEGACY", (20, 22, 28, 30, 32, 34), "USPS", "USPS Legacy", "usps.json",
         r"(?:420[0-9]{5}(?:[0-9]{4})?)?(?P<serial>(?:91)?[0-9]{19})(?P<digit>[0-9])", _SIGN, prefixed(_MOD10_31, "91"),
         courier="United States Postal Service"),
    _row("FEDEX_12", (12,), "FedEx", "FedEx Express (12)", "fedex.json", r"(?P<serial>[0-9]{11})(?P<digit>[0-9])", _SIGN, _FEDEX_EXPRESS),
    _row("FEDEX_34", (34,), "FedEx", "FedEx Express (34)", "fedex.json",
         r"[0-8][0-9]{19}(?P<serial>[0-9]{13})(?P<digit>[0-9])", _SIGN, _FEDEX_LONG),
    _row("FEDEX_ASTRA_32", (32,), "FedEx", "FedEx ASTRA (32)", "fedex.json",
         r"3[0-9]{15}(?P<serial>[0-9]{11})(?P<digit>[0-9])[0-9]{4}", _SIGN, _FEDEX_EXPRESS),
    _row("FEDEX_GROUND_15", (15,), "FedEx", "FedEx Ground", "fedex.json", r"(?P<serial>[0-9]{14})(?P<digit>[0-9])", _SIGN, _MOD10_13),
    _row("FEDEX_SSCC_18", (18,), "FedEx", "FedEx Ground (SSCC-18)", "fedex.json",
         r"[0-9]{2}(?P<serial>[0-9]{15})(?P<digit>[0-9])", _SIGN, _MOD10_31),
    _row("FEDEX_GROUND_96", (22,), "FedEx", "FedEx Ground 96 (22)", "fedex.json",
         r"96[0-9]{5}(?P<serial>[0-9]{14})(?P<digit>[0-9])", _PROVEN, _MOD10_13),
    _row("FEDEX_GROUND_96_34", (34,), "FedEx", "FedEx Ground GSN", "fedex.json",
         r"96[0-9]{18}(?P<serial>[0-9]{13})(?P<digit>[0-9])", _PROVEN, _FEDEX_LONG),
    _row("DHL_EXPRESS", (10, 11), "DHL Express", "DHL Express", "dhl.json",
         r"(?P<serial>[0-9]{9,10})(?P<digit>[0-9])", _SIGN, mod7, courier="DHL"),
    _row("DHL_EXPRESS_PIECE", (12, 13, 14), "DHL Express", "DHL Express (Piece ID)", "dhl.json",
         r"J[A-Z]{2,3}[0-9]{9,10}", _SIGN, courier="DHL"),
    _row("DHL_ECOMMERCE", range(12, 42), "DHL eCommerce", "DHL E-Commerce", "dhl.json",
         r"(?:GM|LX|RX|UV|CN|SG|TH|IN|HK|MY)[0-9][0-9A-Z]{9,38}", _SIGN, courier="DHL"),
    _row("DHL_ECOMMERCE_14", (14,), "DHL eCommerce", "DHL E-Commerce (14)", "dhl.json", r"[0-9]{14}", _SHAPE, courier="DHL"),
    _row("AMAZON_LOGISTICS", (15,), "Amazon Shipping", "Amazon Logistics", "amazon.json", r"TB[ACM][0-9]{12}", _SIGN, courier="Amazon"),
    _row("AMAZON_INTERNATIONAL", (11,), "Amazon Shipping", "Amazon International", "amazon.json",
         r"[AFC][0-9]{10}", _SIGN, courier="Amazon"),
    _row("ONTRAC_C", (15,), "OnTrac", "OnTrac", "ontrac.json",
         r"C(?P<serial>[0-9]{13})(?P<digit>[0-9])", _PROVEN, prefixed(_MOD10_12, "4")),
    _row("ONTRAC_D", (15,), "OnTrac", "OnTrac D", "ontrac.json",
         r"D(?P<serial>[0-9]{13})(?P<digit>[0-9])", _PROVEN, prefixed(_MOD10_12, "5")),
    _row("LASERSHIP_LX", (10,), "Lasership", "LaserShip LX", "lasership.json", r"L[AIEHNX][1-3][0-9]{7}", _SIGN, courier="LaserShip"),
    _row("LASERSHIP_1LS7_15", (15,), "Lasership", "LaserShip 1LS7 (15)", "lasership.json",
         r"1LS7[12][0-9]{10}", _SIGN, courier="LaserShip"),
    _row("LASERSHIP_1LS7_18", (18,), "Lasership", "LaserShip 1LS7 (18)", "lasership.json",
         r"1LS7[12][0-9]{2}01[1-4][0-9]{6}-1", _SIGN, courier="LaserShip"),
    _row("LASERSHIP_1LSCX", (15,), "Lasership", "LaserShip 1LSCX (15)", "lasership.json", r"1LSCX[0-9A-Z]{10}", _SIGN, courier="LaserShip"),
    _row("OLD_DOMINION", (11,), "Old Dominion", "Old Dominion", "old_dominion.json",
         r"(?P<serial>(?:77[78]|072|780)[0-9]{7})(?P<digit>[0-9])", _SIGN, luhn, courier="Old Dominion Freight Line"),
    _row("OLD_DOMINION_GUARANTEED", (11,), "Old Dominion", "Old Dominion Guaranteed Shipment", "old_dominion.json",
         r"(?P<serial>80[0-9]{8})(?P<digit>[0-9])", _SIGN, luhn, courier="Old Dominion Freight Line"),
    _row("LANDMARK", (13,), "Landmark", "Landmark Global LTN", "landmark.json", r"LTN[0-9]{8}N1", _SIGN, courier="Landmark Global LTN"),
    _row("GOFO", (18,), "GOFO Express", "GOFO Express (US)", "gofo.json", r"GFUS[0-9]{14}", _SIGN),
    _row("SPEE_DEE", (20,), "Spee-Dee", "Spee-Dee (20)", "speedee.json", r"SP[0-9]{18}", _SIGN, courier="Spee-Dee Delivery"),
    _row("CANADA_POST", (16,), "Canada Post", "Canada Post (16)", "canadapost.json",
         r"(?P<serial>[0-9]{15})(?P<digit>[0-9])", _SIGN, _MOD10_31),
    _row("CANPAR", (22,), "Canpar", "Canpar (22)", "canpar.json", r"[CDKLSUXZ][0-9]{21}", _SIGN),
    _row("PUROLATOR", (12,), "PUROLATOR", "Purolator (12)", "purolator.json",
         r"(?P<serial>[0-5][0-9]{10})(?P<digit>[0-9])", _SIGN, luhn, courier="Purolator"),
    _row("PUROLATOR_LETTERS", (12,), "PUROLATOR", "Purolator (alpha + 9)", "purolator.json",
         r"[A-Z]{3}[0-9]{9}", _SHAPE, courier="Purolator"),
    _row("DPD_28", (28,), "DPD", "DPD (28)", "dpd.json", r"(?P<serial>[0-9]{27})(?P<digit>[0-9A-Z])", _SIGN, mod_37_36),
    _row("DPD_15", (15,), "DPD", "DPD (14)", "dpd.json", r"(?P<serial>[0-9]{14})(?P<digit>[0-9A-Z])", _SIGN, mod_37_36),
    _row("YODEL", (18, 19), "Yodel", "Yodel", "yodel.json", r"JJ?D[0-9]{16}", _SIGN),
    _row("YUN_EXPRESS", (18,), "Yun Express", "YunExpress", "yunexpress.json", r"YT[0-9]{16}", _SIGN, courier="YunExpress"),
    _row("S10", (13,), "the country's postal service", "S10", "s10.json",
         r"[A-Z]{2}(?P<serial>[0-9]{8})(?P<digit>[0-9])(?P<country>[A-Z]{2})", _PROVEN, s10,
         courier="S10 International Standard", by_country=POSTAL_SERVICES),
)  # fmt: skip
