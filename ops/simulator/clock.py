"""The virtual clock: quotas, lifetimes and feed processing run on it, as fast as a test wants."""

from __future__ import annotations

import time
from bisect import bisect_right
from datetime import UTC, datetime
from typing import NamedTuple


class Stretch(NamedTuple):
    """From `real` on, virtual time ran at `rate` virtual seconds per real second."""

    real: float
    virtual: float
    rate: float


class Clock:
    """Virtual seconds since 1970, beside the real ones.

    Only durations run on the virtual clock: quotas, lifetimes of tokens and URLs, processing times.
    Every time stamp that the API shows (createdTime, processingEndTime, ...) is the *real* instant at
    which the thing happened, found by `real_at`, and a filter such as createdSince is read as real.
    Otherwise a clock at x60 would be hours ahead of a client that asks "created since two minutes ago".
    """

    def __init__(self, speed: float = 1.0, start: float | None = None) -> None:
        now = time.time()
        self._speed = speed
        self._frozen = False
        self._stretches = [Stretch(now, now if start is None else start, speed)]

    @property
    def speed(self) -> float:
        """Virtual seconds per real second while the clock is not frozen."""
        return self._speed

    @property
    def is_frozen(self) -> bool:
        return self._frozen

    def real(self) -> float:
        """Real seconds since 1970."""
        return time.time()

    def now(self) -> float:
        """Virtual seconds since 1970."""
        last = self._stretches[-1]
        # A host clock that steps back must not take virtual time back with it.
        return last.virtual + max(0.0, time.time() - last.real) * last.rate

    def real_at(self, virtual: float) -> float:
        """The real instant at which *virtual* was or will be; inside a jump, the instant of the jump."""
        index = max(0, bisect_right(self._stretches, virtual, key=lambda stretch: stretch.virtual) - 1)
        stretch = self._stretches[index]
        real = stretch.real + (virtual - stretch.virtual) / stretch.rate if stretch.rate else stretch.real
        if index + 1 < len(self._stretches):
            return min(real, self._stretches[index + 1].real)
        return real

    def advance(self, seconds: float) -> None:
        """Jump *seconds* of virtual time ahead. Raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError("the virtual clock does not run backwards")
        self._begin(self.now() + seconds)

    def run(self, *, speed: float | None = None, freeze: bool | None = None) -> None:
        """Change the speed, stop the clock, or let it go on."""
        if speed is not None and speed <= 0:
            raise ValueError("the speed is above zero; freeze stops the clock")
        now = self.now()
        self._speed = self._speed if speed is None else speed
        self._frozen = self._frozen if freeze is None else freeze
        self._begin(now)

    def _begin(self, virtual: float) -> None:
        self._stretches.append(Stretch(time.time(), virtual, 0.0 if self._frozen else self._speed))


def amazon_time(real: float) -> str:
    """A time stamp as Amazon's feeds show it: whole seconds, `+00:00`."""
    return datetime.fromtimestamp(real, UTC).isoformat(timespec="seconds")


def exact_time(real: float) -> str:
    """A time stamp with milliseconds, for the call log and the catalogue."""
    return datetime.fromtimestamp(real, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float | None:
    """Real seconds of an ISO 8601 date-time, or None. Without a zone it is UTC."""
    try:
        # Python 3.11 reads "Z"; a "+" of a query string may have become a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
