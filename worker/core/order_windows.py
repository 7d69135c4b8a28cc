"""Windows of time in which orders were updated: which have been asked for, and which is asked for next. Requirement row R79.

Windows overlap, because Amazon shows some updates late. Where they end is told by Amazon's clock, not ours: a search without an upper
bound ends two minutes before Amazon's now, and its answer names the instant.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec

LAG: Final = timedelta(minutes=2)
"""Amazon refuses a search that ends later than this before its now."""

OVERLAP: Final = timedelta(minutes=10)
"""How much of what was covered is asked for again. An update that shows within this time is not missed."""

FIRST: Final = timedelta(days=30)
"""How far back the first window of a connection reaches; older orders come when they change, or by their id."""

LONGEST: Final = timedelta(days=7)
"""What one window may span: a page token lives for a day, in which the usage plan allows 480 pages of 100 orders."""

SHORTEST: Final = timedelta(minutes=20)
"""Half of a window that could not be ended is not shorter than this: it still reaches beyond the overlap."""


class Window(msgspec.Struct, frozen=True, order=True):
    """Every update from `since` to `until`, both included. Aware, UTC."""

    since: datetime
    until: datetime


class Search(msgspec.Struct, frozen=True):
    """What to ask for. `until` None: up to as late as Amazon answers."""

    since: datetime
    until: datetime | None


def next_search(covered: Sequence[Window], now: datetime, *, longest: timedelta = LONGEST) -> Search:
    """Return what to ask for next: on from where the first window without a hole behind it ends, less the overlap.

    *covered*: as `merged` gives it. *now*: ours. It decides how much is asked for at once, and where the very first window begins.
    """
    since = covered[0].until - OVERLAP if covered else now - FIRST
    until = since + longest
    return Search(since, until if until < now - LAG - OVERLAP else None)


def read_until(search: Search, told: datetime | None, now: datetime) -> datetime:
    """Return where the updates end that *search* was answered with. *told*: the end that Amazon names; *now*: ours.

    Where Amazon names an earlier end than was asked for, it has read no further. Without a word of its own, the window ends so early by
    our clock that the overlap makes up for what the clocks differ.
    """
    ends = [each for each in (search.until, told) if each is not None]
    return max(search.since, min(ends, default=now - LAG - OVERLAP))


def halved(since: datetime, until: datetime) -> timedelta:
    """Return how long the window may be that is begun anew, after its pages could not be read to the end in time."""
    return max(SHORTEST, (until - since) / 2)


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return the same instants in as few windows as possible, the oldest first."""
    whole: list[Window] = []
    for window in sorted(windows):
        if whole and window.since <= whole[-1].until:
            whole[-1] = Window(whole[-1].since, max(whole[-1].until, window.until))
        else:
            whole.append(window)
    return tuple(whole)


def gaps(covered: Sequence[Window]) -> tuple[Window, ...]:
    """Return what lies between the windows of *covered*, as `merged` gives it: updates that nobody has asked for."""
    return tuple(Window(before.until, after.since) for before, after in pairwise(covered))
