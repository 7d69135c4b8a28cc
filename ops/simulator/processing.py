"""What processing a feed means, whatever its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from ops.simulator.faults import Rule
from ops.simulator.submissions import Shelf

_Message = TypeVar("_Message")


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


def effective(accepted: Sequence[_Message], faults: Mapping[str, Rule], key: Callable[[_Message], str]) -> Sequence[_Message]:
    """Those of the *accepted* messages that really take effect. *key*: the SKU or order that a rule's `skus` names."""
    silent = faults.get("accepted_not_applied")
    if silent is not None:
        accepted = [] if silent.skus is None else [message for message in accepted if key(message) not in silent.skus]
    fatal = faults.get("feed_fatal")
    if fatal is None or fatal.apply == "all":
        return accepted
    return accepted[::2] if fatal.apply == "some" else []
