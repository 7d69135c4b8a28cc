"""Every column whose values are sealed, and how they come under the newest key."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cryptography.fernet import InvalidToken

from worker.database import Database, Transaction
from worker.secrets import Vault

ROWS_AT_ONCE: Final = 200
"""Rows that one transaction seals anew: a tenth of a second of locks."""


class Column(NamedTuple):
    """`key`: the columns of the table's primary key."""

    table: str
    key: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


COLUMNS: Final = (
    Column("account", ("id",), "client_secret"),
    Column("account", ("id",), "refresh_token"),
    Column("account", ("id",), "access_token"),
    Column("feed", ("id",), "upload_url"),
    Column("amazon_order", ("connection_id", "amazon_order_id"), "personal"),
    Column("outbox", ("id",), "sealed"),
)
"""What the schema calls sealed; a test holds the two together."""


class Sealed(NamedTuple):
    """What was found in a column: `renewed` are under the newest key now, `unreadable` are the keys of rows that no key opens."""

    seen: int
    renewed: int
    unreadable: Sequence[str]


def renew(database: Database, vault: Vault, column: Column, advance: Callable[[int], object]) -> Sealed:
    """Bring the column's values under the newest key, in batches, beside workers that go on; *advance* is told of each batch's rows.

    A value that changes meanwhile is left alone: whoever has just written it has sealed it.
    """
    seen, renewed, unreadable = 0, 0, []
    after: Sequence[object] | None = None
    while True:
        with database.begin() as tx:
            rows = _rows(tx, column, after)
            for key, value in rows:
                try:
                    new = vault.renewed(value)
                except InvalidToken:
                    unreadable.append(":".join(map(str, key)))
                    continue
                if new is not None:
                    renewed += _replace(tx, column, key, value, new)
        seen += len(rows)
        advance(len(rows))
        if len(rows) < ROWS_AT_ONCE:
            return Sealed(seen, renewed, unreadable)
        after = rows[-1][0]


def _rows(tx: Transaction, column: Column, after: Sequence[object] | None) -> list[tuple[Sequence[object], bytes]]:
    key = ", ".join(column.key)
    further = "" if after is None else f"AND ({key}) > ({', '.join(['%s'] * len(column.key))})"
    rows = tx.exec_driver_sql(
        f"SELECT {key}, {column.name} FROM {column.table} WHERE {column.name} IS NOT NULL {further} ORDER BY {key} LIMIT {ROWS_AT_ONCE}",
        tuple(after or ()),
    )
    return [(row[:-1], bytes(row[-1])) for row in rows]


def _replace(tx: Transaction, column: Column, key: Sequence[object], old: bytes, new: bytes) -> int:
    """Write *new* in the place of *old*, if it is still there. Rows are taken in the order of their keys."""
    matches = " AND ".join(f"{name} = %s" for name in column.key)
    return tx.exec_driver_sql(
        f"UPDATE {column.table} SET {column.name} = %s WHERE {matches} AND {column.name} = %s",
        (new, *key, old),
    ).rowcount
