"""Messages for tests of coalescing, and a ledger that sees to it that none ends twice."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from worker.core.coalescing import Arrival, Key, coalesce
from worker.core.facets import Value
from worker.core.ordering import version
from worker.core.outcomes import Outcome, Settled

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def new_key() -> Key:
    return Key(None, {}, {})


def arrival(
    message: int,
    *,
    source: str = "erp",
    sequence: int | None = None,
    minute: int = 0,
    **facets: int | str | None,
) -> Arrival:
    """An arrival; a facet that is None is cleared. *minute*: of its time, after noon."""
    return Arrival(
        message=message,
        source=source,
        type="feedline.inventory.v1",
        version=version(sequence, NOON + timedelta(minutes=minute)),
        published=0.0,
        facets={name: Value(cleared=True) if value is None else Value(value) for name, value in facets.items()},
    )


class Ledger:
    """What has become of every message. Raises when one ends twice."""

    def __init__(self) -> None:
        self.ended: dict[int, Settled] = {}

    def note(self, settled: Iterable[Settled]) -> None:
        for each in settled:
            assert each.message not in self.ended, f"message {each.message} ends a second time, as {each.outcome}"
            self.ended[each.message] = each

    def outcomes(self) -> dict[int, str]:
        return {message: str(settled.outcome) for message, settled in self.ended.items()}


def folded(arrivals: Iterable[Arrival]) -> tuple[Key, Ledger]:
    """Fold *arrivals* into a new key, in their order."""
    key, ledger = new_key(), Ledger()
    for each in arrivals:
        ledger.note(coalesce(key, each))
    return key, ledger


def pending(key: Key) -> Mapping[str, tuple[object, int]]:
    """What is pending: each facet's value and the message that said it."""
    return {} if key.pending is None else {facet: (said.value.value, said.message) for facet, said in key.pending.facets.items()}


def superseded_by(ledger: Ledger) -> dict[int, int | None]:
    return {message: settled.by for message, settled in ledger.ended.items() if settled.outcome is Outcome.SUPERSEDED}
