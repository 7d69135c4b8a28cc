"""Pending changes by the hundred thousand, written as staging leaves them; and a context to take steps with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from worker import app
from worker.context import Context
from worker.settings import Settings


@contextmanager
def bench_context(environment: Mapping[str, str], **given: object) -> Iterator[Context]:
    names = {name.removeprefix("FEEDLINE_").lower(): value for name, value in environment.items()}
    ctx = app.build(Settings.load(_env_file=None, **{**names, "feed_linger_seconds": 0, **given}), application_name="feedline bench")
    app.tune_the_interpreter()
    try:
        yield ctx
    finally:
        ctx.amazon.close()
        ctx.publisher.close()
        ctx.database.close()


def fill_pending(url: str, count: int) -> None:
    """Write *count* linked SKUs with a price, quantity and handling time each that wait to be sent, and the messages behind them."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            INSERT INTO key_state (connection_id, kind, key, state, linked, priority, pending, pending_since, versions)
            SELECT 1, 'listings', 'SKU-' || lpad(n::text, 7, '0'), 'ready', true, 1,
                   json_build_object(
                     'f', json_build_object('price', json_build_object('v', json_build_object('value', '29.99'), 'm', id),
                                             'quantity', json_build_object('v', json_build_object('value', n %% 500 + 1), 'm', id),
                                             'handling_time', json_build_object('v', json_build_object('value', 2), 'm', id)),
                     'm', json_build_object(id::text, json_build_object('t', 'feedline.inventory.v1', 'p', extract(epoch FROM now())))),
                   now() - interval '1 hour' + n * interval '1 millisecond',
                   json_build_object(
                     'erp', json_build_array(true, json_build_object('price', json_build_array(json_build_array(true, n), id))))
              FROM generate_series(0, %s - 1) AS n,
                   LATERAL (SELECT ((now()::date - DATE '2020-01-01')::bigint << 40) + n AS id) AS ids""",
            (count,),
        )
        connection.execute(
            "INSERT INTO listing (connection_id, sku, product_type, product_type_source, channels, linked_at) "
            "SELECT connection_id, key, 'LUGGAGE', 'amazon', '{DEFAULT}', now() FROM key_state"
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE key_state")
        connection.execute("VACUUM ANALYZE listing")
