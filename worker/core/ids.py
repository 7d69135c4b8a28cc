"""Identifiers of messages and feeds: a day and a number in one 63-bit integer.

The tables that grow without end are partitioned by identifier, a partition a day. An identifier alone thus finds its
partition, and its uniqueness is one index's business. The largest stays below 2**53, exact in any JSON reader.
"""

from datetime import UTC, date, datetime
from typing import Final, NewType

MessageId = NewType("MessageId", int)
FeedId = NewType("FeedId", int)
ConnectionId = NewType("ConnectionId", int)
AccountId = NewType("AccountId", int)

NUMBER_BITS: Final = 40
EPOCH: Final = date(2020, 1, 1)


def day_of(moment: datetime) -> int:
    """Return the UTC days from `EPOCH` to *moment*."""
    return (moment.astimezone(UTC).date() - EPOCH).days


def first_of_day(day: int) -> int:
    """Return the smallest identifier of *day*."""
    return day << NUMBER_BITS


def identifier(day: int, number: int) -> int:
    """Return the identifier of *number*, a sequence's next value, on *day*."""
    return (day << NUMBER_BITS) | (number & ((1 << NUMBER_BITS) - 1))


def identifiers(day: int, first: int, count: int) -> range:
    """Return the identifiers of *count* numbers from *first* on, of a block that the sequence gave whole on *day*."""
    start = identifier(day, first)
    return range(start, start + count)
