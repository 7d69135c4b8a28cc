"""What Feedline's database says while the demo runs, and in the end: read with plain SQL, as any dashboard could."""

from collections import Counter
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg

from ops.demonstration.imports import Imported, Run


class Feed(NamedTuple):
    """One feed. `seconds`: from its cut to its last change of state."""

    id: int
    connection: str
    feed_type: str
    amazon_feed_id: str | None
    state: str
    messages: int
    accepted: int | None
    rejected: int | None
    seconds: float


class Standing(NamedTuple):
    """How far everything is. `waiting`, `in_feeds` and `held` count SKUs and orders, everything else messages."""

    staged: int
    repeats: int
    unidentified: int
    waiting: int
    in_feeds: int
    held: int
    outcomes: Counter[str]
    feeds: list[Feed]
    runs: list[Run]

    @property
    def decided(self) -> int:
        return self.outcomes.total()


class Decided(NamedTuple):
    """A message's outcome; `codes` are those of its issues."""

    source: str
    id: str
    outcome: str | None
    codes: frozenset[str]


class Ledger:
    """A connection of the demo's own."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True, application_name="feedline demo")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def standing(self) -> Standing:
        staged, repeats, unidentified = self._rows(
            "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM repeat), (SELECT count(*) FROM rejected WHERE message_id IS NULL)"
        )[0]
        keys: dict[str, int] = dict(self._rows("SELECT state, count(*) FROM key_state GROUP BY state"))
        outcomes = Counter[str](dict(self._rows("SELECT outcome, count(*) FROM outcome GROUP BY outcome")))
        waiting = keys.get("ready", 0) + keys.get("unlinked", 0)
        in_feeds, held = keys.get("in_feed", 0), keys.get("held", 0)
        return Standing(staged, repeats, unidentified, waiting, in_feeds, held, outcomes, self.feeds(), self.runs())

    def feeds(self) -> list[Feed]:
        rows = self._rows(
            "SELECT f.id, c.name, f.feed_type, f.amazon_feed_id, f.state, f.messages, f.accepted, f.rejected, "
            "extract(epoch FROM f.changed_at - f.created_at)::float8 FROM feed f JOIN connection c ON c.id = f.connection_id ORDER BY f.id"
        )
        return [Feed(*row) for row in rows]

    def runs(self) -> list[Run]:
        rows = self._rows("SELECT c.name, r.kind, r.state, r.fault FROM run r JOIN connection c ON c.id = r.connection_id ORDER BY r.id")
        return [Run(*row) for row in rows]

    def imported(self) -> Imported:
        listings = self._rows(
            "SELECT c.name, array_agg(l.sku) FROM imported_listing l JOIN connection c ON c.id = l.connection_id GROUP BY c.name"
        )
        orders = self._rows(
            "SELECT amazon_order_id, jsonb_object_agg(amazon_order_item_id, quantity) FROM amazon_order_item GROUP BY amazon_order_id"
        )
        return Imported(self.runs(), {name: frozenset(skus) for name, skus in listings}, dict(orders))

    def decided(self) -> list[Decided]:
        """Return every logged message with its outcome, or None where it has none."""
        rows = self._rows(
            "SELECT m.source, m.external_id, o.outcome, ARRAY(SELECT jsonb_array_elements(o.issues) ->> 'code') "
            "FROM message m LEFT JOIN outcome o ON o.message_id = m.id"
        )
        return [Decided(source, id_, outcome, frozenset(codes)) for source, id_, outcome, codes in rows]

    def unidentified(self) -> Counter[str]:
        """Return how many refused deliveries no message could be known by, by the code of their first issue."""
        return Counter(dict(self._rows("SELECT issues -> 0 ->> 'code', count(*) FROM rejected WHERE message_id IS NULL GROUP BY 1")))

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.encode()).fetchall()
