"""The carrier profile `flxpoint`: which carrier and method a tracking number's shape stands for, to the letter (R105-R111)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from worker.core.detection import Detection

PROFILE: Final = "flxpoint"


class CarrierRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. A number fits when it passes every test that the row states.

    `lengths`: characters, any when empty. `service`: what stands at the 9th and 10th character. `digits_only`: 0-9 throughout.
    `preserves_method`: a method that was mapped for this very carrier stays; otherwise `method` takes its place, also when empty.
    """

    code: str
    carrier: str
    method: str
    prefix: str = ""
    lengths: tuple[int, ...] = ()
    service: str = ""
    digits_only: bool = False
    preserves_method: bool = False


# Read from the top, the first row that fits wins. Longer prefixes stand above shorter ones: 94A05 is also 94A0, and with these
# rows swapped Priority Mail could never be reached (A1). What has no prefix stands last.
RULES: Final = (
    CarrierRule(code="USPS_PRIORITY_MAIL_94A05", prefix="94A05", lengths=(22,), carrier="USPS", method="Priority Mail"),
    CarrierRule(code="USPS_PRIORITY_MAIL_92A05", prefix="92A05", lengths=(22,), carrier="USPS", method="Priority Mail"),
    CarrierRule(code="USPS_FIRST_CLASS", prefix="94A0", lengths=(22,), carrier="USPS", method="First Class"),
    CarrierRule(code="USPS_PARCEL_SELECT", prefix="93G1", carrier="USPS", method="Parcel Select"),
    CarrierRule(code="USPS_PARCEL_SELECT_LIGHTWEIGHT", prefix="9374", carrier="USPS", method="Parcel Select Lightweight"),
    CarrierRule(code="UPS_MAIL_INNOVATIONS", prefix="9274", lengths=(26,), carrier="UPS", method="Mail Innovations"),
    # A UPS number is 1Z, six characters of the shipper, two of the service, eight more (A2).
    CarrierRule(code="UPS_SUREPOST", prefix="1Z", lengths=(18,), service="YW", carrier="UPS", method="SurePost"),
    CarrierRule(code="UPS_GROUND", prefix="1Z", lengths=(18,), service="03", carrier="UPS", method="Ground"),
    CarrierRule(code="USPS_22_CHARACTERS", lengths=(22,), carrier="USPS", method=""),
    CarrierRule(code="FEDEX", lengths=(12, 15, 20), digits_only=True, carrier="FedEx", method="", preserves_method=True),
)


def first_rule(number: str, rules: Sequence[CarrierRule] = RULES) -> CarrierRule | None:
    """Return the first rule that *number* fits, or None. *number*: upper case, no spaces."""
    for rule in rules:
        if _fits(rule, number):
            return rule
    return None


def detect(number: str) -> Detection:
    """Return what the table says of *number* (upper case, no spaces)."""
    rule = first_rule(number, _OF_LENGTH.get(len(number), _OF_ANY_LENGTH))
    return _NOTHING if rule is None else _DETECTIONS[rule.code]


def shape(rule: CarrierRule) -> str:
    """Return what a number must look like to fit *rule*, in words."""
    length = " or ".join(str(length) for length in rule.lengths)
    kind = "digits" if rule.digits_only else "characters"
    tests = [
        f"{length} {kind}" if length else "",
        f"begins with {rule.prefix}" if rule.prefix else "",
        f"{rule.service} at the 9th and 10th character" if rule.service else "",
    ]
    return ", ".join(test for test in tests if test)


def _fits(rule: CarrierRule, number: str) -> bool:
    return (
        number.startswith(rule.prefix)
        and (not rule.lengths or len(number) in rule.lengths)
        and (not rule.service or number[8:10] == rule.service)
        and (not rule.digits_only or (number.isascii() and number.isdigit()))
    )


_OF_ANY_LENGTH: Final = tuple(rule for rule in RULES if not rule.lengths)
_OF_LENGTH: Final = {
    length: tuple(rule for rule in RULES if not rule.lengths or length in rule.lengths)
    for length in {length for rule in RULES for length in rule.lengths}
}
"""Every shipment is looked at, and most rules are of one length."""

_NOTHING: Final = Detection(profile=PROFILE)
_DETECTIONS: Final = {
    rule.code: Detection(
        profile=PROFILE,
        rule=rule.code,
        carrier=rule.carrier,
        method=rule.method,
        preserves_method=rule.preserves_method,
        notes=(f"The number's shape ({shape(rule)}) is rule {rule.code}.",),
    )
    for rule in RULES
}
