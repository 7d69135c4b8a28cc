"""Wait for another process to get somewhere, without sleeping blindly."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(condition: Callable[[], Seen], within_seconds: float = 10) -> Seen:
    """Return the first true value of *condition*; fail with what it last returned or raised when the time is up."""
    deadline = time.monotonic() + within_seconds
    pause = 0.01
    while True:
        last: object
        try:
            seen = condition()
        except Exception as error:  # noqa: BLE001 - while a server restarts, its client may raise anything; the last one is shown
            last, is_error = error, True
        else:
            if seen:
                return seen
            last, is_error = seen, False
        if time.monotonic() > deadline:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    message = f"not within {within_seconds} s; last {'error' if is_error else 'seen'}: {last!r}"
    raise AssertionError(message) from (last if isinstance(last, Exception) else None)
