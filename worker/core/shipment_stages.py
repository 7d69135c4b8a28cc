"""The way of a shipment, stage by stage, as its trace tells it. Requirement rows R80, R86, R103."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from worker.core.fulfillments import Batch
from worker.core.outcomes import Outcome, Reason
from worker.core.trace import Standing, Trace


class PartSent(NamedTuple):
    """A feed message that carried *facets* of a shipment message. `verdict` is None while Amazon works on it."""

    feed_id: int
    amazon_feed_id: str | None
    message_id: int
    batch: str | None
    facets: tuple[str, ...]
    verdict: str | None


def stages(trace: Trace, revision: int, decision: Mapping[str, Any], parts: Sequence[PartSent]) -> Iterator[dict[str, Any]]:
    """Yield the stages that a shipment has come through, in their order, each with what it found.

    *decision*: as stored. The words: configuration, received, carrier, mapped, filtered, categorised, submitted, response.
    """
    detection = decision["detection"]
    yield {"stage": "configuration", "revision": revision, "profile": detection["profile"], "auto_detect": decision["auto_detect"]}
    yield {"stage": "received", "at": trace.received_at}
    yield {
        "stage": "carrier",
        "carrier": decision["carrier"],
        "method": decision["method"],
        "rule": detection.get("rule"),
        "overridden": decision.get("overridden", False),
    }
    if trace.outcome == Outcome.INVALID and not parts:
        return
    yield {"stage": "mapped", **{name: decision.get(name) for name in _SENT}}
    is_empty = trace.outcome == Outcome.SKIPPED
    yield {"stage": "filtered", "empty": is_empty}
    if is_empty:
        return
    if parts or trace.reason == Reason.NON_MANAGED:
        yield {"stage": "categorised", "managed": Batch.MANAGED in {part.batch for part in parts}}
    if parts:
        yield {"stage": "submitted", "feeds": sorted({part.feed_id for part in parts}), "parts": len(parts)}
    if trace.outcome not in set(Standing):
        yield {"stage": "response", "outcome": trace.outcome, "reason": trace.reason}


_SENT = ("carrier_code", "carrier_name", "shipping_method", "tracking_number")


def as_json(part: PartSent) -> dict[str, Any]:
    return {**part._asdict(), "facets": list(part.facets)}
