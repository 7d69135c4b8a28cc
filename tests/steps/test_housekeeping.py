"""Housekeeping: partitions after an outage, and what is past retention."""

from contextlib import closing

import pytest

from schema.partitions import keep_partitions
from tests.conftest import StartWorker
from tests.eventually import eventually
from tests.steps.shop import Shop
from worker.core.ids import first_of_day
from worker.database import Database
from worker.steps.keep_house import keep_house

TABLES = ("message", "outcome", "feed_message", "shipment")
TODAY = "((now() AT TIME ZONE 'UTC')::date - DATE '2020-01-01')"
DAYS = f"""
    SELECT p.relname AS table, array_agg(substring(c.relname FROM '[0-9]+$')::int - {TODAY} ORDER BY c.relname) AS days
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
     WHERE p.relname = ANY(ARRAY['message', 'outcome', 'feed_message', 'shipment']) AND c.relname ~ '[0-9]+$' GROUP BY 1"""
WHOLE = [-1, 0, 1, 2, 3]


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect()
    return shop


def lose_partitions(shop: Shop) -> None:
    """As after an outage that was longer than partitions are made ahead."""
    for row in shop.query(DAYS):
        for day in row["days"]:
            shop.execute(f"DROP TABLE {row['table']}_{day + today(shop)}")


def today(shop: Shop) -> int:
    return int(shop.query(f"SELECT {TODAY} AS day")[0]["day"])


def count(shop: Shop, table: str) -> int:
    return int(shop.query(f"SELECT count(*) AS rows FROM {table}")[0]["rows"])


def days(shop: Shop) -> dict[str, list[int]]:
    return {row["table"]: row["days"] for row in shop.query(DAYS)}


def grow_old(shop: Shop, how_many: int, days_ago: int) -> None:
    """Put in messages, with all that belongs to them, as they were left *days_ago*."""
    first = first_of_day(today(shop) - days_ago)
    at = f"now() - interval '{days_ago} days'"
    (connection,) = shop.query("SELECT id FROM connection")
    for statement in (
        (
            "INSERT INTO message (id, received_at, source, external_id, type, facets, body) "
            f"SELECT {first} + n, {at}, 'erp', 'old-' || {first} + n, 't', '{{}}', '' FROM generate_series(1, {how_many}) n"
        ),
        (
            "INSERT INTO identity (source, external_id, message_id, digest) "
            f"SELECT source, external_id, id, '' FROM message WHERE id BETWEEN {first} AND {first + how_many}"
        ),
        f"INSERT INTO repeat SELECT {first} + n, {at} FROM generate_series(1, {how_many}) n",
        (
            "INSERT INTO outcome (message_id, type, outcome, decided_at) "
            f"SELECT {first} + n, 't', 'accepted', {at} FROM generate_series(1, {how_many}) n"
        ),
        (
            "INSERT INTO rejected (at, queue, headers, body, issues, state) "
            f"SELECT {at}, 'q', '{{}}', '', '[]', 'discarded' FROM generate_series(1, {how_many}) n"
        ),
        (
            "INSERT INTO feed (id, connection_id, kind, feed_type, state, messages, first_message_id, document, document_bytes, "
            f"created_at, changed_at, due_at) SELECT {first} + n, {connection['id']}, 'listings', 'F', 'settled', 1, 1, '', 0, {at}, {at}, "
            f"CASE WHEN n = 1 THEN now() + interval '1 day' END FROM generate_series(1, {how_many}) n"
        ),
        f"INSERT INTO feed_event SELECT {first} + n, {at}, 'cut' FROM generate_series(1, {how_many}) n",
    ):
        shop.execute(statement)


def test_rows_that_found_no_partition_get_one_and_the_days_to_come_are_made(connected: Shop) -> None:
    lose_partitions(connected)
    connected.lists("A")
    connected.publish({"sku": "A", "quantity": 1})
    connected.run()
    assert count(connected, "message_default") == count(connected, "outcome_default") == count(connected, "feed_message_default") == 1

    keep_house(connected.ctx)

    assert days(connected) == dict.fromkeys(TABLES, WHOLE)
    assert [count(connected, f"{table}_default") for table in TABLES] == [0, 0, 0, 0]
    (row,) = connected.query("SELECT tableoid::regclass::text AS partition FROM message")
    assert row["partition"] == f"message_{today(connected)}"
    assert next(iter(connected.outcomes().values()))["outcome"] == "accepted"
    connected.publish({"sku": "A", "quantity": 2})
    connected.run()
    assert count(connected, f"outcome_{today(connected)}") == 2


def test_a_worker_makes_the_partitions_before_it_takes_anything_in(connected: Shop, settings: dict[str, str], worker: StartWorker) -> None:
    lose_partitions(connected)

    worker(settings)

    eventually(lambda: days(connected) == dict.fromkeys(TABLES, WHOLE))


def test_all_that_belongs_to_a_message_is_forgotten_with_it(connected: Shop) -> None:
    grow_old(connected, 2500, days_ago=31)
    grow_old(connected, 3, days_ago=30)

    keep_house(connected.ctx)

    kept = {table: count(connected, table) for table in ("message", "identity", "repeat", "outcome", "rejected")}
    assert kept == dict.fromkeys(kept, 3)
    assert (count(connected, "feed"), count(connected, "feed_event")) == (4, 4), "a feed that is not over stays"
    assert days(connected) == {table: [-30, *WHOLE] if table in {"message", "outcome"} else WHOLE for table in TABLES}


def test_a_table_that_is_in_use_for_long_holds_up_no_other_chore_and_is_tried_again_soon(connected: Shop) -> None:
    grow_old(connected, 5, days_ago=31)
    keep_partitions(connected.ctx.database.begin)
    with closing(Database(connected.ctx.settings.database_url.get_secret_value())) as other, other.begin() as reader:
        reader.exec_driver_sql("SELECT FROM message")
        connected.execute("INSERT INTO lease VALUES ('housekeeping', now() + interval '1 hour')")

        keep_house(connected.ctx)

        assert count(connected, "message") == 5
        assert (count(connected, "feed"), count(connected, "rejected"), count(connected, "identity")) == (1, 0, 0)
        (lease,) = connected.query("SELECT until < now() + interval '2 minutes' AS is_soon FROM lease WHERE name = 'housekeeping'")
        assert lease["is_soon"]

    keep_house(connected.ctx)

    assert count(connected, "message") == 0


@pytest.mark.parametrize("days_ago", [31, 400])
def test_an_identifier_counts_as_new_when_its_message_is_past_retention(connected: Shop, days_ago: int) -> None:
    grow_old(connected, 1, days_ago=days_ago)
    keep_house(connected.ctx)

    keep_house(connected.ctx)

    assert (count(connected, "identity"), count(connected, "repeat")) == (0, 0)
