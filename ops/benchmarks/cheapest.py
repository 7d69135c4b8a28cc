"""The cheapest message is the one not sent: 100,000 messages on 1,000 SKUs, and the same values again under other ids."""

import time

import pika
import psycopg

from ops.benchmarks.bench import Bench, process, rate
from ops.benchmarks.measure import Figure
from ops.benchmarks.workload import MARKETPLACE, SELLER, events
from ops.simulator.control import Simulator
from worker.broker import topology
from worker.broker.publisher import Publisher

LINGER_SECONDS = 60
"""Time enough for all versions to arrive before the first feed is cut, so that none is in flight when a newer one comes."""

SPEED = 600
GIVE_UP_SECONDS = 240


def run(bench: Bench, _pairs: int) -> list[Figure]:
    """A count, not a time: one run tells it."""
    messages, skus = int(100_000 * bench.scale), int(1_000 * bench.scale)
    with bench.fresh() as environment, Simulator.start(speed=SPEED) as simulator:
        simulator.register_seller(SELLER, (MARKETPLACE,), client_id="bench", client_secret="bench-secret")  # noqa: S106  # nobody's
        simulator.put_catalogue(SELLER, MARKETPLACE, generate={"prefix": "SKU-", "count": skus, "start": 0, "digits": 7})
        environment |= {
            "FEEDLINE_LWA_URL": simulator.lwa_url,
            "FEEDLINE_SP_API_URL": simulator.url,
            "FEEDLINE_FEED_LINGER_SECONDS": str(LINGER_SECONDS),
            "FEEDLINE_FEED_POLL_SECONDS": "0.5",
        }
        amqp_url, database_url = environment["FEEDLINE_AMQP_URL"], environment["FEEDLINE_DATABASE_URL"]
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            topology.declare(connection)
        _publish(amqp_url, messages, skus, "first")
        with process(["-m", "ops", "worker", "--threads", "4"], environment, bench.folder / "cheapest.log"):
            rate(database_url, messages)
            first = _sent(database_url, messages)
            _publish(amqp_url, messages, skus, "again")
            rate(database_url, 2 * messages)
            again = _sent(database_url, 2 * messages) - first
    print(f"  cheapest: {messages:,} messages on {skus:,} SKUs went out in {first:,} feed messages; the same again in {again:,}")
    return [
        Figure(f"feed messages for {messages:,} messages on {skus:,} SKUs", f"{first:,}", f"at most {skus:,}", first <= skus),
        Figure("feed messages for the same again", f"{again:,}", "at most 0", again == 0),
    ]


def _publish(amqp_url: str, messages: int, skus: int, run: str) -> None:
    with Publisher([amqp_url]) as publisher:
        publisher.publish_events(events(messages, skus, run=run), exchange=topology.EXCHANGE)


def _sent(database_url: str, messages: int) -> int:
    """Wait until every message has its outcome, and return how many feed messages there are."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            row = connection.execute("SELECT (SELECT count(*) FROM outcome), (SELECT coalesce(sum(messages), 0) FROM feed)").fetchone()
            if row is not None and row[0] >= messages:
                return int(row[1])
            time.sleep(0.5)
    raise TimeoutError(f"Not every message had its outcome within {GIVE_UP_SECONDS} s.")
