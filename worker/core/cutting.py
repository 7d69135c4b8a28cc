"""How much goes into a feed, and when a feed is worth cutting."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import ceil, log2
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

MOST_FEED_MESSAGES: Final = 25_000
"""Source: Amazon's listings feed schema v2, `maxItems` of messages."""

LAST_MESSAGE_ID: Final = 2_147_483_647
"""Source: Amazon's listings feed schema v2, `maximum` of messageId."""


class FeedLimits(NamedTuple):
    """`bytes` counts the uncompressed document; both bind: 23,831 price, quantity and handling-time patches fill 10 MiB."""

    messages: int
    bytes: int
    linger: timedelta


class Waiting(NamedTuple):
    """What waits in a lane: how many changes (counted up to one feed's worth), and since when the oldest."""

    changes: int
    oldest: datetime | None


def is_due(waiting: Waiting, limits: FeedLimits, now: datetime) -> bool:
    """Whether a lane's next feed should be cut: full, or its oldest change has waited long enough for company."""
    if not waiting.changes or waiting.oldest is None:
        return False
    return waiting.changes >= limits.messages or waiting.oldest + limits.linger <= now


class Fitting(NamedTuple):
    """`alone_too_large`: changes that no feed can hold."""

    chosen: list[int]
    alone_too_large: list[int]


def fit(sizes: Iterable[int], limits: FeedLimits, *, frame_bytes: int) -> Fitting:
    """Choose from rendered feed messages, in the order given, those that fit one feed; return their positions.

    *sizes* are UTF-8 bytes; every message but the first costs one more for its comma, the document around them *frame_bytes*.
    A limit is tested before a message is added.
    """
    chosen: list[int] = []
    too_large: list[int] = []
    used = frame_bytes
    for position, size in enumerate(sizes):
        if frame_bytes + size > limits.bytes:
            too_large.append(position)
            continue
        with_comma = size + 1 if chosen else size
        if len(chosen) >= limits.messages or used + with_comma > limits.bytes:
            break
        chosen.append(position)
        used += with_comma
    return Fitting(chosen, too_large)


def first_message_id(wanted: int, count: int) -> int:
    """Return where a feed of *count* messages may begin to number them: *wanted*, or 1 when that would pass Amazon's last.

    Every feed numbers from its own offset, so that a report proves which feed it belongs to.
    """
    return wanted if wanted + count - 1 <= LAST_MESSAGE_ID else 1


def halves(things: list[T]) -> Iterator[list[T]]:
    """Yield the two halves of *things*, the larger first; of a single one nothing, for it stands alone already."""
    if len(things) > 1:
        middle = ceil(len(things) / 2)
        yield things[:middle]
        yield things[middle:]


def most_failing_feeds(messages: int) -> int:
    """Return how many feeds in a row may end without one accepted message before the rest is held.

    Halving finds one culprit among n within 2·log2(n) feeds; four more allow for chance.
    """
    return int(2 * log2(messages)) + 4 if messages > 0 else 4
