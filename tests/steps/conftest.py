"""Fixtures for the steps: a shop on a real Postgres and the simulator, whose clock runs fast."""

from collections.abc import Callable, Iterator

import pytest

from ops.simulator.control import Simulator
from tests.steps.shop import Shop
from worker.amazon.client import Amazon
from worker.broker.publisher import Publisher
from worker.clock import Chance, Clock
from worker.context import Context
from worker.database import Database
from worker.settings import Settings

SPEED = 3600


@pytest.fixture
def make_context(database: str) -> Iterator[Callable[..., Context]]:
    """Call with settings to get a context on the test's database. RabbitMQ is not needed: nothing is published here."""
    opened: list[Context] = []

    def make(**given: object) -> Context:
        defaults = {
            "database_url": database,
            "amqp_url": "amqp://127.0.0.1:1/none",
            "secret_keys": "dGVzdCBrZXksIDMyIGJ5dGVzLCBub3QgYSBzZWNyZXQ=",
            "lwa_client_id": "amzn1.application-oa2-client.test",
            "lwa_client_secret": "test-client-secret",
            "feed_linger_seconds": 0,
            "feed_poll_seconds": 0.05,
        }
        settings = Settings.load(_env_file=None, **{**defaults, **given})
        db, vault, clock, chance = Database(settings.database_url.get_secret_value()), settings.vault(), Clock(), Chance(1)
        ctx = Context(settings, db, vault, Amazon(settings, db, vault, clock, chance), Publisher(settings.amqp_urls()), clock, chance)
        opened.append(ctx)
        return ctx

    yield make
    for ctx in opened:
        ctx.amazon.close()
        ctx.publisher.close()
        ctx.database.close()


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with Simulator.start(speed=SPEED) as simulator:
        yield simulator


@pytest.fixture
def fast_simulator(shared_simulator: Simulator) -> Simulator:
    """Empty, and an hour passes in a second; but for access tokens, which would be dead on a busy machine before they are used."""
    shared_simulator.reset()
    shared_simulator.set_limits(token_seconds=3600 * SPEED)
    return shared_simulator


@pytest.fixture
def open_shop(make_context: Callable[..., Context], fast_simulator: Simulator) -> Callable[..., Shop]:
    """Call with settings to get a shop; a second one shares the first's database, as a second worker does."""
    return lambda **given: Shop(make_context(lwa_url=fast_simulator.lwa_url, sp_api_url=fast_simulator.url, **given), fast_simulator)


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose feeds take a moment. Call `connect` first, with what the connection shall be like."""
    return open_shop()
