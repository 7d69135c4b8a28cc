"""A seller whom the simulator and the database both know, and workers that call for it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, Worker, seller_of, start_worker, store_account
from worker.core.accounts import Seller
from worker.database import Database

StartWorker = Callable[..., Worker]


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with Simulator.start() as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    """Empty but for our seller; its clock runs as ours does."""
    shared_simulator.reset()
    shared_simulator.set_speed(1)
    register(shared_simulator)
    return shared_simulator


def register(simulator: Simulator) -> None:
    simulator.register_seller(
        CREDENTIALS.seller_id,
        client_id=CREDENTIALS.client_id,
        client_secret=CREDENTIALS.client_secret,
        refresh_token=CREDENTIALS.refresh_token,
    )


@pytest.fixture
def seller(database: str) -> Iterator[Seller]:
    stored = Database(database)
    yield seller_of(store_account(stored))
    stored.close()


@pytest.fixture
def new_worker(database: str, simulator: Simulator) -> Iterator[StartWorker]:
    """Call to start one more worker on the same database; the same options as `start_worker`."""
    started: list[Worker] = []

    def start(**options: Any) -> Worker:
        started.append(start_worker(database, options.pop("simulator", simulator), **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def worker(new_worker: StartWorker) -> Worker:
    return new_worker()
