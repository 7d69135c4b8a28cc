"""What processing a feed means, whatever its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ops.simulator.faults import Rule
from ops.simulator.submissions import Shelf


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a feed meets while it is processed; `real` is the instant at which it ends."""

    feed_id: str
    seller_id: str
    shelf: Shelf
    faults: Mapping[str, Rule]
    real: float


@dataclass(slots=True)
class Processed:
    """What became of a feed. Without a `report` there is no result document."""

    status: Literal["DONE", "FATAL"]
    report: bytes | None
    accepted: int = 0
    invalid: int = 0


class Processor(NamedTuple):
    """One feed type: how many messages a document has, what they do, and what a report is.

    `process` applies the document at once; the queue calls it in the moment that the feed ends.
    """

    count: Callable[[bytes], int]
    process: Callable[[bytes, Surroundings], Processed]
    report_type: str
