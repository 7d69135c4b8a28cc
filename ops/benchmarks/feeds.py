"""Cutting a feed of 25,000 messages and settling its report, against a script that writes the same document and rows."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import psycopg

from ops.benchmarks.bench import Bench
from ops.benchmarks.measure import Figure, at_most, seconds
from ops.benchmarks.pending import bench_context, fill_pending
from worker.core import report
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps import cut, settle
from worker.store import connections, feeds

TIMES_THE_SCRIPT = 3.0


def run(bench: Bench, pairs: int) -> list[Figure]:
    messages = int(25_000 * bench.scale)
    ratios = []
    for _ in range(pairs):
        ours, document, written = _ours(bench, messages)
        script = _script(bench, document, written)
        print(f"  feeds: ours {ours:.2f} s, script {script:.2f} s")
        ratios.append(ours / script)
    return [at_most(f"cut and settle {messages:,} messages, to dump, compress and COPY", ratios, TIMES_THE_SCRIPT)]


def _ours(bench: Bench, messages: int) -> tuple[float, bytes, dict[str, list[tuple[Any, ...]]]]:
    with bench.fresh() as environment, bench_context(environment) as ctx:
        fill_pending(environment["FEEDLINE_DATABASE_URL"], messages)
        taken = seconds(lambda: cut.cut(ctx, 1, Kind.LISTINGS))
        with ctx.database.begin() as tx:
            feed_id = tx.exec_driver_sql("SELECT id FROM feed").scalar_one()
            document = gzip.decompress(feeds.document(tx, feed_id))
            count = tx.exec_driver_sql("SELECT messages FROM feed").scalar_one()
            # As if Amazon had it: what is measured is our work, not the calls.
            tx.exec_driver_sql("UPDATE feed SET state = 'done', amazon_feed_id = '1', due_at = now()")
            feed = feeds.claim(tx, feed_id, {FeedState.DONE})
            connection = connections.by_id(tx, 1)
        assert feed is not None and connection is not None and feed.state is FeedState.DONE  # noqa: PT018
        result = json.dumps(
            {
                "header": {"sellerId": "x", "version": "2.0", "feedId": "1"},
                "issues": [],
                "summary": {"errors": 0, "warnings": 0, "messagesProcessed": count, "messagesAccepted": count, "messagesInvalid": 0},
                "items": [{"sku": message["sku"], "issues": []} for message in json.loads(document)["messages"]],
            }
        ).encode()

        def settle_it() -> None:
            settle.write(ctx, feed, connection, (result, report.read(result)))

        taken += seconds(settle_it)
        return taken, document, _rows(environment["FEEDLINE_DATABASE_URL"])


def _rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows that the two steps wrote; a key's row twice, for each step wrote it."""
    tables = {
        "feed_message": "feed_id, message_id, key, flight::text",
        "key_state": "connection_id, kind, key, 'idle', linked, versions::text, confirmed::text",
        "outcome": "message_id, connection_id, type, outcome, feed_id, feed_message_id, facets::text, decided_at",
    }
    with psycopg.connect(url) as connection:
        return {table: connection.execute(f"SELECT {columns} FROM {table}").fetchall() for table, columns in tables.items()}


def _script(bench: Bench, document: bytes, rows: dict[str, list[tuple[Any, ...]]]) -> float:
    parsed = json.loads(document)
    with bench.fresh() as environment, psycopg.connect(environment["FEEDLINE_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE key_state_before (LIKE key_state INCLUDING DEFAULTS INCLUDING INDEXES)")
        connection.commit()

        def write() -> None:
            compressed = gzip.compress(json.dumps(parsed, separators=(",", ":")).encode())
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO feed (id, connection_id, kind, feed_type, state, messages, first_message_id, document, document_bytes, "
                    "created_at, changed_at) VALUES (1, 1, 'listings', 'JSON_LISTINGS_FEED', 'settled', 1, 1, %s, %s, %s, %s)",
                    (compressed, len(document), datetime.now(UTC), datetime.now(UTC)),
                )
                columns = {
                    "feed_message": "feed_id, message_id, key, flight",
                    "key_state": "connection_id, kind, key, state, linked, versions, confirmed",
                    "outcome": "message_id, connection_id, type, outcome, feed_id, feed_message_id, facets, decided_at",
                }
                for into, table in (
                    ("feed_message", "feed_message"),
                    ("key_state_before", "key_state"),
                    ("key_state", "key_state"),
                    ("outcome", "outcome"),
                ):
                    with cursor.copy(f"COPY {into} ({columns[table]}) FROM STDIN") as copy:
                        for row in rows[table]:
                            copy.write_row(row)

        return seconds(write)
