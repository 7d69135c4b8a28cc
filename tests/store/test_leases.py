"""Leases: one holder at a time, and none for ever."""

import pytest

from worker.database import Database
from worker.store import leases


def take(stored: Database, seconds: float = 60) -> bool:
    with stored.begin() as tx:
        return leases.take(tx, "announce", seconds)


@pytest.mark.requirement("R120")
def test_only_one_holds_a_lease(stored: Database) -> None:
    assert [take(stored), take(stored)] == [True, False]


def test_a_lease_that_has_ended_is_free(stored: Database) -> None:
    take(stored, seconds=-1)

    assert take(stored)


def test_a_lease_that_was_given_back_is_free(stored: Database) -> None:
    take(stored)
    with stored.begin() as tx:
        leases.release(tx, "announce")

    assert take(stored)


def test_a_lease_that_is_kept_ends_later(stored: Database) -> None:
    take(stored, seconds=-1)
    with stored.begin() as tx:
        leases.keep(tx, "announce", 60)

    assert not take(stored)
