"""Promise 4 over real HTTP: however many workers, no call of ours is throttled, on a clock that runs fast."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Event

import pytest

from ops.simulator.control import Simulator
from tests.amazon.accounts import Worker
from tests.amazon.conftest import StartWorker, register
from tests.amazon.test_feeds import CONTENT_TYPE, FEED_TYPE, upload
from tests.conftest import StartSimulator
from worker.core.accounts import Seller
from worker.errors import Later

WORKERS, THREADS = 4, 12


@pytest.fixture
def fast_simulator(start_simulator: StartSimulator) -> Simulator:
    simulator = start_simulator(speed=60)
    register(simulator)
    return simulator


@pytest.fixture
def workers(fast_simulator: Simulator, new_worker: StartWorker) -> list[Worker]:
    return [new_worker(simulator=fast_simulator) for _ in range(WORKERS)]


def until_done(worker: Worker, call: Callable[[], object]) -> None:
    """Make *call* as a step does: at the time that Later names, and not before."""
    while True:
        try:
            call()
        except Later as later:
            worker.clock.wait(Event(), max(0.0, (later.at - worker.clock.now()).total_seconds()))
        else:
            return


def test_many_workers_are_never_throttled_and_still_use_the_whole_plan(
    fast_simulator: Simulator, workers: list[Worker], seller: Seller
) -> None:
    began = workers[0].clock.monotonic()

    with ThreadPoolExecutor(THREADS) as pool:
        turns = zip(range(120), cycle(workers), strict=False)
        list(pool.map(lambda turn: until_done(turn[1], lambda: turn[1].amazon.create_feed_document(seller, CONTENT_TYPE)), turns))

    assert fast_simulator.call_counts()["createFeedDocument"] == {"201": 120}
    # 0.5/s at 60 times the speed: 105 calls after the burst take 3.5 s; at the published rate they would take 210 s.
    assert workers[0].clock.monotonic() - began < 60


def test_the_hidden_limit_of_listings_feeds_is_kept_too(fast_simulator: Simulator, workers: list[Worker], seller: Seller) -> None:
    document_id = upload(workers[0], seller)

    with ThreadPoolExecutor(THREADS) as pool:
        turns = zip(range(12), cycle(workers), strict=False)
        list(pool.map(lambda turn: until_done(turn[1], lambda: turn[1].amazon.create_feed(seller, FEED_TYPE, document_id)), turns))

    assert fast_simulator.call_counts()["createFeed"] == {"202": 12}


def test_a_plan_that_amazon_lowers_and_raises_is_followed(fast_simulator: Simulator, workers: list[Worker], seller: Seller) -> None:
    def ask(number: int) -> None:
        worker = workers[number % WORKERS]
        until_done(worker, lambda: worker.amazon.create_feed_document(seller, CONTENT_TYPE))

    ask(0)
    fast_simulator.set_limits(plans={"createFeedDocument": {"rate": 0.25, "burst": 15}})
    ask(1)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(30)))
    fast_simulator.set_limits(plans={"createFeedDocument": {"rate": 1, "burst": 15}})
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(60)))

    assert fast_simulator.call_counts()["createFeedDocument"] == {"201": 92}
