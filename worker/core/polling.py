"""When to ask again: intervals that grow, and the looks after an unclear createFeed."""

from datetime import timedelta
from typing import Final

BACK_OFF: Final = 1.5
LONGEST_POLL: Final = 8
"""Poll intervals grow to this many times the first."""

_GROWING_POLLS: Final = 6
"""After so many the longest is reached. A feed that is stuck for days is polled so often that the power would overflow."""

STALLED_AFTER: Final = 240
"""A feed that Amazon has kept for this many first poll intervals (an hour by default) is stalled; no more are cut behind it."""

LOOKS: Final = (2, 8)
"""After an unclear createFeed, getFeeds is asked after so many poll intervals: its list may lag."""


def poll_after(attempts: int, first_seconds: float) -> timedelta:
    """Return how long to wait before poll number *attempts* (0 is the first)."""
    return timedelta(seconds=first_seconds * min(BACK_OFF ** min(attempts, _GROWING_POLLS), LONGEST_POLL))


def look_after(looks: int, first_seconds: float) -> timedelta:
    """Return how long after the lost answer the next look at Amazon's list is due, *looks* having been taken."""
    return timedelta(seconds=first_seconds * LOOKS[min(looks, len(LOOKS) - 1)])


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after a step's failure number *attempts* (1 is the first): 1 s doubling to a minute."""
    return timedelta(seconds=min(2 ** min(max(attempts - 1, 0), 6), 60))
