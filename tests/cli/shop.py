"""A shop for tests of the reading commands: messages are taken as far as a test wants, then a command tells of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

from ops.simulator.control import Simulator
from tests.cli.conftest import Feedline
from tests.steps.shop import NAME, Shop
from worker.amazon.client import Amazon
from worker.broker.publisher import Publisher
from worker.clock import Chance, Clock
from worker.context import Context
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.wire import STRUCTURED, Delivery
from worker.database import Database
from worker.settings import Settings
from worker.steps.cut import cut
from worker.steps.link import link
from worker.steps.stage import stage
from worker.store import connections

SPEED = 3600
"""How fast the simulator's clock runs."""

StartSimulator = Callable[..., Simulator]


@contextmanager
def opened(settings: dict[str, str], simulator: Simulator, **entry: object) -> Iterator[Shop]:
    """Connect a shop; *settings* become those of the command line, *entry* is what the connection file says beyond the needed."""
    settings |= {
        "FEEDLINE_LWA_URL": simulator.lwa_url,
        "FEEDLINE_SP_API_URL": simulator.url,
        "FEEDLINE_FEED_LINGER_SECONDS": "0",
        "FEEDLINE_FEED_POLL_SECONDS": "0.05",
    }
    given: dict[str, Any] = {name.removeprefix("FEEDLINE_").lower(): value for name, value in settings.items()}
    read = Settings.load(_env_file=None, **given)
    database, vault, clock, chance = Database(read.database_url.get_secret_value()), read.vault(), Clock(), Chance(1)
    amazon, publisher = Amazon(read, database, vault, clock, chance), Publisher(read.amqp_urls())
    try:
        shop = Shop(Context(read, database, vault, amazon, publisher, clock, chance), simulator)
        shop.connect(**entry)
        yield shop
    finally:
        amazon.close()
        publisher.close()
        database.close()


def cut_a_feed(shop: Shop) -> FeedId:
    """Link what is new, and cut a feed of all that waits; it is not sent."""
    with shop.ctx.database.begin() as tx:
        connection_id = connections.by_name(tx, NAME).id
    link(shop.ctx, connection_id, Event())
    feed_id = cut(shop.ctx, connection_id, Kind.LISTINGS)
    assert feed_id is not None
    return feed_id


def deliver(shop: Shop, body: bytes | Mapping[str, Any], queue: str = "feedline.inventory") -> None:
    """Stage one delivery, whatever it is."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stage(shop.ctx, [Delivery(queue=queue, body=raw, content_type=STRUCTURED)], shop.ctx.clock.now())


def answered(feedline: Feedline, settings: Mapping[str, str], *arguments: str) -> list[dict[str, Any]]:
    """Run a command with --json, which must succeed; return the object of each line."""
    run = feedline(*arguments, "--json", settings=settings)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]
