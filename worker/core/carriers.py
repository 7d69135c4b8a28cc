"""Which carrier and method go to Amazon with a parcel: mapped value, normalisation, detection, Amazon's code.

Requirement rows R82-R84, R91-R96, R103-R112. A decision is stored with its shipment, so that it can be seen and explained.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from worker.core import carrier_rules, tracking_numbers
from worker.core.carrier_codes import CARRIER_CODES, OTHER, near_code
from worker.core.detection import Detection
from worker.core.issues import Issue, issue
from worker.core.message_data import MOST_SHIPMENT_CHARACTERS
from worker.core.texts import folded

if TYPE_CHECKING:
    from worker.core.connections import Normalization, SyncOrders

Profile = Callable[[str], Detection]
"""From a tracking number (upper case, no spaces) to what it says."""

PROFILES: Final[Mapping[str, Profile]] = {
    carrier_rules.PROFILE: carrier_rules.detect,
    tracking_numbers.PROFILE: tracking_numbers.recognise,
}


class Service(msgspec.Struct, frozen=True, gc=False):
    """A carrier and its method as one side names them. Empty: not named."""

    carrier: str
    method: str


class NearMiss(msgspec.Struct, frozen=True, gc=False):
    """A *value* that would have been *near* but for case or spacing; it counts as another value (R96, R112)."""

    of: Literal["normalize carrier", "normalize service", "carrier code"]
    value: str
    near: str

    @property
    def what(self) -> str:
        """What *near* is, in words."""
        return "Amazon's carrier code" if self.of == "carrier code" else f"the {self.of} key"

    @property
    def field(self) -> str:
        """The target whose value it is."""
        return "method" if self.of == "normalize service" else "carrier"


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What goes to Amazon for one parcel, and how it came to that. JSON-able, all of it facts; `reasons` puts it in words.

    mapped: what the template made of the message. normalized: the same after normalisation, None where that changed nothing.
    auto_detect: whether detection is followed. detection: what the number says by the connection's profile, followed or not.
    conflict: what the other profile says of the number, where it says something else (A6).
    overridden: detection replaced the mapped carrier or method. preserved_method, erased_method: a mapped method that a
    detection without a method left standing, or took away (A4, A5). carrier, method: the final ones.

    carrier_code, carrier_name, shipping_method, tracking_number: the elements of FulfillmentData; None: left out. The code is
    in Amazon's list to the letter, else it is Other, and only then there is a carrier_name (R104). Without a code there is no
    FulfillmentData: nothing at all is said of how the parcel went, which Amazon takes, too.
    faults: why this cannot be sent, each with its field; such a message is invalid.
    """

    mapped: Service
    normalized: Service | None = None
    auto_detect: bool
    detection: Detection
    conflict: Detection | None = None
    overridden: bool = False
    preserved_method: str | None = None
    erased_method: str | None = None
    near_misses: tuple[NearMiss, ...] = ()
    carrier: str
    method: str
    carrier_code: str | None = None
    carrier_name: str | None = None
    shipping_method: str | None = None
    tracking_number: str | None = None
    faults: tuple[Issue, ...] = ()

    @property
    def sent(self) -> tuple[str | None, str | None, str | None, str | None]:
        """The four elements that Amazon sees: two decisions that agree in them are the same update."""
        return self.carrier_code, self.carrier_name, self.shipping_method, self.tracking_number


Decide = Callable[[str, str, str], Decision]
"""From mapped carrier, mapped method and tracking number ("": not given) to what goes to Amazon."""


def decide(carrier: str, method: str, tracking_number: str, settings: "SyncOrders") -> Decision:
    """Return what goes to Amazon for one parcel. For many, keep the `decider` of the settings."""
    return decider(settings)(carrier, method, tracking_number)


def decider(settings: "SyncOrders") -> Decide:
    """Return the function that decides under *settings*: auto_detect_carrier, carrier_profile and normalize are read.

    The mapped value is normalised first. With detection on, what the number says then takes its place (R92); where the number
    says nothing the mapping decides (R94), and likewise with detection off (R93).
    """
    carriers = _Normalizer("carrier", settings.normalize)
    services = _Normalizer("service", settings.normalize)
    detect = PROFILES[settings.carrier_profile]
    others = tuple(profile for name, profile in PROFILES.items() if name != settings.carrier_profile)
    auto_detect = settings.auto_detect_carrier

    def decided(carrier: str, method: str, tracking_number: str) -> Decision:
        mapped = Service(carrier, method)
        misses: list[NearMiss] = []
        normal = Service(carriers.normal(carrier, misses), services.normal(method, misses))
        sent_number = "".join(tracking_number.split())
        number = sent_number.upper()
        detection = detect(number)
        final, preserved, erased = _final(normal, detection) if auto_detect else (normal, None, None)
        code, name = _code(final.carrier, misses)
        return Decision(
            mapped=mapped,
            normalized=None if normal == mapped else normal,
            auto_detect=auto_detect,
            detection=detection,
            conflict=_conflict(detection, number, others) if number else None,
            overridden=final != normal,
            preserved_method=preserved,
            erased_method=erased,
            near_misses=tuple(misses),
            carrier=final.carrier,
            method=final.method,
            carrier_code=code,
            carrier_name=name,
            shipping_method=final.method if final.method.strip() else None,
            tracking_number=sent_number or None,
            faults=_faults(final, sent_number),
        )

    return decided


class _Normalizer:
    """The normalisation of one target. Keys are exact, case and spacing count; of equal keys the first wins (R95, R96)."""

    def __init__(self, target: Literal["carrier", "service"], rules: "tuple[Normalization, ...]") -> None:
        self._of: Literal["normalize carrier", "normalize service"] = "normalize carrier" if target == "carrier" else "normalize service"
        self._exact = {rule.from_: rule.to for rule in reversed(rules) if rule.target == target}
        self._near = {folded(key): key for key in self._exact}

    def normal(self, value: str, misses: list[NearMiss]) -> str:
        if value in self._exact:
            return self._exact[value]
        near = self._near.get(folded(value)) if self._near else None
        if near is not None:
            misses.append(NearMiss(self._of, value, near))
        return value


def _final(mapped: Service, detection: Detection) -> tuple[Service, str | None, str | None]:
    """Return the carrier and method that go, the method that was preserved, and the one that was erased."""
    if detection.carrier is None:
        return mapped, None, None
    if detection.preserves_method and mapped.carrier == detection.carrier:
        return mapped, mapped.method or None, None
    erased = mapped.method if mapped.method and not detection.method else None
    return Service(detection.carrier, detection.method), None, erased


def _conflict(detection: Detection, number: str, profiles: Sequence[Profile]) -> Detection | None:
    """Return what the first of *profiles* that does not agree with *detection* says of *number*."""
    for profile in profiles:
        other = profile(number)
        if not detection.agrees_with(other):
            return other
    return None


def _code(carrier: str, misses: list[NearMiss]) -> tuple[str | None, str | None]:
    """Return CarrierCode and CarrierName. A near miss of a code is another carrier: Amazon compares to the letter."""
    if not carrier.strip():
        return None, None
    if carrier in CARRIER_CODES and carrier != OTHER:
        return carrier, None
    near = near_code(carrier)
    if near is not None and near != carrier:
        misses.append(NearMiss("carrier code", carrier, near))
    return OTHER, carrier


def _faults(final: Service, number: str) -> tuple[Issue, ...]:
    """Amazon needs a carrier with a method or a number, and takes at most 50 characters of each text."""
    lacks_carrier = not final.carrier.strip() and (number or final.method.strip())
    faults = [issue("CARRIER_REQUIRED", field="carrier", value=final.carrier)] if lacks_carrier else []
    for field, text in (("carrier", final.carrier), ("method", final.method), ("tracking_number", number)):
        if len(text) > MOST_SHIPMENT_CHARACTERS:
            reason = f"it has {len(text)} characters, and Amazon takes {MOST_SHIPMENT_CHARACTERS}."
            faults.append(issue("FIELD_INVALID", field=field, value=text, reason=reason))
    return tuple(faults)
