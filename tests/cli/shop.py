"""A connection with a real worker's steps taken by hand, so that a test decides how far its messages have come."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from ops.simulator.control import Simulator
from tests.eventually import eventually
from worker.amazon.client import Amazon
from worker.broker.publisher import Publisher
from worker.clock import Chance, Clock
from worker.connection_file import parse
from worker.context import Context
from worker.core.ids import ConnectionId, FeedId
from worker.core.kinds import Kind
from worker.core.states import AT_AMAZON, UNSENT, FeedState
from worker.core.wire import STRUCTURED, Delivery
from worker.database import Database
from worker.settings import Settings
from worker.steps.cut import cut
from worker.steps.link import link
from worker.steps.settle import settle
from worker.steps.stage import stage
from worker.steps.submit import submit
from worker.steps.watch import watch
from worker.store import connections

NAME = "US shop"
SELLER = "A1EXAMPLESELLER"
MARKETPLACE = "ATVPDKIKX0DER"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Shop:
    """The connection `NAME`. `settings` are those of the command line."""

    def __init__(self, ctx: Context, connection_id: ConnectionId, settings: dict[str, str]) -> None:
        self.ctx, self.connection_id, self.settings = ctx, connection_id, settings
        self._said = 0

    def says(self, id_: str, sku: str, *, source: str = "erp", time: datetime | None = None, **fields: object) -> None:
        """Stage one inventory message; each is a second newer than the one before, unless it has a *time*."""
        self._said += 1
        moment = time or NOON + timedelta(seconds=self._said)
        self.deliver(event("inventory", id_, {"connection": NAME, "sku": sku, **fields}, source=source, time=moment))

    def deliver(self, body: Mapping[str, Any] | bytes, queue: str = "feedline.inventory") -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stage(self.ctx, [Delivery(queue=queue, body=raw, content_type=STRUCTURED)], self.ctx.clock.now())

    def cut(self) -> FeedId:
        """Link what is new, and cut a feed of all that waits."""
        link(self.ctx, self.connection_id, Event())
        feed_id = cut(self.ctx, self.connection_id, Kind.LISTINGS)
        assert feed_id is not None
        return feed_id

    def sends(self) -> FeedId:
        """Cut a feed and see it through to its outcome."""
        feed_id = self.cut()
        self.sees_through(feed_id)
        return feed_id

    def sees_through(self, feed_id: FeedId) -> None:
        def ended() -> bool:
            with self.ctx.database.begin() as tx:
                row = tx.exec_driver_sql("SELECT state, due_at IS NULL FROM feed WHERE id = %s", (feed_id,)).one()
            if row[1]:
                return True
            state = FeedState(row[0])
            step = submit if state in UNSENT else watch if state in AT_AMAZON else settle
            step(self.ctx, feed_id)
            return False

        eventually(ended, 30)

    def execute(self, statement: str, *parameters: object) -> None:
        """Bring about what only time or Amazon would."""
        with self.ctx.database.begin() as tx:
            tx.exec_driver_sql(statement, parameters)


def event(kind: str, id_: str, data: Mapping[str, Any], *, source: str = "erp", time: datetime = NOON) -> dict[str, Any]:
    return {"specversion": "1.0", "id": id_, "source": source, "type": f"feedline.{kind}.v1", "time": time.isoformat(), "data": data}


@contextmanager
def opened(settings: dict[str, str], simulator: Simulator, **sections: object) -> Iterator[Shop]:
    """Apply the connection with further *sections* of the connection file, and open it."""
    seller = simulator.register_seller(SELLER, [MARKETPLACE])
    items = [{"sku": f"MUG-{number}", "product_type": "DRINKING_CUP"} for number in range(1, 6)]
    simulator.put_catalogue(SELLER, MARKETPLACE, items)
    entry = {"name": NAME, "marketplace_id": MARKETPLACE, "selling_partner_id": SELLER, "refresh_token": seller.refresh_token}
    settings |= {
        "FEEDLINE_LWA_CLIENT_ID": seller.client_id,
        "FEEDLINE_LWA_CLIENT_SECRET": seller.client_secret,
        "FEEDLINE_LWA_URL": simulator.lwa_url,
        "FEEDLINE_SP_API_URL": simulator.url,
        "FEEDLINE_FEED_LINGER_SECONDS": "0",
        "FEEDLINE_FEED_POLL_SECONDS": "0.05",
    }
    given = {name.removeprefix("FEEDLINE_").lower(): value for name, value in settings.items()}
    read = Settings.load(_env_file=None, **given)
    clock, chance, vault = Clock(), Chance(1), read.vault()
    database = Database(read.database_url.get_secret_value())
    publisher = Publisher(read.amqp_urls())
    amazon = Amazon(read, database, vault, clock, chance)
    try:
        with database.begin() as tx:
            file = parse(json.dumps({"version": 1, "connections": [{**entry, **sections}]}), environment={}, folder=Path())
            connections.apply(tx, vault, file, read.lwa_client_id)
            connection_id = connections.by_name(tx, NAME).id
        yield Shop(Context(read, database, vault, amazon, publisher, clock, chance), connection_id, settings)
    finally:
        amazon.close()
        publisher.close()
        database.close()
