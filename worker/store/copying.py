"""COPY: the fast way to write many rows."""

from collections.abc import Iterable, Sequence

from worker.database import Transaction


def copy_rows(tx: Transaction, into: str, rows: Iterable[Sequence[object]]) -> None:
    """Write *rows* with one COPY. *into*: a table and its columns, `outcome (message_id, outcome)`."""
    driver = tx.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:  # type: ignore[union-attr]
        for row in rows:
            copy.write_row(row)
