"""What was submitted for each SKU, and what became of it: the proof that a test asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import msgspec


class Submitted(msgspec.Struct, frozen=True, omit_defaults=True):
    """One submission whose shape was right. `at`: real seconds since 1970.

    `outcome`: applied; accepted (but, by a fault, without effect); refused. `codes`: of its issues. Without
    `feed_id` it came through the Listings Items API. The values themselves are in the feed's document.
    """

    at: float
    sku: str
    operation: str
    outcome: Literal["applied", "accepted", "refused"]
    product_type: str
    requirements: str
    attributes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    feed_id: str | None = None
    message_id: int | None = None


class History:
    """The last submissions to one shelf, in order."""

    KEPT = 200_000

    def __init__(self) -> None:
        self._submitted: deque[Submitted] = deque(maxlen=self.KEPT)

    def add(self, submitted: Submitted) -> None:
        self._submitted.append(submitted)

    def of(self, sku: str | None) -> Iterator[Submitted]:
        """All, or those of one SKU, oldest first."""
        return (submitted for submitted in self._submitted if sku in {None, submitted.sku})
