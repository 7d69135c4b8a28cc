"""The baseline of staging: a plain pika consumer that writes the same rows, 500 deliveries a transaction.

It validates nothing, reads nothing back and keeps in memory which message a newer one replaces: the least that could
write these rows. `python -m ops.benchmarks.raw_consumer AMQP_URL DATABASE_URL COUNT`
"""

import hashlib
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import pika
import psycopg

BATCH = 500


def main() -> None:
    amqp_url, database_url, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with psycopg.connect(database_url) as database, pika.BlockingConnection(pika.URLParameters(amqp_url)) as broker:
        channel = broker.channel()
        channel.basic_qos(prefetch_count=3 * BATCH)
        latest: dict[str, int] = {}
        done = 0
        batch: list[tuple[int, bytes]] = []
        for method, _, body in channel.consume("feedline.inventory", inactivity_timeout=0.02):
            if method is not None:
                batch.append((method.delivery_tag, body))
            if batch and (len(batch) == BATCH or method is None):
                _write(database, [body for _, body in batch], latest)
                channel.basic_ack(batch[-1][0], multiple=True)
                done += len(batch)
                batch = []
            if done >= wanted:
                break
        channel.cancel()


def _write(database: "psycopg.Connection[Any]", bodies: list[bytes], latest: dict[str, int]) -> None:
    now = datetime.now(UTC)
    events = [orjson.loads(body) for body in bodies]
    with database.transaction(), database.cursor() as cursor:
        cursor.execute("SELECT (now()::date - DATE '2020-01-01')::bigint << 40, nextval('message_id')")
        day, block = cursor.fetchone() or (0, 0)
        ids = [day + block + offset for offset in range(len(events))]
        cursor.execute(
            "INSERT INTO identity (source, external_id, message_id, digest) "
            "SELECT * FROM unnest(%b::text[], %b::text[], %s::bigint[], %b::bytea[]) ON CONFLICT DO NOTHING",
            (
                [event["source"] for event in events],
                [event["id"] for event in events],
                ids,
                [hashlib.blake2b(body, digest_size=16).digest() for body in bodies],
            ),
        )
        with cursor.copy(
            "COPY message (id, received_at, source, external_id, type, connection, connection_id, key, facets, sequence, body) FROM STDIN"
        ) as copy:
            for id_, event in zip(ids, events, strict=True):
                data = event["data"]
                copy.write_row(
                    (
                        id_,
                        now,
                        event["source"],
                        event["id"],
                        event["type"],
                        data["connection"],
                        1,
                        data["sku"],
                        "{price,quantity}",
                        event["sequence"],
                        orjson.dumps(data),
                    )
                )
        rows: dict[str, tuple[str, str]] = {}
        replaced: list[tuple[int, int]] = []
        for id_, event in zip(ids, events, strict=True):
            data = event["data"]
            sku = data["sku"]
            if sku in latest:
                replaced.append((latest[sku], id_))
            latest[sku] = id_
            change = {
                "f": {"price": {"v": {"value": data["price"]}, "m": id_}, "quantity": {"v": {"value": data["quantity"]}, "m": id_}},
                "m": {str(id_): {"t": event["type"], "p": now.timestamp()}},
            }
            last = [[True, event["sequence"]], id_]
            rows[sku] = (orjson.dumps(change).decode(), orjson.dumps({event["source"]: [True, {"price": last, "quantity": last}]}).decode())
        ordered = sorted(rows)
        cursor.execute(
            "INSERT INTO key_state (connection_id, kind, key, state, pending, pending_since, versions) "
            "SELECT 1, 'listings', key, 'unlinked', pending::json, %s, versions::json FROM unnest(%b::text[], %b::text[], %b::text[]) "
            "AS new (key, pending, versions) "
            "ON CONFLICT (connection_id, kind, key) DO UPDATE SET pending = excluded.pending, versions = excluded.versions",
            (now, ordered, [rows[sku][0] for sku in ordered], [rows[sku][1] for sku in ordered]),
        )
        with cursor.copy("COPY outcome (message_id, connection_id, type, outcome, superseded_by, facets, decided_at) FROM STDIN") as copy:
            for old, new in replaced:
                fate = {"outcome": "superseded", "by": new}
                facets = orjson.dumps({"price": fate, "quantity": fate}).decode()
                copy.write_row((old, 1, "feedline.inventory.v1", "superseded", new, facets, now))
        cursor.execute(
            "INSERT INTO outbox (kind, refs, created_at) VALUES ('outcome', %s::bigint[], %s)", ([old for old, _ in replaced], now)
        )


if __name__ == "__main__":
    main()
