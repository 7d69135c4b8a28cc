"""What Postgres says of the messages: how many are staged, and what became of each."""

from collections.abc import Mapping
from typing import Any

import psycopg


class Ledger:
    """Looks into the database with a connection of its own each time, so that it survives a restart."""

    def __init__(self, url: str) -> None:
        self._url = url

    def staged(self) -> int:
        return int(self.rows("SELECT count(*) FROM message")[0][0])

    def decided(self) -> int:
        return int(self.rows("SELECT count(*) FROM outcome")[0][0])

    def is_drained(self, messages: int) -> bool:
        """Whether *messages* are staged, each has its outcome, and every event is published."""
        [(staged, decided, untold)] = self.rows(
            "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM outcome), (SELECT count(*) FROM outbox)"
        )
        assert staged <= messages, f"{staged} messages are staged, and only {messages} were published"
        return bool(staged == decided == messages and untold == 0)

    def outcomes(self) -> Mapping[str, list[str]]:
        """Return the outcomes of each message, by the upstream's id."""
        found: dict[str, list[str]] = {}
        for external_id, outcome in self.rows("SELECT m.external_id, o.outcome FROM message m LEFT JOIN outcome o ON o.message_id = m.id"):
            found.setdefault(external_id, []).append(outcome)
        return found

    def let_claims_run_out(self) -> None:
        """Let the time go by after which the work of a killed worker may be taken up: claims are promises for so many seconds."""
        with psycopg.connect(self._url) as connection:
            connection.execute("UPDATE feed SET claimed_until = now(), dispatched_until = now()")
            connection.execute("UPDATE lease SET until = now()")
            connection.execute("UPDATE account SET renewing_until = now() WHERE renewing_until IS NOT NULL")

    def let_failed_claims_run_out(self) -> None:
        """The same for steps that broke off under a worker that lives: five seconds are longer than any step here takes."""
        with psycopg.connect(self._url) as connection:
            connection.execute("UPDATE feed SET claimed_until = now() WHERE claimed_until < now() + interval '40 seconds'")
            connection.execute("UPDATE lease SET until = now() WHERE name <> 'housekeeping' AND until < now() + interval '55 seconds'")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode()).fetchall()
