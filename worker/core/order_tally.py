"""What a run that gets orders has done so far: its summary, which is shown, stored and published, and holds no personal data."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from worker.core.issues import Issue
from worker.core.json import JsonObject
from worker.core.order_windows import Window
from worker.core.orders import Unmapped

MOST_NAMED: Final = 20
"""Orders that a summary names of each sort; all of them are counted."""


class Fate(StrEnum):
    """What became of an order that was read and could be kept."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class OddOrder(msgspec.Struct, frozen=True):
    """An order that was not imported, and why."""

    amazon_order_id: str | None
    code: str
    message: str


class UnmappedOrder(msgspec.Struct, frozen=True):
    """An order that was imported, but for some targets of the template."""

    amazon_order_id: str
    targets: Sequence[Unmapped]


class Tally(msgspec.Struct):
    """`window`: the updates that the run has covered; `gaps`: those that no run has. `orders` were read, each as often as it came.

    `revisited`: pending orders that were asked for by their id. `odd`: not imported; `unmapped`: imported, but for some targets.
    """

    window: Window | None = None
    pages: int = 0
    orders: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    revisited: int = 0
    unmapped: int = 0
    odd: int = 0
    begun_anew: int = 0
    shipments_released: int = 0
    unmapped_orders: list[UnmappedOrder] = []
    odd_orders: list[OddOrder] = []
    gaps: Sequence[Window] = ()

    @classmethod
    def of(cls, summary: JsonObject) -> "Tally":
        """Return what *summary* holds; `{}` is the beginning."""
        return msgspec.convert(summary, cls)

    def summary(self) -> JsonObject:
        made: JsonObject = msgspec.to_builtins(self)
        return made

    def count(self, fate: Fate) -> None:
        match fate:
            case Fate.NEW:
                self.new += 1
            case Fate.CHANGED:
                self.changed += 1
            case Fate.UNCHANGED:
                self.unchanged += 1

    def leave_out(self, issue: Issue) -> None:
        """Count an order that is not imported. *issue*: its value is the order's id."""
        self.odd += 1
        if len(self.odd_orders) < MOST_NAMED:
            self.odd_orders.append(OddOrder(issue.value, issue.code, issue.message))

    def count_unmapped(self, amazon_order_id: str, targets: Sequence[Unmapped]) -> None:
        self.unmapped += 1
        if len(self.unmapped_orders) < MOST_NAMED:
            self.unmapped_orders.append(UnmappedOrder(amazon_order_id, targets))

    def cover(self, window: Window, gaps: Sequence[Window]) -> None:
        """Take note of a window that was read to its end. The windows of a run follow one another."""
        self.window = window if self.window is None else Window(self.window.since, max(self.window.until, window.until))
        self.gaps = gaps
