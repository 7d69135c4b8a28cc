"""Fixtures for the store: an open database, and an account or connection in it."""

from collections.abc import Iterator

import pytest

from tests.amazon.accounts import store_account
from tests.store.shelf import add_connection
from worker.core.ids import AccountId
from worker.database import Database


@pytest.fixture
def stored(database: str) -> Iterator[Database]:
    opened = Database(database)
    yield opened
    opened.close()


@pytest.fixture
def connection_id(stored: Database) -> int:
    return add_connection(stored)


@pytest.fixture
def account_id(stored: Database) -> AccountId:
    return store_account(stored).id
