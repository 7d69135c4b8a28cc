"""A carrier decision in words: short sentences, in the order in which it was made."""

from collections.abc import Iterator

from worker.core.carriers import Decision, Service
from worker.core.detection import Detection


def reasons(decision: Decision) -> tuple[str, ...]:
    """Return why *decision* came out as it did."""
    return tuple(sentence for part in (_mapped, _detected, _followed, _sent, _near_misses, _conflict) for sentence in part(decision))


def named(carrier: str | None, method: str) -> str:
    """Return a carrier and its method as people write them: `USPS / First Class`."""
    if not carrier:
        return "no carrier" + (f", method {method}" if method else "")
    return f"{carrier} / {method}" if method else f"{carrier}, no method"


def answer(detection: Detection) -> str:
    """Return what a profile says of a number, in a few words."""
    if detection.carrier is None and detection.candidates:
        return f"nothing, for it could be {' or '.join(detection.candidates)}"
    return "nothing" if detection.carrier is None else named(detection.carrier, detection.method)


def _mapped(decision: Decision) -> Iterator[str]:
    yield f"The mapping says {_service(decision.mapped)}."
    if decision.normalized is not None:
        yield f"Normalisation makes that {_service(decision.normalized)}."


def _detected(decision: Decision) -> Iterator[str]:
    detection = decision.detection
    yield from detection.notes
    if detection.carrier is None:
        yield f"The profile {detection.profile} detects nothing in the tracking number."
    else:
        yield f"The profile {detection.profile} detects {named(detection.carrier, detection.method)}."


def _followed(decision: Decision) -> Iterator[str]:
    if not decision.auto_detect:
        yield "auto_detect_carrier is off: the mapping decides."
    elif decision.detection.carrier is None:
        yield "So the mapping decides."
    elif decision.overridden:
        yield "That overrides the mapping."
    if decision.preserved_method is not None:
        yield f"The number says no method, and the mapping names the same carrier: its method {decision.preserved_method} stays."
    if decision.erased_method is not None:
        yield f"The mapped method {decision.erased_method} is erased."


def _sent(decision: Decision) -> Iterator[str]:
    if decision.faults:
        yield from (fault.message for fault in decision.faults)
        return
    if decision.carrier_code is None:
        yield "Nothing is said of how the parcel went: it goes without FulfillmentData."
        return
    if decision.carrier_name is None:
        yield f"Amazon lists {decision.carrier_code}: it goes as CarrierCode."
    else:
        yield f"Amazon's list has no {decision.carrier}: it goes as CarrierCode Other with that as CarrierName."
    if decision.shipping_method is None:
        yield "ShippingMethod is left out."


def _near_misses(decision: Decision) -> Iterator[str]:
    for miss in decision.near_misses:
        yield f"{miss.value!r} differs only by case or spacing from {miss.what} {miss.near!r}, and so is another value."


def _conflict(decision: Decision) -> Iterator[str]:
    other = decision.conflict
    if other is not None:
        yield f"The profile {other.profile} would say otherwise: {answer(other)}."


def _service(service: Service) -> str:
    return named(service.carrier, service.method)
