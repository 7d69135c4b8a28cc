"""Schedules: when a connection's run is due, by an interval or by a cron expression in the connection's timezone. Requirement row R10."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

INTERVAL_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

MOST_DELAY: Final = timedelta(minutes=5)
"""A connection's run may begin so much after a cron tick, so that a thousand connections with one expression do not begin together."""

DELAY_SHARE: Final = 10
"""Nor later than this part of the time to the next tick: a run of every minute begins within six seconds."""

_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)\Z")
_CRON_FIELDS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


UNTOLD: Final = (CronSimError, ValueError, LookupError, OSError)
"""What asking for a tick may raise: a schedule was found good where it was applied, perhaps with other time zones at hand."""


class Tick(NamedTuple):
    """One moment of a schedule: `at` is what the schedule says, `due_at` when this connection's run begins."""

    at: datetime
    due_at: datetime


def interval_seconds(every: str) -> int | None:
    """Return the seconds of an interval as `15m`, or None for a cron expression."""
    match = _INTERVAL.match(every)
    return int(match[1]) * INTERVAL_SECONDS[match[2]] if match else None


def fault(every: str) -> str | None:
    """Return why *every* is no schedule, or None when it is one. A date that never comes, as 30 February, is none."""
    if interval_seconds(every) is not None:
        return None
    if len(every.split()) != _CRON_FIELDS:
        return "it is neither a number with s, m, h or d nor five cron fields."
    try:
        ever = next(CronSim(every, datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        # cronsim says the same of a day that is none and of one that none of the months has.
        field = str(error).removeprefix("Bad ")
        return "its day-of-month is wrong, or never comes." if field == "day-of-month" else f"its {field} is wrong."
    return None if ever is not None else "its day never comes."


def share(connection_id: int, kind: str) -> float:
    """Return a connection's own place in [0, 1) for runs of *kind*: the same for ever, spread evenly over connections."""
    digest = blake2b(f"{connection_id} {kind}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def next_tick(every: str, timezone: str, place: float, after: datetime) -> Tick:
    """Return the first tick whose run is due after *after*, an aware datetime; the tick's times are UTC.

    Intervals count from 1970, moved by the connection's *place* (see `share`), so that they neither drift nor depend on who asks.
    Cron ticks follow the wall clock of *timezone*, as Debian's cron does: a time that a change of the clocks leaves out comes when
    they have changed, one that comes twice counts once; expressions with * for minute or hour follow elapsed time instead.

    Raises: one of `UNTOLD` when *every* is no schedule, or when this machine knows no such *timezone*.
    """
    seconds = interval_seconds(every)
    if seconds is not None:
        return _interval_tick(timedelta(seconds=seconds), place, after)
    begin = (after - MOST_DELAY).astimezone(ZoneInfo(timezone))
    for tick, following in pairwise(CronSim(every, begin)):
        at = tick.astimezone(UTC)
        due_at = at + place * min(MOST_DELAY, (following.astimezone(UTC) - at) / DELAY_SHARE)
        if due_at > after:
            return Tick(at, due_at)
    raise ValueError(f"{every} is no schedule: it names a date that never comes.")


def _interval_tick(interval: timedelta, place: float, after: datetime) -> Tick:
    begin = _EPOCH + place * interval
    at = begin + ((after - begin) // interval + 1) * interval
    return Tick(at, at)
