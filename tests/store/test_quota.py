"""The quota rows in Postgres: all or nothing, one account for many takers, the database's clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import text

from worker.core.ids import AccountId
from worker.core.quota import Lease
from worker.database import Database
from worker.store import quota

LISTINGS_FEED = ("createFeed", "createFeed:JSON_LISTINGS_FEED")


def take(
    stored: Database, account_id: AccountId, operations: tuple[str, ...] = LISTINGS_FEED, life_seconds: float = 60
) -> Lease | datetime:
    with stored.begin() as tx:
        return quota.take(tx, account_id, operations, life_seconds=life_seconds)


def must_take(stored: Database, account_id: AccountId, operations: tuple[str, ...] = LISTINGS_FEED, life_seconds: float = 60) -> Lease:
    taken = take(stored, account_id, operations, life_seconds)
    assert isinstance(taken, str)
    return taken


def database_now(stored: Database) -> datetime:
    with stored.begin() as tx:
        now: datetime = tx.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now


def left(stored: Database) -> dict[str, quota.QuotaLeft]:
    with stored.begin() as tx:
        return {each.operation: each for each in quota.quota_left(tx)}


@pytest.mark.requirement("R120")
def test_a_call_is_taken_of_every_limit_or_of_none(stored: Database, account_id: AccountId) -> None:
    leases = [must_take(stored, account_id) for _ in range(5)]
    with stored.begin() as tx:
        for lease in leases:
            quota.finish(tx, account_id, LISTINGS_FEED, lease)

    refused = take(stored, account_id)

    assert isinstance(refused, datetime)
    assert (refused - database_now(stored)).total_seconds() == pytest.approx(300, abs=5)
    assert left(stored)["createFeed"].tokens == pytest.approx(10, abs=0.1)


def test_while_an_answer_may_bring_a_higher_rate_nobody_is_sent_away_for_long(stored: Database, account_id: AccountId) -> None:
    for _ in range(5):
        must_take(stored, account_id)

    refused = take(stored, account_id)

    assert isinstance(refused, datetime)
    assert (refused - database_now(stored)).total_seconds() <= 1


def test_another_feed_type_does_not_wait_for_the_hidden_limit(stored: Database, account_id: AccountId) -> None:
    for _ in range(5):
        must_take(stored, account_id)

    assert isinstance(take(stored, account_id, ("createFeed",)), str)


@pytest.mark.requirement("R120")
def test_many_takers_at_once_get_the_burst_and_not_one_more(stored: Database, account_id: AccountId) -> None:
    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(lambda _: take(stored, account_id, ("createFeed",)), range(40)))

    assert sum(isinstance(each, str) for each in taken) == 15
    assert len({each for each in taken if isinstance(each, str)}) == 15


def test_an_answer_ends_the_lease_and_teaches_the_rate_of_the_hidden_limit_too(stored: Database, account_id: AccountId) -> None:
    leases = [must_take(stored, account_id) for _ in range(5)]

    with stored.begin() as tx:
        for lease in leases:
            quota.finish(tx, account_id, LISTINGS_FEED, lease, told_rate=0.83)

    refused = take(stored, account_id)
    assert isinstance(refused, datetime)
    assert (refused - database_now(stored)).total_seconds() == pytest.approx(3, abs=1)


def test_a_429_closes_the_operation_until_the_time_that_it_returns(stored: Database, account_id: AccountId) -> None:
    lease = must_take(stored, account_id, ("createFeedDocument",))

    with stored.begin() as tx:
        at = quota.throttled(tx, account_id, ("createFeedDocument",), lease, jitter=0.5)

    assert (at - database_now(stored)).total_seconds() == pytest.approx(3, abs=0.5)
    assert take(stored, account_id, ("createFeedDocument",)) == at
    assert left(stored)["createFeedDocument"].wait_seconds == pytest.approx(3, abs=0.5)


def test_what_is_given_back_can_be_taken_again(stored: Database, account_id: AccountId) -> None:
    leases = [must_take(stored, account_id) for _ in range(5)]

    with stored.begin() as tx:
        quota.give_back(tx, account_id, LISTINGS_FEED, leases[0])

    assert isinstance(take(stored, account_id), str)
    assert isinstance(take(stored, account_id), datetime)


def test_a_lease_lives_until_its_call_is_answered_and_can_be_renewed_so_long(stored: Database, account_id: AccountId) -> None:
    lease = must_take(stored, account_id)

    with stored.begin() as tx:
        assert quota.alive(tx, account_id, LISTINGS_FEED, lease)
        assert quota.renew(tx, account_id, LISTINGS_FEED, lease, life_seconds=60)
        quota.finish(tx, account_id, LISTINGS_FEED, lease)
        assert not quota.alive(tx, account_id, LISTINGS_FEED, lease)
        assert not quota.renew(tx, account_id, LISTINGS_FEED, lease, life_seconds=60)


def test_a_lease_whose_life_has_ended_is_dead_and_counts_as_used(stored: Database, account_id: AccountId) -> None:
    lease = must_take(stored, account_id, life_seconds=0)

    with stored.begin() as tx:
        assert not quota.renew(tx, account_id, LISTINGS_FEED, lease, life_seconds=60)

    assert left(stored)["createFeed:JSON_LISTINGS_FEED"].tokens == 4
    assert left(stored)["createFeed"].tokens == pytest.approx(14, abs=0.1)


def test_the_plans_of_the_applications_settings_go_before_the_published_ones(stored: Database, account_id: AccountId) -> None:
    must_take(stored, account_id)

    with stored.begin() as tx:
        plans = '{"createFeed": {"rate": 0.1, "burst": 30}, "createFeed:JSON_LISTINGS_FEED": {"rate": 0.1, "burst": 20}}'
        tx.execute(text("UPDATE account SET usage_plans = CAST(:plans AS jsonb) WHERE id = :id"), {"id": account_id, "plans": plans})

    taken = [take(stored, account_id) for _ in range(15)]
    # The bucket's own tokens come with time; the window counts to 20 at once.
    assert sum(isinstance(each, str) for each in taken) == 14


def test_sellers_do_not_wait_for_one_another(stored: Database, account_id: AccountId) -> None:
    with stored.begin() as tx:
        other = AccountId(
            tx.execute(
                text("INSERT INTO account (client_id, selling_partner_id, region, refresh_token) VALUES ('c', 'A2', 'NA', '') RETURNING id")
            ).scalar_one()
        )
    for _ in range(5):
        must_take(stored, account_id)

    assert isinstance(take(stored, other), str)


def test_an_operation_without_a_plan_is_our_own_mistake(stored: Database, account_id: AccountId) -> None:
    with pytest.raises(KeyError):
        take(stored, account_id, ("createReportFeed",))
