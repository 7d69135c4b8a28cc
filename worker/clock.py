"""The only time and chance in the program: a step takes both from its context, so that a test can hold them."""

import random
import time
from datetime import UTC, datetime
from threading import Event


class Clock:
    """The machine's clock. Datetimes are aware and UTC; `monotonic` is seconds from an arbitrary start."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until *event* is set, at most *seconds*. Return whether it is set."""
        return event.wait(seconds)


class Chance:
    """Spread for retries and polls, so that a fleet does not move in step."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  # spread, not secrecy

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)
