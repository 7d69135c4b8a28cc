"""What processing a feed means, whatever its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ops.simulator.faults import Rule
from ops.simulator.order_book import OrderBook
from ops.simulator.submissions import Shelf


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a feed meets while it is processed; `real` is the instant at which it ends."""

    feed_id: str
    seller_id: str
    marketplace_ids: Sequence[str]
    shelf: Shelf
    orders: OrderBook
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


class Effect:
    """Says of each accepted message of a feed in turn whether it really takes effect: faults may prevent it."""

    def __init__(self, faults: Mapping[str, Rule]) -> None:
        self._silent = faults.get("accepted_not_applied")
        self._fatal = faults.get("feed_fatal")
        self._asked = 0

    def takes(self, key: str) -> bool:
        """Ask about the next message. *key*: its SKU or order id, which the `skus` of a rule name."""
        if self._silent is not None and (self._silent.skus is None or key in self._silent.skus):
            return False
        self._asked += 1
        match self._fatal and self._fatal.apply:
            case "none":
                return False
            case "some":
                return self._asked % 2 == 1
            case _:
                return True
