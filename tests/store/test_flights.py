"""Keys on their way: claimed, carried, landed, held."""

from ops.benchmarks.pending import fill_pending
from tests.store.shelf import want
from worker.core.coalescing import Change
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.database import Database, Transaction
from worker.store import feeds, flights, lanes
from worker.store.flights import TakeOff

WAITING, CARRIED = 30_000, 20_000
FEED = FeedId(1)


def read_whole(tx: Transaction) -> set[str]:
    """The tables of keys and listings that this transaction has read from end to end."""
    return set(
        tx.exec_driver_sql(
            "SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname IN ('key_state', 'listing')"
        ).scalars()
    )


def test_a_large_feed_reads_the_keys_that_it_carries_and_not_all_that_wait(stored: Database, connection_id: int, database: str) -> None:
    fill_pending(database, WAITING)

    with stored.begin() as tx:
        pages = list(flights.claim(tx, connection_id, Kind.LISTINGS, group=None, at_most=CARRIED))
        claimed = [each for page in pages for each in page]
        tx.exec_driver_sql(
            "INSERT INTO feed (id, connection_id, kind, feed_type, state, messages, first_message_id, document, document_bytes, "
            "created_at, changed_at) VALUES (%s, %s, 'listings', 'JSON_LISTINGS_FEED', 'cut', %s, 1, '', 0, now(), now())",
            (FEED, connection_id, CARRIED),
        )
        feeds.add_messages(tx, [(FEED, number, each.name, '{"c":{"f":{},"m":{}},"s":{}}') for number, each in enumerate(claimed, 1)])
        flights.take_off(tx, FEED, [TakeOff(each.ctid, number, 1, {}, None) for number, each in enumerate(claimed, 1)])
        by_the_cut = read_whole(tx)
    with stored.begin() as tx:
        tx.exec_driver_sql("ANALYZE feed_message")
    with stored.begin() as tx:
        landings = flights.landing(tx, connection_id, Kind.LISTINGS, FEED)
        for landed in landings[: CARRIED // 2]:
            landed.key.pending = Change({}, {})
        flights.land(tx, Kind.LISTINGS, landings, tx.exec_driver_sql("SELECT now()").scalar_one())
        by_the_settling = read_whole(tx)

    assert [len(page) for page in pages] == [2000, 4000, 8000, 6000]
    assert [each.name for each in claimed] == [f"SKU-{number:07}" for number in range(CARRIED)]
    assert [landed.name for landed in landings] == [each.name for each in claimed]
    assert (by_the_cut, by_the_settling) == (set(), set())


def test_a_group_that_is_held_is_forgotten_by_a_key_of_which_a_part_is_in_a_feed(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", message=1, quantity=1)
        want(tx, connection_id, "B", message=2, quantity=1)
        group = lanes.add_group(tx, connection_id, Kind.LISTINGS, 1, ["A", "B"], "why")
        tx.exec_driver_sql("UPDATE key_state SET state = 'ready', linked = true, split_id = %s", (group,))
        tx.exec_driver_sql("UPDATE key_state SET state = 'in_feed', feed_id = 1, feed_message_id = 1, feed_messages = 1 WHERE key = 'A'")

        flights.hold_groups(tx, connection_id, Kind.LISTINGS, Reason.FEEDS_FAILING)

        rows = tx.exec_driver_sql("SELECT key, state, hold_reason, split_id FROM key_state ORDER BY key").all()
    assert rows == [("A", "in_feed", None, None), ("B", "held", "feeds_failing", None)]
