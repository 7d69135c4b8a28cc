"""Compare: render a connection's last messages through it and through another one, and tell how the payloads differ (R50, R70)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.core import comparison
from worker.core.coalescing import Key, coalesce
from worker.core.connections import Connection
from worker.core.feed_formats import FORMATS, Render
from worker.core.kinds import Kind
from worker.core.messages import MessageType
from worker.database import Transaction
from worker.steps.map_again import MappedAgain, mapped_again
from worker.steps.stage import KINDS
from worker.store import resync

AT_ONCE: Final = 500
"""Messages that are read by one statement, and held in memory."""


class Compared(NamedTuple):
    """One message with what goes of it through either connection. `difference`: a unified diff, empty where they are equal."""

    id: str
    source: str
    key: str
    received_at: datetime
    before: list[str]
    after: list[str]
    difference: list[str]


def compared(tx: Transaction, before: Connection, after: Connection, type_: MessageType, *, last: int, now: datetime) -> Iterator[Compared]:
    """Yield the *last* messages of *before*, the newest first, each as it goes through *before* and as it would through *after*.

    What is known of their SKUs and orders is taken from *before* for both. Nothing is written, and nobody is asked.
    """
    ids = resync.newest(tx, before.id, type_, last)
    for start in range(0, len(ids), AT_ONCE):
        page = ids[start : start + AT_ONCE]
        log = resync.stored(tx, page)
        yield from _page(tx, before, after, KINDS[type_], [log[id_] for id_ in page if id_ in log], now)


def _page(
    tx: Transaction, before: Connection, after: Connection, kind: Kind, log: Sequence[resync.Stored], now: datetime
) -> Iterator[Compared]:
    mapped = [(mapped_again(stored, before, now), mapped_again(stored, after, now)) for stored in log]
    keys = {each.mapped.key for pair in mapped for each in pair if each is not None}
    about = resync.about(tx, before.id, kind, sorted(keys))
    renderers = [FORMATS[kind].renderer(connection, now) for connection in (before, after)]
    for stored, pair in zip(log, mapped, strict=True):
        if pair[0] is None:
            continue  # it was never valid, whatever the settings
        was, would_be = (_payload(kind, each, render, about) for each, render in zip(pair, renderers, strict=True))
        difference = comparison.difference(was, would_be, names=(before.name, after.name))
        yield Compared(stored.external_id, stored.source, pair[0].mapped.key, stored.received_at, was, would_be, difference)


def _payload(kind: Kind, again: MappedAgain | None, render: Render, about: Mapping[str, Any]) -> list[str]:
    if again is None or again.mapped.facets.faults:
        return comparison.refusal(() if again is None else again.mapped.facets.faults)
    key = Key(None, {}, {})
    list(coalesce(key, again.arrival))
    return comparison.payload(kind, key, render(key, about[again.mapped.key]))
