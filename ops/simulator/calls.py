"""The call log: what clients asked for, and what they got."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request. `at_real` and `at_virtual`: seconds since 1970; `status` 0: the connection was cut."""

    number: int
    at_real: float
    at_virtual: float
    operation: str
    method: str
    path: str
    status: int
    request_id: str
    seller: str | None = None
    client_id: str | None = None
    fault: str | None = None


class CallLog:
    """The last calls, and counts of all."""

    KEPT = 200_000

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=self.KEPT)
        self._counts: Counter[tuple[str, int]] = Counter()
        self.total = 0

    def add(self, call: Call) -> None:
        self._calls.append(call)
        self._counts[call.operation, call.status] += 1
        self.total += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Operation to status to number of calls."""
        table: dict[str, dict[str, int]] = {}
        for (operation, status), number in sorted(self._counts.items()):
            table.setdefault(operation, {})[str(status)] = number
        return table

    def select(
        self,
        *,
        operation: str | None = None,
        status: int | None = None,
        seller: str | None = None,
        after: int = 0,
        since: float = 0.0,
        limit: int | None = None,
    ) -> Iterator[Call]:
        """Calls that fit, oldest first; with *limit* the newest of them. *after* is a number, *since* real seconds."""
        fitting = [
            call
            for call in self._calls
            if operation in {None, call.operation}
            and status in {None, call.status}
            and seller in {None, call.seller}
            and call.number > after
            and call.at_real >= since
        ]
        return iter(fitting if limit is None else fitting[-limit:])
