"""Connections and keys put straight into a database, for tests of the statements that read them."""

from datetime import UTC, datetime

from tests.amazon.accounts import store_account
from worker.core.coalescing import Arrival, coalesce
from worker.core.facets import Value
from worker.core.kinds import Kind
from worker.core.ordering import version
from worker.database import Database, Transaction
from worker.store import keys
from worker.store.keys import KeyName

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def add_connection(database: Database, name: str = "US") -> int:
    account = store_account(database)
    with database.begin() as tx:
        made: int = tx.exec_driver_sql(
            "INSERT INTO connection (name, account_id, marketplace_id, settings) VALUES (%s, %s, 'ATVPDKIKX0DER', '{}') RETURNING id",
            (name, account.id),
        ).scalar_one()
    return made


def name(connection_id: int, key: str) -> KeyName:
    return KeyName(connection_id, Kind.LISTINGS, key)


def want(tx: Transaction, connection_id: int, key: str, *, message: int = 1, **facets: int | str) -> None:
    """Stage one message of which nothing else is told."""
    rows = keys.lock(tx, [name(connection_id, key)])
    wanted = {facet: Value(value) for facet, value in facets.items()}
    arrival = Arrival(message=message, source="erp", type="t", version=version(None, NOW), published=0.0, facets=wanted)
    list(coalesce(rows[name(connection_id, key)].key, arrival))
    keys.save(tx, rows.values())
